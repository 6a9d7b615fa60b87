package store

import (
	"context"
	"hash/crc32"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/match"
)

// Flags of an event's row.
const (
	flagTest = 1 << iota
	flagBroadcast
	flagBodyID
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum tells a payload that was damaged on disk from what was kept.
func checksum(data []byte) int64 { return int64(crc32.Checksum(data, castagnoli)) }

// Accept keeps events and their deliveries in one durable commit, shared with
// whatever else waits to be written, and returns after it. One bad item never
// fails the others; the error is for all of them (full disk, closed store):
// then nothing was kept. Where ctx ends first, or with [ErrUnknown], the outcome is unknown. The
// store keeps the events themselves in memory until they are sent: the caller
// changes nothing in them any more.
func (db *DB) Accept(ctx context.Context, items []*Acceptance) ([]Accepted, error) {
	if len(items) == 0 {
		return nil, nil
	}
	a := &acceptOp{items: items, out: make([]Accepted, len(items)), done: make(chan struct{})}
	for _, i := range items {
		a.size += len(i.Event.Data)
	}
	if err := db.w.addAccept(a); err != nil {
		return nil, err
	}
	select {
	case <-a.done:
		if a.err != nil {
			return nil, a.err
		}
		return a.out, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// target is an endpoint that gets an event.
type target struct {
	endpoint key
	consumer string
}

// accept keeps one event. The error is the database's; what is wrong with
// the item is in Accepted.
func (b *batch) accept(a *Acceptance) (Accepted, error) {
	e := a.Event
	p := b.db.project(e.ProjectID)
	if p == nil {
		b.refused = true
		return Accepted{Err: ErrNotFound}, nil
	}
	if a.Access != 0 && a.Access != b.db.Access() {
		return Accepted{Err: ErrStale}, nil
	}
	if e.IdempotencyKey != "" {
		first, known, err := b.known(p.k, a)
		if known || err != nil {
			return first, err
		}
	}
	if a.Version != p.version && (!a.Broadcast || a.Version != 0) {
		b.refused = true
		return Accepted{Err: ErrStale}, nil
	}
	targets, next, why, err := b.targets(p.k, a)
	if err != nil {
		return Accepted{}, err
	}
	n := len(targets)
	out := Accepted{Deliveries: n, More: next > 0}
	switch {
	case n > 0 || out.More:
		e.Unreached = ""
	case e.Unreached == "":
		e.Unreached = unreachedBy(e.Type, why)
	}
	out.Unreached, e.BodyID = e.Unreached, p.BodyID
	k := b.keep(p.k, e, targets)
	out.EventID = e.ID
	if err := b.insertEvent(p.k, k, e, a.Broadcast, targets); err != nil {
		return out, err
	}
	if out.More {
		bound, err := b.lastEndpoint(p.k)
		if err == nil {
			err = b.exec("INSERT INTO fanouts VALUES (?,?,?)", k, next, bound)
		}
		if err != nil {
			return out, err
		}
		b.addChore(&b.chores.fanouts)
	}
	if e.IdempotencyKey != "" {
		if b.foreseen != nil {
			b.foreseen[ownedKey{p.k, e.IdempotencyKey}] = usedKey{k, a.RequestHash, n, out.Unreached, out.More}
		}
		err = b.exec(insertKeyed, dayOf(b.now), p.k, e.IdempotencyKey, k, a.RequestHash[:], n, out.Unreached, out.More)
	}
	return out, err
}

// keep sets what the store sets in an event, and gives keys to it and to its
// deliveries: those follow the event's.
func (b *batch) keep(project key, e *Event, targets []target) key {
	k := b.db.keys.next(b.now, 1+len(targets))
	e.ID, e.CreatedAt, e.Deliveries = b.db.keys.id(k), keyTime(k), len(targets)
	if e.Time.IsZero() {
		e.Time = b.now
	}
	e.Time = kept(e.Time)
	b.index = append(b.index, indexEntry{k: k, project: project, consumer: e.Consumer, eventType: e.Type, targets: targets})
	b.accepted++
	b.came = append(b.came, project)
	return k
}

// Statements of which a transaction has many.
const (
	intoEvents          = "INSERT INTO events (k, project, consumer, type, time, dialect, flags, idempotency, unreached, targets, crc, data"
	insertEvent         = intoEvents + ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
	insertEventChannels = intoEvents + ", channels) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
	insertQueued        = "INSERT INTO queue VALUES (?,?,?,?,?,0,0,0,0)"
	insertKeyed         = "INSERT INTO idempotency VALUES (?,?,?,?,?,?,?,?)"
)

func (b *batch) insertEvent(project, k key, e *Event, broadcast bool, targets []target) error {
	flags := 0
	if e.Test {
		flags |= flagTest
	}
	if broadcast {
		flags |= flagBroadcast
	}
	if e.BodyID {
		flags |= flagBodyID
	}
	args := []any{
		k, project, e.Consumer, e.Type, micros(e.Time), e.Dialect, flags, e.IdempotencyKey, e.Unreached, targetList(targets),
		checksum(e.Data), notNil(e.Data),
	}
	q := insertEvent
	if len(e.Channels) > 0 {
		q, args = insertEventChannels, append(args, strings.Join(e.Channels, " "))
	}
	if err := b.exec(q, args...); err != nil {
		return err
	}
	return b.enqueue(project, k, e, k+1, targets)
}

// enqueue makes an event's deliveries pending, with keys from first on.
func (b *batch) enqueue(project, event key, e *Event, first key, targets []target) error {
	works := make([]Work, len(targets))
	for i, t := range targets {
		d := first + key(i)
		if err := b.exec(insertQueued, d, event, t.endpoint, project, b.us); err != nil {
			return err
		}
		w := &works[i]
		*w = Work{endpoint: t.endpoint, ID: b.db.keys.id(d), EndpointID: b.db.keys.id(t.endpoint), Event: e, DueAt: b.now, CreatedAt: keyTime(d)}
		b.works = append(b.works, w)
	}
	b.pending += int64(len(targets))
	return nil
}

// targets are the endpoints that an event goes to; next is where a broadcast
// has to go on, 0 where it does not. Of a broadcast, why says what kept others
// from it.
func (b *batch) targets(project key, a *Acceptance) (_ []target, next key, why match.Tally, err error) {
	if a.Broadcast {
		bound, err := b.lastEndpoint(project)
		if err != nil {
			return nil, 0, why, err
		}
		e := matchable(a.Event)
		defer e.Done()
		return b.match(e, project, 0, bound, fanoutFirst)
	}
	targets := make([]target, 0, len(a.Endpoints))
	for _, id := range a.Endpoints {
		k, ok := b.db.keys.key(id)
		if !ok {
			return nil, 0, why, nil
		}
		targets = append(targets, target{k, a.Event.Consumer})
	}
	return targets, 0, why, nil
}

// known looks an idempotency key up: whether it was used, and the answer then.
func (b *batch) known(project key, a *Acceptance) (Accepted, bool, error) {
	used, found, err := b.usedKey(ownedKey{project, a.Event.IdempotencyKey})
	switch {
	case err != nil || !found:
		return Accepted{}, false, err
	case used.hash != a.RequestHash:
		return Accepted{Err: ErrConflict}, true, nil
	}
	return Accepted{
		EventID: b.db.keys.id(used.event), Deliveries: used.deliveries, Unreached: used.unreached, More: used.more, Duplicate: true,
	}, true, nil
}

// ownedKey is an idempotency key of a project.
type ownedKey struct {
	project key
	key     string
}

// usedKey is what became of the event that came with one.
type usedKey struct {
	event      key
	hash       [32]byte
	deliveries int
	unreached  string
	more       bool
}

// usedKey finds what a key was used for, in the days that it is remembered.
func (b *batch) usedKey(k ownedKey) (used usedKey, found bool, err error) {
	if b.foreseen != nil {
		used, found = b.foreseen[k]
		return used, found, nil
	}
	var hash []byte
	for day, earliest := b.keyDays(); day >= earliest && !found && err == nil; day-- {
		found, err = b.row("SELECT event, hash, deliveries, unreached, more FROM idempotency WHERE day=? AND project=? AND key=?",
			[]any{day, k.project, k.key}, &used.event, &hash, &used.deliveries, &used.unreached, &used.more)
	}
	copy(used.hash[:], hash)
	return used, found, err
}

// keyDays are the newest and the oldest day that keys are remembered of.
func (b *batch) keyDays() (today, earliest int64) {
	return dayOf(b.now), dayOf(b.now.Add(-b.db.o.IdempotencyFor))
}

// dayOf numbers days from 1970 on.
func dayOf(t time.Time) int64 { return t.Unix() / 86400 }

// notNil keeps empty bytes apart from NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
