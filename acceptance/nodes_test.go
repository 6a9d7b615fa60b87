//go:build unix

package acceptance

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/malote-dev/malote/bench/rig"
)

// fleet are servers on one database, and a receiver.
type fleet struct {
	*testing.T
	sites   []*rig.Site
	servers []*rig.Server
	apis    []*rig.API // with a key of one project, at each
	inbox   *inbox
}

// inbox remembers when which request arrived, and may keep them waiting.
type inbox struct {
	url string

	mu   sync.Mutex
	came map[string][]time.Time // by path and webhook-id
	held chan struct{}          // closed: answers
	news chan struct{}
}

func (x *inbox) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	x.mu.Lock()
	of := r.URL.Path + " " + r.Header.Get("webhook-id")
	x.came[of] = append(x.came[of], time.Now())
	held := x.held
	x.mu.Unlock()
	select {
	case x.news <- struct{}{}:
	default:
	}
	select {
	case <-held:
	case <-r.Context().Done():
	}
}

func (x *inbox) hold(yes bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if yes {
		x.held = make(chan struct{})
	} else {
		close(x.held)
	}
}

// count is how many different deliveries and how many requests arrived at
// paths that begin so.
func (x *inbox) count(path string) (deliveries, requests int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for of, at := range x.came {
		if strings.HasPrefix(of, path) {
			deliveries, requests = deliveries+1, requests+len(at)
		}
	}
	return deliveries, requests
}

// newFleet starts n servers on a database of their own.
func newFleet(t *testing.T, n int) *fleet {
	t.Helper()
	f := &fleet{T: t, inbox: &inbox{came: map[string][]time.Time{}, held: make(chan struct{}), news: make(chan struct{}, 1)}}
	f.inbox.hold(false)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	receiver := &http.Server{ReadHeaderTimeout: time.Second, Handler: f.inbox}
	go func() { _ = receiver.Serve(l) }()
	t.Cleanup(func() { receiver.Close() })
	f.inbox.url = "http://" + l.Addr().String()

	first := newPostgresSite(t)
	f.join(first)
	for range n - 1 {
		site, err := first.Beside(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		f.join(site)
	}
	return f
}

// join starts a server.
func (f *fleet) join(site *rig.Site) {
	f.Helper()
	server, err := site.Start()
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		server.Kill()
		if f.Failed() {
			f.Logf("the log of %s ends with:\n%s", site.Addr, site.LogTail(2000))
		}
	})
	if _, err := server.WaitReady(f.Context()); err != nil {
		f.Fatal(err)
	}
	api := &rig.API{URL: site.URL(), Client: &http.Client{}}
	if len(f.apis) == 0 {
		api = newProject(f.T, site, "development", "standard")
	} else {
		api.Key = f.apis[0].Key
		f.Cleanup(api.Client.CloseIdleConnections)
	}
	f.sites, f.servers, f.apis = append(f.sites, site), append(f.servers, server), append(f.apis, api)
}

// settle waits until each has its share of the shards: over a hand-over a limit
// is held by counting more than was sent.
func (f *fleet) settle() {
	f.Helper()
	share := fmt.Sprint("\nmalote_shards_owned ", 256/len(f.apis), "\n")
	for deadline := time.Now().Add(patience); ; {
		have := 0
		for _, api := range f.apis {
			ans, err := api.Raw(f.Context(), http.MethodGet, "/metrics", nil)
			if err != nil {
				f.Fatal(err)
			}
			if strings.Contains(string(ans.Body), share) {
				have++
			}
		}
		switch {
		case have == len(f.apis):
			return
		case time.Now().After(deadline):
			f.Fatalf("%d of %d have their share", have, len(f.apis))
		}
		<-time.After(20 * time.Millisecond)
	}
}

// endpoints makes n of a consumer each, called by a name and a number.
func (f *fleet) endpoints(name string, n int, more map[string]any) (ids []string) {
	f.Helper()
	for i := range n {
		in := map[string]any{"consumer": fmt.Sprint(name, i), "url": fmt.Sprint(f.inbox.url, "/", name, i), "event_types": []string{"*"}}
		maps.Copy(in, more)
		ids = append(ids, newEndpoint(f.T, f.apis[i%len(f.apis)], in).ID)
	}
	return ids
}

// send posts an event at a server.
func (f *fleet) send(server int, consumer string) string {
	f.Helper()
	return sendEvent(f.T, f.apis[server], "invoice.paid", consumer, whenSent, `{"n":1}`)
}

// await waits until so many different deliveries arrived.
func (f *fleet) await(path string, n int, within time.Duration) {
	f.Helper()
	for late := time.After(within); ; {
		got, _ := f.inbox.count(path)
		if got >= n {
			return
		}
		select {
		case <-f.inbox.news:
		case <-late:
			f.Fatalf("%d of %d arrived within %s", got, n, within)
		}
	}
}

// once fails where a delivery arrived more than once.
func (f *fleet) once(path string, n int) {
	f.Helper()
	if deliveries, requests := f.inbox.count(path); deliveries != n || requests != n {
		f.Errorf("%d deliveries arrived with %d requests, want %d", deliveries, requests, n)
	}
}

