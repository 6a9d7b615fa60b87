package acceptance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/malote-dev/malote/bench/rig"
	"github.com/malote-dev/malote/webhook"
)

// contract is what a dialect's consumers rely on, written down independently
// of the dialect's own file.
type contract struct {
	name      string
	eventType string
	signature string // the header
	prefix    string // of the signature's value
	consumer  string
	flat      bool // data must be an object
	// body is the exact one for an event.
	body func(m sent) string
}

// sent is what the test knows of an event before it arrives.
type sent struct {
	id              webhook.ID
	webhookID       string // the header of the delivery
	endpoint        string // tail of the endpoint's id
	seconds, millis string // the time as the contracts write it
	data            string
}

func contracts() []contract {
	return []contract{
		{name: "gabinete360", eventType: "price_change", signature: "x-argos-signature", consumer: "acme", flat: true,
			body: func(m sent) string {
				inner := m.data[1 : len(m.data)-1]
				return fmt.Sprintf(`{"id":"%s","eventType":"price_change",%s}`, m.id, inner)
			}},
		{name: "connectvets", eventType: "note.completed", signature: "X-ConnectVets-Signature", prefix: "sha256=", consumer: "clinic-7",
			body: func(m sent) string {
				return fmt.Sprintf(`{"event":"note.completed","timestamp":"%s","data":%s}`, m.seconds, m.data)
			}},
		{name: "habilitar", eventType: "driver.updated", signature: "x-signature", consumer: "despachante",
			body: func(m sent) string {
				return fmt.Sprintf(`{"id":"%s","type":"driver.updated","payload":%s}`, m.webhookID, m.data)
			}},
		{name: "placaflow", eventType: "alert.triggered", signature: "X-Signature-256", consumer: "condominio",
			body: func(m sent) string {
				return fmt.Sprintf(`{"event":"alert.triggered","timestamp":"%s","data":%s}`, m.millis, m.data)
			}},
		{name: "tarefa", eventType: "task.completed", signature: "X-Webhook-Signature", prefix: "sha256=", consumer: "123",
			body: func(m sent) string {
				return fmt.Sprintf(`{"event":"task.completed","timestamp":"%s","webhookId":"wh_%s","userId":123,"data":%s}`, m.millis, m.endpoint, m.data)
			}},
		{name: "standard", eventType: "order.paid", signature: "webhook-signature", consumer: "any",
			body: func(m sent) string {
				return fmt.Sprintf(`{"type":"order.paid","timestamp":"%s","data":%s}`, m.millis, m.data)
			}},
	}
}

// awkward are payloads that a server which decodes and encodes them again
// changes.
var awkward = []struct{ name, data string }{
	{"plain", `{"title":"Nota pronta","valor":10}`},
	{"big numbers", `{"a":12345678901234567890123,"b":1e400,"c":9007199254740993,"d":-0,"e":1.0,"f":0.10}`},
	{"duplicate keys", `{"a":1,"a":2,"b":{"x":1,"x":1}}`},
	{"escapes", `{"s":"\u00e9\/\ud83d\ude00\t\"\\","empty":"","html":"<b>&amp;</b>\u003c"}`},
	{"key order and white space", "{ \"z\" : 1 ,\n\t\"a\":[ 1, 2 ,3 ] , \"m\" : { } }"},
	{"unicode", `{"nome":"João Conceição","emoji":"🐶👩‍👩‍👧","sep":"` + "\u2028" + `","combining":"é"}`},
	{"deep", `{"a":` + strings.Repeat(`[`, 60) + strings.Repeat(`]`, 60) + `}`},
	{"large", `{"text":"` + strings.Repeat("ção ", 8000) + `"}`},
}

// anyShape are payloads that only a nested envelope can carry.
var anyShape = []struct{ name, data string }{
	{"array", `[1, "dois", null, {"t":3}]`},
	{"string", `"só texto"`},
	{"number", `3.140`},
	{"null", `null`},
}

// whenSent is the event's time in every test, with an offset to be undone.
const whenSent = "2026-03-22T11:30:00.123-03:00"

// TestContractsInEveryLanguage sends real deliveries of every contract to
// receivers in every language.
func TestContractsInEveryLanguage(t *testing.T) {
	t.Parallel()
	site := startServer(t)
	projects := map[string]*rig.API{}
	for _, c := range contracts() {
		projects[c.name] = newProject(t, site, "development", c.name)
	}
	for _, l := range languages() {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			r := startReceiver(t, l)
			for _, c := range contracts() {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.deliver(t, projects[c.name], r, l.name)
				})
			}
		})
	}
}

