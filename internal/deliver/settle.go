package deliver

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

const (
	finishAgain    = time.Second // after a commit that failed
	finishAgainMax = 10 * time.Second
	outcomeSize    = 512 // bytes of an outcome beside what was kept of the answer
)

// settle takes in how an attempt ended, hands its outcome to the store, and
// returns the next delivery for this worker; nil: there is none to send now.
// The HTTP slot is free from here on; the delivery stays in its lane's set
// until the commit.
func (e *Engine) settle(it *item, a *attempt) (next *item) {
	now := a.ended
	rnd := rand.Float64()
	var v verdict
	if a.dialect != nil { // else it was not tried
		v = judge(a.dialect, it.config.waits(a.dialect), it.try(), a.result, now, rnd)
	}
	e.mu.Lock()
	ours := !a.cancelled && e.ours(it.lane, a, now, rnd)
	e.release(it, a, &v, now, rnd)
	var o *store.Outcome
	switch {
	case a.cancelled:
		e.letLie(it)
		it.lane.shard.busy--
	case ours:
		e.metrics.ours.Inc()
		e.takeBack(it)
		it.lane.shard.busy--
	default:
		o = newOutcome(it, a, &v)
		e.await(it, o)
	}
	if e.faults.until.After(now) {
		e.arm(e.faults.until, now)
	}
	e.place(it.lane, now)
	e.vacated(it.lane.shard)
	next = e.next(now)
	e.pump(now)
	if e.stopping {
		e.signal()
	}
	e.unlock()
	if o != nil {
		if o.Interrupted != nil {
			e.metrics.attempts[store.ClassUnknown].Inc()
		}
		e.metrics.ended(&v)
		e.store.Finish(o, func(err error) { e.committed(it, err) })
	}
	return next
}

// release gives back what an attempt in flight occupied.
func (e *Engine) release(it *item, a *attempt, v *verdict, now time.Time, rnd float64) {
	l, h := it.lane, it.config.host
	e.inFlight--
	h.inFlight--
	health, written := v.Health, a.written()
	same := l.last != nil && l.last.endpoint.URL == it.config.endpoint.URL
	if a.ours || a.cancelled || !same {
		health = healthUnknown // of our side, or of a receiver that is no longer the endpoint's
	}
	was := l.gate.breaker.open()
	l.gate.done(health, it.probe, written, now, rnd)
	e.tellBreaker(l, was, v)
	if same {
		l.gate.holdUntil(v.HoldUntil, heldAsked)
	}
	if a.resp != nil {
		if kept := len(a.resp.Head) + len(a.resp.Body); kept > answerMin {
			l.answers.spent += kept
		}
	}
	e.callUp(h, now)
	e.tidy(h)
	e.callOne(&e.crowd, 2, now)
}

// tellBreaker says once in the log that an endpoint's breaker opened or closed;
// that it opens again after a probe is no change.
func (e *Engine) tellBreaker(l *lane, was bool, v *verdict) {
	b := &l.gate.breaker
	if b.open() == was || !l.gate.breaks {
		return
	}
	log := e.log.With("endpoint", store.EndpointName.Format(l.id))
	if was {
		e.say(func() { log.Info("breaker closed: the receiver answers again") })
		return
	}
	failures, wait, class := b.failures, b.wait, v.Class
	e.say(func() {
		log.Warn("breaker opened: the receiver fails, deliveries wait for a probe to succeed",
			"failures_in_a_row", failures, "last_error", string(class), "next_probe_in", wait)
	})
}

// letLie leaves an attempt that our own stop interrupted as it is in the
// store: pending and due.
func (e *Engine) letLie(it *item) {
	it.lane.left(it.work.ID)
	e.memory -= it.size
	e.forget(it.lane, it.place())
}

// takeBack puts a delivery that could not be tried back in its queue.
func (e *Engine) takeBack(it *item) {
	it.config = nil
	if it.interrupted != nil { // to be told with the attempt that is made
		it.interrupted = nil
		it.lane.suspects++
	}
	if it.stale {
		it.lane.left(it.work.ID)
		e.freed(it.size, time.Now())
		e.forget(it.lane, store.Place{})
		return
	}
	it.lane.queue.push(it)
}

