package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// runningReplay makes a replay that goes on until it is cancelled: its
// endpoint has more to do than a replay adds to.
func (st *site) runningReplay(key, consumer string) string {
	st.t.Helper()
	ep := st.endpoint(key, consumer)
	one := `{"type":"a","consumer":"` + consumer + `","data":1}`
	st.do(key, "POST", "/v1/events/batch", `{"events":[`+one+strings.Repeat(","+one, 256)+`]}`).want(202)
	page := st.do(key, "GET", "/v1/deliveries?limit=1&endpoint_id="+ep, nil).want(200).object()
	id := page["data"].([]any)[0].(map[string]any)["id"].(string)
	st.do(key, "POST", "/v1/deliveries/"+id+"/cancel", nil).want(200)
	return st.do(key, "POST", "/v1/replays", `{"kind":"recover","from":"2020-01-01T00:00:00Z","states":["cancelled"],"endpoint_id":"`+ep+`"}`).want(202).text("id")
}

// over waits for a replay's end.
func (st *site) over(key, id string) map[string]any {
	st.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		if r := st.do(key, "GET", "/v1/replays/"+id, nil).want(200).object(); r["state"] != "running" {
			return r
		}
	}
	st.t.Fatalf("%s is not over", id)
	return nil
}

func TestReplays(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, key := st.project("standard", store.Development)
	ep := st.endpoint(key, "acme")
	before := time.Now().UTC().Add(-time.Millisecond).Format(time.RFC3339Nano) // ids have the time to the millisecond
	for i := range 6 {
		st.do(key, "POST", "/v1/events", fmt.Sprintf(`{"type":"t.%d","consumer":"acme","data":%d}`, i%2, i)).want(202)
		state := []store.State{store.Failed, store.Failed, store.Pending, store.Pending, store.Delivered, ""}[i]
		if state != "" {
			st.finish(ep, state, store.Attempt{Status: 503, Class: store.ClassStatus, Detail: "answered 503"})
		}
	}
	late := st.endpoint(key, "acme", "t.*")

	count := func(path, body string) string {
		t.Helper()
		return string(st.do(key, "POST", path, body).want(200).body)
	}
	for body, want := range map[string]int{
		`{"kind":"recover","from":"2020-01-01T00:00:00Z","dry_run":true}`: 4, `{"kind":"recover","from":"2020-01-01T00:00:00Z","dry_run":true,"states":["failed"]}`: 2, `{"kind":"recover","from":"2020-01-01T00:00:00Z","dry_run":true,"states":["pending"]}`: 2,
		`{"kind":"recover","from":"2020-01-01T00:00:00Z","dry_run":true,"event_types":["t.0"]}`: 2, `{"kind":"recover","from":"2020-01-01T00:00:00Z","dry_run":true,"states":["delivered","failed"],"endpoint_id":"` + ep + `"}`: 3,
		`{"kind":"recover","from":"2020-01-01T00:00:00Z","dry_run":true,"until":"` + before + `"}`: 0, `{"kind":"recover","dry_run":true,"from":"` + before + `","consumer":"acme"}`: 4,
		`{"kind":"missed","from":"2020-01-01T00:00:00Z","dry_run":true,"endpoint_id":"` + late + `"}`: 6, `{"kind":"missed","from":"2020-01-01T00:00:00Z","dry_run":true,"endpoint_id":"` + late[3:] + `","event_types":["t.1"]}`: 3,
		`{"kind":"recover","from":"2020-01-01T00:00:00Z","dry_run":true,"consumer":"nobody"}`: 0, `{"kind":"recover","from":"2020-01-01T00:00:00Z","dry_run":true,"states":null,"event_types":[]}`: 4,
	} {
		if got := count("/v1/replays", body); got != fmt.Sprintf("{\"dry_run\":{\"matched\":%d,\"more\":false}}\n", want) {
			t.Errorf("%s: %s, want %d", body, got, want)
		}
	}
	since := `{"since":"` + before + `","dry_run":true`
	if got := count("/v1/endpoints/"+ep+"/recover", since+`,"event_types":["t.1"]}`) + count("/v1/endpoints/"+late+"/replay-missing", since+`,"until":"`+before[:4]+`-12-31T23:59:59Z"}`); strings.Count(got, `"matched":2`) != 1 || strings.Count(got, `"matched":6`) != 1 {
		t.Error(got)
	}
	if all := st.walk(key, "/v1/replays"); len(all) != 0 {
		t.Errorf("a dry run made %v", all)
	}

	a := st.do(key, "POST", "/v1/endpoints/"+ep+"/recover", `{"since":"`+before+`"}`, "Idempotency-Key", "k").want(202)
	again := st.do(key, "POST", "/v1/endpoints/"+ep+"/recover", `{"since":"`+before+`"}`, "Idempotency-Key", "k").want(202)
	if string(a.body) != string(again.body) || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%s\n%s", a.body, again.body)
	}
	st.do(key, "POST", "/v1/endpoints/"+late+"/recover", `{"since":"`+before+`"}`, "Idempotency-Key", "k").problem(kindKeyReused)
	made := a.object()
	if made["state"] != "running" || made["kind"] != "recover" || made["matched"] != 4.0 || made["consumer"] != "acme" || made["endpoint_id"] != ep || fmt.Sprint(made["states"]) != "[failed pending]" {
		t.Errorf("%v", made)
	}
	r := st.over(key, a.text("id"))
	if r["state"] != "done" || r["done"] != 4.0 || r["progress"] != 1.0 || r["skipped"] != 0.0 || r["finished_at"] == nil {
		t.Errorf("%v", r)
	}
	if got := st.walk(key, "/v1/deliveries?state=pending&endpoint_id="+ep); len(got) != 5 {
		t.Errorf("%d pending", len(got))
	}
	missed := st.do(key, "POST", "/v1/replays", `{"kind":"missed","from":"2020-01-01T00:00:00Z","endpoint_id":"`+late+`"}`).want(202).text("id")
	if r := st.over(key, missed); r["done"] != 6.0 || fmt.Sprint(r["states"]) != "[]" {
		t.Errorf("%v", r)
	}
	for path, want := range map[string]int{
		"": 2, "?endpoint_id=" + ep: 1, "?state=done": 2, "?state=running": 0, "?consumer=acme": 2, "?consumer=beta": 0, "?limit=1": 2,
	} {
		if got := st.walk(key, "/v1/replays"+path); len(got) != want || path == "" && got[0] != missed {
			t.Errorf("%s: %v, want %d", path, got, want)
		}
	}
	// A key of one consumer sees and makes its own alone.
	bound := func(consumer string) string {
		return st.do(st.root, "POST", "/v1/projects/"+project+"/keys", `{"scopes":["*"],"consumer":"`+consumer+`"}`).want(201).text("key")
	}
	acme, beta := bound("acme"), bound("beta")
	wide := st.do(key, "POST", "/v1/replays", `{"kind":"recover","from":"2020-01-01T00:00:00Z"}`).want(202).text("id")
	if got := st.do(acme, "POST", "/v1/replays", `{"kind":"recover","from":"2020-01-01T00:00:00Z","states":["delivered"],"dry_run":true}`).want(200); !strings.Contains(string(got.body), `"matched":1`) {
		t.Errorf("%s", got.body)
	}
	st.do(acme, "GET", "/v1/replays/"+missed, nil).want(200)
	for _, id := range []string{wide, missed} {
		foreign := st.do(beta, "GET", "/v1/replays/"+id, nil).problem(kindNotFound)
		absent := st.do(beta, "GET", "/v1/replays/rpl_00000000000000000000000001", nil).problem(kindNotFound)
		if blank(foreign.body) != blank(absent.body) {
			t.Errorf("%s\n%s", foreign.body, absent.body)
		}
		st.do(beta, "POST", "/v1/replays/"+id+"/cancel", nil).problem(kindNotFound)
	}
	if got := len(st.walk(acme, "/v1/replays")) + 10*len(st.walk(beta, "/v1/replays")); got != 2 {
		t.Errorf("%d", got)
	}
	st.do(beta, "POST", "/v1/replays", `{"kind":"recover","from":"2020-01-01T00:00:00Z","consumer":"acme"}`).problem(kindForbidden)
	foreign := st.do(beta, "POST", "/v1/replays", `{"kind":"recover","from":"2020-01-01T00:00:00Z","endpoint_id":"`+ep+`"}`).problem(kindInvalid, "/endpoint_id")
	absent := st.do(beta, "POST", "/v1/replays", `{"kind":"recover","from":"2020-01-01T00:00:00Z","endpoint_id":"ep_00000000000000000000000001"}`).problem(kindInvalid, "/endpoint_id")
	if blank(foreign.body) != blank(absent.body) {
		t.Errorf("%s\n%s", foreign.body, absent.body)
	}
}

