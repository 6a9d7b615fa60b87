package store

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(2, 3)
		greedy, other, third := owner{1, "greedy"}, owner{1, "other"}, owner{project: 2}
		done, err := turns.take(t.Context(), greedy, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		// Whatever the greedy one asks for more waits behind his own turn.
		waited := make(chan error, 2)
		for range 2 {
			go func() {
				done, err := turns.take(t.Context(), greedy, 5*time.Second)
				if err == nil {
					time.Sleep(time.Second)
					done()
				}
				waited <- err
			}()
		}
		synctest.Wait()
		if _, err := turns.take(t.Context(), greedy, time.Hour); !errors.Is(err, ErrTurn) {
			t.Errorf("one more than may queue: %v", err)
		}
		before := time.Now()
		otherDone, err := turns.take(t.Context(), other, time.Second)
		if err != nil || !time.Now().Equal(before) {
			t.Errorf("another waited for %v: %v", time.Since(before), err)
		}
		if _, err := turns.take(t.Context(), third, time.Second); !errors.Is(err, ErrTurn) || time.Since(before) != time.Second {
			t.Errorf("all turns are taken: %v after %v", err, time.Since(before))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := turns.take(ctx, third, time.Second); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller that is gone: %v", err)
		}
		otherDone()
		done()
		for range 2 {
			if err := <-waited; err != nil {
				t.Error(err)
			}
		}
		if len(turns.owners) != 0 || len(turns.slots) != 0 {
			t.Errorf("left behind: %v, %d", turns.owners, len(turns.slots))
		}
	})
}
