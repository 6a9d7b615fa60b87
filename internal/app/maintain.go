package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// Pace of the maintenance: bounded slices with air between them, so that
// accepting never waits long behind a delete.
const (
	choreEvery = time.Minute
	choreRows  = 500
	chorePause = 50 * time.Millisecond
)

// chore is one thing that is done to everything older than an age, a slice at
// a time: slice says how many rows it changed, fewer than limit at the end.
type chore struct {
	name  string
	age   time.Duration
	slice func(ctx context.Context, before time.Time, limit int) (int, error)
}

// chores of a store.
func chores(db *store.DB, o Options) []chore {
	return []chore{
		{"deleting old history", o.Retention, db.Prune},
		{"counting what paused and disabled endpoints hold", 0, func(ctx context.Context, _ time.Time, _ int) (int, error) {
			return 0, db.CountHeld(ctx)
		}},
		// Announced first: what expires was announced before.
		{"announcing that held deliveries will expire", o.Hold, func(ctx context.Context, _ time.Time, limit int) (int, error) {
			return db.WarnHeld(ctx, o.Hold, o.HoldBytes, limit)
		}},
		{"expiring deliveries that paused and disabled endpoints hold", o.Hold, db.ExpireHeld},
		{"expiring deliveries that are too much to hold", 0, func(ctx context.Context, _ time.Time, limit int) (int, error) {
			return db.LimitHeld(ctx, o.HoldBytes, limit)
		}},
		{"announcing what ends by itself", 0, db.Remind},
		{"summing up statistics", 0, func(ctx context.Context, _ time.Time, limit int) (int, error) {
			return db.RollUp(ctx, limit)
		}},
	}
}

// maintain does the chores until ctx ends.
func maintain(ctx context.Context, cs []chore, log *slog.Logger) {
	for pause(ctx, choreEvery) {
		for _, c := range cs {
			c.run(ctx, log)
		}
	}
}

// run does a chore to its end. A slice that fails is logged and tried again
// in the next round: a full disk or a busy store must not end the process here.
func (c *chore) run(ctx context.Context, log *slog.Logger) {
	start, rows := time.Now(), 0
	for {
		n, err := c.slice(ctx, time.Now().Add(-c.age), choreRows)
		rows += n
		if err != nil && ctx.Err() == nil {
			log.Error("maintenance failed, tried again in a minute", "chore", c.name, "error", err)
		}
		if err != nil || n < choreRows || !pause(ctx, chorePause) {
			break
		}
	}
	if rows > 0 {
		log.Info("maintenance", "chore", c.name, "rows", rows, "older_than", c.age, "took", time.Since(start))
	}
}

// pause waits; false means that ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
