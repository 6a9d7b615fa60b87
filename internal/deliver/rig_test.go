package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/internal/store/storetest"
	"github.com/malote-dev/malote/webhook"
)

// rig is a real store with an engine on it, and a receiver that is in the
// test's hands.
type rig struct {
	t       testing.TB
	dir     string
	ring    *secret.Keyring
	catalog *webhook.Catalog
	limits  Limits
	sweep   time.Duration
	sender  Sender
	log     *strings.Builder

	db      *store.DB
	own     *mortal
	e       *Engine
	metrics *prometheus.Registry
	stop    context.CancelFunc
	ended   chan error
	*receiver

	projects map[string]*store.Project // by dialect
	made     int                       // endpoints
	lost     []*store.Outcome          // of attempts that crashes left no row of
	crashed  bool                      // the last process was killed
}

// inBubble runs a test on fake time with a rig whose engine is running.
func inBubble(t *testing.T, test func(t *testing.T, r *rig), options ...func(*rig)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, options...)
		defer r.close()
		r.start()
		test(t, r)
	})
}

func newRig(t testing.TB, options ...func(*rig)) *rig {
	t.Helper()
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	must(t, err)
	catalog, err := webhook.NewCatalog()
	must(t, err)
	r := &rig{
		t: t, dir: storetest.Fresh(t), ring: ring, catalog: catalog, receiver: &receiver{}, sweep: time.Hour, // so that it heals nothing
		projects: map[string]*store.Project{}, log: &strings.Builder{},
	}
	r.sender = r.receiver
	for _, o := range options {
		o(r)
	}
	return r
}

// start opens the store and runs an engine on it.
func (r *rig) start() {
	r.t.Helper()
	log := slog.New(slog.NewTextHandler(&lockedWriter{w: r.log}, nil))
	var err error
	r.db, err = store.Open(context.Background(), store.Options{Dir: r.dir, Keyring: r.ring, Logger: log})
	must(r.t, err)
	r.own = &mortal{DB: r.db}
	r.metrics = prometheus.NewRegistry()
	r.e = New(Options{
		Store: r.own, Sender: r.sender, Dialects: r.catalog.Lookup, Limits: r.limits,
		Logger: log, Metrics: r.metrics,
	})
	r.e.pace = r.sweep
	r.db.SetOwner(heir{r.e, r.crashed})
	r.crashed = false
	r.run()
}

func (r *rig) run() {
	ctx, stop := context.WithCancel(context.Background())
	r.stop, r.ended = stop, make(chan error, 1)
	go func() { r.ended <- r.e.Run(ctx) }()
}

// said holds the log to so many lines about an endpoint with these words.
func (r *rig) said(ep *store.Endpoint, words string, times int) {
	r.t.Helper()
	n := 0
	for line := range strings.Lines(r.log.String()) {
		if strings.Contains(line, words) && strings.Contains(line, "endpoint="+store.EndpointName.Format(ep.ID)) {
			n++
		}
	}
	if n != times {
		r.t.Errorf("%q is said %d times of the endpoint, want %d:\n%s", words, n, times, r.log)
	}
}

// halt stops the engine as a planned stop does, and closes the store.
func (r *rig) halt() {
	r.t.Helper()
	r.stop()
	if err := errors.Join(<-r.ended, r.db.Close()); err != nil {
		r.t.Error(err)
	}
	r.db = nil
}

// crash is what kill -9 leaves behind: the outcomes of attempts in flight are
// never written.
func (r *rig) crash() {
	r.t.Helper()
	r.own.die()
	r.stop()
	<-r.ended
	must(r.t, r.db.Close())
	r.db = nil
	r.lost, r.crashed = append(r.lost, r.own.lost...), true
}

// heir is an engine that takes over from a process that may have been killed.
type heir struct {
	*Engine
	died bool
}

func (h heir) Gained(shards []store.Shard, died bool) { h.Engine.Gained(shards, died || h.died) }

// mortal is the store of a process that may be killed, and whose reads can be
// held up before the engine sees what they brought.
type mortal struct {
	*store.DB
	mu    sync.Mutex
	dead  bool
	lost  []*store.Outcome
	lease atomic.Pointer[time.Time] // when it ends; nil: it does not

	refuse error // finishes fail with it
	stuck  bool  // finishes wait
	queue  []func()

	rows, lane func() // called once, between the next read and its answer
}

