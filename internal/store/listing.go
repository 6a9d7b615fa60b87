package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/lang"
)

const (
	maxPage   = 250
	maxWalked = 2000 // rows that one page looks at
)

// effort bounds what one page looks at.
type effort struct {
	walked int           // rows
	chunk  int           // rows that are read together
	lasts  time.Duration // after which the page ends with what it has
}

// effort of a list. A search reads data of up to a megabyte a row, and people
// wait for it rather than press for the next page twenty times.
func (f *Filter) effort() effort {
	if f.Search != "" {
		return effort{walked: 10_000, chunk: 32, lasts: 30 * time.Millisecond}
	}
	return effort{walked: maxWalked, chunk: 256, lasts: 7 * time.Millisecond}
}

// bounds of a list in keys: newest is exclusive, oldest inclusive.
func (db *DB) bounds(f *Filter) (oldest, newest key, ok bool) {
	newest = never
	if !f.Before.IsZero() {
		if newest, ok = db.keys.key(f.Before); !ok {
			return 0, 0, false
		}
	}
	if !f.Until.IsZero() {
		newest = min(newest, timeKey(ceilMilli(f.Until)))
	}
	if !f.From.IsZero() {
		oldest = timeKey(ceilMilli(f.From))
	}
	if f.Limit <= 0 || f.Limit > maxPage {
		f.Limit = maxPage
	}
	return oldest, newest, true
}

// ceilMilli rounds up: rows have the time of their millisecond.
func ceilMilli(t time.Time) time.Time {
	if r := t.Truncate(time.Millisecond); r.Before(t) {
		return r.Add(time.Millisecond)
	}
	return t
}

// source gives the keys of a list, newest first; 0 ends it.
type source interface {
	next(ctx context.Context) (key, error)
}

// page walks a source and takes what read finds wanted among its keys, until
// the page is full or enough was looked at.
func page[T any](ctx context.Context, db *DB, src source, limit int, most effort, read func(keys []key) (map[key]*T, error)) (p Page[*T], err error) {
	start := time.Now()
	chunk := min(limit+1, most.chunk) // most lists are of what is wanted: one more tells whether a page follows
	for walked := 0; walked < most.walked && (walked == 0 || time.Since(start) < most.lasts); walked += chunk {
		chunk = min(chunk, most.walked-walked)
		keys, err := take(ctx, src, chunk)
		if err != nil {
			return p, err
		}
		found, err := read(keys)
		if err != nil {
			return p, err
		}
		for _, k := range keys {
			switch item := found[k]; {
			case item == nil:
			case len(p.Items) == limit:
				return p, nil // another page begins with it
			default:
				p.Items = append(p.Items, item)
			}
			p.Next = db.keys.id(k)
		}
		if len(keys) < chunk {
			p.Next = ID{}
			return p, nil
		}
		chunk = most.chunk
	}
	if len(p.Items) == limit { // the end is worth one more look: no empty page follows then
		if k, err := src.next(ctx); err != nil || k == 0 {
			p.Next = ID{}
			return p, err
		}
	}
	return p, nil
}

// flushForList makes a list on disk complete. Where the store cannot write, a
// list without the newest is better than none.
func (db *DB) flushForList(ctx context.Context) error {
	err := db.Flush(ctx)
	if err != nil && ctx.Err() == nil && !errors.Is(err, ErrClosed) {
		db.log.Warn("a list lacks the newest events", "error", err)
		return nil
	}
	return err
}

// Events lists a project's events, without their data.
func (db *DB) Events(ctx context.Context, project ID, f Filter) (p Page[*Event], err error) {
	state := db.project(project)
	oldest, newest, ok := db.bounds(&f)
	if state == nil || !ok {
		return p, nil
	}
	err = db.readLists(ctx, func(v *view) error {
		src, err := db.eventsSource(ctx, v, state.k, &f, oldest, newest)
		if err != nil || src == nil {
			return err
		}
		p, err = page(ctx, db, src, f.Limit, f.effort(), func(keys []key) (map[key]*Event, error) {
			return db.eventRows(ctx, v.c, state.k, &f, keys)
		})
		return err
	})
	return p, err
}

