package acceptance

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/malote-dev/malote/bench/rig"
)

// post calls a route that takes no fields and must succeed.
func post(t *testing.T, api *rig.API, path string) {
	t.Helper()
	if err := api.Do(t.Context(), http.MethodPost, path, nil, nil); err != nil {
		t.Fatal(err)
	}
}

// TestTestSends: each contract's test event, signed like any delivery.
func TestTestSends(t *testing.T) {
	t.Parallel()
	site := startServer(t)
	wire := listenWire(t)
	bodies := map[string]string{
		"tarefa": `{"event":"test","timestamp":"[-0-9]{10}T[:0-9]{8}\.[0-9]{3}Z","webhookId":"wh_[0-9a-z]{26}","userId":123,` +
			`"data":{"message":"This is a test webhook","testId":"test_[0-9a-z]{26}"}}`,
		"connectvets": `{"event":"test",.*}`,
		"gabinete360": `{"id":"` + uuid + `","eventType":"test",.*}`,
		"habilitar":   `{"id":"[0-9A-Za-z]{16}","type":"test","payload":{.*}}`,
		"placaflow":   `{"event":"test",.*}`,
		"standard":    `{"type":"test",.*}`,
	}
	for _, c := range contracts() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api := newProject(t, site, "development", c.name)
			path := "/test/" + c.name
			// It wants other types: the test goes to it all the same.
			e := newEndpoint(t, api, map[string]any{"consumer": c.consumer, "url": wire.url + path, "event_types": []string{c.eventType}})
			post(t, api, "/v1/endpoints/"+e.ID+"/test")
			r := wire.next(t, path)
			if !regexp.MustCompile(`^` + bodies[c.name] + `$`).Match(r.body) {
				t.Errorf("body %s", r.body)
			}
			if r.value(c.signature) == "" {
				t.Errorf("not signed:\n%s", r)
			}
		})
	}
}

// TestConnectVetsBodyID: the option that adds the id its docs speak of.
func TestConnectVetsBodyID(t *testing.T) {
	t.Parallel()
	site := startServer(t)
	wire := listenWire(t)
	root := site.API(site.RootKey)
	t.Cleanup(root.Client.CloseIdleConnections)
	var project struct{ ID string }
	in := map[string]any{"name": "with id", "environment": "development", "dialect": "connectvets", "body_id": true}
	if err := root.Do(t.Context(), http.MethodPost, "/v1/projects", in, &project); err != nil {
		t.Fatal(err)
	}
	var key struct{ Key string }
	if err := root.Do(t.Context(), http.MethodPost, "/v1/projects/"+project.ID+"/keys", map[string]any{"name": "k", "scopes": []string{"*"}}, &key); err != nil {
		t.Fatal(err)
	}
	api := site.API(key.Key)
	t.Cleanup(api.Client.CloseIdleConnections)
	newEndpoint(t, api, map[string]any{"consumer": "c", "url": wire.url + "/id", "event_types": []string{"*"}})
	id := sendEvent(t, api, "note.completed", "c", whenSent, `{"note_id":"n"}`)
	r := wire.next(t, "/id")
	want := `"id":"` + parseID(t, id).String() + `"`
	if !strings.Contains(string(r.body), want) || r.value("webhook-id") != parseID(t, id).String() {
		t.Errorf("body %s with webhook-id %s, want %s in it", r.body, r.value("webhook-id"), want)
	}
}

// TestFlatEnvelopeRefusesItsOwnNames: the event's fields stand beside id and
// eventType and must not be taken for them.
func TestFlatEnvelopeRefusesItsOwnNames(t *testing.T) {
	t.Parallel()
	site := startServer(t)
	api := newProject(t, site, "development", "gabinete360")
	for data, word := range map[string]string{`{"id":"mine"}`: "/data/id", `{"a":1,"eventType":"x"}`: "/data/eventType", `[1]`: "/data", `"text"`: "/data"} {
		ans, err := api.Raw(t.Context(), http.MethodPost, "/v1/events", []byte(`{"type":"price_change","consumer":"c","data":`+data+`}`))
		if err != nil {
			t.Fatal(err)
		}
		refused(t, ans, http.StatusUnprocessableEntity, word)
	}
}

// TestPausedEndpointKeepsItsDeliveries, in order, and gets them when it is resumed.
func TestPausedEndpointKeepsItsDeliveries(t *testing.T) {
	t.Parallel()
	site := startServer(t)
	wire := listenWire(t)
	api := newProject(t, site, "development", "standard")
	e := newEndpoint(t, api, map[string]any{"consumer": "c", "url": wire.url + "/held", "event_types": []string{"*"}})
	newEndpoint(t, api, map[string]any{"consumer": "d", "url": wire.url + "/other", "event_types": []string{"*"}})
	post(t, api, "/v1/endpoints/"+e.ID+"/pause")
	id := sendEvent(t, api, "a", "c", whenSent, `{"n":1}`)
	sendEvent(t, api, "a", "d", whenSent, `{"n":2}`)
	wire.next(t, "/other") // accepted later, arrived: the first one is held
	if n := len(wire.box("/held")); n != 0 {
		t.Errorf("%d deliveries to a paused endpoint", n)
	}
	if d := getDelivery(t, api, onlyDelivery(t, api, id)); d.State != "pending" || d.Attempts != 0 {
		t.Errorf("while paused: %+v", d)
	}
	post(t, api, "/v1/endpoints/"+e.ID+"/resume")
	if r := wire.next(t, "/held"); !strings.Contains(string(r.body), `{"n":1}`) {
		t.Errorf("body %s", r.body)
	}
}

