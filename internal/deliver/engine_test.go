package deliver

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/store"
)

// after lets fake time pass.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// TestFirstDelivery follows one event from its acceptance to its rows.
func TestFirstDelivery(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a")
		start := time.Now()
		r.accept(ep, 1)
		after(100 * time.Millisecond)
		got := r.got(ep)
		if len(got) != 1 || got[0].at.Sub(start) > 20*time.Millisecond {
			t.Fatalf("arrivals %v", got)
		}
		if got[0].fields["webhook-signature"] == "" || !strings.Contains(got[0].body, `"n":0`) {
			t.Errorf("not a signed delivery: %v", got[0])
		}
		d := r.delivery(ep)
		if d.State != store.Delivered || d.Attempts != 1 || d.LastStatus != 200 {
			t.Errorf("%+v", d)
		}
		as := r.attempts(d)
		if len(as) != 1 || as[0].Number != 1 || as[0].Status != 200 || as[0].Class != "" || !as[0].At.Equal(got[0].at.Truncate(time.Microsecond)) {
			t.Errorf("attempts %+v", as[0])
		}
		r.quiet()
	})
}

// TestTarefaSchedule: at once, then after 1, 5, 15 and 60 minutes, to the
// second; then failed, marked, still active; the next success clears the mark.
func TestTarefaSchedule(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("tarefa", "a")
		r.always(reply{status: 410, retryAfter: "7200"})
		start := time.Now()
		r.accept(ep, 1)
		after(3 * time.Hour)
		const m = time.Minute
		if diff := cmp.Diff([]time.Duration{0, m, 6 * m, 21 * m, 81 * m}, since(start, r.got(ep))); diff != "" {
			t.Errorf("attempts: %s", diff)
		}
		for i, a := range r.got(ep) {
			if a.fields["x-delivery-attempt"] != fmt.Sprint(i+1) {
				t.Errorf("attempt %d says it is %q", i+1, a.fields["x-delivery-attempt"])
			}
			want := ""
			if i > 0 {
				want = r.got(ep)[i-1].at.UTC().Format("2006-01-02T15:04:05.000Z")
			}
			if a.fields["x-previous-attempt"] != want {
				t.Errorf("attempt %d: previous %q, want %q", i+1, a.fields["x-previous-attempt"], want)
			}
			if a.body != r.got(ep)[0].body {
				t.Errorf("attempt %d has another body", i+1)
			}
		}
		if d := r.delivery(ep); d.State != store.Failed || d.Reason != "exhausted" || d.Attempts != 5 {
			t.Errorf("%+v", d)
		}
		if now := r.reread(ep); now.State != store.Active || now.FailedAt.IsZero() || now.FailureCount != 1 {
			t.Errorf("endpoint %+v", now)
		}
		r.always(reply{})
		r.accept(ep, 1)
		after(time.Second)
		if now := r.reread(ep); !now.FailedAt.IsZero() || now.FailureCount != 0 {
			t.Errorf("a success leaves the mark: %+v", now)
		}
		r.quiet()
	})
}

// TestStandardThreeDays: ten attempts over some 75 hours, jitter within a tenth.
func TestStandardThreeDays(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a")
		r.always(reply{status: 404})
		start := time.Now()
		r.accept(ep, 1)
		after(100 * time.Hour)
		d := builtin(t, "standard")
		at := since(start, r.got(ep))
		if len(at) != d.Attempts() {
			t.Fatalf("%d attempts at %v", len(at), at)
		}
		for i := 1; i < len(at); i++ {
			wait := time.Duration(d.Delivery.Schedule[i-1])
			if got := at[i] - at[i-1]; got < wait-20*time.Millisecond || got > wait+wait/10+20*time.Millisecond {
				t.Errorf("wait %d took %s, want %s to a tenth more", i, got, wait)
			}
		}
		if d := r.delivery(ep); d.State != store.Failed || d.Reason != "exhausted" {
			t.Errorf("%+v", d)
		}
	})
}

// TestExactRate: with 500 due, no minute has 101 requests, and each full
// minute has 95 or more. Retries count.
func TestExactRate(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("tarefa", "a")
		r.answers(func(a arrival) reply {
			if a.nth == 1 && strings.HasSuffix(a.body, "7}}") {
				return reply{status: 500, after: 10 * time.Millisecond}
			}
			return reply{after: 200 * time.Millisecond}
		})
		start := time.Now()
		r.accept(ep, 500)
		after(10 * time.Minute)
		got := r.got(ep)
		if len(got) != 550 {
			t.Errorf("%d arrivals", len(got))
		}
		checkRate(t, start, got, 100)
		if s := r.states(ep); s[store.Delivered] != 500 {
			t.Errorf("%v", s)
		}
		r.quiet()
	})
}

