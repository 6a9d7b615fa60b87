package webhook

import (
	"bytes"
	"testing"
	"time"
)

func TestNewID(t *testing.T) {
	t.Parallel()
	seen := map[ID]bool{}
	before := time.Now().UnixMilli()
	for range 10_000 {
		id := NewID()
		if id[6]>>4 != 7 || id[8]>>6 != 2 {
			t.Fatalf("%s is no UUIDv7", id)
		}
		ms := int64(0)
		for _, b := range id[:6] {
			ms = ms<<8 | int64(b)
		}
		if now := time.Now().UnixMilli(); ms < before || ms > now {
			t.Fatalf("%s is of %d, not of %d to %d", id, ms, before, now)
		}
		if seen[id] || bytes.Count(id[6:], []byte{0}) > 8 {
			t.Fatalf("%s again, or not random", id)
		}
		seen[id] = true
	}
}
