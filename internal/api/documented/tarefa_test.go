package documented_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// TestTarefa walks through the company's documentation: requests above, the
// documented answers below.
func TestTarefa(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project := st.project("tarefa", store.Production)
	st.vars["KEY"] = st.key(project, "123", "webhooks:read", "webhooks:write")
	st.vars["NATIVE"] = st.key(project, "", "*")

	st.says(`
POST /api/webhooks
Authorization: Bearer $KEY

{"url": "https://example.com/webhook", "events": ["task.completed", "task.failed"], "description": "Produção"}
---
201
{"success": true, "webhook": {
	"id": "<wh=W>", "userId": 123, "url": "https://example.com/webhook", "secret": "<whsec=SECRET>",
	"events": ["task.completed", "task.failed"], "isActive": true, "createdAt": "<time=MADE>"
}}`)

	st.says(`
POST /api/webhooks/$W/test
Authorization: Bearer $KEY
---
200
{"success": true, "message": "Test webhook sent"}`)
	st.finish(project, store.Delivered, 200, store.Effect{})

	st.do("POST", "/v1/events", st.vars["NATIVE"], `{"type":"task.completed","consumer":"123","data":{}}`).want(202)
	st.finish(project, store.Pending, 500, store.Effect{})
	st.finish(project, store.Delivered, 200, store.Effect{})

	st.says(`
GET /api/webhooks/$W/logs?limit=50
Authorization: Bearer $KEY
---
200
{"success": true, "logs": [
	{"id": "<log=LAST>", "webhookId": "$W", "event": "task.completed", "url": "https://example.com/webhook", "statusCode": 200,
	 "responseTime": 145, "attempt": 2, "success": true, "timestamp": "<time>"},
	{"id": "<log=FIRST>", "webhookId": "$W", "event": "task.completed", "url": "https://example.com/webhook", "statusCode": 500,
	 "responseTime": 145, "attempt": 1, "success": false, "timestamp": "<time>"},
	{"id": "<log>", "webhookId": "$W", "event": "test", "url": "https://example.com/webhook", "statusCode": 200,
	 "responseTime": 145, "attempt": 1, "success": true, "timestamp": "<time>"}
], "pagination": {"total": 3, "limit": 50, "offset": 0}}`)
	if st.vars["LAST"] != st.vars["FIRST"]+"_2" {
		t.Errorf("records %s and %s", st.vars["FIRST"], st.vars["LAST"])
	}

	st.says(`
GET /api/webhooks/$W/logs?limit=1&offset=1
Authorization: Bearer $KEY
---
200
{"success": true, "logs": [
	{"id": "$FIRST", "webhookId": "$W", "event": "task.completed", "url": "https://example.com/webhook", "statusCode": 500,
	 "responseTime": 145, "attempt": 1, "success": false, "timestamp": "<time>"}
], "pagination": {"total": 3, "limit": 1, "offset": 1}}`)

	// Ours, in the same style: the secret is not shown again.
	st.says(`
GET /api/webhooks
Authorization: Bearer $KEY
---
200
{"success": true, "webhooks": [{
	"id": "$W", "userId": 123, "url": "https://example.com/webhook", "description": "Produção",
	"events": ["task.completed", "task.failed"], "isActive": true, "failedAt": null, "createdAt": "$MADE"
}]}`)
	st.says(`
PUT /api/webhooks/$W
Authorization: Bearer $KEY

{"events": ["task.*"], "isActive": false}
---
200
{"success": true, "webhook": {
	"id": "$W", "userId": 123, "url": "https://example.com/webhook", "description": "Produção",
	"events": ["task.*"], "isActive": false, "failedAt": null, "createdAt": "$MADE"
}}`)
	st.says(`
GET /api/webhooks/$W
Authorization: Bearer $KEY
---
200
{"success": true, "webhook": {
	"id": "$W", "userId": 123, "url": "https://example.com/webhook", "description": "Produção",
	"events": ["task.*"], "isActive": false, "failedAt": null, "createdAt": "$MADE"
}}`)
	st.says(`
POST /api/webhooks/$W/test
Authorization: Bearer $KEY
---
404
{"error": "Webhook not found or inactive"}`)
	st.says(`
DELETE /api/webhooks/$W
Authorization: Bearer $KEY
---
200
{"success": true}`)
	for _, asked := range []string{"GET /api/webhooks/$W", "DELETE /api/webhooks/$W", "POST /api/webhooks/$W/test", "GET /api/webhooks/$W/logs", "GET /api/webhooks/7/logs"} {
		st.says(asked + `
Authorization: Bearer $KEY
---
404
{"error": "Webhook not found or inactive"}`)
	}
}

