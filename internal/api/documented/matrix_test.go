package documented_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/api/documented"
	"github.com/malote-dev/malote/internal/store"
)

// party is a project with a consumer that has one webhook.
type party struct {
	project, id    string // of the project, and of the webhook as the contract writes it
	full           string // the consumer's key
	reads, writes  string // with one scope each
	other          string // another consumer's, of the same project
	whole, foreign string // without a consumer; of the native scopes alone
	revoked        string // no longer in force
	expired        string // the same
	portal         string // a session that may manage the consumer's webhooks, in the native API alone
	otherPortal    string // another consumer's
}

func (st *site) party(dialect string) *party {
	st.Helper()
	p := &party{project: st.project(dialect, store.Development)}
	p.full = st.key(p.project, "1", "webhooks:read", "webhooks:write")
	p.reads, p.writes = st.key(p.project, "1", "webhooks:read"), st.key(p.project, "1", "webhooks:write")
	p.other = st.key(p.project, "2", "*")
	p.whole = st.key(p.project, "", "*")
	p.foreign = st.key(p.project, "1", "endpoints:read", "endpoints:write", "events:read", "events:write", "deliveries:read", "deliveries:write")
	p.revoked = st.key(p.project, "1", "*")
	keys, err := st.db.Keys(st.Context(), st.projectID(p.project), store.ID{}, 100)
	st.no(err)
	st.no(st.db.RevokeKey(st.Context(), st.projectID(p.project), keys[len(keys)-1].ID))
	text, prefix, hash := api.NewKey("prod")
	st.no(st.db.CreateKey(st.Context(), &store.Key{
		ProjectID: st.projectID(p.project), Consumer: "1", Name: "old", Prefix: prefix, Scopes: []string{"*"}, ExpiresAt: time.Now().Add(-time.Second),
	}, hash))
	p.expired = text.Reveal()
	st.keys[p.expired] = st.speaks[p.project]
	for consumer, token := range map[string]*string{"1": &p.portal, "2": &p.otherPortal} {
		*token = st.text(st.do("POST", "/v1/consumers/"+consumer+"/portal-sessions", p.whole, map[string]any{"access": "manage"}).want(201), "token")
	}
	p.id = st.webhook(dialect, p.full)
	return p
}

