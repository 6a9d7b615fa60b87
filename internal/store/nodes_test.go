//go:build unix

package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/malote-dev/malote/bench/postgres"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// yard is a database that several processes serve with, each played by a store
// of its own behind a proxy.
type yard struct {
	*testing.T
	cluster  *postgres.Cluster
	base     string
	ring     *secret.Keyring
	lease    time.Duration
	project  store.ID
	consumer string
	all      []store.ID // endpoints

	mu      sync.Mutex
	holders [store.Shards]*member
	shards  map[store.ID]store.Shard // of deliveries
	sending map[store.ID]*member     // deliveries, and who sends them; once sent they stay
	members []*member
}

// member is one process. Its owner sends what is pending at once.
type member struct {
	*yard
	name  string
	db    *store.DB
	proxy *postgres.Proxy
	fatal chan error
	log   *testLog

	lanes    sync.WaitGroup
	flying   [store.Shards]sync.WaitGroup
	silent   bool // it sends nothing by itself
	gone     bool
	unclosed bool
}

const yardEndpoints = 24

func newYard(t *testing.T, lease time.Duration) *yard {
	t.Helper()
	c := sharedCluster(t)
	y := &yard{T: t, cluster: c, base: strings.ToLower(t.Name()), lease: lease, consumer: "c", sending: map[store.ID]*member{}, shards: map[store.ID]store.Shard{}}
	if err := c.Create(t.Context(), y.base, migrated); err != nil {
		t.Fatal(err)
	}
	var err error
	if y.ring, err = secret.NewKeyring(secret.NewMasterKey()); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), store.Options{Database: secret.Text(c.URL(y.base)), Keyring: y.ring})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}()
	p := &store.Project{Name: "p", Environment: store.Production, Dialect: "standard"}
	if err := db.CreateProject(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	y.project = p.ID
	for range yardEndpoints {
		e := &store.Endpoint{ProjectID: p.ID, Consumer: "c", URL: "https://example.com/", EventTypes: []string{"*"}, Secrets: []store.SigningSecret{{Value: "whsec_1"}}}
		if err := db.CreateEndpoint(t.Context(), e, 0); err != nil {
			t.Fatal(err)
		}
		y.all = append(y.all, e.ID)
	}
	return y
}

func (y *yard) no(err error) {
	y.Helper()
	if err != nil {
		y.Fatal(err)
	}
}

// join starts a process.
func (y *yard) join(name string) *member { return y.start(name, false) }

// start starts one that may send nothing by itself.
func (y *yard) start(name string, silent bool) *member {
	y.Helper()
	m := &member{yard: y, name: name, fatal: make(chan error, 1), log: &testLog{}, silent: silent}
	var err error
	m.proxy, err = postgres.NewProxy(y.cluster.Address())
	y.no(err)
	y.Cleanup(func() { y.no(m.proxy.Close()) })
	m.db, err = store.Open(y.Context(), store.Options{
		Database: secret.Text(y.cluster.LoopbackURL(y.base, m.proxy.Address())), Keyring: y.ring, Lease: y.lease,
		Logger: logTo(m.log), Version: name, Address: "127.0.0.1:1",
		Fatal: func(err error) { m.fatal <- err },
	})
	y.no(err)
	m.db.SetOwner(m)
	y.Cleanup(func() { m.close() })
	y.mu.Lock()
	defer y.mu.Unlock()
	y.members = append(y.members, m)
	return m
}

// close ends a process in order, once.
func (m *member) close() {
	m.mu.Lock()
	was := m.gone
	m.gone = true
	m.mu.Unlock()
	if was {
		return
	}
	m.lanes.Wait()
	m.mu.Lock()
	for s, h := range m.holders {
		if h == m {
			m.holders[s] = nil
		}
	}
	m.mu.Unlock()
	if err := m.db.Close(); err != nil && !m.unclosed {
		m.Error(m.name, err)
	}
}

// owned counts the shards that a process was told to send for.
func (m *member) owned() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range m.holders {
		if h == m {
			n++
		}
	}
	return n
}

