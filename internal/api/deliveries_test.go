package api

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// finish keeps one attempt of an endpoint's first pending delivery.
func (st *site) finish(endpoint string, state store.State, a store.Attempt) {
	st.t.Helper()
	st.finishOne(endpoint, "", state, a)
}

// finishOne keeps one attempt of a delivery; "" is the endpoint's first.
func (st *site) finishOne(endpoint, delivery string, state store.State, a store.Attempt) {
	st.t.Helper()
	id, err := endpointID.Parse(endpoint)
	if err != nil {
		st.t.Fatal(err)
	}
	work, err := st.db.LoadDue(st.t.Context(), id, store.Place{}, 100, 1<<20)
	if err != nil {
		st.t.Fatal(err)
	}
	at := slices.IndexFunc(work, func(w *store.Work) bool { return delivery == "" || deliveryID.Format(w.ID) == delivery })
	if at < 0 {
		st.t.Fatalf("%s is not pending", delivery)
	}
	a.Number = work[at].Attempts + 1
	a.At = time.Now()
	o := &store.Outcome{Work: work[at], Attempt: a, State: state}
	if state == store.Pending {
		o.DueAt = time.Now().Add(time.Minute)
	}
	if state == store.Failed {
		o.Reason = "exhausted"
	}
	done := make(chan error, 1)
	st.db.Finish(o, func(err error) { done <- err })
	if err := <-done; err != nil {
		st.t.Fatal(err)
	}
}

func TestAttempts(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("tarefa", store.Development)
	ep := st.endpoint(key, "42")
	event := st.do(key, "POST", "/v1/events", `{"type":"task.created","consumer":"42","data":{"z": 1.0,"u":"\u00e9"},"timestamp":"2026-05-06T07:08:09.123Z"}`).want(202).text("id")
	id := st.walk(key, "/v1/deliveries?event_id="+event)[0]
	st.finish(ep, store.Pending, store.Attempt{
		RequestHead: []byte("POST /hook HTTP/1.1\r\nHost: example.com\r\nX-Order: b\r\nx-order: a\r\nAuthorization: [redacted]\r\n\r\n"),
		Status:      503, ResponseHead: []byte("HTTP/1.1 503 Busy\r\nRetry-After: 5\r\n\r\n"), ResponseBody: []byte("busy <é>"), Truncated: true,
		Class: store.ClassStatus, Detail: "the receiver answered 503",
		Timings: store.Timings{DNS: 1500 * time.Microsecond, Total: 2 * time.Second},
	})
	st.finish(ep, store.Pending, store.Attempt{Class: store.ClassConnect, Detail: "connection refused", Timings: store.Timings{Reused: true}})
	st.finish(ep, store.Delivered, store.Attempt{Status: 200, ResponseHead: []byte("HTTP/1.1 200 OK\r\nX-Odd: \xff\r\n\r\n"), ResponseBody: []byte{0xff, 0x00}})

	a := st.do(key, "GET", "/v1/deliveries/"+id+"/attempts", nil).want(200)
	var page list[attemptReply]
	if err := json.Unmarshal(a.body, &page); err != nil || len(page.Data) != 3 || page.NextCursor != nil {
		t.Fatalf("%s %v", a.body, err)
	}
	first, second, third := page.Data[0], page.Data[1], page.Data[2]
	if first.Number != 1 || first.Request.Line != "POST /hook HTTP/1.1" ||
		fmt.Sprint(first.Request.Headers) != "[{Host example.com } {X-Order b } {x-order a } {Authorization [redacted] }]" {
		t.Errorf("%+v", first)
	}
	epID, _ := endpointID.Parse(ep)
	d, _ := st.server.dialects("tarefa")
	want := fmt.Sprintf(`{"event":"task.created","timestamp":"2026-05-06T07:08:09.123Z","webhookId":%q,"userId":42,"data":{"z": 1.0,"u":"\u00e9"}}`, d.IDs.Endpoint.Format(epID))
	for _, v := range page.Data {
		if v.Request.Body == nil || *v.Request.Body != want || v.Request.Encoding != "text" {
			t.Errorf("attempt %d: body %v, want %s", v.Number, v.Request.contentView, want)
		}
	}
	if r := first.Response; r == nil || r.Status != 503 || *r.Body != "busy <é>" || r.Encoding != "text" || !r.Truncated || r.Line != "HTTP/1.1 503 Busy" || len(r.Headers) != 1 {
		t.Errorf("%+v", r)
	}
	if first.Error == nil || first.Error.Class != "status" || first.Error.Detail != "the receiver answered 503" || *first.Timings.DNS != 1.5 || *first.Timings.Total != 2000 || first.Timings.TLS != nil {
		t.Errorf("%+v", first)
	}
	if second.Response != nil || second.Error.Class != "connect" || !second.Timings.Reused || second.NextDueAt != nil {
		t.Errorf("%+v", second)
	}
	if r := third.Response; third.Error != nil || *r.Body != base64.StdEncoding.EncodeToString([]byte{0xff, 0}) || r.Encoding != "base64" || r.Headers[0].Value != "\uFFFD" {
		t.Errorf("%+v", third)
	}
	if got := st.walk(key, "/v1/deliveries/"+id+"/attempts?limit=1"); fmt.Sprint(got) != "[1 2 3]" {
		t.Errorf("pages: %v", got)
	}
	got := st.do(key, "GET", "/v1/deliveries/"+id, nil).object()
	if got["state"] != "delivered" || got["attempts"] != 3.0 || got["last_status"] != 200.0 || got["next_due_at"] != nil || got["finished_at"] == nil {
		t.Errorf("%v", got)
	}
}