func TestReplayLimits(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	id := st.runningReplay(key, "busy")
	r := st.do(key, "GET", "/v1/replays/"+id, nil).want(200).object()
	if r["state"] != "running" || r["progress"] != 0.0 || r["matched"] != 1.0 {
		t.Errorf("%v", r)
	}
	same := `{"kind":"recover","from":"2020-01-01T00:00:00Z","states":["cancelled"],"endpoint_id":"` + r["endpoint_id"].(string) + `"}`
	for range store.MaxReplaysOf - 1 {
		st.do(key, "POST", "/v1/replays", same).want(202)
	}
	full := st.do(key, "POST", "/v1/replays", same).problem(kindTooMany)
	if full.header.Get("Retry-After") == "" || !strings.Contains(string(full.body), "at most 10 of one consumer, as many of no consumer, and 100 in all") {
		t.Errorf("%v %s", full.header, full.body)
	}
	st.do(key, "POST", "/v1/replays", `{"kind":"recover","from":"2020-01-01T00:00:00Z","consumer":"another"}`).want(202)
	ended := st.do(key, "POST", "/v1/replays/"+id+"/cancel", nil).want(200).object()
	if ended["state"] != "cancelled" || ended["finished_at"] == nil || ended["done"] != 0.0 {
		t.Errorf("%v", ended)
	}
	st.do(key, "POST", "/v1/replays/"+id+"/cancel", nil).problem(kindConflict)
	st.do(key, "POST", "/v1/replays", same).want(202)
}

