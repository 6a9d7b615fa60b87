package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

func TestEventAnswers(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, key := st.project("standard", store.Development)
	st.endpoint(key, "acme", "task.*")
	st.endpoint(key, "acme", "task.created", "user.created")
	st.endpoint(key, "globex")
	narrow := st.key(project, "events:write")
	cases := []struct {
		name, key, body string
		want            string // the answer without its id
	}{
		{"both", key, `{"type":"task.created","consumer":"acme","data":{}}`, `{"deliveries":2}`},
		{"one", key, `{"type":"task.a.b","consumer":"acme","data":{}}`, `{"deliveries":1}`},
		{"none wants", key, `{"type":"x","consumer":"acme","data":{}}`, `{"deliveries":0,"unreached":"none of the 2 endpoints of consumer acme wants x"}`},
		{"prefix needs its dot", key, `{"type":"task","consumer":"acme","data":{}}`, `{"deliveries":0,"unreached":"none of the 2 endpoints of consumer acme wants task"}`},
		{"nobody", key, `{"type":"x","consumer":"nobody","data":{}}`, `{"deliveries":0,"unreached":"consumer nobody has no endpoints"}`},
		{"all", key, `{"type":"task.created","consumer":"*","data":{}}`, `{"deliveries":3}`},
		{"in time", narrow, fmt.Sprintf(`{"type":"x","consumer":"globex","data":null,"timestamp":%q}`, time.Now().Add(23*time.Hour).Format(time.RFC3339)), `{"deliveries":1}`},
		{"2000", key, `{"type":"x","consumer":"globex","data":0,"timestamp":"2000-01-01T00:00:00Z"}`, `{"deliveries":1}`},
	}
	for _, c := range cases {
		a := st.do(c.key, "POST", "/v1/events", c.body).want(202)
		m := a.object()
		if id, _ := m["id"].(string); !strings.HasPrefix(id, "evt_") || len(id) != 30 {
			t.Errorf("%s: %s", c.name, a.body)
		}
		delete(m, "id")
		if got, _ := json.Marshal(m); string(got) != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	st.do(narrow, "POST", "/v1/events", `{"type":"x","consumer":"*","data":1}`).problem(kindForbidden, "/consumer")
	mixed := st.do(narrow, "POST", "/v1/events/batch", `{"events":[{"type":"x","consumer":"*","data":1},{"type":"x","consumer":"globex","data":1}]}`).want(202)
	if body := string(mixed.body); !strings.Contains(body, `"status":403`) || !strings.Contains(body, "events:broadcast") || !strings.Contains(body, `"accepted":1`) {
		t.Errorf("in a batch: %s", body)
	}
}

// TestAcceptedIsJSON: the answer that is written by hand is the one that
// encoding/json would write.
func TestAcceptedIsJSON(t *testing.T) {
	t.Parallel()
	for _, e := range []eventAccepted{
		{}, {ID: "evt_1", Deliveries: 12}, {ID: "evt_1", Duplicate: true, More: true},
		{ID: "evt_1", Unreached: `consumer a"b\c<é>` + "\u2028 has no endpoints", More: true},
	} {
		got, err := encode(e)
		type plain eventAccepted
		want, wantErr := encode(plain(e))
		if string(got) != string(want) || err != nil || wantErr != nil {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestKeyOfOneConsumer: it sends, sees and changes what is its consumer's, and
// nothing else.
func TestKeyOfOneConsumer(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, full := st.project("standard", store.Development)
	bound := st.do(st.root, "POST", "/v1/projects/"+project+"/keys", `{"scopes":["*"],"consumer":"acme"}`).want(201).text("key")
	other := st.endpoint(full, "globex")
	in := `{"url":"https://example.com/","event_types":["*"]}`
	own := st.do(bound, "POST", "/v1/endpoints", in).want(201)
	if own.text("consumer") != "acme" {
		t.Errorf("%s", own.body)
	}
	st.do(bound, "POST", "/v1/endpoints", strings.Replace(in, "{", `{"consumer":"globex",`, 1)).problem(kindForbidden)
	st.do(bound, "POST", "/v1/events", `{"type":"a","consumer":"acme","data":1}`).want(202)
	st.do(bound, "POST", "/v1/events", `{"type":"a","consumer":"globex","data":1}`).problem(kindForbidden)
	st.do(bound, "POST", "/v1/events", `{"type":"a","consumer":"*","data":1}`).problem(kindForbidden)
	batch := st.do(bound, "POST", "/v1/events/batch", `{"events":[{"type":"a","consumer":"acme","data":1},{"type":"a","consumer":"globex","data":1}]}`).want(202)
	if m := batch.object(); m["accepted"] != 1.0 || m["refused"] != 1.0 {
		t.Errorf("%s", batch.body)
	}
	st.do(full, "POST", "/v1/events", `{"type":"secret","consumer":"globex","data":"canary"}`).want(202)
	st.do(bound, "GET", "/v1/endpoints/"+other, nil).problem(kindNotFound)
	st.do(bound, "PATCH", "/v1/endpoints/"+other, `{"description":"x"}`).problem(kindNotFound)
	st.do(bound, "DELETE", "/v1/endpoints/"+other, nil).problem(kindNotFound)
	st.do(bound, "PUT", "/v1/consumers/globex", `{"name":"x"}`).problem(kindForbidden)
	st.do(bound, "PUT", "/v1/consumers/unheard", `{"name":"x"}`).problem(kindForbidden)
	st.do(bound, "GET", "/v1/consumers/globex", nil).problem(kindNotFound)
	st.do(bound, "DELETE", "/v1/consumers/globex", nil).problem(kindNotFound)
	for path, n := range map[string]int{
		"/v1/endpoints": 1, "/v1/events": 2, "/v1/deliveries": 2,
		"/v1/endpoints?consumer=globex": 0, "/v1/events?consumer=globex": 0, "/v1/deliveries?consumer=globex": 0, "/v1/deliveries?endpoint_id=" + other: 0,
	} {
		a := st.do(bound, "GET", path, nil).want(200)
		if data := a.object()["data"].([]any); len(data) != n || strings.Contains(string(a.body), "globex") {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	st.do(bound, "DELETE", "/v1/consumers/acme", nil).want(200)
}

// awkward JSON whose bytes must come out as they went in.
var awkward = []string{
	`{"z":1,"a":2,"m":{"b":[ ],"a":{ }}}`, `1e400`, `9007199254740993`, `-0`, `1.0`, `1.50E+03`, `{"id":1,"id":2}`,
	`"\/\u00e9\u0000\ud83d\ude00\ud800"`, `"é☃😀<>&"`, "{\n\t\"a\" :\r\n 1 }", `null`, `true`, `""`, `[]`, "\"\u2028\u2029\"", "\"\x7f\"",
	strings.Repeat("[", 128) + strings.Repeat("]", 128),
}

func TestBytesInAreBytesOut(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	st.endpoint(key, "acme")
	for _, data := range awkward {
		body := " {\"data\" :" + data + ", \"type\":\"a\",\"consumer\":\"acme\"}\n"
		id := st.do(key, "POST", "/v1/events", body).want(202).text("id")
		got := st.do(key, "GET", "/v1/events/"+id, nil).want(200)
		if !bytes.HasSuffix(got.body, []byte(`,"data":`+data+"}\n")) {
			t.Errorf("in %s, out %s", data, got.body)
		}
	}
	var events []string
	for _, data := range awkward {
		events = append(events, `{"type":"b","consumer":"acme","data":`+data+`}`)
	}
	batch := st.do(key, "POST", "/v1/events/batch", `{"events":[`+strings.Join(events, ",")+`]}`).want(202).object()
	for i, r := range batch["results"].([]any) {
		got := st.do(key, "GET", "/v1/events/"+r.(map[string]any)["id"].(string), nil).want(200)
		if !bytes.HasSuffix(got.body, []byte(`,"data":`+awkward[i]+"}\n")) {
			t.Errorf("in %s, out %s", awkward[i], got.body)
		}
	}
}

func TestIdempotency(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	_, foreign := st.project("standard", store.Development)
	st.endpoint(key, "acme")
	body := `{"type":"a","consumer":"acme","data":{"n":1}}`
	first := st.do(key, "POST", "/v1/events", body, "Idempotency-Key", "k 1").want(202)
	again := st.do(key, "POST", "/v1/events", body, "Idempotency-Key", "k 1").want(202)
	if again.text("id") != first.text("id") || again.object()["duplicate"] != true || again.object()["deliveries"] != 1.0 || first.object()["duplicate"] != nil {
		t.Errorf("%s\n%s", first.body, again.body)
	}
	for _, other := range []string{
		`{"type":"b","consumer":"acme","data":{"n":1}}`, `{"type":"a","consumer":"acm","data":{"n":1}}`, `{"type":"a","consumer":"acme","data":{"n": 1}}`,
		`{"type":"a","consumer":"acme","data":{"n":1},"timestamp":"2026-01-01T00:00:00Z"}`,
	} {
		st.do(key, "POST", "/v1/events", other, "Idempotency-Key", "k 1").problem(kindKeyReused)
	}
	// The order of the envelope's fields and spaces around are not the event.
	st.do(key, "POST", "/v1/events", ` {"data":{"n":1},"consumer":"acme", "type":"a"}`, "Idempotency-Key", "k 1").want(202)
	if st.do(foreign, "POST", "/v1/events", body, "Idempotency-Key", "k 1").want(202).text("id") == first.text("id") {
		t.Error("another project's key is the same key")
	}
	if n := len(st.do(key, "GET", "/v1/events", nil).object()["data"].([]any)); n != 1 {
		t.Errorf("%d events kept", n)
	}
	for k, ok := range map[string]bool{strings.Repeat("k", 256): true, strings.Repeat("k", 257): false, "é": false, "": false, `"~!`: true} {
		a := st.do(key, "POST", "/v1/events", body, "Idempotency-Key", k)
		if ok {
			a.want(202)
		} else {
			a.problem(kindShape, "Idempotency-Key:")
		}
	}
	st.do(key, "POST", "/v1/events", body, "Idempotency-Key", "a", "Idempotency-Key", "b").problem(kindShape, "Idempotency-Key:")
	st.do(key, "POST", "/v1/endpoints/x/pause", nil, "Idempotency-Key", "a").problem(kindShape, "Idempotency-Key:")
	if got := st.do(key, "GET", "/v1/events/"+first.text("id"), nil).text("idempotency_key"); got != "k 1" {
		t.Errorf("%q", got)
	}
}

// TestIdempotencyAtOnce: 200 callers with one key make one event.
func TestIdempotencyAtOnce(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	st.endpoint(key, "acme")
	var mu sync.Mutex
	var wg sync.WaitGroup
	ids, firsts := map[string]int{}, 0
	for range 200 {
		wg.Go(func() {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, st.url+"/v1/events", strings.NewReader(`{"type":"a","consumer":"acme","data":1}`))
			req.Header.Set("Authorization", "Bearer "+key)
			req.Header.Set("Idempotency-Key", "one")
			resp, err := st.http.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			var got struct {
				ID        string
				Duplicate bool
			}
			if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || resp.StatusCode != http.StatusAccepted {
				t.Errorf("%d %v", resp.StatusCode, err)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[got.ID]++
			if !got.Duplicate {
				firsts++
			}
		})
	}
	wg.Wait()
	if len(ids) != 1 || firsts != 1 {
		t.Errorf("%v, %d of them the first", ids, firsts)
	}
	if n := len(st.do(key, "GET", "/v1/deliveries", nil).object()["data"].([]any)); n != 1 {
		t.Errorf("%d deliveries", n)
	}
}

func TestBatch(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	st.endpoint(key, "acme")
	mixed := `{"events":[{"type":"a","consumer":"acme","data":1},{"type":"a b","consumer":"acme","data":1},{"typ":1},{"type":"b","consumer":"nobody","data":2}]}`
	a := st.do(key, "POST", "/v1/events/batch", mixed).want(202)
	var got batchReply
	if err := json.Unmarshal(a.body, &got); err != nil {
		t.Fatal(err)
	}
	if got.Accepted != 2 || got.Refused != 2 || got.Results[0].Deliveries != 1 || got.Results[1].Error.Status != 422 ||
		*got.Results[1].Error.Errors[0].Pointer != "/type" || got.Results[2].Error.Status != 400 || got.Results[3].Unreached == "" || got.Results[3].ID == "" {
		t.Errorf("%s", a.body)
	}
	events := func(n int) string {
		return `{"events":[` + strings.TrimSuffix(strings.Repeat(`{"type":"a","consumer":"acme","data":1},`, n), ",") + `]}`
	}
	if m := st.do(key, "POST", "/v1/events/batch", events(MaxBatch)).want(202).object(); m["accepted"] != float64(MaxBatch) {
		t.Errorf("%v", m["accepted"])
	}
	st.do(key, "POST", "/v1/events/batch", events(MaxBatch+1)).problem(kindShape, "/events")
}

type batchReply struct {
	Accepted, Refused int
	Results           []struct {
		ID, Unreached string
		Deliveries    int
		Duplicate     bool
		Error         *problem
	}
}

func TestBatchIdempotency(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	st.endpoint(key, "acme")
	body := `{"events":[{"type":"a","consumer":"acme","data":1},{"type":"a","consumer":"acme","data":1},{"type":"a","consumer":"acme","data":1,"idempotency_key":"mine"}]}`
	ask := func(body string, status int) (got batchReply) {
		a := st.do(key, "POST", "/v1/events/batch", body, "Idempotency-Key", "batch 1").want(status)
		if err := json.Unmarshal(a.body, &got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	first, again := ask(body, 202), ask(body, 202)
	for n := range first.Results {
		if f, g := first.Results[n], again.Results[n]; f.ID == "" || f.ID != g.ID || f.Duplicate || !g.Duplicate {
			t.Errorf("%d: %+v, then %+v", n, f, g)
		}
	}
	if first.Results[0].ID == first.Results[1].ID {
		t.Error("two equal events of one batch are one")
	}
	ask(strings.Replace(body, `"data":1`, `"data":2`, 1), 202) // "mine" is the same still
	without := strings.Replace(body, `,"idempotency_key":"mine"`, ``, 1)
	st.do(key, "POST", "/v1/events/batch", strings.Replace(without, `,{"type":"a","consumer":"acme","data":1}]`, `]`, 1), "Idempotency-Key", "batch 1").problem(kindKeyReused)
	// The same key with a single event is another key.
	if id := st.do(key, "POST", "/v1/events", `{"type":"a","consumer":"acme","data":1}`, "Idempotency-Key", "batch 1").want(202).text("id"); id == first.Results[0].ID {
		t.Error("a batch's key is a single event's key")
	}
	single := st.do(key, "POST", "/v1/events", `{"type":"a","consumer":"acme","data":1}`, "Idempotency-Key", "mine").want(202)
	if single.text("id") != first.Results[2].ID {
		t.Error("an event's own key is not the header's")
	}
	if got := st.do(key, "GET", "/v1/events/"+first.Results[1].ID, nil).text("idempotency_key"); got != "batch 1" {
		t.Errorf("%q", got)
	}
}

func TestEventLists(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	var all []string
	for i := range 7 {
		body := fmt.Sprintf(`{"type":"t%d","consumer":"c%d","data":%d}`, i%2, i%3, i)
		all = append([]string{st.do(key, "POST", "/v1/events", body).want(202).text("id")}, all...)
	}
	if got := st.walk(key, "/v1/events?limit=2"); fmt.Sprint(got) != fmt.Sprint(all) {
		t.Errorf("got %v\nwant %v", got, all)
	}
	if got := st.walk(key, "/v1/events?type=t1&limit=1"); fmt.Sprint(got) != fmt.Sprint([]string{all[1], all[3], all[5]}) {
		t.Errorf("type: %v", got)
	}
	if got := st.walk(key, "/v1/events?consumer=c0"); len(got) != 3 {
		t.Errorf("consumer: %v", got)
	}
	if got := st.walk(key, "/v1/events?from=2099-01-01T00:00:00Z"); len(got) != 0 {
		t.Errorf("from: %v", got)
	}
	if got := st.walk(key, "/v1/events?until=2099-01-01T00:00:00Z"); len(got) != 7 {
		t.Errorf("until: %v", got)
	}
	if a := st.do(key, "GET", "/v1/events?limit=1", nil); strings.Contains(string(a.body), `"data":{`) || strings.Contains(string(a.body), `"data":6`) {
		t.Errorf("a list holds payloads: %s", a.body)
	}
}

// walk goes through all pages of a list and returns the ids.
func (st *site) walk(key, path string) []string {
	st.t.Helper()
	ids := []string{}
	cursor := ""
	for range 100 {
		at := path
		if cursor != "" {
			sep := "?"
			if strings.Contains(path, "?") {
				sep = "&"
			}
			at += sep + "cursor=" + cursor
		}
		page := st.do(key, "GET", at, nil).want(200).object()
		for _, item := range page["data"].([]any) {
			m := item.(map[string]any)
			id, ok := m["id"].(string)
			if !ok {
				id = fmt.Sprint(m["number"])
			}
			ids = append(ids, id)
		}
		next, ok := page["next_cursor"].(string)
		if !ok {
			return ids
		}
		cursor = next
	}
	st.t.Fatal("a list without an end")
	return nil
}

func TestCursors(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	_, other := st.project("standard", store.Development)
	for range 3 {
		for _, k := range []string{key, other} {
			st.do(k, "POST", "/v1/events", `{"type":"a","consumer":"acme","data":1}`).want(202)
		}
	}
	cursor := st.do(key, "GET", "/v1/events?limit=1", nil).want(200).text("next_cursor")
	st.do(key, "GET", "/v1/events?limit=2&cursor="+cursor, nil).want(200) // another page size is fine
	st.do(other, "GET", "/v1/events?limit=1&cursor="+cursor, nil).problem(kindShape, "?cursor")
	st.do(key, "GET", "/v1/events?type=a&cursor="+cursor, nil).problem(kindShape, "?cursor")
	st.do(key, "GET", "/v1/deliveries?cursor="+cursor, nil).problem(kindShape, "?cursor")
	for i := range cursor {
		for _, c := range []byte("A_") {
			bad := cursor[:i] + string(c) + cursor[i+1:]
			if bad != cursor {
				st.do(key, "GET", "/v1/events?cursor="+bad, nil).problem(kindShape, "?cursor")
			}
		}
	}
	st.do(key, "GET", "/v1/events?cursor="+cursor[:10], nil).problem(kindShape, "?cursor")
	st.do(key, "GET", "/v1/events?cursor="+cursor+"A", nil).problem(kindShape, "?cursor")
}

// TestConsumersKeysAreTheirOwn: an Idempotency-Key that one consumer used
// neither refuses nor reveals an event of the project or of another consumer.
func TestConsumersKeysAreTheirOwn(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, full := st.project("standard", store.Development)
	bound := func(consumer string) string {
		in := map[string]any{"scopes": []string{"events:read", "events:write"}, "consumer": consumer}
		return st.do(st.root, "POST", "/v1/projects/"+project+"/keys", in).want(201).text("key")
	}
	acme, other := bound("acme"), bound("other")
	const batch = `{"events":[{"type":"a","data":1,"consumer":"%[1]s"},{"type":"a","data":1,"consumer":"%[1]s","idempotency_key":"own"}]}`
	ids := map[string]bool{}
	for _, k := range []struct{ key, consumer string }{{other, "other"}, {full, "acme"}, {full, "other"}, {acme, "acme"}} {
		if k.consumer == "other" && k.key == full {
			st.do(full, "POST", "/v1/events", `{"type":"a","consumer":"other","data":1}`, "Idempotency-Key", "k").problem(kindKeyReused)
			continue
		}
		send := func() map[string]any {
			return st.do(k.key, "POST", "/v1/events", `{"type":"a","consumer":"`+k.consumer+`","data":1}`, "Idempotency-Key", "k").want(202).object()
		}
		first, again := send(), send()
		if first["duplicate"] != nil || again["duplicate"] != true || first["id"] != again["id"] {
			t.Errorf("%v, %v", first, again)
		}
		ids[first["id"].(string)] = true
		if got := st.do(k.key, "GET", "/v1/events/"+first["id"].(string), nil).want(200).text("idempotency_key"); got != "k" {
			t.Errorf("the key is shown as %q", got)
		}
		for _, repeated := range []bool{false, true} {
			a := st.do(k.key, "POST", "/v1/events/batch", fmt.Sprintf(batch, k.consumer), "Idempotency-Key", "k").want(202)
			if n := strings.Count(string(a.body), `"duplicate":true`); (n == 2) != repeated {
				t.Errorf("%s", a.body)
			}
		}
	}
	if len(ids) != 3 {
		t.Errorf("%d events", len(ids))
	}
}

// TestEventsHaveTheirDeliveries: one read says where an event went, to who may
// know.
func TestEventsHaveTheirDeliveries(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, key := st.project("standard", store.Development)
	var endpoints []string
	for range 3 {
		endpoints = append(endpoints, st.endpoint(key, "acme"))
	}
	data := `{"b":1,"a":1.0}`
	id := st.do(key, "POST", "/v1/events", `{"type":"a","consumer":"acme","data":`+data+`}`).want(202).text("id")
	st.do(key, "POST", "/v1/endpoints/"+endpoints[1]+"/pause", nil).want(200)
	a := st.do(key, "GET", "/v1/events/"+id, nil, "Accept-Language", "pt-BR").want(200)
	list := a.object()["delivery_list"].([]any)
	seen := map[any]any{}
	for _, d := range list {
		d := d.(map[string]any)
		seen[d["endpoint_id"]] = d["held"]
		if d["event_id"] != id || d["state"] != "pending" {
			t.Errorf("%v", d)
		}
	}
	if len(list) != 3 || len(seen) != 3 || seen[endpoints[1]] != "endpoint pausado" || seen[endpoints[0]] != nil || a.json("data") != data || a.json("deliveries") != "3" {
		t.Errorf("%s", a.body)
	}
	if got := st.walk(key, "/v1/deliveries?event_id="+id); got[0] != list[0].(map[string]any)["id"] {
		t.Errorf("%v", got)
	}
	unreached := st.do(key, "POST", "/v1/events", `{"type":"a","consumer":"nobody","data":1}`).want(202).text("id")
	if got := st.do(key, "GET", "/v1/events/"+unreached, nil).want(200).json("delivery_list"); got != "[]" {
		t.Errorf("%s", got)
	}
	narrow := st.key(project, "events:read")
	if got := st.do(narrow, "GET", "/v1/events/"+id, nil).want(200); got.json("delivery_list") != "" || got.json("data") != data {
		t.Errorf("a key without deliveries:read sees %s", got.body)
	}
}

// TestEventsOfManyDeliveries: of a broadcast, only the first page.
func TestEventsOfManyDeliveries(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	for range defaultLimit + 1 {
		st.endpoint(key, "acme")
	}
	id := st.do(key, "POST", "/v1/events", `{"type":"a","consumer":"*","data":1}`).want(202).text("id")
	m := st.do(key, "GET", "/v1/events/"+id, nil).want(200).object()
	if n := len(m["delivery_list"].([]any)); n != defaultLimit || m["deliveries"] != defaultLimit+1.0 {
		t.Errorf("%d of %v", n, m["deliveries"])
	}
}
