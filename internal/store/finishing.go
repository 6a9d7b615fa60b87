package store

import (
	"context"
	"errors"
	"slices"
)

// Numbers of states in rows.
var stateNumbers = map[State]int{Delivered: 1, Failed: 2, Cancelled: 3}

func stateOf(n int) State {
	switch n {
	case 1:
		return Delivered
	case 2:
		return Failed
	}
	return Cancelled
}

// Finish keeps an outcome. It never blocks: done is called from the writer
// after the commit, with the error if it failed, and must return at once.
// An outcome whose delivery is no longer pending (cancelled meanwhile) is
// recorded: after a 2xx it becomes delivered, else it stays cancelled. While
// the disk is full an outcome waits; done comes when it is kept.
func (db *DB) Finish(o *Outcome, done func(error)) {
	if err := db.w.addFinish(finishOp{o, done}); err != nil {
		done(err)
	}
}

// Statements of which a transaction has many.
const (
	insertDelivery = "INSERT INTO deliveries VALUES (?,?,?,?,?,?,?,?,?)"
	insertAttempt  = "INSERT INTO attempts VALUES (?,?,?) ON CONFLICT DO NOTHING"
	deleteQueued   = "DELETE FROM queue WHERE k=?"
)

// queued is a row of the queue.
type queued struct {
	k, event, endpoint, project key
	due                         int64
	attempts                    int
	lastAt                      int64
	status                      int
}

const selectQueued = "SELECT k, event, endpoint, project, due, attempts, last_at, status FROM queue WHERE k=?"

func (b *batch) queued(k key) (*queued, error) {
	q := &queued{}
	found, err := b.row(selectQueued, []any{k}, &q.k, &q.event, &q.endpoint, &q.project, &q.due, &q.attempts, &q.lastAt, &q.status)
	if !found {
		return nil, err
	}
	return q, nil
}

// finish keeps one outcome.
func (b *batch) finish(o *Outcome) error {
	b.finished++
	k, ok := b.db.keys.key(o.Work.ID)
	endpoint, ok2 := b.db.keys.key(o.Work.EndpointID)
	if !ok || !ok2 {
		return nil // never was ours
	}
	if o.Interrupted != nil {
		b.sent(endpoint, o.Interrupted)
	}
	if !o.Attempt.At.IsZero() {
		b.sent(endpoint, &o.Attempt)
	}
	if reason := b.db.calledOff(endpoint, k); reason != "" {
		return b.finishLate(k, o, reason)
	}
	if o.State == Pending {
		return b.again(k, endpoint, o)
	}
	there, err := b.likely(deleteQueued, k)
	if err != nil {
		return err
	}
	if !there {
		return b.finishLate(k, o, "")
	}
	b.pending--
	if b.w.held.of[endpoint] != nil { // paused while the attempt was in flight
		event, _ := b.db.keys.key(o.Work.Event.ID)
		b.unheld(endpoint, k, event)
	}
	b.endedBy(endpoint, o)
	if err := b.insertFinal(k, endpoint, o); err != nil {
		return err
	}
	return b.affect(endpoint, o, true)
}

// endedBy counts the end of a delivery by an outcome, which was noted last.
func (b *batch) endedBy(endpoint key, o *Outcome) {
	if o.Attempt.At.IsZero() {
		b.endedWithout(endpoint, o.State)
	} else {
		b.endsWith(o.State)
	}
}

// insertFinal makes a delivery final. Its attempt goes with the row where it
// was the only one.
func (b *batch) insertFinal(k, endpoint key, o *Outcome) error {
	event, _ := b.db.keys.key(o.Work.Event.ID)
	made, status := o.Work.Attempts, 0
	var inline []byte
	if err := b.insertInterrupted(k, o); err != nil {
		return err
	}
	if a := &o.Attempt; !a.At.IsZero() {
		if a.Number == 0 {
			a.Number = made + 1
		}
		if a.Number == 1 {
			inline = appendAttempt(nil, a)
		} else if err := b.insertAttempt(k, a); err != nil {
			return err
		}
		made, status = max(made, a.Number), a.Status
	}
	err := b.exec(insertDelivery,
		k, event, endpoint, stateNumbers[o.State], o.Reason, made, b.us, status, inline)
	if err != nil || o.State == Delivered {
		return err
	}
	return b.noteFinal(k, endpoint, o.State)
}

// noteFinal puts a delivery into the lists of its state.
func (b *batch) noteFinal(k, endpoint key, s State) error {
	p, err := b.party(endpoint)
	if err == nil {
		b.finals = append(b.finals, finalEntry{k: k, project: p.project, endpoint: endpoint, consumer: p.consumer, state: s})
	}
	return err
}

// party is who an endpoint belongs to.
type party struct {
	project  key
	consumer string
}

func (b *batch) party(endpoint key) (party, error) {
	var p party
	_, err := b.row("SELECT project, consumer FROM endpoints WHERE k=?", []any{endpoint}, &p.project, &p.consumer)
	return p, err
}

// insertAttempt keeps an attempt under its number, or under the next free one
// where that is taken: an attempt that was made is never lost.
func (b *batch) insertAttempt(k key, a *Attempt) error {
	n, err := b.likely(insertAttempt, k, a.Number, appendAttempt(nil, a))
	if err != nil || n {
		return err
	}
	return b.exec("INSERT INTO attempts SELECT ?, max(number)+1, ? FROM attempts WHERE delivery=?", k, appendAttempt(nil, a), k)
}

