package store

import (
	"context"
	"errors"
	"slices"
	"time"
)

const (
	legChunk    = 256 // keys that one statement looks at
	filterChunk = 8   // the same where each event is judged by a filter
	countsOnce  = 2   // counts at a time: readers are few
	countQueue  = 4   // of one consumer, or of a project as a whole
	countWait   = 10 * time.Second
)

// errCounted ends a count at one of its bounds.
var errCounted = errors.New("counted enough")

// countReplay counts what a replay would be of, within bounds.
func (db *DB) countReplay(ctx context.Context, r *replayRow) (n int, more bool, err error) {
	if err := db.flushForList(ctx); err != nil {
		return 0, false, err
	}
	var e *Endpoint
	if r.Kind == ReplayMissed {
		row, err := db.findEndpoint(ctx, r.EndpointID)
		if err != nil {
			return 0, false, err
		}
		e = row.Endpoint
	}
	done, err := db.replays.counting.take(ctx, owner{r.project, r.Consumer}, countWait)
	if err != nil {
		return 0, false, err
	}
	defer done()
	chunk := legChunk
	if e != nil && e.Settings.Filter != "" {
		chunk = filterChunk
	}
	end := time.Now().Add(countFor)
	err = db.read(ctx, true, func(c *conn) error {
		after, bound := r.span()
		src, err := r.source(ctx, c, r.endpoint, after, bound)
		for walked := 0; err == nil; walked += chunk {
			var keys []key
			if keys, err = take(ctx, src, chunk); err != nil {
				break
			}
			var found int
			found, err = db.countChunk(ctx, c, r, e, keys)
			switch n += found; {
			case err != nil:
				return err
			case n > db.o.maxCounted:
				n = db.o.maxCounted
				return errCounted
			case len(keys) < chunk:
				return nil
			case walked >= 4*db.o.maxCounted, time.Now().After(end):
				return errCounted
			}
		}
		return err
	})
	if errors.Is(err, errCounted) {
		return n, true, nil
	}
	return n, false, err
}

// countChunk counts what some keys have for a replay; e is the endpoint of
// one of what was missed.
func (db *DB) countChunk(ctx context.Context, c *conn, r *replayRow, e *Endpoint, keys []key) (n int, err error) {
	if e != nil {
		missed, err := db.missed(ctx, c, r, e, keys)
		return len(missed), err
	}
	if n, err = db.countOver(ctx, c, r, keys); err != nil || !r.waiting() {
		return n, err
	}
	waiting, err := db.countWaiting(ctx, c, r, keys)
	return n + waiting, err
}

// take gives up to n keys; fewer at the end.
func take(ctx context.Context, src source, n int) (keys []key, err error) {
	for len(keys) < n {
		k, err := src.next(ctx)
		if err != nil || k == 0 {
			return keys, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// countOver is over without reading more of a row than is needed to count it.
func (db *DB) countOver(ctx context.Context, c *conn, r *replayRow, keys []key) (n int, err error) {
	err = c.rows(ctx, `SELECT d.state, e.k IS NOT NULL, coalesce(e.type,''), coalesce(e.flags,0) FROM json_each(?) j CROSS JOIN deliveries d ON d.k=j.value
		JOIN endpoints p ON p.k=d.endpoint AND p.deleted_at=0 LEFT JOIN events e ON e.k=d.event`, []any{keyList(keys)}, func(scan func(...any) error) (bool, error) {
		var (
			state     int
			there     bool
			eventType string
			flags     int64
		)
		err := scan(&state, &there, &eventType, &flags)
		if slices.Contains(r.States, stateOf(state)) && (!there || r.wants(eventType, flags)) {
			n++
		}
		return true, err
	})
	return n, err
}

// countWaiting is the same for what waits for a retry.
func (db *DB) countWaiting(ctx context.Context, c *conn, r *replayRow, keys []key) (n int, err error) {
	err = c.rows(ctx, `SELECT coalesce(e.type,''), coalesce(e.flags,0) FROM json_each(?) j CROSS JOIN queue q ON q.k=j.value LEFT JOIN events e ON e.k=q.event
		WHERE q.attempts>0 AND q.due>?`, []any{keyList(keys), micros(time.Now())}, func(scan func(...any) error) (bool, error) {
		var eventType string
		var flags int64
		err := scan(&eventType, &flags)
		if r.wants(eventType, flags) {
			n++
		}
		return true, err
	})
	return n, err
}
