package documented_test

import (
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/store"
)

// TestPlacaflow walks through the company's documentation: requests above,
// the documented answers below.
func TestPlacaflow(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project := st.project("placaflow", store.Production)
	st.vars["KEY"] = st.key(project, "condominio-1", "webhooks:read", "webhooks:write")
	st.vars["NATIVE"] = st.key(project, "", "*")
	if !strings.HasPrefix(st.vars["KEY"], "pk_") {
		t.Error("the key has not the company's prefix")
	}

	st.says(`
GET /api/webhooks
Authorization: Bearer $KEY
---
200
{"webhooks": []}`)

	st.says(`
POST /api/webhooks
Authorization: Bearer $KEY

{"name": "Portaria", "url": "https://example.com/webhooks/placas", "events": ["alert.triggered", "recognition.created"]}
---
201
{"webhook": {
	"id": "<uuid=W>", "name": "Portaria", "url": "https://example.com/webhooks/placas", "secret": "<hex=SECRET>", "enabled": true,
	"events": ["alert.triggered", "recognition.created"], "headers": {},
	"failureCount": 0, "lastDeliveryAt": null, "lastDeliveryStatus": null, "createdAt": "<time=MADE>"
}}`)

	st.says(`
POST /api/webhooks
Authorization: Bearer $KEY

{"name": "Garagem", "url": "http://example.com/g", "events": ["camera.online"], "secret": "um-segredo-nosso", "enabled": false,
 "headers": {"Authorization": "Bearer abc", "X-Unidade": "7"}}
---
201
{"webhook": {
	"id": "<uuid=X>", "name": "Garagem", "url": "http://example.com/g", "secret": "um-segredo-nosso", "enabled": false,
	"events": ["camera.online"], "headers": {"Authorization": "Bearer abc", "X-Unidade": "7"},
	"failureCount": 0, "lastDeliveryAt": null, "lastDeliveryStatus": null, "createdAt": "<time=MADEX>"
}}`)

	st.do("POST", "/v1/events", st.vars["NATIVE"], `{"type":"alert.triggered","consumer":"condominio-1","data":{"plate":"BRA2E19"}}`).want(202)
	st.finish(project, store.Pending, 401, store.Effect{}) // a failure counts when it happens, not when the last try is used up
	if list := st.do("GET", "/api/webhooks", st.vars["KEY"], nil).want(200).body; !strings.Contains(list, `"failureCount":1,"lastDeliveryAt":"20`) || !strings.Contains(list, `"lastDeliveryStatus":401`) {
		t.Errorf("after an attempt that failed: %s", list)
	}
	st.finish(project, store.Pending, 500, store.Effect{})
	st.finish(project, store.Failed, 503, store.Effect{Exhausted: true})

	st.says(`
GET /api/webhooks
Authorization: Bearer $KEY
---
200
{"webhooks": [{
	"id": "$X", "name": "Garagem", "url": "http://example.com/g", "secret": "um-segredo-nosso", "enabled": false,
	"events": ["camera.online"], "headers": {"Authorization": "Bearer abc", "X-Unidade": "7"},
	"failureCount": 0, "lastDeliveryAt": null, "lastDeliveryStatus": null, "createdAt": "$MADEX"
}, {
	"id": "$W", "name": "Portaria", "url": "https://example.com/webhooks/placas", "secret": "$SECRET", "enabled": true,
	"events": ["alert.triggered", "recognition.created"], "headers": {},
	"failureCount": 3, "lastDeliveryAt": "<time>", "lastDeliveryStatus": 503, "createdAt": "$MADE"
}]}`)

	st.says(`
PUT /api/webhooks/$W
Authorization: Bearer $KEY

{"url": "https://example.com/novo", "secret": "outro-segredo", "headers": {"X-Unidade": "8"}}
---
200
{"webhook": {
	"id": "$W", "name": "Portaria", "url": "https://example.com/novo", "secret": "outro-segredo", "enabled": true,
	"events": ["alert.triggered", "recognition.created"], "headers": {"X-Unidade": "8"},
	"failureCount": 3, "lastDeliveryAt": "<time>", "lastDeliveryStatus": 503, "createdAt": "$MADE"
}}`)

	// A success sets the count back.
	st.do("POST", "/v1/events", st.vars["NATIVE"], `{"type":"alert.triggered","consumer":"condominio-1","data":{}}`).want(202)
	st.finish(project, store.Delivered, 200, store.Effect{Clear: true})
	if one := st.do("GET", "/api/webhooks/"+st.vars["W"], st.vars["KEY"], nil).want(200).body; !strings.Contains(one, `"failureCount":0,`) || !strings.Contains(one, `"lastDeliveryStatus":200`) {
		t.Errorf("after a success: %s", one)
	}

	// What a client was shown it may send back, changed in one place.
	whole := st.do("GET", "/api/webhooks/"+st.vars["X"], st.vars["KEY"], nil).want(200).body
	inner := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(whole), `{"webhook":`), "}")
	back := st.do("PUT", "/api/webhooks/"+st.vars["X"], st.vars["KEY"], strings.Replace(inner, `"enabled":false`, `"enabled":true`, 1)).want(200).body
	if back != strings.Replace(whole, `"enabled":false`, `"enabled":true`, 1) {
		t.Errorf("sent back, it became\n%s\nand was\n%s", back, whole)
	}
	e := st.endpoint(project, st.vars["X"])
	if len(e.Secrets) != 1 {
		t.Errorf("%d secrets in force", len(e.Secrets))
	}

	st.says(`
PUT /api/webhooks/$X
Authorization: Bearer $KEY

{"headers": {}, "name": "Garagem 2", "events": ["*"]}
---
200
{"webhook": {
	"id": "$X", "name": "Garagem 2", "url": "http://example.com/g", "secret": "um-segredo-nosso", "enabled": true,
	"events": ["*"], "headers": {}, "failureCount": 0, "lastDeliveryAt": null, "lastDeliveryStatus": null, "createdAt": "$MADEX"
}}`)

	// What a create needs, a change does not take away; null is as if it had been left out.
	st.says(`
PUT /api/webhooks/$X
Authorization: Bearer $KEY

{"name": "", "url": "", "events": [], "enabled": false}
---
400
{"error": "name is required; url is required; events is required"}`)
	for _, same := range []string{`{}`, `{"secret": ""}`, `{"secret": null, "name": null, "url": null, "events": null, "headers": null, "enabled": null}`} {
		st.says(`
PUT /api/webhooks/$X
Authorization: Bearer $KEY

` + same + `
---
200
{"webhook": {
	"id": "$X", "name": "Garagem 2", "url": "http://example.com/g", "secret": "um-segredo-nosso", "enabled": true,
	"events": ["*"], "headers": {}, "failureCount": 0, "lastDeliveryAt": null, "lastDeliveryStatus": null, "createdAt": "$MADEX"
}}`)
	}

	st.says(`
DELETE /api/webhooks/$W
Authorization: Bearer $KEY
---
204
`)

	for _, asked := range []string{"GET /api/webhooks/$W", "PUT /api/webhooks/$W", "DELETE /api/webhooks/$W", "GET /api/webhooks/w1b2c3d4", "DELETE /api/webhooks/1"} {
		body := ""
		if strings.HasPrefix(asked, "PUT") {
			body = "\n\n{}"
		}
		st.says(asked + `
Authorization: Bearer $KEY` + body + `
---
404
{"error": "Webhook not found"}`)
	}

	// The same webhook is an endpoint of the native API, and the other way round.
	native := st.do("GET", "/v1/endpoints?consumer=condominio-1", st.vars["NATIVE"], nil).want(200).body
	if !strings.Contains(native, `"name":"Garagem 2"`) || strings.Contains(native, "inbound_path") {
		t.Error(native)
	}
	st.do("POST", "/v1/endpoints", st.vars["NATIVE"],
		`{"consumer":"condominio-1","name":"Nativo","url":"https://example.com/n","event_types":["*"],"secret":"um-terceiro"}`).want(201)
	if list := st.do("GET", "/api/webhooks", st.vars["KEY"], nil).want(200).body; !strings.Contains(list, `"name":"Nativo","url":"https://example.com/n","secret":"um-terceiro"`) {
		t.Error(list)
	}
}

