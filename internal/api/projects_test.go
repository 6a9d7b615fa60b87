package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

func TestProjects(t *testing.T) {
	t.Parallel()
	st := setup(t)
	a := st.do(st.root, "POST", "/v1/projects", `{"name":"Loja","environment":"production"}`).want(201)
	if m := a.object(); m["name"] != "Loja" || m["environment"] != "production" || m["dialect"] != "standard" || m["body_id"] != false || m["created_at"] == nil {
		t.Errorf("%s", a.body)
	}
	st.do(st.root, "POST", "/v1/projects", `{"name":"Loja","environment":"production","dialect":"tarefa"}`).problem(kindConflict)
	st.do(st.root, "POST", "/v1/projects", `{"name":"Loja","environment":"development","dialect":"connectvets","body_id":true}`).want(201)
	for i := range 3 {
		st.do(st.root, "POST", "/v1/projects", fmt.Sprintf(`{"name":"p%d","environment":"production","dialect":null}`, i)).want(201)
	}
	got := st.walk(st.root, "/v1/projects?limit=2")
	if len(got) != 5 || got[0] != a.text("id") {
		t.Errorf("%v", got)
	}
}

func TestProjectKeys(t *testing.T) {
	t.Parallel()
	st := setup(t)
	id, _ := st.project("standard", store.Production)
	soon := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	a := st.do(st.root, "POST", "/v1/projects/"+id+"/keys", `{"name":"ci","scopes":["events:write","events:read","events:read"],"expires_at":"`+soon+`"}`).want(201)
	m := a.object()
	key := a.text("key")
	if !strings.HasPrefix(key, "mlt_prod_") || !strings.HasPrefix(key, a.text("prefix")) || m["name"] != "ci" || m["project_id"] != id || m["consumer"] != nil ||
		fmt.Sprint(m["scopes"]) != "[events:read events:write]" || m["expires_at"] == nil {
		t.Errorf("%s", a.body)
	}
	st.do(key, "GET", "/v1/events", nil).want(200)
	st.do(key, "GET", "/v1/endpoints", nil).problem(kindForbidden)
	st.do(st.root, "DELETE", "/v1/projects/"+id+"/keys/"+a.text("id"), nil).want(200)
	st.do(key, "GET", "/v1/events", nil).problem(kindKeyWrong)
	if k := st.key(id); !strings.HasPrefix(k, "mlt_prod_") {
		t.Errorf("%s", k)
	}
}

func TestConsumers(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	for _, uid := range []string{"acme", "user|auth0~1", "a@b.com", "a%2Fb", ".x", "*x"} {
		path := "/v1/consumers/" + uid
		a := st.do(key, "PUT", path, `{"name":"One"}`).want(201)
		if m := a.object(); !strings.HasPrefix(a.text("id"), "con_") || m["uid"] != strings.ReplaceAll(uid, "%2F", "/") || m["name"] != "One" {
			t.Errorf("%s", a.body)
		}
		if b := st.do(key, "PUT", path, `{"name":"Two"}`).want(200); b.text("id") != a.text("id") || b.text("name") != "Two" {
			t.Errorf("%s", b.body)
		}
		if b := st.do(key, "GET", path, nil).want(200); b.text("name") != "Two" || b.text("created_at") != a.text("created_at") {
			t.Errorf("%s", b.body)
		}
		st.do(key, "DELETE", path, nil).want(200)
		st.do(key, "GET", path, nil).problem(kindNotFound)
	}
	st.do(key, "PUT", "/v1/consumers/bare", nil).want(201)
	st.do(key, "PUT", "/v1/consumers/"+strings.Repeat("x", 128), nil).want(201)
	st.do(key, "PUT", "/v1/consumers/"+strings.Repeat("x", 129), nil).problem(kindInvalid)
	ep := st.endpoint(key, "gone")
	st.do(key, "POST", "/v1/events", `{"type":"a","consumer":"gone","data":1}`).want(202)
	if m := st.do(key, "DELETE", "/v1/consumers/gone", nil).want(200).object(); m["deleted"] != true || m["in_flight"] != 0.0 {
		t.Errorf("%v", m)
	}
	st.do(key, "GET", "/v1/endpoints/"+ep, nil).problem(kindNotFound)
	st.do(key, "PUT", "/v1/consumers/"+store.SystemConsumer, nil).want(201)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	st := setup(t)
	if a := st.do("", "GET", "/healthz", nil).want(200); string(a.body) != `{"status":"ok","version":"test"}`+"\n" {
		t.Errorf("%s", a.body)
	}
	st.do("", "GET", "/readyz", nil).want(200)
	st.server.ready = func() error { return errors.New("shutting down") }
	if a := st.do("", "GET", "/readyz", nil).problem(kindUnavailable); !strings.Contains(string(a.body), "not ready: shutting down") || a.header.Get("Retry-After") == "" {
		t.Errorf("%s", a.body)
	}
	st.do("", "GET", "/healthz", nil).want(200)
}