// attemptReply is an attempt as a caller reads it.
type attemptReply struct {
	Number   int
	Request  requestView
	Response *responseView
	Error    *attemptError
	Timings  struct {
		DNS    *float64 `json:"dns_ms"`
		TLS    *float64 `json:"tls_ms"`
		Total  *float64 `json:"total_ms"`
		Reused bool     `json:"reused_connection"`
	}
	NextDueAt *time.Time `json:"next_due_at"`
}

// TestBodyIsWhatIsSent: the body that is shown is the one that the dialect
// renders for sending, in every dialect.
func TestBodyIsWhatIsSent(t *testing.T) {
	t.Parallel()
	st := setup(t)
	for _, d := range webhook.Builtin() {
		_, key := st.project(d.Name, store.Development)
		ep := st.endpoint(key, "42")
		st.do(key, "POST", "/v1/events", `{"type":"a.b","consumer":"42","data":{"k": [1e2]}}`).want(202)
		id := st.walk(key, "/v1/deliveries?endpoint_id="+ep)[0]
		raw, _ := endpointID.Parse(ep)
		work, err := st.db.LoadDue(t.Context(), raw, store.Place{}, 1, 1<<20)
		if err != nil || len(work) != 1 {
			t.Fatal(work, err)
		}
		w := work[0]
		sent, err := d.AppendBody(nil, &webhook.Message{
			ID: w.Event.ID, Type: w.Event.Type, Time: w.Event.Time, Data: w.Event.Data, Endpoint: w.EndpointID, Delivery: w.ID, Consumer: "42",
		})
		if err != nil {
			t.Fatal(err)
		}
		st.finish(ep, store.Pending, store.Attempt{Class: store.ClassDNS})
		var page list[attemptReply]
		a := st.do(key, "GET", "/v1/deliveries/"+id+"/attempts", nil).want(200)
		if err := json.Unmarshal(a.body, &page); err != nil || *page.Data[0].Request.Body != string(sent) || page.Data[0].NextDueAt == nil {
			t.Errorf("%s: %s, want %s", d.Name, a.body, sent)
		}
	}
}

// TestBodyWithID: so is the id that a project adds to the body.
func TestBodyWithID(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project := st.do(st.root, "POST", "/v1/projects", `{"name":"x","environment":"development","dialect":"connectvets","body_id":true}`).want(201).text("id")
	key := st.key(project)
	ep := st.endpoint(key, "acme")
	st.do(key, "POST", "/v1/events", `{"type":"note.completed","consumer":"acme","data":{}}`).want(202)
	id := st.walk(key, "/v1/deliveries")[0]
	st.finish(ep, store.Pending, store.Attempt{Class: store.ClassDNS})
	var page list[attemptReply]
	a := st.do(key, "GET", "/v1/deliveries/"+id+"/attempts", nil).want(200)
	if err := json.Unmarshal(a.body, &page); err != nil || !strings.HasPrefix(*page.Data[0].Request.Body, `{"id":"`) {
		t.Errorf("%s", a.body)
	}
}