func (st *site) endpoint(project, uuid string) *store.Endpoint {
	st.Helper()
	p := st.projectID(project)
	es, err := st.db.Endpoints(st.Context(), p, "", store.ID{}, 100)
	st.no(err)
	for _, e := range es {
		if e.ID.String() == uuid {
			return e
		}
	}
	st.Fatalf("no endpoint %s", uuid)
	return nil
}

func TestPlacaflowErrors(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project := st.project("placaflow", store.Production)
	st.vars["KEY"] = st.key(project, "c", "webhooks:read", "webhooks:write")
	for body, want := range map[string]string{
		`{"url":"https://example.com/","events":["*"]}`:         `name is required`,
		`{"name":"n","events":["*"]}`:                           `url is required`,
		`{"name":"n","url":"https://example.com/"}`:             `events is required`,
		`{"name":"n","url":"https://example.com/","events":[]}`: `events is required`,
		`{}`:                                    `name is required; url is required; events is required`,
		`{"name":"n","url":null,"events":null}`: `url is required; events is required`,
		`{"name":"n","url":5,"events":["*"]}`:   `url must be a string, not number`,
		`{"name":"n","url":"https://example.com/","events":"*"}`:                      `events must be an array of strings, not string`,
		`{"name":"n","url":"https://example.com/","events":["*"],"headers":[]}`:       `headers must be an object, not array`,
		`{"name":"n","url":"https://example.com/","events":["*",5]}`:                  `events.1 must be a string, not number`,
		`{"name":"n","url":"https://example.com/","events":[["*"]]}`:                  `events.0 must be a string, not array`,
		`{"name":"n","url":"https://example.com/","events":["*"],"headers":{"X":5}}`:  `headers.X must be a string, not number`,
		`{"name":"n","url":"https://example.com/","events":["*"],"headers":{"X":{}}}`: `headers.X must be a string, not object`,
		`{"name":"n","url":"https://example.com/","events":["*"],"enabled":"yes"}`:    `enabled must be true or false, not string`,
		`{"name":"n","url":"example.com/hooks","events":["*"]}`:                       `url cannot be used: the URL has no scheme; use a public https URL such as https://hooks.example.com/in"}`,
		`{"name":"n","url":"https://10.0.0.1/","events":["*"]}`:                       `url cannot be used: host 10.0.0.1 is a private address; use a public https URL such as https://hooks.example.com/in"}`,
		`{"name":"n","url":"https://api.internal/","events":["*"]}`:                   `url cannot be used: host api.internal is an internal name; use a public https URL such as https://hooks.example.com/in"}`,
		`[]`:                  `The body must be a JSON object`,
		``:                    `The body is not JSON`,
		"{\"name\":\"\xff\"}": `The body is not UTF-8`,
		`{"name":"n","url":"https://127.0.0.1/","events":["*"]}`:                                  `url `,
		`{"name":"n","url":"https://example.com/","events":["a b"]}`:                              `events.0 `,
		`{"name":"n","url":"https://example.com/","events":["*"],"secret":"x"}`:                   `secret `,
		`{"name":"n","url":"https://example.com/","events":["*"],"headers":{"Host":"x"}}`:         `headers.Host `,
		`{"name":"n","url":"https://example.com/","events":["*"],"headers":{"A":"[redacted]"}}`:   `headers.A `,
		`{"name":"` + strings.Repeat("n", 201) + `","url":"https://example.com/","events":["*"]}`: `name has more than 200 characters`,
	} {
		r := st.do("POST", "/api/webhooks", st.vars["KEY"], body).want(400)
		if !strings.HasPrefix(r.body, `{"error":"`+want) {
			t.Errorf("%s: %s, want %s", body, r.body, want)
		}
	}
	st.do("POST", "/api/webhooks", st.vars["KEY"], `{"name":"`+strings.Repeat("x", 64<<10)+`"}`).want(413)
	st.do("POST", "/api/webhooks", st.vars["KEY"], `{}`, "Content-Encoding", "gzip").want(415)
	if list := st.do("GET", "/api/webhooks", st.vars["KEY"], nil).want(200).body; list != "{\"webhooks\":[]}\n" {
		t.Errorf("something was made: %s", list)
	}
}
