package deliver

import (
	"context"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// feed tells the lanes what the store has for them: every endpoint with
// pending deliveries once at the start, then a few pages at a time, going on
// from where the last sweep ended.
func (e *Engine) feed(ctx context.Context) {
	var cursor store.ID
	for {
		var err error
		for first := true; ctx.Err() == nil && err == nil && (first || !cursor.IsZero()); first = false {
			cursor, err = e.sweep(ctx, cursor, true)
		}
		if err == nil {
			break
		}
		if !wait(ctx, readAgain) {
			return
		}
	}
	e.mu.Lock()
	e.fed = true
	e.mu.Unlock()
	for wait(ctx, e.pace) {
		for range sweepPages {
			var err error
			if cursor, err = e.sweep(ctx, cursor, false); err != nil || cursor.IsZero() {
				break
			}
		}
		e.dropIdle(time.Now())
	}
}

const (
	sweepEvery = 5 * time.Second
	sweepPages = 4
	sweepPage  = 500
	soon       = time.Minute // endpoints with nothing due before this wait for a later sweep, if there are many
	manyLanes  = 10_000
	idleAfter  = time.Minute
)

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return ctx.Err() == nil
	}
}

// sweep reads one page of endpoints with pending deliveries and returns the
// cursor for the next; zero at the end.
func (e *Engine) sweep(ctx context.Context, after store.ID, starting bool) (next store.ID, err error) {
	page, err := e.store.PendingEndpoints(ctx, after, sweepPage)
	if err != nil {
		if ctx.Err() == nil {
			e.log.Error("pending deliveries cannot be read", "error", err)
		}
		return after, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	for _, p := range page {
		e.notice(p, starting, now)
	}
	e.pump(now)
	if len(page) < sweepPage {
		return store.ID{}, nil
	}
	return page[len(page)-1].EndpointID, nil
}

// notice compares what the store says is due first with what memory knows.
func (e *Engine) notice(p store.PendingEndpoint, starting bool, now time.Time) {
	l := e.lanes[p.EndpointID]
	if l == nil {
		if len(e.lanes) >= manyLanes && p.DueAt.Sub(now) > soon {
			return
		}
		l = e.lane(p.EndpointID, now)
		l.inherited, l.slow = starting, starting
		e.forget(l, store.Place{DueAt: p.DueAt})
		e.place(l, now)
		return
	}
	l.inherited = l.inherited || starting && l.last == nil
	if l.loading || l.turn.in == &e.ready || l.shut || l.config != nil && !l.gate.active {
		return
	}
	if !l.knows(p.DueAt) {
		e.forget(l, store.Place{DueAt: p.DueAt})
	}
	e.place(l, now)
}

// dropIdle drops lanes that nothing happened in for a while, a few thousand
// at a time.
func (e *Engine) dropIdle(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	looked := 0
	for id, l := range e.lanes {
		if looked++; looked > 2*sweepPages*sweepPage {
			return
		}
		if now.Sub(l.busy) < idleAfter || l.loading {
			continue
		}
		if due, any := l.next(); len(e.lanes) > manyLanes && any && due.Sub(now) > soon && len(l.held) == l.queue.len() {
			e.evict(l)
			if l.gate.quiet(now) {
				e.remove(id, l, now)
			}
			continue
		}
		if l.quiet(now) {
			e.remove(id, l, now)
		}
	}
}

func (e *Engine) remove(id store.ID, l *lane, now time.Time) {
	e.letGo(l, now)
	if l.behind {
		e.behind--
	}
	if l.shut {
		e.shut--
	}
	l.turn.leave()
	l.park.leave()
	l.food.leave()
	e.timers.set(l, time.Time{})
	delete(e.lanes, id)
}
