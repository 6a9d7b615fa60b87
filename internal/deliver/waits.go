package deliver

import (
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// Why a gate is held.
const (
	heldAsked   lang.Kept = "the receiver asked for a pause"
	heldFault   lang.Kept = "this server could not send: the fault is on its side"
	heldDialect lang.Kept = "this server does not know the dialect"
)

var _ store.Waiter = (*Engine)(nil)

// Waits says why an endpoint's due deliveries do not go, as far as memory
// knows it; empty: nothing keeps them. until is when that is asked again;
// zero: when something happens. Of a delivery that is under way (zero: of
// none in particular) nothing is said. Whether the endpoint is active, the
// store says.
func (e *Engine) Waits(endpoint, delivery store.ID) (why string, until time.Time) {
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.lanes[endpoint]
	if l == nil || l.config == nil || !l.gate.active {
		return "", time.Time{}
	}
	if it := l.held[delivery]; it != nil && it.stage != stageWaiting {
		return "", time.Time{}
	}
	if why, until = l.gate.waits(now); why != "" {
		return why, until
	}
	switch {
	case now.Before(e.faults.until):
		return lang.Keep(heldFault), e.faults.until
	case l.config.host.inFlight >= e.limits.PerHost:
		return lang.Keep("as many requests to its host are under way as may be: %d", e.limits.PerHost), time.Time{}
	}
	return "", time.Time{}
}

// waits puts into words what admit refuses.
func (g *gate) waits(now time.Time) (why string, until time.Time) {
	if now.Before(g.hold) {
		return lang.Keep(g.holds), g.hold
	}
	if g.breaks {
		if ok, at := g.breaker.admit(now); !ok {
			return lang.Keep("circuit breaker open after %d failures in a row: one attempt goes first, to see", g.breaker.failures), at
		}
	}
	if ok, at := g.rate.admit(now); !ok {
		return lang.Keep("rate limit reached: %d a minute", g.rate.limit), at
	}
	if g.inFlight >= g.width() {
		return lang.Keep("as many requests are under way as may be: %d", g.width()), time.Time{}
	}
	return "", time.Time{}
}
