package app

import (
	"context"
	"log/slog"
	"time"
)

// Pace of the retention: bounded slices with air between them, so that
// accepting never waits long behind a delete.
const (
	pruneEvery = time.Minute
	pruneRows  = 500
	prunePause = 50 * time.Millisecond
)

// history is what the maintenance asks of the store.
type history interface {
	Prune(ctx context.Context, before time.Time, limit int) (int, error)
}

// maintain deletes history that is older than keep until ctx ends. A slice
// that fails is logged and tried again a round later: a full disk or a busy
// store must not end the process here.
func maintain(ctx context.Context, h history, keep time.Duration, log *slog.Logger) {
	for pause(ctx, pruneEvery) {
		start, rows := time.Now(), 0
		for {
			n, err := h.Prune(ctx, time.Now().Add(-keep), pruneRows)
			rows += n
			if err != nil && ctx.Err() == nil {
				log.Error("retention failed, tried again in a minute", "error", err)
			}
			if err != nil || n < pruneRows || !pause(ctx, prunePause) {
				break
			}
		}
		if rows > 0 {
			log.Info("retention deleted old history", "rows", rows, "older_than", keep, "took", time.Since(start))
		}
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
