package store

import (
	"context"
	"sync"
	"time"
)

// Health is what the store knows of itself, cheap enough for every scrape.
type Health struct {
	Pending   int64     // deliveries in the queue
	OldestDue time.Time // of the earliest that is due and not held by a paused or disabled endpoint; zero: none is
	SizeBytes int64     // of the database on disk
	Err       error     // why a 2xx would lie now; nil: it would not
}

// Health reports; its cost does not grow with the queue.
func (db *DB) Health(ctx context.Context) Health {
	now := time.Now()
	h := Health{Err: db.engine.room(now)}
	var err error
	if h.Pending, err = db.pendingInAll(ctx); err != nil && h.Err == nil {
		h.Err = err
	}
	if p := db.trouble.Load(); p != nil && h.Err == nil {
		h.Err = *p
	}
	size, err := db.engine.size(ctx, db)
	if err != nil && h.Err == nil {
		h.Err = err
	}
	h.SizeBytes = size
	due, err := db.oldest.get(now, func() (time.Time, error) { return db.findOldestDue(ctx, now) })
	if err != nil && h.Err == nil {
		h.Err = err
	}
	h.OldestDue = due
	return h
}

// pendingInAll counts the queue. Of many processes each knows what it made less
// what it ended; together that is what there is.
func (db *DB) pendingInAll(ctx context.Context) (n int64, err error) {
	if n = db.pending.Load(); db.nodes == nil {
		return n, nil
	}
	err = db.read(ctx, false, func(c *conn) error {
		_, err := c.row(ctx, "SELECT sum(pending)::bigint FROM nodes", nil, &n)
		return err
	})
	return max(n, 0), err
}

// setTrouble notes why the last write failed; nil after one that did not.
func (db *DB) setTrouble(err error) {
	if err == nil {
		if db.trouble.Load() != nil {
			db.trouble.Store(nil)
			db.log.Info("the store writes again")
		}
		return
	}
	if db.trouble.Swap(&err) == nil {
		db.log.Error("the store cannot write", "error", err)
	}
}

// oldestDue remembers the answer for a while: finding it takes a look at
// every endpoint with pending deliveries, so the more there are, the longer
// the answer is good.
type oldestDue struct {
	mu    sync.Mutex
	until time.Time
	due   time.Time
}

const (
	dueAgain  = 20               // the share of time that may go into finding it is 1/20
	dueAtMost = 10 * time.Second // that an answer is good for
)

func (o *oldestDue) get(now time.Time, find func() (time.Time, error)) (time.Time, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now.Before(o.until) {
		return o.due, nil
	}
	due, err := find()
	if err != nil {
		return o.due, err
	}
	o.due, o.until = due, now.Add(min(dueAtMost, time.Since(now)*dueAgain))
	return due, nil
}

func (db *DB) findOldestDue(ctx context.Context, now time.Time) (oldest time.Time, err error) {
	err = db.read(ctx, true, func(c *conn) error {
		held := map[key]bool{}
		err := c.rows(ctx, "SELECT k FROM endpoints WHERE deleted_at=0 AND state<>'active'", nil, func(scan func(...any) error) (bool, error) {
			var k key
			err := scan(&k)
			held[k] = true
			return true, err
		})
		if err != nil {
			return err
		}
		first := int64(never)
		err = c.rows(ctx, skipScan, []any{key(0), int64(never)}, func(scan func(...any) error) (bool, error) {
			var k key
			var due int64
			err := scan(&k, &due)
			if !held[k] && !db.isDeleting(k) && db.skippedBefore(k) == 0 {
				first = min(first, due)
			}
			return true, err
		})
		if first <= micros(now) {
			oldest = fromMicros(first)
		}
		return err
	})
	return oldest, err
}