// TestCancelledIsNeverSentAndFinalCanBeSentAgain.
func TestCancelledIsNeverSentAndFinalCanBeSentAgain(t *testing.T) {
	t.Parallel()
	site := startServer(t)
	wire := listenWire(t)
	wire.plan("/c", 503, 200)
	api := newProject(t, site, "development", "standard")
	newEndpoint(t, api, map[string]any{"consumer": "c", "url": wire.url + "/c", "event_types": []string{"*"}})
	dlv := onlyDelivery(t, api, sendEvent(t, api, "a", "c", whenSent, `1`))
	awaitAttempt(t, api, dlv, 1)
	post(t, api, "/v1/deliveries/"+dlv+"/cancel")
	if d := getDelivery(t, api, dlv); d.State != "cancelled" {
		t.Errorf("after the cancel: %+v", d)
	}
	ans, err := api.Raw(t.Context(), http.MethodPost, "/v1/deliveries/"+dlv+"/cancel", nil)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, ans, http.StatusConflict)
	wire.next(t, "/c")
	post(t, api, "/v1/deliveries/"+dlv+"/retry")
	if a := awaitAttempt(t, api, dlv, 2); a.Response.Status != 200 {
		t.Errorf("sent again: %+v", a.Response)
	}
	first, second := awaitAttempt(t, api, dlv, 1), wire.next(t, "/c")
	if second.value("webhook-id") != valueOf(&first.Request, "webhook-id") {
		t.Error("sent again with another webhook-id")
	}
}

func valueOf(m *message, name string) string {
	for _, h := range m.Headers {
		if h.Name == name {
			return h.Value
		}
	}
	return ""
}

// TestPendingSurvivesAKill: what waits for a receiver that is away is
// delivered by the next life of the server, with the same id.
func TestPendingSurvivesAKill(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	wire := listenWire(t)
	wire.plan("/away", 500, 500, 200)
	server, err := site.Start()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := server.WaitReady(ctx); err != nil {
		server.Kill()
		t.Fatal(err)
	}
	api := newProject(t, site, "development", "tarefa")
	newEndpoint(t, api, map[string]any{"consumer": "5", "url": wire.url + "/away", "event_types": []string{"*"}})
	dlv := onlyDelivery(t, api, sendEvent(t, api, "task.created", "5", whenSent, `{}`))
	first := wire.next(t, "/away")
	awaitAttempt(t, api, dlv, 1)
	server.Kill()

	runServer(t, site)
	api.Client.CloseIdleConnections()
	if d := getDelivery(t, api, dlv); d.State != "pending" || d.Attempts != 1 {
		t.Errorf("after the restart: %+v", d)
	}
	post(t, api, "/v1/deliveries/"+dlv+"/retry")
	second := wire.next(t, "/away")
	if second.value("X-Delivery-Attempt") != "2" || second.value("X-Request-ID") != first.value("X-Request-ID") || string(second.body) != string(first.body) {
		t.Errorf("the second attempt is not of the same delivery:\n%s\n%s", first, second)
	}
}

// TestRotationKeepsOneSignature: a contract whose consumers compare the whole
// header keeps signing with the old secret until its overlap ends.
func TestRotationKeepsOneSignature(t *testing.T) {
	t.Parallel()
	site := startServer(t)
	wire := listenWire(t)
	for _, c := range contracts() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api := newProject(t, site, "development", c.name)
			path := "/rotate/" + c.name
			e := newEndpoint(t, api, map[string]any{"consumer": c.consumer, "url": wire.url + path, "event_types": []string{"*"}})
			newSecret := "a_new_secret_0123456789"
			if c.name == "standard" {
				newSecret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
			}
			if err := api.Do(t.Context(), http.MethodPatch, "/v1/endpoints/"+e.ID, map[string]any{"secret": newSecret, "secret_overlap": 3600}, nil); err != nil {
				t.Fatal(err)
			}
			sendEvent(t, api, c.eventType, c.consumer, whenSent, `{"a":1}`)
			during := wire.next(t, path)
			signatures := len(strings.Fields(during.value(c.signature)))
			if want := map[bool]int{true: 2, false: 1}[c.name == "standard"]; signatures != want {
				t.Errorf("%d signatures during the overlap, want %d: %s", signatures, want, during.value(c.signature))
			}
			mac := hmac.New(sha256.New, []byte(e.Secret))
			mac.Write(during.body)
			if want := c.prefix + hex.EncodeToString(mac.Sum(nil)); c.name != "standard" && during.value(c.signature) != want {
				t.Errorf("during the overlap %s signs, want the old secret's %s", during.value(c.signature), want)
			}
		})
	}
}