// Gained: nobody else may send for the shards, unless he died.
func (m *member) Missed() {}

func (m *member) Gained(shards []store.Shard, died bool) {
	m.mu.Lock()
	for _, s := range shards {
		if h := m.holders[s]; h != nil && h != m {
			if !died {
				m.Errorf("%s gained shard %d, which %s has", m.name, s, h.name)
			} else if ends := h.db.LeaseEnds(); time.Now().Before(ends) {
				m.Errorf("%s gained shard %d, which is %s's until %s", m.name, s, h.name, ends)
			}
		}
		if died {
			m.release(s)
		}
		if m.holders[s] = m; m.gone { // it sends nothing any more, and gives them back
			m.holders[s] = nil
		}
	}
	m.mu.Unlock()
	m.sweep()
}

// release forgets what others were sending of a shard: whether it got through the
// queue says. m.mu is held.
func (m *member) release(s store.Shard) {
	for id, by := range m.sending {
		if by != m && m.shards[id] == s {
			delete(m.sending, id)
		}
	}
}

func (m *member) Leave(shards []store.Shard, done func()) {
	m.mu.Lock()
	for _, s := range shards {
		if m.holders[s] == m {
			m.holders[s] = nil
		}
	}
	m.mu.Unlock()
	m.lanes.Go(func() {
		for _, s := range shards {
			m.flying[s].Wait()
		}
		done()
	})
}

func (m *member) Accepted(works []*store.Work) {
	for _, w := range works {
		m.send(w)
	}
}

func (m *member) QueueGrew(store.ID, store.Place)        { m.sweep() }
func (m *member) EndpointChanged(store.ID) int           { return 0 }
func (m *member) DeliveryChanged(store.ID, store.ID) int { return 0 }
func (m *member) RecoveryAsked(store.ID)                 {}

// Waits: everything waits because of who is asked.
func (m *member) Waits(_, delivery store.ID) (why string, until time.Time) {
	if !delivery.IsZero() {
		return fmt.Sprintf("%s, it is: %s", m.name, delivery), time.Time{}
	}
	return m.name + ", \"é\"", time.UnixMilli(1_900_000_000_000)
}

// sweep finds what is pending.
func (m *member) sweep() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.silent || m.gone {
		return
	}
	m.lanes.Go(func() {
		page, err := m.db.PendingEndpoints(m.Context(), store.ID{}, 1000)
		if err != nil {
			return
		}
		for _, p := range page {
			works, err := m.db.LoadDue(m.Context(), p.EndpointID, store.Place{}, 1000, 1<<20)
			if err != nil {
				return
			}
			for _, w := range works {
				m.send(w)
			}
		}
	})
}

// send makes one attempt that succeeds, if the shard is ours.
func (m *member) send(w *store.Work) {
	s := m.db.ShardOf(w.EndpointID)
	m.mu.Lock()
	ours := m.holders[s] == m && time.Now().Before(m.db.LeaseEnds()) && !m.silent && m.sending[w.ID] == nil
	if ours {
		m.flying[s].Add(1)
		m.sending[w.ID], m.shards[w.ID] = m, s
	}
	m.mu.Unlock()
	if !ours {
		return
	}
	m.db.Finish(delivered(w), func(err error) {
		m.mu.Lock()
		switch by := m.sending[w.ID]; {
		case err == nil && by != m:
			m.Errorf("%s kept an attempt of a shard that another took over", m.name)
		case err != nil && by == m:
			delete(m.sending, w.ID) // whoever is next sends it again
		}
		m.mu.Unlock()
		m.flying[s].Done()
	})
}

func delivered(w *store.Work) *store.Outcome {
	return &store.Outcome{Work: w, State: store.Delivered, Attempt: store.Attempt{Number: w.Attempts + 1, At: time.Now().UTC().Truncate(time.Microsecond), Status: 200}}
}

