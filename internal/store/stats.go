package store

import (
	"context"
	"fmt"
	"time"
)

// StatsQuery asks what happened to a project, or to one of its consumers or
// endpoints, between two times.
type StatsQuery struct {
	Consumer string // uid; with neither: the whole project
	Endpoint ID     // goes before Consumer
	// From is rounded down, Until up, to whole minutes, hours or days in UTC. At
	// most [MaxMinutes] minutes, [MaxHours] hours, or [MaxDays] days.
	From, Until time.Time
	Days        bool // by day
	Minutes     bool // by minute: of a project alone; with neither by hour
}

// Stats are counts of what was finished, and when. They are exact, also after
// a crash, but for percentiles, and for events: of the last seconds before a
// crash, and of the last half of a minute on other servers, some may be missing.
type Stats struct {
	From, Until time.Time
	Total       Counts
	Buckets     []Bucket // every hour or day of the window, oldest first
	Pending     Skipped  // deliveries that are pending now
	// LastSuccessAt is of the last attempt that succeeded: ever, of an
	// endpoint; else in the window. Zero: none did.
	LastSuccessAt time.Time
	// FailuresInARow are attempts at an endpoint that failed since its last
	// success; what this server itself broke off is not counted. Else 0.
	FailuresInARow int64
}

// Counts of a time. A delivery counts where it ended, which is when its last
// attempt began; one that is retried after its end counts again when it ends
// again. An attempt counts when it began.
type Counts struct {
	Events                       int64 // that were accepted; of a project
	Delivered, Failed, Cancelled int64
	Attempts, Succeeded          int64
	Failures                     []Failures // of attempts, the most frequent first
	Answered                     int64      // attempts that got an answer
	// Of those, from the start of the attempt to its end. Mean is exact;
	// percentiles are off by at most 6.25 %, or 8 µs.
	Mean, P50, P95, P99 time.Duration
}

// Failures are attempts that failed for one cause.
type Failures struct {
	Class Class
	Count int64
}

// Bucket is a minute, an hour or a day in UTC.
type Bucket struct {
	At time.Time // when it begins
	Counts
}

const (
	pendingCount     = 10_000 // pending deliveries that are counted at most
	pendingEndpoints = 1000   // of a consumer whose pending deliveries are counted
)

// Stats tells what happened. Its cost grows with the length of the window,
// never with what is stored. Errors: [ErrNotFound], [ErrLimit] (too long a
// window).
func (db *DB) Stats(ctx context.Context, project ID, q StatsQuery) (*Stats, error) {
	p, err := db.knownProject(ctx, project)
	if err != nil {
		return nil, err
	}
	w, err := newWindow(&q)
	if err != nil {
		return nil, err
	}
	w.db = db
	if err := w.read(ctx, p.k, &q); err != nil {
		return nil, err
	}
	return w.stats(), nil
}

// NoStats is the answer for somebody to whom nothing ever happened.
func NoStats(q StatsQuery) (*Stats, error) {
	w, err := newWindow(&q)
	if err != nil {
		return nil, err
	}
	return w.stats(), nil
}

func newWindow(q *StatsQuery) (*window, error) {
	unit, most := time.Hour, MaxHours
	switch {
	case q.Days:
		unit, most = 24*time.Hour, MaxDays
	case q.Minutes:
		unit, most = time.Minute, MaxMinutes
	}
	from, until := q.From.UTC().Truncate(unit), q.Until.UTC()
	if up := until.Truncate(unit); up.Before(until) {
		until = up.Add(unit)
	}
	n := int(until.Sub(from) / unit)
	if n < 1 || n > most || from.Before(time.Unix(0, 0)) {
		return nil, fmt.Errorf("%d of at most %d: %w", n, most, ErrLimit)
	}
	return &window{unit: unit, from: from, first: from.Unix() / int64(unit/time.Second), sums: make([]rollup, n)}, nil
}