func checkRate(t *testing.T, start time.Time, got []arrival, limit int) {
	t.Helper()
	var times []time.Time
	for _, a := range got {
		times = append(times, a.at)
	}
	checkWindows(t, times, limit)
	for m := range len(got)/limit - 1 {
		n := 0
		for _, at := range times {
			if d := at.Sub(start); d >= time.Duration(m)*time.Minute && d < time.Duration(m+1)*time.Minute {
				n++
			}
		}
		if n < limit*95/100 {
			t.Errorf("minute %d has %d requests", m, n)
		}
	}
}

// TestRateOutlivesRestart: what was sent before a restart counts after it.
func TestRateOutlivesRestart(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a", func(e *store.Endpoint) { e.RateLimit = 40 })
		start := time.Now()
		r.accept(ep, 200)
		after(20 * time.Second)
		for range 3 {
			r.halt()
			after(3 * time.Second)
			r.start()
			after(25 * time.Second)
		}
		after(10 * time.Minute)
		got := r.got(ep)
		once(t, got, 200)
		var times []time.Time
		for _, a := range got {
			times = append(times, a.at)
		}
		checkWindows(t, times, 40)
		_ = start
	})
}

// TestRateOutlivesCrash: requests that a kill left no trace of count as well.
func TestRateOutlivesCrash(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a", func(e *store.Endpoint) { e.RateLimit = 30 })
		r.always(reply{after: 3 * time.Second})
		r.accept(ep, 100)
		for range 4 {
			after(4 * time.Second)
			r.crash()
			r.start()
			after(time.Minute)
		}
		after(10 * time.Minute)
		var times []time.Time
		for _, a := range r.got(ep) {
			times = append(times, a.at)
		}
		checkWindows(t, times, 30)
		if s := r.states(ep); s[store.Delivered] != 100 {
			t.Errorf("%v", s)
		}
		if n := len(r.lost); n == 0 || n > 4*16 || len(times) != 100+n {
			t.Errorf("%d arrivals with %d attempts lost", len(times), n)
		}
	})
}

// TestBreaker: eight failures open it; then one probe after 10, 20, 40 s; the
// answered probe closes it and the rest follows, slowly at first. Waiting uses
// up no try.
func TestBreaker(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a")
		r.always(reply{after: 50 * time.Millisecond, err: &egress.Error{Class: store.ClassConnect, Detail: "refused"}})
		r.accept(ep, 400)
		after(time.Second)
		if n := len(r.got(ep)); n != 16+7 { // a full concurrency, and one more for each failure before the 8th
			t.Fatalf("%d requests before it opened", n)
		}
		at := time.Now()
		after(3 * time.Minute)
		probes := since(at, r.got(ep)[23:])
		if len(probes) != 4 { // after 10, 30, 70, 150 s and up to a fifth more
			t.Fatalf("probes %v", probes)
		}
		for i, want := range []time.Duration{9, 29, 69, 149} {
			if got := probes[i]; got < want*time.Second || got > want*time.Second*13/10 {
				t.Errorf("probe %d after %s", i, got)
			}
		}
		r.always(reply{after: 100 * time.Millisecond})
		r.resetMost()
		after(10 * time.Minute)
		if s := r.states(ep); s[store.Delivered] != 400 {
			t.Errorf("%v", s)
		}
		for _, d := range r.deliveries(ep) {
			if d.Attempts > 3 {
				t.Errorf("delivery used %d tries", d.Attempts)
			}
		}
		if r.mostAt("a") != 16 {
			t.Errorf("never back to full concurrency: %d", r.mostAt("a"))
		}
		r.said(ep, "breaker opened", 1)
		r.said(ep, "breaker closed", 1)
		r.quiet()
	})
}

// TestRecoveryProbesAtOnce: whoever asks for a recovery does not wait for an
// open breaker; one that fails leaves it open as any probe does.
func TestRecoveryProbesAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a")
		r.always(reply{after: 50 * time.Millisecond, err: &egress.Error{Class: store.ClassConnect, Detail: "refused"}})
		r.accept(ep, 400)
		after(3 * time.Minute) // the next probe is minutes away
		recover := func() {
			one := &store.Replay{ProjectID: ep.ProjectID, Kind: store.ReplayRecover, ReplayFilter: store.ReplayFilter{EndpointID: ep.ID, From: time.Now().Add(-time.Hour)}}
			if _, err := r.db.CreateReplay(t.Context(), one, nil); err != nil {
				t.Fatal(err)
			}
		}
		n := len(r.got(ep))
		recover()
		after(2 * time.Second)
		if got := len(r.got(ep)) - n; got != 1 {
			t.Fatalf("%d requests after a recovery was asked for, want one probe", got)
		}
		r.always(reply{})
		recover()
		after(time.Minute)
		if s := r.states(ep); s[store.Delivered] < 100 {
			t.Errorf("a minute after the receiver came back: %v", s)
		}
	})
}

