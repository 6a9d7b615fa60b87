package app

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/malote-dev/malote/client"
)

// customer is a receiver that can be broken, and be mended.
type customer struct {
	srv *httptest.Server

	mu     sync.Mutex
	broken bool
	got    map[string]int // what it took, by the event's id
	more   chan struct{}  // something came
}

func newCustomer(t *testing.T) *customer {
	t.Helper()
	c := &customer{got: map[string]int{}, more: make(chan struct{}, 1)}
	c.srv = httptest.NewServer(c)
	t.Cleanup(c.srv.Close)
	return c
}

// ServeHTTP answers 404 while it is broken: that says nothing of its health,
// so every delivery is tried.
func (c *customer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	c.got[r.Header.Get("webhook-id")]++
	select {
	case c.more <- struct{}{}:
	default:
	}
}

func (c *customer) set(broken bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = broken
}

// took is how many different events it took, and how many it took twice.
func (c *customer) took() (n, twice int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, times := range c.got {
		if times > 1 {
			twice++
		}
	}
	return len(c.got), twice
}

// await waits until it took so many.
func (c *customer) await(t *testing.T, want int) {
	t.Helper()
	patience := time.NewTimer(2 * time.Minute)
	defer patience.Stop()
	for {
		if n, _ := c.took(); n >= want {
			return
		}
		select {
		case <-c.more:
		case <-patience.C:
			n, _ := c.took()
			t.Fatalf("%d events arrived, want %d", n, want)
		}
	}
}

// outage is a server with a project, and a client that speaks to it.
type outage struct {
	*testing.T
	o    Options
	key  string
	stop func() error
	api  *client.Client
}

func newOutage(t *testing.T) *outage {
	t.Helper()
	s := &outage{T: t, o: valid(t)}
	s.o.EgressLoopback = true
	var err error
	if s.key, err = CreateRootKey(t.Context(), s.o.place(), "root", quiet()); err != nil {
		t.Fatal(err)
	}
	s.start()
	p := must(s.api.CreateProject(t.Context(), client.NewProject{Name: "p", Environment: "development"}))(t)
	s.key = must(s.api.CreateKey(t.Context(), p.ID, client.NewKey{Scopes: []string{"*"}}))(t).Key
	s.restart()
	return s
}

func (s *outage) start() {
	s.Helper()
	a, stop := running(s.T, s.o)
	transport := &http.Transport{}
	s.Cleanup(transport.CloseIdleConnections)
	s.stop = stop
	s.api = must(client.New(client.Options{URL: "http://" + a.Addr().String(), Key: s.key, HTTP: &http.Client{Transport: transport}}))(s.T)
}

// restart stops the server in order and starts another on the same data.
func (s *outage) restart() {
	s.Helper()
	if err := s.stop(); err != nil {
		s.Fatal(err)
	}
	s.start()
}

// endpoint makes one that tries so many times, an hour apart.
func (s *outage) endpoint(consumer string, c *customer, tries int) string {
	s.Helper()
	waits := make([]int, tries-1)
	for i := range waits {
		waits[i] = 3600
	}
	return must(s.api.CreateEndpoint(s.Context(), client.NewEndpoint{Consumer: consumer, URL: c.srv.URL, EventTypes: []string{"*"}, RetrySchedule: waits}))(s.T).ID
}

// limit lets an endpoint have so many a minute: after what it has had, none
// for a minute. 0 ends that.
func (s *outage) limit(endpoint string, rate int) {
	s.Helper()
	must(s.api.UpdateEndpoint(s.Context(), endpoint, client.EndpointChange{RateLimit: client.Set(rate)}))(s.T)
}

func (s *outage) send(consumer string, n int) {
	s.Helper()
	events := make([]client.NewEvent, n)
	for i := range events {
		events[i] = client.NewEvent{Type: "task.created", Consumer: consumer, Data: json.RawMessage(`1`)}
	}
	if b := must(s.api.SendBatch(s.Context(), events, ""))(s.T); b.Accepted != n {
		s.Fatalf("%+v", b)
	}
}

// until asks again and again, leaving the machine to the server in between.
func (s *outage) until(what string, is func() bool) {
	s.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); <-tick.C {
		if is() {
			return
		}
	}
	s.Fatal("did not happen: " + what)
}

// tried waits until so many attempts to an endpoint have failed.
func (s *outage) tried(endpoint string, want int) {
	s.Helper()
	s.until("all were tried", func() bool {
		return must(s.api.Stats(s.Context(), client.StatsFilter{Endpoint: endpoint}))(s.T).Attempts.Failed == want
	})
}

// delivered waits until so many deliveries to an endpoint are.
func (s *outage) delivered(endpoint string, want int) {
	s.Helper()
	s.until("all is delivered", func() bool {
		return must(s.api.Stats(s.Context(), client.StatsFilter{Endpoint: endpoint}))(s.T).Deliveries.Delivered == want
	})
}

func (s *outage) replay(id string) *client.Replay {
	s.Helper()
	return must(s.api.Replay(s.Context(), id))(s.T)
}

func (s *outage) over(id string) *client.Replay {
	s.Helper()
	s.until("the replay is over", func() bool { return s.replay(id).State != "running" })
	return s.replay(id)
}