func TestTarefaLimitsAndErrors(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project := st.project("tarefa", store.Production)
	st.vars["KEY"] = st.key(project, "7", "*")
	other := st.key(project, "8", "*")
	const create = `
POST /api/webhooks
Authorization: Bearer $KEY

{"url": "%s", "events": ["task.*"]}
---
%s`
	for range 10 {
		st.says(fmt.Sprintf(create, "https://example.com/", `201
{"success": true, "webhook": {"id": "<wh=W>", "userId": 7, "url": "https://example.com/", "secret": "<whsec>", "events": ["task.*"], "isActive": true, "createdAt": "<time>"}}`))
	}
	st.says(fmt.Sprintf(create, "https://example.com/", `409
{"error": "Webhook limit reached", "message": "Maximum 10 webhooks per user"}`))
	st.do("POST", "/api/webhooks", other, `{"url":"https://example.com/","events":["*"]}`).want(201) // another user's are his own

	st.says(fmt.Sprintf(create, "http://example.com/", `400
{"error": "Invalid request", "message": "url cannot be used: the URL is http; use https, which keeps the payload from being read on the way"}`))
	st.says(`
POST /api/webhooks
Authorization: Bearer $KEY

{"description": "nothing else"}
---
400
{"error": "Invalid request", "message": "url is required; events is required"}`)
	for query, message := range map[string]string{
		"limit=x": "limit must be", "limit=0": "limit must be", "offset=-1": "offset must be", "offset=10001": "offset must be", "limit=1e3": "limit must be",
	} {
		r := st.do("GET", "/api/webhooks/"+st.vars["W"]+"/logs?"+query, st.vars["KEY"], nil).want(400)
		if !strings.Contains(r.body, message) {
			t.Errorf("%s: %s", query, r.body)
		}
	}
	st.says(`
GET /api/webhooks/$W/logs?limit=0
Authorization: Bearer $KEY
---
400
{"error": "Invalid request", "message": "limit must be a number from 1 to 100; more is taken as 100"}`)
	for _, limit := range []string{"100", "101", "99999999999999999999999"} {
		if r := st.do("GET", "/api/webhooks/"+st.vars["W"]+"/logs?limit="+limit, st.vars["KEY"], nil).want(200); !strings.Contains(r.body, `"limit":100,`) {
			t.Error(r.body)
		}
	}
	if r := st.do("GET", "/api/webhooks/"+st.vars["W"]+"/logs?limit=5000", st.vars["KEY"], nil).want(200); !strings.Contains(r.body, `"total":0,"limit":100,"offset":0`) {
		t.Error(r.body)
	}
	st.do("POST", "/api/webhooks/"+st.vars["W"]+"/test", st.vars["KEY"], nil).want(200)
	st.says(`
POST /api/webhooks/$W/test
Authorization: Bearer $KEY
---
429
{"error": "Rate limit exceeded", "message": "Maximum 1 test per second"}`)
	foreign := st.do("GET", "/api/webhooks/"+st.vars["W"], other, nil).want(404)
	if foreign.body != "{\"error\":\"Webhook not found or inactive\"}\n" {
		t.Error(foreign.body)
	}
}

// signed is the header of a body as a sender signs it.
func signed(secret, body string) []string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return []string{"X-Webhook-Signature", "sha256=" + hex.EncodeToString(mac.Sum(nil)), "Content-Type", "application/json"}
}