// insertInterrupted keeps the attempt that a crash may have interrupted.
func (b *batch) insertInterrupted(k key, o *Outcome) error {
	if o.Interrupted == nil {
		return nil
	}
	return b.insertAttempt(k, o.Interrupted)
}

// again keeps an attempt that failed and will be followed by another.
func (b *batch) again(k, endpoint key, o *Outcome) error {
	a := &o.Attempt
	if a.Number == 0 {
		a.Number = o.Work.Attempts + 1
	}
	interrupted := 0
	if o.Interrupted != nil {
		interrupted = 1
	}
	n, err := b.change("UPDATE queue SET due=?1, attempts=CASE WHEN attempts<?2 THEN ?2 ELSE attempts END, interrupted=interrupted+?3, last_at=?4, status=?5 WHERE k=?6",
		micros(o.DueAt), a.Number, interrupted, micros(a.At), a.Status, k)
	if err != nil {
		return err
	}
	if n == 0 {
		return b.finishLate(k, o, "")
	}
	if err := errors.Join(b.insertInterrupted(k, o), b.insertAttempt(k, a)); err != nil {
		return err
	}
	return b.affect(endpoint, o, true)
}

// finishLate keeps an outcome whose delivery was made final meanwhile: what
// arrived was delivered, whatever was decided in between. With a reason it was
// called off, and its row may not have been reached yet.
func (b *batch) finishLate(k key, o *Outcome, reason string) error {
	if o.Attempt.Number == 0 {
		o.Attempt.Number = o.Work.Attempts + 1
	}
	if err := b.lockDelivery(k); err != nil {
		return err
	}
	if reason != "" {
		q, err := b.queued(k)
		if err != nil {
			return err
		}
		if q != nil {
			if err := b.cancelQueued(q, reason); err != nil {
				return err
			}
		}
	}
	var state, made int
	var inline bool
	var endpoint key
	found, err := b.row("SELECT state, endpoint, attempts, attempt IS NOT NULL FROM deliveries WHERE k=?", []any{k}, &state, &endpoint, &made, &inline)
	if err != nil || !found {
		return err
	}
	if !o.Attempt.At.IsZero() {
		if inline && o.Attempt.Number == 1 {
			o.Attempt.Number = made + 1
		}
		if i := o.Interrupted; i != nil && inline {
			i.Number, o.Attempt.Number = made+1, made+2
		}
		if err := b.insertInterrupted(k, o); err != nil {
			return err
		}
		if err := b.insertAttempt(k, &o.Attempt); err != nil {
			return err
		}
		if err := b.exec("UPDATE deliveries SET attempts=CASE WHEN attempts<?1 THEN ?1 ELSE attempts END, status=?2 WHERE k=?3", o.Attempt.Number, o.Attempt.Status, k); err != nil {
			return err
		}
	}
	if o.State == Delivered && stateOf(state) != Delivered {
		b.endedWithout(endpoint, Delivered)
		if err := b.exec("UPDATE deliveries SET state=?, reason='', finished=? WHERE k=?", stateNumbers[Delivered], b.us, k); err != nil {
			return err
		}
	}
	if b.db.isDeleting(endpoint) {
		return nil
	}
	return b.affect(endpoint, o, false)
}

// Reasons of deliveries that the store itself ends.
const (
	reasonCancelled = "cancelled"
	reasonDeleted   = "endpoint deleted"
	reasonSkipped   = "skipped"
	reasonExpired   = "expired"
	reasonCorrupt   = "corrupt"
)

// endings are those reasons.
var endings = [...]string{reasonCancelled, reasonDeleted, reasonSkipped, reasonExpired, reasonCorrupt}

// cancelQueued ends a pending delivery without an attempt.
func (b *batch) cancelQueued(q *queued, reason string) error {
	_, err := b.endQueued(q, Cancelled, reason)
	return err
}

// endQueued reports whether the delivery was still pending.
func (b *batch) endQueued(q *queued, s State, reason string) (ended bool, err error) {
	n, err := b.change("DELETE FROM queue WHERE k=?", q.k)
	if err != nil || n == 0 {
		return false, err
	}
	b.pending--
	b.unheld(q.endpoint, q.k, q.event)
	b.endedWithout(q.endpoint, s)
	if i := slices.Index(endings[:], reason); i >= 0 {
		b.ended[i]++
	}
	err = b.exec(insertDelivery, q.k, q.event, q.endpoint, stateNumbers[s], reason, q.attempts, b.us, q.status, nil)
	if err != nil {
		return true, err
	}
	return true, b.noteFinal(q.k, q.endpoint, s)
}

// Counters says what the store wrote since it was opened.
func (db *DB) Counters() Counters {
	ended := make(map[string]uint64, len(endings))
	for i, reason := range endings {
		ended[reason] = db.w.endedBy[i].Load()
	}
	return Counters{Commits: db.w.commits.Load(), Accepted: db.w.accepted.Load(), Finished: db.w.finished.Load(), Ended: ended, Filters: db.filters.Counts(), Suppressed: db.w.suppressed.Load()}
}

// Flush puts everything that was accepted so far into the lists. Lists do so
// by themselves.
func (db *DB) Flush(ctx context.Context) error {
	if db.indebted.Load() == 0 {
		return nil
	}
	return db.tend(ctx, (*batch).flush) // nobody asks for it: lists need it
}
