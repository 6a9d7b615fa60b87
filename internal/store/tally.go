package store

import (
	"context"
	"time"

	"github.com/malote-dev/malote/internal/lang"
)

// Traffic is what is known of an endpoint's attempts without reading them.
type Traffic struct {
	Attempts   int64     // that are kept
	LastAt     time.Time // of the last attempt; zero: none
	LastStatus int       // its HTTP status; 0: no answer
	Failed     int64     // attempts that failed since one that succeeded
}

// Traffic tells of each endpoint how much was sent to it. Its cost does not
// grow with the history.
func (db *DB) Traffic(ctx context.Context, endpoints []ID) (out []Traffic, err error) {
	keys := make([]key, len(endpoints))
	for i, id := range endpoints {
		keys[i], _ = db.keys.key(id)
	}
	sums := make([]tally, len(endpoints))
	err = db.counted(ctx, func(l *ledger) {
		for i, k := range keys {
			sums[i] = l.tally(k, sums[i])
		}
	}, func(c *conn) error {
		for i, k := range keys {
			if err := sums[i].load(ctx, c, k); err != nil {
				return err
			}
		}
		return nil
	})
	out = make([]Traffic, len(sums))
	for i, t := range sums {
		out[i] = Traffic{Attempts: max(0, t.attempts), LastAt: fromMicros(t.lastAt), LastStatus: t.status, Failed: t.streak}
	}
	return out, err
}

// counted reads counters, all of one moment: memory takes what a ledger has,
// under its lock, and tables reads the rest. Where other processes count, too,
// memory is called with what they have first, and the last call is of this one's.
func (db *DB) counted(ctx context.Context, memory func(*ledger), tables func(*conn) error) error {
	for {
		whole := false
		err := db.read(ctx, true, func(c *conn) error {
			var at ledgerMark
			if _, err := c.row(ctx, "SELECT done, cursor FROM counted WHERE slot=?", []any{db.engine.slot()}, &at.done, &at.cursor); err != nil {
				return err
			}
			others, err := db.ledgersOfOthers(ctx, c)
			if err != nil {
				return err
			}
			db.ledger.mu.Lock()
			whole = db.ledger.mark.done == at.done && db.ledger.mark.cursor == at.cursor
			if whole {
				for _, l := range append(others, db.ledger) {
					memory(l)
				}
			}
			db.ledger.mu.Unlock()
			if !whole {
				return nil
			}
			return tables(c)
		})
		if err != nil || whole {
			return err
		}
		// A commit moved counts into the tables in between: wait until it is told.
		if err := db.tend(ctx, func(*batch) error { return nil }); err != nil {
			return err
		}
	}
}

// ledgersOfOthers are what other processes counted, and did not write yet.
func (db *DB) ledgersOfOthers(ctx context.Context, c *conn) (out []*ledger, err error) {
	if db.nodes == nil {
		return nil, nil
	}
	type uncounted struct {
		slot int
		last key
	}
	var others []uncounted
	err = c.rows(ctx, "SELECT slot, last FROM nodes WHERE slot<>? AND open", []any{db.engine.slot()}, func(scan func(...any) error) (bool, error) {
		var u uncounted
		err := scan(&u.slot, &u.last)
		others = append(others, u)
		return true, err
	})
	for i := 0; i < len(others) && err == nil; i++ {
		l := newLedger(others[i].slot)
		err = l.read(ctx, c, db.ofSlot(l.slot), others[i].last)
		out = append(out, l)
	}
	return out, err
}

// tally is what the ledger has of an endpoint after a sum; l.mu is held.
func (l *ledger) tally(k key, sum tally) tally {
	for _, accounts := range []map[key]*account{l.old, l.cur} {
		if a := accounts[k]; a != nil {
			sum.then(&a.tally)
		}
	}
	return sum
}

// then adds what came after.
func (t *tally) then(o *tally) {
	t.attempts += o.attempts
	if o.attempts > 0 && o.lastAt >= t.lastAt {
		t.lastAt, t.status = o.lastAt, o.status
	}
	t.lastOK = max(t.lastOK, o.lastOK)
	if o.broken {
		t.streak, t.broken = 0, true
	}
	t.streak += o.streak
}

// load puts what the table has before it.
func (t *tally) load(ctx context.Context, c *conn, k key) error {
	var was tally
	_, err := c.row(ctx, "SELECT attempts, last_at, status, last_ok, streak FROM tallies WHERE endpoint=?", []any{k},
		&was.attempts, &was.lastAt, &was.status, &was.lastOK, &was.streak)
	if err != nil {
		return err
	}
	was.then(t)
	*t = was
	return nil
}

// Logged is one attempt in an endpoint's log.
type Logged struct {
	Delivery  ID
	EventType string
	Attempt   *Attempt
}

// Limits of one page of a log.
const (
	MaxLogOffset = 10_000
	maxLogWalked = 20_000 // deliveries looked at
)

// AttemptLog lists the attempts of an endpoint, the newest delivery first and
// of each delivery its newest attempt first, after skipping offset of them (at
// most [MaxLogOffset]). [DB.Traffic] knows how many there are.
func (db *DB) AttemptLog(ctx context.Context, endpoint ID, offset, limit int) (out []Logged, err error) {
	k, ok := db.keys.key(endpoint)
	if !ok {
		return nil, nil
	}
	offset, limit = min(offset, MaxLogOffset), min(limit, maxPage)
	err = db.readLists(ctx, func(v *view) error {
		c, src := v.c, v.walk(term(listDeliveriesEndpoint, k, ""), 0, never)
		for range maxLogWalked {
			delivery, err := src.next(ctx)
			if err != nil || delivery == 0 || len(out) == limit {
				return err
			}
			var n int
			if _, err := c.row(ctx, "SELECT attempts FROM deliveries WHERE k=?1 UNION ALL SELECT attempts FROM queue WHERE k=?1", []any{delivery}, &n); err != nil {
				return err
			}
			if n <= offset {
				offset -= n
				continue
			}
			if out, err = db.logOf(ctx, c, delivery, offset, limit, out); err != nil {
				return err
			}
			offset = 0
		}
		return nil
	})
	return out, err
}

// logOf appends a delivery's attempts, newest first.
func (db *DB) logOf(ctx context.Context, c *conn, delivery key, offset, limit int, out []Logged) ([]Logged, error) {
	d, err := db.delivery(ctx, c, delivery)
	if d == nil {
		return out, err
	}
	err = c.rows(ctx, `SELECT number, data FROM (
			SELECT number, data FROM attempts WHERE delivery=?1
			UNION ALL SELECT 1, attempt FROM deliveries WHERE k=?1 AND attempt IS NOT NULL) AS a
		ORDER BY number DESC LIMIT ?2 OFFSET ?3`, []any{delivery, limit - len(out), offset}, func(scan func(...any) error) (bool, error) {
		var number int
		var data []byte
		if err := scan(&number, &data); err != nil {
			return false, err
		}
		a, err := readAttempt(data)
		if err != nil {
			a = &Attempt{Detail: lang.Keep("the record of this attempt is damaged")}
		}
		a.Number = number
		out = append(out, Logged{Delivery: d.ID, EventType: d.EventType, Attempt: a})
		return true, nil
	})
	return out, err
}