// TestTarefaEventsIn: the address of a webhook, which needs no key.
func TestTarefaEventsIn(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project := st.project("tarefa", store.Development)
	native := st.key(project, "", "*")
	st.vars["KEY"] = st.key(project, "123", "*")
	st.says(`
POST /api/webhooks
Authorization: Bearer $KEY

{"url": "https://example.com/webhook", "events": ["task.completed", "task.failed"]}
---
201
{"success": true, "webhook": {"id": "<wh=W>", "userId": 123, "url": "https://example.com/webhook", "secret": "<whsec=SECRET>",
	"events": ["task.completed", "task.failed"], "isActive": true, "createdAt": "<time>"}}`)
	list := st.do("GET", "/v1/endpoints", native, nil).want(200).body
	_, rest, _ := strings.Cut(list, `"inbound_path":"`)
	st.vars["PATH"], _, _ = strings.Cut(rest, `"`)
	path := st.vars["PATH"]
	if !strings.HasPrefix(path, "/api/webhooks/123/wh_") || strings.Contains(path, st.vars["W"]) || strings.Contains(path, st.vars["SECRET"]) {
		t.Fatalf("address %q in %s", path, list)
	}

	st.says(`
GET $PATH
---
200
{"message": "Webhook endpoint is active", "userId": "123", "webhookId": "$W", "acceptedEvents": ["task.completed", "task.failed"], "isActive": true}`)

	body := `{"event":"task.completed","timestamp":"2026-01-18T09:05:23.000Z","webhookId":"x","userId":123,"data":{"task":{"id":456,"n":1.50}}}`
	r := st.do("POST", path, "", body, signed(st.vars["SECRET"], body)...)
	r.what = "events in"
	st.match(r.want(200), `{"received": true, "processedAt": "<time>"}`)
	// Again, and as a project that puts ids into bodies would send it.
	withID := strings.Replace(body, "{", `{"id":"x",`, 1)
	st.match(st.do("POST", path, "", withID, signed(st.vars["SECRET"], withID)...).want(200), `{"received": true, "processedAt": "<time>"}`)
	events := st.do("GET", "/v1/events", native, nil).want(200).body
	if strings.Count(events, `"type":"task.completed"`) != 1 || !strings.Contains(events, `"timestamp":"2026-01-18T09:05:23Z"`) && !strings.Contains(events, `"timestamp":"2026-01-18T09:05:23.000Z"`) {
		t.Errorf("the same body twice is one event: %s", events)
	}
	page, err := st.db.Deliveries(t.Context(), st.projectID(project), store.Filter{})
	st.no(err)
	if len(page.Items) != 1 || page.Items[0].Consumer != "123" {
		t.Errorf("%d deliveries", len(page.Items))
	}
	e, err := st.db.Event(t.Context(), st.projectID(project), page.Items[0].EventID)
	if err != nil || string(e.Data) != `{"task":{"id":456,"n":1.50}}` {
		t.Errorf("%s %v", e.Data, err)
	}

	wrong := func(what, method, path, body string, header []string, status int, want string) {
		t.Helper()
		r := st.do(method, path, "", body, header...)
		if r.status != status || strings.TrimSpace(r.body) != want && !strings.HasPrefix(r.body, want) {
			t.Errorf("%s: %d %s, want %d %s", what, r.status, r.body, status, want)
		}
	}
	const badSignature, notFound = `{"error":"Invalid signature"}`, `{"error":"Webhook not found or inactive"}`
	wrong("no signature", "POST", path, body, nil, 401, badSignature)
	wrong("another secret", "POST", path, body, signed("whsec_other", body), 401, badSignature)
	wrong("the path's secret", "POST", path, body, signed(path[strings.LastIndex(path, "/")+1:], body), 401, badSignature)
	wrong("a changed body", "POST", path, body+" ", signed(st.vars["SECRET"], body), 401, badSignature)
	wrong("no event", "POST", path, `[1]`, signed(st.vars["SECRET"], `[1]`), 400, `{"error":"Invalid request","message":"The body must be an event`)
	unwanted := strings.Replace(body, "task.completed", "task.created", 1)
	wrong("an event that it does not accept", "POST", path, unwanted, signed(st.vars["SECRET"], unwanted), 400,
		`{"error":"Invalid request","message":"This webhook does not accept the event \"task.created\"; it accepts task.completed, task.failed"}`)
	large := `{"event":"task.completed","data":"` + strings.Repeat("x", 300<<10) + `"}`
	wrong("a large body", "POST", path, large, signed(st.vars["SECRET"], large), 413, `{"error":"Payload too large"`)
	wrong("another user", "GET", strings.Replace(path, "/123/", "/124/", 1), "", nil, 404, notFound)
	wrong("another method", "DELETE", path, "", nil, 405, `{"error":"Method not allowed"}`)

	st.do("POST", "/v1/endpoints/ep_"+strings.TrimPrefix(st.vars["W"], "wh_")+"/pause", native, nil).want(200)
	wrong("paused", "GET", path, "", nil, 404, notFound)
	wrong("paused", "POST", path, body, signed(st.vars["SECRET"], body), 404, notFound)
	st.do("POST", "/v1/endpoints/ep_"+strings.TrimPrefix(st.vars["W"], "wh_")+"/resume", native, nil).want(200)
	wrong("resumed", "GET", path, "", nil, 200, `{"message":"Webhook endpoint is active"`)
	st.do("DELETE", "/api/webhooks/"+st.vars["W"], st.vars["KEY"], nil).want(200)
	wrong("deleted", "GET", path, "", nil, 404, notFound)
	wrong("deleted", "POST", path, body, signed(st.vars["SECRET"], body), 404, notFound)
	st.stop()
	st.start()
	wrong("deleted, after a restart", "GET", path, "", nil, 404, notFound)
	wrong("deleted, after a restart", "POST", path, body, signed(st.vars["SECRET"], body), 404, notFound)
	wrong("deleted, under a foreign host name", "POST", path, body, append(signed(st.vars["SECRET"], body), "Host", "foreign.example.com"), 404, notFound)
	wrong("never was", "GET", "/api/webhooks/123/wh_nothing", "", nil, 401, `{"error":"Unauthorized"}`)
}

