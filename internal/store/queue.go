package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// PendingEndpoints lists endpoints of this process with pending deliveries in the
// order of their ids, after the one given, at most limit. Its cost grows with the
// number of such endpoints, never with the number of deliveries (skip scan).
func (db *DB) PendingEndpoints(ctx context.Context, after ID, limit int) ([]PendingEndpoint, error) {
	var from key
	if !after.IsZero() {
		var ok bool
		if from, ok = db.keys.key(after); !ok {
			return nil, nil
		}
	}
	out := make([]PendingEndpoint, 0, min(limit, 256))
	for len(out) < limit {
		n, want := 0, limit-len(out)
		err := db.read(ctx, false, func(c *conn) error {
			return c.rows(ctx, skipScan, []any{from, want}, func(scan func(...any) error) (bool, error) {
				var due int64
				err := scan(&from, &due)
				n++
				if err == nil && !db.isDeleting(from) && db.ownsKey(from) {
					out = append(out, PendingEndpoint{db.keys.id(from), fromMicros(due)})
				}
				return true, err
			})
		})
		if err != nil || n < want {
			return out, err
		}
	}
	return out, nil
}

// skipScan jumps from endpoint to endpoint along queue_due.
//
// Statements that find rows of the queue by endpoint or project say that it is
// above zero, as the indexes for them do: so PostgreSQL cannot take one of these
// for what is found by k, which it would while the queue is nearly empty.
const skipScan = `WITH RECURSIVE p(e) AS (
		SELECT min(endpoint) FROM queue WHERE endpoint > ? AND endpoint>0
		UNION ALL
		SELECT (SELECT min(endpoint) FROM queue WHERE endpoint > p.e AND endpoint>0) FROM p WHERE p.e IS NOT NULL
	) SELECT e, (SELECT min(due) FROM queue WHERE endpoint = e AND endpoint>0) FROM p WHERE e IS NOT NULL LIMIT ?`

const selectWork = `SELECT q.k, q.event, q.due, q.attempts, q.interrupted, q.last_at,
	e.k, e.project, e.consumer, e.type, e.time, e.dialect, e.flags, e.crc, e.data
	FROM queue q LEFT JOIN events e ON e.k = q.event
	WHERE q.endpoint=? AND q.endpoint>0 AND (q.due, q.k) > (?, ?) AND +q.k >= ? ORDER BY q.due, q.k LIMIT ?`

// LoadDue is [DB.LoadQueues] of one queue.
func (db *DB) LoadDue(ctx context.Context, endpoint ID, after Place, limit, maxBytes int) ([]*Work, error) {
	page, err := db.loadPage(ctx, &QueueRead{endpoint, after, limit, maxBytes})
	return page.Works, err
}

// loadPage reads one queue. What does not decode is not in it.
func (db *DB) loadPage(ctx context.Context, r *QueueRead) (page QueuePage, err error) {
	k, ok := db.keys.key(r.Endpoint)
	if !ok || db.isDeleting(k) {
		return QueuePage{End: true}, nil
	}
	from, afterKey := r.after(db)
	for {
		got, bad, err := db.loadDue(ctx, k, from, afterKey, r.Limit, r.MaxBytes)
		if err != nil {
			return QueuePage{}, err
		}
		db.quarantine(bad)
		if len(bad) == 0 || len(got.Works) > 0 {
			return got, nil
		}
		last := bad[len(bad)-1] // a page of nothing else: go on behind it
		from, afterKey = last.due, last.k
	}
}

// badRow is a queue row whose event does not read.
type badRow struct {
	k, event key
	due      int64
}

func (db *DB) loadDue(ctx context.Context, endpoint key, due int64, after key, limit, maxBytes int) (page QueuePage, bad []badRow, err error) {
	size, rows := 0, 0
	err = db.read(ctx, false, func(c *conn) error {
		return c.rows(ctx, selectWork, []any{endpoint, due, after, db.skippedBefore(endpoint), limit}, func(scan func(...any) error) (bool, error) {
			w, row, err := db.scanWork(scan, endpoint)
			if err != nil {
				return false, err
			}
			rows++
			if w == nil {
				bad = append(bad, row)
				return true, nil
			}
			if size += len(w.Event.Data); size > maxBytes && len(page.Works) > 0 {
				rows = limit
				return false, nil
			}
			page.Works = append(page.Works, w)
			return true, nil
		})
	})
	if faultOf(err) == faultCorrupt {
		page.Works, bad, err = db.loadOneByOne(ctx, endpoint, due, after, limit)
		return page, bad, err
	}
	page.End = rows < limit
	return page, bad, err
}