func TestRetryAfterHoldsTheEndpoint(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep, other := r.endpoint("standard", "a"), r.endpoint("standard", "b")
		r.answers(func(a arrival) reply {
			if a.endpoint == "a" && a.nth == 1 && strings.Contains(a.body, `"n":0`) {
				return reply{status: 429, retryAfter: "90"}
			}
			return reply{}
		})
		start := time.Now()
		r.accept(ep, 1)
		after(time.Second)
		r.accept(ep, 1) // due now, but the endpoint asked for quiet
		r.acceptData(ep, 1, func(int) []byte { return []byte(`{"n":9}`) })
		r.accept(other, 1)
		after(10 * time.Minute)
		got := since(start, r.got(ep))
		if len(got) < 3 || got[0] != 0 || got[1] < 90*time.Second || got[1] > 91*time.Second {
			t.Errorf("requests at %v", got)
		}
		if got := since(start, r.got(other)); len(got) != 1 || got[0] > 2*time.Second {
			t.Errorf("neighbour at %v", got)
		}
	})
}

func TestPauseKeepsResumeDrains(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a")
		r.always(reply{after: time.Second})
		r.accept(ep, 400)
		after(500 * time.Millisecond)
		if n := r.update(ep, setState(store.Paused)); n != 16 {
			t.Errorf("%d in flight", n)
		}
		r.accept(ep, 10)
		after(time.Hour)
		if n := len(r.got(ep)); n != 16 {
			t.Errorf("%d arrivals while paused", n)
		}
		r.e.mu.Lock()
		if r.e.memory != 0 {
			t.Errorf("a paused endpoint holds %d bytes", r.e.memory)
		}
		r.e.mu.Unlock()
		r.resetMost()
		r.update(ep, setState(store.Active))
		after(900 * time.Millisecond)
		if n := r.mostAt("a"); n != 1 {
			t.Errorf("resumes with %d at once", n)
		}
		after(10 * time.Minute)
		once(t, r.got(ep), 410)
		if s := r.states(ep); s[store.Delivered] != 410 {
			t.Errorf("%v", s)
		}
		r.quiet()
	})
}

func TestCancelInFlight(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a")
		r.answers(func(a arrival) reply {
			if strings.Contains(a.body, `"n":1`) {
				return reply{after: time.Second, status: 500}
			}
			return reply{after: time.Second}
		})
		r.accept(ep, 2)
		after(500 * time.Millisecond)
		for _, d := range r.deliveries(ep) {
			_, n, err := r.db.CancelDelivery(context.Background(), d.ProjectID, d.ID)
			must(t, err)
			if n != 1 {
				t.Errorf("%d in flight", n)
			}
		}
		after(time.Hour)
		if len(r.got(ep)) != 2 {
			t.Errorf("%d arrivals", len(r.got(ep)))
		}
		// A 2xx that comes in after the cancel is a delivery; a failure is not.
		if s := r.states(ep); s[store.Delivered] != 1 || s[store.Cancelled] != 1 {
			t.Errorf("%v", s)
		}
		r.quiet()
	})
}

func TestCancelWaiting(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("tarefa", "a")
		r.always(reply{status: 500})
		r.accept(ep, 1)
		after(10 * time.Second)
		d := r.delivery(ep)
		_, n, err := r.db.CancelDelivery(context.Background(), d.ProjectID, d.ID)
		must(t, err)
		if n != 0 {
			t.Errorf("%d in flight", n)
		}
		after(3 * time.Hour)
		if len(r.got(ep)) != 1 {
			t.Errorf("%d arrivals", len(r.got(ep)))
		}
		r.quiet()
	})
}

