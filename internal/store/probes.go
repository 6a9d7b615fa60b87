package store

import (
	"context"
	"time"
)

// NoteProbe keeps that an endpoint is sent a request that is no delivery, so
// that its rate counts it, also after a restart: see [DB.RecentSends].
func (db *DB) NoteProbe(ctx context.Context, endpoint ID, at time.Time) error {
	k, ok := db.keys.key(endpoint)
	if !ok {
		return ErrNotFound
	}
	return db.write(ctx, func(b *batch) error {
		if err := b.exec("DELETE FROM probes WHERE endpoint=? AND at<?", k, micros(b.now.Add(-sendsFor))); err != nil {
			return err
		}
		b.after = append(b.after, func() { db.sends.note(k, micros(at), b.us) })
		return b.exec("INSERT INTO probes VALUES (?,?) ON CONFLICT DO NOTHING", k, micros(at))
	})
}

// note takes one time.
func (r *recentSends) note(endpoint key, at, now int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at[endpoint] = append(since(r.at[endpoint], now-sendsFor.Microseconds()), at)
}

// since drops the times before one.
func since(times []int64, oldest int64) []int64 {
	for len(times) > 0 && times[0] < oldest {
		times = times[1:]
	}
	return times
}

// pruneProbes deletes those that no rate counts any more.
func (b *batch) pruneProbes(_ *pruneRound, _ key, _ int) (int, error) {
	return 0, b.exec("DELETE FROM probes WHERE at<?", micros(b.now.Add(-sendsFor)))
}

// readProbes adds what the table has. What is too old goes with the next probe.
func (r *recentSends) readProbes(ctx context.Context, c *conn, now time.Time) error {
	return c.rows(ctx, "SELECT endpoint, at FROM probes WHERE at>=?", []any{micros(now.Add(-sendsFor))}, func(scan func(...any) error) (bool, error) {
		var k key
		var at int64
		err := scan(&k, &at)
		r.note(k, at, micros(now))
		return true, err
	})
}
