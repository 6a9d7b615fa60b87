package deliver

import (
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// Bounds of what waits for the store's commit. When one is reached nothing
// new is started: a store that cannot keep up slows the sending down.
const (
	maxSettling      = 4096
	maxSettlingBytes = 32 << 20
)

// host is one receiver's address, shared by all endpoints behind it.
type host struct {
	name     string
	inFlight int
	configs  int  // that name it
	line     list // lanes that could send but for this host's limit
}

// place puts a lane where it belongs after anything about it has changed: in
// the ready ring, in its host's line, under a timer, or nowhere, where only
// an event can change its lot. It starts reads that are due.
func (e *Engine) place(l *lane, now time.Time) {
	wasReady := l.turn.in == &e.ready
	l.turn.leave()
	wake, shut, line := e.lookAt(l, now)
	if shut != l.shut {
		l.shut = shut
		e.shut += sign(shut)
	}
	if line != nil {
		line.push(&l.turn)
	}
	if parked := line != &e.ready && l.queue.len() > 0; parked != (l.park.in != nil) {
		if parked {
			e.parked.push(&l.park)
		} else {
			l.park.leave()
		}
	}
	e.timers.set(l, wake)
	if line == &e.lapsed {
		wake = earlier(wake, now.Add(leaseLook))
	}
	if !wake.IsZero() {
		e.arm(wake, now)
	}
	if wasReady && line != &e.ready && l.config != nil {
		e.callUp(l.config.host, now) // it may have stood in another's place
	}
}

// lookAt decides where: the time to look again (zero: none), whether a gate
// that opens by the clock is shut, and the list to wait in, if any.
func (e *Engine) lookAt(l *lane, now time.Time) (wake time.Time, shut bool, line *list) {
	due, any := l.next()
	switch {
	case !any || e.stopping || l.dropped || l.shard.leaving != nil:
		return time.Time{}, false, nil
	case l.config != nil && !l.gate.active:
		return time.Time{}, false, nil
	case due.After(now):
		return due, false, nil
	case l.config == nil:
		l.open = true // as far as anybody knows
		return e.read(l, now), false, nil
	}
	ok, at := l.gate.admit(now)
	l.open = ok
	if !ok && at.Sub(now) > time.Second {
		return at, true, nil
	}
	if l.wantsRows(now) && !(e.strict(l) && (!ok || l.head())) && !e.starves(l) {
		wake = e.read(l, now)
	}
	switch {
	case !ok:
		return earlier(wake, at), !at.IsZero(), nil
	case l.queue.len() == 0:
		return wake, false, nil
	case l.queue.first().work.DueAt.After(now):
		return earlier(wake, l.queue.first().work.DueAt), false, nil
	case !e.leased(l.config.longest, now):
		return wake, false, &e.lapsed
	case l.config.host.inFlight >= e.limits.PerHost:
		return wake, false, &l.config.host.line
	case e.greedy(l):
		return wake, false, &e.crowd
	}
	return wake, false, &e.ready
}

// greedy reports whether a lane has to leave the free slots to others: the
// fewer are free, the fewer a lane may have in flight to take one more. So
// some dozens of slow endpoints get a share each and never everything.
func (e *Engine) greedy(l *lane) bool {
	return l.gate.inFlight*(e.limits.Global/greedSlots) >= e.limits.Global-e.inFlight
}

// greedSlots sets the share: with the default limits, 24 slow endpoints that
// take all they may leave a quarter of the slots free, 40 a twentieth.
const greedSlots = 64

// open reports whether this process may start attempts at all.
func (e *Engine) open(now time.Time) bool {
	return e.running && !e.stopping && e.inFlight < e.limits.Global &&
		e.settling < e.maxSettling && e.settlingBytes < maxSettlingBytes &&
		!now.Before(e.faults.until)
}

// next takes the turn of the first ready lane that may still send: its
// delivery that is due first, already counted as in flight. The lane goes to
// the end of the ring. nil: nothing can start now.
func (e *Engine) next(now time.Time) *item {
	for e.open(now) && e.ready.n > 0 {
		l := e.ready.first.lane
		var it *item
		if _, _, line := e.lookAt(l, now); line == &e.ready {
			it = e.take(l, now)
		}
		e.place(l, now)
		if it != nil {
			return it
		}
	}
	return nil
}

// callUp gives a host's free slot to the lanes that wait for one.
func (e *Engine) callUp(h *host, now time.Time) {
	if h.inFlight < e.limits.PerHost {
		e.callOne(&h.line, h.line.n, now)
	}
}

// callOne calls the first lane of a line that can use its turn; most limits
// how many it asks. Those that cannot stand behind again.
func (e *Engine) callOne(line *list, most int, now time.Time) {
	for n := min(most, line.n); n > 0; n-- {
		l := line.pop()
		e.place(l, now)
		if l.turn.in == &e.ready {
			return
		}
	}
}

// take starts the attempt of the lane's first delivery, as far as counting
// goes. From here on a change of the endpoint reports it as in flight.
func (e *Engine) take(l *lane, now time.Time) *item {
	it := l.queue.popFirst()
	it.stage, it.config, it.while = stageInFlight, l.config, e.leasing
	e.suspect(it)
	it.answer = l.answers.allow(now)
	it.probe = l.gate.start()
	it.config.host.inFlight++
	e.inFlight++
	l.shard.busy++
	l.busy = now
	if e.strict(l) {
		e.lookAgain(l)
	}
	return it
}

// strict reports whether a lane keeps to the order in which events were accepted,
// by whatever process: it sends one at a time, and others accept, too. They may
// end before they tell of it, so what comes next is read before each send.
func (e *Engine) strict(l *lane) bool {
	return l.config != nil && l.config.slots == 1 && e.store.Shared()
}

// lookAgain lets a strict lane know nothing of what it has to send.
func (e *Engine) lookAgain(l *lane) {
	e.evict(l)
	e.forget(l, store.Place{})
}

// pump starts everything that can start.
func (e *Engine) pump(now time.Time) {
	for it := e.next(now); it != nil; it = e.next(now) {
		e.work.Go(func() { e.send(it) })
	}
}

// expire looks at every lane whose time has come.
func (e *Engine) expire(now time.Time) {
	for l := e.timers.due(now); l != nil; l = e.timers.due(now) {
		e.place(l, now)
	}
}

// starves reports whether reading would be in vain, because what it brings
// finds no room. The lane then waits for memory.
func (e *Engine) starves(l *lane) bool {
	others := e.parked.n
	if l.park.in != nil {
		others--
	}
	if l.needs == 0 || e.memory == 0 || e.memory+l.needs <= e.limits.Memory || l.open && others > 0 {
		return false
	}
	if l.food.in == nil {
		e.hungry.push(&l.food)
	}
	return true
}

// scarce is how many deliveries a lane looks ahead while others wait for memory.
const scarce = 16

// enough reports whether a lane holds its share, while memory is short.
func (e *Engine) enough(l *lane) bool { return e.hungry.n > 0 && l.queue.len() >= scarce }

// freed gives back n bytes, and their turn to lanes that wait for memory.
func (e *Engine) freed(n int64, now time.Time) {
	e.memory -= n
	for k := e.hungry.first; k != nil && !e.starves(k.lane); k = e.hungry.first {
		e.place(e.hungry.pop(), now)
	}
}

// room makes room for n bytes more and reports whether there is. A lane that
// could send takes it, where it has to, from those that hold what they cannot
// send now.
func (e *Engine) room(l *lane, n int64) bool {
	if e.memory+n <= e.limits.Memory || e.memory == 0 {
		return true
	}
	if !l.open {
		return false
	}
	for k := e.parked.first; k != nil && e.memory+n > e.limits.Memory; {
		victim := k.lane
		k = k.next
		if victim != l {
			e.evict(victim)
		}
	}
	return e.memory+n <= e.limits.Memory
}

// evict gives a lane's waiting deliveries back to the store, where they are
// anyway.
func (e *Engine) evict(l *lane) {
	if l.queue.len() == 0 {
		return
	}
	first := l.queue.first().place()
	for l.queue.len() > 0 {
		it := l.queue.popLast()
		delete(l.held, it.work.ID)
		e.memory -= it.size
	}
	l.queue.release()
	e.forget(l, first)
	l.park.leave()
}

// hold takes a delivery into memory if the lane's look-ahead and the memory
// allow; else it stays in the store alone. What lies furthest gives way.
func (e *Engine) hold(l *lane, w *store.Work) bool {
	if _, held := l.held[w.ID]; held {
		return true
	}
	it := &item{work: w, lane: l, size: int64(w.Size())}
	p := it.place()
	for l.queue.len() > 0 && (l.queue.len() >= laneItems || l.queue.bytes+it.size > laneBytes) {
		last := l.queue.last().place()
		if !before(p, last) {
			break
		}
		e.drop(l, l.queue.last())
		e.forget(l, last)
	}
	if l.queue.len() >= laneItems || l.queue.len() > 0 && l.queue.bytes+it.size > laneBytes || !e.room(l, it.size) {
		e.forget(l, p)
		return false
	}
	l.held[w.ID] = it
	e.memory += it.size
	l.queue.push(it)
	return true
}

// drop takes a waiting delivery out of memory.
func (e *Engine) drop(l *lane, it *item) {
	l.queue.remove(it)
	delete(l.held, it.work.ID)
	e.memory -= it.size
}

// forget: see [lane.forget]; it counts the lanes that are behind.
func (e *Engine) forget(l *lane, p store.Place) {
	was := l.behind
	l.forget(p)
	e.count(l, was)
}

func (e *Engine) count(l *lane, was bool) {
	if l.behind != was {
		e.behind += sign(l.behind)
	}
}

func sign(up bool) int {
	if up {
		return 1
	}
	return -1
}