// TestRetryNow: a person makes a delivery due; a final one gets one more try.
func TestRetryNow(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("tarefa", "a")
		r.always(reply{status: 500})
		start := time.Now()
		r.accept(ep, 1)
		after(10 * time.Second)
		d := r.delivery(ep)
		_, err := r.db.RetryDelivery(context.Background(), d.ProjectID, d.ID)
		must(t, err)
		after(time.Second)
		if n := len(r.got(ep)); n != 2 {
			t.Fatalf("%d arrivals", n)
		}
		after(5 * time.Hour)
		if d = r.delivery(ep); d.State != store.Failed || d.Attempts != 5 {
			t.Fatalf("%+v", d)
		}
		_, err = r.db.RetryDelivery(context.Background(), d.ProjectID, d.ID)
		must(t, err)
		after(5 * time.Hour)
		if d = r.delivery(ep); d.State != store.Failed || d.Attempts != 6 {
			t.Errorf("%+v", d)
		}
		r.always(reply{})
		_, err = r.db.RetryDelivery(context.Background(), d.ProjectID, d.ID)
		must(t, err)
		after(time.Second)
		if d = r.delivery(ep); d.State != store.Delivered || d.Attempts != 7 {
			t.Errorf("%+v", d)
		}
		for i, a := range r.attempts(d) {
			if a.Number != i+1 {
				t.Errorf("attempt %d has number %d", i+1, a.Number)
			}
		}
		_ = start
		r.quiet()
	})
}

func TestGoneDisables(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a", func(e *store.Endpoint) { e.RateLimit = 1 })
		r.always(reply{status: 410})
		r.accept(ep, 5)
		after(5 * time.Minute)
		if n := len(r.got(ep)); n != 1 {
			t.Errorf("%d arrivals", n)
		}
		if now := r.reread(ep); now.State != store.Disabled || now.StateReason == "" {
			t.Errorf("%+v", now)
		}
		r.said(ep, "endpoint disabled", 1)
		if s := r.states(ep); s[store.Failed] != 1 || s[store.Pending] != 4 {
			t.Errorf("%v", s)
		}
		r.always(reply{})
		r.update(ep, setState(store.Active))
		after(10 * time.Minute)
		if s := r.states(ep); s[store.Delivered] != 4 {
			t.Errorf("%v", s)
		}
	})
}

// TestGoneStopsAtOnce: from the first 410 on nothing starts, also before the
// endpoint's new state is written.
func TestGoneStopsAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a")
		r.answers(func(a arrival) reply {
			return reply{status: 410, after: time.Duration(a.seq+1) * 10 * time.Millisecond}
		})
		r.accept(ep, 100)
		after(time.Minute)
		if n := len(r.got(ep)); n != 16 {
			t.Errorf("%d arrivals", n)
		}
		if s := r.states(ep); s[store.Failed] != 16 || s[store.Pending] != 84 {
			t.Errorf("%v", s)
		}
	})
}

// TestPausesAfterTen: gabinete360's channel is paused by its tenth exhausted delivery.
func TestPausesAfterTen(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("gabinete360", "a")
		r.always(reply{status: 400})
		r.accept(ep, 12)
		after(100 * time.Hour)
		now := r.reread(ep)
		if now.State != store.Disabled || now.FailureCount != 10 {
			t.Errorf("%s after %d", now.State, now.FailureCount)
		}
		if s := r.states(ep); s[store.Failed] != 10 || s[store.Pending] != 2 {
			t.Errorf("%v", s)
		}
	})
}

// TestStopWithinGrace: what is in flight ends, nothing new starts.
func TestStopWithinGrace(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a")
		r.always(reply{after: 5 * time.Second})
		r.accept(ep, 100)
		after(time.Second)
		start := time.Now()
		r.halt()
		if d := time.Since(start); d < 4*time.Second || d > 5*time.Second {
			t.Errorf("stopped after %s", d)
		}
		if !strings.Contains(r.log.String(), "waiting for attempts that are under way\" attempts=16") {
			t.Errorf("the log does not say what a stop waits for:\n%s", r.log)
		}
		if n := len(r.got(ep)); n != 16 {
			t.Errorf("%d arrivals", n)
		}
		r.always(reply{})
		r.start()
		after(time.Minute)
		once(t, r.got(ep), 100)
		if s := r.states(ep); s[store.Delivered] != 100 {
			t.Errorf("%v", s)
		}
	})
}

// TestStopPastGrace: what does not end is cut off; it stays pending, due, and
// has lost no try.
func TestStopPastGrace(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a")
		r.always(reply{after: time.Hour})
		r.accept(ep, 3)
		after(time.Second)
		start := time.Now()
		r.halt()
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("stopped after %s", d)
		}
		r.always(reply{})
		r.start()
		for _, d := range r.deliveries(ep) {
			if d.State == store.Pending && d.Attempts != 0 {
				t.Errorf("%+v", d)
			}
		}
		after(time.Minute)
		if s := r.states(ep); s[store.Delivered] != 3 {
			t.Errorf("%v", s)
		}
		for _, d := range r.deliveries(ep) {
			if d.Attempts != 1 {
				t.Errorf("%d tries", d.Attempts)
			}
		}
	}, func(r *rig) { r.limits.Grace = 2 * time.Second })
}

