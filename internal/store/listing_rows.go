package store

import (
	"context"
	"slices"
)

// What a page shows is read for many keys at a time: a statement for each row
// would cost more than the row.

// deliveryRows reads those of some deliveries, pending and final, that a
// filter wants.
func (db *DB) deliveryRows(ctx context.Context, c *conn, project key, f *Filter, keys []key) (map[key]*Delivery, error) {
	var endpoint, event key
	ok := true
	if !f.EndpointID.IsZero() {
		endpoint, ok = db.keys.key(f.EndpointID)
	}
	if !f.EventID.IsZero() && ok {
		event, ok = db.keys.key(f.EventID)
	}
	if !ok || len(keys) == 0 {
		return nil, nil
	}
	least, most := f.statuses()
	args := []any{keyList(keys), project, event, endpoint, least, most, f.NoAnswer}
	out := make(map[key]*Delivery, len(keys))
	for _, q := range [...]string{queueRows, finalRows} { // what is in both is pending
		err := c.rows(ctx, q, args, func(scan func(...any) error) (bool, error) {
			k, d, err := db.scanDelivery(scan)
			if err == nil && out[k] == nil {
				out[k] = d
			}
			return true, err
		})
		if err != nil {
			return nil, err
		}
	}
	for k, d := range out {
		if !f.wants(d) {
			delete(out, k)
		}
	}
	return out, nil
}

// What is judged by the row itself stands before the joins.
const (
	rowsColumns = "SELECT d.k, d.event, d.endpoint, d.attempts, d.status, e.project, e.type, coalesce(p.consumer,''),"
	queueRows   = rowsColumns + " 0, d.due, '' FROM json_each(?1) j CROSS JOIN queue d ON d.k=j.value" + rowsJoins
	finalRows   = rowsColumns + " d.state, d.finished, d.reason FROM json_each(?1) j CROSS JOIN deliveries d ON d.k=j.value" + rowsJoins
	rowsJoins   = ` CROSS JOIN events e ON e.k=d.event LEFT JOIN endpoints p ON p.k=d.endpoint
		WHERE (CAST(?3 AS BIGINT)=0 OR d.event=?3) AND (CAST(?4 AS BIGINT)=0 OR d.endpoint=?4) AND d.status BETWEEN ?5 AND ?6 AND (NOT ?7 OR d.attempts>0) AND e.project=?2`
)

// scanDelivery reads a row of these.
func (db *DB) scanDelivery(scan func(...any) error) (key, *Delivery, error) {
	var (
		d                           Delivery
		k, event, endpoint, project key
		at                          int64
		state                       int
	)
	if err := scan(&k, &event, &endpoint, &d.Attempts, &d.LastStatus, &project, &d.EventType, &d.Consumer, &state, &at, &d.Reason); err != nil {
		return 0, nil, err
	}
	d.ID, d.EventID, d.EndpointID, d.ProjectID, d.CreatedAt = db.keys.id(k), db.keys.id(event), db.keys.id(endpoint), db.keys.id(project), keyTime(k)
	switch {
	case state != 0:
		d.State, d.FinishedAt = stateOf(state), fromMicros(at)
	default:
		d.State, d.DueAt = Pending, fromMicros(at)
		if reason := db.calledOff(endpoint, k); reason != "" {
			d.State, d.Reason, d.FinishedAt, d.DueAt = Cancelled, reason, d.DueAt, fromMicros(0)
		}
	}
	return k, &d, nil
}

// delivery reads one, pending or final; nil where there is none. The
// connection has a snapshot, or is the writer's.
func (db *DB) delivery(ctx context.Context, c *conn, k key) (d *Delivery, err error) {
	const from = ` d JOIN events e ON e.k=d.event LEFT JOIN endpoints p ON p.k=d.endpoint WHERE d.k=?`
	for _, q := range [...]string{rowsColumns + " 0, d.due, '' FROM queue" + from, rowsColumns + " d.state, d.finished, d.reason FROM deliveries" + from} {
		err = c.rows(ctx, q, []any{k}, func(scan func(...any) error) (_ bool, err error) {
			_, d, err = db.scanDelivery(scan)
			return false, err
		})
		if err != nil || d != nil {
			return d, err
		}
	}
	return nil, nil
}

