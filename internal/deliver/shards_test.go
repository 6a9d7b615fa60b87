package deliver

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// inNodes runs a test on fake time with engines that share a store.
func inNodes(t *testing.T, n int, test func(t *testing.T, ns *nodes), options ...func(*rig)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t, n, options...)
		defer ns.close()
		synctest.Wait()
		test(t, ns)
	})
}

func isOver(done chan struct{}) bool {
	synctest.Wait()
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// TestHandOver: what is under way ends where it began, nothing new begins
// there, and everything else goes on at the other, exactly once.
func TestHandOver(t *testing.T) {
	inNodes(t, 2, func(t *testing.T, ns *nodes) {
		r, a, b := ns.r, ns.all[0], ns.all[1]
		ep := r.endpoint("standard", "a")
		r.always(reply{after: 10 * time.Second})
		r.accept(ep, 100)
		after(5 * time.Second)
		n := len(r.got(ep))
		done := ns.move(a, b, []store.Shard{r.db.ShardOf(ep.ID)})
		r.accept(ep, 20)
		if held, waiting := a.holds(ep); isOver(done) || held != n || waiting != 0 {
			t.Errorf("while %d are under way: over %v, %d held", n, isOver(done), held)
		}
		after(4 * time.Second)
		if isOver(done) || len(r.got(ep)) != n {
			t.Errorf("it went on: %d requests after %d", len(r.got(ep)), n)
		}
		after(2 * time.Second)
		if !isOver(done) || len(r.got(ep)) == n {
			t.Errorf("over %v, %d requests", isOver(done), len(r.got(ep)))
		}
		a.quiet(t)
		after(10 * time.Minute)
		once(t, r.got(ep), 120)
		if s := r.states(ep); s[store.Delivered] != 120 || r.mostAt("a") > 16 {
			t.Errorf("%v, %d at once", s, r.mostAt("a"))
		}
		for _, d := range r.deliveries(ep) {
			if d.Attempts != 1 {
				t.Fatalf("%+v", d)
			}
		}
	})
}

// TestLeaveWaitsForTheCommit: an attempt whose row is not kept yet would be
// made again by the next.
func TestLeaveWaitsForTheCommit(t *testing.T) {
	inNodes(t, 2, func(t *testing.T, ns *nodes) {
		r, a, b := ns.r, ns.all[0], ns.all[1]
		ep := r.endpoint("standard", "a")
		a.own.set(nil, true)
		r.accept(ep, 3)
		after(time.Second)
		done := ns.move(a, b, []store.Shard{r.db.ShardOf(ep.ID)})
		after(time.Minute)
		if isOver(done) {
			t.Error("over before the commit")
		}
		a.own.set(nil, false)
		after(time.Second)
		if !isOver(done) {
			t.Error("never over")
		}
		a.quiet(t)
		after(time.Minute)
		once(t, r.got(ep), 3)
	})
}

// TestLeaveOfWhatIsQuiet is over at once, and twice is as good as once.
func TestLeaveOfWhatIsQuiet(t *testing.T) {
	inNodes(t, 2, func(t *testing.T, ns *nodes) {
		r, a, b := ns.r, ns.all[0], ns.all[1]
		ep := r.endpoint("standard", "a")
		s := []store.Shard{r.db.ShardOf(ep.ID), (r.db.ShardOf(ep.ID) + 1) % store.Shards}
		r.accept(ep, 3)
		after(time.Second)
		if !isOver(ns.move(a, b, s)) {
			t.Error("not over")
		}
		again := make(chan struct{})
		a.Leave(s, func() { close(again) })
		if !isOver(again) {
			t.Error("what is gone is not left")
		}
		a.quiet(t)
		if n := a.EndpointChanged(ep.ID) + a.DeliveryChanged(ep.ID, r.deliveries(ep)[0].ID); n != 0 {
			t.Errorf("%d in flight of what it does not have", n)
		}
		a.QueueGrew(ep.ID, store.Place{})
		a.quiet(t)
		r.accept(ep, 4)
		after(time.Second)
		once(t, r.got(ep), 7)
		if !isOver(ns.move(b, a, s)) {
			t.Error("not back")
		}
		r.accept(ep, 5)
		after(time.Second)
		once(t, r.got(ep), 12)
		b.quiet(t)
	})
}

// TestLeaveDuringARead: rows that were asked for before do not come in after.
func TestLeaveDuringARead(t *testing.T) {
	inNodes(t, 2, func(t *testing.T, ns *nodes) {
		r, a, b := ns.r, ns.all[0], ns.all[1]
		ep := r.endpoint("standard", "a")
		s := []store.Shard{r.db.ShardOf(ep.ID)}
		r.update(ep, setState(store.Paused))
		r.accept(ep, 5)
		after(time.Second)
		var there, back chan struct{}
		a.own.between(&a.own.rows, func() {
			there = ns.move(a, b, s)
			after(time.Second)
			back = ns.move(b, a, s)
			after(time.Second)
		})
		r.update(ep, setState(store.Active))
		after(time.Minute)
		if there == nil || !isOver(there) || !isOver(back) {
			t.Fatal("not there and back")
		}
		once(t, r.got(ep), 5)
		b.quiet(t)
	})
}

// TestRateOutlivesHandOver: no minute has more than the limit, whoever sends.
func TestRateOutlivesHandOver(t *testing.T) {
	inNodes(t, 3, func(t *testing.T, ns *nodes) {
		r := ns.r
		ep := r.endpoint("standard", "a", func(e *store.Endpoint) { e.RateLimit = 60 })
		s := []store.Shard{r.db.ShardOf(ep.ID)}
		r.always(reply{after: time.Second})
		r.accept(ep, 300)
		for i := range 12 {
			after(13 * time.Second)
			from, to := ns.all[i%3], ns.all[(i+1)%3]
			done := ns.move(from, to, s)
			after(2 * time.Second)
			if !isOver(done) {
				t.Fatal("not over")
			}
		}
		after(15 * time.Minute)
		once(t, r.got(ep), 300)
		var times []time.Time
		for _, a := range r.got(ep) {
			times = append(times, a.at)
		}
		checkWindows(t, times, 60)
	})
}

// TestInterruptedByAnothersDeath: who takes over says what may have been
// under way, and of what was handed over says nothing.
func TestInterruptedByAnothersDeath(t *testing.T) {
	inNodes(t, 2, func(t *testing.T, ns *nodes) {
		r, a, b := ns.r, ns.all[0], ns.all[1]
		ep, other := r.endpoint("standard", "a"), r.endpoint("standard", "b")
		for r.db.ShardOf(other.ID) == r.db.ShardOf(ep.ID) {
			other = r.endpoint("standard", "b")
		}
		if !isOver(ns.move(a, b, []store.Shard{r.db.ShardOf(other.ID)})) {
			t.Fatal("not over")
		}
		r.answers(func(a arrival) reply {
			if a.nth == 1 {
				return reply{after: 10 * time.Second}
			}
			return reply{}
		})
		r.accept(ep, 20)
		r.accept(other, 20)
		after(5 * time.Second)
		ns.die(a, b)
		after(time.Hour)
		interrupted := func(ep *store.Endpoint) (n int) {
			for _, d := range r.deliveries(ep) {
				if d.State != store.Delivered {
					t.Errorf("%+v", d)
				}
				for _, a := range r.attempts(d) {
					if a.Interrupted {
						n++
					}
				}
			}
			return n
		}
		if n := interrupted(ep); n != 16 {
			t.Errorf("%d may have been under way, want 16", n)
		}
		if n := interrupted(other); n != 0 {
			t.Errorf("%d at an endpoint of the one that lives", n)
		}
	})
}

// TestLease: nothing starts that could outlast the lease, what waits goes on by
// itself, and what is under way at the end is cut off and said to be unknown.
func TestLease(t *testing.T) {
	inNodes(t, 1, func(t *testing.T, ns *nodes) {
		r, a := ns.r, ns.all[0]
		ep := r.endpoint("tarefa", "a") // 35 s in all
		quick := r.endpoint("tarefa", "b", func(e *store.Endpoint) { e.Settings.Timeout = 2 * time.Second })
		a.own.renew(45 * time.Second)
		r.accept(ep, 1)
		after(11 * time.Second)
		r.accept(ep, 1)
		r.accept(quick, 1)
		after(5 * time.Second)
		if n, m := len(r.got(ep)), len(r.got(quick)); n != 1 || m != 1 {
			t.Errorf("with 34 s left: %d that may take 35, %d that may take 12", n, m)
		}
		a.own.renew(45 * time.Second)
		after(leaseLook)
		if n := len(r.got(ep)); n != 2 {
			t.Errorf("%d after it was renewed", n)
		}
		r.always(reply{after: time.Minute}) // beyond its own limit: as if this process had stood still
		start := time.Now()
		r.accept(ep, 1)
		after(44 * time.Second)
		if r.busyAt("a") != 1 {
			t.Error("cut off early")
		}
		after(time.Second)
		if r.busyAt("a") != 0 {
			t.Error("still under way")
		}
		r.always(reply{})
		after(10 * time.Minute)
		d := r.deliveries(ep)[2]
		rows := r.attempts(d)
		if d.State != store.Pending || len(rows) != 1 || rows[0].Class != store.ClassUnknown || !rows[0].At.Equal(start) {
			t.Errorf("%+v with %+v", d, rows)
		}
		a.own.renew(time.Hour)
		after(time.Second)
		if d := r.delivery(quick); d.State != store.Delivered {
			t.Errorf("%+v", d)
		}
		if s := r.states(ep); s[store.Delivered] != 3 {
			t.Errorf("%v", s)
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.lapsed.n != 0 {
			t.Errorf("%d still wait", a.lapsed.n)
		}
	})
}

// TestLeaveBeforeARead: what waits to be read is not read, and not held, once
// it is to be left.
func TestLeaveBeforeARead(t *testing.T) {
	inNodes(t, 2, func(t *testing.T, ns *nodes) {
		r, a, b := ns.r, ns.all[0], ns.all[1]
		ep := r.endpoint("standard", "a")
		r.always(reply{after: 10 * time.Second})
		r.accept(ep, 1)
		after(time.Second)
		r.update(ep, setState(store.Paused))
		r.accept(ep, 5)
		var done chan struct{}
		a.own.between(&a.own.lane, func() { // before its rows are asked for
			done = ns.move(a, b, []store.Shard{r.db.ShardOf(ep.ID)})
		})
		r.update(ep, setState(store.Active))
		after(time.Second)
		if held, _ := a.holds(ep); done == nil || isOver(done) || held != 1 {
			t.Errorf("%d held", held)
		}
		after(time.Minute)
		a.quiet(t)
		once(t, r.got(ep), 6)
	})
}

// TestADownReceiverIsAskedOnce: who takes over an endpoint whose receiver is
// down sends it one request, and the rest when that is answered.
func TestADownReceiverIsAskedOnce(t *testing.T) {
	t.Parallel()
	for _, died := range []bool{false, true} {
		t.Run(fmt.Sprint("died ", died), func(t *testing.T) {
			inNodes(t, 2, func(t *testing.T, ns *nodes) {
				r, a, b := ns.r, ns.all[0], ns.all[1]
				ep := r.endpoint("standard", "a")
				r.always(reply{status: 503})
				r.accept(ep, 40)
				after(30 * time.Second)
				if died {
					ns.die(a, b)
				} else {
					ns.move(a, b, []store.Shard{r.db.ShardOf(ep.ID)})
				}
				synctest.Wait()
				n := len(r.got(ep))
				after(9 * time.Second) // less than a breaker's first wait
				if more := len(r.got(ep)) - n; more > 1 {
					t.Errorf("%d requests to a receiver that is down", more)
				}
				if why, _ := b.Waits(ep.ID, store.ID{}); !strings.HasPrefix(why, "circuit breaker open after ") {
					t.Errorf("it waits because %q", why)
				}
				r.always(reply{})
				after(10 * time.Hour)
				if s := r.states(ep); s[store.Delivered] != 40 {
					t.Errorf("%v", s)
				}
			})
		})
	}
}

// TestARefusalOpensNothing: a receiver that answers is up, whatever it says.
func TestARefusalOpensNothing(t *testing.T) {
	inNodes(t, 2, func(t *testing.T, ns *nodes) {
		r, a, b := ns.r, ns.all[0], ns.all[1]
		ep := r.endpoint("standard", "a")
		r.always(reply{status: 400})
		r.accept(ep, 40)
		after(30 * time.Second)
		ns.move(a, b, []store.Shard{r.db.ShardOf(ep.ID)})
		after(time.Second)
		if why, _ := b.Waits(ep.ID, store.ID{}); strings.HasPrefix(why, "circuit breaker") {
			t.Errorf("it waits because %q", why)
		}
	})
}