func TestRetryAndCancel(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	ep := st.endpoint(key, "acme")
	send := func() string {
		e := st.do(key, "POST", "/v1/events", `{"type":"a","consumer":"acme","data":1}`).want(202).text("id")
		return st.walk(key, "/v1/deliveries?event_id="+e)[0]
	}
	id := send()
	st.finish(ep, store.Pending, store.Attempt{Status: 500, Class: store.ClassStatus})
	later := st.do(key, "GET", "/v1/deliveries/"+id, nil).text("next_due_at")
	a := st.do(key, "POST", "/v1/deliveries/"+id+"/retry", nil).want(202)
	if a.text("next_due_at") >= later || a.text("state") != "pending" || a.object()["in_flight"] == nil {
		t.Errorf("%s, was due at %s", a.body, later)
	}
	c := st.do(key, "POST", "/v1/deliveries/"+id+"/cancel", nil).want(200)
	if c.text("state") != "cancelled" || c.object()["in_flight"] != 0.0 || c.object()["next_due_at"] != nil {
		t.Errorf("%s", c.body)
	}
	st.do(key, "POST", "/v1/deliveries/"+id+"/cancel", nil).problem(kindConflict)
	if r := st.do(key, "POST", "/v1/deliveries/"+id+"/retry", nil).want(202); r.text("state") != "pending" {
		t.Errorf("%s", r.body)
	}
	st.do(key, "DELETE", "/v1/endpoints/"+ep, nil).want(200)
	st.do(key, "POST", "/v1/deliveries/"+id+"/retry", nil).problem(kindConflict)
}

func TestDeliveryLists(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	a, b := st.endpoint(key, "acme"), st.endpoint(key, "globex")
	for i := range 6 {
		consumer := []string{"acme", "globex"}[i%2]
		st.do(key, "POST", "/v1/events", fmt.Sprintf(`{"type":"t%d","consumer":%q,"data":1}`, i%3, consumer)).want(202)
	}
	st.finish(a, store.Delivered, store.Attempt{Status: 200})
	st.finish(b, store.Failed, store.Attempt{Status: 400, Class: store.ClassStatus})
	for query, n := range map[string]int{
		"": 6, "?limit=1": 6, "?state=pending": 4, "?state=delivered": 1, "?state=failed&limit=1": 1, "?state=cancelled": 0,
		"?endpoint_id=" + a: 3, "?consumer=globex": 3, "?type=t0": 2, "?type=t0&consumer=acme": 1, "?endpoint_id=" + b + "&state=failed": 1,
		"?from=2099-01-01T00:00:00Z": 0, "?until=2099-01-01T00:00:00Z&from=2020-01-01T00:00:00Z": 6,
	} {
		if got := st.walk(key, "/v1/deliveries"+query); len(got) != n {
			t.Errorf("%s: %v, want %d", query, got, n)
		}
	}
	page := st.do(key, "GET", "/v1/deliveries?state=failed", nil).object()["data"].([]any)[0].(map[string]any)
	if page["reason"] != "exhausted" || page["last_status"] != 400.0 {
		t.Errorf("%v", page)
	}
}

// TestSecretsStaySecret sends canaries through every field that holds a secret
// and looks for them in every answer and in the log.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	st := setup(t)
	g := st.stage("standard")
	const secretCanary, headerCanary = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5", "header-canary-value"
	made := st.do(g.full, "POST", "/v1/endpoints", `{"consumer":"acme","url":"https://example.com/","event_types":["*"],"secret":"`+secretCanary+`","headers":{"X-Token":"`+headerCanary+`"}}`).want(201)
	if made.text("secret") != secretCanary {
		t.Errorf("%s", made.body)
	}
	g.endpoint = made.text("id")
	bodies := [][]byte{[]byte(strings.ReplaceAll(string(made.body), secretCanary, ""))}
	for _, rt := range st.server.routes() {
		if rt.method == http.MethodDelete || rt.scope == root {
			continue
		}
		bodies = append(bodies, st.do(g.full, rt.method, g.path(rt.pattern), bodyFor(rt.method+" "+rt.pattern)).body)
	}
	for _, bad := range []string{
		`{"secret":"` + secretCanary + `x!"}`, `{"secret":["` + secretCanary + `"]}`, `{"headers":{"X-Token":"` + headerCanary + `\n"}}`,
		`{"headers":{"Host":"` + headerCanary + `"}}`, `{"secret":"` + secretCanary + `","x":1}`,
	} {
		bodies = append(bodies, st.do(g.full, "PATCH", "/v1/endpoints/"+g.endpoint, bad).body)
	}
	bodies = append(bodies, st.do(g.full+"x", "GET", "/v1/events", nil).body, []byte(st.log.String()))
	for _, b := range bodies {
		for _, canary := range []string{secretCanary, headerCanary, g.full, st.root, g.readOnly} {
			if strings.Contains(string(b), canary) {
				t.Errorf("%s is in %s", canary, b)
			}
		}
	}
}

