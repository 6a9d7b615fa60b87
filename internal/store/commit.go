package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// How often a transaction is tried again at once.
const (
	againAtOnce = 3 // that met another, or a row that came in between
	movedOften  = 3 // that was made with configuration that others changed; from then on they wait for it
)

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
	err := w.insist(in)
	if err == nil {
		w.lastEnd, w.lastSize = time.Now(), in.size()
		return
	}
	switch f := faultOf(err); {
	case f == faultDisk, f == faultFenced:
		w.refuse(in, err)
		w.fail(err, "write to the database")
	case f == faultAgain && in.size() > 1: // many locks in one order, and elsewhere in another: alone, none waits while it holds some
		w.apart(in)
	case f == faultFull, f == faultBusy, f == faultReadOnly, f == faultAgain, f == faultOutdated:
		w.later(in, f, err)
	case in.size() > 1:
		w.apart(in)
	default:
		w.db.log.Error("an item could not be written", "error", err)
		w.refuse(in, err)
		w.retryAt = time.Now().Add(retryAfter)
	}
}

// insist writes an inbox in one transaction, again where others came in
// between: with what they changed.
func (w *writer) insist(in *inbox) error {
	err := w.transact(in, false)
	for met, moved := 0, 0; err != nil; {
		switch faultOf(err) {
		case faultAgain:
			met++
		case faultUnique: // such as an idempotency key that came in between
			if met++; !w.db.engine.shared() {
				return err
			}
		case faultOutdated:
			if moved++; moved <= movedOften {
				if e := w.learn(); e != nil {
					return e
				}
			}
		default:
			return err
		}
		if met > againAtOnce || moved > movedOften+againAtOnce {
			return err
		}
		err = w.transact(in, moved > movedOften)
	}
	return nil
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
// everybody who waits or must know. Alone, it has what is asked for elsewhere wait.
func (w *writer) transact(in *inbox, alone bool) error {
	b := &w.batch
	b.reset(time.Now())
	if err := w.db.engine.begin(w.c, in.size() == 1); err != nil {
		return err
	}
	var err error
	if alone {
		err = w.seize()
	}
	if err == nil {
		err = b.fill(in)
	}
	if err == nil {
		err = w.db.engine.commit(b)
	}
	if err != nil {
		w.db.cache.giveBack(b.touched)
		return errors.Join(err, w.db.engine.rollback(w.c))
	}
	w.db.setTrouble(nil)
	b.settle(in)
	return nil
}

// seize has all others wait who would change the configuration, from the
// beginning of a transaction on, and learns what they did before.
func (w *writer) seize() error {
	if err := w.db.engine.seize(&w.batch); err != nil {
		return err
	}
	n, err := w.db.news(context.Background(), w.c, w.generation)
	if err == nil {
		w.db.apply(n)
	}
	return err
}
