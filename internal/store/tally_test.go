package store

import (
	"testing"
	"time"
)

func TestSendsPack(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 200, 599, 999} {
		at := time.Date(2100, 1, 2, 3, 4, 5, 678000, time.UTC)
		if us, got := unpackSend(packSend(at, status)); us != micros(at) || got != status {
			t.Errorf("%d: %d %d", status, us, got)
		}
	}
}

// TestTalliesAreWritten: what is counted moves from memory into the table, and
// neither is lost nor counted twice.
func TestTalliesAreWritten(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for n := range int64(4) {
		w := s.send()
		done := make(chan error, 1)
		s.db.Finish(&Outcome{Work: w, State: Delivered, Attempt: Attempt{Number: 1, At: time.Now(), Status: 200 + int(n)}}, func(err error) { done <- err })
		s.no(<-done)
		if n > 0 {
			s.no(s.db.write(t.Context(), func(b *batch) error { b.db.tallies.from = time.Time{}; return nil }))
			var written int64
			s.no(s.db.read(t.Context(), false, func(c *conn) error {
				_, err := c.row(t.Context(), "SELECT attempts FROM tallies", nil, &written)
				return err
			}))
			if written != n+1 {
				t.Errorf("%d attempts in the table, want %d", written, n+1)
			}
		}
		if n == 2 { // as after a crash
			s.no(s.db.Close())
			s.open()
		}
		out, err := s.db.Traffic(t.Context(), []ID{s.e.ID})
		s.no(err)
		if out[0].Attempts != n+1 || out[0].LastStatus != 200+int(n) {
			t.Errorf("after %d: %+v", n+1, out[0])
		}
	}
}