func TestTarefaTakesAHundredAMinute(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project := st.project("tarefa", store.Development)
	made := st.do("POST", "/v1/endpoints", st.key(project, "", "*"), `{"consumer":"5","url":"https://example.com/","event_types":["*"]}`).want(201)
	path, secret := st.text(made, "inbound_path"), st.text(made, "secret")
	began := time.Now()
	for i := range 100 {
		body := fmt.Sprintf(`{"event":"task.started","timestamp":"2026-01-18T09:05:23.000Z","data":%d}`, i)
		header := signed(secret, body)
		if i%10 == 0 {
			header = nil // what is refused counts, too
		}
		r := st.do("POST", path, "", body, header...)
		if header != nil {
			r.want(200)
		} else {
			r.want(401)
		}
	}
	r := st.do("POST", path, "", `{}`).want(429)
	if r.body != `{"error":"Rate limit exceeded","message":"Maximum 100 requests per minute"}`+"\n" || r.header.Get("Retry-After") == "" {
		t.Errorf("%s %v, after %v", r.body, r.header, time.Since(began))
	}
	st.do("GET", path, "", nil).want(200) // to ask is no event
	another := st.do("POST", "/v1/endpoints", st.key(project, "", "*"), `{"consumer":"5","url":"https://example.com/","event_types":["*"]}`).want(201)
	st.do("POST", st.text(another, "inbound_path"), "", `{}`).want(401) // each address has its own hundred
}

// TestAddressMoves: an address that senders know already goes on to take events
// in here, and is of one webhook for good.
func TestAddressMoves(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project := st.project("tarefa", store.Development)
	key := st.key(project, "", "*")
	const moved = "wh_0123456789abcdef"
	body := func(more string) string {
		return `{"consumer":"5","url":"https://example.com/","event_types":["*"]` + more + `}`
	}
	made := st.do("POST", "/v1/endpoints", key, body(`,"inbound_secret":"`+moved+`"`)).want(201)
	if path := st.text(made, "inbound_path"); path != "/api/webhooks/5/"+moved {
		t.Error(path)
	}
	st.do("GET", "/api/webhooks/5/"+moved, "", nil).want(200)
	st.do("GET", "/api/webhooks/6/"+moved, "", nil).want(404)
	again := st.do("POST", "/v1/endpoints", key, body(`,"inbound_secret":"`+moved+`"`)).want(409)
	st.do("DELETE", "/v1/endpoints/"+st.text(made, "id"), key, nil).want(200)
	st.do("POST", "/v1/endpoints", key, body(`,"inbound_secret":"`+moved+`"`)).want(409)
	for name, more := range map[string]string{
		"short": `,"inbound_secret":"wh_short"`, "another form": `,"inbound_secret":"xx_0123456789abcdef"`, "a path": `,"inbound_secret":"wh_0123456789/abcdef"`,
	} {
		if r := st.do("POST", "/v1/endpoints", key, body(more)).want(422); !strings.Contains(r.body, `"/inbound_secret"`) {
			t.Errorf("%s: %s", name, r.body)
		}
	}
	own := st.key(project, "5", "*")
	st.do("POST", "/v1/endpoints", own, body(`,"inbound_secret":"wh_fedcba9876543210"`)).want(422)
	other := st.do("POST", "/v1/endpoints", own, body("")).want(201)
	st.do("PATCH", "/v1/endpoints/"+st.text(other, "id"), key, `{"inbound_secret":"wh_fedcba9876543210"}`).want(422)
	elsewhere := st.key(st.project("placaflow", store.Development), "", "*")
	st.do("POST", "/v1/endpoints", elsewhere, body(`,"inbound_secret":"wh_fedcba9876543210"`)).want(422)
	if strings.Contains(again.body+st.log.String(), moved) {
		t.Error("the secret of an address is shown to who did not ask for it")
	}
}