// count of an endpoint's deliveries in a state.
func (s *outage) count(endpoint, state string) (n int) {
	s.Helper()
	for _, err := range s.api.Deliveries(s.Context(), client.DeliveryFilter{EndpointID: endpoint, State: state}) {
		if err != nil {
			s.Fatal(err)
		}
		n++
	}
	return n
}

// TestRecovery: an endpoint fails, is mended, and gets what it did not take,
// each once: what was given up, and what waits for its next attempt.
func TestRecovery(t *testing.T) {
	t.Parallel()
	s, c := newOutage(t), newCustomer(t)
	c.set(true)
	since := time.Now()
	given, waits := s.endpoint("given", c, 1), s.endpoint("waits", c, 3)
	s.send("given", 120)
	s.send("waits", 80)
	s.tried(given, 120)
	s.tried(waits, 80)
	if n := s.count(given, "failed") + s.count(waits, "pending"); n != 200 {
		t.Errorf("%d", n)
	}
	for d, err := range s.api.Deliveries(t.Context(), client.DeliveryFilter{State: "failed,pending", LastStatus: "404"}) {
		if err != nil || d.LastError == nil || d.LastError.Class != "status" || d.LastStatus != 404 {
			t.Fatalf("%+v %v", d, err)
		}
	}
	c.set(false)
	if n := must(s.api.CountReplay(t.Context(), client.NewReplay{Kind: client.Recover, From: since}))(t); n.Matched != 200 || n.More {
		t.Errorf("%+v", n)
	}
	one := must(s.api.RecoverEndpoint(t.Context(), given, since))(t)
	if one.Matched != 120 {
		t.Errorf("%+v", one)
	}
	rest := must(s.api.CreateReplay(t.Context(), client.NewReplay{Kind: client.Recover, From: since, Consumer: "waits"}))(t)
	for _, r := range []*client.Replay{s.over(one.ID), s.over(rest.ID)} {
		if r.State != "done" || *r.Progress != 1 || r.Done != r.Matched || r.Skipped+r.Failed != 0 {
			t.Errorf("%+v", r)
		}
	}
	c.await(t, 200)
	s.delivered(given, 120)
	s.delivered(waits, 80)
	if n, twice := c.took(); n != 200 || twice != 0 {
		t.Errorf("%d arrived, %d of them twice", n, twice)
	}
}

// TestReplayBesideANeighbour: an endpoint that takes its time holds its own
// replay up, and no neighbour; cancelled in the middle, the rest is as it was.
func TestReplayBesideANeighbour(t *testing.T) {
	t.Parallel()
	s, slow, fast := newOutage(t), newCustomer(t), newCustomer(t)
	slow.set(true)
	ep := s.endpoint("slow", slow, 1)
	s.endpoint("fast", fast, 1)
	const events, window = 400, 256
	s.send("slow", events)
	s.tried(ep, events)
	slow.set(false)
	s.limit(ep, 1)
	r := must(s.api.CreateReplay(t.Context(), client.NewReplay{Kind: client.Recover, EndpointID: ep, From: time.Now().Add(-time.Hour)}))(t)
	s.until("as much is in the queue as may be", func() bool { return s.replay(r.ID).Done == window })
	for i := range 20 {
		s.send("fast", 1)
		fast.await(t, i+1)
	}
	got := must(s.api.CancelReplay(t.Context(), r.ID))(t)
	if got.State != "cancelled" || got.Done != window || *got.Progress <= 0 || *got.Progress >= 1 {
		t.Errorf("%+v", got)
	}
	s.limit(ep, 0)
	s.delivered(ep, window)
	if n, twice := slow.took(); n != window || twice != 0 || s.count(ep, "failed") != events-window || s.count(ep, "pending") != 0 {
		t.Errorf("%d arrived, %d of them twice; %d are failed", n, twice, s.count(ep, "failed"))
	}
}

// TestReplayOverARestart: a replay goes on where it was, and repeats nothing.
func TestReplayOverARestart(t *testing.T) {
	t.Parallel()
	s, c := newOutage(t), newCustomer(t)
	c.set(true)
	ep := s.endpoint("acme", c, 1)
	const events, window = 600, 256
	s.send("acme", events)
	s.tried(ep, events)
	c.set(false)
	s.limit(ep, 1)
	r := must(s.api.RecoverEndpoint(t.Context(), ep, time.Now().Add(-time.Hour)))(t)
	s.until("as much is in the queue as may be", func() bool { return s.replay(r.ID).Done == window })
	s.restart()
	if got := s.replay(r.ID); got.State != "running" || got.Done != window {
		t.Errorf("%+v", got)
	}
	s.limit(ep, 0)
	if got := s.over(r.ID); got.State != "done" || *got.Progress != 1 || got.Done != events || got.Skipped+got.Failed != 0 {
		t.Errorf("%+v", got)
	}
	s.delivered(ep, events)
	if n, twice := c.took(); n != events || twice != 0 {
		t.Errorf("%d arrived, %d of them twice", n, twice)
	}
}

// must is for calls that have to succeed.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
