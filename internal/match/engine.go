package match

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// cachedFilters is how many compiled filters an engine holds at most, in two
// halves: the older half goes when the younger is full. One is about 4 KiB, and
// its text.
const cachedFilters = 8192

// logEvery is how often a filter that cannot be judged is logged.
const logEvery = time.Minute

// Engine judges, with compiled filters kept by their text: it compiles one
// when it first meets it, whatever else changes. Safe for use by many at once.
type Engine struct {
	// Name is how the log calls an endpoint; nil: by its String. To be set
	// before the first use.
	Name func(endpoint fmt.Stringer) string
	// MaxTime is how long all filters for one event may take; 0: [MaxTime]. To
	// be set before the first use.
	MaxTime time.Duration

	log *slog.Logger

	mu         sync.Mutex
	young, old map[string]*compiled

	judged   atomic.Uint64
	refused  atomic.Uint64
	problems [len(problemNames)]atomic.Uint64
}

// compiled is a filter's text that is compiled at its first use.
type compiled struct {
	once   sync.Once
	filter *Filter
	err    error
	logged atomic.Int64 // Unix seconds
}

// NewEngine makes one. The log is told of filters that cannot be judged, with
// nothing of the event's data.
func NewEngine(log *slog.Logger) *Engine {
	return &Engine{log: log, young: map[string]*compiled{}}
}

// Budget is what the filters of one call may still cost together, in units and
// in time. The zero Budget is a full one.
type Budget struct {
	spent uint64
	took  time.Duration
}

// Spent reports what was spent, in units.
func (b *Budget) Spent() uint64 { return b.spent }

// Judge decides whether an endpoint gets an event whose type it wants. The
// channels are judged first, as they cost nothing. Where the filter cannot be
// judged the event is [Wanted], and the problem says why.
func (en *Engine) Judge(ctx context.Context, e *Event, r *Rules, b *Budget, endpoint fmt.Stringer) (Verdict, Problem) {
	if r == nil {
		return Wanted, NoProblem
	}
	if !Channel(r.Channels, e.Channels) {
		return OtherChannel, NoProblem
	}
	if r.Filter == "" {
		return Wanted, NoProblem
	}
	e.most = en.MaxTime
	c := en.compiled(r.Filter)
	wanted, problem := true, NotAcceptable
	if c.err == nil {
		wanted, problem, _ = c.filter.Judge(ctx, e, b)
	}
	en.judged.Add(1)
	switch {
	case problem != NoProblem:
		en.problems[problem].Add(1)
		en.tell(c, problem, endpoint)
		return Wanted, problem
	case !wanted:
		en.refused.Add(1)
		return FilteredOut, NoProblem
	}
	return Wanted, NoProblem
}

// compiled finds a filter by its text, or compiles it.
func (en *Engine) compiled(text string) *compiled {
	en.mu.Lock()
	c := en.young[text]
	if c == nil {
		if c = en.old[text]; c == nil {
			c = &compiled{}
		}
		if len(en.young) >= cachedFilters/2 {
			en.old, en.young = en.young, map[string]*compiled{}
		}
		en.young[text] = c
	}
	en.mu.Unlock()
	c.once.Do(func() { c.filter, c.err = Compile(text) })
	return c
}

// tell logs a problem, once a minute for each filter.
func (en *Engine) tell(c *compiled, p Problem, endpoint fmt.Stringer) {
	now := time.Now().Unix()
	last := c.logged.Load()
	if now-last < int64(logEvery/time.Second) || !c.logged.CompareAndSwap(last, now) {
		return
	}
	name := fmt.Stringer.String
	if en.Name != nil {
		name = en.Name
	}
	en.log.Warn("a filter could not be judged: the event is delivered", "endpoint", name(endpoint), "problem", p.String())
}

// Counts are how often filters were judged.
type Counts struct {
	Judged   uint64
	False    uint64
	Problems map[string]uint64 // by name
}

// Counts since the engine was made.
func (en *Engine) Counts() Counts {
	out := Counts{Judged: en.judged.Load(), False: en.refused.Load(), Problems: map[string]uint64{}}
	for p := 1; p < len(problemNames); p++ {
		out.Problems[problemNames[p]] = en.problems[p].Load()
	}
	return out
}
