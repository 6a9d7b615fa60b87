package store

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrTurn is of a caller whose turn did not come in time.
var ErrTurn = errors.New("others are served first")

// turns lets a few callers at a time do what is costly: one of each owner, so
// that no owner keeps others waiting by asking often.
type turns struct {
	slots  chan struct{}
	queue  int // callers of one owner, the one that has its turn among them
	mu     sync.Mutex
	owners map[owner]*ownTurns
}

// owner is a consumer of a project; "" is the project itself.
type owner struct {
	project  key
	consumer string
}

type ownTurns struct {
	turn   chan struct{}
	queued int
}

func newTurns(atOnce, queue int) *turns {
	return &turns{slots: make(chan struct{}, atOnce), queue: queue, owners: map[owner]*ownTurns{}}
}

// take waits for a turn, at most so long; done gives it back.
// Errors: [ErrTurn], the context's.
func (t *turns) take(ctx context.Context, of owner, wait time.Duration) (done func(), err error) {
	own := t.enter(of)
	if own == nil {
		return nil, ErrTurn
	}
	ctx, cancel := context.WithTimeoutCause(ctx, wait, ErrTurn)
	defer cancel()
	select {
	case own.turn <- struct{}{}:
	case <-ctx.Done():
		t.leave(of)
		return nil, context.Cause(ctx)
	}
	select {
	case t.slots <- struct{}{}:
	case <-ctx.Done():
		<-own.turn
		t.leave(of)
		return nil, context.Cause(ctx)
	}
	return func() {
		<-t.slots
		<-own.turn
		t.leave(of)
	}, nil
}

// enter queues a caller; nil: its owner's queue is full.
func (t *turns) enter(of owner) *ownTurns {
	t.mu.Lock()
	defer t.mu.Unlock()
	own := t.owners[of]
	if own == nil {
		own = &ownTurns{turn: make(chan struct{}, 1)}
		t.owners[of] = own
	}
	if own.queued == t.queue {
		return nil
	}
	own.queued++
	return own
}

func (t *turns) leave(of owner) {
	t.mu.Lock()
	defer t.mu.Unlock()
	own := t.owners[of]
	if own.queued--; own.queued == 0 {
		delete(t.owners, of)
	}
}