// deliver sends every payload to one receiver in one contract.
func (c contract) deliver(t *testing.T, api *rig.API, r *receiver, lang string) {
	t.Helper()
	path := "/" + c.name + "/" + lang
	consumer := c.consumer
	if c.name != "tarefa" {
		consumer += "-" + lang
	} else { // numbers; the body's userId is checked with this one
		consumer = map[string]string{"go": "123", "node": "1230", "python": "12300", "php": "123000"}[lang]
	}
	e := newEndpoint(t, api, map[string]any{"consumer": consumer, "url": r.url + path, "event_types": []string{c.eventType}})
	if e.Secret == "" {
		t.Fatalf("the answer to a create shows no secret: %+v", e)
	}
	r.allow(t, path, e.Secret)
	payloads := awkward
	if !c.flat {
		payloads = slices.Concat(payloads, anyShape)
	}
	for _, p := range payloads {
		id := sendEvent(t, api, c.eventType, consumer, whenSent, p.data)
		d := r.next(t, path)
		if !d.Verified {
			t.Errorf("%s: the %s receiver refused the signature of %s", p.name, lang, d)
		}
		if !d.JSON && p.name != "deep" {
			t.Errorf("%s: the %s receiver cannot parse %q", p.name, lang, d.Body)
		}
		m := sent{id: parseID(t, id), webhookID: d.header("webhook-id"), endpoint: strings.TrimPrefix(e.ID, "ep_"),
			seconds: "2026-03-22T14:30:00Z", millis: "2026-03-22T14:30:00.123Z", data: p.data}
		want := strings.Replace(c.body(m), `"userId":123,`, `"userId":`+consumer+`,`, 1)
		if string(d.Body) != want {
			t.Errorf("%s: body\n got %.300q\nwant %.300q", p.name, d.Body, want)
		}
		c.checkSignature(t, d)
	}
}

var hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// checkSignature: one signature, in the contract's header and form.
func (c contract) checkSignature(t *testing.T, d *delivered) {
	t.Helper()
	n := 0
	for _, h := range d.Headers {
		if strings.EqualFold(h[0], c.signature) {
			n++
		} else if strings.Contains(strings.ToLower(h[0]), "signature") {
			t.Errorf("a second signature header: %s", h[0])
		}
	}
	if n != 1 {
		t.Errorf("%d headers %s, want 1", n, c.signature)
	}
	value := d.header(c.signature)
	if c.name == "standard" {
		if strings.Count(value, " ") != 0 || !strings.HasPrefix(value, "v1,") {
			t.Errorf("signature %q, want one v1", value)
		}
		return
	}
	if digest, ok := strings.CutPrefix(value, c.prefix); !ok || !hexDigest.MatchString(digest) {
		t.Errorf("signature %q, want %q and 64 hex digits", value, c.prefix)
	}
}

// parseID reads an event's id as the native API writes it.
func parseID(t *testing.T, id string) webhook.ID {
	t.Helper()
	out, err := webhook.IDFormat{Form: webhook.FormBase32, Prefix: "evt_"}.Parse(id)
	if err != nil {
		t.Fatalf("%q: %v", id, err)
	}
	return out
}

// TestVectorsOverTheWire sends the published examples; where a body has no id
// in it, body and signature are the published ones to the byte.
func TestVectorsOverTheWire(t *testing.T) {
	t.Parallel()
	var vectors []struct{ Contract, Event, Secret, Body, Header, Value string }
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &vectors); err != nil {
		t.Fatal(err)
	}
	site := startServer(t)
	wire := listenWire(t)
	for i, v := range vectors {
		if v.Contract != "connectvets" && v.Contract != "placaflow" {
			continue
		}
		var body struct {
			Timestamp string          `json:"timestamp"`
			Data      json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal([]byte(v.Body), &body); err != nil {
			t.Fatal(err)
		}
		api := newProject(t, site, "development", v.Contract)
		path := fmt.Sprintf("/vector/%d", i)
		newEndpoint(t, api, map[string]any{"consumer": "c", "url": wire.url + path, "event_types": []string{"*"}, "secret": v.Secret})
		sendEvent(t, api, v.Event, "c", body.Timestamp, string(body.Data))
		got := wire.next(t, path)
		if string(got.body) != v.Body {
			t.Errorf("%s: body\n got %s\nwant %s", v.Contract, got.body, v.Body)
		}
		if got.value(v.Header) != v.Value {
			t.Errorf("%s: %s is %q, want %q", v.Contract, v.Header, got.value(v.Header), v.Value)
		}
	}
}

// TestWrongSecretIsRefusedAndShown: a receiver that has another secret answers
// 401, and the attempt tells.
func TestWrongSecretIsRefusedAndShown(t *testing.T) {
	t.Parallel()
	site := startServer(t)
	for _, l := range languages() {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			r := startReceiver(t, l)
			api := newProject(t, site, "development", "connectvets")
			consumer, path := "clinic-"+l.name, "/connectvets/wrong"
			newEndpoint(t, api, map[string]any{"consumer": consumer, "url": r.url + path, "event_types": []string{"*"}, "secret": "cv_secret_of_the_sender"})
			r.allow(t, path, "cv_secret_of_somebody_else")
			id := sendEvent(t, api, "note.failed", consumer, whenSent, `{"note_id":"x"}`)
			if d := r.next(t, path); d.Verified {
				t.Fatal("a wrong secret verified")
			}
			dlv := onlyDelivery(t, api, id)
			a := awaitAttempt(t, api, dlv, 1)
			if a.Response.Status != http.StatusUnauthorized || !strings.Contains(a.Response.Body, "Invalid signature") {
				t.Errorf("attempt shows %d %q, want 401 and the receiver's words", a.Response.Status, a.Response.Body)
			}
			if a.Error.Class != "status" || a.Error.Detail == "" {
				t.Errorf("the failure in words: %+v", a.Error)
			}
		})
	}
}
