package app

import (
	"strings"
	"testing"
	"time"
)

// TestDurationsAreWritten as people write them, in both formats.
func TestDurationsAreWritten(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{"json": `"next_probe_in":"10s"`, "text": "next_probe_in=10s"} {
		var b strings.Builder
		log, err := NewLogger(&b, format, "info")
		if err != nil {
			t.Fatal(err)
		}
		log.Info("x", "next_probe_in", 10*time.Second)
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s", b.String())
		}
	}
}
