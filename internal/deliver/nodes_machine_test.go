package deliver

import (
	"flag"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/malote-dev/malote/internal/store"
)

// TestShardsComeAndGo drives engines that share a store with any sequence of
// hand-overs, deaths and lapses under load, and then checks what must hold: no
// delivery was under way twice at once or is forgotten, an endpoint that takes
// one at a time gets them in order, and no minute has more than the limit.
func TestShardsComeAndGo(t *testing.T) {
	t.Parallel()
	cases, most := 0, 8
	if raceEnabled {
		most = 3
	}
	if flag.Lookup("rapid.checks").Value.String() != "100" {
		most = math.MaxInt
	}
	rapid.Check(t, func(rt *rapid.T) {
		if cases++; cases > most {
			return
		}
		var failure any
		synctest.Test(t, func(t *testing.T) {
			defer func() { failure = recover() }()
			m := newShardMachine(t, rt)
			defer m.ns.close()
			rt.Repeat(map[string]func(*rapid.T){
				"accept": m.accept, "wait": m.wait, "move": m.move, "scatter": m.scatter, "die": m.die, "lapse": m.lapse, "change": m.change,
				"": func(*rapid.T) {},
			})
			m.drain()
			m.check()
		})
		if failure != nil {
			panic(failure)
		}
	})
}

// shardMachine is the model: how many events each endpoint was sent.
type shardMachine struct {
	ns    *nodes
	rt    *rapid.T
	alone alone
	eps   []*store.Endpoint
	sent  []int
	dead  int

	moving map[store.Shard]chan struct{} // hand-overs that may be under way
}

// The endpoints: what is in order, what has a rate, and others.
const (
	inOrder = iota
	rated
	failing
	slow
	quick
)

const ratedAt = 30

func newShardMachine(t *testing.T, rt *rapid.T) *shardMachine {
	m := &shardMachine{rt: rt, moving: map[store.Shard]chan struct{}{}}
	m.ns = newNodes(t, 3, withAlone(&m.alone), func(r *rig) {
		r.catalog = catalogWithBrisk(t)
		r.limits.Memory = rapid.SampledFrom([]int64{16 << 10, 64 << 20}).Draw(rt, "memory")
		r.limits.PerEndpoint = 4
	})
	for i := range quick + 1 {
		m.eps = append(m.eps, m.ns.r.endpoint("brisk", fmt.Sprint("e", i), func(e *store.Endpoint) {
			switch i {
			case inOrder:
				e.Settings.Concurrency = 1
			case rated:
				e.RateLimit = ratedAt
			}
		}))
		m.sent = append(m.sent, 0)
	}
	m.ns.r.answers(func(a arrival) reply {
		switch a.endpoint {
		case "e0":
			return reply{after: 300 * time.Millisecond}
		case "e1":
			return reply{after: 2 * time.Second}
		case "e2":
			if a.nth == 1 {
				return reply{status: 404, after: time.Second} // no breaker opens
			}
		case "e3":
			return reply{after: 25 * time.Second}
		}
		return reply{}
	})
	return m
}

func (m *shardMachine) accept(t *rapid.T) {
	i := rapid.IntRange(0, len(m.eps)-1).Draw(t, "endpoint")
	n := rapid.SampledFrom([]int{1, 3, 20, 400}).Draw(t, "n")
	if i == rated {
		n = min(n, 20) // at 30 a minute
	}
	from := m.sent[i]
	m.ns.r.acceptData(m.eps[i], n, func(k int) []byte { return fmt.Appendf(nil, `{"n":%d}`, from+k) })
	m.sent[i] += n
}

func (m *shardMachine) wait(t *rapid.T) {
	after(rapid.SampledFrom([]time.Duration{time.Microsecond, time.Millisecond, 200 * time.Millisecond, 3 * time.Second, 40 * time.Second}).Draw(t, "for"))
}

func (m *shardMachine) change(t *rapid.T) {
	i := rapid.IntRange(0, len(m.eps)-1).Draw(t, "endpoint")
	m.ns.r.update(m.eps[i], func(e *store.Endpoint) { e.Description += "." })
}

func (m *shardMachine) pick(t *rapid.T, what string) *node {
	return m.ns.all[rapid.IntRange(0, len(m.ns.all)-1).Draw(t, what)]
}

// move hands over the shard of an endpoint, which may be on its way already.
func (m *shardMachine) move(t *rapid.T) {
	i := rapid.IntRange(0, len(m.eps)-1).Draw(t, "endpoint")
	to := m.pick(t, "to")
	synctest.Wait()
	from := m.ns.owner(m.eps[i].ID)
	if from == to {
		t.Skip("it has it")
	}
	m.hand(from, to, m.ns.r.db.ShardOf(m.eps[i].ID))
}

