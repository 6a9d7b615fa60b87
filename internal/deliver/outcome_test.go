package deliver

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// builtin finds a built-in dialect.
func builtin(t testing.TB, name string) *webhook.Dialect {
	t.Helper()
	for _, d := range webhook.Builtin() {
		if d.Name == name {
			return d
		}
	}
	t.Fatalf("no dialect %q", name)
	return nil
}

// TestEveryStatus holds the whole table: what each answer, on the first and on
// the last attempt, does to a delivery in each built-in dialect.
func TestEveryStatus(t *testing.T) {
	t.Parallel()
	for _, d := range webhook.Builtin() {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			for status := 100; status <= 599; status++ {
				for _, last := range []bool{false, true} {
					checkStatus(t, d, status, last)
				}
			}
		})
	}
}

func checkStatus(t *testing.T, d *webhook.Dialect, status int, last bool) {
	t.Helper()
	number := 1
	if last {
		number = d.Attempts()
	}
	last = number >= d.Attempts() // github: the first attempt is the last
	v := judge(d, schedule(d.Delivery.Schedule), number, result{Status: status}, noon, 0)
	want := verdict{State: store.Pending, Class: store.ClassStatus, Health: healthUp}
	switch {
	case status >= 200 && status <= 299:
		want.State, want.Class = store.Delivered, ""
	case status == 410 && !slices.Contains([]string{"tarefa", "gabinete360", "github", "stripe"}, d.Name):
		want.State, want.Reason = store.Failed, "gone"
	case last:
		want.State, want.Reason = store.Failed, "exhausted"
	}
	if status >= 300 && status <= 399 {
		want.Class = store.ClassRedirect
	}
	if status >= 500 {
		want.Health = healthDown
	}
	if v.State != want.State || v.Reason != want.Reason || v.Class != want.Class || v.Health != want.Health {
		t.Errorf("%d, attempt %d: got %s %q %s %d, want %s %q %s %d", status, number,
			v.State, v.Reason, v.Class, v.Health, want.State, want.Reason, want.Class, want.Health)
	}
	if v.State == store.Delivered {
		if v.Detail != "" || v.Effect != (store.Effect{}) || !v.Due.IsZero() {
			t.Errorf("%d: a success with %+v", status, v)
		}
		return
	}
	if !strings.Contains(v.Detail, fmt.Sprint(status)) {
		t.Errorf("%d: the detail does not name it: %q", status, v.Detail)
	}
	checkEffect(t, d, status, &v)
}

func checkEffect(t *testing.T, d *webhook.Dialect, status int, v *verdict) {
	t.Helper()
	var want store.Effect
	switch v.Reason {
	case "gone":
		want.Disable = "the receiver answered 410 Gone"
	case "exhausted":
		want.Exhausted = true
		want.Mark = d.Name == "tarefa"
		if d.Name == "gabinete360" {
			want.DisableAfter = 10
		}
	}
	if v.Effect != want {
		t.Errorf("%d: effect %+v, want %+v", status, v.Effect, want)
	}
	if (v.State == store.Pending) == v.Due.IsZero() {
		t.Errorf("%d: state %s with due %v", status, v.State, v.Due)
	}
}

func TestTransportFailures(t *testing.T) {
	t.Parallel()
	d := builtin(t, "standard")
	for class, health := range map[store.Class]health{
		store.ClassTimeout: healthDown, store.ClassConnect: healthDown, store.ClassReset: healthDown,
		store.ClassDNS: healthDown, store.ClassTLS: healthDown, store.ClassProtocol: healthDown,
		store.ClassBlocked: healthUnknown, store.ClassUnknown: healthUnknown,
	} {
		// A class wins over a status: 101 Switching Protocols is no answer.
		for _, status := range []int{0, 101, 200} {
			v := judge(d, schedule(d.Delivery.Schedule), 1, result{Status: status, Class: class, Detail: "why"}, noon, 0)
			if v.State != store.Pending || v.Class != class || v.Detail != "why" || v.Health != health || !v.Due.Equal(noon.Add(5*time.Second)) {
				t.Errorf("%s with status %d: %+v", class, status, v)
			}
		}
		if v := judge(d, schedule(d.Delivery.Schedule), d.Attempts(), result{Class: class}, noon, 0); v.Reason != reasonExhausted {
			t.Errorf("%s on the last attempt: %+v", class, v)
		}
	}
	if v := judge(d, schedule(d.Delivery.Schedule), 1, result{Class: store.ClassRender, Detail: "why"}, noon, 0); v.State != store.Failed || v.Reason != "render" || v.Effect != (store.Effect{}) {
		t.Errorf("render: %+v", v)
	}
}

