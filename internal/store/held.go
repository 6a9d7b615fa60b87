package store

import (
	"context"
	"time"
)

// heldBook counts the bytes that paused and disabled endpoints hold. Nothing
// is counted while events come in: counting walks each endpoint's queue from
// where it stopped, a bounded number of rows a call, and what leaves the
// queue is taken off. After a start it begins anew, so it may for some minutes
// know too little, never too much. Of the writer's goroutine alone.
type heldBook struct {
	of    map[key]*heldOf
	fresh bool // it was begun anew since a project held too much
}

type heldOf struct {
	since  int64 // when its state began: another state, another count
	cursor key   // counted up to here
	bytes  int64
}

const (
	heldSlice  = 2000 // rows that one transaction counts
	heldSlices = 50   // slices that one call counts
)

// heldEndpoint is one that is paused or disabled.
type heldEndpoint struct {
	k, project key
	since      int64
}

func (b *batch) heldEndpoints() (out []heldEndpoint, err error) {
	err = b.rows("SELECT k, project, state_since FROM endpoints WHERE deleted_at=0 AND state<>'active'", nil, func(scan func(...any) error) (bool, error) {
		var h heldEndpoint
		err := scan(&h.k, &h.project, &h.since)
		out = append(out, h)
		return true, err
	})
	return out, err
}

// countHeld counts on, and reports whether there is more to count.
func (b *batch) countHeld(held []heldEndpoint) (more bool, err error) {
	book := &b.w.held
	now := make(map[key]*heldOf, len(held))
	left := heldSlice
	for _, h := range held {
		n := heldOf{since: h.since}
		if was := book.of[h.k]; was != nil && was.since == h.since {
			n = *was
		}
		if left > 0 {
			err := b.rows("SELECT q.k, coalesce(length(e.data), 0) FROM queue q LEFT JOIN events e ON e.k=q.event WHERE q.endpoint=? AND q.endpoint>0 AND q.k>? ORDER BY q.k LIMIT ?",
				[]any{h.k, n.cursor, left}, func(scan func(...any) error) (bool, error) {
					var size int64
					err := scan(&n.cursor, &size)
					n.bytes += size
					left--
					return true, err
				})
			if err != nil {
				return false, err
			}
		}
		now[h.k] = &n
	}
	b.after = append(b.after, func() { book.of = now })
	return left == 0, nil
}

// unheld takes a delivery that leaves the queue off the count of its
// endpoint, if it was counted there; back puts it on again.
func (b *batch) unheld(endpoint, k, event key) { b.recount(endpoint, k, event, -1) }
func (b *batch) back(endpoint, k, event key)   { b.recount(endpoint, k, event, 1) }

func (b *batch) recount(endpoint, k, event key, sign int64) {
	if b.w.held.of[endpoint] == nil {
		return
	}
	var size int64
	if _, err := b.row("SELECT length(data) FROM events WHERE k=?", []any{event}, &size); err != nil {
		return // it was counted as nothing
	}
	b.after = append(b.after, func() {
		if h := b.w.held.of[endpoint]; h != nil && k <= h.cursor {
			h.bytes += sign * size
		}
	})
}

// held is what the endpoints of each project hold, as far as it is counted.
func (b *heldBook) held(held []heldEndpoint) map[key]int64 {
	sums := map[key]int64{}
	for _, h := range held {
		if of := b.of[h.k]; of != nil && of.since == h.since {
			sums[h.project] += of.bytes
		}
	}
	return sums
}