func (m *shardMachine) scatter(t *rapid.T) {
	from, to := m.pick(t, "from"), m.pick(t, "to")
	shards := m.ns.shards(from)
	if from == to || len(shards) == 0 {
		t.Skip("nothing to hand over")
	}
	n := rapid.IntRange(1, len(shards)).Draw(t, "shards")
	for _, s := range shards[:n] {
		m.hand(from, to, s)
	}
}

// hand begins a hand-over of a shard, if none of it is under way, or came to
// its end since from was seen to have it.
func (m *shardMachine) hand(from, to *node, s store.Shard) {
	if done := m.moving[s]; (done == nil || isOver(done)) && m.ns.has(from, s) {
		m.moving[s] = m.ns.move(from, to, []store.Shard{s})
	}
}

// settled waits for the hand-overs that are under way.
func (m *shardMachine) settled() {
	for _, done := range m.moving {
		<-done
	}
	clear(m.moving)
	synctest.Wait()
}

// die kills a node; another takes over, and one joins.
func (m *shardMachine) die(t *rapid.T) {
	m.settled()
	n, heir := m.pick(t, "node"), m.pick(t, "heir")
	if n == heir {
		heir = m.ns.join()
	}
	m.ns.die(n, heir)
	for len(m.ns.all) < 3 {
		m.ns.join()
	}
	m.dead++
}

// lapse lets a node's lease end while it runs on, as one that is cut off from
// the database: from then on the database refuses what it writes.
func (m *shardMachine) lapse(t *rapid.T) {
	m.settled()
	n, heir := m.pick(t, "node"), m.pick(t, "heir")
	if n == heir {
		heir = m.ns.join()
	}
	n.own.renew(leaseFor)
	after(leaseFor)
	n.own.die()
	m.ns.succeed(n, heir)
	after(rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute}).Draw(t, "before it ends"))
	n.limits.Grace = time.Nanosecond
	n.stop()
	<-n.ended
	for len(m.ns.all) < 3 {
		m.ns.join()
	}
	m.dead++
}

func (m *shardMachine) drain() {
	m.settled()
	after(6 * time.Hour)
}

func (m *shardMachine) check() {
	t, r := m.rt, m.ns.r
	if len(m.alone.twice) > 0 {
		t.Fatalf("under way twice at once: %v", m.alone.twice)
	}
	lost := map[store.ID]int{}
	for _, o := range r.lost {
		lost[o.Work.ID]++
	}
	for i, ep := range m.eps {
		all := r.deliveries(ep)
		if len(all) != m.sent[i] {
			t.Fatalf("endpoint %d has %d deliveries of %d events", i, len(all), m.sent[i])
		}
		for _, d := range all {
			if d.State != store.Delivered {
				t.Fatalf("endpoint %d: %+v", i, d)
			}
		}
		got := r.got(ep)
		if extra := len(got) - m.sent[i]; m.dead == 0 && i != failing && extra != 0 {
			t.Fatalf("endpoint %d: %d requests too many, and nobody died", i, extra)
		}
		var times []time.Time
		last := -1
		for _, a := range got {
			times = append(times, a.at)
			n := numberOf(t, a.body)
			if i == inOrder && n < last {
				t.Fatalf("%d arrived after %d", n, last)
			}
			last = n
		}
		if i == rated {
			within(t, times, ratedAt)
		}
	}
	for _, n := range m.ns.all {
		n.mu.Lock()
		if n.inFlight != 0 || n.settling != 0 || n.memory != 0 || n.behind != 0 || n.ready.n != 0 {
			t.Errorf("not quiet: %d in flight, %d settling, %d bytes held, %d behind", n.inFlight, n.settling, n.memory, n.behind)
		}
		n.mu.Unlock()
	}
}

func numberOf(t *rapid.T, body string) (n int) {
	i := len(`{"n":`)
	for k := range body {
		if body[k:min(len(body), k+i)] == `{"n":` {
			fmt.Sscanf(body[k+i:], "%d", &n)
			return n
		}
	}
	t.Fatalf("a strange body: %s", body)
	return 0
}

// within holds times to so many in any minute.
func within(t *rapid.T, times []time.Time, limit int) {
	for i := range times {
		if i >= limit && times[i].Sub(times[i-limit]) < time.Minute {
			t.Fatalf("%d requests within %v", limit+1, times[i].Sub(times[i-limit]))
		}
	}
}
