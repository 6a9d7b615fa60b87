package deliver

import (
	"time"

	"github.com/malote-dev/malote/internal/lang"
)

// gate answers one question for each endpoint: may a request start now, and
// if not, not before when? A refused delivery costs nothing and is not
// rewritten.
type gate struct {
	active   bool      // the endpoint's state allows sending
	slots    int       // attempts in flight at most
	window   int       // slow start: fewer than slots for now; 0: over
	inFlight int       // attempts
	settling int       // finishes under way that may disable the endpoint
	unkept   int       // finishes under way, all of them
	hold     time.Time // Retry-After, or a fault of our own: nothing before
	holds    lang.Kept // why
	breaks   bool      // the breaker applies
	breaker  breaker
	rate     rate
}

// admit says go, or not before at. A zero at means that no clock will open
// the gate but an event: an attempt that ends, a commit, a change.
func (g *gate) admit(now time.Time) (ok bool, at time.Time) {
	if !g.active || g.settling > 0 || g.inFlight >= g.width() {
		return false, time.Time{}
	}
	// A rate outlives a kill only where no more than this left no trace.
	if g.rate.limit > 0 && g.inFlight+g.unkept >= g.slots {
		return false, time.Time{}
	}
	if now.Before(g.hold) {
		return false, g.hold
	}
	if g.breaks {
		if ok, at := g.breaker.admit(now); !ok {
			return false, at
		}
	}
	return g.rate.admit(now)
}

func (g *gate) width() int {
	if g.window > 0 {
		return min(g.window, g.slots)
	}
	return g.slots
}

// start says that an attempt starts. probe marks the one that an open breaker
// let through.
func (g *gate) start() (probe bool) {
	g.inFlight++
	g.rate.start()
	return g.breaks && g.breaker.start()
}

// done says that an attempt ended. written is when its request left; zero:
// it never did.
func (g *gate) done(h health, probe bool, written, now time.Time, rnd float64) {
	g.inFlight--
	g.rate.done(written)
	switch {
	case g.breaks && g.breaker.note(h, probe, now, rnd):
		g.window = 1
	case h == healthUnknown || g.window == 0:
	case h == healthUp || !g.breaks:
		// Without a breaker the slow start only paces: a receiver that answers
		// 500 for ever must not keep its queue at one in flight.
		if g.window *= 2; g.window >= g.slots {
			g.window = 0
		}
	default:
		g.window = max(g.window/2, 1)
	}
}

// holdUntil keeps the gate shut until t, if it was not for longer already.
func (g *gate) holdUntil(t time.Time, why lang.Kept) {
	if t.After(g.hold) {
		g.hold, g.holds = t, why
	}
}

// reset forgets what was learnt of a receiver: a person resumed the endpoint
// or gave it another URL. The rate stays: it is a promise to the owner.
func (g *gate) reset() {
	g.hold, g.breaker, g.window = time.Time{}, breaker{}, 1
}

// quiet reports whether nothing would be lost by forgetting the gate.
func (g *gate) quiet(now time.Time) bool {
	return g.inFlight == 0 && g.settling == 0 && !now.Before(g.hold) &&
		!g.breaker.open() && g.rate.quiet(now)
}
