package api

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/store"
)

// heldBody is a body that the client does not begin to send before the server
// asks for it, and by then something else has happened.
type heldBody struct {
	first func()
	rest  io.Reader
}

func (h *heldBody) Read(p []byte) (int, error) {
	if h.first != nil {
		h.first()
		h.first = nil
	}
	return h.rest.Read(p)
}

// late makes a request whose key is judged, then runs end, and then sends the body.
func (st *site) late(key, method, path, body string, end func()) int {
	st.t.Helper()
	req, err := http.NewRequestWithContext(st.t.Context(), method, st.url+path, &heldBody{end, strings.NewReader(body)})
	if err != nil {
		st.t.Fatal(err)
	}
	req.ContentLength = int64(len(body))
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Expect", "100-continue")
	resp, err := st.http.Do(req)
	if err != nil {
		st.t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// TestAnEndedKeyDoesNothingWithALateBody: it is judged again once the body is in.
func TestAnEndedKeyDoesNothingWithALateBody(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, admin := st.project("standard", store.Development)
	keys := "/v1/projects/" + project + "/keys"
	ep := st.endpoint(admin, "c")
	const endpoint = `{"consumer":"c","url":"https://example.com/","event_types":["*"]}`
	const event = `{"type":"a.b","consumer":"c","data":{}}`
	for _, c := range []struct{ method, path, body string }{
		{"POST", keys, `{"scopes":["events:write"]}`},
		{"POST", "/v1/endpoints", endpoint},
		{"PATCH", "/v1/endpoints/" + ep, `{"description":"late"}`},
		{"POST", "/v1/events", event},
		{"POST", "/v1/events/batch", `{"events":[` + event + `]}`},
	} {
		made := st.do(st.root, "POST", keys, `{"scopes":["*","keys:write"]}`).want(201)
		got := st.late(made.text("key"), c.method, c.path, c.body, func() {
			st.do(st.root, "DELETE", keys+"/"+made.text("id"), nil).want(200)
		})
		if got != 401 {
			t.Errorf("%s %s: %d", c.method, c.path, got)
		}
	}
	root := st.do(st.root, "POST", "/v1/keys", `{"name":"r"}`).want(201)
	if got := st.late(root.text("key"), "POST", "/v1/keys", `{"name":"s"}`, func() {
		st.do(st.root, "DELETE", "/v1/keys/"+root.text("id"), nil).want(200)
	}); got != 401 {
		t.Errorf("a root key: %d", got)
	}
	// A deleted consumer does not come back by what acted for it.
	for _, c := range []struct{ method, path, body string }{{"PUT", "/v1/consumers/c", `{}`}, {"POST", "/v1/endpoints", endpoint}} {
		st.do(admin, "PUT", "/v1/consumers/c", `{}`)
		bound := st.do(st.root, "POST", keys, `{"scopes":["*"],"consumer":"c"}`).want(201).text("key")
		if got := st.late(bound, c.method, c.path, c.body, func() { st.do(admin, "DELETE", "/v1/consumers/c", nil).want(200) }); got != 401 {
			t.Errorf("%s %s: %d", c.method, c.path, got)
		}
		st.do(admin, "GET", "/v1/consumers/c", nil).want(404)
	}
	session := st.do(admin, "POST", "/v1/consumers/c/portal-sessions", `{"access":"manage"}`).want(201).text("token")
	if got := st.late(session, "POST", "/v1/endpoints", endpoint, func() {
		st.do(admin, "DELETE", "/v1/consumers/c/portal-sessions", nil).want(200)
	}); got != 401 {
		t.Errorf("a portal session: %d", got)
	}
}

// TestAnotherKeysIdempotencyKeyIsItsOwn: nobody is answered with what another
// key was shown, least of all one that may not make it.
func TestAnotherKeysIdempotencyKeyIsItsOwn(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, admin := st.project("standard", store.Development, "*", "keys:write")
	lesser := st.key(project, "keys:write")
	writer, other := st.key(project, "endpoints:write"), st.key(project, "endpoints:write")
	portal := st.key(project, "portal:write")
	for _, c := range []struct {
		first, second, path, body, secret string
		want                              int
	}{
		{admin, lesser, "/v1/projects/" + project + "/keys", `{"scopes":["events:write"]}`, "key", 403},
		{admin, portal, "/v1/consumers/c/portal-sessions", `{"access":"manage"}`, "token", 403},
		{writer, other, "/v1/endpoints", `{"consumer":"c","url":"https://example.com/","event_types":["*"]}`, "id", 201},
	} {
		shown := st.do(c.first, "POST", c.path, c.body, "Idempotency-Key", "k "+c.path).want(201).text(c.secret)
		a := st.do(c.second, "POST", c.path, c.body, "Idempotency-Key", "k "+c.path).want(c.want)
		if a.header.Get("Idempotent-Replayed") != "" || strings.Contains(string(a.body), shown) {
			t.Errorf("%s: another key's answer: %s", c.path, a.body)
		}
		again := st.do(c.first, "POST", c.path, c.body, "Idempotency-Key", "k "+c.path)
		if c.path == "/v1/endpoints" && again.want(201).text(c.secret) != shown {
			t.Errorf("%s: its own answer is gone: %s", c.path, again.body)
		}
		st.do(c.first, "POST", c.path, `{}`, "Idempotency-Key", "k "+c.path).problem(kindKeyReused)
	}
}

// TestOnlyTheVendorSendsDataOfHisOwn in a test, which he signs.
func TestOnlyTheVendorSendsDataOfHisOwn(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, admin := st.project("tarefa", store.Development)
	session := st.do(admin, "POST", "/v1/consumers/7/portal-sessions", `{"access":"manage"}`).want(201).text("token")
	bound := st.do(st.root, "POST", "/v1/projects/"+project+"/keys", `{"scopes":["*"],"consumer":"7"}`).want(201).text("key")
	for _, key := range []string{session, bound, st.key(project, "endpoints:write")} {
		path := "/v1/endpoints/" + st.endpoint(admin, "7") + "/test"
		for _, data := range []string{`{}`, `null`} {
			st.do(key, "POST", path, `{"type":"task.deleted","data":`+data+`}`).problem(kindForbidden)
		}
		st.do(key, "POST", path, `{"type":"task.deleted"}`).want(202)
	}
	st.do(st.key(project, "endpoints:write", "events:write"), "POST", "/v1/endpoints/"+st.endpoint(admin, "7")+"/test", `{"type":"any.thing","data":1}`).want(202)
}

func TestNamesThatPassForTheServersAreRefused(t *testing.T) {
	t.Parallel()
	st := setup(t)
	for dialect, headers := range map[string][]string{
		"standard": {"webhook_id", "Webhook_Signature", "webhook_anything", "content_length"},
		"github":   {"X_Hub_Signature_256", "x-hub_signature-256", "X_GitHub_Event"},
	} {
		project, key := st.project(dialect, store.Development)
		for _, h := range headers {
			st.do(key, "POST", "/v1/endpoints", `{"consumer":"c","url":"https://example.com/","event_types":["*"],"headers":{"`+h+`":"v"}}`).problem(kindInvalid, "/headers/"+h)
		}
		st.do(key, "POST", "/v1/endpoints", `{"consumer":"c","url":"https://example.com/","event_types":["*"],"headers":{"X_Tenant":"v"}}`).want(201)
		for _, p := range []string{"mlt_", "Mlt_prod_", "MLT_", "mLt_root_"} {
			st.do(st.root, "POST", "/v1/projects/"+project+"/keys", `{"scopes":["*"],"prefix":"`+p+`"}`).problem(kindInvalid, "/prefix")
		}
	}
}
