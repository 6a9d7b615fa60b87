package api

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// TestSearch: what a URL asks for is what it finds, and nothing else.
func TestSearch(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, key := st.project("standard", store.Development)
	ep, other := st.endpoint(key, "acme"), st.endpoint(key, "beta")
	made, failed := map[string]string{}, map[string]string{}
	for i, name := range []string{"busy", "gone", "silent", "fine", "fresh"} {
		made[name] = st.do(key, "POST", "/v1/events", fmt.Sprintf(`{"type":"t.%d","consumer":"acme","data":{"n":"in-%d","name":"João %s"}}`, i%2, i, name), "Idempotency-Key", "k "+name).want(202).text("id")
		failed[name] = st.walk(key, "/v1/deliveries?event_id="+made[name])[0]
	}
	st.do(key, "POST", "/v1/events", `{"type":"t.0","consumer":"beta","data":1}`).want(202)
	st.finishOne(ep, failed["busy"], store.Pending, store.Attempt{Status: 503, Class: store.ClassStatus, Detail: "answered 503 Service Unavailable"})
	st.finishOne(ep, failed["gone"], store.Failed, store.Attempt{Status: 410, Class: store.ClassStatus, Detail: "answered 410 Gone"})
	st.finishOne(ep, failed["silent"], store.Pending, store.Attempt{Class: store.ClassTimeout, Detail: "no answer within 10s"})
	st.finishOne(ep, failed["fine"], store.Delivered, store.Attempt{Status: 204})

	names := func(ids []string, of map[string]string) (out []string) {
		for _, id := range ids {
			for name, is := range of {
				if is == id {
					out = append(out, name)
				}
			}
		}
		slices.Sort(out)
		return out
	}
	for query, want := range map[string]string{
		"last_status=503": "busy", "last_status=5xx": "busy", "last_status=410": "gone", "last_status=4xx": "gone", "last_status=204": "fine",
		"last_status=none": "silent", "last_status=404": "", "state=failed": "gone", "state=failed,pending": "busy fresh gone silent",
		"state=pending,failed,failed&last_status=5xx": "busy", "state=delivered,failed": "fine gone", "state=pending&last_status=none": "silent",
		"type=t.0&last_status=none": "silent", "endpoint_id=" + ep[3:] + "&state=failed": "gone", "state=failed,cancelled&type=t.1": "gone",
	} {
		if got := strings.Join(names(st.walk(key, "/v1/deliveries?consumer=acme&"+query), failed), " "); got != want {
			t.Errorf("%s finds %q, want %q", query, got, want)
		}
	}
	id, err := eventID.Parse(made["busy"])
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"id=" + made["busy"]: "busy", "id=" + made["busy"][4:]: "busy", "id=" + webhook.IDFormat{Form: webhook.FormUUID}.Format(id): "busy", "id=" + made["busy"] + "&type=t.1": "",
		"idempotency_key=" + url.QueryEscape("k gone"): "gone", "idempotency_key=k": "", "channel=eu": "", "type=t.1": "fine gone", "type=t.1&idempotency_key=k+fine": "fine",
		"search=IN-2": "silent", "search=Jo%C3%A3o+f": "fine fresh", "search=Jo%C3%A3o+f&type=t.1": "fine", "search=in-9": "",
	} {
		if got := strings.Join(names(st.walk(key, "/v1/events?"+query), made), " "); got != want {
			t.Errorf("%s finds %q, want %q", query, got, want)
		}
	}
	d := st.do(key, "GET", "/v1/deliveries/"+failed["silent"], nil).want(200).object()
	if e, _ := d["last_error"].(map[string]any); e["class"] != "timeout" || e["detail"] != "no answer within 10s" || d["last_status"] != nil {
		t.Errorf("%v", d)
	}
	for query, parameter := range map[string]string{
		"deliveries?state=failed,": "?state", "deliveries?state=,": "?state", "deliveries?state=failed%3Bpending": "?state", "deliveries?state=failed&state=pending": "?state", "deliveries?last_status=99": "?last_status",
		"deliveries?last_status=600": "?last_status", "deliveries?last_status=0xx": "?last_status", "deliveries?last_status=+50": "?last_status", "deliveries?last_status=-1xx": "?last_status",
		"deliveries?last_status=NONE": "?last_status", "deliveries?state=" + strings.Repeat("failed,", 70) + "failed": "?state", "events?id=x": "?id", "events?id=" + ep: "?id", "events?channel=": "?channel",
		"events?search=": "?search", "events?search=" + strings.Repeat("x", 513): "?search",
	} {
		st.do(key, "GET", "/v1/"+query, nil).problem(kindShape, parameter)
	}
	// A consumer's key finds its own only, whatever it asks for.
	bound := st.do(st.root, "POST", "/v1/projects/"+project+"/keys", `{"scopes":["*"],"consumer":"beta"}`).want(201).text("key")
	for _, path := range []string{
		"/v1/events?id=" + made["busy"], "/v1/events?idempotency_key=k+busy", "/v1/events?search=in-0", "/v1/deliveries?last_status=503", "/v1/deliveries?state=failed,pending&endpoint_id=" + ep,
	} {
		if got := st.walk(bound, path); len(got) != 0 {
			t.Errorf("%s shows a consumer another's: %v", path, got)
		}
	}
	if got := st.walk(bound, "/v1/deliveries?state=failed,pending&endpoint_id="+other); len(got) != 1 {
		t.Errorf("%v", got)
	}
}