// window is what is read for one question.
type window struct {
	db      *DB
	unit    time.Duration
	from    time.Time
	first   int64 // minute, hour or day
	sums    []rollup
	subject key
	tally   *tally // of an endpoint
	pending Skipped
	scratch rollup
}

func (w *window) read(ctx context.Context, project key, q *StatsQuery) error {
	err := w.db.read(ctx, false, func(c *conn) error { return w.find(ctx, c, project, q) })
	if err != nil {
		return err
	}
	if w.subject == 0 {
		return ErrNotFound
	}
	return w.db.counted(ctx, w.memory, func(c *conn) error {
		if w.tally != nil {
			if err := w.tally.load(ctx, c, w.subject); err != nil {
				return err
			}
		}
		if err := w.tables(ctx, c); err != nil {
			return err
		}
		return w.countPending(ctx, c, project, q)
	})
}

// find sets the subject; 0: there is none.
func (w *window) find(ctx context.Context, c *conn, project key, q *StatsQuery) error {
	var err error
	switch {
	case !q.Endpoint.IsZero():
		if k, ok := w.db.keys.key(q.Endpoint); ok {
			_, err = c.row(ctx, "SELECT k FROM endpoints WHERE k=? AND project=? AND deleted_at=0", []any{k, project}, &w.subject)
			w.tally = &tally{}
		}
	case q.Consumer != "":
		_, err = c.row(ctx, "SELECT k FROM consumers WHERE project=? AND uid=?", []any{project, q.Consumer}, &w.subject)
	default:
		w.subject = project
	}
	return err
}

// memory adds what a ledger has; its lock is held.
func (w *window) memory(l *ledger) {
	if w.tally != nil {
		*w.tally = l.tally(w.subject, *w.tally)
	}
	for _, accounts := range []map[key]*account{l.old, l.cur} {
		a := accounts[w.subject]
		if a == nil {
			continue
		}
		list, seconds := a.hours, int64(3600)
		if w.unit == time.Minute {
			list, seconds = a.minutes, 60
		}
		for i := range list {
			w.add(list[i].at*seconds, &list[i].rollup)
		}
	}
}

// add counts what happened in the minute, hour or day that begins at a time.
func (w *window) add(at int64, r *rollup) {
	if i := at/int64(w.unit/time.Second) - w.first; i >= 0 && i < int64(len(w.sums)) {
		w.sums[i].merge(r)
	}
}

const (
	readMinutes = `WITH RECURSIVE m(x) AS (VALUES (CAST(?1 AS BIGINT)) UNION ALL SELECT x+1 FROM m WHERE x+1<?2)
		SELECT minute, data FROM m CROSS JOIN minutes ON minute=x AND subject=?3`
	readHours = `WITH RECURSIVE h(x) AS (VALUES (CAST(?1 AS BIGINT)) UNION ALL SELECT x+1 FROM h WHERE x+1<?2)
		SELECT hour, data FROM h CROSS JOIN hours ON hour=x AND subject=?3`
	readDays = `WITH RECURSIVE d(x) AS (VALUES (CAST(?1 AS BIGINT)) UNION ALL SELECT x+1 FROM d WHERE x+1<?2)
		SELECT day, data FROM d CROSS JOIN days ON day=x AND subject=?3`
)

func (w *window) tables(ctx context.Context, c *conn) error {
	from, until := w.first, w.first+int64(len(w.sums))
	switch w.unit {
	case time.Minute:
		return w.table(ctx, c, readMinutes, from, until, time.Minute)
	case time.Hour:
		return w.table(ctx, c, readHours, from, until, time.Hour)
	}
	// Days that are summed up, and the hours of the others.
	var rolled int64
	if _, err := c.row(ctx, "SELECT day FROM rolled WHERE id=1", nil, &rolled); err != nil {
		return err
	}
	split := min(max(from, rolled+1), until)
	if err := w.table(ctx, c, readDays, from, split, 24*time.Hour); err != nil {
		return err
	}
	return w.table(ctx, c, readHours, split*24, until*24, time.Hour)
}