// webhook makes one and returns its id.
func (st *site) webhook(dialect, key string) string {
	st.Helper()
	path, body := "/api/webhooks", `{"name":"n","url":"https://example.com/","events":["*"]}`
	if dialect == "gabinete360" {
		path, body = "/api/v1/channels", `{"type":"webhook","name":"n","config":{"url":"https://example.com/"}}`
	}
	answer := st.do("POST", path, key, body).want(201).body
	_, rest, _ := strings.Cut(answer, `"id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

// bodies that a route takes, so that only the key decides.
func bodyOf(dialect, method string) string {
	switch {
	case dialect == "gabinete360" && method == "POST":
		return `{"type":"webhook","name":"n","config":{"url":"https://example.com/"}}`
	case method == "POST":
		return `{"name":"n","url":"https://example.com/","events":["*"]}`
	}
	return `{}`
}

// TestMatrix asks every route with every kind of key; what must come follows
// from the route alone. Foreign ids answer like missing ones.
func TestMatrix(t *testing.T) {
	t.Parallel()
	st := setup(t)
	const missing = "00000000000000000000000001"
	for _, dialect := range []string{"gabinete360", "placaflow", "tarefa"} {
		own, foreign := st.party(dialect), &party{}
		foreign.project = st.text(st.do("POST", "/v1/projects", st.vars["ROOT"], map[string]any{"name": "b", "environment": "production", "dialect": dialect}), "id")
		st.no(st.deleteName(foreign.project, dialect))
		foreign.full = st.key(foreign.project, "1", "*")
		foreign.id = st.webhook(dialect, foreign.full)
		for _, rt := range documented.Routes(dialect) {
			if rt.Public {
				continue // TestTarefaEventsIn
			}
			ask := func(key, id string) *reply {
				t.Helper()
				return st.do(rt.Method, strings.Replace(rt.Pattern, "{id}", id, 1), key, bodyOf(dialect, rt.Method))
			}
			name := dialect + " " + rt.Method + " " + rt.Pattern
			for what, key := range map[string]string{"no key": "", "unknown": "pk_unknown", "revoked": own.revoked, "expired": own.expired, "root": st.vars["ROOT"],
				"a portal session": own.portal, "another's portal session": own.otherPortal} {
				if r := ask(key, own.id); r.status != 401 || r.body != "{\"error\":\"Unauthorized\"}\n" || r.header.Get("WWW-Authenticate") == "" {
					t.Errorf("%s with %s: %d %s", name, what, r.status, r.body)
				}
			}
			lacking := own.reads
			if rt.Scope == "webhooks:read" {
				lacking = own.writes
			}
			for what, key := range map[string]string{"the project's": own.whole, "the other scope": lacking, "native scopes": own.foreign} {
				if r := ask(key, own.id); r.status != 403 || strings.Contains(r.body, own.id) {
					t.Errorf("%s with %s: %d %s", name, what, r.status, r.body)
				}
			}
			if !strings.Contains(rt.Pattern, "{id}") {
				if r := ask(own.other, ""); strings.Contains(r.body, own.id) {
					t.Errorf("%s shows what is another consumer's: %s", name, r.body)
				}
				continue
			}
			absent := missing
			if dialect != "tarefa" {
				absent = "00000000-0000-7000-8000-000000000001"
			} else {
				absent = "wh_" + absent
			}
			want := ask(own.full, absent).want(404).body
			for what, r := range map[string]*reply{
				"another project's": ask(own.full, foreign.id), "another consumer's": ask(own.other, own.id),
				"no id": ask(own.full, "x"), "odd": ask(own.full, "%27--"), "another form": ask(own.full, "ep_"+missing),
			} {
				if r.status != 404 || r.body != want {
					t.Errorf("%s, %s: %d %s, want %s", name, what, r.status, r.body, want)
				}
			}
		}
		for _, rt := range documented.Routes(dialect) { // and the right key may
			if rt.Public {
				continue
			}
			id := own.id
			if rt.Method == http.MethodDelete {
				id = st.webhook(dialect, own.full)
			}
			key := own.writes
			if rt.Scope == "webhooks:read" {
				key = own.reads
			}
			st.do(rt.Method, strings.Replace(rt.Pattern, "{id}", id, 1), key, bodyOf(dialect, rt.Method)).want(rt.Status)
		}
	}
}

// deleteName makes room for the next project of the same name.
func (st *site) deleteName(project, dialect string) error {
	_, err := st.db.UpdateProject(st.Context(), st.projectID(project), func(p *store.Project) error { p.Name = "b-" + dialect; return nil })
	return err
}

// TestWhoseAPI: the key's project decides, then the host name, else nobody.
func TestWhoseAPI(t *testing.T) {
	t.Parallel()
	st := setup(t)
	keys := map[string]string{}
	for _, dialect := range []string{"placaflow", "tarefa", "gabinete360", "connectvets", "habilitar", "standard"} {
		project := st.project(dialect, store.Development)
		keys[dialect] = st.key(project, "1", "*")
		st.do("PATCH", "/v1/projects/"+project, st.vars["ROOT"], `{"host":"`+strings.ToUpper(dialect[:1])+dialect[1:]+`.example.com"}`).want(200)
	}
	for _, c := range []struct{ method, path, key, host, want string }{
		{"GET", "/api/webhooks", "placaflow", "", `200 {"webhooks":[]}`},
		{"GET", "/api/webhooks", "tarefa", "", `200 {"success":true,"webhooks":[]}`},
		{"GET", "/api/webhooks", "tarefa", "placaflow.example.com", `200 {"success":true,"webhooks":[]}`}, // the key beats the host
		{"GET", "/api/webhooks", "gabinete360", "", `404 {"error":"Not found"}`},
		{"GET", "/api/v1/channels", "placaflow", "", `404 {"error":"Not found"}`},
		{"GET", "/api/webhooks", "connectvets", "", `404 {"error":"Not found"}`},
		{"POST", "/api/v1/channels", "habilitar", "", `404 {"error":"Not found"}`},
		{"GET", "/api/webhooks", "standard", "", `404 {"error":"Not found"}`},
		{"GET", "/api/nothing", "tarefa", "", `404 {"error":"Not found"}`},
		{"PATCH", "/api/webhooks", "tarefa", "", `405 {"error":"Method not allowed"}`},
		{"GET", "/api/webhooks", "", "", `401 {"error":"Unauthorized"}`},
		{"GET", "/api/webhooks", "", "unknown.example.com", `401 {"error":"Unauthorized"}`},
		{"GET", "/api/webhooks", "", "tarefa.example.com", `401 {"error":"Unauthorized"}`},
		{"GET", "/api/webhooks", "", "TAREFA.example.com.:8443", `401 {"error":"Unauthorized"}`},
		{"GET", "/api/nothing", "", "tarefa.example.com", `401 {"error":"Unauthorized"}`},
		{"GET", "/api/webhooks", "", "connectvets.example.com", `404 {"error":"Not found"}`},
		{"GET", "/api/webhooks/1/wh_unknown", "", "tarefa.example.com", `404 {"error":"Webhook not found or inactive"}`},
		{"POST", "/api/webhooks/1/wh_unknown", "", "TAREFA.example.com.:8443", `404 {"error":"Webhook not found or inactive"}`},
		{"GET", "/api/webhooks/1/wh_unknown", "", "placaflow.example.com", `401 {"error":"Unauthorized"}`},
		{"GET", "/api/webhooks/1/wh_unknown", "", "", `401 {"error":"Unauthorized"}`},
	} {
		var header []string
		if c.host != "" {
			header = []string{"Host", c.host}
		}
		r := st.do(c.method, c.path, keys[c.key], nil, header...)
		if got := fmt.Sprintf("%d %s", r.status, strings.TrimSpace(r.body)); got != c.want {
			t.Errorf("%s %s, key %q, host %q: %s, want %s", c.method, c.path, c.key, c.host, got, c.want)
		}
		if r.header.Get("X-Request-Id") == "" || r.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", c.path, r.header)
		}
	}
	// What is bound to one project cannot be bound to another, and can be freed.
	p := st.text(st.do("POST", "/v1/projects", st.vars["ROOT"], `{"name":"x","environment":"production","host":"x.example.com"}`).want(201), "id")
	st.do("PATCH", "/v1/projects/"+p, st.vars["ROOT"], `{"host":"tarefa.example.com"}`).want(409)
	st.do("POST", "/v1/projects", st.vars["ROOT"], `{"name":"y","environment":"production","host":"x.example.com"}`).want(409)
	for _, host := range []string{"https://x.example.com", "x.example.com:80", "x_y", "-x.com", "x..com", "a b", strings.Repeat("x", 64) + ".com"} {
		st.do("PATCH", "/v1/projects/"+p, st.vars["ROOT"], map[string]any{"host": host}).want(422)
	}
	st.do("PATCH", "/v1/projects/"+p, st.vars["ROOT"], `{"host":null}`).want(200)
	st.do("POST", "/v1/projects", st.vars["ROOT"], `{"name":"y","environment":"production","host":"x.example.com"}`).want(201)
}

func TestKeyPrefixes(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project := st.project("placaflow", store.Development)
	create := func(prefix string) *reply {
		return st.do("POST", "/v1/projects/"+project+"/keys", st.vars["ROOT"], map[string]any{"scopes": []string{"*"}, "prefix": prefix})
	}
	for _, prefix := range []string{"pk_", "argos_ak_live_", "x_", strings.Repeat("a", 31) + "_"} {
		r := create(prefix).want(201)
		key := st.text(r, "key")
		if !strings.HasPrefix(key, prefix) || len(key) < len(prefix)+32 || !strings.HasPrefix(st.text(r, "prefix"), prefix) || len(st.text(r, "prefix")) > len(prefix)+4 {
			t.Errorf("%s: %s", prefix, r.body)
		}
		st.do("GET", "/v1/endpoints", key, nil).want(200)
		st.do("GET", "/v1/endpoints", key[:len(key)-1], nil).want(401)
	}
	for _, prefix := range []string{"", "_", "pk", "mlt_", "mlt_root_", "mlt_x_", "p k_", "pk-_", "çk_", strings.Repeat("a", 32) + "_"} {
		create(prefix).want(422)
	}
}
