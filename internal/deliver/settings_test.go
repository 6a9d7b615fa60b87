package deliver

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

func setSchedule(waits ...time.Duration) func(*store.Endpoint) {
	return func(e *store.Endpoint) { e.Settings.Schedule = append([]time.Duration{}, waits...) }
}

func setConcurrency(n int) func(*store.Endpoint) {
	return func(e *store.Endpoint) { e.Settings.Concurrency = n }
}

// TestOwnSchedule: the endpoint's waits take the place of the dialect's, also
// none at all, and end where they end.
func TestOwnSchedule(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.always(reply{status: 500})
		own := r.endpoint("tarefa", "own", setSchedule(3*time.Second, 20*time.Second))
		one := r.endpoint("tarefa", "one", setSchedule())
		usual := r.endpoint("tarefa", "usual")
		start := time.Now()
		for _, ep := range []*store.Endpoint{own, one, usual} {
			r.accept(ep, 1)
		}
		after(3 * time.Hour)
		for ep, want := range map[*store.Endpoint][]time.Duration{
			own:   {0, 3 * time.Second, 23 * time.Second},
			one:   {0},
			usual: {0, time.Minute, 6 * time.Minute, 21 * time.Minute, 81 * time.Minute},
		} {
			if got := since(start, r.got(ep)); !slices.Equal(got, want) {
				t.Errorf("%s: sent at %v, want %v", ep.URL, got, want)
			}
			d := r.delivery(ep)
			if d.State != store.Failed || d.Reason != reasonExhausted || d.Attempts != len(want) || r.reread(ep).FailedAt.IsZero() {
				t.Errorf("%s: %+v", ep.URL, d)
			}
		}
	})
}

// TestScheduleOfPendingWork: a change counts at the next decision, without a
// restart and in both directions; what is due already stays due then.
func TestScheduleOfPendingWork(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.always(reply{status: 500})
		ep := r.endpoint("tarefa", "a")
		start := time.Now()
		r.accept(ep, 1)
		after(30 * time.Second)
		r.update(ep, setSchedule(time.Second, 2*time.Second, 3*time.Second)) // the second try is due at 1 min
		after(31 * time.Second)
		r.update(ep, func(e *store.Endpoint) { e.Settings.Schedule = nil }) // the third is due 2 s after it
		after(10 * time.Minute)
		r.update(ep, setSchedule(time.Second)) // shorter than what was tried
		after(3 * time.Hour)
		want := []time.Duration{0, time.Minute, 62 * time.Second, 62*time.Second + 15*time.Minute}
		if got := since(start, r.got(ep)); !slices.Equal(got, want) {
			t.Errorf("sent at %v, want %v", got, want)
		}
		if d := r.delivery(ep); d.State != store.Failed || d.Reason != reasonExhausted {
			t.Errorf("%+v", d)
		}
		// A person's retry is one more try, whatever the schedule is.
		_, err := r.db.RetryDelivery(context.Background(), ep.ProjectID, r.delivery(ep).ID)
		must(t, err)
		after(time.Hour)
		if d := r.delivery(ep); d.State != store.Failed || d.Attempts != 5 {
			t.Errorf("after a retry by hand: %+v", d)
		}
	})
}

// TestOwnConcurrency: more and fewer than the engine's, changed while sending.
func TestOwnConcurrency(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.always(reply{after: 10 * time.Second})
		few := r.endpoint("tarefa", "few", setConcurrency(2), func(e *store.Endpoint) { e.RateLimit = 6000 })
		many := r.endpoint("standard", "many", setConcurrency(store.MaxConcurrency))
		usual := r.endpoint("standard", "usual")
		for _, ep := range []*store.Endpoint{few, many, usual} {
			r.accept(ep, 200)
		}
		after(25 * time.Second)
		for name, want := range map[string]int{"few": 2, "usual": 16} {
			if got := r.mostAt(name); got != want {
				t.Errorf("%s: %d at a time, want %d", name, got, want)
			}
		}
		// 64 of 512 slots, less the share that is left for others.
		if got := r.mostAt("many"); got <= 16 || got > store.MaxConcurrency {
			t.Errorf("many: %d at a time", got)
		}
		r.update(many, setConcurrency(1))
		after(10 * time.Second)
		r.resetMost()
		r.update(few, setConcurrency(0))
		after(25 * time.Second)
		if got := r.mostAt("many"); got != 1 {
			t.Errorf("many, then one: %d at a time", got)
		}
		if got := r.mostAt("few"); got != 16 {
			t.Errorf("few, then the engine's: %d at a time", got)
		}
		after(time.Hour)
		for _, ep := range []*store.Endpoint{few, many, usual} {
			once(t, r.got(ep), 200)
		}
		r.quiet()
	})
}