// event reads an event with its data; nil where there is none.
func (db *DB) event(ctx context.Context, c *conn, k key) (e *Event, err error) {
	var crc int64
	var data []byte
	err = c.rows(ctx, "SELECT "+eventColumns+", e.crc, e.data FROM events e WHERE e.k=?", []any{k}, func(scan func(...any) error) (_ bool, err error) {
		_, e, err = db.scanEvent(scan, &crc, &data)
		return false, err
	})
	if err != nil || e == nil {
		return nil, err
	}
	if e.Data = notNil(data); crc != checksum(data) {
		return nil, fmt.Errorf("the data of event %s is damaged", e.ID)
	}
	return e, nil
}

// channelsOf reads the channels of an event's row.
func channelsOf(kept *string) []string {
	if kept == nil {
		return nil
	}
	return strings.Fields(*kept)
}

// Event reads one with its data. Errors: [ErrNotFound]; in words where the
// data is not what was kept.
func (db *DB) Event(ctx context.Context, project, id ID) (e *Event, err error) {
	k, ok := db.keys.key(id)
	if !ok {
		return nil, ErrNotFound
	}
	err = db.read(ctx, false, func(c *conn) error {
		e, err = db.event(ctx, c, k)
		return err
	})
	if err != nil {
		return nil, err
	}
	if e == nil || e.ProjectID != project {
		return nil, ErrNotFound
	}
	return e, nil
}

// Deliveries lists a project's deliveries, pending and final as one.
func (db *DB) Deliveries(ctx context.Context, project ID, f Filter) (p Page[*Delivery], err error) {
	state := db.project(project)
	oldest, newest, ok := db.bounds(&f)
	if state == nil || !ok {
		return p, nil
	}
	err = db.readLists(ctx, func(v *view) error {
		src, err := db.deliverySource(ctx, v, state.k, &f, oldest, newest)
		if err != nil || src == nil {
			return err
		}
		p, err = page(ctx, db, src, f.Limit, f.effort(), func(keys []key) (map[key]*Delivery, error) {
			return db.deliveryRows(ctx, v.c, state.k, &f, keys)
		})
		if err != nil {
			return err
		}
		return db.addFailures(ctx, v.c, p.Items)
	})
	return p, err
}

// Delivery reads one. Errors: [ErrNotFound].
func (db *DB) Delivery(ctx context.Context, project, id ID) (d *Delivery, err error) {
	k, ok := db.keys.key(id)
	if !ok {
		return nil, ErrNotFound
	}
	err = db.read(ctx, true, func(c *conn) error {
		if d, err = db.delivery(ctx, c, k); err != nil || d == nil {
			return err
		}
		return db.addFailures(ctx, c, []*Delivery{d})
	})
	if err == nil && (d == nil || d.ProjectID != project) {
		return nil, ErrNotFound
	}
	return d, err
}

// Attempts of a delivery, oldest first, after a number (0: from the first).
// Errors: [ErrNotFound].
func (db *DB) Attempts(ctx context.Context, project, delivery ID, after, limit int) (out []*Attempt, err error) {
	k, ok := db.keys.key(delivery)
	if !ok {
		return nil, ErrNotFound
	}
	err = db.read(ctx, true, func(c *conn) error {
		d, err := db.delivery(ctx, c, k)
		if err != nil {
			return err
		}
		if d == nil || d.ProjectID != project {
			return ErrNotFound
		}
		return c.rows(ctx, `SELECT number, data FROM (
				SELECT number, data FROM attempts WHERE delivery=?1
				UNION ALL SELECT 1, attempt FROM deliveries WHERE k=?1 AND attempt IS NOT NULL) AS a
			WHERE number>?2 ORDER BY number LIMIT ?3`, []any{k, after, limit}, func(scan func(...any) error) (bool, error) {
			var number int
			var data []byte
			if err := scan(&number, &data); err != nil {
				return false, err
			}
			a, err := readAttempt(data)
			if err != nil {
				db.log.Error("a kept attempt is damaged", "delivery", delivery, "number", number)
				a = &Attempt{Detail: lang.Keep("the record of this attempt is damaged")}
			}
			a.Number = number
			out = append(out, a)
			return true, nil
		})
	})
	return out, err
}
