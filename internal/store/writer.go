package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/malote-dev/malote/internal/match"
)

// How the writer gathers. A commit costs about as much as ten events in it, or
// twice as many in PostgreSQL, so under load it waits for company; alone, an event
// is committed at once.
const (
	crowd       = 4                      // items in the last commit from which on there is load
	finishFor   = 3 * time.Millisecond   // nobody waits for a finish: how long it may wait for company
	maxBatch    = 512                    // items of one commit
	maxWaiting  = 64 << 20               // bytes of events that may wait
	commitBytes = 4 << 20                // of large requests in one commit
	smallBytes  = 16 << 10               // a request up to here is in the next commit
	flushAfter  = time.Second            // age of the oldest event not yet in the lists
	flushAt     = 4096                   // events not yet in the lists
	retryAfter  = 250 * time.Millisecond // after the disk was full or the database locked
	closeFor    = 2 * time.Second        // how long an end writes what was counted, where other processes wait for it;
	closeAlone  = 500 * time.Millisecond // where none does, the next start counts again, but for events
)

// Counters are what the writer did since the store was opened.
type Counters struct {
	Commits  uint64            // durable commits, one fsync each
	Accepted uint64            // events
	Finished uint64            // outcomes
	Ended    map[string]uint64 // deliveries that the store itself ended, by the reason
	Filters  match.Counts      // of endpoints
	// Suppressed are notices that were not mailed by themselves: they would have
	// been too many, or were not wanted.
	Suppressed uint64
}

type acceptOp struct {
	items []*Acceptance
	out   []Accepted
	err   error
	size  int
	done  chan struct{}
}

type finishOp struct {
	o    *Outcome
	done func(error)
}

type op struct {
	run    func(*batch) error
	actor  Actor
	serial bool // what it reads must hold when it commits, whatever other processes do
	err    error
	done   chan struct{}
}

// inbox is what waits to be written.
type inbox struct {
	accepts  []*acceptOp
	finishes []finishOp
	ops      []*op
	items    int       // events in accepts
	bytes    int       // their payload
	first    time.Time // when the first finish came
}

func (in *inbox) size() int { return in.items + len(in.finishes) + len(in.ops) }

// writer is the one goroutine that writes. Callers put work into its inbox,
// which never blocks them; it commits what is there together.
type writer struct {
	db   *DB
	c    *conn
	pool *pool
	debt debt

	mu     sync.Mutex
	in     inbox
	spare  inbox // emptied slices to reuse
	mode   sleepMode
	lookAt time.Time // for what other processes changed
	closed bool
	wake   chan struct{}
	ended  chan struct{}

	// Of the writer's goroutine alone.
	lastEnd  time.Time
	lastSize int
	retryAt  time.Time
	failed   error
	owed     int // entries of debt
	debtFrom time.Time
	indexed  key
	chores   chores

	generation int64 // of the configuration in memory

	under  *inbox    // what the transaction under way writes
	left   *inbox    // what comes after it, one by one; nil: nothing
	parted *acceptOp // whose events are written one by one; nil: none
	batch  batch
	fanned struct { // the broadcast that goes on
		of    key
		event *match.Event
	}

	unheard   map[key]bool      // projects that have no endpoint for operational events
	mute      map[key]bool      // endpoints of whose failures nobody is to be told
	incidents map[key]*incident // by endpoint

	prune pruneRound
	held  heldBook
	sum   rollup // memory for rollups
	coded []byte

	commits, accepted, finished atomic.Uint64
	endedBy                     [len(endings)]atomic.Uint64 // by the index in endings
	suppressed                  atomic.Uint64               // notices
}

// sleepMode says what may wake the writer.
type sleepMode int

const (
	busy  sleepMode = iota // it looks again by itself
	idle                   // anything new
	paced                  // only a full inbox
)

func newWriter(ctx context.Context, db *DB) (*writer, error) {
	p, err := db.engine.connect(ctx, 1, toWrite)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", db.engine, err)
	}
	c, err := p.take(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{db: db, c: c, pool: p, wake: make(chan struct{}, 1), ended: make(chan struct{}), unheard: map[key]bool{}, mute: map[key]bool{}, incidents: map[key]*incident{}}
	w.batch = batch{w: w, db: db, c: c, incidents: map[key]*incident{}}
	if err := db.engine.attach(ctx, w); err != nil {
		w.abandon()
		return nil, err
	}
	return w, nil
}

func (w *writer) start() { go w.loop() }

// abandon closes a writer that was never started.
func (w *writer) abandon() {
	w.pool.give(w.c)
	w.pool.close()
}

func (w *writer) close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.signal()
	<-w.ended
	w.pool.give(w.c)
	w.pool.close()
	return w.failed
}

func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// rouse wakes the writer where it has to look; w.mu is held.
func (w *writer) rouse(now bool) {
	if w.mode == idle && now || w.mode != busy && w.in.size() >= maxBatch {
		w.mode = busy
		w.signal()
	}
}

func (w *writer) addAccept(a *acceptOp) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return ErrClosed
	}
	if w.in.bytes > 0 && w.in.bytes+a.size > maxWaiting {
		return fmt.Errorf("%d MiB of events wait to be written: %w", maxWaiting>>20, ErrBusy)
	}
	w.in.add(a)
	w.rouse(true)
	return nil
}

func (w *writer) addFinish(f finishOp) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return ErrClosed
	}
	if len(w.in.finishes) == 0 {
		w.in.first = time.Now()
	}
	w.in.finishes = append(w.in.finishes, f)
	w.rouse(len(w.in.finishes) == 1) // it sets its alarm by the first
	return nil
}

func (w *writer) addOp(o *op) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return ErrClosed
	}
	w.in.ops = append(w.in.ops, o)
	w.rouse(true)
	return nil
}

