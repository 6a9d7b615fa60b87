package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// TestLaterConsumer: who acts for a consumer of the same uid as one that was
// deleted sees nothing of that one, and reaches nothing of it.
func TestLaterConsumer(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, key := st.project("standard", store.Development)
	const past = "2020-01-01T00:00:00Z"
	old := st.endpoint(key, "acme")
	const same = `{"type":"a.b","consumer":"acme","data":{"order":1}}`
	first := st.do(st.boundKey(project, "acme", "*"), "POST", "/v1/events", same, "Idempotency-Key", "order-1").want(202).text("id")
	st.finish(old, store.Delivered, store.Attempt{Status: 200})
	event := st.do(key, "POST", "/v1/events", `{"type":"a.b","consumer":"acme","data":{"of":"the first"}}`, "Idempotency-Key", "k1").want(202).text("id")
	st.finish(old, store.Failed, store.Attempt{Status: 503, Class: store.ClassStatus, Detail: "answered 503"})
	delivery := st.walk(key, "/v1/deliveries?event_id="+event)[0]
	replay := st.do(key, "POST", "/v1/replays", `{"kind":"recover","from":"`+past+`","consumer":"acme","event_types":["nothing"]}`).want(202).text("id")
	st.over(key, replay)
	st.do(key, "DELETE", "/v1/consumers/acme", nil).want(200)
	deleted := time.Now()
	for !time.Now().After(deleted.Add(2 * time.Millisecond)) { // ids have the time to the millisecond
		continue
	}
	// Also before it is made again.
	unreached := st.do(key, "POST", "/v1/events", `{"type":"a.b","consumer":"acme","data":{"of":"the second"}}`).want(202).text("id")

	callers := map[string]string{
		"key":     st.boundKey(project, "acme", "*"),
		"session": st.session(key, "acme", store.PortalManage).text("token"),
	}
	// Nor are the earlier one's idempotency keys the later one's.
	sender := st.key(project) // of the project: its keys go on
	if a := st.do(sender, "POST", "/v1/events", `{"type":"a.b","consumer":"acme","data":{"of":"the first"}}`, "Idempotency-Key", "k1").want(202); a.text("id") != event {
		t.Errorf("the project's own key is forgotten: %s", a.body)
	}
	bound := st.boundKey(project, "acme", "*")
	again := st.do(bound, "POST", "/v1/events", same, "Idempotency-Key", "order-1").want(202)
	if again.text("id") == first || st.do(bound, "POST", "/v1/events", same, "Idempotency-Key", "order-1").want(202).text("id") != again.text("id") {
		t.Errorf("%s", again.body)
	}
	later := st.endpoint(key, "acme")
	// Whoever runs the product sees both.
	if got := len(st.walk(key, "/v1/events?consumer=acme")); got != 4 {
		t.Errorf("the project's key sees %d events", got)
	}
	st.do(key, "GET", "/v1/deliveries/"+delivery+"/attempts", nil).want(200)
	for name, token := range callers {
		for path, want := range map[string]string{
			"/v1/events":                                  "[" + again.text("id") + " " + unreached + "]",
			"/v1/events?id=" + event:                      "[]",
			"/v1/events?from=" + past:                     "[" + again.text("id") + " " + unreached + "]",
			"/v1/events?idempotency_key=k1":               "[]",
			"/v1/events?until=2020-01-02T00:00:00Z":       "[]",
			"/v1/deliveries":                              "[]",
			"/v1/deliveries?state=failed":                 "[]",
			"/v1/deliveries?event_id=" + event:            "[]",
			"/v1/deliveries?endpoint_id=" + old:           "[]",
			"/v1/deliveries?type=a.b&consumer=acme":       "[]",
			"/v1/deliveries?last_status=503&from=" + past: "[]",
			"/v1/replays":                                 "[]",
			"/v1/replays?endpoint_id=" + old:              "[]",
		} {
			page := st.do(token, "GET", path, nil).want(200)
			if got := fmt.Sprint(ids(page.object())); got != want || page.object()["next_cursor"] != nil {
				t.Errorf("%s: %s, want %s", path, page.body, want)
			}
		}
		for _, x := range [][2]string{
			{"GET", "/v1/events/" + event}, {"POST", "/v1/events/" + event + "/replay"}, {"GET", "/v1/deliveries/" + delivery}, {"GET", "/v1/deliveries/" + delivery + "/attempts"},
			{"POST", "/v1/deliveries/" + delivery + "/retry"}, {"POST", "/v1/deliveries/" + delivery + "/cancel"}, {"GET", "/v1/replays/" + replay}, {"POST", "/v1/replays/" + replay + "/cancel"},
			{"GET", "/v1/endpoints/" + old}, {"GET", "/v1/endpoints/" + old + "/stats"},
		} {
			st.do(token, x[0], x[1], nil).problem(kindNotFound)
		}
		if got := st.do(token, "POST", previews, `{"event_types":["*"],"limit":50}`).previewed(); got != "2/2 yes yes" {
			t.Errorf("preview: %s", got)
		}
		st.do(token, "POST", previews, `{"event_types":["*"],"event_id":"`+event+`"}`).problem(kindInvalid, "/event_id")
		for path, want := range map[string]string{"/recover": `{"matched":0,"more":false}`, "/replay-missing": `{"matched":2,"more":false}`} {
			a := st.do(token, "POST", "/v1/endpoints/"+later+path, `{"since":"`+past+`","dry_run":true}`).want(200)
			if !strings.Contains(string(a.body), want) {
				t.Errorf("%s: %s, want %s", path, a.body, want)
			}
		}
		stats := st.do(token, "GET", "/v1/stats", nil).want(200)
		var v struct{ Attempts, Deliveries map[string]any }
		if err := json.Unmarshal(stats.body, &v); err != nil || v.Attempts["total"] != 0. || v.Deliveries["failed"] != 0. {
			t.Errorf("stats of a %s: %s: %v", name, stats.body, err)
		}
	}
}

// ids of a page's items.
func ids(page map[string]any) (out []string) {
	for _, item := range page["data"].([]any) {
		out = append(out, item.(map[string]any)["id"].(string))
	}
	return out
}
