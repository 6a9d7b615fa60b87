package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/malote-dev/malote/internal/match"
)

// candidate is a delivery to put into the queue again, or, of
// [ReplayMissed], an event to make one of.
type candidate struct {
	k         key // of the delivery, or of the event
	event     key // 0: the delivery's is gone
	eventType string
	finished  int64
	attempts  int
	status    int
	inline    bool // the row holds the only attempt
	changed   bool // it ended anew, or was tried, after the replay was made
	waiting   bool // pending, with an attempt that failed
	lastAt    int64
	span      key // of the event: the newest that was looked at
}

// terms are the lists that together hold what a replay is of, at one endpoint
// or, where that is 0, in all of its scope.
func (r *replayRow) terms(endpoint key) (out []string) {
	if r.Kind == ReplayMissed {
		out = append(out, term(listEventsConsumer, r.project, r.Consumer))
		if r.Consumer != SystemConsumer {
			out = append(out, term(listEventsConsumer, r.project, "*"))
		}
		return out
	}
	if slices.Contains(r.States, Delivered) { // there is no list of those alone
		switch {
		case endpoint != 0:
			return []string{term(listDeliveriesEndpoint, endpoint, "")}
		case r.Consumer != "":
			return []string{term(listDeliveriesConsumer, r.project, r.Consumer)}
		}
		return []string{term(listDeliveries, r.project, "")}
	}
	for _, s := range r.States {
		switch {
		case s == Pending: // these are in no list of their state
		case endpoint != 0:
			out = append(out, term(listStateEndpoint, endpoint, string(s)))
		case r.Consumer != "":
			out = append(out, term(listStateConsumer, r.project, string(s)+" "+r.Consumer))
		default:
			out = append(out, term(listState, r.project, string(s)))
		}
	}
	return out
}

// wants reports whether a replay is of events of a type. It is of no tests.
func (r *replayRow) wants(eventType string, flags int64) bool {
	return flags&flagTest == 0 && (len(r.EventTypes) == 0 || match.Type(r.EventTypes, eventType))
}

// over is when something was made that is no replay's any more because it
// ended after the replay was made.
func (r *replayRow) over() int64 {
	if r.k == 0 {
		return never
	}
	return micros(keyTime(r.k)) + time.Millisecond.Microseconds()
}

const attemptHead = 24 // bytes of a kept attempt that hold its number and time

const selectOver = `SELECT d.k, d.state, d.attempts, d.finished, d.status, d.attempt IS NOT NULL, coalesce(substr(d.attempt,1,?1),
		(SELECT substr(data,1,?1) FROM attempts a WHERE a.delivery=d.k ORDER BY number DESC LIMIT 1)), e.k, coalesce(e.type,''), coalesce(e.flags,0)
	FROM json_each(?2) j CROSS JOIN deliveries d ON d.k=j.value LEFT JOIN events e ON e.k=d.event WHERE d.endpoint=?3`

// over finds among an endpoint's deliveries those that a replay is of, in the
// order of the keys, and those that ended anew since it was made.
func (db *DB) over(ctx context.Context, c *conn, r *replayRow, endpoint key, keys []key) (out []candidate, err error) {
	until := r.over()
	err = c.rows(ctx, selectOver, []any{attemptHead, keyList(keys), endpoint}, func(scan func(...any) error) (bool, error) {
		var (
			d     candidate
			state int
			head  []byte
			event *key
			flags int64
		)
		if err := scan(&d.k, &state, &d.attempts, &d.finished, &d.status, &d.inline, &head, &event, &d.eventType, &flags); err != nil {
			return false, err
		}
		if event != nil {
			d.event = *event
		}
		switch {
		case d.event != 0 && !r.wants(d.eventType, flags): // of one that is gone, running it says so
		case d.finished >= until:
			if d.changed = !slices.Contains(r.States, Delivered); d.changed { // else it may have been pending all the time
				out = append(out, d)
			}
		case slices.Contains(r.States, stateOf(state)):
			d.lastAt = attemptAt(head)
			out = append(out, d)
		}
		return true, nil
	})
	if err != nil || !r.waiting() {
		return out, err
	}
	waiting, err := db.waiting(ctx, c, r, endpoint, keys)
	out = append(out, waiting...)
	slices.SortFunc(out, func(x, y candidate) int { return cmp.Compare(x.k, y.k) })
	return out, err
}

const selectWaiting = `SELECT q.k, q.event, q.due, q.attempts, q.last_at, coalesce(e.type,''), coalesce(e.flags,0)
	FROM json_each(?) j CROSS JOIN queue q ON q.k=j.value LEFT JOIN events e ON e.k=q.event WHERE q.endpoint=? AND q.attempts>0`

// waiting finds among an endpoint's deliveries those that wait for a retry.
func (db *DB) waiting(ctx context.Context, c *conn, r *replayRow, endpoint key, keys []key) (out []candidate, err error) {
	now := micros(time.Now())
	err = c.rows(ctx, selectWaiting, []any{keyList(keys), endpoint}, func(scan func(...any) error) (bool, error) {
		d := candidate{waiting: true}
		var due, flags int64
		err := scan(&d.k, &d.event, &due, &d.attempts, &d.lastAt, &d.eventType, &flags)
		if err != nil || !r.wants(d.eventType, flags) {
			return err == nil, err
		}
		d.changed = d.lastAt >= r.over() || due <= now
		out = append(out, d)
		return true, nil
	})
	return out, err
}

