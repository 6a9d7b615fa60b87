package store

import (
	"context"
	"fmt"
	"time"
)

// Prune deletes history older than before: at most limit rows a call, in
// bounded transactions, never anything that is pending or that a pending
// delivery needs. It returns how many rows went; 0 says that nothing is left
// to delete. In PostgreSQL whole days are dropped, and are not counted.
// Idempotency keys and the audit log go when their own time is over.
func (db *DB) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	if !db.Chief() {
		return 0, nil
	}
	if err := db.Flush(ctx); err != nil {
		return 0, err
	}
	cut, err := db.engine.keep(ctx, db, before)
	if err != nil {
		return 0, err
	}
	total := 0
	for total < limit {
		n, more, err := db.pruneSlice(ctx, cut, min(pruneRows, limit-total))
		total += n
		if err != nil {
			return total, err
		}
		if !more {
			break
		}
	}
	return total, db.engine.giveBack(ctx, db)
}

const pruneRows = 500 // rows that one transaction deletes

// pruneRound is where retention goes on: it looks at some rows and lists,
// remembers how far it came, and so looks at what has to stay once a round.
type pruneRound struct {
	delivery, event key
	term            []byte
}

func (r pruneRound) over() bool { return r.delivery == 0 && r.event == 0 && r.term == nil }

func (db *DB) pruneSlice(ctx context.Context, cut key, limit int) (n int, more bool, err error) {
	var gone int
	var next pruneRound
	err = db.lead(ctx, func(b *batch) error {
		next = b.w.prune
		steps := []func(*pruneRound, key, int) (int, error){
			b.pruneDeliveries, b.pruneEvents, b.prunePostings, b.pruneIdempotency, b.pruneAnswers, b.pruneAudit, b.pruneReplays, b.pruneIncidents, b.pruneMailboxes, b.prunePortal, b.pruneLinks, b.pruneDeparted, b.pruneProbes, b.pruneSends, b.pruneChanges,
			b.pruneInspected, b.pruneInspectors,
		}
		steps = append(steps, b.pruneConsole)
		for _, step := range steps {
			n, err := step(&next, cut, limit-gone)
			if err != nil {
				return err
			}
			if gone += n; gone >= limit {
				break
			}
		}
		b.after = append(b.after, func() { b.w.prune = next })
		return nil
	})
	if err != nil {
		return 0, false, err
	}
	return gone, gone > 0 || !next.over(), nil
}

// pruneDeliveries deletes final deliveries with their attempts, by the time
// they became final: one that was held for weeks and then expired is news.
func (b *batch) pruneDeliveries(round *pruneRound, cut key, limit int) (int, error) {
	var last *key
	looked := 0
	_, err := b.row("SELECT max(k), count(*) FROM (SELECT k FROM deliveries WHERE k>? AND k<? ORDER BY k LIMIT ?) AS slice",
		[]any{round.delivery, cut, limit}, &last, &looked)
	if err != nil || last == nil {
		round.delivery = 0
		return 0, err
	}
	slice := []any{round.delivery, *last, micros(keyTime(cut))}
	if err := b.untally(slice); err != nil {
		return 0, err
	}
	if err := b.exec("DELETE FROM attempts WHERE delivery IN (SELECT k FROM deliveries WHERE k>? AND k<=? AND finished<?)", slice...); err != nil {
		return 0, err
	}
	gone, err := b.change("DELETE FROM deliveries WHERE k>? AND k<=? AND finished<?", slice...)
	if round.delivery = *last; looked < limit {
		round.delivery = 0 // the end: from the start next time
	}
	return gone, err
}

// pruneEvents deletes events that no delivery is left of. It goes on where
// it stopped, so that events that have to stay are not looked at each time.
func (b *batch) pruneEvents(round *pruneRound, cut key, limit int) (int, error) {
	indexed, err := b.leastIndexed()
	if err != nil {
		return 0, err
	}
	cut = min(cut, indexed+1) // what is not in the lists yet is not old
	type row struct{ k, count key }
	var rows []row
	looked := 0
	at := round.event
	err = b.rows(`SELECT k, length(coalesce(targets,''))/8 FROM events WHERE k>? AND k<? ORDER BY k LIMIT ?`,
		[]any{at, cut, 4 * limit}, func(scan func(...any) error) (bool, error) {
			var r row
			err := scan(&r.k, &r.count)
			rows = append(rows, r)
			looked++
			return true, err
		})
	if err != nil {
		return 0, err
	}
	gone := 0
	for _, r := range rows {
		needed, err := b.needed(r.k, r.count)
		if err != nil {
			return gone, err
		}
		at = r.k
		if needed {
			continue
		}
		if err := b.exec("DELETE FROM spans WHERE event=?", r.k); err != nil {
			return gone, err
		}
		if err := b.exec("DELETE FROM events WHERE k=?", r.k); err != nil {
			return gone, err
		}
		if gone++; gone == limit {
			break
		}
	}
	if gone < limit && looked < 4*limit {
		at = 0 // the end: from the start next time
	}
	round.event = at
	return gone, nil
}

