package store

import (
	"errors"
	"fmt"
	"time"
)

// againAtOnce is how often a transaction that met another is tried again at once.
const againAtOnce = 3

// write commits an inbox, whole where that works, else each item alone, so
// that a bad one fails no other.
func (w *writer) write(in *inbox) {
	if w.failed != nil {
		w.refuse(in, w.failed)
		return
	}
	if err := w.db.engine.room(time.Now()); err != nil {
		w.refuseEvents(in, err)
	}
	err := w.transact(in)
	for tries := 0; tries < againAtOnce && faultOf(err) == faultAgain; tries++ {
		err = w.transact(in)
	}
	if err == nil {
		w.lastEnd, w.lastSize = time.Now(), in.size()
		return
	}
	switch f := faultOf(err); {
	case f == faultDisk, f == faultFenced:
		w.refuse(in, err)
		w.fail(err, "write to the database")
	case f == faultFull, f == faultBusy, f == faultReadOnly, f == faultAgain:
		w.later(in, f, err)
	case in.size() > 1:
		w.apart(in)
	default:
		w.db.log.Error("an item could not be written", "error", err)
		w.refuse(in, err)
		w.retryAt = time.Now().Add(retryAfter)
	}
}

// later refuses what a caller waits for and keeps the finishes: their
// attempts were made, and nobody else knows.
func (w *writer) later(in *inbox, f fault, err error) {
	cause := fmt.Errorf("%w: %w", ErrBusy, err)
	if f == faultFull {
		cause = fmt.Errorf("%w: %w", ErrFull, err)
		if w.db.engine.makeRoom() {
			// The ballast is gone: what is not new has room now.
			w.refuseEvents(in, cause)
			w.write(in)
			return
		}
	}
	w.db.setTrouble(cause)
	if f == faultFull && in.size() > 1 {
		w.refuseEvents(in, cause)
		w.apart(in) // what makes room may still fit, alone
		return
	}
	finishes := append([]finishOp(nil), in.finishes...)
	in.finishes = nil
	w.refuse(in, cause)
	w.retryAt = time.Now().Add(retryAfter)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed { // no second chance: the next start finds them pending
		w.mu.Unlock()
		w.refuse(&inbox{finishes: finishes}, cause)
		w.mu.Lock()
		return
	}
	w.in.finishes = append(finishes, w.in.finishes...)
}

// apart writes each item in a transaction of its own.
func (w *writer) apart(in *inbox) {
	for _, a := range in.accepts {
		for i, item := range a.items {
			one := &acceptOp{items: []*Acceptance{item}, out: a.out[i : i+1 : i+1], done: make(chan struct{})}
			w.write(&inbox{accepts: []*acceptOp{one}, items: 1})
			if one.err != nil {
				a.out[i] = Accepted{Err: one.err}
			}
		}
		close(a.done)
	}
	for _, f := range in.finishes {
		w.write(&inbox{finishes: []finishOp{f}})
	}
	for _, o := range in.ops {
		w.write(&inbox{ops: []*op{o}})
	}
}

// refuse fails everything in an inbox.
func (w *writer) refuse(in *inbox, err error) {
	w.refuseEvents(in, err)
	for _, f := range in.finishes {
		f.done(err)
	}
	for _, o := range in.ops {
		o.err = err
		close(o.done)
	}
	in.finishes, in.ops = nil, nil
}

func (w *writer) refuseEvents(in *inbox, err error) {
	for _, a := range in.accepts {
		a.err = err
		close(a.done)
	}
	in.accepts, in.items = nil, 0
}

// transact writes an inbox in one transaction, and after the commit tells
// everybody who waits or must know.
func (w *writer) transact(in *inbox) error {
	b := &w.batch
	b.reset(time.Now())
	if err := w.db.engine.begin(w.c, in.size() == 1); err != nil {
		return err
	}
	err := b.fill(in)
	if err == nil {
		err = w.db.engine.commit(b)
	}
	if err != nil {
		return errors.Join(err, w.db.engine.rollback(w.c))
	}
	w.db.setTrouble(nil)
	b.settle(in)
	return nil
}
