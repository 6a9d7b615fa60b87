package acceptance

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/bench/rig"
)

// fieldRule is a header that a delivery must carry, spelled so.
type fieldRule struct{ name, value string } // value: a regular expression for the whole

const uuid = `[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`

// wireHeaders are all headers of a first attempt beside Host and
// Content-Length; the two that the endpoint itself asks for come on top.
func wireHeaders() map[string][]fieldRule {
	all := map[string][]fieldRule{
		"gabinete360": {{"x-argos-signature", `[0-9a-f]{64}`}, {"webhook-id", uuid}, {"User-Agent", `\S+`}},
		"connectvets": {{"X-ConnectVets-Signature", `sha256=[0-9a-f]{64}`}, {"webhook-id", uuid}, {"User-Agent", `\S+`}},
		"habilitar":   {{"x-signature", `[0-9a-f]{64}`}, {"webhook-id", `[0-9A-Za-z]{16}`}, {"User-Agent", `\S+`}},
		"placaflow":   {{"X-Signature-256", `[0-9a-f]{64}`}, {"webhook-id", uuid}, {"User-Agent", `\S+`}},
		"tarefa": {
			{"X-Webhook-Signature", `sha256=[0-9a-f]{64}`}, {"User-Agent", `TarefaAI-Webhook/1\.0`},
			{"X-Webhook-ID", `wh_[0-9a-z]{26}`}, {"X-Request-ID", `req_[0-9a-z]{26}`}, {"X-Event-Type", `task\.completed`},
			{"X-Delivery-Attempt", `1`}, {"webhook-id", `evt_[0-9a-z]{26}`},
		},
		"standard": {
			{"webhook-id", `evt_[0-9a-z]{26}`}, {"webhook-timestamp", `[0-9]{10}`},
			{"webhook-signature", `v1,[A-Za-z0-9+/]{43}=`}, {"User-Agent", `\S+`},
		},
	}
	for name := range all {
		all[name] = append(all[name], fieldRule{"Content-Type", `application/json`}, fieldRule{"X-Mine", "kept secret"})
	}
	return all
}

func TestHeadersAreExactOnTheWire(t *testing.T) {
	t.Parallel()
	site := startServer(t)
	wire := listenWire(t)
	for _, c := range contracts() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api := newProject(t, site, "development", c.name)
			path := "/exact/" + c.name
			newEndpoint(t, api, map[string]any{
				"consumer": c.consumer, "url": wire.url + path + "?q=a%20b", "event_types": []string{c.eventType},
				"headers": map[string]string{"X-Mine": "kept secret"},
			})
			id := sendEvent(t, api, c.eventType, c.consumer, whenSent, `{"a":1}`)
			r := wire.next(t, path+"?q=a%20b")
			if r.line != "POST "+path+"?q=a%20b HTTP/1.1" {
				t.Errorf("request line %q", r.line)
			}
			want := append(wireHeaders()[c.name],
				fieldRule{"Host", regexp.QuoteMeta(strings.TrimPrefix(wire.url, "http://"))},
				fieldRule{"Content-Length", strconv.Itoa(len(r.body))})
			checkFields(t, r, want)
			a := awaitAttempt(t, api, onlyDelivery(t, api, id), 1)
			checkShown(t, &a.Request, r)
		})
	}
}

// checkShown wants the attempt to show what was on the wire, but for the
// value of the endpoint's own header.
func checkShown(t *testing.T, shown *message, r *raw) {
	t.Helper()
	if shown.Line != r.line || shown.Body != string(r.body) {
		t.Errorf("the attempt shows %q and %q, on the wire was\n%s", shown.Line, shown.Body, r)
	}
	if len(shown.Headers) != len(r.fields) {
		t.Fatalf("the attempt shows %d headers, on the wire were %d", len(shown.Headers), len(r.fields))
	}
	for i, h := range shown.Headers {
		want := r.fields[i]
		if want[0] == "X-Mine" {
			want[1] = "[redacted]"
		}
		if h.Name != want[0] || h.Value != want[1] {
			t.Errorf("the attempt shows %s: %s, want %s: %s", h.Name, h.Value, want[0], want[1])
		}
	}
}

// checkFields wants exactly these headers, once each.
func checkFields(t *testing.T, r *raw, want []fieldRule) {
	t.Helper()
	names := r.names()
	for _, w := range want {
		if n := count(names, w.name); n != 1 {
			t.Errorf("%d headers %s, want 1 in\n%s", n, w.name, r)
			continue
		}
		if !regexp.MustCompile(`^(?:` + w.value + `)$`).MatchString(r.value(w.name)) {
			t.Errorf("%s: %q does not match %s", w.name, r.value(w.name), w.value)
		}
		names = slices.DeleteFunc(names, func(n string) bool { return n == w.name })
	}
	if len(names) > 0 {
		t.Errorf("headers beyond the contract: %q", names)
	}
}

