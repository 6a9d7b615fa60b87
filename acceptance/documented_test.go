package acceptance

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/bench/rig"
)

// company is a project whose own API is called with curl, as its
// documentation shows, by one customer.
type company struct {
	*testing.T
	site     *rig.Site
	native   *rig.API
	project  string
	key      string
	consumer string
}

func newCompany(t *testing.T, site *rig.Site, dialect, prefix, consumer string) *company {
	t.Helper()
	native, id, err := site.NewProject(t.Context(), t.Name()+" "+dialect, "development", dialect)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(native.Client.CloseIdleConnections)
	var made struct{ Key string }
	root := site.API(site.RootKey)
	defer root.Client.CloseIdleConnections()
	in := map[string]any{"prefix": prefix, "consumer": consumer, "scopes": []string{"webhooks:read", "webhooks:write"}}
	if err := root.Do(t.Context(), http.MethodPost, "/v1/projects/"+id+"/keys", in, &made); err != nil {
		t.Fatal(err)
	}
	return &company{T: t, site: site, native: native, project: id, key: made.Key, consumer: consumer}
}

// curl runs curl and decodes its answer, whose status must be a success.
func (c *company) curl(into any, path string, args ...string) {
	c.Helper()
	args = append([]string{"-sS", "--fail-with-body", c.site.URL() + path}, args...)
	out, err := exec.CommandContext(c.Context(), "curl", args...).CombinedOutput()
	if err != nil {
		c.Fatalf("curl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	if err := json.Unmarshal(out, into); err != nil {
		c.Fatalf("curl %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func (c *company) auth() []string { return []string{"-H", "Authorization: Bearer " + c.key} }

func (c *company) post(into any, path, body string) {
	c.Helper()
	c.curl(into, path, append(c.auth(), "-H", "Content-Type: application/json", "-d", body)...)
}

// TestDocumentedAPIs: what is made through a company's own API, with curl, is
// delivered to a receiver that verifies as its documentation says.
func TestDocumentedAPIs(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("MISSING PROGRAM: curl (apt-get install curl)")
	}
	site := startServer(t)
	r := startReceiver(t, languages()[0])
	t.Run("gabinete360", func(t *testing.T) {
		t.Parallel()
		const path = "/gabinete360/own"
		r.allow(t, path, "a-long-random-string")
		c := newCompany(t, site, "gabinete360", "argos_ak_live_", "acme")
		var made struct{ ID, Name string }
		c.post(&made, "/api/v1/channels",
			`{"type":"webhook","name":"Alerts","config":{"type":"webhook","url":"`+r.url+path+`","secret":"a-long-random-string"}}`)
		if made.ID == "" || made.Name != "Alerts" {
			t.Errorf("%+v", made)
		}
		sendEvent(t, c.native, "price_change", "acme", whenSent, `{"severity":"high"}`)
		if d := r.next(t, path); !d.Verified {
			t.Error(d)
		}
	})
	t.Run("placaflow", func(t *testing.T) {
		t.Parallel()
		const path = "/placaflow/own"
		c := newCompany(t, site, "placaflow", "pk_", "condominio")
		var made struct{ Webhook struct{ ID, Secret string } }
		c.post(&made, "/api/webhooks", `{"name":"Portaria","url":"`+r.url+path+`","events":["alert.triggered"],"headers":{"X-Unidade":"7"}}`)
		r.allow(t, path, made.Webhook.Secret)
		sendEvent(t, c.native, "alert.triggered", "condominio", whenSent, `{"plate":"BRA2E19"}`)
		if d := r.next(t, path); !d.Verified || d.header("X-Unidade") != "7" {
			t.Error(d)
		}
		c.awaitLast(made.Webhook.ID)
	})
	t.Run("tarefa", func(t *testing.T) {
		t.Parallel()
		const path = "/tarefa/own"
		c := newCompany(t, site, "tarefa", "tk_", "123")
		c.tarefa(r, path)
	})
	t.Run("tarefa moved", func(t *testing.T) {
		t.Parallel()
		c := newCompany(t, site, "tarefa", "tk_", "123")
		c.moved(r, "/tarefa/moved")
	})
}

// moved: a user's token, his webhook with its id and its address are brought
// along, and nobody who has them notices.
func (c *company) moved(r *receiver, path string) {
	c.Helper()
	const token, inbound, secret = "tarefa-token-0123456789abcdef", "wh_fedcba9876543210", "whsec_old_of_the_webhook"
	root := c.site.API(c.site.RootKey)
	defer root.Client.CloseIdleConnections()
	in := map[string]any{"key": token, "consumer": "321", "scopes": []string{"webhooks:read", "webhooks:write"}}
	if err := root.Do(c.Context(), http.MethodPost, "/v1/projects/"+c.project+"/keys", in, nil); err != nil {
		c.Fatal(err)
	}
	endpoint := map[string]any{
		"consumer": "321", "url": r.url + path, "event_types": []string{"task.completed"}, "secret": secret, "inbound_secret": inbound, "wire_id": "wh_123",
	}
	if err := c.native.Do(c.Context(), http.MethodPost, "/v1/endpoints", endpoint, nil); err != nil {
		c.Fatal(err)
	}
	r.allow(c.T, path, secret)
	c.key = token
	var list struct{ Webhooks []struct{ ID string } }
	if c.curl(&list, "/api/webhooks", c.auth()...); len(list.Webhooks) != 1 || list.Webhooks[0].ID != "wh_123" {
		c.Errorf("%+v", list)
	}
	var ok struct{ Success bool }
	c.post(&ok, "/api/webhooks/wh_123/test", "")
	if d := r.next(c.T, path); !ok.Success || !d.Verified || d.header("X-Webhook-ID") != "wh_123" || !strings.Contains(string(d.Body), `"webhookId":"wh_123"`) {
		c.Errorf("%v %s", d, d.Body)
	}
	var health struct{ WebhookID string }
	if c.curl(&health, "/api/webhooks/321/"+inbound); health.WebhookID != "wh_123" {
		c.Errorf("%+v", health)
	}
}

// awaitLast waits until the list shows the last delivery.
func (c *company) awaitLast(id string) {
	c.Helper()
	for deadline := time.Now().Add(patience); ; <-time.After(20 * time.Millisecond) {
		var list struct {
			Webhooks []struct {
				ID, LastDeliveryAt string
				LastDeliveryStatus int
			}
		}
		c.curl(&list, "/api/webhooks", c.auth()...)
		if len(list.Webhooks) == 1 && list.Webhooks[0].ID == id && list.Webhooks[0].LastDeliveryStatus == 200 && list.Webhooks[0].LastDeliveryAt != "" {
			return
		}
		if time.Now().After(deadline) {
			c.Fatalf("the list does not show the delivery: %+v", list)
		}
	}
}

// tarefa: created, tested, an event taken in at the webhook's address and
// delivered, all of it in the log.
func (c *company) tarefa(r *receiver, path string) {
	c.Helper()
	var made struct {
		Webhook struct {
			ID, Secret string
			UserID     int
		}
	}
	c.post(&made, "/api/webhooks", `{"url":"`+r.url+path+`","events":["task.completed"],"description":"own"}`)
	w := made.Webhook
	r.allow(c.T, path, w.Secret)
	var ok struct{ Success, Received bool }
	c.post(&ok, "/api/webhooks/"+w.ID+"/test", "")
	if d := r.next(c.T, path); !ok.Success || !d.Verified || d.header("X-Event-Type") != "test" || d.header("X-Webhook-ID") != w.ID {
		c.Error(d)
	}

	var shown struct {
		Data []struct {
			InboundPath string `json:"inbound_path"`
		}
	}
	if err := c.native.Do(c.Context(), http.MethodGet, "/v1/endpoints", nil, &shown); err != nil {
		c.Fatal(err)
	}
	address := shown.Data[0].InboundPath
	var health struct{ Message, UserID, WebhookID string }
	c.curl(&health, address)
	if health.Message != "Webhook endpoint is active" || health.UserID != "123" || health.WebhookID != w.ID {
		c.Errorf("%+v", health)
	}
	body := `{"event":"task.completed","timestamp":"2026-01-18T09:05:23.000Z","webhookId":"` + w.ID + `","userId":123,"data":{"task":{"id":456}}}`
	mac := hmac.New(sha256.New, []byte(w.Secret))
	mac.Write([]byte(body))
	c.curl(&ok, address, "-H", "X-Webhook-Signature: sha256="+hex.EncodeToString(mac.Sum(nil)), "-d", body)
	if d := r.next(c.T, path); !ok.Received || !d.Verified || string(d.Body) != body {
		c.Errorf("%v, want %s", d, body)
	}

	type logged struct {
		Event      string
		StatusCode int
		Success    bool
	}
	var logs struct {
		Logs       []logged
		Pagination struct{ Total, Limit, Offset int }
	}
	for deadline := time.Now().Add(patience); len(logs.Logs) < 2 && time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		c.curl(&logs, "/api/webhooks/"+w.ID+"/logs?limit=50", c.auth()...)
	}
	if len(logs.Logs) != 2 || logs.Pagination.Total != 2 || logs.Logs[0] != (logged{"task.completed", 200, true}) || logs.Logs[1] != (logged{"test", 200, true}) {
		c.Errorf("%+v", logs)
	}
}
