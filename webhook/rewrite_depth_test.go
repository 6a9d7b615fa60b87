package webhook

import (
	"strings"
	"testing"
)

// TestDeepBodiesAreNotWrittenAnew: a small body costs what its length allows,
// however deeply it is nested.
func TestDeepBodiesAreNotWrittenAnew(t *testing.T) {
	t.Parallel()
	for depth, want := range map[int]bool{1: true, maxRewrittenDepth: true, maxRewrittenDepth + 1: false, 9_000: false} {
		body := strings.Repeat("[", depth) + `"[\"{",0` + strings.Repeat("]", depth)
		got := false
		for range Standard().rewrites([]byte(body)) {
			got = true
			break
		}
		if got != want || nesting([]byte(body)) != depth {
			t.Errorf("depth %d: %v, nested %d", depth, got, nesting([]byte(body)))
		}
	}
}