// TestServersShareADatabase: whichever takes an event in, one sends it.
func TestServersShareADatabase(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3)
	const endpoints, rounds = 20, 10
	ids := f.endpoints("e", endpoints, nil)
	for range rounds {
		for i := range endpoints {
			for s := range f.servers {
				f.send(s, fmt.Sprint("e", i))
			}
		}
	}
	n := endpoints * rounds * len(f.servers)
	f.await("/", n, patience)
	f.once("/", n)
	f.inFlight(ids)
	f.stops()
}

// inFlight: whoever is asked says what is under way, and pauses it.
func (f *fleet) inFlight(ids []string) {
	f.Helper()
	f.inbox.hold(true)
	before, _ := f.inbox.count("/")
	for i := range ids {
		f.send(0, fmt.Sprint("e", i))
	}
	f.await("/", before+len(ids), patience)
	for i, id := range ids {
		var e struct {
			State    string `json:"state"`
			InFlight *int   `json:"in_flight"`
		}
		if err := f.apis[i%len(f.apis)].Do(f.Context(), http.MethodPost, "/v1/endpoints/"+id+"/pause", nil, &e); err != nil {
			f.Fatal(err)
		}
		if e.State != "paused" || e.InFlight == nil || *e.InFlight != 1 {
			f.Errorf("endpoint %d is paused with %+v in flight, want 1", i, e.InFlight)
		}
	}
	for i := range ids {
		f.send(1, fmt.Sprint("e", i))
	}
	f.inbox.hold(false)
	for i, id := range ids {
		if err := f.apis[(i+1)%len(f.apis)].Do(f.Context(), http.MethodPost, "/v1/endpoints/"+id+"/resume", map[string]any{}, nil); err != nil {
			f.Fatal(err)
		}
	}
	f.await("/", before+2*len(ids), patience)
	f.once("/", before+2*len(ids))
}

// lease is how long a server that died keeps others from what it had; what
// stops in order is handed over at once.
const lease = 45 * time.Second

// stops: what a server that stops in order had goes on at the others.
func (f *fleet) stops() {
	f.Helper()
	before, _ := f.inbox.count("/")
	start := time.Now()
	if err := f.servers[2].Signal(syscall.SIGTERM); err != nil {
		f.Fatal(err)
	}
	for i := range 20 {
		f.send(0, fmt.Sprint("e", i))
	}
	f.await("/", before+20, lease/3)
	f.Logf("all had arrived %s after the signal", time.Since(start).Round(10*time.Millisecond))
	f.once("/", before+20)
	select {
	case <-f.servers[2].Done():
		if err := f.servers[2].ExitError(); err != nil {
			f.Error(err)
		}
	case <-time.After(patience):
		f.Error("it does not stop")
	}
}

// TestAServerIsKilled: nothing that was acknowledged is lost, and no more is
// sent twice than was under way.
func TestAServerIsKilled(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2)
	const endpoints = 20
	f.endpoints("e", endpoints, nil)
	var work sync.WaitGroup
	stop := make(chan struct{})
	var mu sync.Mutex
	acknowledged := 0
	for w := range 4 {
		work.Go(func() {
			for i := w; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				body := fmt.Sprintf(`{"type":"invoice.paid","consumer":"e%d","data":{"n":%d}}`, i%endpoints, i)
				ans, err := f.apis[w%2].Raw(f.Context(), http.MethodPost, "/v1/events", []byte(body))
				if err == nil && ans.Status == http.StatusAccepted {
					mu.Lock()
					acknowledged++
					mu.Unlock()
				} else if w%2 == 1 {
					return // that one is gone
				}
			}
		})
	}
	f.await("/", 500, patience)
	start := time.Now()
	f.servers[1].Kill()
	for deadline := time.After(2 * time.Second); ; {
		select {
		case <-f.inbox.news:
			continue
		case <-deadline:
		}
		break
	}
	close(stop)
	work.Wait()
	f.await("/", acknowledged, lease+patience)
	t.Logf("all had arrived %s after the kill", time.Since(start).Round(10*time.Millisecond))
	const most = 512 // attempts of a server in flight
	if deliveries, requests := f.inbox.count("/"); requests-deliveries > most {
		t.Errorf("%d of %d were sent twice, and %d may have been under way", requests-deliveries, deliveries, most)
	}
}

// TestRateOfManyServers: an endpoint's limit holds for all of them together,
// also where what one had goes over to another.
func TestRateOfManyServers(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 4)
	f.settle()
	const limit = 40
	f.endpoints("r", 4, map[string]any{"rate_limit": limit})
	for range 20 {
		for i := range 4 {
			for s := range f.servers {
				f.send(s, fmt.Sprint("r", i))
			}
		}
	}
	for i := range 4 {
		f.await(fmt.Sprint("/r", i), limit, patience)
	}
	if err := f.servers[3].Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	f.servers[2].Kill()
	<-time.After(10 * time.Second) // while nothing may arrive
	for i := range 4 {
		if _, n := f.inbox.count(fmt.Sprint("/r", i)); n != limit {
			t.Errorf("endpoint %d got %d requests, want %d", i, n, limit)
		}
	}
}
