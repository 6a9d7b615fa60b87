package documented_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/store"
)

// TestPaths: one slash at the end of a path changes nothing, as in the
// companies' own servers; what else nobody documented is answered in the
// company's own words, however it is written.
func TestPaths(t *testing.T) {
	t.Parallel()
	st := setup(t)
	st.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	const notFound, notAllowed, notActive = `404 {"error":"Not found"}`, `405 {"error":"Method not allowed"}`, `404 {"error":"Webhook not found or inactive"}`
	type ask struct{ method, path, want string }
	for dialect, asks := range map[string][]ask{
		"gabinete360": {
			{"GET", "/api/v1/channels/", `200 {"channels":[{"id":"$ID"`}, {"GET", "/api/v1/channels/$ID/", `200 {"id":"$ID"`}, {"PUT", "/api/v1/channels/$ID/", `200 {"id":"$ID"`},
			{"POST", "/api/v1/channels/", `201 {"id":"`}, {"PATCH", "/api/v1/channels/", notAllowed}, {"DELETE", "/api/v1/channels/$ID/", `204 `},
			{"GET", "/api/v1/channels/x/", `404 {"error":"Channel not found"}`},
			{"GET", "/api/v1/channels//", notFound}, {"GET", "/api/v1//channels", notFound}, {"GET", "/api/v1", notFound}, {"GET", "/api/v1/", notFound},
		},
		"placaflow": {
			{"GET", "/api/webhooks/", `200 {"webhooks":[{"id":"$ID"`}, {"GET", "/api/webhooks/$ID/", `200 {"webhook":{"id":"$ID"`}, {"POST", "/api/webhooks/", `201 {"webhook":{"id":"`},
			{"PUT", "/api/webhooks/$ID/", `200 {"webhook":{"id":"$ID"`}, {"DELETE", "/api/webhooks/$ID/", `204 `}, {"PATCH", "/api/webhooks/$ID/", notAllowed},
			{"GET", "/api/webhooks/x/", `404 {"error":"Webhook not found"}`}, {"GET", "/api/webhooks/$ID/logs/", notFound},
		},
		"tarefa": {
			{"GET", "/api/webhooks/", `200 {"success":true,"webhooks":[{"id":"$ID"`}, {"POST", "/api/webhooks/", `201 {"success":true,"webhook":{"id":"`},
			{"GET", "/api/webhooks/$ID/", `200 {"success":true,"webhook":{"id":"$ID"`}, {"GET", "/api/webhooks/$ID/logs/", `200 {"success":true,"logs":[]`},
			{"GET", "/api/webhooks/$ID/logs/?limit=1", `200 {"success":true,"logs":[],"pagination":{"total":0,"limit":1,"offset":0}}`},
			{"POST", "/api/webhooks/$ID/test/", `200 {"success":true`}, {"POST", "/api/webhooks/$ID/logs/", notAllowed},
			{"GET", "/api/webhooks/wh_zz", notActive}, {"GET", "/api/webhooks/wh_zz/", notActive}, {"GET", "/api/webhooks/wh_zz/logs/", notActive}, {"POST", "/api/webhooks/wh_zz/test", notActive},
			{"DELETE", "/api/webhooks/$ID/", `200 {"success":true}`},
		},
	} {
		key := st.key(st.project(dialect, store.Development), "1", "*")
		id := st.webhook(dialect, key)
		asks = append(
			asks, ask{"GET", "/api", notFound}, ask{"GET", "/api/", notFound}, ask{"GET", "/api//", notFound}, ask{"GET", "/api//webhooks", notFound}, ask{"POST", "//api/webhooks", notFound},
			ask{"GET", "/api/webhooks/..", notFound}, ask{"GET", "/api/webhooks/../webhooks", notFound}, ask{"GET", "/api/./webhooks", notFound}, ask{"GET", "/api/../v1/endpoints", notFound},
			ask{"GET", "/v1/../api/webhooks", notFound}, ask{"GET", "/api/%2e%2e/webhooks", notFound}, ask{"GET", "/api%2Fwebhooks", notFound}, ask{"GET", "/api/nothing/", notFound},
		)
		for _, a := range asks {
			body := ""
			if a.method == http.MethodPost || a.method == http.MethodPut {
				body = bodyOf(dialect, a.method)
			}
			r := st.do(a.method, strings.ReplaceAll(a.path, "$ID", id), key, body)
			want := strings.ReplaceAll(a.want, "$ID", id)
			if got := fmt.Sprintf("%d %s", r.status, strings.TrimSpace(r.body)); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s %s: %s, want %s", dialect, a.method, a.path, got, want)
			}
			if media := r.header.Get("Content-Type"); r.status != http.StatusNoContent && media != "application/json" {
				t.Errorf("%s: %s %s: content type %q", dialect, a.method, a.path, media)
			}
		}
		for _, path := range []string{"/api", "/api/webhooks/", "/api//webhooks", "/api/../v1/endpoints"} {
			if r := st.do("GET", path, "", nil); r.status != 401 || r.body != "{\"error\":\"Unauthorized\"}\n" {
				t.Errorf("%s without a key: %d %s", path, r.status, r.body)
			}
		}
	}
}

// TestAddressWithASlash: so, too, the address that takes events in.
func TestAddressWithASlash(t *testing.T) {
	t.Parallel()
	st := setup(t)
	native := st.key(st.project("tarefa", store.Development), "", "*")
	made := st.do("POST", "/v1/endpoints", native, `{"consumer":"5","url":"https://example.com/","event_types":["*"]}`).want(201)
	path := st.text(made, "inbound_path") + "/"
	st.do("GET", path, "", nil).want(200)
	const body = `{"event":"task.started","timestamp":"2026-01-18T09:05:23.000Z","data":{}}`
	r := st.do("POST", path, "", body, signed(st.text(made, "secret"), body)...).want(200)
	st.match(r, `{"received": true, "processedAt": "<time>"}`)
	if r := st.do("DELETE", path, "", nil); r.status != 405 || r.body != "{\"error\":\"Method not allowed\"}\n" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := st.do("GET", path+"/", "", nil); r.status != 401 {
		t.Errorf("two slashes: %d %s", r.status, r.body)
	}
	st.do("POST", "/v1/endpoints/"+st.text(made, "id")+"/pause", native, nil).want(200)
	if r := st.do("GET", path, "", nil); r.status != 404 || r.body != "{\"error\":\"Webhook not found or inactive\"}\n" {
		t.Errorf("paused: %d %s", r.status, r.body)
	}
	if strings.Contains(st.log.String(), "/wh_") {
		t.Error("the log holds an address")
	}
}