// set changes how the store behaves, and lets go of what is stuck if that is over.
func (m *mortal) set(refuse error, stuck bool) {
	m.mu.Lock()
	m.refuse, m.stuck = refuse, stuck
	q := m.queue
	m.queue = nil
	m.mu.Unlock()
	for _, f := range q {
		f()
	}
}

// once takes a hook out.
func (m *mortal) once(hook *func()) {
	m.mu.Lock()
	f := *hook
	*hook = nil
	m.mu.Unlock()
	if f != nil {
		f()
	}
}

func (m *mortal) LoadQueues(ctx context.Context, reads []store.QueueRead) ([]store.QueuePage, error) {
	pages, err := m.DB.LoadQueues(ctx, reads)
	m.once(&m.rows)
	return pages, err
}

func (m *mortal) Lane(ctx context.Context, endpoint store.ID) (*store.Lane, error) {
	l, err := m.DB.Lane(ctx, endpoint)
	m.once(&m.lane)
	return l, err
}

func (m *mortal) LeaseEnds() time.Time {
	if ends := m.lease.Load(); ends != nil {
		return *ends
	}
	return time.Time{}
}

// renew sets how long the lease lasts from now on.
func (m *mortal) renew(d time.Duration) {
	ends := time.Now().Add(d)
	m.lease.Store(&ends)
}

func (m *mortal) between(hook *func(), f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	*hook = f
}

func (m *mortal) die() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
}

func (m *mortal) Finish(o *store.Outcome, done func(error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.dead:
		m.lost = append(m.lost, o)
		return
	case m.refuse != nil:
		err := m.refuse
		time.AfterFunc(time.Millisecond, func() { done(err) })
		return
	case m.stuck:
		m.queue = append(m.queue, func() { m.DB.Finish(o, done) })
		return
	}
	m.DB.Finish(o, done)
}

func (r *rig) close() {
	if r.db != nil {
		r.halt()
	}
}

type lockedWriter struct {
	mu sync.Mutex
	w  *strings.Builder
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// project finds or makes the project that speaks a dialect.
func (r *rig) project(dialect string) *store.Project {
	r.t.Helper()
	p := r.projects[dialect]
	if p == nil {
		p = &store.Project{Name: dialect, Environment: store.Development, Dialect: dialect}
		must(r.t, r.db.CreateProject(context.Background(), p))
		r.projects[dialect] = p
	}
	return p
}

// endpoint makes an endpoint of a consumer and on a host of its own. Its path is its name.
func (r *rig) endpoint(dialect, name string, change ...func(*store.Endpoint)) *store.Endpoint {
	r.t.Helper()
	p := r.project(dialect)
	r.made++
	ep := &store.Endpoint{
		ProjectID: p.ID, Consumer: fmt.Sprint(r.made), URL: fmt.Sprintf("http://127.0.0.1:%d/%s", 1000+r.made, name), EventTypes: []string{"*"},
		Secrets: []store.SigningSecret{{Value: secret.Text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), CreatedAt: time.Now()}},
	}
	for _, c := range change {
		c(ep)
	}
	must(r.t, r.db.CreateEndpoint(context.Background(), ep, 0))
	return ep
}

// accept keeps n events for an endpoint in one commit and returns their ids.
func (r *rig) accept(ep *store.Endpoint, n int) []store.ID {
	r.t.Helper()
	return r.acceptData(ep, n, func(i int) []byte { return fmt.Appendf(nil, `{"n":%d}`, i) })
}

func (r *rig) acceptData(ep *store.Endpoint, n int, data func(int) []byte) (ids []store.ID) {
	r.t.Helper()
	ctx := context.Background()
	d, _ := r.catalog.Lookup(r.dialectOf(ep))
	subs, err := r.db.Subscriptions(ctx, ep.ProjectID, ep.Consumer)
	must(r.t, err)
	for from := 0; from < n; from += 1000 {
		items := make([]*store.Acceptance, min(1000, n-from))
		for i := range items {
			items[i] = &store.Acceptance{
				Event: &store.Event{
					ProjectID: ep.ProjectID, Consumer: ep.Consumer, Type: "task.created", Time: time.Now(), Data: data(from + i), Dialect: d.Ref(),
				},
				Endpoints: []store.ID{ep.ID}, Version: subs.Version,
			}
		}
		out, err := r.db.Accept(ctx, items)
		must(r.t, err)
		for _, a := range out {
			must(r.t, a.Err)
			if a.Deliveries != 1 {
				r.t.Fatalf("%d deliveries", a.Deliveries)
			}
			ids = append(ids, a.EventID)
		}
	}
	return ids
}

