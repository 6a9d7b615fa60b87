package deliver

import (
	"context"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// feed tells the lanes what the store has for them: every endpoint with
// pending deliveries once when its shard is gained, then a few pages at a time,
// going on from where the last sweep ended.
func (e *Engine) feed(ctx context.Context) {
	var cursor store.ID
	for again := e.pace; ctx.Err() == nil; {
		select {
		case <-e.gained:
			again = e.pace
			if !e.readGained(ctx) {
				again = min(again, readAgain)
			}
			continue
		case <-time.After(again):
		case <-ctx.Done():
			return
		}
		if e.unread() && !e.readGained(ctx) {
			continue
		}
		again = e.pace
		for range sweepPages {
			var err error
			if cursor, err = e.sweep(ctx, cursor); err != nil || cursor.IsZero() {
				break
			}
		}
		e.dropIdle(time.Now())
	}
}

// readGained sees every endpoint with pending work in the shards that were
// gained before it began; false: they could not be read.
func (e *Engine) readGained(ctx context.Context) bool {
	e.mu.Lock()
	upTo := e.gains
	e.mu.Unlock()
	var cursor store.ID
	for first := true; first || !cursor.IsZero(); first = false {
		var err error
		if cursor, err = e.sweep(ctx, cursor); err != nil || ctx.Err() != nil {
			return false
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range e.shards {
		if s := &e.shards[i]; s.mine && s.gain <= upTo {
			s.fed = true
		}
	}
	return true
}

// unread reports whether shards were gained whose endpoints were not all seen.
func (e *Engine) unread() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range e.shards {
		if s := &e.shards[i]; s.mine && !s.fed {
			return true
		}
	}
	return false
}

const (
	sweepEvery = 5 * time.Second
	sweepPages = 4
	sweepPage  = 500
	soon       = time.Minute // endpoints with nothing due before this wait for a later sweep, if there are many
	manyLanes  = 10_000
	idleAfter  = time.Minute
)

// sweep reads one page of endpoints with pending deliveries and returns the
// cursor for the next; zero at the end.
func (e *Engine) sweep(ctx context.Context, after store.ID) (next store.ID, err error) {
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
		e.notice(p, now)
	}
	e.pump(now)
	if len(page) < sweepPage {
		return store.ID{}, nil
	}
	return page[len(page)-1].EndpointID, nil
}

// notice compares what the store says is due first with what memory knows.
func (e *Engine) notice(p store.PendingEndpoint, now time.Time) {
	l := e.lanes[p.EndpointID]
	if l == nil {
		if len(e.lanes) >= manyLanes && p.DueAt.Sub(now) > soon {
			return
		}
		if l = e.lane(p.EndpointID, now); l == nil {
			return
		}
		l.inherited, l.slow = !l.shard.fed, !l.shard.fed
		e.forget(l, store.Place{DueAt: p.DueAt})
		e.place(l, now)
		return
	}
	l.inherited = l.inherited || !l.shard.fed && l.last == nil
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
	l.kin.leave()
	e.timers.set(l, time.Time{})
	delete(e.lanes, id)
	l.dropped = true
}