func (f *Filter) wants(d *Delivery) bool {
	return (f.Consumer == "" || d.Consumer == f.Consumer) && (f.Type == "" || d.EventType == f.Type) &&
		(len(f.States) == 0 || slices.Contains(f.States, d.State))
}

// statuses are the bounds of what a row says of its last answer.
func (f *Filter) statuses() (least, most int) {
	switch {
	case f.NoAnswer:
		return 0, 0
	case f.MaxStatus == 0:
		return f.MinStatus, 999
	}
	return max(1, f.MinStatus), f.MaxStatus
}

// addFailures reads why the last attempts of deliveries failed.
func (db *DB) addFailures(ctx context.Context, c *conn, ds []*Delivery) error {
	of := map[key]*Delivery{}
	var keys []key
	for _, d := range ds {
		if k, ok := db.keys.key(d.ID); ok && d.State != Delivered && d.Attempts > 0 {
			of[k], keys = d, append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	const last = `SELECT j.value, coalesce((SELECT substr(data,1,?1) FROM attempts a WHERE a.delivery=j.value ORDER BY number DESC LIMIT 1),
		(SELECT substr(attempt,1,?1) FROM deliveries d WHERE d.k=j.value)) FROM json_each(?2) j`
	return c.rows(ctx, last, []any{attemptWhy, keyList(keys)}, func(scan func(...any) error) (bool, error) {
		var k key
		var head []byte
		if err := scan(&k, &head); err != nil {
			return false, err
		}
		of[k].LastClass, of[k].LastDetail = whyFailed(head)
		return true, nil
	})
}

// eventRows reads those of some events, without their data, that a filter
// wants.
func (db *DB) eventRows(ctx context.Context, c *conn, project key, f *Filter, keys []key) (map[key]*Event, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	columns, find := eventColumns, searchFor(f.Search)
	var data []byte
	var more []any
	if find != nil {
		columns, more = columns+", e.data", []any{&data}
	}
	out := make(map[key]*Event, len(keys))
	err := c.rows(ctx, "SELECT "+columns+" FROM json_each(?) j CROSS JOIN events e ON e.k=j.value WHERE e.project=?", []any{keyList(keys), project},
		func(scan func(...any) error) (bool, error) {
			k, e, err := db.scanEvent(scan, more...)
			if err == nil && f.wantsEvent(e) && (find == nil || find.in(data)) {
				out[k] = e
			}
			return true, err
		})
	return out, err
}

const eventColumns = `e.k, e.project, e.consumer, e.type, e.time, e.dialect, e.flags, e.idempotency, e.unreached, e.targets, e.channels,
	(SELECT CAST(coalesce(sum(count),0) AS BIGINT) FROM spans WHERE event=e.k)`

// scanEvent reads a row of these, and what follows them.
func (db *DB) scanEvent(scan func(...any) error, more ...any) (key, *Event, error) {
	var (
		e                Event
		k, project       key
		at, flags, later int64
		targets          []byte
		channels         *string
	)
	to := append([]any{&k, &project, &e.Consumer, &e.Type, &at, &e.Dialect, &flags, &e.IdempotencyKey, &e.Unreached, &targets, &channels, &later}, more...)
	if err := scan(to...); err != nil {
		return 0, nil, err
	}
	e.ID, e.ProjectID, e.Time, e.CreatedAt = db.keys.id(k), db.keys.id(project), fromMicros(at), keyTime(k)
	e.Channels = channelsOf(channels)
	e.Test, e.BodyID, e.Deliveries = flags&flagTest != 0, flags&flagBodyID != 0, len(targets)/8+int(later)
	if e.Deliveries > 0 {
		e.Unreached = "" // a replay reached somebody later
	}
	return k, &e, nil
}

func (f *Filter) wantsEvent(e *Event) bool {
	return (f.Consumer == "" || e.Consumer == f.Consumer) && (f.Type == "" || e.Type == f.Type) &&
		(f.IdempotencyKey == "" || ownKey(e.IdempotencyKey) == f.IdempotencyKey) && (f.Channel == "" || slices.Contains(e.Channels, f.Channel))
}
