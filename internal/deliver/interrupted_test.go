package deliver

import (
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// TestCrashMidAttemptIsRecorded: the attempt that nobody saw end has a row
// and a number once the delivery is taken again, and used up no try.
func TestCrashMidAttemptIsRecorded(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("tarefa", "a")
		r.answers(func(a arrival) reply {
			if a.nth == 1 {
				return reply{after: 10 * time.Second}
			}
			return reply{status: 500}
		})
		r.accept(ep, 1)
		after(5 * time.Second)
		r.crash()
		after(time.Second)
		r.start()
		restart := time.Now()
		after(3 * time.Hour)
		d := r.delivery(ep)
		rows := r.attempts(d)
		// Five tries, as if nothing had happened, and the one that was interrupted.
		if d.State != store.Failed || d.Attempts != 6 || len(rows) != 6 {
			t.Fatalf("%+v with %d rows", d, len(rows))
		}
		if a := rows[0]; a.Number != 1 || a.Class != store.ClassUnknown || !a.Interrupted || !a.At.Equal(restart) || a.Detail == "" {
			t.Errorf("%+v", a)
		}
		got := r.got(ep)
		if len(got) != 6 {
			t.Fatalf("%d arrivals", len(got))
		}
		for i, want := range []string{"1", "2", "3", "4", "5", "6"} {
			if n := got[i].fields["x-delivery-attempt"]; n != want {
				t.Errorf("arrival %d carries number %s", i+1, n)
			}
		}
		if p := got[1].fields["x-previous-attempt"]; p != restart.UTC().Format("2006-01-02T15:04:05.000Z") {
			t.Errorf("the attempt before: %q", p)
		}
		waits := since(restart, got[1:])
		for i, want := range []time.Duration{0, time.Minute, 6 * time.Minute, 21 * time.Minute, 81 * time.Minute} {
			if waits[i] != want {
				t.Errorf("try %d after %v, want %v", i+1, waits[i], want)
			}
		}
		// By hand it has one more try, and fails again.
		_, err := r.db.RetryDelivery(t.Context(), d.ProjectID, d.ID)
		must(t, err)
		after(time.Hour)
		if d := r.delivery(ep); d.State != store.Failed || d.Attempts != 7 {
			t.Errorf("after a retry by hand: %+v", d)
		}
	})
}

// TestInterruptedAreFewOfABacklog: what could not have been under way is not
// said to have been.
func TestInterruptedAreFewOfABacklog(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		busy, paused := r.endpoint("standard", "a"), r.endpoint("standard", "b")
		r.update(paused, setState(store.Paused))
		r.always(reply{after: time.Second})
		r.accept(busy, 400)
		r.accept(paused, 20)
		after(500 * time.Millisecond)
		r.crash()
		r.start()
		after(time.Millisecond)
		r.accept(busy, 20)
		r.update(paused, setState(store.Active))
		after(time.Hour)
		interrupted := func(ep *store.Endpoint) (n int) {
			for _, d := range r.deliveries(ep) {
				for _, a := range r.attempts(d) {
					if a.Interrupted {
						n++
					}
				}
			}
			return n
		}
		if n := interrupted(busy); n != 16 {
			t.Errorf("%d of a backlog may have been under way, want 16", n)
		}
		for _, o := range r.lost {
			if rows := r.attempts(&store.Delivery{ID: o.Work.ID, ProjectID: busy.ProjectID}); len(rows) != 2 || !rows[0].Interrupted {
				t.Errorf("one that was under way has the rows %+v", rows)
			}
		}
		if n := interrupted(paused); n != 0 {
			t.Errorf("%d at an endpoint that was paused", n)
		}
		r.halt()
		r.start()
		r.accept(busy, 3)
		after(time.Minute)
		if n := interrupted(busy); n != 16 {
			t.Errorf("after a planned stop: %d", n)
		}
	})
}
