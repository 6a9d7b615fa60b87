package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/store"
)

// unaudited are the routes that write and leave no entry, and why.
var unaudited = map[string]string{
	"POST /v1/events":                 "an event is its own record",
	"POST /v1/events/batch":           "events are their own records",
	"POST /v1/endpoints/{id}/probe":   "a probe changes nothing",
	"POST /v1/endpoints/{id}/checkup": "a check-up changes nothing",
	"POST /v1/endpoints/{id}/test":    "a test is an event",
	"POST /v1/deliveries/{id}/sign":   "it shows a request, and changes nothing",
}

// prepare makes a state in which a route has something to change.
var prepare = map[string]func(st *site, g *stage){
	"POST /v1/endpoints/{id}/resume": func(st *site, g *stage) {
		st.do(g.full, "POST", "/v1/endpoints/"+g.endpoint+"/pause", nil).want(200)
	},
	"DELETE /v1/projects/{id}":     func(st *site, g *stage) { st.empty(g.full) },
	"POST /m/{token}/start":        func(st *site, g *stage) { st.do("", "POST", mailPath+g.ids[aMailbox], nil).want(200) },
	"POST /v1/replays/{id}/cancel": func(st *site, g *stage) { g.ids[aReplay] = st.runningReplay(g.full, g.consumer) },
}

