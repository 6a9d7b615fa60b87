package acceptance

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// native fills the fields of a project of the native API; the ids are by the
// prefixes of routes.
func (c *canaries) native(root, to string) map[string]string {
	t := c.T
	t.Helper()
	project := c.ask(201, root, "POST", "/v1/projects", `{"name":"shop","environment":"development","dialect":"standard"}`)["id"].(string)
	key := c.made("project key", c.ask(201, root, "POST", "/v1/projects/"+project+"/keys", `{"name":"all","scopes":["*","keys:write"]}`), "key")
	revoked := c.ask(201, root, "POST", "/v1/projects/"+project+"/keys", `{"name":"gone","scopes":["*"]}`)
	c.made("revoked key", revoked, "key")
	c.ask(200, root, "DELETE", "/v1/projects/"+project+"/keys/"+revoked["id"].(string), "")
	c.ask(201, key, "PUT", "/v1/consumers/acme", `{"name":"Acme","emails":["ti@acme.example"]}`)
	c.ask(201, key, "POST", "/v1/event-types", `{"name":"a","examples":[{"id":1}]}`)

	var random [32]byte
	_, _ = rand.Read(random[:])
	c.secrets["given signing secret"] = "whsec_" + base64.StdEncoding.EncodeToString(random[:])
	certificate, private := c.clientCertificate()
	base := `{"consumer":"acme","event_types":["*"],`
	var first string
	for i, in := range []string{
		`"url":` + quoted(to+"/ok") + `,"secret":` + quoted(c.secrets["given signing secret"]) + `,"headers":{"X-Api-Key":` + quoted(c.canary("header value")) + `}`,
		`"url":` + quoted(to+"/fail") + `,"auth":{"type":"basic","username":"u","password":` + quoted(c.canary("password")) + `}`,
		`"url":` + quoted(to+"/fail/2") + `,"auth":{"type":"bearer","token":` + quoted(c.canary("bearer token")) + `}`,
		`"url":` + quoted(strings.Replace(to, "http:", "https:", 1)+"/mtls") + `,"auth":{"type":"mtls","certificate":` + quoted(certificate) + `,"private_key":` + quoted(private) + `}`,
		`"url":` + quoted(to+"/ok/2") + `,"secret_type":"ed25519","headers":{"Authorization":` + quoted("Token "+c.canary("authorization")) + `}`,
	} {
		var shows []string
		if i == 0 {
			shows = []string{"given signing secret"}
		}
		made := c.ask(201, key, "POST", "/v1/endpoints", base+in+`}`, shows...)
		id := made["id"].(string)
		if i > 0 && i < 4 {
			c.made(fmt.Sprintf("signing secret %d", i), made, "secret")
		}
		if first == "" {
			first = id
		}
		if i < 3 {
			c.made(fmt.Sprintf("rotated signing secret %d", i), c.ask(200, key, "POST", "/v1/endpoints/"+id+"/secret/rotate", ""), "secret")
		}
		c.ask(202, key, "POST", "/v1/endpoints/"+id+"/test", "")
	}
	session := c.ask(201, key, "POST", "/v1/consumers/acme/portal-sessions", `{"access":"manage"}`)
	token := c.made("portal session's token", session, "token")
	c.ask(200, token, "GET", "/v1/endpoints", "")
	link := c.ask(201, key, "POST", "/v1/endpoints/"+first+"/secret-links", "")
	c.secrets["one-time link"] = link["path"].(string)[len("/s/"):]
	c.ask(200, "", "GET", link["path"].(string), "")
	c.ask(200, "", "POST", link["path"].(string), "", "rotated signing secret 0")
	c.ask(410, "", "POST", link["path"].(string), "")

	sent := c.ask(202, key, "POST", "/v1/events", `{"type":"a","consumer":"acme","data":{"id":1}}`)
	event := sent["id"].(string)
	deliveries := c.ended(key, event, 5)
	c.ask(202, key, "POST", "/v1/deliveries/"+deliveries[0]+"/retry", "")
	replay := c.ask(202, key, "POST", "/v1/replays", `{"kind":"recover","from":"2020-01-01T00:00:00Z"}`)
	inspector, request := c.inspector(key)
	probed := c.ask(200, key, "POST", "/v1/endpoints/"+first+"/probe", "")
	_ = probed
	return map[string]string{
		"key": key, "token": token, "/v1/projects/{id}": project, "/v1/endpoints/{id}": first, "/v1/events/{id}": event, "/v1/deliveries/{id}": deliveries[0],
		"/v1/inspectors/{id}": inspector, "/v1/inspectors/{id}/requests/{request}": inspector + "/requests/" + request,
		"/v1/replays/{id}": replay["id"].(string), "/v1/consumers/{uid}": "acme", "/v1/event-types/{name}": "a", "deliveries": strings.Join(deliveries, " "),
	}
}

