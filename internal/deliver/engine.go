// Package deliver sends what is kept: it takes due deliveries in fair turns,
// asks the gate, makes one attempt, and writes back what came of it. First
// try and retry are one path; the only way back to the rest is a row.
//
// The table is the truth. Each endpoint with work has a lane: a bounded
// look-ahead of its queue in memory, and a gate. Lanes that have due work and
// an open gate take turns. One short mutex guards lanes and turns; nothing
// that can wait (the store, the network) is called under it.
package deliver

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Store is what the engine asks of the store; [store.DB] has it.
type Store interface {
	PendingEndpoints(ctx context.Context, after store.ID, limit int) ([]store.PendingEndpoint, error)
	LoadQueues(ctx context.Context, reads []store.QueueRead) ([]store.QueuePage, error)
	Lane(ctx context.Context, endpoint store.ID) (*store.Lane, error)
	RecentSends(ctx context.Context, endpoint store.ID, since time.Time, limit int) ([]time.Time, error)
	Traffic(ctx context.Context, endpoints []store.ID) ([]store.Traffic, error)
	NoteProbe(ctx context.Context, endpoint store.ID, at time.Time) error
	Finish(o *store.Outcome, done func(error))
	ShardOf(endpoint store.ID) store.Shard
	LeaseEnds() time.Time
	Shared() bool
}

// Sender makes one request; [egress.Client] does.
type Sender interface {
	Send(ctx context.Context, r *egress.Request) (*egress.Response, error)
}

// Limits protect this process and the receivers. Zero fields mean the defaults.
type Limits struct {
	PerEndpoint int           // attempts in flight for each endpoint (default 16)
	PerHost     int           // for each host and port (default 64)
	Global      int           // in all (default 512)
	Memory      int64         // bytes of deliveries held in memory (default 64 MiB)
	Grace       time.Duration // to finish what is in flight at a stop (default 30 s)
}

func (l *Limits) setDefaults() {
	l.PerEndpoint = orDefault(l.PerEndpoint, 16)
	l.PerHost = orDefault(l.PerHost, 64)
	l.Global = orDefault(l.Global, 512)
	l.Memory = orDefault(l.Memory, 64<<20)
	l.Grace = orDefault(l.Grace, 30*time.Second)
}

func orDefault[T int | int64 | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

// Options of an engine.
type Options struct {
	Store    Store
	Sender   Sender
	Dialects func(name string) (*webhook.Dialect, bool) // "tarefa/1" or "tarefa" (newest revision)
	Limits   Limits
	Logger   *slog.Logger          // nil: silent
	Metrics  prometheus.Registerer // nil: none
}

// Engine is a [store.Owner].
type Engine struct {
	store    Store
	sender   Sender
	dialects func(name string) (*webhook.Dialect, bool)
	limits   Limits
	log      *slog.Logger
	metrics  *metrics

	work    sync.WaitGroup // everything that Run started
	scratch sync.Pool
	pace    time.Duration   // between sweeps
	gained  chan struct{}   // there are shards to be read
	drained chan struct{}   // something ended during a stop
	sending context.Context // ends when a stop's grace is over
	leasing context.Context // ends with it, and with the lease
	cutOff  context.CancelCauseFunc
	reading context.Context // ends when a stop begins

	mu       sync.Mutex // guards all below; held for microseconds, never across a call that can wait
	shards   [store.Shards]shard
	others   shard // stands for those of other processes
	gains    int
	owned    int // shards
	lanes    map[store.ID]*lane
	hosts    map[string]*host
	ready    list      // lanes with due work and an open gate, in turn
	parked   list      // lanes with work in memory that cannot be sent now
	hungry   list      // lanes that wait for memory
	crowd    list      // lanes that wait until fewer attempts are in flight
	lapsed   list      // lanes that wait until the lease reaches further
	lapsedAt time.Time // the lease's end when they last looked
	timers   timers
	timer    *time.Timer // nil: not running
	armed    time.Time   // when it fires
	urgent   []*lane     // to be read: their work is in memory
	reads    []*lane     // to be read
	readers  int
	faults   faults

	running, stopping bool
	says              []func() // log lines, for when the mutex is free
	unwritten         bool     // said in the log that finishes fail

	inFlight      int // attempts
	settling      int // finishes that wait for their commit
	maxSettling   int
	settlingBytes int64 // of what they keep
	memory        int64 // bytes of deliveries held
	shut, behind  int   // lanes
	unkept        int   // finishes that a stop could not keep
}

// New makes an engine; nothing runs yet.
func New(o Options) *Engine {
	o.Limits.setDefaults()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Engine{
		store: o.Store, sender: o.Sender, dialects: o.Dialects, limits: o.Limits, log: o.Logger,
		lanes: map[store.ID]*lane{}, hosts: map[string]*host{}, gained: make(chan struct{}, 1), drained: make(chan struct{}, 1),
		pace: sweepEvery, maxSettling: maxSettling,
	}
	e.scratch.New = func() any { return &scratch{} }
	e.metrics = newMetrics(e, o.Metrics)
	return e
}

// Run sends until ctx ends, then stops claiming, finishes what is in flight
// within the grace, and returns. What is left stays in the store. It can be
// called once. Errors: attempts were finished that the store could not keep;
// they will be made again.
func (e *Engine) Run(ctx context.Context) error {
	var endSending, endReading context.CancelFunc
	e.mu.Lock()
	if e.running {
		e.mu.Unlock()
		return errors.New("engine: Run was called before")
	}
	e.sending, endSending = context.WithCancel(context.WithoutCancel(ctx))
	e.leasing, e.cutOff = context.WithCancelCause(e.sending)
	e.reading, endReading = context.WithCancel(context.WithoutCancel(ctx))
	defer endSending()
	defer endReading()
	now := time.Now()
	e.running = true
	e.timer = time.NewTimer(alarmMax)
	e.armed = now.Add(alarmMax)
	for range min(readers, len(e.urgent)+len(e.reads)) {
		e.startReader()
	}
	e.work.Go(func() { e.feed(ctx) })
	e.rearm(now)
	e.mu.Unlock()

	e.loop(ctx)
	return e.stop(endSending, endReading)
}

// loop wakes lanes when their time has come.
func (e *Engine) loop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.timer.C:
			e.mu.Lock()
			now := time.Now()
			e.lapse(now)
			e.expire(now)
			e.pump(now)
			e.rearm(now)
			e.unlock()
		}
	}
}