// loadOneByOne reads past pages that are damaged: the queue's rows first,
// each event by itself.
func (db *DB) loadOneByOne(ctx context.Context, endpoint key, due int64, after key, limit int) (works []*Work, bad []badRow, err error) {
	err = db.read(ctx, false, func(c *conn) error {
		var rows []badRow
		var made []Work
		err := c.rows(ctx, "SELECT k, event, due, attempts, interrupted, last_at FROM queue WHERE endpoint=? AND endpoint>0 AND (due, k) > (?, ?) AND +k >= ? ORDER BY due, k LIMIT ?",
			[]any{endpoint, due, after, db.skippedBefore(endpoint), min(limit, 16)}, func(scan func(...any) error) (bool, error) {
				var r badRow
				var w Work
				var lastAt int64
				err := scan(&r.k, &r.event, &r.due, &w.Attempts, &w.Interrupted, &lastAt)
				w.ID, w.EndpointID, w.DueAt, w.LastAt = db.keys.id(r.k), db.keys.id(endpoint), fromMicros(r.due), fromMicros(lastAt)
				w.CreatedAt = keyTime(r.k)
				rows, made = append(rows, r), append(made, w)
				return true, err
			})
		if err != nil {
			return err
		}
		for i := range rows {
			e, _, err := db.loadEvent(ctx, c, rows[i].event)
			if err != nil && faultOf(err) != faultCorrupt {
				return err
			}
			if e == nil {
				bad = append(bad, rows[i])
				continue
			}
			made[i].Event = e
			works = append(works, &made[i])
		}
		return nil
	})
	return works, bad, err
}

// scanWork reads a row of selectWork; a nil work is one that does not decode.
func (db *DB) scanWork(scan func(...any) error, endpoint key) (*Work, badRow, error) {
	var (
		row    badRow
		w      = &Work{EndpointID: db.keys.id(endpoint)}
		lastAt int64
		e      eventRow
	)
	err := scan(&row.k, &row.event, &row.due, &w.Attempts, &w.Interrupted, &lastAt,
		&e.k, &e.project, &e.consumer, &e.eventType, &e.time, &e.dialect, &e.flags, &e.crc, &e.data)
	if err != nil {
		return nil, row, err
	}
	w.ID, w.DueAt, w.LastAt, w.CreatedAt = db.keys.id(row.k), fromMicros(row.due), fromMicros(lastAt), keyTime(row.k)
	if w.Event = e.event(db); w.Event == nil {
		return nil, row, nil
	}
	return w, row, nil
}

// eventRow is what a delivery needs of an event; all null where there is none.
type eventRow struct {
	k, project                   *key
	consumer, eventType, dialect *string
	channels                     *string
	time, flags, crc             *int64
	data                         []byte
}

// event is nil where the row is missing or its payload is not what was kept.
func (r *eventRow) event(db *DB) *Event {
	if r.k == nil || r.crc == nil || checksum(r.data) != *r.crc {
		return nil
	}
	return &Event{
		ID: db.keys.id(*r.k), ProjectID: db.keys.id(*r.project), Consumer: *r.consumer, Type: *r.eventType, Channels: channelsOf(r.channels),
		Time: fromMicros(*r.time), Data: notNil(r.data), Dialect: *r.dialect, Test: *r.flags&flagTest != 0, BodyID: *r.flags&flagBodyID != 0, CreatedAt: keyTime(*r.k),
	}
}

// loadEvent reads an event as deliveries need it; nil where it is missing or damaged.
func (db *DB) loadEvent(ctx context.Context, c *conn, k key) (e *Event, project key, err error) {
	var r eventRow
	found, err := c.row(ctx, "SELECT k, project, consumer, type, time, dialect, flags, crc, channels, data FROM events WHERE k=?", []any{k},
		&r.k, &r.project, &r.consumer, &r.eventType, &r.time, &r.dialect, &r.flags, &r.crc, &r.channels, &r.data)
	if err != nil || !found {
		return nil, 0, err
	}
	return r.event(db), *r.project, nil
}

func (b *batch) loadEvent(k key, project *key) (*Event, error) {
	e, p, err := b.db.loadEvent(context.Background(), b.c, k)
	*project = p
	return e, err
}

// quarantine ends deliveries that cannot be sent because their rows are
// damaged, without waiting for it.
func (db *DB) quarantine(bad []badRow) {
	if len(bad) == 0 {
		return
	}
	for _, r := range bad {
		db.log.Error("a delivery's event is damaged or missing: the delivery ends as failed",
			"delivery", db.keys.id(r.k), "event", db.keys.id(r.event))
	}
	_ = db.w.addOp(&op{done: make(chan struct{}), run: func(b *batch) error {
		for _, r := range bad {
			q, err := b.queued(r.k)
			if err != nil {
				return err
			}
			if q == nil {
				continue
			}
			if err := b.failQueued(q, reasonCorrupt); err != nil {
				return err
			}
		}
		return nil
	}})
}

