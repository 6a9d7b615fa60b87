package deliver

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// TestFinishesThatFail: while the store cannot keep what came of attempts,
// they are neither forgotten nor made again.
func TestFinishesThatFail(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a")
		r.own.set(errors.New("disk on fire"), false)
		r.accept(ep, 30)
		after(5 * time.Minute)
		r.own.set(nil, false)
		if s := r.states(ep); s[store.Pending] != 30 {
			t.Errorf("%v", s)
		}
		after(time.Minute)
		once(t, r.got(ep), 30)
		if s := r.states(ep); s[store.Delivered] != 30 {
			t.Errorf("%v", s)
		}
		if n := strings.Count(r.log.String(), "disk on fire"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		r.quiet()
	})
}

// TestStuckStoreStopsSending: what waits for its commit is bounded.
func TestStuckStoreStopsSending(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a")
		r.own.set(nil, true)
		r.e.mu.Lock()
		r.e.maxSettling = 300
		r.e.mu.Unlock()
		r.accept(ep, 800)
		after(5 * time.Second)
		if n := len(r.got(ep)); n < 300 || n > 300+16 {
			t.Errorf("%d attempts without a commit", n)
		}
		r.own.set(nil, false)
		after(time.Minute)
		if s := r.states(ep); s[store.Delivered] != 800 {
			t.Errorf("%v", s)
		}
		r.quiet()
	})
}

// TestStopWithABrokenStore: a stop does not hang on a store that keeps nothing.
func TestStopWithABrokenStore(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("standard", "a")
		r.own.set(nil, true)
		r.accept(ep, 3)
		after(time.Second)
		start := time.Now()
		r.stop()
		if err := <-r.ended; err == nil {
			t.Error("no error")
		}
		if d := time.Since(start); d > commitGrace+time.Second {
			t.Errorf("stopped after %s", d)
		}
		must(t, r.db.Close())
		r.db = nil
	})
}

func TestExpiredSecretsDoNotSign(t *testing.T) {
	t.Parallel()
	of := func(ends ...time.Time) *config {
		c := &config{endpoint: &store.Endpoint{}}
		for i, end := range ends {
			s := string(rune('a' + i))
			c.secrets = append(c.secrets, s)
			c.endpoint.Secrets = append(c.endpoint.Secrets, store.SigningSecret{Value: secret.Text(s), ExpiresAt: end})
		}
		return c
	}
	later, before := noon.Add(time.Second), noon.Add(-time.Second)
	for _, c := range []struct {
		config *config
		want   string
		until  time.Time
	}{
		{of(time.Time{}), "a", time.Time{}},
		{of(time.Time{}, later), "ab", later},
		{of(time.Time{}, noon), "a", time.Time{}},
		{of(time.Time{}, before, later), "ac", later},
		{of(before), "a", time.Time{}}, // the newest never runs out
	} {
		secrets, until := c.config.inForce(noon)
		if got := strings.Join(secrets, ""); got != c.want || !until.Equal(c.until) {
			t.Errorf("%+v: %q until %s, want %q until %s", c.config.endpoint.Secrets, got, until, c.want, c.until)
		}
	}
}

// TestMarkIsClearedByASuccessThatWasUnderWay when the mark was set.
func TestMarkIsClearedByASuccessThatWasUnderWay(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("tarefa", "a")
		var failing string
		r.answers(func(a arrival) reply {
			if failing == "" {
				failing = a.event
			}
			if a.event == failing {
				return reply{status: 500}
			}
			return reply{after: 20 * time.Second}
		})
		r.accept(ep, 1)
		after(81*time.Minute - 10*time.Second) // its last attempt is ten seconds off
		r.accept(ep, 1)
		after(15 * time.Second)
		state := func() *store.Endpoint {
			got, err := r.db.Endpoint(t.Context(), r.project("tarefa").ID, ep.ID)
			must(t, err)
			return got
		}
		if state().FailedAt.IsZero() {
			t.Fatal("not marked: the case does not occur")
		}
		after(time.Minute)
		if got := state(); !got.FailedAt.IsZero() || got.FailureCount != 0 {
			t.Errorf("still marked failed at %s, %d failures", got.FailedAt, got.FailureCount)
		}
	})
}

// TestMetrics: what is counted, and that the page about it names all.
func TestMetrics(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ep := r.endpoint("tarefa", "a")
		r.answers(func(a arrival) reply {
			if a.nth == 1 {
				return reply{status: 302}
			}
			return reply{}
		})
		r.accept(ep, 3)
		after(time.Second)
		limited := r.endpoint("standard", "b", func(e *store.Endpoint) { e.RateLimit = 1 })
		r.accept(limited, 2)
		after(time.Second)
		for name, want := range map[string]string{
			"malote_delivery_attempts_total":   `malote_delivery_attempts_total{class="redirect"} 4`,
			"malote_delivery_lanes":            "malote_delivery_lanes 2",
			"malote_delivery_lanes_held":       "malote_delivery_lanes_held 1",
			"malote_deliveries_finished_total": `malote_deliveries_finished_total{state="delivered"} 0`,
		} {
			if got := r.exposed(name); !strings.Contains(got, want) {
				t.Errorf("want %s in\n%s", want, got)
			}
		}
		after(10 * time.Minute)
		if got := r.exposed("malote_deliveries_finished_total"); !strings.Contains(got, `{state="delivered"} 5`) {
			t.Error(got)
		}
		page, err := os.ReadFile("../../docs/delivery.md")
		must(t, err)
		families, err := r.metrics.Gather()
		must(t, err)
		for _, f := range families {
			if !strings.Contains(string(page), "`"+f.GetName()+"`") && !strings.Contains(string(page), "`"+f.GetName()+"{") {
				t.Errorf("docs/delivery.md does not name %s", f.GetName())
			}
		}
	})
}

// exposed renders the samples of a metric.
func (r *rig) exposed(name string) string {
	r.t.Helper()
	families, err := r.metrics.Gather()
	must(r.t, err)
	var b strings.Builder
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			b.WriteString(name)
			for _, l := range m.GetLabel() {
				fmt.Fprintf(&b, "{%s=%q}", l.GetName(), l.GetValue())
			}
			fmt.Fprintf(&b, " %g\n", m.GetCounter().GetValue()+m.GetGauge().GetValue())
		}
	}
	return b.String()
}
