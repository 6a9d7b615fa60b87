package deliver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// probe sends one and returns the status of its answer; 0: it was not sent.
func (r *rig) probe(ep *store.Endpoint) (status int, wait time.Duration) {
	r.t.Helper()
	resp, wait, err := r.e.Probe(context.Background(), ep.ID)
	must(r.t, err)
	if wait > 0 {
		return 0, wait
	}
	return resp.Status, 0
}

// TestProbeOverTheWire: what the contract documents arrives, with the
// endpoint's own headers beside it; a receiver that verifies answers 401, and
// nothing is left of it.
func TestProbeOverTheWire(t *testing.T) {
	var mu sync.Mutex
	var heads []http.Header
	var bodies []string
	overWire(t, func(w http.ResponseWriter, req *http.Request) {
		b, _ := io.ReadAll(req.Body)
		mu.Lock()
		defer mu.Unlock()
		heads, bodies = append(heads, req.Header), append(bodies, string(b))
		w.WriteHeader(http.StatusUnauthorized)
	}, func(t *testing.T, r *rig, _ *wire) {
		vets := r.endpoint("connectvets", "a", setState(store.Paused), func(e *store.Endpoint) {
			e.Headers = []store.Header{{Name: "X-Gateway", Value: secret.Text("canary")}}
			e.Auth = store.Auth{Kind: store.AuthBearer, Token: "token"}
		})
		task := r.endpoint("tarefa", "b")
		for _, ep := range []*store.Endpoint{vets, task} {
			if status, wait := r.probe(ep); status != 401 || wait != 0 {
				t.Errorf("%d, wait %v", status, wait)
			}
		}
		if bodies[0] != `{"event":"test","data":{}}` || heads[0].Get("X-ConnectVets-Signature") != "sha256=test" || heads[0].Get("X-Gateway") != "canary" ||
			heads[0].Get("Authorization") != "Bearer token" || heads[0].Get("Content-Type") != "application/json" {
			t.Errorf("%v %s", heads[0], bodies[0])
		}
		d, _ := r.catalog.Lookup("tarefa")
		if v := d.Verify(heads[1], []byte(bodies[1]), []string{task.Secrets[0].Value.Reveal()}, time.Now()); v.OK || !strings.Contains(bodies[1], `"event":"test"`) {
			t.Errorf("%v %s", heads[1], bodies[1])
		}
		if len(r.deliveries(vets))+len(r.deliveries(task)) != 0 || r.reread(vets).State != store.Paused || r.reread(task).FailureCount != 0 {
			t.Error("a probe left something")
		}
		r.quiet()
	})
}

// TestRehearsal: what arrives is signed with the endpoint's secret, has all
// that a delivery has beside it, and is the same event when it comes again.
func TestRehearsal(t *testing.T) {
	var mu sync.Mutex
	var heads []http.Header
	var bodies []string
	overWire(t, func(w http.ResponseWriter, req *http.Request) {
		b, _ := io.ReadAll(req.Body)
		mu.Lock()
		defer mu.Unlock()
		heads, bodies = append(heads, req.Header), append(bodies, string(b))
	}, func(t *testing.T, r *rig, _ *wire) {
		for _, dialect := range []string{"standard", "tarefa", "stripe"} {
			heads, bodies = nil, nil
			ep := r.endpoint(dialect, "a-"+dialect, setState(store.Paused), func(e *store.Endpoint) {
				e.Headers = []store.Header{{Name: "X-Gateway", Value: secret.Text("canary")}}
			})
			event, made := webhook.NewID(), time.Now()
			for number := 1; number <= 2; number++ {
				resp, wait, err := r.e.Rehearse(context.Background(), ep.ID, event, made, number)
				must(t, err)
				if wait != 0 || resp.Status != 200 {
					t.Fatalf("%s: %d, wait %v", dialect, resp.Status, wait)
				}
			}
			d, _ := r.catalog.Lookup(dialect)
			for i := range heads {
				if v := d.Verify(heads[i], []byte(bodies[i]), []string{ep.Secrets[0].Value.Reveal()}, time.Now()); !v.OK {
					t.Errorf("%s: %v %s", dialect, heads[i], bodies[i])
				}
				if heads[i].Get("X-Gateway") != "canary" {
					t.Errorf("%s: %v", dialect, heads[i])
				}
			}
			if bodies[0] != bodies[1] || dialect == "standard" && heads[0].Get("webhook-id") != heads[1].Get("webhook-id") {
				t.Errorf("%s: not the same: %s\n%s", dialect, bodies[0], bodies[1])
			}
			if len(r.deliveries(ep)) != 0 || r.reread(ep).State != store.Paused {
				t.Error("a rehearsal left something")
			}
		}
		r.quiet()
	})
}

