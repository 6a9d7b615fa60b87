package api

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

func TestStats(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, key := st.project("standard", store.Development)
	one, two := st.endpoint(key, "one"), st.endpoint(key, "two")
	send := func(consumer, endpoint string, state store.State, a store.Attempt) {
		t.Helper()
		st.do(key, "POST", "/v1/events", `{"type":"a","consumer":"`+consumer+`","data":1}`).want(202)
		st.finish(endpoint, state, a)
	}
	answered := store.Timings{Total: 40 * time.Millisecond}
	for range 3 {
		send("one", one, store.Delivered, store.Attempt{Status: 200, Timings: answered})
	}
	send("one", one, store.Failed, store.Attempt{Status: 500, Class: store.ClassStatus, Timings: answered})
	send("two", two, store.Failed, store.Attempt{Class: store.ClassDNS})
	st.do(key, "POST", "/v1/events", `{"type":"a","consumer":"two","data":1}`).want(202)
	bound := st.do(st.root, "POST", "/v1/projects/"+project+"/keys", `{"scopes":["deliveries:read"],"consumer":"one"}`).want(201).text("key")
	idle := st.do(st.root, "POST", "/v1/projects/"+project+"/keys", `{"scopes":["deliveries:read"],"consumer":"nobody yet"}`)
	idle.want(422) // a uid has no spaces
	unknown := st.do(st.root, "POST", "/v1/projects/"+project+"/keys", `{"scopes":["deliveries:read"],"consumer":"nobody-yet"}`).want(201).text("key")

	for _, c := range []struct{ key, path, want string }{
		{key, "/v1/stats", "1 pending; 3 delivered 2 failed rate 0.6; 5 attempts 2 failed rate 0.6 [map[class:status count:1] map[class:dns count:1]]; times true; in a row <nil>"},
		{bound, "/v1/stats", "0 pending; 3 delivered 1 failed rate 0.75; 4 attempts 1 failed rate 0.75 [map[class:status count:1]]; times true; in a row <nil>"},
		{unknown, "/v1/stats", "0 pending; 0 delivered 0 failed rate <nil>; 0 attempts 0 failed rate <nil> []; times false; in a row <nil>"},
		{bound, "/v1/consumers/one/stats", "0 pending; 3 delivered 1 failed rate 0.75; 4 attempts 1 failed rate 0.75 [map[class:status count:1]]; times true; in a row <nil>"},
		{key, "/v1/endpoints/" + one + "/stats", "0 pending; 3 delivered 1 failed rate 0.75; 4 attempts 1 failed rate 0.75 [map[class:status count:1]]; times true; in a row 1"},
		{bound, "/v1/endpoints/" + one + "/stats?interval=day", "0 pending; 3 delivered 1 failed rate 0.75; 4 attempts 1 failed rate 0.75 [map[class:status count:1]]; times true; in a row 1"},
		{key, "/v1/endpoints/" + two + "/stats", "1 pending; 0 delivered 1 failed rate 0; 1 attempts 1 failed rate 0 [map[class:dns count:1]]; times false; in a row 1"},
	} {
		v := st.do(c.key, "GET", c.path, nil).want(200).object()
		of := func(name string) map[string]any { m, _ := v[name].(map[string]any); return m }
		d, a := of("deliveries"), of("attempts")
		got := fmt.Sprintf("%v pending; %v delivered %v failed rate %v; %v attempts %v failed rate %v %v; times %v; in a row %v",
			of("pending")["count"], d["delivered"], d["failed"], d["success_rate"], a["total"], a["failed"], a["success_rate"], a["failures"],
			of("response_times") != nil, v["consecutive_failures"])
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.path, got, c.want)
		}
		buckets := v["buckets"].([]any)
		if want := map[any]int{"hour": 24, "day": 30}[v["interval"]]; len(buckets) != want {
			t.Errorf("%s: %d buckets, want %d", c.path, len(buckets), want)
		}
		sum := 0.0
		for _, b := range buckets {
			sum += b.(map[string]any)["attempts"].(float64)
		}
		if sum != a["total"] {
			t.Errorf("%s: the buckets have %v attempts", c.path, sum)
		}
		if times := of("response_times"); times != nil && (times["mean_ms"] != 40.0 || times["p50_ms"].(float64) < 37.5 || times["p99_ms"].(float64) > 42.5) {
			t.Errorf("%s: %v", c.path, times)
		}
	}
	// Of a project events are counted, and each minute.
	v := st.do(key, "GET", "/v1/stats?interval=minute", nil).want(200).object()
	events := 0.0
	for _, b := range v["buckets"].([]any) {
		events += b.(map[string]any)["events"].(float64)
	}
	if v["events"] != 6.0 || events != 6 {
		t.Errorf("%v events, %v by the minute, want 6", v["events"], events)
	}
	if _, there := st.do(bound, "GET", "/v1/stats", nil).want(200).object()["events"]; there {
		t.Error("a consumer has events of the project")
	}
	for path, by := range map[string]string{"/v1/stats": bound, "/v1/consumers/one/stats": key, "/v1/endpoints/" + one + "/stats": key} {
		st.do(by, "GET", path+"?interval=minute", nil).problem(kindShape, "?interval")
	}
	st.do(bound, "GET", "/v1/consumers/two/stats", nil).problem(kindNotFound)
	st.do(bound, "GET", "/v1/endpoints/"+two+"/stats", nil).problem(kindNotFound)
	st.do(key, "GET", "/v1/consumers/nobody/stats", nil).problem(kindNotFound)
}

