package deliver

import (
	"errors"
	"slices"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

const (
	readers   = 4  // reads of the store at a time
	together  = 32 // lanes whose rows one read brings
	fewRows   = 8  // of each of so many
	readAgain = time.Second
	readSlow  = 30 * time.Second // longest pause between failing reads of a lane
)

// read queues a lane for a reader: its configuration where it has none, and
// rows where it is behind. It returns when to look again where that has to
// wait.
func (e *Engine) read(l *lane, now time.Time) time.Time {
	switch {
	case l.loading || e.stopping:
		return time.Time{}
	case now.Before(l.retryAt):
		return l.retryAt
	}
	l.loading = true
	if l.queue.len() > 0 && l.config == nil {
		e.urgent = append(e.urgent, l) // work in hand waits for nothing but this
	} else {
		e.reads = append(e.reads, l)
	}
	e.startReader()
	return time.Time{}
}

// startReader has one reader more where others have their hands full: what
// waits is read together.
func (e *Engine) startReader() {
	few := e.readers < readers/2 || len(e.urgent) > 0 || len(e.reads) > together
	if e.running && !e.stopping && few && e.readers < readers {
		e.readers++
		e.work.Go(e.readLanes)
	}
}

// nextReads takes the lanes that are to be read next: one, or several of which
// nothing but rows is wanted; none: nobody waits.
func (e *Engine) nextReads() (next []*lane) {
	queue := &e.urgent
	if len(*queue) == 0 {
		queue = &e.reads
	}
	for len(*queue) > 0 && !e.stopping {
		l := (*queue)[0]
		alone := !l.wantsOnlyRows()
		if len(next) > 0 && (alone || len(next) == together) {
			break
		}
		next = append(next, l)
		(*queue)[0] = nil
		if *queue = (*queue)[1:]; len(*queue) == 0 {
			*queue = nil
		}
		if alone {
			break
		}
	}
	return next
}

// readLanes is a reader: it ends when no lane wants to be read.
func (e *Engine) readLanes() {
	e.mu.Lock()
	defer e.unlock()
	for next := e.nextReads(); len(next) > 0; next = e.nextReads() {
		queries := make([]query, len(next))
		for i, l := range next {
			queries[i] = e.query(l, max(fewRows, laneItems/len(next)))
		}
		e.unlock()
		answers := e.ask(queries)
		e.mu.Lock()
		now := time.Now()
		for i, l := range next {
			e.learn(l, &queries[i], &answers[i], now)
			e.place(l, now)
		}
		e.pump(now)
	}
	e.readers--
}

// query is what one read asks for; answer is what it brought.
type query struct {
	lane    store.ID
	changes int
	config  bool // read the configuration
	rows    bool // read rows, from after on
	after   store.Place
	limit   int
	bytes   int
	seed    bool // read what was sent, if there is a rate
	doubt   bool // see whether the receiver failed before this process sent to it
}

type answer struct {
	config *config
	sent   []time.Time
	failed int // attempts in a row before this process sent to it, where the receiver is down; else 0
	rows   []*store.Work
	end    bool // there are no rows past these
	err    error
}

// query is what is to be read of a lane, at most so many rows.
func (e *Engine) query(l *lane, most int) query {
	q := query{
		lane: l.id, changes: l.changes, config: l.config == nil, seed: !l.rated, doubt: l.last == nil && l.inherited,
		rows: l.behind && (l.queue.len() < laneRefill || l.queue.first().work.DueAt.After(l.rest)),
	}
	l.reads, l.discard, l.misses, l.gone = q.rows, false, false, nil
	if q.rows {
		q.after, q.limit, q.bytes = l.horizon, laneItems, laneBytes
		if l.queue.len() < laneRefill {
			q.limit -= l.queue.len()
			q.bytes = max(q.bytes-int(l.queue.bytes), laneBytes/16)
		}
		if e.hungry.n > 0 {
			q.limit = scarce
		}
		q.limit = min(q.limit, most)
		if e.strict(l) {
			q.limit = len(l.held) + 1
		}
	}
	return q
}

// ask asks the store, without any lock.
func (e *Engine) ask(queries []query) []answer {
	answers := make([]answer, len(queries))
	var reads []store.QueueRead
	var of []int
	for i := range queries {
		q, a := &queries[i], &answers[i]
		if active := q.askConfig(e, a); a.err == nil && active && q.rows {
			reads, of = append(reads, store.QueueRead{Endpoint: q.lane, After: q.after, Limit: q.limit, MaxBytes: q.bytes}), append(of, i)
		}
	}
	if len(reads) == 0 {
		return answers
	}
	pages, err := e.store.LoadQueues(e.reading, reads)
	for j, i := range of {
		q, a := &queries[i], &answers[i]
		if a.err = err; err != nil {
			continue
		}
		a.rows, a.end = pages[j].Works, pages[j].End
		if q.doubt && slices.ContainsFunc(a.rows, func(w *store.Work) bool { return w.Attempts > w.Interrupted }) {
			a.failed, a.err = q.downBefore(e)
		}
	}
	return answers
}

// askConfig reads what is wanted beside rows, and reports whether the endpoint
// is active as far as is known.
func (q *query) askConfig(e *Engine, a *answer) (active bool) {
	active = true
	if q.config {
		known, err := e.store.Lane(e.reading, q.lane)
		if err != nil {
			a.err = err
			return false
		}
		a.config = e.configure(known)
		active = known.Endpoint.State == store.Active
	}
	if q.seed && a.config != nil && a.config.rate > 0 {
		a.sent, a.err = e.store.RecentSends(e.reading, q.lane, time.Now().Add(-rateWindow-maxConnect), a.config.rate)
	}
	return active
}

// downBefore counts the attempts in a row that failed, where the last one had
// no answer or a 5xx: what the breaker of the process before this one counted.
func (q *query) downBefore(e *Engine) (int, error) {
	of, err := e.store.Traffic(e.reading, []store.ID{q.lane})
	if err != nil || of[0].LastStatus > 0 && of[0].LastStatus < 500 {
		return 0, err
	}
	return int(of[0].Failed), nil
}

// learn takes in what a read brought, if nothing changed meanwhile.
func (e *Engine) learn(l *lane, q *query, a *answer, now time.Time) {
	if l.loading = false; l.dropped || l.shard.leaving != nil {
		return // it is another's now
	}
	was := l.behind
	rows := l.reads && !l.discard
	defer func() { l.reads, l.misses, l.gone = false, false, nil }()
	switch {
	case l.changes != q.changes:
		return // it changed again: the next read knows
	case errors.Is(a.err, store.ErrNotFound):
		e.empty(l, now)
		return
	case a.err != nil:
		e.readFailed(l, a.err, now)
		return
	}
	l.readFails = 0
	if q.config {
		e.adopt(l, a, now)
	}
	if !l.gate.active {
		e.shelve(l)
		return
	}
	if q.config && e.strict(l) {
		e.lookAgain(l)
		return
	}
	if rows {
		e.takeIn(l, a)
		e.count(l, was)
	}
}

// takeIn holds the rows that were read, as many as there is room for.
func (e *Engine) takeIn(l *lane, a *answer) {
	reached, end := l.horizon, a.end
	l.needs = 0
	for _, w := range a.rows {
		if _, gone := l.gone[w.ID]; gone {
			reached = store.Place{DueAt: w.DueAt, ID: w.ID}
			continue
		}
		if !e.hold(l, w) {
			end = false
			if n := int64(w.Size()); e.memory+n > e.limits.Memory {
				l.needs = n
			}
			break
		}
		reached = store.Place{DueAt: w.DueAt, ID: w.ID}
	}
	l.caught(reached, end)
}

// readFailed waits with growing pauses: the rows stay where they are.
func (e *Engine) readFailed(l *lane, err error, now time.Time) {
	if e.stopping {
		return
	}
	l.readFails++
	l.retryAt = now.Add(min(readAgain<<min(l.readFails-1, 8), readSlow))
	if l.readFails == 1 {
		e.say(func() {
			e.log.Error("endpoint cannot be read; its deliveries wait", "endpoint", l.id.String(), "error", err)
		})
	}
}

// empty lets go of a deleted endpoint's deliveries.
func (e *Engine) empty(l *lane, now time.Time) {
	was := l.behind
	for l.queue.len() > 0 {
		e.drop(l, l.queue.last())
	}
	l.queue.release()
	l.behind = false
	e.count(l, was)
	l.busy = now
}

// shelve lets go of what an endpoint holds that is not sent to: it waits in
// the store until the endpoint changes.
func (e *Engine) shelve(l *lane) {
	e.evict(l)
	e.forget(l, store.Place{})
}