func TestClosedStore(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	st.do(key, "POST", "/v1/events", `{"type":"a","consumer":"acme","data":1}`).want(202)
	if err := st.db.Close(); err != nil {
		t.Fatal(err)
	}
	a := st.do(key, "POST", "/v1/events", `{"type":"a","consumer":"acme","data":1}`).problem(kindUnavailable)
	if a.header.Get("Retry-After") == "" {
		t.Errorf("%v", a.header)
	}
	st.do("", "GET", "/readyz", nil).problem(kindUnavailable)
	st.do("", "GET", "/healthz", nil).want(200)
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	st := setup(t)
	g := st.stage("standard")
	st.do(g.full, "POST", "/v1/events", `{"type":"a","consumer":"nobody","data":1}`).want(202)
	for range 2 {
		st.do(g.full, "POST", "/v1/events", `{"type":"a","consumer":"acme","data":1}`, "Idempotency-Key", "k").want(202)
	}
	st.do(g.full, "POST", "/v1/events", `{"type":"a b","consumer":"acme","data":1}`).want(422)
	st.do(g.full, "GET", "/v1/canary-path", nil).want(404)
	st.do(g.full, "BREW", "/v1/events", nil).want(405)
	a := st.do("", "GET", "/metrics", nil).want(200)
	text := string(a.body)
	for _, want := range []string{
		`malote_events_total{result="accepted"} 3`, `malote_events_total{result="duplicate"} 1`, `malote_events_total{result="refused"} 1`,
		`malote_deliveries_created_total 2`, `malote_events_unreached_total 1`,
		`malote_http_request_duration_seconds_count{code="2xx",method="POST",route="/v1/events"} 4`,
		`malote_http_request_duration_seconds_count{code="4xx",method="any",route="unmatched"} 2`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
	for _, canary := range []string{"canary", "acme", "BREW", g.event, g.full} {
		if strings.Contains(text, canary) {
			t.Errorf("%s is in the metrics", canary)
		}
	}
}

// TestDeleteProject: a project ends only where nothing is sent from it any
// more, with its keys at once; its names are free, its audit log stays.
func TestDeleteProject(t *testing.T) {
	t.Parallel()
	st := setup(t)
	made := st.do(st.root, "POST", "/v1/projects", `{"name":"shop","environment":"production","host":"api.shop.example"}`).want(201)
	project := made.text("id")
	key := st.key(project)
	other, _ := st.project("standard", store.Development)
	ep := st.endpoint(key, "acme")
	st.do(key, "POST", "/v1/events", `{"type":"a","consumer":"acme","data":1}`).want(202)
	session := st.session(key, "acme", store.PortalManage).text("token")
	path := "/v1/projects/" + project

	if a := st.do(st.root, "DELETE", path, nil).problem(kindConflict); !strings.Contains(string(a.body), "the project has 1 endpoint:") {
		t.Errorf("%s", a.body)
	}
	st.endpoint(key, "acme")
	if a := st.do(st.root, "DELETE", path, nil).problem(kindConflict); !strings.Contains(string(a.body), "the project has 2 endpoints:") {
		t.Errorf("%s", a.body)
	}
	st.do(session, "GET", "/v1/endpoints/"+ep, nil).want(200)
	for _, k := range []string{key, session} {
		st.do(k, "DELETE", path, nil).problem(kindForbidden)
	}
	st.empty(key)
	late := st.session(key, "acme", store.PortalManage).text("token")
	for _, k := range []string{key, late} {
		st.do(k, "GET", "/v1/me", nil).want(200)
	}

	if a := st.do(st.root, "DELETE", path, nil).want(200); string(a.body) != `{"deleted":true,"in_flight":0}`+"\n" {
		t.Errorf("%s", a.body)
	}
	for _, k := range []string{key, session, late} {
		st.do(k, "GET", "/v1/me", nil).problem(kindKeyWrong)
		st.do(k, "POST", "/v1/events", `{"type":"a","consumer":"acme","data":1}`).problem(kindKeyWrong)
	}
	for _, x := range [][3]string{
		{"GET", "", ""}, {"DELETE", "", ""}, {"PATCH", "", `{"name":"n"}`}, {"POST", "/keys", `{"scopes":["*"]}`}, {"GET", "/keys", ""},
	} {
		var body any
		if x[2] != "" {
			body = x[2]
		}
		st.do(st.root, x[0], path+x[1], body).problem(kindNotFound)
	}
	if got := st.walk(st.root, "/v1/projects"); slices.Contains(got, project) || !slices.Contains(got, other) {
		t.Errorf("%v", got)
	}
	st.do(st.root, "GET", "/v1/audit?project="+project+"&action=consumer.delete", nil).want(200)
	if got := st.walk(st.root, "/v1/audit?project="+project); len(got) < 6 {
		t.Errorf("its log has %d entries", len(got))
	}
	if a := st.do(st.root, "GET", "/v1/audit?action=project.delete", nil).want(200); !strings.Contains(string(a.body), project) || !strings.Contains(string(a.body), `"field":"name","before":"shop","after":null`) {
		t.Errorf("%s", a.body)
	}
	again := st.do(st.root, "POST", "/v1/projects", `{"name":"shop","environment":"production","host":"api.shop.example"}`).want(201)
	if again.text("id") == project || len(st.walk(st.key(again.text("id")), "/v1/events")) != 0 {
		t.Errorf("%s", again.body)
	}
}
