package deliver

import (
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// TestWaitsSayWhy: whatever keeps a due delivery is said, until it goes.
func TestWaitsSayWhy(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		change func(*store.Endpoint)
		answer reply
		n      int
		why    string
		until  time.Duration // after the last attempt; 0: not known
	}{
		"rate limit":  {change: func(e *store.Endpoint) { e.RateLimit = 2 }, n: 4, why: "rate limit reached: 2 a minute", until: rateWindow},
		"breaker":     {answer: reply{status: 503}, n: 12, why: "circuit breaker open after 12 failures in a row: one attempt goes first, to see", until: breakerFirst},
		"Retry-After": {answer: reply{status: 429, retryAfter: "90"}, n: 1, why: "the receiver asked for a pause", until: 90 * time.Second},
		"concurrency": {change: func(e *store.Endpoint) { e.Settings.Concurrency = 1 }, answer: reply{after: 20 * time.Second}, n: 2, why: "as many requests are under way as may be: 1"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				var changes []func(*store.Endpoint)
				if x.change != nil {
					changes = append(changes, x.change)
				}
				ep := r.endpoint("standard", "a", changes...)
				if why, until := r.e.Waits(ep.ID, store.ID{}); why != "" || !until.IsZero() {
					t.Errorf("before anything: %q, %v", why, until)
				}
				r.always(x.answer)
				r.accept(ep, x.n)
				after(time.Second)
				why, until := r.e.Waits(ep.ID, store.ID{})
				if left := time.Until(until); why != x.why || until.IsZero() != (x.until == 0) ||
					x.until > 0 && (left < x.until-2*time.Second || left > x.until+x.until/4) {
					t.Errorf("%q for %v", why, left)
				}
				for _, d := range r.deliveries(ep) {
					under := name == "concurrency" && r.under(d.ID)
					if got, _ := r.e.Waits(ep.ID, d.ID); d.State == store.Pending && (got == "") != under {
						t.Errorf("a delivery that is under way (%v): %q", under, got)
					}
				}
				r.always(reply{})
				after(10 * time.Minute)
				if why, until := r.e.Waits(ep.ID, store.ID{}); why != "" || !until.IsZero() {
					t.Errorf("at the end: %q, %v", why, until)
				}
				r.update(ep, setState(store.Paused))
				if why, _ := r.e.Waits(ep.ID, store.ID{}); why != "" {
					t.Errorf("paused, which the store says: %q", why)
				}
			})
		})
	}
}

// under reports whether an attempt of a delivery is under way.
func (r *rig) under(delivery store.ID) bool {
	r.e.mu.Lock()
	defer r.e.mu.Unlock()
	for _, l := range r.e.lanes {
		if it := l.held[delivery]; it != nil && it.stage != stageWaiting {
			return true
		}
	}
	return false
}