// TestRateWithOwnConcurrency: an exact rate stays exact over a kill, also
// where more may have been under way than the engine's default, and where the
// concurrency was lowered just before.
func TestRateWithOwnConcurrency(t *testing.T) {
	t.Parallel()
	for _, lowered := range []bool{false, true} {
		inBubbleNamed(t, map[bool]string{false: "kept", true: "lowered"}[lowered], func(t *testing.T, r *rig) {
			ep := r.endpoint("tarefa", "a", setConcurrency(40))
			r.accept(ep, 300)
			r.always(reply{after: 20 * time.Second})
			after(30 * time.Second)
			if n := r.busyAt("a"); n < 20 {
				t.Fatalf("%d under way", n)
			}
			if lowered {
				r.update(ep, setConcurrency(1))
			}
			r.crash()
			r.start()
			r.answers(nil)
			after(20 * time.Minute)
			if !lowered {
				after(20 * time.Minute)
			}
			got := r.got(ep)
			for i := range got {
				if i >= 100 && got[i].at.Sub(got[i-100].at) < time.Minute {
					t.Fatalf("101 within %s", got[i].at.Sub(got[i-100].at))
				}
			}
			if s := r.states(ep); s[store.Delivered] != 300 {
				t.Errorf("%v", s)
			}
		})
	}
}

// inBubbleNamed is inBubble for a case of a table.
func inBubbleNamed(t *testing.T, name string, test func(t *testing.T, r *rig)) {
	t.Run(name, func(t *testing.T) { inBubble(t, test) })
}

// timeouts remembers the deadlines of requests.
type timeouts struct {
	mu    sync.Mutex
	seen  []time.Duration
	whole []time.Duration
}

func (x *timeouts) Send(_ context.Context, req *egress.Request) (*egress.Response, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seen, x.whole = append(x.seen, req.Total), append(x.whole, req.Whole)
	return &egress.Response{Status: 200}, nil
}

func TestOwnTimeout(t *testing.T) {
	x := &timeouts{}
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("tarefa", "a")
		for _, want := range []time.Duration{0, 3 * time.Second, 0, store.MaxTimeout} {
			r.update(ep, func(e *store.Endpoint) { e.Settings.Timeout = want })
			r.accept(ep, 1)
			after(time.Minute)
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		want := []time.Duration{30 * time.Second, 3 * time.Second, 30 * time.Second, store.MaxTimeout}
		if !slices.Equal(x.seen, want) || x.whole[1] != 0 {
			t.Errorf("limits %v and %v, want %v", x.seen, x.whole, want)
		}
	}, func(r *rig) { r.sender = x })
}

// TestAuthOverTheWire: user name and password, or a token, stand in the
// request behind the signature, and [redacted] in what is kept of it.
func TestAuthOverTheWire(t *testing.T) {
	var mu sync.Mutex
	var got []string
	overWire(t, func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		mu.Lock()
		got = append(got, strings.Join(req.Header["Authorization"], "|"))
		mu.Unlock()
	}, func(t *testing.T, r *rig, _ *wire) {
		ep := r.endpoint("standard", "a")
		for _, a := range []store.Auth{
			{Kind: store.AuthBasic, Username: "joão", Password: "pass-canary"},
			{Kind: store.AuthBearer, Token: "token-canary"},
			{},
		} {
			r.update(ep, func(e *store.Endpoint) { e.Auth = a })
			r.accept(ep, 1)
			after(time.Second)
		}
		mu.Lock()
		defer mu.Unlock()
		basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("joão:pass-canary"))
		if want := []string{basic, "Bearer token-canary", ""}; !slices.Equal(got, want) {
			t.Errorf("sent %q, want %q", got, want)
		}
		for i, d := range r.deliveries(ep) {
			head := string(r.attempts(d)[0].RequestHead)
			if strings.Contains(head, "canary") || strings.Contains(head, basic) || strings.Contains(head, "Authorization: [redacted]\r\n") != (i < 2) {
				t.Errorf("kept as %q", head)
			}
			if i < 2 && strings.Index(head, "Authorization") < strings.Index(head, "webhook-signature") {
				t.Errorf("not behind the signature: %q", head)
			}
		}
	})
}

