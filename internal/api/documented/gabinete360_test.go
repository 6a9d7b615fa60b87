package documented_test

import (
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/store"
)

// TestGabinete360: the documented call, whose answer is not published, and its
// siblings, which are ours.
func TestGabinete360(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project := st.project("gabinete360", store.Production)
	st.vars["KEY"] = st.key(project, "acme", "webhooks:write", "webhooks:read")

	st.says(`
POST /api/v1/channels
Authorization: Bearer $KEY
Content-Type: application/json

{"type": "webhook", "name": "Alerts", "config": {"type": "webhook", "url": "https://example.com/hooks/argos", "secret": "a-long-random-string"}}
---
201
{"id": "<uuid=C>", "type": "webhook", "name": "Alerts",
 "config": {"type": "webhook", "url": "https://example.com/hooks/argos", "secret": "a-long-random-string"},
 "enabled": true, "failureCount": 0, "createdAt": "<time=MADE>"}`)

	e := st.endpoint(project, st.vars["C"])
	if len(e.EventTypes) != 1 || e.EventTypes[0] != "*" || e.Secrets[0].Value.Reveal() != "a-long-random-string" || e.PathSecret != "" {
		t.Errorf("%+v", e)
	}

	st.says(`
POST /api/v1/channels
Authorization: Bearer $KEY

{"type": "webhook", "name": "Second", "config": {"url": "https://example.com/2"}}
---
201
{"id": "<uuid=D>", "type": "webhook", "name": "Second", "config": {"type": "webhook", "url": "https://example.com/2", "secret": "<whsec>"},
 "enabled": true, "failureCount": 0, "createdAt": "<time=MADED>"}`)

	st.says(`
GET /api/v1/channels
Authorization: Bearer $KEY
---
200
{"channels": [
	{"id": "$D", "type": "webhook", "name": "Second", "config": {"type": "webhook", "url": "https://example.com/2"}, "enabled": true, "failureCount": 0, "createdAt": "$MADED"},
	{"id": "$C", "type": "webhook", "name": "Alerts", "config": {"type": "webhook", "url": "https://example.com/hooks/argos"}, "enabled": true, "failureCount": 0, "createdAt": "$MADE"}
]}`)

	st.says(`
PUT /api/v1/channels/$C
Authorization: Bearer $KEY

{"name": "Renamed", "enabled": false, "config": {"url": "https://example.com/new"}}
---
200
{"id": "$C", "type": "webhook", "name": "Renamed", "config": {"type": "webhook", "url": "https://example.com/new"}, "enabled": false, "failureCount": 0, "createdAt": "$MADE"}`)

	st.says(`
GET /api/v1/channels/$C
Authorization: Bearer $KEY
---
200
{"id": "$C", "type": "webhook", "name": "Renamed", "config": {"type": "webhook", "url": "https://example.com/new"}, "enabled": false, "failureCount": 0, "createdAt": "$MADE"}`)

	st.says(`
PUT /api/v1/channels/$C
Authorization: Bearer $KEY

{"name": "", "config": {"url": ""}}
---
400
{"error": "name is required; config.url is required"}`)
	st.says(`
PUT /api/v1/channels/$C
Authorization: Bearer $KEY

{"config": {"secret": ""}}
---
200
{"id": "$C", "type": "webhook", "name": "Renamed", "config": {"type": "webhook", "url": "https://example.com/new"}, "enabled": false, "failureCount": 0, "createdAt": "$MADE"}`)
	if e := st.endpoint(project, st.vars["C"]); len(e.Secrets) != 1 || e.Secrets[0].Value.Reveal() != "a-long-random-string" {
		t.Errorf("an empty secret took the place of the one before: %d secrets", len(e.Secrets))
	}

	st.says(`
DELETE /api/v1/channels/$C
Authorization: Bearer $KEY
---
204
`)
	st.says(`
GET /api/v1/channels/$C
Authorization: Bearer $KEY
---
404
{"error": "Channel not found"}`)

	for body, want := range map[string]string{
		`{}`: `type is required; name is required; config.url is required`,
		`{"type":"email","name":"n","config":{"url":"https://example.com/"}}`:                    `type must be \"webhook\"`,
		`{"type":"webhook","name":"n","config":{"type":"slack","url":"https://example.com/"}}`:   `config.type must be \"webhook\"`,
		`{"type":"webhook","name":"n","config":{"url":"https://10.0.0.1/"}}`:                     `config.url `,
		`{"type":"webhook","name":"n","config":{"url":"https://example.com/","secret":"short"}}`: `config.secret `,
		`{"type":"webhook","name":"n","config":"https://example.com/"}`:                          `config must be an object, not string`,
		`{"type":"webhook","name":"n","config":{"url":["https://example.com/"]}}`:                `config.url must be a string, not array`,
	} {
		r := st.do("POST", "/api/v1/channels", st.vars["KEY"], body).want(400)
		if !strings.HasPrefix(r.body, `{"error":"`+want) {
			t.Errorf("%s: %s", body, r.body)
		}
	}
}