// TestEveryChangeIsAudited calls each route that is no GET, with something to
// change: it leaves exactly one entry that names the request and the key.
func TestEveryChangeIsAudited(t *testing.T) {
	t.Parallel()
	st := setup(t)
	for _, rt := range st.server.routes() {
		name := rt.method + " " + rt.pattern
		if rt.method == http.MethodGet || rt.safe {
			continue
		}
		g := st.stage("standard")
		if f := prepare[name]; f != nil {
			f(st, g)
		}
		as := g.keyFor(st, rt)
		a := st.do(as, rt.method, g.path(rt.pattern), bodyFor(name))
		if a.status/100 != 2 {
			t.Errorf("%s: %d: %s; say in inputs or prepare what it needs", name, a.status, a.body)
			continue
		}
		entries := st.audited(a.header.Get("X-Request-Id"))
		if why := unaudited[name]; why != "" {
			if len(entries) != 0 {
				t.Errorf("%s left %d entries: %s", name, len(entries), why)
			}
			continue
		}
		if len(entries) != 1 {
			t.Errorf("%s left %d entries, want 1: note it in the transaction that changes something", name, len(entries))
			continue
		}
		e := entries[0]
		known := e.Actor.Prefix != "" && strings.HasPrefix(as, e.Actor.Prefix)
		if rt.scope == public {
			known = e.Actor.Kind == store.ActorLink && e.Actor.ID == e.Object
		}
		if !slices.Contains(store.Actions(), e.Action) || !known || e.Object == "" {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// keyFor is the key that may use a route.
func (g *stage) keyFor(st *site, rt *route) string {
	if rt.scope == root {
		return st.root
	}
	return g.full
}

// audited finds the entries of a request in all logs.
func (st *site) audited(request string) (out []*store.AuditEntry) {
	st.t.Helper()
	of := []store.ID{{}}
	ps, err := st.db.Projects(st.t.Context(), store.ID{}, 1000)
	if err != nil {
		st.t.Fatal(err)
	}
	for _, p := range ps {
		of = append(of, p.ID)
	}
	for _, id := range of {
		page, err := st.db.Audit(st.t.Context(), id, store.AuditFilter{Limit: 250})
		if err != nil {
			st.t.Fatal(err)
		}
		for _, e := range page.Items {
			if requestID.Format(e.Actor.Request) == request {
				out = append(out, e)
			}
		}
	}
	return out
}

func TestAuditLog(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, key := st.project("standard", store.Production)
	other, otherKey := st.project("standard", store.Production)
	made := st.do(key, "POST", "/v1/endpoints", `{"consumer":"acme","url":"https://example.com/a","event_types":["*"]}`).want(201)
	id := made.text("id")
	st.do(key, "PATCH", "/v1/endpoints/"+id, `{"url":"https://example.org/b","headers":{"X-A":"v"}}`).want(200)

	data := func(a *answer) (out []map[string]any) {
		for _, e := range a.object()["data"].([]any) {
			out = append(out, e.(map[string]any))
		}
		return out
	}
	log := data(st.do(key, "GET", "/v1/audit?object="+id, nil).want(200))
	if len(log) != 2 || log[0]["action"] != "endpoint.update" || log[1]["action"] != "endpoint.create" || log[1]["consumer"] != "acme" ||
		log[1]["request_id"] != made.header.Get("X-Request-Id") {
		t.Fatalf("%v", log)
	}
	actor := log[0]["actor"].(map[string]any)
	if actor["kind"] != "key" || !strings.HasPrefix(key, actor["prefix"].(string)) {
		t.Errorf("%v", actor)
	}
	if got := fmt.Sprint(log[0]["changes"]); got != "[map[after:example.org before:example.com field:url] map[after:[redacted] before:<nil> field:headers/X-A]]" {
		t.Error(got)
	}
	if again := data(st.do(key, "GET", "/v1/audit?actor="+actor["id"].(string), nil).want(200)); len(again) != 2 {
		t.Errorf("%v", again)
	}

	// A project's log begins with what the root key did.
	log = data(st.do(st.root, "GET", "/v1/audit?project="+project, nil).want(200))
	if len(log) != 4 || log[3]["action"] != "project.create" || log[3]["actor"].(map[string]any)["kind"] != "root_key" {
		t.Errorf("%v", log)
	}
	if own := data(st.do(key, "GET", "/v1/audit?project="+project, nil).want(200)); len(own) != 4 {
		t.Errorf("%v", own)
	}
	if own := data(st.do(st.root, "GET", "/v1/audit", nil).want(200)); len(own) != 1 || own[0]["action"] != "key.create" || own[0]["request_id"] != nil {
		t.Errorf("the server's own: %v", own)
	}
	foreign := st.do(otherKey, "GET", "/v1/audit?project="+project, nil).problem(kindNotFound)
	missing := st.do(otherKey, "GET", "/v1/audit?project=prj_00000000000000000000000001", nil).problem(kindNotFound)
	if blank(foreign.body) != blank(missing.body) {
		t.Errorf("%s\n%s", foreign.body, missing.body)
	}
	st.do(st.root, "GET", "/v1/audit?project=prj_00000000000000000000000001", nil).problem(kindNotFound)
	if s := st.do(otherKey, "GET", "/v1/audit", nil).want(200); strings.Contains(string(s.body), project) || !strings.Contains(string(s.body), other) {
		t.Errorf("%s", s.body)
	}

	// Pages, and what is refused.
	at, seen := "/v1/audit?limit=1", 0
	for next := any(""); next != nil; seen++ {
		a := st.do(key, "GET", at, nil).want(200)
		next = a.object()["next_cursor"]
		at = fmt.Sprintf("/v1/audit?limit=1&cursor=%v", next)
	}
	if seen != 4 {
		t.Errorf("%d pages", seen)
	}
	st.do(key, "GET", "/v1/audit?action=endpoint.nope", nil).problem(kindShape, "?action")
	st.do(key, "GET", "/v1/audit?actor=", nil).problem(kindShape, "?actor")
	st.do(key, "GET", "/v1/audit?limit=251", nil).problem(kindShape, "?limit")
	st.do(st.key(project, others(auditRead)...), "GET", "/v1/audit", nil).problem(kindForbidden)
	bound := st.do(st.root, "POST", "/v1/projects/"+project+"/keys", `{"scopes":["*"],"consumer":"acme"}`).want(201).text("key")
	st.do(bound, "GET", "/v1/audit", nil).problem(kindForbidden)
}