// TestDeadEndpointCostsNeighboursNothing: one endpoint that times out, with
// 10,000 due, beside a healthy one.
func TestDeadEndpointCostsNeighboursNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		dead, well := r.endpoint("tarefa", "dead", func(e *store.Endpoint) { e.RateLimit = 1_000_000 }), r.endpoint("standard", "well")
		r.answers(func(a arrival) reply {
			if a.endpoint == "dead" {
				return reply{after: 30 * time.Second, err: &egress.Error{Class: store.ClassTimeout}}
			}
			return reply{}
		})
		r.accept(dead, 10_000)
		after(time.Second)
		for range 50 {
			start := time.Now()
			r.accept(well, 1)
			after(2 * time.Second)
			got := r.got(well)
			if d := got[len(got)-1].at.Sub(start); d > 20*time.Millisecond {
				t.Errorf("the neighbour waits %s", d)
			}
		}
		once(t, r.got(well), 50)
		if n := r.mostAt("dead"); n != 16 {
			t.Errorf("%d in flight at the dead one", n)
		}
	})
}

// TestSlowEndpoint: 600 deliveries to one that takes 8 s.
func TestSlowEndpoint(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		slow, well := r.endpoint("standard", "slow"), r.endpoint("standard", "well")
		r.answers(func(a arrival) reply {
			if a.endpoint == "slow" {
				return reply{after: 8 * time.Second}
			}
			return reply{}
		})
		r.accept(slow, 600)
		start := time.Now()
		r.accept(well, 300)
		after(time.Second)
		for _, d := range since(start, r.got(well)) {
			if d > 100*time.Millisecond {
				t.Errorf("the neighbour waits %s", d)
			}
		}
		after(10 * time.Minute)
		once(t, r.got(slow), 600)
		once(t, r.got(well), 300)
		if last := since(start, r.got(slow)); last[599] > 8*time.Second*600/16+time.Second {
			t.Errorf("the slow one's last request after %s", last[599])
		}
		r.quiet()
	})
}

// TestHostLimit: endpoints behind one host share its limit, in turn.
func TestHostLimit(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.always(reply{after: time.Second})
		var eps []*store.Endpoint
		for i := range 8 {
			name := fmt.Sprintf("e%d", i)
			eps = append(eps, r.endpoint("standard", name, func(e *store.Endpoint) { e.URL = "http://127.0.0.1:9/" + name }))
		}
		for _, ep := range eps {
			r.accept(ep, 10)
		}
		most := 0
		for range 60 {
			after(490 * time.Millisecond)
			n := 0
			for i := range eps {
				n += r.busyAt(fmt.Sprintf("e%d", i))
			}
			most = max(most, n)
		}
		if most != 3 {
			t.Errorf("%d at one host", most)
		}
		for _, ep := range eps {
			once(t, r.got(ep), 10)
			if at := r.got(ep); at[0].at.Sub(r.all()[0].at) > 4*time.Second {
				t.Errorf("%s had to wait %s for its first turn", ep.URL, at[0].at.Sub(r.all()[0].at))
			}
		}
		r.quiet()
	}, func(r *rig) { r.limits.PerHost = 3 })
}

// TestOverflowIsReadBack: more than memory may hold, to endpoints that
// answer; each arrives once, in order of acceptance as far as one is sent at
// a time, and memory stays within its bound.
func TestOverflowIsReadBack(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a, b := r.endpoint("standard", "a"), r.endpoint("standard", "b")
		most := int64(0)
		r.answers(func(arrival) reply {
			r.e.mu.Lock()
			most = max(most, r.e.memory)
			r.e.mu.Unlock()
			return reply{after: time.Millisecond}
		})
		for range 3 {
			r.accept(a, 400)
			r.accept(b, 400)
		}
		after(5 * time.Minute)
		once(t, r.got(a), 1200)
		once(t, r.got(b), 1200)
		if limit := r.limits.Memory; most > limit {
			t.Errorf("%d bytes in memory, limit %d", most, limit)
		}
		r.quiet()
	}, func(r *rig) {
		r.limits.Memory = 100_000
		r.limits.PerEndpoint = 4
	})
}

// TestMemoryIsBounded: 5,000 accepted for a dead endpoint.
func TestMemoryIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		dead := r.endpoint("standard", "dead")
		r.always(reply{err: &egress.Error{Class: store.ClassConnect}})
		r.accept(dead, 5000)
		after(time.Minute)
		r.e.mu.Lock()
		l := r.e.lanes[dead.ID]
		if r.e.memory > 256<<10 || len(l.held) > laneItems+16 {
			t.Errorf("%d bytes, %d deliveries held", r.e.memory, len(l.held))
		}
		if !l.behind {
			t.Error("not behind")
		}
		r.e.mu.Unlock()
		r.always(reply{})
		after(2 * time.Hour)
		if s := r.states(dead); s[store.Delivered] != 5000 {
			t.Errorf("%v", s)
		}
		r.quiet()
	})
}

