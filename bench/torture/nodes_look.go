package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// final is a delivery that is over, as its row says.
type final struct {
	state    int
	finished int64
	attempts int
}

// picture is the database at one moment.
type picture struct {
	events  map[string]int // deliveries of the event of an idempotency key, pending or over
	again   []string       // keys that two events have
	finals  map[int64]final
	twice   []int64 // deliveries that are over twice, or pending and over
	gaps    []int64 // deliveries whose attempts are not numbered without a gap
	strange int     // deliveries of no event
}

// look compares the database, as it is now, with what was acknowledged, and
// with what an earlier look saw.
func (c *cluster) look(ctx context.Context) error {
	c.ledger.mu.Lock()
	var acked []string
	for _, e := range c.ledger.events {
		if e.id != "" {
			acked = append(acked, e.key)
		}
	}
	c.ledger.mu.Unlock()
	p, err := c.picture(ctx)
	if err != nil {
		return fmt.Errorf("looking at the database: %w", err)
	}
	c.looks++
	for _, v := range p.faults(acked, c.finals) {
		c.ledger.violate("look %d, after fault %d: %s", c.looks, len(c.struck), v)
	}
	c.finals = p.finals
	return nil
}

// faults is what is wrong with a picture.
func (p *picture) faults(acked []string, before map[int64]final) (out []string) {
	wrong := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, key := range acked {
		if n, there := p.events[key]; !there {
			wrong("the acknowledged event of key %s is not there", key)
		} else if n != perConsumer {
			wrong("the acknowledged event of key %s has %d deliveries, want %d", key, n, perConsumer)
		}
	}
	for _, key := range p.again {
		wrong("key %s has more than one event", key)
	}
	for _, k := range p.twice {
		wrong("delivery %d is there twice", k)
	}
	for _, k := range p.gaps {
		wrong("the attempts of delivery %d are not numbered without a gap", k)
	}
	if p.strange > 0 {
		wrong("%d deliveries are of no event", p.strange)
	}
	for k, was := range before {
		is, there := p.finals[k]
		switch {
		case !there:
			wrong("delivery %d was over, and is not there any more", k)
		case is.state != was.state || is.finished != was.finished:
			wrong("delivery %d was over as %d at %d, and is as %d at %d", k, was.state, was.finished, is.state, is.finished)
		case is.attempts < was.attempts:
			wrong("delivery %d had %d attempts, and has %d", k, was.attempts, is.attempts)
		}
	}
	return out
}

const (
	selectEvents = `SELECT e.idempotency, coalesce(q.n, 0)+coalesce(d.n, 0) FROM events e
		LEFT JOIN (SELECT event, count(*) n FROM queue GROUP BY event) q ON q.event=e.k
		LEFT JOIN (SELECT event, count(*) n FROM deliveries GROUP BY event) d ON d.event=e.k`
	selectFinals = "SELECT k, state::int, finished, attempts::int FROM deliveries"
	selectTwice  = "SELECT q.k FROM queue q JOIN deliveries d ON d.k=q.k"
	selectGaps   = `SELECT d.k FROM deliveries d LEFT JOIN (SELECT delivery, count(*) n, max(number) most FROM attempts GROUP BY delivery) a ON a.delivery=d.k
		WHERE d.attempts<>coalesce(a.n, 0)+(d.attempt IS NOT NULL)::int OR coalesce(a.most, d.attempts)<>d.attempts`
	selectStrange = "SELECT count(*) FROM (SELECT event FROM queue UNION ALL SELECT event FROM deliveries) d WHERE NOT EXISTS (SELECT 1 FROM events WHERE k=d.event)"
)

// picture reads it, as of one moment.
func (c *cluster) picture(ctx context.Context) (*picture, error) {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.server.URL("torture"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, err
	}
	p := &picture{events: map[string]int{}, finals: map[int64]final{}}
	var key string
	var n int
	var k int64
	var f final
	each := func(q string, into []any, row func() error) {
		if err == nil {
			rows, _ := tx.Query(ctx, q)
			_, err = pgx.ForEachRow(rows, into, row)
		}
	}
	each(selectEvents, []any{&key, &n}, func() error {
		if _, twice := p.events[key]; twice {
			p.again = append(p.again, key)
		}
		p.events[key] = n
		return nil
	})
	each(selectFinals, []any{&k, &f.state, &f.finished, &f.attempts}, func() error {
		if _, twice := p.finals[k]; twice {
			p.twice = append(p.twice, k)
		}
		p.finals[k] = f
		return nil
	})
	each(selectTwice, []any{&k}, func() error { p.twice = append(p.twice, k); return nil })
	each(selectGaps, []any{&k}, func() error { p.gaps = append(p.gaps, k); return nil })
	each(selectStrange, []any{&p.strange}, func() error { return nil })
	return p, err
}
