package store

import (
	"context"
	"sync"
)

// claimGate lets those who claim the same in one after another: the second finds
// the answer of the first instead of doing, or counting, it all again beside it.
type claimGate struct {
	mu sync.Mutex
	in map[claimed]*claimTurn
}

// claimed is a claim without what is asked for: another request under the same
// key waits, too, to be told that it is another.
type claimed struct {
	project, caller ID
	consumer, key   string
}

type claimTurn struct {
	turn  chan struct{} // holds one token
	users int           // who has it, and who waits
}

// enter waits for its turn; leave has to be called, unless there is an error:
// that of the context.
func (g *claimGate) enter(ctx context.Context, c *Claim) (leave func(), err error) {
	of := claimed{c.Project, c.Caller, c.Consumer, c.Key}
	g.mu.Lock()
	if g.in == nil {
		g.in = map[claimed]*claimTurn{}
	}
	t := g.in[of]
	if t == nil {
		t = &claimTurn{turn: make(chan struct{}, 1)}
		t.turn <- struct{}{}
		g.in[of] = t
	}
	t.users++
	g.mu.Unlock()
	gone := func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if t.users--; t.users == 0 {
			delete(g.in, of)
		}
	}
	select {
	case <-t.turn:
		return func() { t.turn <- struct{}{}; gone() }, nil
	case <-ctx.Done():
		gone()
		return nil, ctx.Err()
	}
}

// TurnOf waits until nobody in this process is carrying out the same claim.
// Whoever has the turn calls leave when he has his answer. Errors: the context's.
func (db *DB) TurnOf(ctx context.Context, c *Claim) (leave func(), err error) {
	return db.claims.enter(ctx, c)
}