// TestMemoryGoesToWhoCanSend: slow endpoints fill the memory; a healthy one
// still gets through.
func TestMemoryGoesToWhoCanSend(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.answers(func(a arrival) reply {
			if a.endpoint == "well" {
				return reply{}
			}
			return reply{after: 20 * time.Second}
		})
		big := func(int) []byte { return []byte(`{"x":"` + strings.Repeat("x", 10_000) + `"}`) }
		for i := range 10 {
			r.acceptData(r.endpoint("standard", fmt.Sprintf("slow%d", i)), 50, big)
		}
		well := r.endpoint("standard", "well")
		start := time.Now()
		r.acceptData(well, 20, big)
		after(time.Second)
		if got := since(start, r.got(well)); len(got) != 20 || got[19] > 200*time.Millisecond {
			t.Errorf("%d of 20 at %v", len(got), got)
		}
		after(time.Hour)
		for i := range 10 {
			n := 0
			for _, a := range r.all() {
				if a.endpoint == fmt.Sprintf("slow%d", i) {
					n++
				}
			}
			if n != 50 {
				t.Errorf("slow%d got %d of 50", i, n)
			}
		}
		r.quiet()
	}, func(r *rig) { r.limits.Memory = 3 << 20 })
}

// TestOurOwnFaults: no network for an hour. No try is used up, no endpoint is
// blamed, it is said once, and everything arrives when it is back.
func TestOurOwnFaults(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var eps []*store.Endpoint
		for i := range 6 {
			eps = append(eps, r.endpoint("standard", fmt.Sprintf("e%d", i)))
		}
		r.always(reply{err: &egress.Error{Class: store.ClassDNS, Detail: "resolver", Ours: true}})
		for _, ep := range eps {
			r.accept(ep, 20)
		}
		after(time.Hour)
		tried := len(r.all())
		if tried > 6*20*60*2 {
			t.Errorf("%d tries in an hour", tried)
		}
		r.answers(nil)
		after(2 * time.Minute)
		for _, ep := range eps {
			for _, d := range r.deliveries(ep) {
				if d.State != store.Delivered || d.Attempts != 1 {
					t.Errorf("%s after %d attempts", d.State, d.Attempts)
				}
			}
		}
		if n := strings.Count(r.log.String(), "sending pauses"); n != 1 {
			t.Errorf("said %d times: %s", n, r.log)
		}
		r.quiet()
	})
}

// TestAFaultOfOneIsItsOwn: what works for the others is not our fault: the
// endpoint's deliveries use up their tries after all.
func TestAFaultOfOneIsItsOwn(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		odd, well := r.endpoint("tarefa", "odd"), r.endpoint("tarefa", "well")
		r.answers(func(a arrival) reply {
			if a.endpoint == "odd" {
				return reply{err: &egress.Error{Class: store.ClassConnect, Detail: "no route", Ours: true}}
			}
			return reply{}
		})
		r.accept(odd, 1)
		for range 120 {
			r.accept(well, 1)
			after(time.Minute)
		}
		if d := r.delivery(odd); d.State != store.Failed || d.Attempts != 5 {
			t.Errorf("%+v", d)
		}
		once(t, r.got(well), 120)
	})
}

// TestPanicIsOneAttempts: the others go on, nothing of the payload is logged.
func TestPanicIsOneAttempts(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("tarefa", "a")
		r.answers(func(a arrival) reply {
			return reply{panics: strings.Contains(a.body, "canary")}
		})
		r.accept(ep, 3)
		r.acceptData(ep, 1, func(int) []byte { return []byte(`{"secret":"canary"}`) })
		r.accept(ep, 3)
		after(2 * time.Hour)
		if s := r.states(ep); s[store.Delivered] != 6 || s[store.Failed] != 1 {
			t.Errorf("%v", s)
		}
		if log := r.log.String(); !strings.Contains(log, "panic in an attempt") || strings.Contains(log, "canary") {
			t.Errorf("log: %s", log)
		}
		r.quiet()
	})
}