// TestProbeCounts: in a rate no minute has one request more, whether it was a
// probe, and whether a restart lies between.
func TestProbeCounts(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a", func(e *store.Endpoint) { e.RateLimit = 5 })
		for i := range 7 {
			status, wait := r.probe(ep)
			if (status != 0) != (i < 5) || i >= 5 && (wait < 50*time.Second || wait > rateWindow+maxConnect) {
				t.Errorf("probe %d: %d, wait %v", i+1, status, wait)
			}
			after(time.Second)
		}
		r.halt()
		r.start()
		after(time.Millisecond)
		if status, _ := r.probe(ep); status != 0 {
			t.Error("after a restart nobody knows of the probes before")
		}
		r.accept(ep, 12)
		after(30 * time.Second)
		r.probe(ep)
		after(5 * time.Minute)
		if status, _ := r.probe(ep); status != 200 {
			t.Errorf("%d after five minutes", status)
		}
		r.accept(ep, 1) // the lane knows the rate from here on
		for range 3 {
			after(time.Second)
			if status, wait := r.probe(ep); status != 200 {
				t.Errorf("%d, wait %v", status, wait)
			}
		}
		r.accept(ep, 10)
		after(10 * time.Minute)
		var times []time.Time
		for _, a := range r.got(ep) {
			times = append(times, a.at)
		}
		checkWindows(t, times, 5)
		if s := r.states(ep); s[store.Delivered] != 23 {
			t.Errorf("%v", s)
		}
		r.quiet()
	})
}

// TestProbeAfterACrash: what a crash cut off may be a whole rate.
func TestProbeAfterACrash(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a", func(e *store.Endpoint) { e.RateLimit = 5 })
		free := r.endpoint("standard", "b")
		r.crash()
		r.start()
		after(time.Millisecond)
		if status, wait := r.probe(ep); status != 0 || wait > rateWindow+maxConnect {
			t.Errorf("%d, wait %v", status, wait)
		}
		if status, _ := r.probe(free); status != 200 {
			t.Errorf("%d without a rate", status)
		}
		after(rateWindow + maxConnect)
		if status, _ := r.probe(ep); status != 200 {
			t.Errorf("%d after its minute", status)
		}
	})
}

// TestProbeTakesASlot: an endpoint that asked for one request at a time gets
// no probe beside a delivery, and no delivery beside a probe.
func TestProbeTakesASlot(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.always(reply{status: 200, after: 10 * time.Second})
		ep := r.endpoint("standard", "a", setConcurrency(1))
		r.accept(ep, 1)
		after(time.Second)
		if status, wait := r.probe(ep); status != 0 || wait != probeAgain {
			t.Errorf("%d, wait %v", status, wait)
		}
		after(20 * time.Second)
		done := make(chan int)
		go func() {
			status, _ := r.probe(ep)
			done <- status
		}()
		after(time.Second)
		r.accept(ep, 3)
		after(time.Second)
		if s := r.states(ep); s[store.Pending] != 3 {
			t.Errorf("%v while a probe is under way", s)
		}
		if status := <-done; status != 200 {
			t.Errorf("%d", status)
		}
		after(time.Minute)
		if s := r.states(ep); s[store.Delivered] != 4 || r.mostAt("a") > 1 {
			t.Errorf("%v, at most %v at a time", s, r.mostAt("a"))
		}
		r.quiet()
	})
}

// TestProbeFails: what has no answer says why; a stop ends one.
func TestProbeFails(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a")
		gone := r.endpoint("standard", "b")
		_, err := r.db.DeleteEndpoint(context.Background(), gone.ProjectID, gone.ID)
		must(t, err)
		if _, _, err := r.e.Probe(context.Background(), gone.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("deleted: %v", err)
		}
		r.always(reply{err: &egress.Error{Class: store.ClassBlocked, Detail: "no"}})
		var failed *egress.Error
		if _, _, err := r.e.Probe(context.Background(), ep.ID); !errors.As(err, &failed) || failed.Class != store.ClassBlocked {
			t.Errorf("%v", err)
		}
		mtls := r.endpoint("standard", "c", func(e *store.Endpoint) { e.Auth = store.Auth{Kind: store.AuthMTLS, Certificate: "x", PrivateKey: "y"} })
		if _, _, err := r.e.Probe(context.Background(), mtls.ID); !errors.As(err, &failed) || failed.Class != store.ClassTLS {
			t.Errorf("%v", err)
		}
		r.always(reply{status: 200, after: time.Hour})
		ended := make(chan error)
		go func() {
			_, _, err := r.e.Probe(context.Background(), ep.ID)
			ended <- err
		}()
		after(time.Second)
		e := r.e
		go r.stop()
		if err := <-ended; !errors.As(err, &failed) || failed.Class != store.ClassCancelled {
			t.Errorf("%v", err)
		}
		if _, _, err := e.Probe(context.Background(), ep.ID); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%v", err)
		}
	})
}