// await counts an outcome that is on its way to the store.
func (e *Engine) await(it *item, o *store.Outcome) {
	it.stage, it.outcome, it.config = stageSettling, o, nil
	it.weight = int64(outcomeSize + len(o.Attempt.RequestHead) + len(o.Attempt.ResponseHead) + len(o.Attempt.ResponseBody))
	it.blocks = o.Effect.Disable != "" || o.Effect.Exhausted && o.Effect.DisableAfter > 0
	e.settling++
	e.settlingBytes += it.weight
	it.lane.gate.unkept++
	if it.blocks {
		it.lane.gate.settling++
	}
}

func newOutcome(it *item, a *attempt, v *verdict) *store.Outcome {
	o := &store.Outcome{
		Work: it.work, State: v.State, DueAt: v.Due, Reason: v.Reason, Effect: v.Effect,
		Interrupted: it.interrupted,
		Attempt:     store.Attempt{Number: it.number(), At: a.at, Class: v.Class, Detail: v.Detail},
	}
	if it.work.Event.Test { // it shows whether the endpoint works, and stops nothing; a 410 is the endpoint's own word
		o.Effect = store.Effect{Disable: v.Effect.Disable}
	}
	o.Effect.Clear = v.State == store.Delivered && it.lane.clears
	if r := a.resp; r != nil {
		o.Attempt.RequestHead, o.Attempt.Status = r.RequestHead, r.Status
		o.Attempt.ResponseHead, o.Attempt.ResponseBody = r.Head, r.Body
		o.Attempt.Truncated, o.Attempt.Timings = r.Truncated, r.Timings
	}
	return o
}

// committed is told by the store's writer that a finish is durable, or why
// it is not. Only now the delivery leaves the lane's set.
func (e *Engine) committed(it *item, err error) {
	e.mu.Lock()
	defer e.unlock()
	if err != nil && e.keepTrying(it, err) {
		return
	}
	l, o, now := it.lane, it.outcome, time.Now()
	e.settling--
	e.settlingBytes -= it.weight
	it.lane.gate.unkept--
	l.left(it.work.ID)
	e.freed(it.size, now)
	if it.blocks {
		l.gate.settling--
		e.letGo(l, now) // it may be disabled now
	}
	switch {
	case o.Effect.Exhausted || o.Effect.Mark:
		l.clears = true
	case o.Effect.Clear:
		l.clears = false
	}
	switch {
	case err != nil: // the store is closed; the row is as it was
	case it.stale:
		e.forget(l, store.Place{}) // its row was changed meanwhile: read it again
	case o.State == store.Pending:
		e.again(l, o)
	}
	l.shard.busy--
	e.vacated(l.shard)
	if e.stopping {
		e.signal()
		return
	}
	e.place(l, now)
	e.pump(now)
}

// again keeps a delivery that is to be tried once more in memory, if there it
// belongs.
func (e *Engine) again(l *lane, o *store.Outcome) {
	w := *o.Work
	w.Attempts, w.LastAt, w.DueAt = o.Attempt.Number, o.Attempt.At, o.DueAt
	if o.Interrupted != nil {
		w.Interrupted++
	}
	p := store.Place{DueAt: w.DueAt, ID: w.ID}
	if !l.reaches(p) && !l.loading {
		e.forget(l, p)
		return
	}
	e.hold(l, &w)
}

// keepTrying writes a finish that failed again, later: the attempt was made,
// and forgetting it would make it twice. False: there is nobody to write to.
func (e *Engine) keepTrying(it *item, err error) bool {
	if errors.Is(err, store.ErrClosed) || e.stopping {
		e.unkept++
		return false
	}
	it.fails++
	if it.fails == 1 && !e.unwritten {
		e.unwritten = true
		e.say(func() { e.log.Error("finished attempts cannot be kept; trying on", "error", err) })
	}
	time.AfterFunc(min(finishAgain<<min(it.fails-1, 8), finishAgainMax), func() {
		e.store.Finish(it.outcome, func(err error) { e.committed(it, err) })
	})
	return true
}
