package deliver

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/store"
)

// nodes are engines that share a store, each with some of the shards, as
// processes do that share a database.
type nodes struct {
	r *rig

	mu  sync.Mutex
	all []*node
	of  [store.Shards]*node // nil: nobody's
}

// node is one engine, and the store as it sees it.
type node struct {
	*Engine
	own   *mortal
	stop  context.CancelFunc
	ended chan error
}

// newNodes makes a rig whose store n engines share; the first has everything.
func newNodes(t *testing.T, n int, options ...func(*rig)) *nodes {
	t.Helper()
	r := newRig(t, options...)
	var err error
	r.db, err = store.Open(context.Background(), store.Options{Dir: r.dir, Keyring: r.ring, Logger: slog.New(slog.NewTextHandler(&lockedWriter{w: r.log}, nil))})
	must(t, err)
	ns := &nodes{r: r}
	for range n {
		ns.join()
	}
	r.db.SetOwner(ns)
	return ns
}

// join adds an engine that has nothing yet.
func (ns *nodes) join() *node {
	n := &node{own: &mortal{DB: ns.r.db}, ended: make(chan error, 1)}
	n.Engine = New(Options{
		Store: n.own, Sender: ns.r.sender, Dialects: ns.r.catalog.Lookup, Limits: ns.r.limits,
		Logger: slog.New(slog.NewTextHandler(&lockedWriter{w: ns.r.log}, nil)),
	})
	n.pace = ns.r.sweep
	var ctx context.Context
	ctx, n.stop = context.WithCancel(context.Background())
	go func() { n.ended <- n.Run(ctx) }()
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.all = append(ns.all, n)
	return n
}

func (ns *nodes) close() {
	for _, n := range ns.all {
		n.stop()
		if err := <-n.ended; err != nil {
			ns.r.t.Error(err)
		}
	}
	must(ns.r.t, ns.r.db.Close())
}

// move hands shards of a node over to another; done is closed when it has them.
func (ns *nodes) move(from, to *node, shards []store.Shard) (done chan struct{}) {
	done = make(chan struct{})
	from.Leave(shards, func() {
		ns.take(to, shards, false)
		close(done)
	})
	return done
}

// take gives shards to a node, whoever has them.
func (ns *nodes) take(to *node, shards []store.Shard, died bool) {
	ns.mu.Lock()
	for _, s := range shards {
		ns.of[s] = to
	}
	ns.mu.Unlock()
	to.Gained(shards, died)
}

// leaseFor is how long a process that died keeps others from what it had.
const leaseFor = 45 * time.Second

// die is a kill -9; what it had goes to another once its lease is over.
func (ns *nodes) die(n, heir *node) {
	n.own.die()
	n.limits.Grace = time.Nanosecond // what is under way ends with the process
	n.stop()
	<-n.ended
	after(leaseFor)
	ns.succeed(n, heir)
}

// succeed gives what a node had to another that was not told by it.
func (ns *nodes) succeed(n, heir *node) {
	ns.r.mu.Lock()
	ns.r.lost = append(ns.r.lost, n.own.lost...)
	ns.r.mu.Unlock()
	shards := ns.shards(n)
	ns.mu.Lock()
	for i, x := range ns.all {
		if x == n {
			ns.all = append(ns.all[:i:i], ns.all[i+1:]...)
		}
	}
	ns.mu.Unlock()
	ns.take(heir, shards, true)
}

// shards that a node has.
func (ns *nodes) shards(n *node) (out []store.Shard) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	for s, of := range ns.of {
		if of == n {
			out = append(out, s)
		}
	}
	return out
}

func (ns *nodes) has(n *node, s store.Shard) bool {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return ns.of[s] == n
}

// owner of an endpoint; nil: nobody is.
func (ns *nodes) owner(id store.ID) *node {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return ns.of[ns.r.db.ShardOf(id)]
}

func (ns *nodes) Accepted(ws []*store.Work) {
	for _, w := range ws {
		if n := ns.owner(w.EndpointID); n != nil {
			n.Accepted([]*store.Work{w})
		}
	}
}

func (ns *nodes) QueueGrew(id store.ID, from store.Place) {
	if n := ns.owner(id); n != nil {
		n.QueueGrew(id, from)
	}
}

func (ns *nodes) EndpointChanged(id store.ID) int {
	if n := ns.owner(id); n != nil {
		return n.EndpointChanged(id)
	}
	return 0
}

func (ns *nodes) DeliveryChanged(endpoint, id store.ID) int {
	if n := ns.owner(endpoint); n != nil {
		return n.DeliveryChanged(endpoint, id)
	}
	return 0
}

func (ns *nodes) RecoveryAsked(id store.ID) {
	if n := ns.owner(id); n != nil {
		n.RecoveryAsked(id)
	}
}

func (ns *nodes) Missed() {}

// Gained gives all that the store opens with to the first.
func (ns *nodes) Gained(shards []store.Shard, died bool) { ns.take(ns.all[0], shards, died) }

func (ns *nodes) Leave([]store.Shard, func()) { panic("nobody asks for it") }

// holds is how many deliveries of an endpoint a node has in memory, and how
// many of them wait.
func (n *node) holds(ep *store.Endpoint) (all, waiting int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.lanes[ep.ID]
	return len(l.held), l.queue.len()
}

// quiet asserts that a node holds nothing.
func (n *node) quiet(t testing.TB) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.lanes) != 0 || n.inFlight != 0 || n.settling != 0 || n.memory != 0 || n.behind != 0 || n.shut != 0 || len(n.hosts) != 0 ||
		n.ready.n+n.parked.n+n.hungry.n+n.crowd.n+n.lapsed.n+len(n.timers) != 0 {
		t.Errorf("not quiet: %d lanes, %d hosts, %d in flight, %d settling, %d bytes held, %d behind, %d shut", len(n.lanes), len(n.hosts), n.inFlight, n.settling, n.memory, n.behind, n.shut)
	}
	for i := range n.shards {
		if s := &n.shards[i]; s.busy != 0 || s.lanes.n != 0 {
			t.Errorf("shard %d: %d busy, %d lanes", i, s.busy, s.lanes.n)
		}
	}
}

// alone is a sender that fails where a delivery has two requests at a time,
// whoever makes them.
type alone struct {
	Sender
	mu    sync.Mutex
	now   map[string]bool
	twice []string
}

func (x *alone) Send(ctx context.Context, r *egress.Request) (*egress.Response, error) {
	of := r.URL.Path
	for _, f := range r.Fields {
		if strings.EqualFold(f.Name, "webhook-id") {
			of = fmt.Sprint(of, " ", f.Value)
		}
	}
	x.mu.Lock()
	if x.now[of] {
		x.twice = append(x.twice, of)
	}
	x.now[of] = true
	x.mu.Unlock()
	defer func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		delete(x.now, of)
	}()
	return x.Sender.Send(ctx, r)
}

// withAlone makes a rig's requests go through one.
func withAlone(x *alone) func(*rig) {
	return func(r *rig) {
		x.Sender, x.now = r.receiver, map[string]bool{}
		r.sender = x
	}
}
