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

// apart writes each item in a transaction of its own. Where the database went
// away meanwhile, what is left waits for it together, and not each for its own
// timeout.
func (w *writer) apart(in *inbox) {
	left := &inbox{accepts: in.accepts, finishes: in.finishes, ops: in.ops}
	in.accepts, in.finishes, in.ops, in.items = nil, nil, nil, 0
	if w.db.outOfReach() != nil {
		w.db.setTrouble(nil) // it answered just now
	}
	w.left = left
	defer func() { w.left = nil }()
	for len(left.accepts)+len(left.finishes)+len(left.ops) > 0 {
		if err := w.db.outOfReach(); err != nil && w.failed == nil {
			w.later(left, faultBusy, err)
			return
		}
		one := left.next()
		if len(one.accepts) == 0 || len(one.accepts[0].items) == 1 {
			w.write(one)
			continue
		}
		w.apartOf(one.accepts[0])
	}
}

// next takes one item out.
func (in *inbox) next() *inbox {
	one := &inbox{}
	switch {
	case len(in.accepts) > 0:
		one.accepts, in.accepts = in.accepts[:1:1], in.accepts[1:]
		one.items = len(one.accepts[0].items)
	case len(in.finishes) > 0:
		one.finishes, in.finishes = in.finishes[:1:1], in.finishes[1:]
	default:
		one.ops, in.ops = in.ops[:1:1], in.ops[1:]
	}
	return one
}

// apartOf writes the events of one request, each in a transaction of its own.
func (w *writer) apartOf(a *acceptOp) {
	w.parted = a
	for i, item := range a.items {
		one := &acceptOp{items: []*Acceptance{item}, out: a.out[i : i+1 : i+1], done: make(chan struct{})}
		if err := w.db.outOfReach(); err != nil {
			one.err = fmt.Errorf("%w: %w", ErrBusy, err)
		} else {
			w.write(&inbox{accepts: []*acceptOp{one}, items: 1})
		}
		if one.err != nil {
			a.out[i] = Accepted{Err: one.err}
		}
	}
	if w.parted != nil { // else it was answered
		w.parted = nil
		close(a.done)
	}
}

// outOfReach is why the last write failed, where it was that there was no
// connection to the database.
func (db *DB) outOfReach() error {
	trouble := db.trouble.Load()
	if lost := (*lostError)(nil); trouble == nil || !errors.As(*trouble, &lost) {
		return nil
	}
	return *trouble
}

// shed answers who waits for something that the database says nothing of: of
// what is under way it is not known whether it was kept, and of the rest that
// it was not. Finishes wait on, and what this process does for itself.
func (w *writer) shed(lost error) {
	busy := fmt.Errorf("%w: %w", ErrBusy, lost)
	w.mu.Lock()
	waits := inbox{accepts: w.in.accepts, ops: w.in.ops}
	w.in.accepts, w.in.ops, w.in.items, w.in.bytes = nil, nil, 0, 0
	w.mu.Unlock()
	w.answer(&waits, busy)
	w.mu.Lock()
	w.in.ops = append(waits.ops, w.in.ops...)
	w.mu.Unlock()
	if w.left != nil {
		w.answer(w.left, busy)
	}
	unknown := fmt.Errorf("%w: %w", ErrUnknown, lost)
	w.answer(w.under, unknown)
	if w.parted != nil {
		w.answer(&inbox{accepts: []*acceptOp{w.parted}}, unknown)
		w.parted = nil
	}
}

// answer fails what somebody waits for.
func (w *writer) answer(in *inbox, err error) {
	w.refuseEvents(in, err)
	var own []*op
	for _, o := range in.ops {
		if !o.serial {
			own = append(own, o)
			continue
		}
		o.err = err
		close(o.done)
	}
	in.ops = own
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
	w.under = in
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