// sendsFor is how far back [DB.RecentSends] reaches, also over a restart.
const sendsFor = 2 * time.Minute

// recentSends holds the times of attempts by endpoint.
type recentSends struct {
	mu sync.Mutex
	at map[key][]int64 // microseconds, in the order they were committed
}

func newRecentSends() *recentSends { return &recentSends{at: map[key][]int64{}} }

// add takes what a commit wrote to the table.
func (r *recentSends) add(data []byte, now int64) {
	if len(data) == 0 {
		return
	}
	oldest := now - sendsFor.Microseconds()
	r.mu.Lock()
	defer r.mu.Unlock()
	eachSend(data, func(s *send) {
		if !s.attempt {
			return
		}
		r.at[s.endpoint] = append(since(r.at[s.endpoint], oldest), s.at)
	})
}

// replace puts what was read in the place of what is known of some endpoints.
func (r *recentSends) replace(read *recentSends, of func(endpoint key) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k := range r.at {
		if of(k) {
			delete(r.at, k)
		}
	}
	for k, times := range read.at {
		if of(k) {
			r.at[k] = times
		}
	}
}

// trim forgets endpoints without recent attempts.
func (r *recentSends) trim(oldest int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, times := range r.at {
		if times[len(times)-1] < oldest {
			delete(r.at, k)
		}
	}
}

// trimSends deletes rows that nobody asks for any more.
func (b *batch) trimSends() error {
	oldest := b.now.Add(-sendsFor)
	b.after = append(b.after, func() { b.db.sends.trim(micros(oldest)) })
	return b.exec("DELETE FROM sends WHERE k IN (SELECT k FROM sends WHERE k < ?"+b.db.ofSlot(b.db.engine.slot())+" ORDER BY k LIMIT 5000)",
		min(timeKey(oldest), b.db.ledger.mark.done)) // what is not counted yet stays
}

// RecentSends lists the times of an endpoint's attempts since a time, oldest
// first, the newest limit of them: what an exact rate limit starts from. It
// reaches two minutes back.
func (db *DB) RecentSends(_ context.Context, endpoint ID, since time.Time, limit int) ([]time.Time, error) {
	k, ok := db.keys.key(endpoint)
	if !ok {
		return nil, nil
	}
	db.sends.mu.Lock()
	times := slices.Clone(db.sends.at[k])
	db.sends.mu.Unlock()
	slices.Sort(times)
	from, _ := slices.BinarySearch(times, micros(since))
	times = times[max(from, len(times)-limit):]
	out := make([]time.Time, len(times))
	for i, us := range times {
		out[i] = fromMicros(us)
	}
	return out, nil
}

// recover reads what the store holds in memory.
func (db *DB) recover(ctx context.Context) error {
	c := db.w.c
	s, err := db.engine.state(ctx, c)
	if err != nil {
		return fmt.Errorf("read the store's state: %w", err)
	}
	if copying, err := c.row(ctx, "SELECT 1 FROM meta WHERE name='"+metaCopying+"'", nil, new(int)); err != nil || copying {
		return cmp.Or(err, fmt.Errorf("%s: %w", db.engine, ErrCopying))
	}
	secret, err := db.idSecret(ctx, c)
	if err != nil {
		return err
	}
	if db.keys, err = db.engine.keymaker(secret, s.last); err != nil {
		return err
	}
	if err := db.checkCanary(ctx, c); err != nil {
		return err
	}
	db.pending.Store(s.pending)
	db.w.indexed = s.indexed
	db.sends, db.ledger = newRecentSends(), newLedger(db.engine.slot())
	if !db.engine.alone() {
		return db.recoverConfiguration(ctx, c)
	}
	own := errors.Join(db.recoverConfiguration(ctx, c), db.recoverDebt(ctx, c, s.last), db.ledger.recover(ctx, c, db.ofSlot(db.engine.slot()), s.last))
	if db.nodes != nil {
		return own // the rest is of the shards, and comes with them
	}
	return errors.Join(own, db.countChores(ctx, c, &db.w.chores), db.recoverSends(ctx, c), db.recoverMails(ctx, c))
}

// ofSlot is the condition that keys are of a slot.
func (db *DB) ofSlot(slot int) string {
	if db.nodes == nil {
		return ""
	}
	return fmt.Sprintf(" AND ((k>>%d)&%d)=%d", slotShift, 1<<slotBits-1, slot)
}