func TestReplayShapes(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	_, other := st.project("standard", store.Development)
	ep, theirs := st.endpoint(key, "acme"), st.endpoint(other, "acme")
	many, _ := json.Marshal(strings.Split(strings.Repeat("a ", 101)+"a", " "))
	for body, at := range map[string][]string{
		`{}`: {"/kind", "/from"}, `{"kind":"recover"}`: {"/from"}, `{"kind":"recover","from":null}`: {"/from"}, `{"kind":"all","from":"2020-01-01T00:00:00Z"}`: {"/kind"}, `{"kind":"missed","from":"2020-01-01T00:00:00Z"}`: {"/endpoint_id"}, `{"kind":"missed","from":"2020-01-01T00:00:00Z","states":["failed"],"endpoint_id":"` + ep + `"}`: {"/states"},
		`{"kind":"recover","from":"2020-01-01T00:00:00Z","states":["lost","failed","failed"]}`: {"/states/0", "/states/2"}, `{"kind":"recover","from":"2020-01-01T00:00:00Z","event_types":["a","b*"]}`: {"/event_types/1"},
		`{"kind":"recover","from":"2020-01-01T00:00:00Z","event_types":` + string(many) + `}`:           {"/event_types"},
		`{"kind":"recover","from":"2026-01-02T00:00:00Z","until":"2026-01-02T00:00:00Z"}`:               {"/from"},
		`{"kind":"recover","from":"2020-01-01T00:00:00Z","consumer":"a b"}`:                             {"/consumer"},
		`{"kind":"recover","from":"2020-01-01T00:00:00Z","endpoint_id":"` + theirs + `"}`:               {"/endpoint_id"},
		`{"kind":"recover","from":"2020-01-01T00:00:00Z","endpoint_id":"` + ep + `","consumer":"beta"}`: {"/endpoint_id"},
		`{"kind":"recover","from":"2020-01-01T00:00:00Z","endpoint_id":"x","dry_run":true}`:             {"/endpoint_id"},
	} {
		st.do(key, "POST", "/v1/replays", body).problem(kindInvalid, at...)
	}
	st.do(key, "POST", "/v1/replays", `{"kind":"recover","state":"failed","from":1}`).problem(kindShape, "/state", "/from")
	for body, at := range map[string]string{`{}`: "/since", `{"since":null}`: "/since", `{"since":"2026-01-02T00:00:00Z","until":"2026-01-01T00:00:00Z"}`: "/since"} {
		st.do(key, "POST", "/v1/endpoints/"+ep+"/recover", body).problem(kindInvalid, at)
		st.do(key, "POST", "/v1/endpoints/"+ep+"/replay-missing", body).problem(kindInvalid, at)
	}
	st.do(key, "GET", "/v1/replays?state=over", nil).problem(kindShape, "?state")
	st.do(key, "GET", "/v1/replays?kind=missed", nil).problem(kindShape, "?kind")
}