func (m *member) accept(key string, to ...store.ID) (store.Accepted, error) {
	subs, err := m.db.Subscriptions(m.Context(), m.project, m.consumer)
	if err != nil {
		return store.Accepted{}, err
	}
	a := &store.Acceptance{
		Event:   &store.Event{ProjectID: m.project, Consumer: m.consumer, Type: "x", Data: []byte(`{}`), Dialect: "standard/1", IdempotencyKey: key},
		Version: subs.Version, Endpoints: to,
	}
	out, err := m.db.Accept(context.WithoutCancel(m.Context()), []*store.Acceptance{a})
	if err != nil {
		return store.Accepted{}, err
	}
	return out[0], out[0].Err
}

// eventually waits for what others do by themselves.
func eventually(t *testing.T, what func() bool) {
	t.Helper()
	limit := time.After(time.Minute)
	for again := time.NewTicker(5 * time.Millisecond); !what(); {
		select {
		case <-again.C:
		case <-limit:
			t.Fatal("it does not come")
		}
	}
}

// settled waits until each of the processes has so many shards.
func (y *yard) settled(want map[*member]int) {
	y.Helper()
	eventually(y.T, func() bool {
		for m, n := range want {
			if m.owned() != n {
				return false
			}
		}
		return true
	})
}

// TestShardsAreShared: who comes gets a share, who goes leaves his to the others
// within a second or so.
func TestShardsAreShared(t *testing.T) {
	t.Parallel()
	y := newYard(t, 0)
	a := y.join("a")
	y.settled(map[*member]int{a: 256})
	b := y.join("b")
	y.settled(map[*member]int{a: 128, b: 128})
	c := y.join("c")
	eventually(t, func() bool { return a.owned() == 86 && b.owned()+c.owned() == 170 && c.owned() > 80 })
	if !a.db.Chief() || b.db.Chief() || c.db.Chief() {
		t.Error("the chief is another")
	}
	start := time.Now()
	y.no(a.db.Retire(t.Context()))
	eventually(t, func() bool { return b.owned() == 128 && c.owned() == 128 })
	took := time.Since(start)
	a.close()
	t.Logf("handed over in %s", took)
	if took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	b.close()
	y.settled(map[*member]int{c: 256})
	if !c.db.Chief() {
		t.Error("nobody is the chief")
	}
	for i, e := range y.all {
		_, err := c.accept(fmt.Sprint(i), e)
		y.no(err)
	}
	eventually(t, func() bool { return c.db.Health(t.Context()).Pending == 0 })
}

// TestDeadNode: what a process had is others' when its lease is over, and not
// before. Nothing that it wrote is missing, and it writes no more.
func TestDeadNode(t *testing.T) {
	t.Parallel()
	y := newYard(t, 3*time.Second)
	a, b := y.join("a"), y.join("b")
	y.settled(map[*member]int{a: 128, b: 128})
	a.silent = true
	a.unclosed = true
	for i := range 100 {
		_, err := a.accept(fmt.Sprint(i), y.all[i%len(y.all)])
		y.no(err)
	}
	resume := a.proxy.Stall()
	defer resume()
	late := make(chan error, 1)
	go func() {
		_, err := a.accept("late", y.all[0])
		late <- err
	}()
	y.settled(map[*member]int{b: 256})
	eventually(t, func() bool { return b.db.Health(t.Context()).Pending == 0 })
	eventually(t, func() bool { // what was in no list is adopted
		page, err := b.db.Deliveries(t.Context(), y.project, store.Filter{Limit: 250})
		y.no(err)
		return len(page.Items) == 100
	})
	resume()
	select {
	case err := <-a.fatal:
		t.Log(err)
	case <-time.After(time.Minute):
		t.Fatal("who lost its slot goes on")
	}
	if err := <-late; err == nil {
		t.Error("who lost its slot kept an event")
	}
	page, err := b.db.Events(t.Context(), y.project, store.Filter{Limit: 250})
	y.no(err)
	if len(page.Items) != 100 {
		t.Errorf("%d events", len(page.Items))
	}
	stats, err := b.db.Stats(t.Context(), y.project, store.StatsQuery{From: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour)})
	y.no(err)
	if stats.Total.Delivered != 100 {
		t.Errorf("%d delivered are counted", stats.Total.Delivered)
	}
}
