package deliver

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// wire is a network in memory: the real client, and net/http's server at the
// other end of each connection.
type wire struct {
	connect time.Duration // what connecting takes
	handler http.HandlerFunc
	conns   chan net.Conn
	over    chan struct{}
	server  http.Server
	serving sync.WaitGroup
}

func newWire(h http.HandlerFunc) *wire {
	w := &wire{handler: h, conns: make(chan net.Conn), over: make(chan struct{})}
	w.server.Handler = h
	w.serving.Go(func() { _ = w.server.Serve(w) })
	return w
}

func (w *wire) Accept() (net.Conn, error) {
	select {
	case c := <-w.conns:
		return c, nil
	case <-w.over:
		return nil, net.ErrClosed
	}
}

func (w *wire) Addr() net.Addr { return &net.TCPAddr{} }
func (w *wire) Close() error {
	select {
	case <-w.over:
	default:
		close(w.over)
	}
	return nil
}

func (w *wire) client() *egress.Client {
	return egress.New(egress.Options{
		Policy: egress.Policy{AllowLoopback: true, AllowHTTP: true, Interfaces: func() []netip.Addr { return nil }},
		Dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
			if w.connect > 0 {
				select {
				case <-time.After(w.connect):
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
			a, b := net.Pipe()
			select {
			case w.conns <- b:
				return a, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
	})
}

// overWire runs a test with the real client on such a network.
func overWire(t *testing.T, h http.HandlerFunc, test func(t *testing.T, r *rig, w *wire)) {
	var w *wire
	var c *egress.Client
	inBubble(t, func(t *testing.T, r *rig) {
		defer func() {
			r.close()
			c.Close()
			must(t, w.server.Close())
			w.serving.Wait()
		}()
		test(t, r, w)
	}, func(r *rig) {
		w = newWire(h)
		c = w.client()
		r.sender = c
	})
}

// TestOverTheWire: what is signed is what arrives, headers that the owner
// configured are sent and never shown, and the answer is kept.
func TestOverTheWire(t *testing.T) {
	var mu sync.Mutex
	var heads []http.Header
	var bodies []string
	overWire(t, func(w http.ResponseWriter, req *http.Request) {
		b, _ := io.ReadAll(req.Body)
		mu.Lock()
		heads, bodies = append(heads, req.Header), append(bodies, string(b))
		first := len(heads) == 1
		mu.Unlock()
		if first {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, strings.Repeat("sorry ", 20_000))
			return
		}
		_, _ = io.WriteString(w, strings.Repeat("thanks ", 1000))
	}, func(t *testing.T, r *rig, _ *wire) {
		ep := r.endpoint("tarefa", "a", func(e *store.Endpoint) {
			e.Headers = []store.Header{{Name: "Authorization", Value: secret.Text("Bearer canary")}}
		})
		r.accept(ep, 1)
		after(2 * time.Minute)
		if len(heads) != 2 || bodies[0] != bodies[1] {
			t.Fatalf("%d requests: %q", len(heads), bodies)
		}
		d, _ := r.catalog.Lookup("tarefa")
		for i, h := range heads {
			if v := d.Verify(h, []byte(bodies[i]), []string{ep.Secrets[0].Value.Reveal()}, time.Now()); !v.OK {
				t.Errorf("request %d does not verify: %+v", i+1, v)
			}
			if h.Get("Authorization") != "Bearer canary" || h.Get("X-Delivery-Attempt") != fmt.Sprint(i+1) {
				t.Errorf("request %d: %v", i+1, h)
			}
		}
		as := r.attempts(r.delivery(ep))
		if len(as) != 2 || as[0].Status != 503 || as[1].Status != 200 {
			t.Fatalf("%+v", as)
		}
		if n := len(as[0].ResponseBody); n != answerMax || !as[0].Truncated {
			t.Errorf("%d bytes of the failure kept", n)
		}
		if n := len(as[1].ResponseBody); n != answerMin || !as[1].Truncated {
			t.Errorf("%d bytes of the success kept", n)
		}
		for _, a := range as {
			if head := string(a.RequestHead); strings.Contains(head, "canary") || !strings.Contains(head, "[redacted]") {
				t.Errorf("request head: %s", head)
			}
		}
		if strings.Contains(r.log.String(), "canary") {
			t.Error("logged")
		}
	})
}

// TestWholeTimeout: gabinete360 gives a delivery 10 s, connecting included.
func TestWholeTimeout(t *testing.T) {
	overWire(t, func(w http.ResponseWriter, req *http.Request) {
		select {
		case <-time.After(7 * time.Second):
		case <-req.Context().Done():
		}
	}, func(t *testing.T, r *rig, w *wire) {
		w.connect = 4 * time.Second
		ep := r.endpoint("gabinete360", "a")
		r.accept(ep, 1)
		after(11 * time.Second)
		as := r.attempts(r.delivery(ep))
		if len(as) != 1 || as[0].Class != store.ClassTimeout || as[0].Timings.Total > 10*time.Second+time.Millisecond {
			t.Errorf("%+v", as)
		}
	})
}

// TestBoundary: an answer just before the timeout counts, one just after does not.
func TestBoundary(t *testing.T) {
	overWire(t, func(w http.ResponseWriter, req *http.Request) {
		d := 29900 * time.Millisecond
		if req.URL.Path == "/late" {
			d = 30100 * time.Millisecond
		}
		select {
		case <-time.After(d):
		case <-req.Context().Done():
		}
	}, func(t *testing.T, r *rig, _ *wire) {
		in, late := r.endpoint("tarefa", "in"), r.endpoint("tarefa", "late")
		r.accept(in, 1)
		r.accept(late, 1)
		after(40 * time.Second)
		if d := r.delivery(in); d.State != store.Delivered {
			t.Errorf("29.9 s: %+v", d)
		}
		if d := r.delivery(late); d.State != store.Pending || d.Attempts != 1 {
			t.Errorf("30.1 s: %+v", d)
		}
	})
}