func count(names []string, name string) (n int) {
	for _, x := range names {
		if x == name {
			n++
		}
	}
	return n
}

// TestTarefaRetryHeaders forces the second attempt and checks what only a
// retry carries, and what must stay the same.
func TestTarefaRetryHeaders(t *testing.T) {
	t.Parallel()
	site := startServer(t)
	wire := listenWire(t)
	wire.plan("/again", 500, 200)
	api := newProject(t, site, "development", "tarefa")
	newEndpoint(t, api, map[string]any{"consumer": "123", "url": wire.url + "/again", "event_types": []string{"task.*"}})
	before := time.Now().UTC()
	id := sendEvent(t, api, "task.failed", "123", whenSent, `{"task":{"id":456}}`)
	first := wire.next(t, "/again")
	dlv := onlyDelivery(t, api, id)
	a := awaitAttempt(t, api, dlv, 1)
	if a.Response.Status != 500 {
		t.Errorf("first attempt shows %d, want 500", a.Response.Status)
	}
	if d := getDelivery(t, api, dlv); d.State != "pending" || d.DueAt == nil || d.DueAt.Sub(a.At.Truncate(time.Second)) < 55*time.Second || d.DueAt.Sub(a.At) > 65*time.Second {
		t.Errorf("after the first failure: %+v, want pending and due a minute after %v", d, a.At)
	}
	if err := api.Do(t.Context(), http.MethodPost, "/v1/deliveries/"+dlv+"/retry", nil, nil); err != nil {
		t.Fatal(err)
	}
	second := wire.next(t, "/again")
	if got := second.value("X-Delivery-Attempt"); got != "2" {
		t.Errorf("X-Delivery-Attempt %q, want 2", got)
	}
	previous := second.value("X-Previous-Attempt")
	at, err := time.Parse("2006-01-02T15:04:05.000Z", previous)
	if err != nil || at.Before(before.Truncate(time.Millisecond)) || at.After(time.Now()) {
		t.Errorf("X-Previous-Attempt %q, want the time of the first attempt in UTC with milliseconds", previous)
	}
	for _, same := range []string{"X-Request-ID", "X-Webhook-ID", "X-Event-Type", "webhook-id", "X-Webhook-Signature"} {
		if first.value(same) != second.value(same) || second.value(same) == "" {
			t.Errorf("%s changed from %q to %q", same, first.value(same), second.value(same))
		}
	}
	if first.value("X-Previous-Attempt") != "" {
		t.Error("the first attempt names a previous one")
	}
	if string(first.body) != string(second.body) {
		t.Errorf("the body changed from %q to %q", first.body, second.body)
	}
	if a := awaitAttempt(t, api, dlv, 2); a.Response.Status != 200 {
		t.Errorf("second attempt shows %d", a.Response.Status)
	}
	if d := getDelivery(t, api, dlv); d.State != "delivered" || d.Attempts != 2 {
		t.Errorf("in the end: %+v", d)
	}
}

func TestTarefaLimits(t *testing.T) {
	t.Parallel()
	site := startServer(t)
	api := newProject(t, site, "development", "tarefa")
	create := func(consumer, url string) *rig.Answer {
		in := `{"consumer":"` + consumer + `","url":"` + url + `","event_types":["task.*"]}`
		ans, err := api.Raw(t.Context(), http.MethodPost, "/v1/endpoints", []byte(in))
		if err != nil {
			t.Fatal(err)
		}
		return ans
	}
	for i := range 10 {
		if ans := create("123", "https://example.com/hook/"+strconv.Itoa(i)); ans.Status != http.StatusCreated {
			t.Fatalf("endpoint %d: %d %s", i+1, ans.Status, ans.Body)
		}
	}
	refused(t, create("123", "https://example.com/hook/11"), 0, "10")
	if ans := create("124", "https://example.com/hook"); ans.Status != http.StatusCreated {
		t.Errorf("another user's first: %d %s", ans.Status, ans.Body)
	}
	refused(t, create("maria", "https://example.com/hook"), http.StatusUnprocessableEntity, "/consumer")
	body := []byte(`{"type":"task.created","consumer":"maria","data":{}}`)
	ans, err := api.Raw(t.Context(), http.MethodPost, "/v1/events", body)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, ans, http.StatusUnprocessableEntity, "/consumer")

	production := newProject(t, site, "production", "tarefa")
	ans, err = production.Raw(t.Context(), http.MethodPost, "/v1/endpoints",
		[]byte(`{"consumer":"1","url":"http://example.com/hook","event_types":["task.*"]}`))
	if err != nil {
		t.Fatal(err)
	}
	refused(t, ans, http.StatusUnprocessableEntity, "/url", "https")
}
