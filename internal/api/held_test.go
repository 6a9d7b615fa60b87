package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// TestHeldDeliveriesSayWhy: what waits for an endpoint to be resumed says so,
// wherever it is shown.
func TestHeldDeliveriesSayWhy(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	ep := st.endpoint(key, "acme")
	event := st.do(key, "POST", "/v1/events", `{"type":"a.b","consumer":"acme","data":{}}`).want(202).text("id")
	id := st.walk(key, "/v1/deliveries?event_id="+event)[0]
	if held := st.do(key, "GET", "/v1/deliveries/"+id, nil).want(200).object()["held"]; held != nil {
		t.Errorf("an active endpoint's: held %v", held)
	}
	st.do(key, "POST", "/v1/endpoints/"+ep+"/pause", nil).want(200)
	for _, a := range []*answer{
		st.do(key, "GET", "/v1/deliveries/"+id, nil),
		st.do(key, "POST", "/v1/deliveries/"+id+"/retry", nil),
		st.do(key, "GET", "/v1/deliveries?event_id="+event, nil),
	} {
		if a.status >= 300 || !strings.Contains(string(a.body), `"held":"endpoint paused"`) {
			t.Errorf("%s does not say why: %s", a.what, a.body)
		}
	}
	if c := st.do(key, "POST", "/v1/deliveries/"+id+"/cancel", nil).want(200).object(); c["held"] != nil {
		t.Errorf("what is over is not held: %v", c)
	}
}

// TestDueDeliveriesSayWhy they do not go: what the sending side knows stands
// in the delivery and in its endpoint, where one is due and its endpoint active.
func TestDueDeliveriesSayWhy(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	ep := st.endpoint(key, "acme")
	until := time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)
	st.server.waits = func(_ context.Context, endpoint, delivery store.ID) (string, time.Time) {
		if endpointID.Format(endpoint) != ep {
			return "", time.Time{}
		}
		if delivery.IsZero() {
			return "rate limit reached: 100 a minute", time.Time{}
		}
		return "rate limit reached: 100 a minute", until
	}
	event := st.do(key, "POST", "/v1/events", `{"type":"a.b","consumer":"acme","data":{}}`).want(202).text("id")
	id := st.walk(key, "/v1/deliveries?event_id="+event)[0]
	const why = `"held":"rate limit reached: 100 a minute"`
	for path, want := range map[string]string{
		"/v1/deliveries/" + id:                why + `,"held_until":"2026-01-31T09:30:00.000Z"`,
		"/v1/deliveries?event_id=" + event:    why + `,"held_until":"2026-01-31T09:30:00.000Z"`,
		"/v1/endpoints/" + ep:                 why,
		"/v1/endpoints?consumer=acme&limit=1": why,
	} {
		if a := st.do(key, "GET", path, nil).want(200); !strings.Contains(string(a.body), want) || strings.Contains(want, "until") != strings.Contains(string(a.body), "held_until") {
			t.Errorf("%s: %s", path, a.body)
		}
		if a := st.do(key, "GET", path, nil, "Accept-Language", "pt-BR").want(200); !strings.Contains(string(a.body), `"held":"limite de taxa atingido: 100 por minuto"`) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	// One whose next attempt is later waits for that alone.
	st.finish(ep, store.Pending, store.Attempt{Status: 503, Class: store.ClassStatus, Detail: "answered 503"})
	if a := st.do(key, "GET", "/v1/deliveries/"+id, nil).want(200); strings.Contains(string(a.body), "held") {
		t.Errorf("%s", a.body)
	}
	st.do(key, "POST", "/v1/endpoints/"+ep+"/pause", nil).want(200)
	if a := st.do(key, "GET", "/v1/deliveries/"+id, nil).want(200); !strings.Contains(string(a.body), `"held":"endpoint paused"`) {
		t.Errorf("%s", a.body)
	}
}

// TestEveryRequestIsInTheLog at debug, under the id that its caller has.
func TestEveryRequestIsInTheLog(t *testing.T) {
	t.Parallel()
	st := setup(t)
	st.server.log = slog.New(slog.NewTextHandler(st.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	a := st.do("mlt_wrong", "GET", "/v1/events", nil).want(401)
	b := st.do("", "GET", "/healthz", nil).want(200)
	limit := time.Now().Add(5 * time.Second)
	for _, answer := range []*answer{a, b} {
		id := answer.header.Get("X-Request-Id")
		for !strings.Contains(st.log.String(), "request_id="+id) { // written after the answer
			if t.Context().Err() != nil || time.Now().After(limit) {
				t.Fatalf("%s is not in the log", id)
			}
			runtime.Gosched()
		}
	}
	if strings.Contains(st.log.String(), "mlt_wrong") {
		t.Error("the key is in the log")
	}
}

// TestMetricsHaveNoSeriesForNothing: a route that was never asked has none.
func TestMetricsHaveNoSeriesForNothing(t *testing.T) {
	t.Parallel()
	st := setup(t)
	st.do("", "GET", "/healthz", nil).want(200)
	page := string(st.do("", "GET", "/metrics", nil).want(200).body)
	if n := strings.Count(page, "\n"); n > 400 {
		t.Errorf("%d lines", n)
	}
	if strings.Contains(page, `route="/v1/events/batch"`) {
		t.Error("a series of a route that nobody asked")
	}
}

// TestANewSecretSaysWhenItSigns, where the old one does until it expires.
func TestANewSecretSaysWhenItSigns(t *testing.T) {
	t.Parallel()
	st := setup(t)
	for dialect, waits := range map[string]bool{"standard": false, "tarefa": true} {
		d, _ := st.server.dialects(dialect)
		if got := d.Signature.Rotation == webhook.RotateOldest; got != waits {
			t.Fatalf("%s: one signature %v", dialect, got)
		}
		_, key := st.project(dialect, store.Development)
		path := "/v1/endpoints/" + st.endpoint(key, "42")
		st.do(key, "PATCH", path, `{"secret":null,"secret_overlap":3600}`).want(200)
		var e struct {
			Secrets []struct {
				ExpiresAt *time.Time `json:"expires_at"`
				SignsFrom *time.Time `json:"signs_from"`
			} `json:"secrets"`
		}
		if err := json.Unmarshal(st.do(key, "GET", path, nil).want(200).body, &e); err != nil || len(e.Secrets) != 2 {
			t.Fatal(err, e)
		}
		from := e.Secrets[0].SignsFrom
		if (from != nil) != waits || e.Secrets[1].SignsFrom != nil || waits && !from.Equal(*e.Secrets[1].ExpiresAt) {
			t.Errorf("%s: %+v", dialect, e.Secrets)
		}
	}
}

func TestARefusedSecretIsToldItsForm(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	a := st.do(key, "POST", "/v1/endpoints", `{"consumer":"c","url":"https://example.com/","event_types":["*"],"secret":"abc"}`).problem(kindInvalid, "/secret")
	if !strings.Contains(string(a.body), "a secret is whsec_ and 24 to 64 bytes in base64") {
		t.Errorf("%s", a.body)
	}
}