// CountHeld counts on what paused and disabled endpoints hold, for
// [DB.WarnHeld] and [DB.LimitHeld]: at most 100,000 deliveries that came since
// the last call, in short transactions. What is held for long costs nothing.
func (db *DB) CountHeld(ctx context.Context) error {
	for range heldSlices {
		var more bool
		err := db.lead(ctx, func(b *batch) error {
			held, err := b.heldEndpoints()
			if err == nil {
				more, err = b.countHeld(held)
			}
			return err
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// LimitHeld ends the oldest deliveries that paused and disabled endpoints of
// a project hold as failed, "expired", while the data of all of them, as far
// as it is counted, is more than so many bytes: at most limit of them, in one
// transaction. It returns how many; call again until fewer than limit. An
// event that several endpoints hold counts for each.
func (db *DB) LimitHeld(ctx context.Context, maxBytes int64, limit int) (int, error) {
	ended := 0
	err := db.lead(ctx, func(b *batch) error {
		ended = 0
		held, err := b.heldEndpoints()
		if err != nil {
			return err
		}
		sums := b.w.held.held(held)
		if b.heldAnew(sums, maxBytes) {
			return nil
		}
		for project, bytes := range sums {
			if bytes <= maxBytes || ended >= limit {
				continue
			}
			n, err := b.expireOldest(project, held, bytes-maxBytes, limit-ended)
			if err != nil {
				return err
			}
			ended += n
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return ended, nil
}

// heldAnew has what is held be counted again before something is ended for it:
// what other processes took from a queue nobody took off here.
func (b *batch) heldAnew(sums map[key]int64, maxBytes int64) bool {
	book := &b.w.held
	over := false
	for _, bytes := range sums {
		over = over || bytes > maxBytes
	}
	switch {
	case b.db.nodes == nil:
		return false
	case !over:
		b.after = append(b.after, func() { book.fresh = false })
		return true
	case book.fresh || b.db.nodes.alone():
		return false
	}
	b.after = append(b.after, func() { *book = heldBook{fresh: true} })
	return true
}

// expireOldest ends a project's oldest held deliveries until so many bytes are
// gone. It merges the endpoints' queues.
func (b *batch) expireOldest(project key, held []heldEndpoint, bytes int64, limit int) (n int, err error) {
	const ahead = 64 // rows that are read of an endpoint at a time
	var heads [][]*queued
	for _, h := range held {
		if h.project != project {
			continue
		}
		rows, err := b.queuedOf(h.k, never, 1)
		if err != nil {
			return 0, err
		}
		if len(rows) > 0 {
			heads = append(heads, rows)
		}
	}
	for n < limit && bytes > 0 && len(heads) > 0 {
		i := 0
		for j := range heads {
			if heads[j][0].k < heads[i][0].k {
				i = j
			}
		}
		q := heads[i][0]
		var size int64
		if _, err := b.row("SELECT length(data) FROM events WHERE k=?", []any{q.event}, &size); err != nil && faultOf(err) != faultCorrupt {
			return n, err
		}
		if err := b.expire(q); err != nil {
			return n, err
		}
		bytes -= size
		n++
		if heads[i] = heads[i][1:]; len(heads[i]) == 0 {
			if heads[i], err = b.queuedOf(q.endpoint, never, ahead); err != nil {
				return n, err
			}
			if len(heads[i]) == 0 {
				heads[i] = heads[len(heads)-1]
				heads = heads[:len(heads)-1]
			}
		}
	}
	return n, nil
}

const (
	warnShare   = 10 // a tenth of the hold before the end,
	warnLongest = 3 * 24 * time.Hour
	warnBytes   = 80 // or from so many percent of the bytes on
)

// WarnHeld announces "endpoint.expiring" of paused and disabled endpoints,
// once for each time that they are held: where the oldest delivery that one
// holds expires within three days, or a tenth of hold if that is less, or
// where its project holds 80 % of so many bytes. At most limit in one
// transaction; it returns how many.
func (db *DB) WarnHeld(ctx context.Context, hold time.Duration, maxBytes int64, limit int) (int, error) {
	warned := 0
	err := db.lead(ctx, func(b *batch) error {
		warned = 0
		held, err := b.heldEndpoints()
		if err != nil {
			return err
		}
		bytes := b.w.held.held(held)
		for _, h := range held {
			if warned >= limit {
				break
			}
			told, err := b.warnHeld(h, hold, bytes[h.project], bytes[h.project] >= maxBytes/100*warnBytes)
			if err != nil {
				return err
			}
			if told {
				warned++
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return warned, nil
}

func (b *batch) warnHeld(h heldEndpoint, hold time.Duration, bytes int64, full bool) (bool, error) {
	var since int64
	if found, err := b.row("SELECT since FROM expiring WHERE endpoint=?", []any{h.k}, &since); err != nil || found && since == h.since {
		return false, err
	}
	var oldest *key
	if _, err := b.row("SELECT min(k) FROM queue WHERE endpoint=? AND endpoint>0", []any{h.k}, &oldest); err != nil || oldest == nil {
		return false, err
	}
	at := keyTime(*oldest)
	news := expiringNews{Cause: "age", OldestAt: at, ExpiresAt: at.Add(hold), HeldBytes: bytes}
	if b.now.Add(min(hold/warnShare, warnLongest)).Before(news.ExpiresAt) {
		if !full {
			return false, nil
		}
		news.Cause = "bytes"
	}
	e, err := b.loadEndpoint(h.k)
	if err != nil || e == nil {
		return false, err
	}
	news.endpointNews = newsOf(e)
	if err := b.announceEndpoint(EventEndpointExpiring, e, news); err != nil {
		return false, err
	}
	if b.db.o.Mail {
		if err := b.noticed(h.k, &Notice{Kind: NoticeExpiring, State: e.State, Reason: e.StateReason, ExpiresAt: news.ExpiresAt}); err != nil {
			return false, err
		}
	}
	return true, b.exec("INSERT INTO expiring VALUES (?,?) ON CONFLICT (endpoint) DO UPDATE SET since=excluded.since", h.k, h.since)
}