// TestWebhookKeepsItsID: a webhook that came from elsewhere goes on under the id
// that its user knows, among his own webhooks alone.
func TestWebhookKeepsItsID(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project := st.project("tarefa", store.Development)
	key := st.key(project, "", "*")
	body := func(consumer, id string) string {
		return `{"consumer":"` + consumer + `","url":"https://example.com/","event_types":["*"],"wire_id":"` + id + `"}`
	}
	made := st.do("POST", "/v1/endpoints", key, body("5", "wh_123")).want(201)
	if st.text(made, "wire_id") != "wh_123" || st.text(made, "id") == "wh_123" {
		t.Error(made.body)
	}
	st.do("POST", "/v1/endpoints", key, body("5", "wh_123")).want(409)
	st.do("POST", "/v1/endpoints", key, body("6", "wh_123")).want(201) // another user's
	own := st.key(project, "5", "*")
	for _, call := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/api/webhooks/wh_123", "", 200}, {"PUT", "/api/webhooks/wh_123", `{"description":"mine"}`, 200}, {"GET", "/api/webhooks/wh_123/logs", "", 200},
		{"GET", "/api/webhooks/wh_124", "", 404}, {"DELETE", "/api/webhooks/wh_123", "", 200}, {"GET", "/api/webhooks/wh_123", "", 404},
	} {
		r := st.do(call.method, call.path, own, call.body).want(call.status)
		if call.status == 200 && call.method != "DELETE" && !strings.HasSuffix(call.path, "/logs") && !strings.Contains(r.body, `"id":"wh_123"`) {
			t.Errorf("%s %s: %s", call.method, call.path, r.body)
		}
	}
	st.do("GET", "/api/webhooks/wh_123", st.key(project, "6", "*"), nil).want(200)
	st.do("POST", "/v1/endpoints", key, body("5", "wh_123")).want(201) // it is free again
	for _, wrong := range []string{"a/b", "..", "wh 1", strings.Repeat("a", 65)} {
		if r := st.do("POST", "/v1/endpoints", key, body("5", wrong)).want(422); !strings.Contains(r.body, `"/wire_id"`) {
			t.Errorf("%s: %s", wrong, r.body)
		}
	}
	st.do("POST", "/v1/endpoints", own, body("5", "wh_9")).want(422)
	st.do("PATCH", "/v1/endpoints/"+st.text(made, "id"), key, `{"wire_id":"wh_9"}`).want(404)
}