// TestStandstill: this process slept through an attempt. It is recorded, the
// receiver is not blamed, and no schedule ends with it.
func TestStandstill(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("tarefa", "a")
		r.answers(func(a arrival) reply {
			return reply{after: 2 * time.Minute, stubborn: true, err: &egress.Error{Class: store.ClassTimeout, Detail: "no answer in 30 s"}}
		})
		r.accept(ep, 1)
		after(8 * time.Hour)
		d := r.delivery(ep)
		if d.State != store.Pending || d.Attempts < 6 {
			t.Errorf("%+v", d)
		}
		for _, a := range r.attempts(d) {
			if a.Class != store.ClassUnknown || !strings.Contains(a.Detail, "stood still") {
				t.Errorf("%s: %s", a.Class, a.Detail)
			}
		}
		if now := r.reread(ep); now.FailureCount != 0 {
			t.Errorf("the endpoint is blamed")
		}
	})
}

// TestChangedURL: after the change is answered, no attempt goes to the old
// one but those it reported.
func TestChangedURL(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "old")
		r.always(reply{after: 30 * time.Millisecond})
		r.accept(ep, 2000)
		after(time.Second)
		n := r.update(ep, func(e *store.Endpoint) { e.URL = "http://127.0.0.1:9/new" })
		before := len(r.got(ep))
		after(10 * time.Minute)
		old := r.got(ep)
		if late := len(old) - before; late > n {
			t.Errorf("%d arrivals at the old URL after the change, reported %d in flight", late, n)
		}
		once(t, r.all(), 2000)
		r.quiet()
	})
}

func TestDeletedEndpoint(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a")
		r.always(reply{after: time.Second, status: 500})
		r.accept(ep, 1000)
		after(1500 * time.Millisecond)
		n, err := r.db.DeleteEndpoint(context.Background(), ep.ProjectID, ep.ID)
		must(t, err)
		before := len(r.got(ep))
		if n == 0 || n != r.busyAt("a") {
			t.Errorf("%d in flight, said %d", r.busyAt("a"), n)
		}
		after(24 * time.Hour)
		if now := len(r.got(ep)); now != before {
			t.Errorf("%d arrivals after the deletion", now-before)
		}
		r.quiet()
	})
}

// TestIdleLanesAreDropped: memory does not remember every endpoint for ever.
func TestIdleLanesAreDropped(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for i := range 50 {
			r.accept(r.endpoint("standard", fmt.Sprintf("e%d", i)), 1)
		}
		after(time.Second)
		r.e.mu.Lock()
		if len(r.e.lanes) != 50 || len(r.e.hosts) != 50 {
			t.Errorf("%d lanes, %d hosts", len(r.e.lanes), len(r.e.hosts))
		}
		r.e.mu.Unlock()
		after(2 * time.Minute)
		r.e.mu.Lock()
		if len(r.e.lanes) != 0 || len(r.e.hosts) != 0 || len(r.e.timers) != 0 {
			t.Errorf("%d lanes, %d hosts, %d timers", len(r.e.lanes), len(r.e.hosts), len(r.e.timers))
		}
		r.e.mu.Unlock()
		r.quiet()
	}, func(r *rig) { r.sweep = sweepEvery })
}

// TestRunOnce: an engine runs once.
func TestRunOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		after(time.Second)
		if err := r.e.Run(context.Background()); err == nil {
			t.Error("runs twice")
		}
	})
}

// TestReceiverCallsBack: a receiver that cancels, pauses or deletes from
// within its handler is answered before its own answer is.
func TestReceiverCallsBack(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a")
		ctx := context.Background()
		var inFlight []int
		r.answers(func(a arrival) reply {
			switch {
			case strings.Contains(a.body, `"n":0`):
				_, n, err := r.db.CancelDelivery(ctx, ep.ProjectID, r.deliveries(ep)[1].ID)
				inFlight = append(inFlight, n)
				must(t, err)
			case strings.Contains(a.body, `"n":2`):
				inFlight = append(inFlight, r.update(ep, setState(store.Paused)))
			}
			return reply{}
		})
		r.accept(ep, 4)
		after(time.Minute)
		if len(r.got(ep)) != 2 || !slices.Equal(inFlight, []int{0, 1}) {
			t.Errorf("%d arrivals, in flight %v", len(r.got(ep)), inFlight)
		}
		r.answers(func(arrival) reply {
			n, err := r.db.DeleteEndpoint(ctx, ep.ProjectID, ep.ID)
			inFlight = append(inFlight, n)
			must(t, err)
			return reply{status: 500}
		})
		r.update(ep, setState(store.Active))
		after(24 * time.Hour)
		if len(r.got(ep)) != 3 || inFlight[2] != 1 {
			t.Errorf("%d arrivals, in flight %v", len(r.got(ep)), inFlight)
		}
		r.quiet()
	}, func(r *rig) { r.limits.PerEndpoint = 1 })
}