func (r *rig) dialectOf(ep *store.Endpoint) string {
	for name, p := range r.projects {
		if p.ID == ep.ProjectID {
			return name
		}
	}
	r.t.Fatal("foreign endpoint")
	return ""
}

// deliveries lists an endpoint's deliveries, oldest first.
func (r *rig) deliveries(ep *store.Endpoint) (all []*store.Delivery) {
	r.t.Helper()
	f := store.Filter{EndpointID: ep.ID, Limit: 250}
	for {
		page, err := r.db.Deliveries(context.Background(), ep.ProjectID, f)
		must(r.t, err)
		all = append(all, page.Items...)
		if page.Next.IsZero() {
			break
		}
		f.Before = page.Next
	}
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all
}

// delivery is the only one of an endpoint.
func (r *rig) delivery(ep *store.Endpoint) *store.Delivery {
	r.t.Helper()
	all := r.deliveries(ep)
	if len(all) != 1 {
		r.t.Fatalf("%d deliveries", len(all))
	}
	return all[0]
}

func (r *rig) attempts(d *store.Delivery) []*store.Attempt {
	r.t.Helper()
	all, err := r.db.Attempts(context.Background(), d.ProjectID, d.ID, 0, 250)
	must(r.t, err)
	return all
}

func (r *rig) reread(ep *store.Endpoint) *store.Endpoint {
	r.t.Helper()
	got, err := r.db.Endpoint(context.Background(), ep.ProjectID, ep.ID)
	must(r.t, err)
	return got
}

// update changes an endpoint and returns how many attempts were in flight.
func (r *rig) update(ep *store.Endpoint, change func(*store.Endpoint)) int {
	r.t.Helper()
	_, n, err := r.db.UpdateEndpoint(context.Background(), ep.ProjectID, ep.ID, func(e *store.Endpoint) error {
		change(e)
		return nil
	})
	must(r.t, err)
	return n
}

func setState(s store.EndpointState) func(*store.Endpoint) {
	return func(e *store.Endpoint) {
		e.State, e.StateSince = s, time.Now()
		e.StateReason = ""
		if s != store.Active {
			e.StateReason = "by the test"
		}
	}
}

// states counts an endpoint's deliveries by state.
func (r *rig) states(ep *store.Endpoint) map[store.State]int {
	r.t.Helper()
	got := map[store.State]int{}
	for _, d := range r.deliveries(ep) {
		got[d.State]++
	}
	return got
}

// quiet asserts that the engine holds nothing and counts to zero.
func (r *rig) quiet() {
	r.t.Helper()
	r.e.mu.Lock()
	defer r.e.mu.Unlock()
	if r.e.inFlight != 0 || r.e.settling != 0 || r.e.settlingBytes != 0 || r.e.memory != 0 || r.e.ready.n != 0 || r.e.parked.n != 0 || r.e.behind != 0 || r.e.shut != 0 {
		r.t.Errorf("not quiet: %d in flight, %d settling (%d bytes), %d bytes held, %d ready, %d parked, %d behind, %d shut",
			r.e.inFlight, r.e.settling, r.e.settlingBytes, r.e.memory, r.e.ready.n, r.e.parked.n, r.e.behind, r.e.shut)
	}
	for _, h := range r.e.hosts {
		if h.inFlight != 0 || h.line.n != 0 {
			r.t.Errorf("host %s: %d in flight, %d in line", h.name, h.inFlight, h.line.n)
		}
	}
}

// receiver answers requests as the test says and remembers them.
type receiver struct {
	mu       sync.Mutex
	arrivals []arrival
	busy     map[string]int // requests being answered, by endpoint
	most     map[string]int
	times    map[string]int
	ends     []end                 // of the arrivals
	answer   func(a arrival) reply // nil: 200
}