func TestAttemptsSayWhatWasSent(t *testing.T) {
	t.Parallel()
	for class, want := range map[store.Class]bool{
		"": true, store.ClassStatus: true, store.ClassTimeout: true, store.ClassReset: true, store.ClassUnknown: true, store.ClassCancelled: true,
		store.ClassDNS: false, store.ClassConnect: false, store.ClassBlocked: false, store.ClassRender: false, store.ClassTLS: false,
	} {
		if got := viewAttempt(&store.Attempt{Class: class}, nil).Request.Sent; got != want {
			t.Errorf("%s: %v", class, got)
		}
	}
	if !viewAttempt(&store.Attempt{Class: store.ClassTLS, Timings: store.Timings{Reused: true}}, nil).Request.Sent {
		t.Error("a connection that stood had carried TLS")
	}
}

// A customer's own key means its own customer.
func TestKeysOfOneConsumerNeedNotNameIt(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, key := st.project("standard", store.Development)
	own := st.do(st.root, "POST", "/v1/projects/"+project+"/keys", `{"consumer":"acme","scopes":["*"]}`).want(201).text("key")
	st.endpoint(key, "acme")
	event := st.do(own, "POST", "/v1/events", `{"type":"a","data":1}`).want(202).text("id")
	if got := st.do(key, "GET", "/v1/events/"+event, "").want(200).text("consumer"); got != "acme" {
		t.Error(got)
	}
	st.do(own, "POST", "/v1/events", `{"type":"a","consumer":"other","data":1}`).want(403)
	st.do(own, "POST", "/v1/events", `{"type":"a","consumer":"*","data":1}`).want(403)
	st.do(key, "POST", "/v1/events", `{"type":"a","data":1}`).want(422)
}

// What a receiver logged, as connectvets' webhook-id, is found by it.
func TestIDsOfTheWireAreFound(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	ep := st.endpoint(key, "acme")
	event := st.do(key, "POST", "/v1/events", `{"type":"a","consumer":"acme","data":1}`).want(202).text("id")
	delivery := st.walk(key, "/v1/deliveries")[0]
	uuid := func(f webhook.IDFormat, id string) string {
		raw, err := f.Parse(id)
		if err != nil {
			t.Fatal(err)
		}
		return raw.String()
	}
	for path, want := range map[string]string{
		"/v1/events/" + uuid(eventID, event):                              event,
		"/v1/events/" + strings.ToUpper(uuid(eventID, event)):             event,
		"/v1/deliveries/" + uuid(deliveryID, delivery):                    delivery,
		"/v1/endpoints/" + uuid(endpointID, ep):                           ep,
		"/v1/events/" + uuid(eventID, event)[:35]:                         "",
		"/v1/events/" + uuid(deliveryID, delivery):                        "",
		"/v1/events/" + strings.ReplaceAll(uuid(eventID, event), "-", ""): "",
	} {
		if want == "" {
			st.do(key, "GET", path, "").want(404)
		} else if got := st.do(key, "GET", path, "").want(200).text("id"); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	for _, filter := range []string{"event_id=" + uuid(eventID, event), "endpoint_id=" + uuid(endpointID, ep)} {
		if got := st.walk(key, "/v1/deliveries?"+filter); len(got) != 1 || got[0] != delivery {
			t.Errorf("%s: %v", filter, got)
		}
	}
	st.do(key, "GET", "/v1/deliveries?event_id=01a20269", "").want(400)
}