// TestSpared: a fault on this side after the request may have left is
// recorded, but no schedule ends with it and no receiver is blamed.
func TestSpared(t *testing.T) {
	t.Parallel()
	d := builtin(t, "tarefa")
	for number := 1; number <= d.Attempts()+3; number++ {
		v := judge(d, schedule(d.Delivery.Schedule), number, result{Class: store.ClassUnknown, Spared: true}, noon, 0)
		if v.State != store.Pending || v.Health != healthUnknown || v.Effect != (store.Effect{}) {
			t.Errorf("attempt %d: %+v", number, v)
		}
		if number >= d.Attempts() && !v.Due.Equal(noon.Add(time.Hour)) {
			t.Errorf("attempt %d is due %s later, want the last wait again", number, v.Due.Sub(noon))
		}
	}
}

// TestSchedules plays the whole schedule of every dialect, without and with
// the most jitter.
func TestSchedules(t *testing.T) {
	t.Parallel()
	const m, h = time.Minute, time.Hour
	usual := []time.Duration{10 * time.Second, m, 5 * m, 30 * m, 2 * h, 6 * h, 12 * h, 24 * h, 24 * h}
	want := map[string][]time.Duration{
		"tarefa":      {m, 5 * m, 15 * m, h},
		"standard":    {5 * time.Second, 5 * m, 30 * m, 2 * h, 5 * h, 10 * h, 14 * h, 20 * h, 24 * h},
		"gabinete360": usual, "connectvets": usual, "habilitar": usual, "placaflow": usual,
		"github": {},
		"stripe": {4 * m, 8 * m, 16 * m, 32 * m, 64 * m, 128 * m, 256 * m, 512 * m, 1024 * m, 2048 * m},
	}
	for _, d := range webhook.Builtin() {
		for _, rnd := range []float64{0, 0.5, 0.999999} {
			now := noon
			for i, wait := range want[d.Name] {
				v := judge(d, schedule(d.Delivery.Schedule), i+1, result{Status: 500}, now, rnd)
				longest := time.Duration(float64(wait) * (1 + d.Delivery.Jitter*rnd)).Round(time.Microsecond)
				if got := v.Due.Sub(now); got < wait || got < longest-time.Millisecond || got > longest+time.Millisecond {
					t.Errorf("%s, attempt %d, rnd %v: waits %s, want %s", d.Name, i+1, rnd, got, longest)
				}
				now = v.Due
			}
			v := judge(d, schedule(d.Delivery.Schedule), len(want[d.Name])+1, result{Status: 500}, now, rnd)
			if v.State != store.Failed || v.Reason != "exhausted" {
				t.Errorf("%s does not end after %d attempts: %+v", d.Name, len(want[d.Name])+1, v)
			}
		}
		if _, known := want[d.Name]; !known {
			t.Errorf("no schedule in this table for %s", d.Name)
		}
	}
	if d := builtin(t, "tarefa"); d.Delivery.Jitter != 0 {
		t.Error("tarefa's waits are to be exact")
	}
}

