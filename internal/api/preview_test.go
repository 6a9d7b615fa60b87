package api

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/match"
	"github.com/malote-dev/malote/internal/store"
)

// previewed is the answer to a preview, in short: each event's outcome.
func (a *answer) previewed() string {
	a.t.Helper()
	a.want(200)
	var v struct {
		Judged, Matched int
		More            bool
		Results         []struct {
			Matched         bool
			Reason, Problem *string
			Detail          string
		}
	}
	if err := json.Unmarshal(a.body, &v); err != nil {
		a.t.Fatal(err)
	}
	out := fmt.Sprintf("%d/%d", v.Matched, v.Judged)
	if v.More {
		out += "+"
	}
	for _, r := range v.Results {
		switch {
		case r.Reason != nil && !r.Matched && r.Detail != "":
			out += " " + *r.Reason
		case r.Problem != nil && r.Matched && r.Detail != "":
			out += " yes:" + *r.Problem
		case r.Matched:
			out += " yes"
		default:
			a.t.Errorf("%s: %+v", a.what, r)
		}
	}
	return out
}

const previews = "/v1/endpoints/preview"

func TestPreviewOfSamples(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	id := st.do(key, "POST", "/v1/endpoints", with(`"channels":["a"],"filter":"data.n > 1 && event.consumer == '1'"`)).want(201).text("id")
	const samples = `"events":[{"type":"x.y","data":{"n":2},"channels":["b","a"]},{"type":"x","data":{"n":1},"channels":["a"]},{"type":"x.z","data":{"n":2}},
		{"type":"x.y","data":{"m":1},"channels":["a"]},{"type":"x.y","data":{"n":"2"},"channels":["a"]}]`
	for body, want := range map[string]string{
		`"endpoint_id":"` + id + `"`:                                                    "3/5 yes filter channel yes:missing_field yes:wrong_kind",
		`"endpoint_id":"` + id + `","event_types":["x.*"]`:                              "3/5 yes event_type channel yes:missing_field yes:wrong_kind",
		`"endpoint_id":"` + id + `","channels":[],"filter":""`:                          "5/5 yes yes yes yes yes",
		`"endpoint_id":"` + id + `","channels":null`:                                    "3/5 yes filter channel yes:missing_field yes:wrong_kind",
		`"filter":"data.n > 1","consumer":"2"`:                                          "4/5 yes filter yes yes:missing_field yes:wrong_kind",
		`"filter":"event.consumer == '2'","consumer":"2"`:                               "5/5 yes yes yes yes yes",
		`"filter":"event.consumer == '2'"`:                                              "0/5 filter filter filter filter filter",
		`"event_types":["x"],"filter":"event.time < timestamp('2020-01-01T00:00:00Z')"`: "0/5 event_type filter event_type event_type event_type",
	} {
		if got := st.do(key, "POST", previews, "{"+samples+","+body+"}").previewed(); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	a := st.do(key, "POST", previews, `{`+samples+`,"endpoint_id":"`+id+`"}`, "Accept-Language", "pt-BR").want(200)
	if s := string(a.body); !strings.Contains(s, "o filtro é falso para ele") || !strings.Contains(s, "não é possível avaliar o filtro para ele, então ele é entregue: não tem o campo n") {
		t.Errorf("%s", s)
	}
	if n := len(st.walk(key, "/v1/events")); n != 0 {
		t.Errorf("%d samples were kept", n)
	}
}

func TestPreviewOfStoredEvents(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, key := st.project("standard", store.Development)
	before := st.do(key, "POST", "/v1/events", `{"type":"a","consumer":"1","data":{"n":5}}`).want(202).text("id")
	id := st.do(key, "POST", "/v1/endpoints", with(`"filter":"data.n > 3"`)).want(201).text("id")
	for n := range 5 {
		st.do(key, "POST", "/v1/events", fmt.Sprintf(`{"type":"t%d","consumer":"1","data":{"n":%d}}`, n%2, n)).want(202)
	}
	st.do(key, "POST", "/v1/events", `{"type":"t1","consumer":"*","data":{"n":9}}`).want(202)
	st.do(key, "POST", "/v1/events", `{"type":"t1","consumer":"2","data":{"n":9}}`).want(202)
	test := st.do(key, "POST", "/v1/endpoints/"+id+"/test", nil).want(202).text("event_id")
	ask := func(key, body string) *answer { return st.do(key, "POST", previews, body) }
	for body, want := range map[string]string{
		`{"consumer":"1"}`:                                                    "7/7 yes yes yes yes yes yes yes",
		`{"endpoint_id":"` + id + `"}`:                                        "3/7 yes yes filter filter filter filter yes",
		`{"endpoint_id":"` + id + `","limit":2}`:                              "2/2+ yes yes",
		`{"endpoint_id":"` + id + `","type":"t1"}`:                            "1/3 yes filter filter",
		`{"consumer":"1","filter":"data.n == 3","type":"t1"}`:                 "1/3 filter yes filter",
		`{"consumer":"3"}`:                                                    "1/1 yes",
		`{"consumer":"1","limit":100,"type":"none"}`:                          "0/0",
		`{"event_id":"` + before + `","event_types":["b"]}`:                   "0/1 event_type",
		`{"event_id":"` + before + `","consumer":"1","filter":"data.n == 5"}`: "1/1 yes",
	} {
		if got := ask(key, body).previewed(); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	// One event and one endpoint: why it did not get it, or the delivery that it got.
	explain := func(key, event, more string) (detail, delivery any) {
		r := ask(key, `{"endpoint_id":"`+id+`","event_id":"`+event+`"`+more+`}`).want(200).object()["results"].([]any)[0].(map[string]any)
		return r["detail"], r["delivery_id"]
	}
	if detail, delivery := explain(key, before, ""); delivery != nil || !strings.Contains(fmt.Sprint(detail), "came before the endpoint was made") {
		t.Errorf("%v %v", detail, delivery)
	}
	missed := st.do(key, "POST", "/v1/events", `{"type":"t","consumer":"1","data":{"n":1}}`).want(202).text("id")
	got := st.do(key, "POST", "/v1/events", `{"type":"t","consumer":"1","data":{"n":7}}`).want(202).text("id")
	if detail, delivery := explain(key, missed, ""); delivery != nil || detail != "the filter is false for it" {
		t.Errorf("%v %v", detail, delivery)
	}
	if detail, delivery := explain(key, got, ""); delivery != st.walk(key, "/v1/deliveries?event_id="+got)[0] || detail != nil {
		t.Errorf("%v %v", detail, delivery)
	}
	st.do(key, "PATCH", "/v1/endpoints/"+id, `{"filter":null}`).want(200)
	if detail, delivery := explain(key, missed, ""); delivery != nil || !strings.Contains(fmt.Sprint(detail), "would get it today") {
		t.Errorf("%v %v", detail, delivery)
	}
	if detail, delivery := explain(key, missed, `,"filter":"true"`); delivery != nil || detail != nil {
		t.Errorf("%v %v", detail, delivery)
	}
	other := st.endpoint(key, "1")
	if r := ask(key, `{"endpoint_id":"`+other+`","event_id":"`+test+`"}`).want(200); !strings.Contains(string(r.body), "it is a test") {
		t.Errorf("%s", r.body)
	}
	reader := st.key(project, "events:read", "endpoints:read")
	if _, delivery := explain(reader, got, ""); delivery != nil {
		t.Errorf("a key without deliveries:read sees %v", delivery)
	}

	// Who may ask what.
	st.do(st.key(project, "endpoints:read"), "POST", previews, `{"consumer":"1"}`).problem(kindForbidden)
	st.do(st.key(project, "events:read"), "POST", previews, `{"endpoint_id":"`+id+`"}`).problem(kindForbidden)
	st.do(st.key(project, "events:read"), "POST", previews, `{"consumer":"1"}`).want(200)
	bound := st.do(st.root, "POST", "/v1/projects/"+project+"/keys", `{"scopes":["*"],"consumer":"2"}`).want(201).text("key")
	if got := ask(bound, `{}`).previewed(); got != "2/2 yes yes" {
		t.Errorf("a consumer's own: %s", got)
	}
	ask(bound, `{"consumer":"1"}`).problem(kindForbidden)
	_, foreign := st.project("standard", store.Development)
	for body, pointer := range map[string]string{
		`{"endpoint_id":"%s"}`: "/endpoint_id", `{"event_id":"%s"}`: "/event_id", `{"event_id":"%s","filter":"true"}`: "/event_id",
	} {
		theirs, none := id, "ep_00000000000000000000000001"
		if pointer == "/event_id" {
			theirs, none = got, "evt_00000000000000000000000001"
		}
		missing := ask(key, fmt.Sprintf(body, none)).problem(kindInvalid, pointer)
		malformed := ask(key, fmt.Sprintf(body, "x")).problem(kindInvalid, pointer)
		for _, k := range []string{bound, foreign} {
			a := ask(k, fmt.Sprintf(body, theirs)).problem(kindInvalid, pointer)
			if blank(a.body) != blank(missing.body) || blank(a.body) != blank(malformed.body) {
				t.Errorf("a foreign id and a missing one differ:\n%s\n%s", a.body, missing.body)
			}
		}
	}
}

func TestPreviewsThatAreRefused(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	id := st.endpoint(key, "1")
	event := st.do(key, "POST", "/v1/events", `{"type":"a","consumer":"2","data":1}`).want(202).text("id")
	list := func(n int) string {
		return `{"filter":"true","events":[` + strings.TrimSuffix(strings.Repeat(`{"type":"a","data":1},`, n), ",") + `]}`
	}
	deep := func(n int) string {
		return `{"events":[{"type":"a","data":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}]}`
	}
	for body, pointers := range map[string][]string{
		`{}`:                                                      {"/consumer"},
		`{"consumer":""}`:                                         {"/consumer"},
		`{"consumer":"1","filter":"data.a"}`:                      {"/filter"},
		`{"consumer":"1","event_types":[]}`:                       {"/event_types"},
		`{"consumer":"1","channels":["!"]}`:                       {"/channels/0"},
		`{"consumer":"1","limit":0}`:                              {"/limit"},
		`{"consumer":"1","limit":101}`:                            {"/limit"},
		`{"consumer":"1","type":"a b"}`:                           {"/type"},
		`{"endpoint_id":"` + id + `","consumer":"2"}`:             {"/consumer"},
		`{"endpoint_id":"` + id + `","event_id":"` + event + `"}`: {"/event_id"},
		`{"events":[{"type":"a","data":1}],"event_id":"` + event + `","limit":1,"type":"a"}`: {"/event_id", "/type", "/limit"},
		`{"events":[]}`: {"/events"},
		`{"consumer":"1","events":[{"type":"a b"},{"type":"a","data":1,"consumer":"2"},{"type":"a","data":1,"channels":[""]},{"data":1,"x":1},5]}`: {
			"/events/0/type", "/events/0/data", "/events/1/consumer", "/events/2/channels/0", "/events/3/x", "/events/4",
		},
		`{"events":[{"type":"a","data":1,"timestamp":"1999-01-01T00:00:00Z","consumer":"a b"}]}`: {"/events/0/consumer", "/events/0/timestamp"},
		list(101): {"/events"},
	} {
		st.do(key, "POST", previews, body).problem(kindInvalid, pointers...)
	}
	st.do(key, "POST", previews, list(100)).want(200)
	st.do(key, "POST", previews, deep(128)).want(200)
	st.do(key, "POST", previews, deep(129)).problem(kindJSON)
	st.do(key, "POST", previews, `{"events":{}}`).problem(kindShape, "/events")
	st.do(key, "POST", previews, `{"limit":"1"}`).problem(kindShape, "/limit")
}

// TestPreviewsAreShared: one caller has one at a time, one project half of
// them, and who had a costly one pauses; nobody else has to.
func TestPreviewsAreShared(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, key := st.project("standard", store.Development)
	_, other := st.project("standard", store.Development)
	now, of := time.Now(), st.projectOf(key)
	var done []func(uint64, time.Time)
	take := func(s sender, want bool) {
		t.Helper()
		d, err := st.server.previews.take(s, now)
		if (err == nil) != want {
			t.Fatalf("%v", err)
		}
		if err == nil {
			done = append(done, d)
		}
	}
	take(sender{of, "a"}, true)
	take(sender{of, "a"}, false)
	take(sender{of, "b"}, true)
	take(sender{of, "c"}, false) // the project's half
	if a := st.do(key, "POST", previews, `{"consumer":"1"}`).problem(kindTooMany); a.header.Get("Retry-After") != "1" {
		t.Errorf("%v", a.header)
	}
	st.do(other, "POST", previews, `{"consumer":"1"}`).want(200)
	take(sender{store.ID{1}, "a"}, true)
	take(sender{store.ID{2}, "a"}, true)
	take(sender{store.ID{3}, "a"}, false) // all
	for _, d := range done {
		d(0, now)
	}
	st.do(key, "POST", previews, `{"consumer":"1"}`).want(200)

	token := st.session(key, "1", store.PortalRead).text("token")
	items := strings.TrimSuffix(strings.Repeat("1,", 1000), ",")
	one := `{"type":"a","data":[` + items + `]}`
	costly := `{"event_types":["*"],"filter":"data.exists(x, data.exists(y, y + x == 7))","events":[` + one + strings.Repeat(","+one, 60) + `]}`
	if m := st.do(token, "POST", previews, costly).want(200).object(); m["judged"].(float64) > maxTooCostly || m["more"] != true {
		t.Errorf("%v judged, more %v", m["judged"], m["more"])
	}
	// How long a costly one took is the machine's affair: here it cost all that one may, just now.
	pausing := sender{of, "3"}
	now = time.Now()
	take(pausing, true)
	done[len(done)-1](match.MaxCallCost, now.Add(time.Hour))
	token = st.session(key, "3", store.PortalRead).text("token")
	a := st.do(token, "POST", previews, `{"event_types":["*"]}`).problem(kindTooMany)
	if n, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || n < 3000 || n > 3700 {
		t.Errorf("%v", a.header)
	}
	st.do(st.boundKey(project, "3", "*"), "POST", previews, `{"event_types":["*"]}`).problem(kindTooMany)
	st.do(key, "POST", previews, `{"consumer":"1"}`).want(200)
	st.do(st.session(key, "2", store.PortalRead).text("token"), "POST", previews, `{"event_types":["*"]}`).want(200)
	now = now.Add(time.Hour)
	take(pausing, false)
	now = now.Add(previewPause)
	take(pausing, true)
	done[len(done)-1](0, now)
}

// TestPreviewsAreBounded: a filter that costs as much as one may ends the
// preview before it costs more than one call may, or takes too long.
func TestPreviewsAreBounded(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	items := strings.TrimSuffix(strings.Repeat("1,", 1000), ",")
	for range 60 {
		st.do(key, "POST", "/v1/events", `{"type":"a","consumer":"1","data":[`+items+`]}`).want(202)
	}
	a := st.do(key, "POST", previews, `{"consumer":"1","limit":100,"filter":"data.exists(x, data.exists(y, y + x == 7))"}`).want(200)
	m := a.object()
	if n := m["judged"].(float64); m["more"] != true || n < 1 || n > 59 || !strings.Contains(string(a.body), `"problem":"too_`) {
		t.Errorf("%v judged, more %v", m["judged"], m["more"])
	}
}
