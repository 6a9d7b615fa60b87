package rawjson

import (
	"strings"
	"testing"
)

func TestPointerToken(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"": "", "a": "a", "a/b~c": "a~1b~0c", "~1": "~01",
		strings.Repeat("x", 64):       strings.Repeat("x", 64),
		strings.Repeat("x", 65):       strings.Repeat("x", 64) + "…",
		strings.Repeat("é", 40):       strings.Repeat("é", 32) + "…",
		"x" + strings.Repeat("é", 40): "x" + strings.Repeat("é", 31) + "…",
	} {
		if got := PointerToken(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