func TestReplayOfOneEvent(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	ep := st.endpoint(key, "acme", "a")
	event := st.do(key, "POST", "/v1/events", `{"type":"a","consumer":"acme","data":1}`).want(202).text("id")
	path := "/v1/events/" + event + "/replay"
	delivery := st.walk(key, "/v1/deliveries?event_id="+event)[0]
	st.finish(ep, store.Delivered, store.Attempt{Status: 200})
	late, unwilling, other := st.endpoint(key, "acme", "a"), st.endpoint(key, "acme", "b"), st.endpoint(key, "beta")
	a := st.do(key, "POST", path, nil).want(202).object()
	if fmt.Sprint(a["again"]) != "["+delivery+"]" || len(a["new"].([]any)) != 1 || a["event_id"] != event {
		t.Errorf("%v", a)
	}
	made := a["new"].([]any)[0].(string)
	if got := st.walk(key, "/v1/deliveries?state=pending&event_id="+event); len(got) != 2 {
		t.Errorf("%v", got)
	}
	if a := st.do(key, "POST", path, `{"endpoint_id":"`+late+`"}`).want(202).object(); fmt.Sprint(a["again"]) != "["+made+"]" || len(a["new"].([]any)) != 0 {
		t.Errorf("%v", a)
	}
	st.do(key, "POST", path, `{"endpoint_id":"`+unwilling+`"}`).problem(kindInvalid, "/endpoint_id")
	st.do(key, "POST", path, `{"endpoint_id":"`+other+`"}`).problem(kindInvalid, "/endpoint_id")
	st.do(key, "POST", path, `{"endpoint_id":"ep_00000000000000000000000001"}`).problem(kindInvalid, "/endpoint_id")
	st.do(key, "POST", path, `{"endpoint":"`+ep+`"}`).problem(kindShape, "/endpoint")
	st.do(key, "POST", path, nil, "Idempotency-Key", "k").problem(kindShape, "Idempotency-Key:")

	many := make([]string, 251)
	for i := range many {
		many[i] = st.endpoint(key, "many")
	}
	event = st.do(key, "POST", "/v1/events", `{"type":"a","consumer":"many","data":1}`).want(202).text("id")
	st.do(key, "POST", "/v1/events/"+event+"/replay", nil).problem(kindConflict)
	st.do(key, "POST", "/v1/events/"+event+"/replay", `{"endpoint_id":"`+many[7]+`"}`).want(202)
}

// TestReplayAskedAtOnce: a replay that is asked for many times at once, under one
// key, is counted and made once; nobody is told to wait for himself.
func TestReplayAskedAtOnce(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	st.endpoint(key, "acme")
	answers := make([]*answer, 60)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			answers[i] = st.do(key, "POST", "/v1/replays", `{"kind":"recover","from":"2020-01-01T00:00:00Z","consumer":"acme"}`, "Idempotency-Key", "one")
		})
	}
	wg.Wait()
	for _, a := range answers {
		if a.want(202); a.text("id") != answers[0].text("id") {
			t.Errorf("%s, and %s", a.body, answers[0].body)
		}
	}
	st.over(key, answers[0].text("id"))
}