// TestRetryByHand: attempts past the schedule's end are final each time, and a
// success is a success.
func TestRetryByHand(t *testing.T) {
	t.Parallel()
	d := builtin(t, "tarefa")
	if v := judge(d, schedule(d.Delivery.Schedule), 6, result{Status: 500}, noon, 0); v.Reason != "exhausted" {
		t.Errorf("sixth attempt of five: %+v", v)
	}
	if v := judge(d, schedule(d.Delivery.Schedule), 6, result{Status: 204}, noon, 0); v.State != store.Delivered {
		t.Errorf("sixth attempt of five, answered: %+v", v)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{
		"0": 0, "1": time.Second, " 120 ": 2 * time.Minute, "00030": 30 * time.Second,
		"86400": 24 * time.Hour, "86401": 24 * time.Hour, "99999999999": 24 * time.Hour,
		"9223372036854775807": 24 * time.Hour, "9223372036854775808": 24 * time.Hour, strings.Repeat("9", 64): 24 * time.Hour,
		"Sun, 01 Mar 2026 12:10:00 GMT":  10 * time.Minute,
		"Sun, 01 Mar 2026 11:59:59 GMT":  0,
		"Sunday, 01-Mar-26 12:00:30 GMT": 30 * time.Second,
		"Sun Mar  1 13:00:00 2026":       time.Hour,
		"Fri, 31 Dec 9999 23:59:59 GMT":  24 * time.Hour,
		"Thu, 01 Jan 1970 00:00:00 GMT":  0,
	} {
		if got, ok := retryAfter(value, noon); !ok || got != want {
			t.Errorf("%q: %s, %v; want %s", value, got, ok, want)
		}
	}
	for _, value := range []string{"", " ", "-1", "+1", "1.5", "1e3", "0x10", "soon", "1 2", "١", "NaN", "Inf", strings.Repeat("9", 65), "120, 60"} {
		if got, ok := retryAfter(value, noon); ok || got != 0 {
			t.Errorf("%q: %s, %v; want it ignored", value, got, ok)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"0", "99999999999", "-1", "1.5", "Sun, 01 Mar 2026 12:10:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "١٢"} {
		f.Add(s, int64(0))
	}
	f.Fuzz(func(t *testing.T, value string, at int64) {
		got, ok := retryAfter(value, time.Unix(at%1e11, 0))
		if got < 0 || got > maxRetryAfter || !ok && got != 0 {
			t.Errorf("%q: %s, %v", value, got, ok)
		}
	})
}

// TestRetryAfterDelays: never earlier than the schedule, the lane is held, and
// only where the dialect listens and the status says so.
func TestRetryAfterDelays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		dialect string
		status  int
		header  string
		due     time.Duration
		hold    time.Duration
	}{
		{"standard", 429, "60", time.Minute, time.Minute},
		{"standard", 503, "60", time.Minute, time.Minute},
		{"standard", 429, "1", 5 * time.Second, time.Second},
		{"standard", 429, "99999999999", 24 * time.Hour, 24 * time.Hour},
		{"standard", 429, "soon", 5 * time.Second, 0},
		{"standard", 429, "", 5 * time.Second, 0},
		{"standard", 500, "60", 5 * time.Second, 0},
		{"standard", 200, "60", 0, 0},
		{"tarefa", 429, "3600", time.Minute, 0},
		{"tarefa", 503, "3600", time.Minute, 0},
	} {
		v := judge(builtin(t, c.dialect), schedule(builtin(t, c.dialect).Delivery.Schedule), 1, result{Status: c.status, RetryAfter: c.header}, noon, 0)
		var due, hold time.Duration
		if !v.Due.IsZero() {
			due = v.Due.Sub(noon)
		}
		if !v.HoldUntil.IsZero() {
			hold = v.HoldUntil.Sub(noon)
		}
		if due != c.due || hold != c.hold {
			t.Errorf("%s %d %q: due after %s, held for %s; want %s, %s", c.dialect, c.status, c.header, due, hold, c.due, c.hold)
		}
	}
	d := builtin(t, "standard")
	if v := judge(d, schedule(d.Delivery.Schedule), d.Attempts(), result{Status: http.StatusTooManyRequests, RetryAfter: "60"}, noon, 0); v.Reason != reasonExhausted || v.HoldUntil.IsZero() {
		t.Errorf("the last attempt asks to wait: %+v", v)
	}
}

func TestRoundUp(t *testing.T) {
	t.Parallel()
	for ns, want := range map[int]int{0: 0, 1: 1, 999_999: 1, 1_000_000: 1, 1_000_001: 2} {
		if got := roundUp(noon.Add(time.Duration(ns))).Sub(noon); got != time.Duration(want)*time.Millisecond {
			t.Errorf("%d ns: %s", ns, got)
		}
	}
}
