package deliver

import (
	"context"
	"errors"
	"net"
	"net/url"
	"time"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

const (
	readers   = 4 // reads of the store at a time
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

func (e *Engine) startReader() {
	if e.running && !e.stopping && e.readers < readers {
		e.readers++
		e.work.Go(e.readLanes)
	}
}

// nextRead takes the lane that is to be read next; nil: none is.
func (e *Engine) nextRead() (l *lane) {
	queue := &e.urgent
	if len(*queue) == 0 {
		queue = &e.reads
	}
	if len(*queue) == 0 || e.stopping {
		return nil
	}
	l = (*queue)[0]
	(*queue)[0] = nil
	if *queue = (*queue)[1:]; len(*queue) == 0 {
		*queue = nil
	}
	return l
}

// readLanes is a reader: it ends when no lane wants to be read.
func (e *Engine) readLanes() {
	e.mu.Lock()
	defer e.unlock()
	for l := e.nextRead(); l != nil; l = e.nextRead() {
		q := e.query(l)
		e.unlock()
		a := q.ask(e)
		e.mu.Lock()
		now := time.Now()
		e.learn(l, &q, &a, now)
		e.place(l, now)
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
}

type answer struct {
	config *config
	sent   []time.Time
	rows   []*store.Work
	end    bool // there are no rows past these
	err    error
}

func (e *Engine) query(l *lane) query {
	q := query{
		lane: l.id, changes: l.changes, config: l.config == nil, seed: !l.rated,
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
	}
	return q
}

// ask asks the store, without any lock.
func (q *query) ask(e *Engine) (a answer) {
	ctx := e.reading
	active := true
	if q.config {
		known, err := e.store.Lane(ctx, q.lane)
		if err != nil {
			a.err = err
			return a
		}
		a.config = e.configure(known)
		active = known.Endpoint.State == store.Active
	}
	if q.seed && a.config != nil && a.config.rate > 0 {
		if a.sent, a.err = e.store.RecentSends(ctx, q.lane, time.Now().Add(-rateWindow-maxConnect), a.config.rate); a.err != nil {
			return a
		}
	}
	if q.rows && active {
		if a.rows, a.err = e.store.LoadDue(ctx, q.lane, q.after, q.limit, q.bytes); a.err != nil {
			return a
		}
		a.end = len(a.rows) == 0
	}
	return a
}

// learn takes in what a read brought, if nothing changed meanwhile.
func (e *Engine) learn(l *lane, q *query, a *answer, now time.Time) {
	was := l.behind
	rows := l.reads && !l.discard
	l.loading = false
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

// adopt makes a configuration that was read the lane's own.
func (e *Engine) adopt(l *lane, a *answer, now time.Time) {
	c := a.config
	before, known := l.last, l.last != nil
	l.last, l.config = c, c
	c.host = e.host(c.url)
	g := &l.gate
	g.breaks, g.rate.limit = c.breaks, c.rate
	active := c.endpoint.State == store.Active
	if known && (active && !g.active || before.url.String() != c.url.String()) {
		g.reset()
	} else if !known && l.slow {
		g.window = 1 // what waited through a restart does not come all at once
	}
	g.active = active
	l.clears = c.endpoint.FailureCount > 0 || !c.endpoint.FailedAt.IsZero()
	if c.rate > 0 && !l.rated {
		e.seed(l, a.sent, now)
	}
}

// seed starts an exact rate from what was sent before this process, or
// before the endpoint had a rate. The times are of the attempts' starts; the
// requests may have left later by as long as connecting may take.
func (e *Engine) seed(l *lane, sent []time.Time, now time.Time) {
	l.rated = true
	for _, t := range sent {
		if t = t.Add(maxConnect); t.After(now) {
			t = now
		}
		l.gate.rate.insert(t)
	}
	lost := len(l.held) - l.queue.len() // on their way, and not yet in the store
	if l.inherited || !e.fed {
		// A process that was killed may have sent this much without a trace.
		lost += l.gate.slots
	}
	for range min(lost, l.gate.rate.limit) {
		l.gate.rate.insert(now)
	}
}

// configure works out once what each attempt needs.
func (e *Engine) configure(known *store.Lane) *config {
	ep := known.Endpoint
	c := &config{endpoint: ep, project: known.Project, rate: ep.RateLimit}
	if d, ok := e.dialects(known.Project.Dialect); ok {
		c.breaks = d.Delivery.Breaker
		if c.rate == 0 {
			c.rate = d.Limits.RatePerMinute
		}
	}
	var err error
	if c.url, err = url.Parse(ep.URL); err != nil {
		c.url = &url.URL{} // the request fails and says why
	}
	for _, s := range ep.Secrets {
		c.secrets = append(c.secrets, s.Value.Reveal())
	}
	for _, h := range ep.Headers {
		c.headers = append(c.headers, webhook.Field{Name: h.Name, Value: h.Value.Reveal()})
	}
	return c
}

// host finds what the endpoints behind one address share.
func (e *Engine) host(u *url.URL) *host {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	name := net.JoinHostPort(u.Hostname(), port)
	h := e.hosts[name]
	if h == nil {
		h = &host{name: name}
		e.hosts[name] = h
	}
	h.configs++
	return h
}

// letGo drops a lane's configuration: it is read again before the next
// attempt.
func (e *Engine) letGo(l *lane, now time.Time) {
	c := l.config
	if c == nil {
		return
	}
	l.config = nil
	c.host.configs--
	e.callUp(c.host, now)
	e.tidy(c.host)
}

// tidy forgets a host that nobody names any more.
func (e *Engine) tidy(h *host) {
	if h.configs == 0 && h.inFlight == 0 {
		delete(e.hosts, h.name)
	}
}

// feed tells the lanes what the store has for them: every endpoint with
// pending deliveries once at the start, then a few pages at a time, going on
// from where the last sweep ended.
func (e *Engine) feed(ctx context.Context) {
	var cursor store.ID
	for {
		var err error
		for first := true; ctx.Err() == nil && err == nil && (first || !cursor.IsZero()); first = false {
			cursor, err = e.sweep(ctx, cursor, true)
		}
		if err == nil {
			break
		}
		if !wait(ctx, readAgain) {
			return
		}
	}
	e.mu.Lock()
	e.fed = true
	e.mu.Unlock()
	for wait(ctx, e.pace) {
		for range sweepPages {
			var err error
			if cursor, err = e.sweep(ctx, cursor, false); err != nil || cursor.IsZero() {
				break
			}
		}
		e.dropIdle(time.Now())
	}
}

const (
	sweepEvery = 5 * time.Second
	sweepPages = 4
	sweepPage  = 500
	soon       = time.Minute // endpoints with nothing due before this wait for a later sweep, if there are many
	manyLanes  = 10_000
	idleAfter  = time.Minute
)

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return ctx.Err() == nil
	}
}

// sweep reads one page of endpoints with pending deliveries and returns the
// cursor for the next; zero at the end.
func (e *Engine) sweep(ctx context.Context, after store.ID, starting bool) (next store.ID, err error) {
	page, err := e.store.PendingEndpoints(ctx, after, sweepPage)
	if err != nil {
		if ctx.Err() == nil {
			e.log.Error("pending deliveries cannot be read", "error", err)
		}
		return after, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	for _, p := range page {
		e.notice(p, starting, now)
	}
	e.pump(now)
	if len(page) < sweepPage {
		return store.ID{}, nil
	}
	return page[len(page)-1].EndpointID, nil
}

// notice compares what the store says is due first with what memory knows.
func (e *Engine) notice(p store.PendingEndpoint, starting bool, now time.Time) {
	l := e.lanes[p.EndpointID]
	if l == nil {
		if len(e.lanes) >= manyLanes && p.DueAt.Sub(now) > soon {
			return
		}
		l = e.lane(p.EndpointID, now)
		l.inherited, l.slow = starting, starting
		e.forget(l, store.Place{DueAt: p.DueAt})
		e.place(l, now)
		return
	}
	l.inherited = l.inherited || starting && l.last == nil
	if l.loading || l.turn.in == &e.ready || l.shut || l.config != nil && !l.gate.active {
		return
	}
	if !l.knows(p.DueAt) {
		e.forget(l, store.Place{DueAt: p.DueAt})
	}
	e.place(l, now)
}

// dropIdle drops lanes that nothing happened in for a while, a few thousand
// at a time.
func (e *Engine) dropIdle(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	looked := 0
	for id, l := range e.lanes {
		if looked++; looked > 2*sweepPages*sweepPage {
			return
		}
		if now.Sub(l.busy) < idleAfter || l.loading {
			continue
		}
		if due, any := l.next(); len(e.lanes) > manyLanes && any && due.Sub(now) > soon && len(l.held) == l.queue.len() {
			e.evict(l)
			if l.gate.quiet(now) {
				e.remove(id, l, now)
			}
			continue
		}
		if l.quiet(now) {
			e.remove(id, l, now)
		}
	}
}

func (e *Engine) remove(id store.ID, l *lane, now time.Time) {
	e.letGo(l, now)
	if l.behind {
		e.behind--
	}
	if l.shut {
		e.shut--
	}
	l.turn.leave()
	l.park.leave()
	l.food.leave()
	e.timers.set(l, time.Time{})
	delete(e.lanes, id)
}
