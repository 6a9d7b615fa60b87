package deliver

import (
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// EndpointChanged says that an endpoint was changed or deleted: see [store.Owner].
func (e *Engine) EndpointChanged(id store.ID) (inFlight int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	l := e.lanes[id]
	if l == nil {
		if e.stopping {
			return 0
		}
		if l = e.lane(id, now); l == nil {
			return 0
		}
		l.slow = true
	}
	e.changed(l, now)
	return l.gate.inFlight
}

// DeliveryChanged says that a delivery was cancelled or made due now: see [store.Owner].
func (e *Engine) DeliveryChanged(endpoint, id store.ID) (inFlight int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	l := e.lanes[endpoint]
	if l == nil {
		if e.stopping {
			return 0
		}
		if l = e.lane(endpoint, now); l == nil {
			return 0
		}
	}
	if it := l.held[id]; it != nil {
		if it.stage == stageWaiting {
			e.drop(l, it)
		} else {
			it.stale = true
		}
		if it.stage == stageInFlight {
			inFlight = 1
		}
	}
	l.discard = true
	e.forget(l, store.Place{})
	e.place(l, now)
	return inFlight
}

// RecoveryAsked says that a receiver is taken to be back: see [store.Owner]. An
// open breaker lets its probe go now instead of after its wait.
func (e *Engine) RecoveryAsked(id store.ID) {
	e.mu.Lock()
	defer e.unlock()
	l := e.lanes[id]
	if l == nil || e.stopping {
		return
	}
	now := time.Now()
	l.gate.breaker.hurry(now)
	e.place(l, now)
	e.pump(now)
}

// Missed says that anything may have changed: see [store.Owner].
func (e *Engine) Missed() {
	e.mu.Lock()
	defer e.unlock()
	if e.stopping {
		return
	}
	now := time.Now()
	for _, l := range e.lanes {
		e.changed(l, now)
	}
	e.pump(now)
	select {
	case e.gained <- struct{}{}: // and there may be more endpoints
	default:
	}
}

// changed has a lane forget what it knows of its endpoint and its queue.
func (e *Engine) changed(l *lane, now time.Time) {
	l.changes++
	l.retryAt = time.Time{}
	e.letGo(l, now)
	e.evict(l)
	e.forget(l, store.Place{})
	for _, it := range l.held {
		it.stale = true
	}
	e.place(l, now)
}