// attemptAt is the time of a kept attempt, of which this is the beginning; 0
// where it does not decode.
func attemptAt(head []byte) int64 {
	if len(head) < 2 || head[0] != attemptForm {
		return 0
	}
	_, n := binary.Varint(head[2:])
	if n <= 0 {
		return 0
	}
	at, m := binary.Varint(head[2+n:])
	if m <= 0 {
		return 0
	}
	return at
}

// missed finds among events those that an endpoint would get today and never
// got.
func (db *DB) missed(ctx context.Context, c *conn, r *replayRow, e *Endpoint, keys []key) (out []candidate, err error) {
	got, spans, err := db.gotLater(ctx, c, r.endpoint, keys)
	if err != nil {
		return nil, err
	}
	own := binary.BigEndian.AppendUint64(nil, uint64(r.endpoint))
	err = c.rows(ctx, `SELECT e.k, e.type, e.flags, e.targets, coalesce(f.cursor, 0), coalesce(f.bound, 0)
		FROM json_each(?) j CROSS JOIN events e ON e.k=j.value LEFT JOIN fanouts f ON f.event=e.k`, []any{keyList(keys)},
		func(scan func(...any) error) (bool, error) {
			var (
				d             candidate
				flags         int64
				targets       []byte
				cursor, bound key
			)
			if err := scan(&d.k, &d.eventType, &flags, &targets, &cursor, &bound); err != nil {
				return false, err
			}
			coming := bound != 0 && r.endpoint > cursor && r.endpoint <= bound // its broadcast goes on
			if !coming && !got[d.k] && !hasTarget(targets, own) && r.wants(d.eventType, flags) && match.Type(e.EventTypes, d.eventType) {
				d.event, d.span = d.k, spans[d.k]
				out = append(out, d)
			}
			return true, nil
		})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, byKey)
	return db.filtered(ctx, c, e, out)
}

func byKey(x, y candidate) int { return cmp.Compare(x.k, y.k) }

// filtered leaves out events that an endpoint's channels and filter do.
func (db *DB) filtered(ctx context.Context, c *conn, e *Endpoint, events []candidate) (out []candidate, err error) {
	rules := e.Settings.rules()
	if rules == nil {
		return events, nil
	}
	for _, d := range events {
		event, _, err := db.loadEvent(ctx, c, d.k)
		if err != nil && faultOf(err) != faultCorrupt {
			return nil, err
		}
		if event == nil { // damaged: as every delivery of it, it will fail and say so
			out = append(out, d)
			continue
		}
		m := matchable(event)
		v, _ := db.filters.Judge(ctx, m, rules, &match.Budget{}, e.ID)
		m.Done()
		if v == match.Wanted {
			out = append(out, d)
		}
	}
	return out, nil
}

// gotLater finds among events those whose spans have a delivery to an
// endpoint, and the newest span of each.
func (db *DB) gotLater(ctx context.Context, c *conn, endpoint key, keys []key) (got map[key]bool, newest map[key]key, err error) {
	own := binary.BigEndian.AppendUint64(nil, uint64(endpoint))
	got, newest = map[key]bool{}, map[key]key{}
	type unlisted struct{ event, first, count key }
	var old []unlisted
	err = c.rows(ctx, "SELECT s.event, s.first, s.count, s.targets FROM json_each(?) j CROSS JOIN spans s ON s.event=j.value", []any{keyList(keys)},
		func(scan func(...any) error) (bool, error) {
			var u unlisted
			var targets []byte
			if err := scan(&u.event, &u.first, &u.count, &targets); err != nil {
				return false, err
			}
			newest[u.event] = max(newest[u.event], u.first)
			if targets == nil {
				old = append(old, u)
			} else if hasTarget(targets, own) {
				got[u.event] = true
			}
			return true, nil
		})
	for i := 0; i < len(old) && err == nil; i++ {
		var has bool
		u := old[i]
		_, err = c.row(ctx, `SELECT EXISTS (SELECT 1 FROM queue WHERE k>=?1 AND k<?1+?2 AND endpoint=?3)
			OR EXISTS (SELECT 1 FROM deliveries WHERE k>=?1 AND k<?1+?2 AND endpoint=?3)`, []any{u.first, u.count, endpoint}, &has)
		got[u.event] = got[u.event] || has
	}
	return got, newest, err
}

// hasTarget reports whether a list of endpoints, 8 bytes each, has one.
func hasTarget(list, own []byte) bool {
	for ; len(list) >= 8; list = list[8:] {
		if bytes.Equal(list[:8], own) {
			return true
		}
	}
	return false
}

func targetList(targets []target) (list []byte) {
	for _, t := range targets {
		list = binary.BigEndian.AppendUint64(list, uint64(t.endpoint))
	}
	return list
}
