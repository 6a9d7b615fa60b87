package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/malote-dev/malote/internal/match"
)

// MaxReplayed is how many deliveries one call of [DB.ReplayEvent] sends.
const MaxReplayed = 250

// ErrUnwanted says that an endpoint neither got an event nor wants its type.
var ErrUnwanted = errors.New("the endpoint does not want the event")

// Replayed is what a replay of one event did.
type Replayed struct {
	Again []ID // deliveries that were there: due now, with a schedule that begins anew
	New   []ID // deliveries that were made
}

// ReplayEvent sends an event again: to every endpoint that it went to, and to
// those of its consumer that want its type today, or to one of them alone. A
// delivery that is pending is made due now.
// Errors: [ErrNotFound] (also of the endpoint), [ErrUnwanted], [ErrLimit]
// (more than [MaxReplayed] deliveries), [ErrConflict] (what an endpoint held
// is being skipped right now, or the event's broadcast goes on).
func (db *DB) ReplayEvent(ctx context.Context, project, event, endpoint ID) (*Replayed, error) {
	k, ok := db.keys.key(event)
	if !ok {
		return nil, ErrNotFound
	}
	var one key
	if !endpoint.IsZero() {
		if one, ok = db.keys.key(endpoint); !ok {
			return nil, ErrNotFound
		}
	}
	var out *Replayed
	err := db.write(ctx, func(b *batch) error {
		if err := b.lockEvent(k); err != nil {
			return err
		}
		e, err := db.event(context.Background(), b.c, k)
		if err != nil {
			return err
		}
		if e == nil || e.ProjectID != project {
			return ErrNotFound
		}
		r := eventReplay{b: b, k: k, e: e, m: matchable(e), had: map[key]bool{}, lists: postings{}}
		defer r.m.Done()
		if err := r.run(one); err != nil {
			return err
		}
		out = &r.out
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// eventReplay is the replay of one event, in a batch.
type eventReplay struct {
	b     *batch
	k     key
	e     *Event
	m     *match.Event // the same
	had   map[key]bool // endpoints that it went to
	out   Replayed
	lists postings
}

func (r *eventReplay) run(one key) error {
	if goesOn, err := r.b.row("SELECT 1 FROM fanouts WHERE event=?", []any{r.k}, new(int)); err != nil || goesOn {
		return errors.Join(err, fmt.Errorf("its broadcast goes on: %w", ErrConflict))
	}
	wanted, err := r.wanted(one)
	if err != nil {
		return err
	}
	had, err := r.made(one)
	if err != nil {
		return err
	}
	for _, d := range had {
		r.had[d.endpoint] = true
		if err := r.again(d); err != nil {
			return err
		}
	}
	for _, t := range wanted {
		if r.had[t.endpoint] {
			continue
		}
		if err := r.make(t); err != nil {
			return err
		}
	}
	switch n := len(r.out.Again) + len(r.out.New); {
	case n > MaxReplayed:
		return fmt.Errorf("the event has %d deliveries or more: %w", n, ErrLimit)
	case n == 0 && one != 0:
		return ErrUnwanted
	}
	if err := r.b.indexNow(r.lists); err != nil {
		return err
	}
	var d diff
	d.number("again", 0, len(r.out.Again))
	d.number("new", 0, len(r.out.New))
	if one != 0 {
		d.text("endpoint", "", EndpointName.Format(r.b.db.keys.id(one)))
	}
	project, _ := r.b.db.keys.key(r.e.ProjectID)
	return r.b.note(project, ActionEventReplay, EventName.Format(r.e.ID), r.e.Consumer, d...)
}

// wanted are the endpoints of today that want the event, at most one more
// than the limit; or the one that is named, if it does.
func (r *eventReplay) wanted(one key) (targets []target, err error) {
	project, _ := r.b.db.keys.key(r.e.ProjectID)
	if one != 0 {
		e, err := r.b.db.endpointRow(context.Background(), r.b.c, one)
		switch {
		case err != nil:
			return nil, err
		case e == nil || e.project != project || r.e.Consumer != "*" && e.Consumer != r.e.Consumer:
			return nil, ErrNotFound
		case r.e.Test || r.e.Consumer == "*" && e.Consumer == SystemConsumer || !r.judge(one, e.EventTypes, e.Settings.rules()):
			return nil, nil
		}
		return []target{{one, e.Consumer}}, nil
	}
	switch {
	case r.e.Test: // it was for one endpoint
		return nil, nil
	case r.e.Consumer == "*":
		targets, next, _, err := r.b.match(r.m, project, 0, never, MaxReplayed+1)
		if err == nil && next != 0 {
			err = fmt.Errorf("the project has more endpoints than are matched at once: %w", ErrLimit)
		}
		return targets, err
	}
	err = r.b.rows("SELECT k, event_types, settings FROM endpoints WHERE project=? AND consumer=? AND deleted_at=0 ORDER BY k", []any{project, r.e.Consumer},
		func(scan func(...any) error) (bool, error) {
			t := target{consumer: r.e.Consumer}
			var types []byte
			var settings string
			if err := scan(&t.endpoint, &types, &settings); err != nil {
				return false, err
			}
			if r.judge(t.endpoint, patterns(types), rulesOf(settings)) {
				targets = append(targets, t)
			}
			return len(targets) <= MaxReplayed, nil
		})
	return targets, err
}

// judge reports whether an endpoint wants the event.
func (r *eventReplay) judge(endpoint key, types []string, rules *match.Rules) bool {
	if !match.Type(types, r.e.Type) {
		return false
	}
	v, _ := r.b.db.filters.Judge(context.Background(), r.m, rules, &r.b.filtering.budget, r.b.db.keys.id(endpoint))
	return v == match.Wanted
}

// madeDelivery is one that the event has, at an endpoint that is there.
type madeDelivery struct {
	candidate
	endpoint key
	pending  bool
}

// made are the event's deliveries, at most one more than the limit, to all
// endpoints or to one.
func (r *eventReplay) made(one key) (out []madeDelivery, err error) {
	src, err := eventSource(context.Background(), r.b.c, r.k, 0, never)
	if err != nil {
		return nil, err
	}
	for walked := 0; len(out) <= MaxReplayed; walked++ {
		if walked > maxWalked {
			return nil, fmt.Errorf("the event has more than %d deliveries: %w", maxWalked, ErrLimit)
		}
		k, err := src.next(context.Background())
		if err != nil || k == 0 {
			return out, err
		}
		d := madeDelivery{candidate: candidate{k: k, event: r.k}}
		var deleted int64
		var head []byte
		found, err := r.b.row(`SELECT d.endpoint, d.attempts, d.finished, d.status, d.attempt IS NOT NULL, p.deleted_at, coalesce(substr(d.attempt,1,?1),
			(SELECT substr(data,1,?1) FROM attempts a WHERE a.delivery=d.k ORDER BY number DESC LIMIT 1))
			FROM deliveries d JOIN endpoints p ON p.k=d.endpoint WHERE d.k=?2`, []any{attemptHead, k},
			&d.endpoint, &d.attempts, &d.finished, &d.status, &d.inline, &deleted, &head)
		if err != nil {
			return nil, err
		}
		if !found {
			d.pending, err = r.b.row("SELECT q.endpoint, p.deleted_at FROM queue q JOIN endpoints p ON p.k=q.endpoint WHERE q.k=?", []any{k}, &d.endpoint, &deleted)
			if err != nil {
				return nil, err
			}
		}
		if (found || d.pending) && deleted == 0 && (one == 0 || d.endpoint == one) {
			d.lastAt = attemptAt(head)
			out = append(out, d)
		}
	}
	return out, nil
}

// again makes a delivery due now.
func (r *eventReplay) again(d madeDelivery) error {
	b, id := r.b, r.b.db.keys.id(d.k)
	if d.k < b.db.skippedBefore(d.endpoint) {
		return errSkipping()
	}
	r.out.Again = append(r.out.Again, id)
	if d.pending {
		b.after = append(b.after, b.deliveryChanged(d.endpoint, d.k, nil))
		return b.exec("UPDATE queue SET due=? WHERE k=?", b.us, d.k)
	}
	b.after = append(b.after, b.queueGrew(d.endpoint))
	project, _ := b.db.keys.key(r.e.ProjectID)
	_, err := b.requeue(project, d.endpoint, d.candidate)
	return err
}

// make makes a delivery to an endpoint that the event did not go to.
func (r *eventReplay) make(t target) error {
	b := r.b
	k := b.key()
	project, _ := b.db.keys.key(r.e.ProjectID)
	r.out.New = append(r.out.New, b.db.keys.id(k))
	own := binary.BigEndian.AppendUint64(nil, uint64(t.endpoint))
	if err := b.exec("INSERT INTO spans (event, first, count, targets) VALUES (?,?,1,?)", r.k, k, own); err != nil {
		return err
	}
	r.lists.addDeliveries(project, k, r.e.Type, []target{t})
	b.pending++
	b.after = append(b.after, b.queueGrew(t.endpoint))
	return b.exec("INSERT INTO queue (k, event, endpoint, project, due, attempts, last_at, status, interrupted) VALUES (?,?,?,?,?,0,0,0,0)",
		k, r.k, t.endpoint, project, b.us)
}
