package store

import (
	"context"
	"time"
)

// What happens to an endpoint is told to whoever sends for it. That may be
// another process on the same database: it hears of it over the bus, and
// answers how many attempts are in flight.

// Unknown stands in place of a number of attempts in flight where another
// process sends for the endpoint and did not say in time.
const Unknown = -1

const (
	heedFor  = time.Second // how long an answer is waited for
	heedMost = 256         // questions that wait to be answered
)

// flying counts the attempts in flight that a change found.
type flying struct {
	n     int
	bus   *bus
	asked []question
}

// question is one to another process.
type question struct {
	number int64
	answer chan message
}

// ask asks the others; of them one sends for the endpoint. Nobody answers
// while none does.
func (f *flying) ask(b *bus, m message) {
	if b == nil {
		return
	}
	q := question{}
	q.number, q.answer = b.asked.new()
	f.bus, f.asked = b, append(f.asked, q)
	m.ask = q.number
	b.tell(toAll, m)
}

// inFlight waits for the answers, and adds them up.
func (f *flying) inFlight(ctx context.Context) int {
	if len(f.asked) == 0 {
		return f.n
	}
	ctx, cancel := context.WithTimeout(ctx, heedFor)
	defer cancel()
	for _, q := range f.asked {
		select {
		case m := <-q.answer:
			f.n += int(m.n)
		case <-ctx.Done():
			for _, q := range f.asked {
				f.bus.asked.drop(q.number)
			}
			return Unknown
		}
	}
	return f.n
}

// tellWorks hands new deliveries to who sends them: in memory what is this
// process's, and of others' that there are some.
func (db *DB) tellWorks(works []*Work) {
	own := works[:0]
	for _, w := range works {
		if db.ownsKey(w.endpoint) {
			own = append(own, w)
		} else {
			db.bus.tell(toAll, message{kind: tellGrew, endpoint: w.endpoint, due: micros(w.DueAt)})
		}
	}
	if len(own) > 0 {
		db.tell(func(o Owner) { o.Accepted(own) })
	}
}

// tellGrew tells of deliveries that are to be read.
func (db *DB) tellGrew(endpoint key, from time.Time) {
	if db.ownsKey(endpoint) {
		db.tell(func(o Owner) { o.QueueGrew(db.keys.id(endpoint), Place{DueAt: from}) })
		return
	}
	db.bus.tell(toAll, message{kind: tellGrew, endpoint: endpoint, due: micros(from)})
}

// tellEndpoint tells of an endpoint that changed; f may be nil.
func (db *DB) tellEndpoint(endpoint key, f *flying) {
	db.tell(func(o Owner) {
		if n := o.EndpointChanged(db.keys.id(endpoint)); f != nil {
			f.n += n
		}
	})
	if f != nil && !db.ownsKey(endpoint) {
		f.ask(db.bus, message{kind: tellEndpoint, endpoint: endpoint})
	}
}

// tellDelivery tells of a delivery that was cancelled or made due; f may be nil.
func (db *DB) tellDelivery(endpoint, delivery key, f *flying) {
	m := message{kind: tellDelivery, endpoint: endpoint, delivery: delivery}
	switch {
	case db.ownsKey(endpoint):
		db.tell(func(o Owner) {
			if n := o.DeliveryChanged(db.keys.id(endpoint), db.keys.id(delivery)); f != nil {
				f.n += n
			}
		})
	case f != nil:
		f.ask(db.bus, m)
	default:
		db.bus.tell(toAll, m)
	}
}

// tellRecovery tells that somebody takes a receiver to be back.
func (db *DB) tellRecovery(endpoint key) {
	if db.ownsKey(endpoint) {
		db.tell(func(o Owner) { o.RecoveryAsked(db.keys.id(endpoint)) })
		return
	}
	db.bus.tell(toAll, message{kind: tellRecovered, endpoint: endpoint})
}

// Messages counts those that were told to other processes, and heard from them.
func (db *DB) Messages() (told, heard uint64) {
	if db.bus == nil {
		return 0, 0
	}
	return db.bus.told.Load(), db.bus.heard.Load()
}

// heeding is how a process does what others ask for.
type heeding struct {
	db    *DB
	asked chan heeded
}

// heeded is a question of a slot.
type heeded struct {
	slot int
	m    message
}

// hear takes in what another process told. It is called by the bus, and does
// nothing that takes long.
func (h *heeding) hear(slot int, m message) {
	db := h.db
	switch m.kind {
	case tellConfiguration:
		db.w.lookSoon()
		return
	case tellNodes:
		db.nodes.look()
		return
	}
	if !db.ownsKey(m.endpoint) {
		return
	}
	switch m.kind {
	case tellGrew:
		db.tell(func(o Owner) { o.QueueGrew(db.keys.id(m.endpoint), Place{DueAt: fromMicros(m.due)}) })
	case tellDelivery:
		n := 0
		db.tell(func(o Owner) { n = o.DeliveryChanged(db.keys.id(m.endpoint), db.keys.id(m.delivery)) })
		h.answer(slot, m.ask, n)
	case tellWaits:
		h.say(slot, m)
	case tellRecovered:
		db.tell(func(o Owner) { o.RecoveryAsked(db.keys.id(m.endpoint)) })
	case tellEndpoint:
		select {
		case h.asked <- heeded{slot, m}:
		default: // who asks does without
		}
	}
}

func (h *heeding) answer(slot int, ask int64, n int) {
	if ask != 0 {
		h.db.bus.tell(slot, message{kind: tellAnswer, ask: ask, n: int64(n)})
	}
}

// heed answers about endpoints that changed, until ctx ends. What was changed
// with them is learnt first: the owner reads rows again at once, and by then
// has to know which of them are skipped.
func (h *heeding) heed(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case q := <-h.asked:
			limit, cancel := context.WithTimeout(ctx, heedFor)
			err := h.db.catchUp(limit)
			cancel()
			if err != nil || !h.db.ownsKey(q.m.endpoint) {
				continue
			}
			var f flying
			id := h.db.keys.id(q.m.endpoint)
			h.db.cache.forget(func() { h.db.cache.lanes.drop(id) })
			h.db.tellEndpoint(q.m.endpoint, &f)
			h.answer(q.slot, q.m.ask, f.n)
		}
	}
}

// missed says that others may have told what this process did not hear.
func (h *heeding) missed() {
	h.db.w.lookSoon()
	h.db.tell(func(o Owner) { o.Missed() })
}