func (w *writer) loop() {
	defer close(w.ended)
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	for {
		in, closed := w.gather(alarm)
		w.look(time.Now())
		if in.size() > 0 || w.due(time.Now()) {
			size := in.bytes
			w.write(&in)
			w.db.engine.wrote(w, size)
		}
		w.recycle(&in)
		if closed && w.empty() {
			w.end()
			return
		}
	}
}

func (w *writer) empty() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.in.size() == 0
}

// gather sleeps until there is something to write, and takes it.
func (w *writer) gather(alarm *time.Timer) (in inbox, closed bool) {
	for {
		w.mu.Lock()
		wait, mode := w.pause(time.Now())
		if wait == 0 {
			in, closed = w.take(), w.closed
			w.mode = busy
			w.mu.Unlock()
			return in, closed
		}
		w.mode = mode
		w.mu.Unlock()
		if wait < 0 {
			<-w.wake
			continue
		}
		alarm.Reset(wait)
		select {
		case <-w.wake:
		case <-alarm.C:
		}
		alarm.Stop()
	}
}

// take empties the inbox as far as one commit goes: everything small, and of
// large requests as many as fit, at least one. So nobody's event waits behind
// more than one commit of somebody's flood. w.mu is held.
func (w *writer) take() inbox {
	in := w.in
	w.in, w.spare = w.spare, inbox{}
	if in.bytes <= commitBytes {
		return in
	}
	all := in.accepts
	in.accepts, in.items, in.bytes = all[:0], 0, 0
	large := 0
	for _, a := range all {
		small := a.size <= smallBytes
		switch {
		case small && in.bytes > 2*commitBytes, !small && large > 0 && large+a.size > commitBytes:
			w.in.add(a)
			continue
		case !small:
			large += a.size
		}
		in.add(a)
	}
	clear(all[len(in.accepts):])
	return in
}

func (in *inbox) add(a *acceptOp) {
	in.accepts = append(in.accepts, a)
	in.items += len(a.items)
	in.bytes += a.size
}

// pause is how long to sleep: 0 not at all, negative until woken. w.mu is held.
func (w *writer) pause(now time.Time) (time.Duration, sleepMode) {
	n := w.in.size()
	if w.closed {
		return 0, busy
	}
	if w.in.items > 0 || len(w.in.ops) > 0 {
		if w.lastSize < crowd || n >= maxBatch {
			return 0, busy
		}
		return max(0, w.db.engine.apart()-now.Sub(w.lastEnd)), paced
	}
	wait := time.Duration(-1)
	alarm := func(at time.Time) {
		if at.Before(w.retryAt) {
			at = w.retryAt
		}
		if d := max(0, at.Sub(now)); wait < 0 || d < wait {
			wait = d
		}
	}
	if n >= maxBatch || w.chores.any() {
		alarm(now)
	}
	if len(w.in.finishes) > 0 {
		alarm(w.in.first.Add(finishFor))
	}
	if w.owed > 0 {
		alarm(w.debtFrom.Add(flushAfter))
	}
	if w.ailing() {
		alarm(now)
	}
	if at := w.db.engine.renewal(); !at.IsZero() {
		alarm(at)
	}
	if w.db.engine.shared() {
		alarm(w.lookAt)
	}
	return wait, idle
}

// due reports whether there is something to do without being asked.
func (w *writer) due(now time.Time) bool {
	if now.Before(w.retryAt) {
		return false
	}
	return w.chores.any() || w.flushDue(now) || w.ailing() || w.renewDue(now)
}

// renewDue reports whether the engine wants a sign of life.
func (w *writer) renewDue(now time.Time) bool {
	at := w.db.engine.renewal()
	return !at.IsZero() && !now.Before(at)
}

func (w *writer) isClosed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

// ailing reports that the last write failed and that another may work: it is
// tried without being asked, since nobody asks a store that is not ready.
func (w *writer) ailing() bool { return w.failed == nil && w.db.trouble.Load() != nil }

func (w *writer) flushDue(now time.Time) bool {
	return w.owed >= flushAt || w.owed > 0 && now.Sub(w.debtFrom) >= flushAfter
}

// recycle keeps the slices of an inbox that was written.
func (w *writer) recycle(in *inbox) {
	clear(in.accepts)
	clear(in.finishes)
	clear(in.ops)
	w.mu.Lock()
	if w.spare.accepts == nil {
		w.spare = inbox{accepts: in.accepts[:0], finishes: in.finishes[:0], ops: in.ops[:0]}
	}
	w.mu.Unlock()
}

// end leaves the database closed in order.
func (w *writer) end() {
	if w.failed == nil && (w.owed > 0 || w.db.cache.anyUsed()) {
		w.write(&inbox{ops: []*op{{run: (*batch).flush, done: make(chan struct{})}}})
	}
	limit := closeAlone
	if w.db.nodes != nil {
		limit = closeFor
	}
	for end := time.Now().Add(limit); !w.ailing() && w.failed == nil && !w.db.ledger.even() && time.Now().Before(end); {
		hasten := func(b *batch) error { b.hasten = true; return nil }
		w.write(&inbox{ops: []*op{{run: hasten, done: make(chan struct{})}}})
	}
	w.fail(w.db.engine.detach(w, w.failed == nil), "close the database")
}

// fail ends everything after an error that leaves unknown what is on disk.
func (w *writer) fail(err error, doing string) {
	if err == nil || w.failed != nil {
		return
	}
	if f := faultOf(err); f != faultDisk && f != faultFenced {
		w.db.log.Warn("a step of the writer failed, tried again", "doing", doing, "error", err)
		return
	}
	w.failed = fmt.Errorf("%s: %w", doing, err)
	w.db.setTrouble(w.failed)
	w.db.o.Fatal(w.failed)
}
