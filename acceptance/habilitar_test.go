package acceptance

import (
	"strings"
	"testing"
)

// TestHabilitar: all that a customer of Habilitar does in its web console, by
// the API that the console's pages call: each has a portal session for the
// customer who is logged in, and so can do this to that customer's webhooks,
// and nothing else.
func TestHabilitar(t *testing.T) {
	t.Parallel()
	site := startServer(t)
	customer := newClinic(t)
	s := newStory(t, site, map[string]string{"ERP": customer.url + "/habilitar"})
	s.says(`
POST /v1/projects
Authorization: Bearer $ROOT

{"name": "Habilitar", "environment": "production", "dialect": "habilitar"}
---
201
{"id": "<id=PROJECT>", "dialect": "habilitar", "...": ""}`)
	s.says(`
POST /v1/projects/$PROJECT/keys
Authorization: Bearer $ROOT

{"name": "backend", "scopes": ["*"]}
---
201
{"key": "<key=BACKEND>", "...": ""}`)

	// Whoever logs in to the console gets pages with a token of an hour.
	s.says(`
POST /v1/consumers/transportadora-7/portal-sessions
Authorization: Bearer $BACKEND

{"access": "manage"}
---
201
{"id": "<id>", "consumer": "transportadora-7", "access": "manage", "prefix": "<words>", "made_by": "<id>", "created_at": "<time>", "expires_at": "<time>", "last_used_at": null,
 "token": "<key=PAGE>", "scopes": ["endpoints:read", "event_types:read", "events:read", "deliveries:read", "endpoints:write", "deliveries:write"],
 "path": "<words>", "url": null, "embed_path": "<words>", "embed_url": null}`)

	// "Novo webhook": a name, the events, the URL.
	if list := s.ask("GET", "/v1/event-types", "", "Authorization", "Bearer "+s.vars["PAGE"]); !strings.Contains(string(list.Body), `"condutor criado"`) {
		t.Errorf("the events to choose from are %s", list.Body)
	}
	s.says(`
POST /v1/endpoints
Authorization: Bearer $PAGE

{"name": "ERP", "event_types": ["driver.created", "driver.updated"], "url": "$ERP"}
---
201
{"id": "<id=WEBHOOK>", "consumer": "transportadora-7", "name": "ERP", "url": "$ERP", "event_types": ["driver.created", "driver.updated"], "secret": "<secret=SECRET>", "enabled": true, "...": ""}`)
	customer.verifies(t, "habilitar", s.vars["SECRET"])

	// The secret is read in the console whenever it is needed.
	s.says(`
GET /v1/endpoints/$WEBHOOK
Authorization: Bearer $PAGE
---
200
{"id": "$WEBHOOK", "name": "ERP", "secret": "$SECRET", "...": ""}`)
	s.says(`
GET /v1/endpoints
Authorization: Bearer $PAGE
---
200
{"data": [{"id": "$WEBHOOK", "name": "ERP", "url": "$ERP", "event_types": ["driver.created", "driver.updated"], "secret": "$SECRET", "state": "active", "...": ""}], "next_cursor": null}`)

	// Something happens, and the webhook tells of it.
	s.says(`
POST /v1/events
Authorization: Bearer $BACKEND

{"type": "driver.created", "consumer": "transportadora-7", "data": {"id": 1, "name": "João Conceição"}}
---
202
{"id": "<id=EVENT>", "deliveries": 1}`)
	if e := <-customer.got; e.Type != "driver.created" || string(e.Data) != `{"id": 1, "name": "João Conceição"}` {
		t.Errorf("%s %s", e.Type, e.Data)
	}

	// "Últimas entregas": what was sent to this webhook, and each attempt.
	s.until(`
GET /v1/deliveries?endpoint_id=$WEBHOOK&limit=20
Authorization: Bearer $PAGE
---
200
{"data": [{"id": "<id=DELIVERY>", "event_id": "$EVENT", "type": "driver.created", "endpoint_id": "$WEBHOOK", "state": "delivered", "attempts": 1, "last_status": 200, "...": ""}], "next_cursor": null}`)
	s.says(`
GET /v1/deliveries/$DELIVERY/attempts
Authorization: Bearer $PAGE
---
200
{"data": [{"number": 1, "at": "<time>", "request": {"sent": true, "line": "POST /habilitar HTTP/1.1", "...": ""}, "response": {"status": 200, "...": ""}, "error": null, "...": ""}], "next_cursor": null}`)
	s.says(`
POST /v1/deliveries/$DELIVERY/retry
Authorization: Bearer $PAGE
---
202
{"id": "$DELIVERY", "...": ""}`)
	if e := <-customer.got; e.Type != "driver.created" {
		t.Errorf("sent again: %s", e.Type)
	}

	// "Testar".
	s.says(`
POST /v1/endpoints/$WEBHOOK/test
Authorization: Bearer $PAGE
---
202
{"event_id": "<id>", "deliveries": 1, "...": ""}`)
	if e := <-customer.got; e.Type != "test" {
		t.Errorf("tested with %s", e.Type)
	}

	// "Editar": another name, more events.
	s.says(`
PATCH /v1/endpoints/$WEBHOOK
Authorization: Bearer $PAGE

{"name": "ERP novo", "event_types": ["driver.created", "driver.updated", "appeal.created"]}
---
200
{"id": "$WEBHOOK", "name": "ERP novo", "url": "$ERP", "event_types": ["driver.created", "driver.updated", "appeal.created"], "secret": "$SECRET", "...": ""}`)

	// "Pausar", "Retomar".
	s.says(`
POST /v1/endpoints/$WEBHOOK/pause
Authorization: Bearer $PAGE
---
200
{"state": "paused", "...": ""}`)
	s.says(`
POST /v1/endpoints/$WEBHOOK/resume
Authorization: Bearer $PAGE
---
200
{"state": "active", "...": ""}`)

	// "Excluir".
	s.says(`
DELETE /v1/endpoints/$WEBHOOK
Authorization: Bearer $PAGE
---
200
{"deleted": true, "in_flight": 0}`)
	s.says(`
GET /v1/endpoints
Authorization: Bearer $PAGE
---
200
{"data": [], "next_cursor": null}`)

	// The page sees nothing of other customers, and sends no events.
	s.says(`
GET /v1/consumers/outra-1/stats
Authorization: Bearer $PAGE
---
404
{"type": "urn:malote:problem:not-found", "...": ""}`)
	s.says(`
POST /v1/events
Authorization: Bearer $PAGE

{"type": "driver.created", "data": {}}
---
403
{"type": "urn:malote:problem:forbidden", "...": ""}`)
}