// TestCreatedOnce: the companies say nothing of Idempotency-Key; here a repeat of
// a creation makes nothing, also of many at once.
func TestCreatedOnce(t *testing.T) {
	t.Parallel()
	for name, company := range map[string]struct{ path, body string }{
		"tarefa":      {"/api/webhooks", `{"url":"https://example.com/","events":["task.completed"]}`},
		"placaflow":   {"/api/webhooks", `{"name":"a","url":"https://example.com/","events":["alert.triggered"]}`},
		"gabinete360": {"/api/v1/channels", `{"type":"webhook","name":"a","config":{"type":"webhook","url":"https://example.com/"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := setup(t)
			key := st.key(st.project(name, store.Development), "5", "*")
			bodies := make([]string, 12)
			var wg sync.WaitGroup
			for i := range bodies {
				wg.Go(func() {
					r := st.do("POST", company.path, key, company.body, "Idempotency-Key", "one")
					if bodies[i] = r.body; r.status != 201 {
						t.Errorf("%d: %d %s", i, r.status, r.body)
					}
				})
			}
			wg.Wait()
			for _, b := range bodies {
				if b != bodies[0] {
					t.Errorf("%s, and %s", b, bodies[0])
				}
			}
			if list := st.do("GET", company.path, key, nil).want(200); strings.Count(list.body, "https://example.com/") != 1 {
				t.Error(list.body)
			}
			if r := st.do("POST", company.path, key, company.body, "Idempotency-Key", "one").want(201); r.header.Get("Idempotent-Replayed") != "true" {
				t.Error(r.header)
			}
			st.do("POST", company.path, key, strings.Replace(company.body, "example.com", "example.net", 1), "Idempotency-Key", "one").want(409)
			st.do("POST", company.path, key, company.body, "Idempotency-Key", "").want(400)
			st.do("POST", company.path, key, company.body).want(201)
		})
	}
}

// TestKeyIsBroughtAlong: a token that a user has goes on to be valid.
func TestKeyIsBroughtAlong(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project := st.project("tarefa", store.Development)
	const token = "0123456789abcdef-of-tarefa.example=="
	keys := "/v1/projects/" + project + "/keys"
	body := func(key string) string { return `{"consumer":"5","scopes":["webhooks:read"],"key":"` + key + `"}` }
	made := st.do("POST", keys, st.vars["ROOT"], body(token)).want(201)
	if st.text(made, "key") != token || st.text(made, "prefix") != token[:9] {
		t.Error(made.body)
	}
	st.do("GET", "/api/webhooks", token, nil).want(200)
	again := st.do("POST", keys, st.vars["ROOT"], body(token)).want(409)
	st.do("DELETE", keys+"/"+st.text(made, "id"), st.vars["ROOT"], nil).want(200)
	st.do("GET", "/api/webhooks", token, nil).want(401)
	for _, wrong := range []string{"short", "mlt_dev_0123456789abcdef0123", "with spaces 0123456789 abcdef", strings.Repeat("a", 257)} {
		if r := st.do("POST", keys, st.vars["ROOT"], body(wrong)).want(422); !strings.Contains(r.body, `"/key"`) || strings.Contains(r.body, wrong) {
			t.Errorf("%s: %s", wrong, r.body)
		}
	}
	if r := st.do("POST", keys, st.vars["ROOT"], `{"scopes":["*"],"key":"`+token+`2","prefix":"pk_"}`).want(422); !strings.Contains(r.body, `"/prefix"`) {
		t.Error(r.body)
	}
	if strings.Contains(again.body+st.log.String(), token) {
		t.Error("the key is shown to who did not ask for it")
	}
}

// TestSecretsStayInside: the secret of an address is in no log, no metric, and
// on the disk only encrypted; a contract's own list shows what it documents.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project := st.project("tarefa", store.Development)
	made := st.do("POST", "/v1/endpoints", st.key(project, "", "*"), `{"consumer":"5","url":"https://example.com/","event_types":["*"]}`).want(201)
	path, signing := st.text(made, "inbound_path"), st.text(made, "secret")
	key := st.key(project, "5", "*")
	st.do("GET", path, "", nil).want(200)
	st.do("POST", path, "", `{}`).want(401)
	st.do("PUT", path, "", `{}`).want(405)
	st.do("GET", path+"/more", "", nil).want(401)
	metrics := st.do("GET", "/metrics", "", nil).want(200).body
	if !strings.Contains(metrics, `route="/api/"`) {
		t.Error("the documented APIs are not measured")
	}
	lists := st.do("GET", "/api/webhooks", key, nil).want(200).body
	secret := path[strings.LastIndex(path, "/")+1:]
	for what, text := range map[string]string{"log": st.log.String(), "metrics": metrics, "tarefa's list": lists} {
		for _, s := range []string{secret, signing, key} {
			if strings.Contains(text, s) {
				t.Errorf("%s holds %s", what, s)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(st.dir, "*"))
	st.no(err)
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		for _, s := range []string{secret, signing, key} {
			if strings.Contains(string(text), s) {
				t.Errorf("%s holds %s", f, s)
			}
		}
	}
}