// TestHintOfARefusal: a 401 names the rotation that is under way, and the
// authentication; nothing where there is neither.
func TestHintOfARefusal(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.always(reply{status: 401})
		rotating := func(e *store.Endpoint) {
			e.Secrets[0].ExpiresAt = time.Now().Add(time.Hour)
			fresh := store.SigningSecret{Value: "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", CreatedAt: time.Now()}
			e.Secrets = append([]store.SigningSecret{fresh}, e.Secrets...)
		}
		basic := func(e *store.Endpoint) {
			e.Auth = store.Auth{Kind: store.AuthBasic, Username: "u", Password: "p-canary"}
		}
		for _, c := range []struct {
			dialect, name string
			change        []func(*store.Endpoint)
			want          string
		}{
			{"standard", "plain", nil, "answered 401 Unauthorized; is the receiver checking the signature with this endpoint's secret?"},
			{"standard", "both", []func(*store.Endpoint){rotating}, "; its secret is being rotated: the old and the new one both sign until 2000-01-01T01:00:00Z"},
			{"tarefa", "old", []func(*store.Endpoint){rotating, basic}, "; its secret is being rotated: the old one signs until 2000-01-01T01:00:00Z, then the new one; does it know this endpoint's user name and password?"},
		} {
			ep := r.endpoint(c.dialect, c.name, c.change...)
			r.accept(ep, 1)
			after(50 * time.Millisecond) // a finish may wait for company
			a := r.attempts(r.delivery(ep))[0]
			if !strings.HasSuffix(a.Detail, c.want) || strings.Contains(a.Detail, "canary") {
				t.Errorf("%s: %q", c.name, a.Detail)
			}
		}
	})
}

// TestFaultyCertificate: what does not parse any more is not sent without, and
// uses up tries, so that a new one heals it.
func TestFaultyCertificate(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a", func(e *store.Endpoint) {
			e.Auth = store.Auth{Kind: store.AuthMTLS, Certificate: "no PEM", PrivateKey: secret.Text("key-canary")}
		})
		r.accept(ep, 1)
		after(time.Second)
		d := r.delivery(ep)
		a := r.attempts(d)[0]
		if len(r.got(ep)) != 0 || d.State != store.Pending || a.Class != store.ClassTLS || !strings.Contains(a.Detail, "client certificate is not PEM") {
			t.Errorf("%+v, %+v", d, a)
		}
		r.update(ep, func(e *store.Endpoint) { e.Auth = store.Auth{} })
		after(time.Minute)
		if d := r.delivery(ep); d.State != store.Delivered {
			t.Errorf("%+v", d)
		}
	})
}

// TestFailedTestsStopNothing: a test shows whether an endpoint works. That it
// fails, however often, counts as no failure, marks and disables nothing.
func TestFailedTestsStopNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.always(reply{status: 500})
		ep := r.endpoint("gabinete360", "a", setSchedule())
		test := func() {
			d, _ := r.catalog.Lookup("gabinete360")
			subs, err := r.db.Subscriptions(t.Context(), ep.ProjectID, ep.Consumer)
			must(t, err)
			out, err := r.db.Accept(t.Context(), []*store.Acceptance{{
				Event:     &store.Event{ProjectID: ep.ProjectID, Consumer: ep.Consumer, Type: "price_change", Time: time.Now(), Data: []byte(`{}`), Dialect: d.Ref(), Test: true},
				Endpoints: []store.ID{ep.ID}, Version: subs.Version,
			}})
			must(t, err)
			must(t, out[0].Err)
			after(time.Hour)
		}
		for range 12 {
			test()
		}
		all := r.deliveries(ep)
		if len(all) != 12 || all[11].State != store.Failed || all[11].Reason != reasonExhausted {
			t.Fatalf("%d deliveries, the last %+v", len(all), all[len(all)-1])
		}
		if e := r.reread(ep); e.FailureCount != 0 || !e.FailedAt.IsZero() || e.State != store.Active {
			t.Errorf("%d failures, failed at %v, %s", e.FailureCount, e.FailedAt, e.State)
		}
		r.accept(ep, 1)
		after(time.Hour)
		if e := r.reread(ep); e.FailureCount != 1 { // what is no test counts
			t.Errorf("%d failures", e.FailureCount)
		}
	})
}