// leastIndexed is the key up to which all events are in the lists.
func (b *batch) leastIndexed() (least key, err error) {
	if b.db.nodes == nil {
		return b.w.indexed, nil
	}
	least = never - 1
	var others *key
	if b.w.owed-b.flushed+len(b.index) > 0 {
		least = b.indexed
	}
	_, err = b.row("SELECT min(indexed) FROM nodes WHERE slot<>? AND indexed<last", []any{b.db.engine.slot()}, &others)
	if others != nil {
		least = min(least, *others)
	}
	return least, err
}

// pruneSends deletes the rows that ended processes left, once they are counted.
func (b *batch) pruneSends(_ *pruneRound, _ key, limit int) (int, error) {
	if b.db.nodes == nil {
		return 0, nil
	}
	return b.change(fmt.Sprintf(`DELETE FROM sends WHERE k IN (SELECT k FROM sends s JOIN counted c ON c.slot=((s.k>>%d)&%d)
		WHERE s.k<? AND s.k<=c.done ORDER BY s.k LIMIT ?)`, slotShift, 1<<slotBits-1), timeKey(b.now.Add(-sendsFor)), limit)
}

// needed reports whether a delivery of an event is left, or still to be made.
func (b *batch) needed(event, count key) (bool, error) {
	var n bool
	_, err := b.row(`SELECT EXISTS (SELECT 1 FROM queue WHERE k>?1 AND k<=?1+?2)
		OR EXISTS (SELECT 1 FROM deliveries WHERE k>?1 AND k<=?1+?2)
		OR EXISTS (SELECT 1 FROM fanouts WHERE event=?1)
		OR EXISTS (SELECT 1 FROM spans s JOIN queue q ON q.k>=s.first AND q.k<s.first+s.count WHERE s.event=?1)
		OR EXISTS (SELECT 1 FROM spans s JOIN deliveries d ON d.k>=s.first AND d.k<s.first+s.count WHERE s.event=?1)`,
		[]any{event, count}, &n)
	return n, err
}

// prunePostings deletes blocks that are older than the oldest event that is
// left, term by term.
func (b *batch) prunePostings(round *pruneRound, cut key, limit int) (int, error) {
	var oldest *key
	if _, err := b.row("SELECT min(k) FROM events", nil, &oldest); err != nil {
		return 0, err
	}
	if oldest != nil {
		cut = min(cut, *oldest)
	}
	gone := 0
	at := round.term
	for looked := 0; gone < limit && looked < limit; looked++ {
		var t []byte
		if _, err := b.row("SELECT term FROM postings WHERE term>? ORDER BY term LIMIT 1", []any{notNil(at)}, &t); err != nil {
			return gone, err
		}
		if t == nil {
			at = nil
			break
		}
		n, err := b.change(`DELETE FROM postings WHERE (term, last, n) IN
			(SELECT term, last, n FROM postings WHERE term=? AND last<? ORDER BY last LIMIT ?)`, t, cut, limit-gone)
		if err != nil {
			return gone, err
		}
		gone += n
		if gone < limit {
			at = t
		}
	}
	round.term = at
	return gone, nil
}

// pruneIdempotency deletes whole days: those that are past the time that a key
// is remembered, and past the history too, so that an event can be found by
// its key for as long as it is kept.
func (b *batch) pruneIdempotency(_ *pruneRound, cut key, limit int) (int, error) {
	return b.change(`DELETE FROM idempotency WHERE (day, project, key) IN
		(SELECT day, project, key FROM idempotency WHERE day<? ORDER BY day LIMIT ?)`, min(dayOf(b.now.Add(-b.db.o.IdempotencyFor)), dayOf(keyTime(cut))), limit)
}