// end is how a request ended.
type end struct {
	status int
	cut    bool // by the engine's stop
	ours   bool // never left
}

type arrival struct {
	at       time.Time
	endpoint string // its name
	event    string // the header webhook-id
	body     string
	fields   map[string]string
	nth      int // of the event at this endpoint, from 1
	seq      int // of the receiver, from 0
}

type reply struct {
	status     int // 0: 200
	after      time.Duration
	retryAfter string
	err        *egress.Error
	body       []byte
	panics     bool
	stubborn   bool // goes on after the request was cancelled
}

func (x *receiver) Send(ctx context.Context, req *egress.Request) (*egress.Response, error) {
	start := time.Now()
	a := arrival{at: start, endpoint: strings.TrimPrefix(req.URL.Path, "/"), body: string(req.Body), fields: map[string]string{}}
	for _, f := range req.Fields {
		a.fields[strings.ToLower(f.Name)] = f.Value
	}
	a.event = a.fields["webhook-id"]
	ans := x.arrive(&a)
	resp := &egress.Response{RequestHead: []byte("POST " + req.URL.Path + " HTTP/1.1\r\n\r\n")}
	var how end
	defer func() { x.leave(&a, how) }()
	if ans.panics {
		panic("boom " + a.body)
	}
	if ans.after > 0 && !ans.stubborn {
		t := time.NewTimer(ans.after)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			how.cut = true
			return resp, &egress.Error{Class: store.ClassCancelled, Ours: true}
		}
	} else if ans.after > 0 {
		<-time.After(ans.after)
	}
	resp.Timings.Total = time.Since(start)
	if ans.err != nil {
		how.ours = ans.err.Ours
		return resp, ans.err
	}
	resp.Status = orDefault(ans.status, 200)
	how.status = resp.Status
	resp.RetryAfter, resp.Body = ans.retryAfter, ans.body[:min(len(ans.body), req.MaxBody)]
	resp.Timings.Connect = time.Microsecond
	return resp, nil
}

func (x *receiver) arrive(a *arrival) reply {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.busy == nil {
		x.busy, x.most, x.times = map[string]int{}, map[string]int{}, map[string]int{}
	}
	x.times[a.endpoint+" "+a.event]++
	a.nth = x.times[a.endpoint+" "+a.event]
	a.seq = len(x.arrivals)
	x.arrivals = append(x.arrivals, *a)
	x.ends = append(x.ends, end{})
	x.busy[a.endpoint]++
	x.most[a.endpoint] = max(x.most[a.endpoint], x.busy[a.endpoint])
	if x.answer == nil {
		return reply{}
	}
	return x.answer(*a)
}

func (x *receiver) leave(a *arrival, how end) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.busy[a.endpoint]--
	x.ends[a.seq] = how
}

// answers sets how requests are answered from now on.
func (x *receiver) answers(f func(arrival) reply) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.answer = f
}

func (x *receiver) always(a reply) { x.answers(func(arrival) reply { return a }) }

// at returns what arrived at an endpoint so far.
func (x *receiver) got(ep *store.Endpoint) (got []arrival) {
	x.mu.Lock()
	defer x.mu.Unlock()
	name := ep.URL[strings.LastIndex(ep.URL, "/")+1:]
	for _, a := range x.arrivals {
		if a.endpoint == name {
			got = append(got, a)
		}
	}
	return got
}

// since renders the arrivals' times after a start.
func since(start time.Time, as []arrival) (out []time.Duration) {
	for _, a := range as {
		out = append(out, a.at.Sub(start).Round(10*time.Millisecond))
	}
	return out
}

// once fails unless every event arrived exactly once.
func once(t testing.TB, as []arrival, n int) {
	t.Helper()
	seen := map[string]int{}
	for _, a := range as {
		seen[a.event]++
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("event %s arrived %d times", id, n)
		}
	}
	if len(seen) != n {
		t.Errorf("%d of %d events arrived", len(seen), n)
	}
}

func (x *receiver) resetMost() {
	x.mu.Lock()
	defer x.mu.Unlock()
	clear(x.most)
}

func (x *receiver) mostAt(endpoint string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.most[endpoint]
}

func (x *receiver) busyAt(endpoint string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.busy[endpoint]
}

func (x *receiver) all() []arrival {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clip(x.arrivals)
}
