package deliver

import (
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// TestRateOutlivesCrashOfASlowStore: attempts that ended, but whose outcomes
// were not yet durable at a kill, count as well.
func TestRateOutlivesCrashOfASlowStore(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a", func(e *store.Endpoint) { e.RateLimit = 60 })
		r.own.set(nil, true)
		r.accept(ep, 200)
		after(time.Second)
		r.crash()
		r.start()
		after(10 * time.Minute)
		var times []time.Time
		for _, a := range r.got(ep) {
			times = append(times, a.at)
		}
		checkWindows(t, times, 60)
		if s := r.states(ep); s[store.Delivered] != 200 {
			t.Errorf("%v", s)
		}
	})
}

// TestRateTakenAwayAndGivenBack: what was sent without a rate counts when
// there is one again.
func TestRateTakenAwayAndGivenBack(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		set := func(ep *store.Endpoint, n int) { r.update(ep, func(e *store.Endpoint) { e.RateLimit = n }) }
		ep := r.endpoint("standard", "a", func(e *store.Endpoint) { e.RateLimit = 20 })
		r.accept(ep, 1)
		after(time.Second)
		set(ep, 0)
		r.accept(ep, 50)
		after(5 * time.Second)
		set(ep, 20)
		start := time.Now()
		r.accept(ep, 50)
		after(50 * time.Second)
		n := 0
		for _, a := range r.got(ep) {
			if !a.at.Before(start) {
				n++
			}
		}
		if n > 0 {
			t.Errorf("%d requests in the minute in which 51 had been sent", n)
		}
		after(10 * time.Minute)
		once(t, r.got(ep), 101)
		r.quiet()
	})
}