// TestOneEventTwoEndpoints: each delivery has its own schedule.
func TestOneEventTwoEndpoints(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a := r.endpoint("tarefa", "a")
		b := r.endpoint("tarefa", "b", func(e *store.Endpoint) { e.Consumer = a.Consumer })
		r.answers(func(x arrival) reply {
			if x.endpoint == "b" {
				return reply{status: 500, after: 10 * time.Second}
			}
			return reply{status: 500}
		})
		subs, err := r.db.Subscriptions(context.Background(), a.ProjectID, a.Consumer)
		must(t, err)
		start := time.Now()
		_, err = r.db.Accept(context.Background(), []*store.Acceptance{{
			Event:     &store.Event{ProjectID: a.ProjectID, Consumer: a.Consumer, Type: "task.created", Data: []byte(`{}`), Dialect: "tarefa/1"},
			Endpoints: []store.ID{a.ID, b.ID}, Version: subs.Version,
		}})
		must(t, err)
		after(3 * time.Hour)
		const m, s = time.Minute, time.Second
		if diff := cmp.Diff([]time.Duration{0, m, 6 * m, 21 * m, 81 * m}, since(start, r.got(a))); diff != "" {
			t.Errorf("a: %s", diff)
		}
		if diff := cmp.Diff([]time.Duration{0, m + 10*s, 6*m + 20*s, 21*m + 30*s, 81*m + 40*s}, since(start, r.got(b))); diff != "" {
			t.Errorf("b: %s", diff)
		}
	})
}

// TestRestartStartsSlowly: what waited through a restart does not come all at once.
func TestRestartStartsSlowly(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("tarefa", "a")
		r.always(reply{after: 10 * time.Second})
		r.accept(ep, 50)
		after(time.Second)
		r.halt()
		r.resetMost()
		r.start()
		after(9 * time.Second)
		if n := r.mostAt("a"); n != 1 {
			t.Errorf("%d at once", n)
		}
		after(time.Minute)
		if n := r.mostAt("a"); n != 16 {
			t.Errorf("%d at once later", n)
		}
	})
}

// TestKeptAnswersAreBounded: a dead endpoint's error pages do not fill the disk.
func TestKeptAnswersAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("tarefa", "a", func(e *store.Endpoint) { e.RateLimit = 10_000 })
		r.always(reply{status: 404, body: make([]byte, 1<<20)})
		r.accept(ep, 200)
		after(10 * time.Second)
		kept, whole := 0, 0
		for _, d := range r.deliveries(ep) {
			for _, a := range r.attempts(d) {
				kept += len(a.ResponseBody)
				if len(a.ResponseBody) == answerMax {
					whole++
				}
			}
		}
		if whole < 16 || kept > answerBudget+16*answerMax+200*answerMin {
			t.Errorf("%d bytes kept, %d whole", kept, whole)
		}
	})
}

// TestRotation: a secret signs until its end, and not after.
func TestRotation(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a", func(e *store.Endpoint) {
			old := e.Secrets[0]
			old.ExpiresAt = time.Now().Add(time.Hour)
			e.Secrets = []store.SigningSecret{{Value: "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", CreatedAt: time.Now()}, old}
		})
		r.accept(ep, 1)
		after(2 * time.Hour)
		r.accept(ep, 1)
		after(time.Second)
		got := r.got(ep)
		for i, want := range []int{2, 1} {
			if n := len(strings.Fields(got[i].fields["webhook-signature"])); n != want {
				t.Errorf("request %d carries %d signatures, want %d", i+1, n, want)
			}
		}
	})
}

// TestManySlowEndpoints: more slow endpoints than there are slots for leave
// room for one that is not.
func TestManySlowEndpoints(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.answers(func(a arrival) reply {
			if a.endpoint == "well" {
				return reply{after: 5 * time.Millisecond}
			}
			return reply{after: 19 * time.Second}
		})
		for i := range 40 {
			r.accept(r.endpoint("standard", fmt.Sprintf("slow%d", i)), 30)
		}
		well := r.endpoint("standard", "well")
		after(time.Second)
		if n := len(r.all()); n < 400 || n > 500 {
			t.Errorf("%d slots taken by the slow ones", n)
		}
		for range 20 {
			start := time.Now()
			r.accept(well, 10)
			after(2 * time.Second)
			got := r.got(well)
			if len(got) == 0 {
				t.Fatal("the healthy one gets nothing")
			}
			if d := got[len(got)-1].at.Sub(start); d > 150*time.Millisecond {
				t.Errorf("the healthy one waits %s", d)
			}
		}
		after(2 * time.Hour)
		if n := len(r.all()); n != 40*30+200 {
			t.Errorf("%d arrivals", n)
		}
		r.quiet()
	})
}
