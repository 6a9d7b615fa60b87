package api

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

func TestDrains(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rate, slots int
		mean        time.Duration
		speed       float64
		by          string
	}{
		{0, 16, 0, 0, ""},
		{0, 16, 640 * time.Millisecond, 25, byResponse},
		{61, 16, 0, 1, byRate},
		{61, 16, time.Second, 1, byRate},
		{6100, 2, time.Second, 2, byResponse},
	} {
		if speed, by := drains(c.rate, c.slots, c.mean); speed != c.speed || by != c.by {
			t.Errorf("%+v: %v %s", c, speed, by)
		}
	}
}

// TestForecast: what is pending is set against what an endpoint takes, and what
// keeps it is said.
func TestForecast(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	e := st.endpoint(key, "acme")
	path := "/v1/endpoints/" + e + "/stats"
	if v := st.do(key, "GET", path, nil).want(200).object(); v["forecast"] != nil {
		t.Errorf("nothing is pending: %v", v["forecast"])
	}
	for range 5 {
		st.do(key, "POST", "/v1/events", `{"type":"a","consumer":"acme","data":1}`).want(202)
	}
	v := st.do(key, "GET", path, nil).want(200).object()["forecast"].(map[string]any)
	if v["seconds"] != nil || v["per_second"] != nil || v["limited_by"] != nil || v["waits_for"] != "" {
		t.Errorf("nobody knows: %v", v)
	}
	st.finish(e, store.Delivered, store.Attempt{Status: 200, Timings: store.Timings{Total: 32 * time.Second}})
	v = st.do(key, "GET", path, nil).want(200).object()["forecast"].(map[string]any)
	if v["seconds"] != 8.0 || v["per_second"] != 0.5 || v["limited_by"] != byResponse {
		t.Errorf("4 at 0.5 a second: %v", v)
	}
	st.do(key, "PATCH", "/v1/endpoints/"+e, `{"rate_limit":6}`).want(200)
	v = st.do(key, "GET", path, nil).want(200).object()["forecast"].(map[string]any)
	if v["seconds"] != 41.0 || v["per_second"] != 0.1 || v["limited_by"] != byRate {
		t.Errorf("4 at 6 a minute: %v", v)
	}
	until := time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)
	st.server.waits = func(context.Context, store.ID, store.ID) (string, time.Time) {
		return "rate limit reached: 6 a minute", until
	}
	a := st.do(key, "GET", path, nil, "Accept-Language", "pt-BR").want(200)
	if !strings.Contains(string(a.body), `"waits_for":"limite de taxa atingido: 6 por minuto","waits_until":"2026-01-31T09:30:00.000Z"`) {
		t.Errorf("%s", a.body)
	}
	st.do(key, "POST", "/v1/endpoints/"+e+"/pause", nil).want(200)
	v = st.do(key, "GET", path, nil).want(200).object()["forecast"].(map[string]any)
	if v["waits_for"] == "" || v["seconds"] != 41.0 {
		t.Errorf("paused: %v", v)
	}
	if v := st.do(key, "GET", "/v1/stats", nil).want(200).object(); v["forecast"] != nil {
		t.Errorf("of a project: %v", v["forecast"])
	}
}
