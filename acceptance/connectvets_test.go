package acceptance

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/malote-dev/malote/webhook"
)

// clinic is a customer's receiver. It takes everything until it was given a
// secret, and from then on verifies.
type clinic struct {
	url      string
	receiver atomic.Pointer[webhook.Receiver]
	got      chan *webhook.Event
	raw      chan *http.Request
}

func newClinic(t *testing.T) *clinic {
	t.Helper()
	c := &clinic{got: make(chan *webhook.Event, 10), raw: make(chan *http.Request, 10)}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.raw <- r.Clone(context.Background())
		if v := c.receiver.Load(); v != nil {
			v.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(web.Close)
	c.url = web.URL
	return c
}

// verifies from now on, with a secret.
func (c *clinic) verifies(t *testing.T, dialect, secret string) {
	t.Helper()
	at := slices.IndexFunc(webhook.Builtin(), func(d *webhook.Dialect) bool { return d.Name == dialect })
	if at < 0 {
		t.Fatal(dialect)
	}
	d := webhook.Builtin()[at]
	c.receiver.Store(&webhook.Receiver{Dialect: d, Secrets: []string{secret}, Handle: func(_ context.Context, e *webhook.Event) error {
		c.got <- e
		return nil
	}})
}

// TestConnectVets: an operator of ConnectVets makes a webhook for a customer,
// in one of two environments, and hands its secret over.
func TestConnectVets(t *testing.T) {
	t.Parallel()
	site := startServer(t)
	customer := newClinic(t)
	s := newStory(t, site, map[string]string{"CLINIC": customer.url + "/webhooks/connectvets"})

	// Two environments are two projects, each with its own keys, webhooks and
	// secrets.
	s.says(`
POST /v1/projects
Authorization: Bearer $ROOT

{"name": "ConnectVets", "environment": "production", "dialect": "connectvets"}
---
201
{"id": "<id=PRODUCTION>", "name": "ConnectVets", "environment": "production", "dialect": "connectvets", "...": ""}`)
	s.says(`
POST /v1/projects
Authorization: Bearer $ROOT

{"name": "ConnectVets", "environment": "development", "dialect": "connectvets"}
---
201
{"id": "<id=DEVELOPMENT>", "environment": "development", "...": ""}`)

	// The operators' console has a key that makes webhooks and links; the
	// backend has one that sends events.
	s.says(`
POST /v1/projects/$PRODUCTION/keys
Authorization: Bearer $ROOT

{"name": "operators", "scopes": ["endpoints:read", "endpoints:write", "links:read", "links:write", "deliveries:read"]}
---
201
{"key": "<key=OPERATOR>", "...": ""}`)
	s.says(`
POST /v1/projects/$PRODUCTION/keys
Authorization: Bearer $ROOT

{"name": "backend", "scopes": ["events:write"]}
---
201
{"key": "<key=BACKEND>", "...": ""}`)
	s.says(`
POST /v1/projects/$DEVELOPMENT/keys
Authorization: Bearer $ROOT

{"name": "operators", "scopes": ["endpoints:read", "endpoints:write", "links:write"]}
---
201
{"key": "<key=DEVOPERATOR>", "...": ""}`)

	// The operator makes the webhook: for whom, where to, which events. It is
	// made paused, so that nothing is sent to who cannot verify yet.
	s.says(`
POST /v1/endpoints
Authorization: Bearer $OPERATOR

{"consumer": "clinica-42", "url": "$CLINIC", "event_types": ["note.completed", "note.failed"], "enabled": false}
---
201
{"id": "<id=ENDPOINT>", "consumer": "clinica-42", "event_types": ["note.completed", "note.failed"], "secret": "<secret=SECRET>", "state": "paused", "...": ""}`)

	// The secret goes to the customer by a link that shows it once.
	s.says(`
POST /v1/endpoints/$ENDPOINT/secret-links
Authorization: Bearer $OPERATOR

{"expires_in": 604800}
---
201
{"id": "<id=LINK>", "endpoint_id": "$ENDPOINT", "state": "open", "created_at": "<time>", "expires_at": "<time>", "opened_at": null, "opened_from": null, "revoked_at": null, "path": "<link=PATH>", "url": null}`)

	// Mail scanners and chats look at it: that opens nothing.
	for range 3 {
		if text := s.page("GET", s.vars["PATH"], 200); strings.Contains(text, s.vars["SECRET"]) || !strings.Contains(text, "Show the secret") {
			t.Errorf("%s", text)
		}
	}
	// The customer presses the button, and has all that verifying takes.
	text := s.page("POST", s.vars["PATH"], 200, "Accept-Language", "pt-BR")
	for _, want := range []string{s.vars["SECRET"], customer.url + "/webhooks/connectvets", "note.completed, note.failed", "X-ConnectVets-Signature", "ConnectVets (produção)"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %s: %s", want, text)
		}
	}
	// Whoever comes later does not.
	for _, method := range []string{"GET", "POST"} {
		if text := s.page(method, s.vars["PATH"], 410, "Accept-Language", "pt-BR"); strings.Contains(text, s.vars["SECRET"]) || !strings.Contains(text, "Se não foi você, avise já") {
			t.Errorf("%s", text)
		}
	}
	// And the operator sees that it was opened, and when.
	s.says(`
GET /v1/endpoints/$ENDPOINT/secret-links
Authorization: Bearer $OPERATOR
---
200
{"data": [{"id": "$LINK", "endpoint_id": "$ENDPOINT", "state": "opened", "created_at": "<time>", "expires_at": "<time>", "opened_at": "<time>", "opened_from": "127.0.0.1", "revoked_at": null}], "next_cursor": null}`)

	// The documented probe: a receiver that does not verify yet is found out,
	s.says(`
POST /v1/endpoints/$ENDPOINT/probe
Authorization: Bearer $OPERATOR
---
200
{"verdict": "accepts", "status": 200, "message": "<words>", "...": ""}`)
	probe := <-customer.raw
	if probe.Header.Get("X-ConnectVets-Signature") != "sha256=test" {
		t.Errorf("the probe is %v", probe.Header)
	}
	// and one that does answers 401. (One probe a second.)
	customer.verifies(t, "connectvets", s.vars["SECRET"])
	s.patiently(`
POST /v1/endpoints/$ENDPOINT/probe
Authorization: Bearer $OPERATOR
---
200
{"verdict": "verifies", "status": 401, "message": "The receiver listens and verifies: it answered 401 to a request whose signature is wrong.", "error": null, "...": ""}`)
	<-customer.raw

	s.says(`
POST /v1/endpoints/$ENDPOINT/resume
Authorization: Bearer $OPERATOR
---
200
{"state": "active", "...": ""}`)

	// The backend says what happened, and the customer can verify it with the
	// secret from the link.
	s.says(`
POST /v1/events
Authorization: Bearer $BACKEND

{"type": "note.completed", "consumer": "clinica-42", "data": {"note_id": "550e8400-e29b-41d4-a716-446655440000", "status": "completed", "external_id": "CLIENTE_123"}}
---
202
{"id": "<id=EVENT>", "deliveries": 1}`)
	e := <-customer.got
	mac := hmac.New(sha256.New, []byte(s.vars["SECRET"]))
	mac.Write(e.Body)
	if got := e.Header.Get("X-ConnectVets-Signature"); got != "sha256="+hex.EncodeToString(mac.Sum(nil)) || e.Type != "note.completed" {
		t.Errorf("%s %s %s", e.Type, got, e.Body)
	}

	// The other environment knows nothing of this one.
	s.says(`
GET /v1/endpoints/$ENDPOINT
Authorization: Bearer $DEVOPERATOR
---
404
{"type": "urn:malote:problem:not-found", "...": ""}`)
	s.says(`
POST /v1/endpoints/$ENDPOINT/secret-links
Authorization: Bearer $DEVOPERATOR
---
404
{"type": "urn:malote:problem:not-found", "...": ""}`)
	s.says(`
POST /v1/endpoints
Authorization: Bearer $DEVOPERATOR

{"consumer": "clinica-42", "url": "$CLINIC", "event_types": ["*"]}
---
201
{"id": "<id>", "secret": "<secret=DEVSECRET>", "...": ""}`)
	if s.vars["SECRET"] == s.vars["DEVSECRET"] {
		t.Error("both environments have the same secret")
	}
}