// TestStatsWindows: each limit of a window at the limit and one past it.
func TestStatsWindows(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	hour := time.Now().UTC().Truncate(time.Hour)
	day := hour.Truncate(24 * time.Hour)
	for _, c := range []struct {
		interval    string
		from, until time.Time
		refused     string // the parameter
		buckets     int
	}{
		{"hour", hour.Add(-store.HoursKept * time.Hour), time.Time{}, "", store.MaxHours},
		{"hour", hour.Add(-store.HoursKept*time.Hour - time.Second), time.Time{}, "from", 0},
		{"day", day.AddDate(0, 0, -store.DaysKept), time.Time{}, "", store.MaxDays},
		{"day", day.AddDate(0, 0, -store.DaysKept).Add(-time.Second), time.Time{}, "from", 0},
		{"hour", hour, hour.Add(store.MaxHours * time.Hour), "", store.MaxHours},
		{"hour", hour, hour.Add(store.MaxHours*time.Hour + time.Second), "until", 0},
		{"hour", hour.Add(-time.Second), hour.Add(time.Second), "", 2},
		{"hour", hour, hour, "from", 0},
		{"minute", time.Time{}, time.Time{}, "", 60},
		{"minute", time.Now().UTC().Truncate(time.Minute).Add(-store.MinutesKept*time.Minute + 2*time.Minute), time.Now().UTC().Truncate(time.Minute), "", store.MinutesKept - 2},
		{"minute", hour.Add(-24 * time.Hour), time.Time{}, "from", 0},
		{"minute", time.Now().UTC().Add(-time.Hour), time.Now().UTC().Add(2 * time.Hour), "until", 0},
		{"day", day, day.Add(-time.Hour), "from", 0},
		{"week", time.Time{}, time.Time{}, "interval", 0},
		{"hour", time.Unix(0, 0), time.Time{}, "from", 0},
		{"hour", time.Time{}, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), "", 24},
	} {
		q := url.Values{"interval": {c.interval}}
		if !c.from.IsZero() {
			q.Set("from", c.from.Format(time.RFC3339))
		}
		if !c.until.IsZero() {
			q.Set("until", c.until.Format(time.RFC3339))
		}
		a := st.do(key, "GET", "/v1/stats?"+q.Encode(), nil)
		if time.Now().UTC().Truncate(time.Hour) != hour {
			t.Skip("the hour turned meanwhile, and the limits with it")
		}
		if c.refused == "" {
			if n := len(a.want(200).object()["buckets"].([]any)); n != c.buckets {
				t.Errorf("%v: %d buckets, want %d", q, n, c.buckets)
			}
			continue
		}
		a.problem(kindShape, "?"+c.refused)
	}
}
