package store

import (
	"context"
	"encoding/binary"
	"sync"
	"time"
)

// Traffic is what is known of an endpoint's attempts without reading them.
type Traffic struct {
	Attempts   int64     // that are kept
	LastAt     time.Time // of the last attempt; zero: none
	LastStatus int       // its HTTP status; 0: no answer
}

// tally is what a few rows of sends add up to.
type tally struct {
	attempts int64
	lastAt   int64
	status   int
}

func (t *tally) add(at int64, status int) {
	t.attempts++
	if at >= t.lastAt {
		t.lastAt, t.status = at, status
	}
}

// tallies count attempts by endpoint. A row for each endpoint in each commit
// would write as many pages as there are endpoints; so what is new is counted
// here and written every few seconds. It can be counted again from sends, so a
// crash loses nothing.
type tallies struct {
	mu   sync.Mutex
	debt map[key]tally
	base key // the last row of sends that the table has

	// Of the writer alone.
	last key       // the last row of sends that the debt has
	from time.Time // when the debt began
}

const (
	tallyAfter = 10 * time.Second // well below sendsFor: what is not counted is there still
	tallyAt    = 1000             // endpoints
)

// The second half of an entry in sends: the time in microseconds, and above
// it the status.
const sendTimeBits = 52

func packSend(at time.Time, status int) uint64 {
	return uint64(micros(at))&(1<<sendTimeBits-1) | uint64(status&0x7ff)<<sendTimeBits
}

func unpackSend(v uint64) (at int64, status int) {
	return int64(v & (1<<sendTimeBits - 1)), int(v >> sendTimeBits)
}

// add takes a row of sends after its commit.
func (ts *tallies) add(row key, data []byte, now time.Time) {
	if len(data) == 0 {
		return
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if len(ts.debt) == 0 {
		ts.from = now
	}
	for ; len(data) >= sendSize; data = data[sendSize:] {
		k := key(binary.BigEndian.Uint64(data))
		t := ts.debt[k]
		t.add(unpackSend(binary.BigEndian.Uint64(data[8:])))
		ts.debt[k] = t
	}
	ts.last = row
}

func (ts *tallies) due(now time.Time) bool {
	return len(ts.debt) >= tallyAt || len(ts.debt) > 0 && now.Sub(ts.from) >= tallyAfter
}

const addTally = `INSERT INTO tallies VALUES (?,?,?,?) ON CONFLICT (endpoint) DO UPDATE SET attempts=attempts+excluded.attempts,
	status=iif(excluded.last_at>=last_at, excluded.status, status), last_at=max(last_at, excluded.last_at)`

// writeTallies writes what was counted up to the last commit. It runs in the
// writer, which alone changes the debt.
func (b *batch) writeTallies() error {
	ts := b.db.tallies
	for k, t := range ts.debt {
		if err := b.exec(addTally, k, t.attempts, t.lastAt, t.status); err != nil {
			return err
		}
	}
	b.tallied = true
	return b.exec("UPDATE meta SET value=? WHERE name='tallied'", ts.last)
}

// settle takes over a commit: what it wrote is no debt any more, its own
// attempts are.
func (ts *tallies) settle(b *batch) {
	if b.tallied {
		ts.mu.Lock()
		clear(ts.debt)
		ts.base = ts.last
		ts.mu.Unlock()
	}
	ts.add(b.sendsRow, b.sends, b.now)
}

// untally takes off the attempts of final deliveries that retention is about
// to delete: those with keys over the first to the second of slice that were
// final before the third.
func (b *batch) untally(slice []any) error {
	gone := map[key]int64{}
	err := b.rows("SELECT endpoint, attempts FROM deliveries WHERE k>? AND k<=? AND finished<?", slice, func(scan func(...any) error) (bool, error) {
		var k key
		var n int64
		err := scan(&k, &n)
		gone[k] += n
		return true, err
	})
	if err != nil {
		return err
	}
	for k, n := range gone {
		if err := b.exec(addTally, k, -n, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// recoverTallies counts again what the table lacks.
func (db *DB) recoverTallies(ctx context.Context, c *conn) error {
	db.tallies = &tallies{debt: map[key]tally{}}
	ts := db.tallies
	if _, err := c.row(ctx, "SELECT value FROM meta WHERE name='tallied'", nil, &ts.base); err != nil {
		return err
	}
	ts.last = ts.base
	return c.rows(ctx, "SELECT k, data FROM sends WHERE k>? ORDER BY k", []any{ts.base}, func(scan func(...any) error) (bool, error) {
		var k key
		var data []byte
		err := scan(&k, &data)
		ts.add(k, data, time.Now())
		return true, err
	})
}

// Traffic tells of each endpoint how much was sent to it. Its cost does not
// grow with the history.
func (db *DB) Traffic(ctx context.Context, endpoints []ID) ([]Traffic, error) {
	for {
		out, whole, err := db.traffic(ctx, endpoints)
		if err != nil || whole {
			return out, err
		}
		// A commit moved the debt into the table in between: wait until it is told.
		if err := db.write(ctx, func(*batch) error { return nil }); err != nil {
			return nil, err
		}
	}
}

func (db *DB) traffic(ctx context.Context, endpoints []ID) (out []Traffic, whole bool, err error) {
	sums := make([]tally, len(endpoints))
	keys := make([]key, len(endpoints))
	db.tallies.mu.Lock()
	base := db.tallies.base
	for i, id := range endpoints {
		if k, ok := db.keys.key(id); ok {
			keys[i], sums[i] = k, db.tallies.debt[k]
		}
	}
	db.tallies.mu.Unlock()
	err = db.read(ctx, true, func(c *conn) error {
		var at key
		if _, err := c.row(ctx, "SELECT value FROM meta WHERE name='tallied'", nil, &at); err != nil || at != base {
			return err
		}
		whole = true
		for i, k := range keys {
			var n, last int64
			var status int
			if _, err := c.row(ctx, "SELECT attempts, last_at, status FROM tallies WHERE endpoint=?", []any{k}, &n, &last, &status); err != nil {
				return err
			}
			t := &sums[i]
			if t.attempts == 0 || last > t.lastAt {
				t.lastAt, t.status = last, status
			}
			t.attempts += n
		}
		return nil
	})
	out = make([]Traffic, len(sums))
	for i, t := range sums {
		out[i] = Traffic{Attempts: max(0, t.attempts), LastAt: fromMicros(t.lastAt), LastStatus: t.status}
	}
	return out, whole, err
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
	if err := db.flushForList(ctx); err != nil {
		return nil, err
	}
	offset, limit = min(offset, MaxLogOffset), min(limit, maxPage)
	err = db.read(ctx, true, func(c *conn) error {
		src := newWalker(c, term(listDeliveriesEndpoint, k, ""), 0, never)
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
			UNION ALL SELECT 1, attempt FROM deliveries WHERE k=?1 AND attempt IS NOT NULL)
		ORDER BY number DESC LIMIT ?2 OFFSET ?3`, []any{delivery, limit - len(out), offset}, func(scan func(...any) error) (bool, error) {
		var number int
		var data []byte
		if err := scan(&number, &data); err != nil {
			return false, err
		}
		a, err := readAttempt(data)
		if err != nil {
			a = &Attempt{Detail: "the record of this attempt is damaged"}
		}
		a.Number = number
		out = append(out, Logged{Delivery: d.ID, EventType: d.EventType, Attempt: a})
		return true, nil
	})
	return out, err
}
