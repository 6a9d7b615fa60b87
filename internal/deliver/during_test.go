package deliver

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// backlog makes an endpoint with n deliveries that wait in the store, and an
// engine that has just begun to read them: during is called between the read
// and its answer.
func backlog(r *rig, n int, during func(ep *store.Endpoint)) *store.Endpoint {
	ep := r.endpoint("standard", "a")
	r.update(ep, setState(store.Paused))
	r.accept(ep, n)
	after(time.Second)
	r.own.between(&r.own.rows, func() { during(ep) })
	r.update(ep, setState(store.Active))
	return ep
}

func TestCancelledDuringARead(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var cancelled store.ID
		ep := backlog(r, 5, func(ep *store.Endpoint) {
			d := r.deliveries(ep)[4]
			_, n, err := r.db.CancelDelivery(context.Background(), d.ProjectID, d.ID)
			must(t, err)
			if n != 0 {
				t.Errorf("%d in flight", n)
			}
			cancelled = d.ID
		})
		after(time.Minute)
		if cancelled.IsZero() {
			t.Fatal("nothing was read")
		}
		once(t, r.got(ep), 4)
		for _, a := range r.got(ep) {
			if strings.Contains(a.body, `"n":4`) {
				t.Error("arrived after it was cancelled")
			}
		}
	})
}

func TestAcceptedDuringARead(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := backlog(r, 700, func(ep *store.Endpoint) { r.accept(ep, 700) })
		after(10 * time.Second) // no sweep yet
		once(t, r.got(ep), 1400)
		r.quiet()
	})
}

// TestAcceptedDuringTheLastRead: more than memory holds comes in while a read
// finds that there is nothing.
func TestAcceptedDuringTheLastRead(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := backlog(r, 0, func(ep *store.Endpoint) { r.accept(ep, 700) })
		after(10 * time.Second)
		once(t, r.got(ep), 700)
		r.quiet()
	})
}

func TestPausedDuringARead(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := backlog(r, 5, func(ep *store.Endpoint) { r.update(ep, setState(store.Paused)) })
		after(time.Minute)
		once(t, r.got(ep), 0)
		r.update(ep, setState(store.Active))
		after(time.Minute)
		once(t, r.got(ep), 5)
	})
}

func TestMovedDuringARead(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "old")
		r.own.between(&r.own.lane, func() {
			if n := r.update(ep, func(e *store.Endpoint) { e.URL = "http://127.0.0.1:9/new" }); n != 0 {
				t.Errorf("%d in flight", n)
			}
		})
		r.accept(ep, 5)
		after(time.Minute)
		once(t, r.got(ep), 0)
		once(t, r.all(), 5)
	})
}

// TestFinishedDuringARead: rows that were read while their attempts ended are
// not sent again.
func TestFinishedDuringARead(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.always(reply{after: 10 * time.Millisecond})
		held := 0
		ep := backlog(r, 5, func(ep *store.Endpoint) {
			// Nothing is in memory yet; the next read, from the start again, will
			// find rows whose attempts are under way.
			r.own.between(&r.own.rows, func() {
				after(time.Minute) // they end, and their finishes commit
				held++
			})
			r.accept(ep, 5)
			d := r.deliveries(ep)[9]
			_, err := r.db.RetryDelivery(context.Background(), d.ProjectID, d.ID)
			must(t, err)
		})
		after(time.Second)
		d := r.deliveries(ep)[9]
		if d.State == store.Pending {
			_, err := r.db.RetryDelivery(context.Background(), d.ProjectID, d.ID)
			must(t, err)
		}
		after(10 * time.Minute)
		once(t, r.got(ep), 10)
		if held == 0 {
			t.Error("no read was held up")
		}
		r.quiet()
	})
}

// TestFailedDuringARead: a row that was read as it was before its attempt
// failed is not tried before its schedule says so.
func TestFailedDuringARead(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("tarefa", "a")
		r.answers(func(a arrival) reply { return reply{status: 500, after: time.Second} })
		start := time.Now()
		r.accept(ep, 1)
		after(500 * time.Millisecond)
		// A person makes another delivery due: the lane reads from the start
		// while the first one's attempt is under way and ends.
		r.own.between(&r.own.rows, func() { after(10 * time.Second) })
		r.update(ep, func(e *store.Endpoint) { e.Description = "changed" })
		after(30 * time.Second)
		if got := since(start, r.got(ep)); len(got) != 1 {
			t.Errorf("requests at %v", got)
		}
		after(5 * time.Minute)
		if got := since(start, r.got(ep)); len(got) != 2 || got[1] != 61*time.Second {
			t.Errorf("requests at %v", got)
		}
	})
}