// alarmMax bounds every sleep, so that a clock that was set is noticed.
const alarmMax = 5 * time.Second

// rearm sets the timer for whatever comes first.
func (e *Engine) rearm(now time.Time) {
	e.armed = now.Add(alarmMax)
	if len(e.timers) > 0 {
		e.armed = earlier(e.armed, e.timers[0].wake)
	}
	if e.faults.until.After(now) {
		e.armed = earlier(e.armed, e.faults.until)
	}
	e.armed = earlier(e.armed, e.nextLapse(now))
	e.timer.Reset(max(e.armed.Sub(now), 0))
}

// arm makes sure that the timer fires at that time at the latest.
func (e *Engine) arm(at, now time.Time) {
	if e.running && at.Before(e.armed) {
		e.armed = at
		e.timer.Reset(max(at.Sub(now), 0))
	}
}

// commitGrace is how long a stop waits for the store to keep what was finished.
const commitGrace = 10 * time.Second

func (e *Engine) stop(endSending, endReading context.CancelFunc) error {
	e.mu.Lock()
	e.stopping = true
	e.timer.Stop()
	waiting := e.inFlight
	e.mu.Unlock()
	if waiting > 0 {
		e.log.Info("stopping: waiting for attempts that are under way", "attempts", waiting, "at_most", e.limits.Grace)
	}
	endReading()
	if !e.drain(e.limits.Grace, func() bool { return e.inFlight == 0 }) {
		endSending()
		e.drain(0, func() bool { return e.inFlight == 0 })
	}
	kept := e.drain(commitGrace, func() bool { return e.settling == 0 })
	e.work.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	if !kept || e.unkept > 0 {
		e.log.Error("finished attempts could not be kept; they will be made again", "attempts", e.unkept+e.settling)
		return errors.New("engine: finished attempts could not be kept")
	}
	return nil
}

// drain waits until done, at most d (0: as long as it takes), and reports
// whether it is.
func (e *Engine) drain(d time.Duration, done func() bool) bool {
	var over <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	for {
		e.mu.Lock()
		ok := done()
		e.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-e.drained:
		case <-over:
			return false
		}
	}
}

// say writes a log line once the mutex is free: a log may block.
func (e *Engine) say(line func()) { e.says = append(e.says, line) }

// unlock frees the mutex and writes what there was to say. It does so from a
// goroutine, because the caller may be the store's writer.
func (e *Engine) unlock() {
	says := e.says
	e.says = nil
	e.mu.Unlock()
	if len(says) > 0 {
		go func() {
			for _, line := range says {
				line()
			}
		}()
	}
}

func (e *Engine) signal() {
	select {
	case e.drained <- struct{}{}:
	default:
	}
}

// Accepted hands over new pending deliveries: see [store.Owner].
func (e *Engine) Accepted(ws []*store.Work) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopping {
		return
	}
	now := time.Now()
	for _, w := range ws {
		l := e.lane(w.EndpointID, now)
		if l == nil {
			continue
		}
		l.busy = now
		p := store.Place{DueAt: w.DueAt, ID: w.ID}
		switch {
		case e.strict(l):
			e.forget(l, store.Place{})
		case (l.reaches(p) || l.loading) && !e.enough(l): // a read under way would miss it
			e.hold(l, w)
		default:
			e.forget(l, p)
		}
		if l.turn.in == nil {
			e.place(l, now)
		}
	}
	e.pump(now)
}

// QueueGrew says that there are more rows to be read: see [store.Owner].
func (e *Engine) QueueGrew(endpoint store.ID, from store.Place) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopping {
		return
	}
	now := time.Now()
	l := e.lane(endpoint, now)
	if l == nil {
		return
	}
	l.busy = now
	if e.strict(l) {
		from = store.Place{}
	}
	e.forget(l, from)
	if l.turn.in == nil {
		e.place(l, now)
	}
	e.pump(now)
}

// lane finds or makes the lane of an endpoint that is sent to; nil: another
// process sends to it, or is about to.
func (e *Engine) lane(id store.ID, now time.Time) *lane {
	l := e.lanes[id]
	if l == nil {
		s := &e.shards[e.store.ShardOf(id)]
		if !s.sends() {
			return nil
		}
		l = newLane(id, s, e.limits.PerEndpoint)
		l.busy = now
		if !s.crashed.IsZero() {
			l.suspects = e.limits.PerEndpoint
		}
		e.lanes[id] = l
		if !s.fed { // older ones may wait, and come first
			e.forget(l, store.Place{})
		}
	}
	if !l.shard.sends() {
		return nil
	}
	return l
}

var _ store.Owner = (*Engine)(nil)
var _ Sender = (*egress.Client)(nil)
var _ Store = (*store.DB)(nil)