// inspector makes one with a secret, to which something is sent.
func (c *canaries) inspector(key string) (id, request string) {
	c.Helper()
	made := c.ask(201, key, "POST", "/v1/inspectors", `{"dialect":"placaflow","secret":`+quoted(c.canary("inspector's secret"))+`}`)
	id = made["id"].(string)
	at := made["url"].(string)
	req, err := http.NewRequestWithContext(c.Context(), http.MethodPost, at+"/x?malote_status=202", strings.NewReader("{}"))
	if err != nil {
		c.Fatal(err)
	}
	resp, err := c.api.Client.Do(req)
	if err != nil {
		c.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusAccepted {
		c.Fatal(resp.StatusCode, err)
	}
	arrived := c.ask(200, key, "GET", "/v1/inspectors/"+id+"/requests/next", "")
	c.ask(200, key, "PATCH", "/v1/inspectors/"+id, `{"secret":`+quoted(c.canary("inspector's second secret"))+`}`)
	c.address = at[strings.LastIndexByte(at, '/')+1:]
	return id, arrived["id"].(string)
}

// ended waits until each delivery of an event has had an attempt.
func (c *canaries) ended(key, event string, n int) (ids []string) {
	c.Helper()
	for deadline := time.Now().Add(patience); ; <-time.After(20 * time.Millisecond) {
		list := c.ask(200, key, "GET", "/v1/deliveries?event_id="+event, "")["data"].([]any)
		ids = nil
		for _, d := range list {
			if d := d.(map[string]any); d["attempts"].(float64) > 0 {
				ids = append(ids, d["id"].(string))
			}
		}
		if len(ids) == n {
			return ids
		}
		if time.Now().After(deadline) {
			c.Fatalf("%d of %d deliveries were tried: %v", len(ids), n, list)
		}
	}
}

// documentedList is a company's own list, and the secrets that its contract
// has in it.
type documentedList struct {
	key, list string
	shows     []string
}

func (c *canaries) companies(root, to string) (out []documentedList) {
	c.Helper()
	for dialect, x := range map[string]struct{ path, create string }{
		"gabinete360": {"/api/v1/channels", `{"type":"webhook","name":"n","config":{"type":"webhook","url":` + quoted(to+"/ok") + `,"secret":` + quoted(c.canary("channel's secret")) + `}}`},
		"placaflow": {"/api/webhooks", `{"name":"n","url":` + quoted(to+"/fail/p") + `,"events":["*"],"secret":` + quoted(c.canary("placaflow secret")) +
			`,"headers":{"Authorization":` + quoted("Bearer "+c.canary("placaflow header")) + `}}`},
		"tarefa": {"/api/webhooks", `{"url":` + quoted(to+"/ok/t") + `,"events":["task.created"]}`},
	} {
		project := c.ask(201, root, "POST", "/v1/projects", `{"name":`+quoted(dialect)+`,"environment":"development","dialect":`+quoted(dialect)+`}`)["id"].(string)
		key := c.made(dialect+" key", c.ask(201, root, "POST", "/v1/projects/"+project+"/keys", `{"consumer":"123","prefix":"pk_","scopes":["webhooks:read","webhooks:write"]}`), "key")
		all := c.made(dialect+" project key", c.ask(201, root, "POST", "/v1/projects/"+project+"/keys", `{"scopes":["*"]}`), "key")
		var shows, list []string
		switch dialect {
		case "placaflow": // its list shows both
			shows = []string{"placaflow secret", "placaflow header"}
			list = shows
		case "gabinete360": // the caller's own words come back, once
			shows = []string{"channel's secret"}
		}
		created := c.ask(201, key, "POST", x.path, x.create, shows...)
		of := "recognition.created"
		if dialect == "tarefa" {
			of = "task.created"
			c.made("tarefa secret", created, "webhook", "secret")
			c.inbound(key, all)
		}
		event := c.ask(202, all, "POST", "/v1/events", `{"type":"`+of+`","consumer":"123","data":{"plate":1}}`)["id"].(string)
		id := c.ended(all, event, 1)[0]
		c.ask(200, all, "GET", "/v1/deliveries/"+id, "")
		c.ask(200, all, "GET", "/v1/deliveries/"+id+"/attempts", "")
		c.ask(200, all, "GET", "/v1/events/"+event, "")
		out = append(out, documentedList{key, x.path, list})
	}
	return out
}

// inbound finds the address that tarefa's webhook takes events in at. Its last
// part is a secret, which only the endpoint's owner is shown.
func (c *canaries) inbound(key, all string) {
	c.Helper()
	made := c.ask(200, all, "GET", "/v1/endpoints", "")["data"].([]any)[0].(map[string]any)
	path := made["inbound_path"].(string)
	c.secrets["tarefa inbound address"] = path[strings.LastIndex(path, "/")+1:]
	c.ask(200, all, "GET", "/v1/endpoints/"+made["id"].(string), "", "tarefa inbound address")
	c.ask(200, "", "GET", path, "")
	c.ask(401, "", "POST", path, `{"event":"task.created","data":{}}`) // without a signature
	c.ask(200, key, "GET", "/api/webhooks", "")
}

// tokenDialect is a directory with an operator's dialect that sends the secret
// itself.
func tokenDialect(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "token.json"), []byte(`{"name": "token", "revision": 1, "title": "Our own webhooks", "description": "As our consumers have known them since 2019.", "envelope": {"shape": {"kind": "{type}", "sent_at": "{time:unix}", "account": "{consumer}", "object": "{data}"}}, "content_type": "application/json", "headers": [{"name": "User-Agent", "value": "Mine-Webhooks/2"}, {"name": "X-Mine-Event-Id", "value": "{id}"}, {"name": "X-Mine-Attempt", "value": "{attempt}"}], "signature": {"header": "X-Token", "message": "", "rotation": "oldest", "schemes": [{"algorithm": "token", "encoding": "verbatim", "key": {"decoding": "verbatim"}}]}, "ids": {"event": {"form": "base32", "prefix": "evt_"}, "endpoint": {"form": "uuid"}, "delivery": {"form": "uuid"}, "request": {"form": "uuid"}, "test": {"form": "uuid"}}, "secret": {"generate": {"prefix": "mine_", "bytes": 32, "encoding": "hex"}, "chosen_by_caller": true, "min_length": 16, "max_length": 128, "visible": "once"}, "delivery": {"success": ["200", "202"], "schedule": ["30s", "10m"], "jitter": 0.2, "connect_timeout": "5s", "response_timeout": "10s", "gone_disables": true, "honours_retry_after": true, "breaker": true, "mark_exhausted": false, "disable_after_exhausted": 0}, "limits": {"rate_per_minute": 0, "endpoints_per_consumer": 0, "https_in_production": false, "numeric_consumer": false}, "test": {"type": "test", "data": {"hello": "this is a test"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// sentItself has deliveries made that carry the secret, to a receiver that
// shows what it got.
func (c *canaries) sentItself(root, to string) {
	c.Helper()
	project := c.ask(201, root, "POST", "/v1/projects", `{"name":"token","environment":"development","dialect":"token"}`)["id"].(string)
	key := c.made("token project key", c.ask(201, root, "POST", "/v1/projects/"+project+"/keys", `{"scopes":["*"]}`), "key")
	for i, path := range []string{"/ok/token", "/fail/token"} {
		c.made(fmt.Sprint("sent secret ", i), c.ask(201, key, "POST", "/v1/endpoints", `{"consumer":"acme","event_types":["*"],"url":`+quoted(to+path)+`}`), "secret")
	}
	event := c.ask(202, key, "POST", "/v1/events", `{"type":"a","consumer":"acme","data":1}`)["id"].(string)
	for _, id := range c.ended(key, event, 2) {
		attempts := c.ask(200, key, "GET", "/v1/deliveries/"+id+"/attempts", "")
		if !strings.Contains(quoted(attempts), "X-Token") {
			c.Errorf("the secret was not sent: %v", attempts)
		}
	}
}
