package store

import (
	"context"
	"time"

	"github.com/malote-dev/malote/internal/lang"
)

// Waiter is an [Owner] that says why an endpoint's due deliveries do not go
// (zero delivery), or one of them: a kept text, and until when at least. It
// returns at once and never calls the store.
type Waiter interface {
	Waits(endpoint, delivery ID) (why string, until time.Time)
}

// Waits asks whoever sends for an endpoint why its due deliveries do not go, or
// one of them; empty: nothing keeps them. Where that is another process which
// does not answer before ctx ends, or within a second, it says so.
func (db *DB) Waits(ctx context.Context, endpoint, delivery ID) (why string, until time.Time) {
	k, ok := db.keys.key(endpoint)
	switch {
	case !ok:
		return "", time.Time{}
	case db.ownsKey(k) || db.bus == nil:
		return db.waitsHere(endpoint, delivery)
	}
	ctx, cancel := context.WithTimeout(ctx, heedFor)
	defer cancel()
	d, _ := db.keys.key(delivery) // zero: of none in particular
	number, answer := db.bus.asked.new()
	defer db.bus.asked.drop(number)
	db.bus.tell(toAll, message{kind: tellWaits, endpoint: k, delivery: d, ask: number})
	select {
	case m := <-answer:
		if m.due > 0 {
			until = fromMicros(m.due)
		}
		return m.text, until
	case <-ctx.Done():
		return lang.Keep("not known here: another server sends to this endpoint, and did not say in time what keeps its deliveries"), time.Time{}
	}
}

func (db *DB) waitsHere(endpoint, delivery ID) (why string, until time.Time) {
	db.tell(func(o Owner) {
		if w, ok := o.(Waiter); ok {
			why, until = w.Waits(endpoint, delivery)
		}
	})
	return why, until
}

// say answers what another process asks with [DB.Waits].
func (h *heeding) say(slot int, m message) {
	var delivery ID
	if m.delivery != 0 {
		delivery = h.db.keys.id(m.delivery)
	}
	out := message{kind: tellAnswer, ask: m.ask}
	why, until := h.db.waitsHere(h.db.keys.id(m.endpoint), delivery)
	if len(why) > textBytes {
		return // who asks does without
	}
	out.text = why
	if why != "" && !until.IsZero() {
		out.due = micros(until)
	}
	h.db.bus.tell(slot, out)
}
