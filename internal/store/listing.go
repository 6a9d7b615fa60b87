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
	maxWalked = 1000 // rows that one page looks at
)

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

// page walks a source and takes what get returns, until the page is full or
// enough was looked at.
func page[T any](ctx context.Context, db *DB, src source, limit int, get func(key) (*T, error)) (p Page[*T], err error) {
	for range maxWalked {
		k, err := src.next(ctx)
		if err != nil || k == 0 {
			p.Next = ID{}
			return p, err
		}
		item, err := get(k)
		if err != nil {
			return p, err
		}
		if item != nil {
			p.Items = append(p.Items, item)
		}
		p.Next = db.keys.id(k)
		if len(p.Items) == limit {
			// The end is worth one more look: no empty page follows then.
			if k, err := src.next(ctx); err != nil || k == 0 {
				p.Next = ID{}
				return p, err
			}
			return p, nil
		}
	}
	return p, nil
}

// flushForList makes a list complete. Where the store cannot write, a list
// without the newest is better than none.
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
	if err := db.flushForList(ctx); err != nil {
		return p, err
	}
	err = db.read(ctx, true, func(c *conn) error {
		src, err := db.eventsSource(ctx, c, state.k, &f, oldest, newest)
		if err != nil || src == nil {
			return err
		}
		p, err = page(ctx, db, src, f.Limit, func(k key) (*Event, error) {
			e, err := db.event(ctx, c, k, false)
			if e == nil || e.ProjectID != project || !f.wantsEvent(e) {
				return nil, err
			}
			return e, err
		})
		return err
	})
	return p, err
}

func (f *Filter) wantsEvent(e *Event) bool {
	return (f.EventID.IsZero() || e.ID == f.EventID) &&
		(f.Consumer == "" || e.Consumer == f.Consumer) &&
		(f.Type == "" || e.Type == f.Type) &&
		(f.IdempotencyKey == "" || ownKey(e.IdempotencyKey) == f.IdempotencyKey)
}

// event reads an event as the world sees it; nil where there is none.
func (db *DB) event(ctx context.Context, c *conn, k key, withData bool) (*Event, error) {
	var (
		e                Event
		project          key
		at, flags, later int64
		crc              int64
		targets, data    []byte
		channels         *string
	)
	found, err := c.row(ctx, `SELECT project, consumer, type, time, dialect, flags, idempotency, unreached, targets, crc, channels, iif(?, data, NULL),
		(SELECT coalesce(sum(count),0) FROM spans WHERE event=e.k) FROM events e WHERE k=?`, []any{withData, k},
		&project, &e.Consumer, &e.Type, &at, &e.Dialect, &flags, &e.IdempotencyKey, &e.Unreached, &targets, &crc, &channels, &data, &later)
	if err != nil || !found {
		return nil, err
	}
	if withData {
		if e.Data = notNil(data); crc != checksum(data) {
			return nil, fmt.Errorf("the data of event %s is damaged", db.keys.id(k))
		}
	}
	e.ID, e.ProjectID, e.Time, e.CreatedAt = db.keys.id(k), db.keys.id(project), fromMicros(at), keyTime(k)
	e.Channels = channelsOf(channels)
	e.Test, e.BodyID, e.Deliveries = flags&flagTest != 0, flags&flagBodyID != 0, len(targets)/8+int(later)
	if e.Deliveries > 0 {
		e.Unreached = "" // a replay reached somebody later
	}
	return &e, nil
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
		e, err = db.event(ctx, c, k, true)
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
	if err := db.flushForList(ctx); err != nil {
		return p, err
	}
	err = db.read(ctx, true, func(c *conn) error {
		src, err := db.deliverySource(ctx, c, state.k, &f, oldest, newest)
		if err != nil || src == nil {
			return err
		}
		p, err = page(ctx, db, src, f.Limit, func(k key) (*Delivery, error) {
			d, err := db.delivery(ctx, c, k)
			if d == nil || !f.wants(d) || d.ProjectID != project {
				return nil, err
			}
			return d, err
		})
		return err
	})
	return p, err
}

func (f *Filter) wants(d *Delivery) bool {
	return (f.EventID.IsZero() || d.EventID == f.EventID) &&
		(f.EndpointID.IsZero() || d.EndpointID == f.EndpointID) &&
		(f.Consumer == "" || d.Consumer == f.Consumer) &&
		(f.Type == "" || d.EventType == f.Type) &&
		(f.State == "" || d.State == f.State) &&
		(f.LastStatus == 0 || d.LastStatus == max(0, f.LastStatus))
}

// delivery reads a delivery, pending or final; nil where there is none. The
// connection has a snapshot, or is the writer's.
func (db *DB) delivery(ctx context.Context, c *conn, k key) (*Delivery, error) {
	var (
		d                        = &Delivery{ID: db.keys.id(k), State: Pending, CreatedAt: keyTime(k)}
		event, endpoint, project key
		at                       int64
		state                    int
	)
	const who = ` e.project, e.type, coalesce(p.consumer,'')`
	const from = ` d JOIN events e ON e.k=d.event LEFT JOIN endpoints p ON p.k=d.endpoint WHERE d.k=?`
	found, err := c.row(ctx, `SELECT d.event, d.endpoint, d.attempts, d.due, d.status,`+who+` FROM queue`+from, []any{k},
		&event, &endpoint, &d.Attempts, &at, &d.LastStatus, &project, &d.EventType, &d.Consumer)
	if err != nil {
		return nil, err
	}
	if found {
		d.DueAt = fromMicros(at)
		if reason := db.calledOff(endpoint, k); reason != "" {
			d.State, d.Reason, d.FinishedAt, d.DueAt = Cancelled, reason, d.DueAt, time.Time{}
		}
	} else {
		found, err = c.row(ctx, `SELECT d.event, d.endpoint, d.state, d.reason, d.attempts, d.finished, d.status,`+who+` FROM deliveries`+from, []any{k},
			&event, &endpoint, &state, &d.Reason, &d.Attempts, &at, &d.LastStatus, &project, &d.EventType, &d.Consumer)
		if err != nil || !found {
			return nil, err
		}
		d.State, d.FinishedAt = stateOf(state), fromMicros(at)
	}
	d.EventID, d.EndpointID, d.ProjectID = db.keys.id(event), db.keys.id(endpoint), db.keys.id(project)
	return d, nil
}

// Delivery reads one. Errors: [ErrNotFound].
func (db *DB) Delivery(ctx context.Context, project, id ID) (d *Delivery, err error) {
	k, ok := db.keys.key(id)
	if !ok {
		return nil, ErrNotFound
	}
	err = db.read(ctx, true, func(c *conn) error {
		d, err = db.delivery(ctx, c, k)
		return err
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
				UNION ALL SELECT 1, attempt FROM deliveries WHERE k=?1 AND attempt IS NOT NULL)
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
