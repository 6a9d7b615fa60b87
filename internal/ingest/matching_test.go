package ingest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/match"
	"github.com/malote-dev/malote/internal/store"
)

func channelNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("c%d", i)
	}
	return names
}

// ruled makes an endpoint with channels and a filter.
func (f *fixture) ruled(consumer string, r match.Rules, types ...string) *store.Endpoint {
	f.t.Helper()
	e := f.endpoint(consumer, types...)
	_, _, err := f.db.UpdateEndpoint(f.t.Context(), f.project, e.ID, func(e *store.Endpoint) error {
		e.Settings.Channels, e.Settings.Filter = r.Channels, r.Filter
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return e
}

// TestChannelsAndFilters: who gets an event, and what is said where nobody does.
func TestChannelsAndFilters(t *testing.T) {
	t.Parallel()
	f := setup(t, "standard")
	f.endpoint("shop", "order.*")
	f.ruled("shop", match.Rules{Channels: []string{"store-7", "store-8"}}, "order.*")
	f.ruled("shop", match.Rules{Filter: "data.amount > 100"}, "order.*")
	f.ruled("shop", match.Rules{Channels: []string{"store-7"}, Filter: "data.amount > 100"}, "order.paid")
	f.ruled("one", match.Rules{Channels: []string{"x"}}, "*")
	f.ruled("two", match.Rules{Filter: `data.status == "paid"`}, "*")
	f.ruled("mix", match.Rules{Channels: []string{"x"}}, "*")
	f.ruled("mix", match.Rules{Filter: `data.status == "paid"`}, "*")
	f.endpoint("mix", "other")
	event := func(consumer, eventType, data string, channels ...string) Request {
		return Request{Type: eventType, Consumer: consumer, Data: []byte(data), Channels: channels}
	}
	for _, c := range []struct {
		r          Request
		deliveries int
		unreached  string
	}{
		{event("shop", "order.paid", `{"amount":5}`), 1, ""},
		{event("shop", "order.paid", `{"amount":101}`), 2, ""},
		{event("shop", "order.paid", `{"amount":5}`, "store-8"), 2, ""},
		{event("shop", "order.paid", `{"amount":5}`, "store-9"), 1, ""},
		{event("shop", "order.paid", `{"amount":500}`, "store-9", "store-7"), 4, ""},
		{event("shop", "order.made", `{"amount":500}`, "store-7"), 3, ""},
		{event("shop", "order.paid", `{}`, "store-7"), 4, ""}, // no amount: filters cannot be judged, and keep nothing back
		{event("shop", "order.paid", `{"amount":"x"}`, "store-8"), 3, ""},
		{event("shop", "user.made", `{}`), 0, "none of the 4 endpoints of consumer shop wants user.made"},
		{event("one", "a", `1`, "y"), 0, "the only endpoint of consumer one wants a on other channels"},
		{event("one", "a", `1`), 0, "the only endpoint of consumer one wants a on other channels"},
		{event("one", "a", `1`, "x"), 1, ""},
		{event("two", "a", `{"status":"open"}`), 0, "the filter of the only endpoint of consumer two is false for this event"},
		{event("mix", "a", `{"status":"open"}`), 0, "none of the 3 endpoints of consumer mix wants this event: not 1 by their event types, 1 by their channels, 1 by their filters"},
	} {
		r := f.accept(c.r)[0]
		if r.Err != nil || r.Deliveries != c.deliveries || r.Unreached != c.unreached {
			t.Errorf("%s %s %s %v: %+v", c.r.Consumer, c.r.Type, c.r.Data, c.r.Channels, r)
		}
		e, err := f.db.Event(t.Context(), f.project, r.EventID)
		if err != nil || e.Unreached != c.unreached || len(e.Channels) != len(c.r.Channels) || !slices.IsSorted(e.Channels) {
			t.Errorf("%+v %v", e, err)
		}
	}
	if p := f.db.Counters().Filters.Problems; p["missing_field"] != 2 || p["wrong_kind"] != 1 {
		t.Errorf("%v", p)
	}
	r := f.accept(Request{Type: "order.paid", Consumer: "*", Broadcast: true, Channels: []string{"store-8"}, Data: []byte(`{"amount":1,"status":"paid"}`)})[0]
	if r.Err != nil || r.Deliveries != 4 {
		t.Errorf("broadcast: %+v", r)
	}
}

// TestChannelsAreASet: order and repeats do not matter, also not to a repeat
// of the request; other channels are another request.
func TestChannelsAreASet(t *testing.T) {
	t.Parallel()
	f := setup(t, "standard")
	r := Request{Type: "a", Consumer: "c", Data: []byte(`1`), IdempotencyKey: "k", Channels: []string{"b", "a", "b"}}
	first := f.accept(r)[0]
	if r.Channels[0] != "b" {
		t.Error("the caller's slice was changed")
	}
	r.Channels = []string{"a", "b"}
	if again := f.accept(r)[0]; !again.Duplicate || again.EventID != first.EventID || again.Err != nil {
		t.Errorf("%+v", again)
	}
	r.Channels = nil
	if other := f.accept(r)[0]; !errors.Is(other.Err, store.ErrConflict) {
		t.Errorf("%+v", other)
	}
	e, err := f.db.Event(t.Context(), f.project, first.EventID)
	if err != nil || fmt.Sprint(e.Channels) != "[a b]" {
		t.Error(e, err)
	}
}

// TestHashWithoutChannels: the hash of a request without channels is the one
// that servers before channels kept.
func TestHashWithoutChannels(t *testing.T) {
	t.Parallel()
	r := Request{Type: "task.created", Consumer: "acme", Data: []byte(`{"n":1}`), Timestamp: time.Unix(1_700_000_000, 0)}
	h := r.hash()
	if got := hex.EncodeToString(h[:]); got != "bc6ff0d2631274c57d8cff0016dc4fe72d54bb3be4759150475c9df3fc90df82" {
		t.Error(got)
	}
	r.Channels = []string{}
	if r.hash() != h {
		t.Error("an empty list is another request")
	}
}

// TestTestEventsPassFilters: a test is for one endpoint, whatever it chooses.
func TestTestEventsPassFilters(t *testing.T) {
	t.Parallel()
	f := setup(t, "standard")
	e := f.ruled("c", match.Rules{Channels: []string{"x"}, Filter: `data.never == true`}, "order.*")
	if r, err := f.in.Test(t.Context(), f.project, e.ID); err != nil || r.Deliveries != 1 {
		t.Error(r, err)
	}
}

// TestFiltersOfABatch: filters that cost much take a bounded time of a batch;
// what is not judged is delivered.
func TestFiltersOfABatch(t *testing.T) {
	t.Parallel()
	f := setup(t, "standard")
	f.in.maxData = 256 << 10
	for range 8 {
		f.ruled("c", match.Rules{Filter: "data.a.exists(i, data.a.exists(j, i + j < 0))"}, "*")
	}
	data := []byte(`{"a":[` + strings.Repeat("1,", 20_000) + `1]}`)
	rs := make([]Request, 20)
	for i := range rs {
		rs[i] = Request{Type: "a", Consumer: "c", Data: data}
	}
	for _, r := range f.accept(rs...) {
		if r.Err != nil || r.Deliveries != 8 {
			t.Fatalf("%+v", r)
		}
	}
	c := f.db.Counters().Filters
	if c.Judged != 160 || c.Problems["too_costly"]+c.Problems["too_slow"] != 160 {
		t.Errorf("%+v", c)
	}
}

func BenchmarkMatch(b *testing.B) {
	body := []byte(`{"items":[`)
	for i := 0; len(body) < 960; i++ {
		body = fmt.Appendf(body, `{"id":%d,"name":"item number %d","price":12.50,"tags":["a","b"]},`, i, i)
	}
	body = append(body[:len(body)-1], `],"amount":150}`...)
	run := func(name string, r match.Rules, channels ...string) {
		b.Run(name, func(b *testing.B) {
			f := setup(b, "standard")
			f.ruled("acme", r, "task.*")
			req := Request{Project: f.project, Type: "task.completed", Consumer: "acme", Data: body, Channels: channels}
			now := time.Now()
			b.ReportAllocs()
			for b.Loop() {
				if a, err := f.in.match(b.Context(), &req, now, &match.Budget{}); err != nil || len(a.Endpoints) != 1 {
					b.Fatal(err)
				}
			}
		})
	}
	run("plain", match.Rules{})
	run("channels", match.Rules{Channels: []string{"a", "b"}}, "b")
	run("filter of the type", match.Rules{Filter: `event.type == "task.completed"`})
	run("filter of the data", match.Rules{Filter: `data.amount > 100`})
	run("filter with a loop", match.Rules{Filter: `data.items.exists(i, i.id == 9)`})
}
