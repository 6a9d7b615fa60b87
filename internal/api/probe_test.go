package api

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/store"
)

// probes is a receiver that answers with a status; 0: not at all. Those of the
// engine are tried in its own package, and from end to end in acceptance.
type probes int

func (p probes) Probe(context.Context, store.ID) (*egress.Response, time.Duration, error) {
	switch p {
	case 0:
		return &egress.Response{}, 0, &egress.Error{Class: store.ClassConnect, Detail: "nothing listens there"}
	case -1:
		return nil, 1500 * time.Millisecond, nil
	case -2:
		return nil, 0, store.ErrClosed
	}
	return &egress.Response{Status: int(p), Timings: store.Timings{Total: 12500 * time.Microsecond}}, 0, nil
}

// Rehearse answers 200 where probes are refused as they should be, and else what probes do.
func (p probes) Rehearse(ctx context.Context, endpoint, _ store.ID, _ time.Time, _ int) (*egress.Response, time.Duration, error) {
	if p == http.StatusUnauthorized {
		p = http.StatusOK
	}
	return p.Probe(ctx, endpoint)
}

func TestProbe(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("connectvets", store.Production)
	probe := func(p probes) *answer {
		st.server.prober = p
		return st.do(key, "POST", "/v1/endpoints/"+st.endpoint(key, "acme")+"/probe", nil)
	}
	for p, want := range map[probes]string{
		401: "verifies: it answered 401", 200: "accepts: it does not verify", 204: "accepts: 204 No Content", 404: "missing: does the path", 405: "missing: POST", 410: "missing: 410",
		403: "refuses: 403 Forbidden", 400: "refuses: may verify", 429: "refuses: 429", 301: "fails: redirects", 500: "fails: 500", 503: "fails: 503", 299: "accepts: 299", 999: "fails: 999",
	} {
		a := probe(p).want(200)
		verdict, words, _ := strings.Cut(want, ": ")
		if a.text("verdict") != verdict || !strings.Contains(a.text("message"), words) || a.object()["status"] != float64(p) || a.object()["took_ms"] != 12.5 || a.object()["error"] != nil {
			t.Errorf("%d: %s", p, a.body)
		}
	}
	a := probe(0).want(200)
	if a.text("verdict") != "no_answer" || a.object()["status"] != nil || !strings.Contains(string(a.body), `"class":"connect"`) {
		t.Errorf("%s", a.body)
	}
	if a := probe(-1).problem(kindTooMany); a.header.Get("Retry-After") != "2" {
		t.Errorf("%v", a.header)
	}
	probe(-2).problem(kindUnavailable)
	id := st.endpoint(key, "acme")
	st.server.prober = probes(http.StatusUnauthorized)
	st.do(key, "POST", "/v1/endpoints/"+id+"/pause", nil).want(200)
	if a := st.do(key, "POST", "/v1/endpoints/"+id+"/probe", nil, "Accept-Language", "pt-BR").want(200); !strings.Contains(a.text("message"), "escuta e verifica") {
		t.Errorf("%s", a.body)
	}
	st.do(key, "POST", "/v1/endpoints/"+id+"/probe", nil).problem(kindTooMany) // one a second
}