func (w *window) table(ctx context.Context, c *conn, query string, from, until int64, unit time.Duration) error {
	if from >= until {
		return nil
	}
	return c.rows(ctx, query, []any{from, until, w.subject}, func(scan func(...any) error) (bool, error) {
		var at int64
		var data []byte
		if err := scan(&at, &data); err != nil {
			return false, err
		}
		if damaged := w.scratch.decode(data); damaged != nil {
			w.db.log.Error("kept statistics are damaged", "at", time.Unix(at*int64(unit/time.Second), 0).UTC(), "error", damaged)
		} else {
			w.add(at*int64(unit/time.Second), &w.scratch)
		}
		return true, nil
	})
}

// countPending counts rows of the queue, up to a limit.
func (w *window) countPending(ctx context.Context, c *conn, project key, q *StatsQuery) error {
	limit := pendingCount + 1
	switch {
	case !q.Endpoint.IsZero():
		return w.countQueue(ctx, c, "SELECT count(*) FROM (SELECT 1 FROM queue WHERE endpoint=? AND endpoint>0 LIMIT ?) AS found", w.subject, limit)
	case q.Consumer == "":
		return w.countQueue(ctx, c, "SELECT count(*) FROM (SELECT 1 FROM queue WHERE project=? AND project>0 LIMIT ?) AS found", project, limit)
	}
	var endpoints []key
	err := c.rows(ctx, "SELECT k FROM endpoints WHERE project=? AND consumer=? AND deleted_at=0 LIMIT ?", []any{project, q.Consumer, pendingEndpoints + 1},
		func(scan func(...any) error) (bool, error) {
			var k key
			err := scan(&k)
			endpoints = append(endpoints, k)
			return true, err
		})
	if err != nil {
		return err
	}
	if len(endpoints) > pendingEndpoints {
		endpoints, w.pending.More = endpoints[:pendingEndpoints], true
	}
	for _, k := range endpoints {
		left := limit - w.pending.Count
		if left <= 1 {
			break
		}
		if err := w.countQueue(ctx, c, "SELECT count(*) FROM (SELECT 1 FROM queue WHERE endpoint=? AND endpoint>0 LIMIT ?) AS found", k, left); err != nil {
			return err
		}
	}
	return nil
}

func (w *window) countQueue(ctx context.Context, c *conn, query string, of key, limit int) error {
	n := 0
	_, err := c.row(ctx, query, []any{of, limit}, &n)
	if w.pending.Count += n; w.pending.Count > pendingCount {
		w.pending.Count, w.pending.More = pendingCount, true
	}
	return err
}

func (w *window) stats() *Stats {
	s := &Stats{From: w.from, Until: w.from.Add(time.Duration(len(w.sums)) * w.unit), Pending: w.pending, Buckets: make([]Bucket, len(w.sums))}
	var total rollup
	for i := range w.sums {
		s.Buckets[i] = Bucket{At: w.from.Add(time.Duration(i) * w.unit), Counts: w.sums[i].counts()}
		total.merge(&w.sums[i])
	}
	s.Total, s.LastSuccessAt = total.counts(), fromMicros(total.lastOK)
	if w.tally != nil {
		s.LastSuccessAt, s.FailuresInARow = fromMicros(w.tally.lastOK), w.tally.streak
	}
	return s
}

func (r *rollup) counts() Counts {
	c := Counts{
		Events: int64(r.events), Delivered: int64(r.finals[0]), Failed: int64(r.finals[1]), Cancelled: int64(r.finals[2]),
		Attempts: int64(r.attempts), Succeeded: int64(r.succeeded), Failures: r.failures(), Answered: int64(r.answered),
	}
	if r.answered > 0 {
		c.Mean = time.Duration(r.took/r.answered) * time.Microsecond
		c.P50, c.P95, c.P99 = r.percentile(0.50), r.percentile(0.95), r.percentile(0.99)
	}
	return c
}
