package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// TestErrors is each way to be wrong: what comes back, and what it names.
func TestErrors(t *testing.T) {
	t.Parallel()
	st := setup(t)
	id, key := st.project("standard", store.Production)
	numericProject, numeric := st.project("tarefa", store.Production)
	_ = numericProject
	ep := st.endpoint(key, "acme")
	ok := `"consumer":"acme","url":"https://example.com/","event_types":["*"]`
	keys, eps, evs := "POST /v1/projects/"+id+"/keys", "POST /v1/endpoints", "POST /v1/events"
	patch := "PATCH /v1/endpoints/" + ep
	long := strings.Repeat("x", 3000)
	cases := []struct {
		key, route, body string
		kind             kind
		pointers         []string
		says             string
	}{
		{st.root, "POST /v1/projects", ``, kindJSON, nil, "empty"},
		{st.root, "POST /v1/projects", `{`, kindJSON, nil, "line 1, column 2"},
		{st.root, "POST /v1/projects", `{"name":"a"} x`, kindJSON, nil, "nothing after it"},
		{st.root, "POST /v1/projects", `[]`, kindShape, []string{""}, "is an array; send an object"},
		{st.root, "POST /v1/projects", `{}`, kindInvalid, []string{"/name", "/environment"}, "2 fields"},
		{st.root, "POST /v1/projects", `{"nme":"a"}`, kindShape, []string{"/nme"}, "it takes name, environment, dialect, body_id"},
		{st.root, "POST /v1/projects", `{"name":1,"environment":null,"body_id":"x","dialect":[]}`, kindShape, []string{"/name", "/environment", "/body_id", "/dialect"}, "4 fields"},
		{st.root, "POST /v1/projects", `{"name":"a","name":"b","environment":"production"}`, kindShape, []string{"/name"}, "given twice"},
		{st.root, "POST /v1/projects", `{"name":"a","environment":"staging"}`, kindInvalid, []string{"/environment"}, `"production" or "development"`},
		{st.root, "POST /v1/projects", `{"name":"a","environment":"production","dialect":"nope"}`, kindInvalid, []string{"/dialect"}, "malote dialect list"},
		{st.root, "POST /v1/projects", `{"name":"a","environment":"production","dialect":"standard/1"}`, kindInvalid, []string{"/dialect"}, "not a dialect"},
		{st.root, "POST /v1/projects", `{"name":"` + long + `","environment":"production"}`, kindInvalid, []string{"/name"}, "more than 200"},
		{st.root, "POST /v1/projects", `{"name":"a\nb","environment":"production"}`, kindInvalid, []string{"/name"}, "control character"},

		{st.root, keys, `{}`, kindInvalid, []string{"/scopes"}, "events:write"},
		{st.root, keys, `{"scopes":["*","nope","events:delete"]}`, kindInvalid, []string{"/scopes/1", "/scopes/2"}, ""},
		{st.root, keys, `{"scopes":"*"}`, kindShape, []string{"/scopes"}, "an array of strings"},
		{st.root, keys, `{"scopes":[1]}`, kindShape, []string{"/scopes/0"}, "send a string"},
		{st.root, keys, `{"scopes":["events:broadcast"],"consumer":"acme"}`, kindInvalid, []string{"/scopes/0"}, "all of them"},
		{st.root, keys, `{"scopes":["*"],"consumer":"a b"}`, kindInvalid, []string{"/consumer"}, "visible ASCII"},
		{st.root, keys, `{"scopes":["*"],"expires_at":"2020-01-01T00:00:00Z"}`, kindInvalid, []string{"/expires_at"}, "in the past"},
		{st.root, keys, `{"scopes":["*"],"expires_at":"soon"}`, kindShape, []string{"/expires_at"}, "RFC 3339"},
		{st.root, "POST /v1/projects/prj_00000000000000000000000000/keys", `{"scopes":["*"]}`, kindNotFound, nil, ""},

		{key, "PUT /v1/consumers/a%20b", `{}`, kindInvalid, nil, "visible ASCII"},
		{key, "PUT /v1/consumers/*", `{}`, kindInvalid, nil, "cannot be the uid"},
		{key, "PUT /v1/consumers/acme", `{"uid":"x"}`, kindShape, []string{"/uid"}, "it takes name"},
		{key, "PUT /v1/consumers/acme", `{"name":7}`, kindShape, []string{"/name"}, ""},
		{key, "PUT /v1/consumers/acme?x=1", `{}`, kindShape, []string{"?x"}, "not known"},
		{key, "GET /v1/consumers/nobody", ``, kindNotFound, nil, ""},
		{key, "DELETE /v1/consumers/nobody", ``, kindNotFound, nil, ""},
		{numeric, "PUT /v1/consumers/acme", `{}`, kindInvalid, nil, "digits"},

		{key, eps, `{}`, kindInvalid, []string{"/consumer", "/url", "/event_types"}, "3 fields"},
		{key, eps, `{"consumer":"acme","event_types":["*"]}`, kindInvalid, []string{"/url"}, "is missing"},
		{key, eps, `{"consumer":"acme","url":"https://example.com/"}`, kindInvalid, []string{"/event_types"}, "is missing"},
		{key, eps, `{"consumer":"acme","url":"https://example.com/","event_types":[]}`, kindInvalid, []string{"/event_types"}, "is missing"},
		{key, eps, `{"consumer":"acme","url":"https://example.com/","event_types":null}`, kindInvalid, []string{"/event_types"}, "is missing"},
		{key, eps, `{` + ok + `,"event_types":["*"]}`, kindShape, []string{"/event_types"}, "given twice"},
		{key, eps, `{"consumer":"acme","url":"https://example.com/","event_types":["a.*","*.a","a*","","ü",".*"]}`, kindInvalid, []string{"/event_types/1", "/event_types/2", "/event_types/3", "/event_types/4", "/event_types/5"}, ""},
		{key, eps, `{"consumer":"acme","url":"https://example.com/","event_types":"*"}`, kindShape, []string{"/event_types"}, ""},
		{key, eps, `{"consumer":"acme","url":"https://example.com/` + long + `","event_types":["*"]}`, kindInvalid, []string{"/url"}, "2048"},
		{key, eps, `{"consumer":"acme","url":"ftp://example.com/","event_types":["*"]}`, kindInvalid, []string{"/url"}, ""},
		{key, eps, `{"consumer":"acme","url":"https://127.0.0.1/","event_types":["*"]}`, kindInvalid, []string{"/url"}, ""},
		{key, eps, `{"consumer":"acme","url":"http://169.254.169.254/latest/meta-data","event_types":["*"]}`, kindInvalid, []string{"/url", "/url"}, ""},
		{key, eps, `{"consumer":"acme","url":"https://[::1]/","event_types":["*"]}`, kindInvalid, []string{"/url"}, ""},
		{key, eps, `{"consumer":"acme","url":"https://localhost/","event_types":["*"]}`, kindInvalid, []string{"/url"}, ""},
		{key, eps, `{"consumer":"acme","url":"https://user:pass@example.com/","event_types":["*"]}`, kindInvalid, []string{"/url"}, ""},
		{key, eps, `{"consumer":"acme","url":"nope","event_types":["*"]}`, kindInvalid, []string{"/url"}, ""},
		{numeric, eps, `{"consumer":"1","url":"http://example.com/","event_types":["*"]}`, kindInvalid, []string{"/url"}, "https"},
		{numeric, eps, `{"consumer":"acme","url":"https://example.com/","event_types":["*"]}`, kindInvalid, []string{"/consumer"}, "digits"},
		{key, eps, `{` + ok + `,"rate_limit":6001}`, kindInvalid, []string{"/rate_limit"}, "6000"},
		{key, eps, `{` + ok + `,"rate_limit":-1}`, kindInvalid, []string{"/rate_limit"}, ""},
		{key, eps, `{` + ok + `,"rate_limit":1.5}`, kindShape, []string{"/rate_limit"}, "whole number"},
		{key, eps, `{` + ok + `,"rate_limit":99999999999999999999}`, kindShape, []string{"/rate_limit"}, "out of range"},
		{key, eps, `{` + ok + `,"rate_limit":"5"}`, kindShape, []string{"/rate_limit"}, "a whole number"},
		{key, eps, `{` + ok + `,"enabled":"yes"}`, kindShape, []string{"/enabled"}, "true or false"},
		{key, eps, `{` + ok + `,"description":"` + long + `"}`, kindInvalid, []string{"/description"}, "1000"},
		{key, eps, `{` + ok + `,"secret":"x"}`, kindInvalid, []string{"/secret"}, ""},
		{key, eps, `{` + ok + `,"secret_overlap":5}`, kindInvalid, []string{"/secret_overlap"}, "new endpoint"},
		{key, eps, `{` + ok + `,"headers":[]}`, kindShape, []string{"/headers"}, "an object of strings"},
		{key, eps, `{` + ok + `,"headers":{"X":1}}`, kindShape, []string{"/headers/X"}, "send a string"},
		{key, eps, `{` + ok + `,"headers":{"X":"1","x":"2"}}`, kindShape, []string{"/headers/x"}, "given twice"},
		{key, eps, `{` + ok + `,"headers":{"X":null}}`, kindInvalid, []string{"/headers/X"}, "send a value"},
		{key, eps, `{` + ok + `,"headers":{"X":"[redacted]"}}`, kindInvalid, []string{"/headers/X"}, "send the value itself"},
		{key, eps, `{` + ok + `,"id":"ep_1"}`, kindShape, []string{"/id"}, ""},

		{key, patch, `{"consumer":"other"}`, kindInvalid, []string{"/consumer"}, "cannot be changed"},
		{key, patch, `{"url":null}`, kindInvalid, []string{"/url"}, "is missing"},
		{key, patch, `{"event_types":[]}`, kindInvalid, []string{"/event_types"}, "is missing"},
		{key, patch, `{"url":"http://10.0.0.1/"}`, kindInvalid, []string{"/url", "/url"}, ""},
		{key, patch, `{"secret_overlap":2592001}`, kindInvalid, []string{"/secret_overlap"}, "2592000"},
		{key, patch, `{"secret":"x"}`, kindInvalid, []string{"/secret"}, ""},
		{key, patch, `{"state":"active"}`, kindShape, []string{"/state"}, ""},
		{key, "PATCH /v1/endpoints/ep_00000000000000000000000000", `{}`, kindNotFound, nil, ""},
		{key, "POST /v1/endpoints/" + ep + "/pause", `{"x":1}`, kindShape, []string{"/x"}, "takes none"},
		{key, "POST /v1/endpoints/" + ep + "/resume", `{"skip":"yes"}`, kindShape, []string{"/skip"}, ""},

		{key, evs, ``, kindJSON, nil, "the document ends"},
		{key, evs, `{"type":"a"`, kindJSON, nil, "column"},
		{key, evs, "\xef\xbb\xbf{}", kindJSON, nil, "byte order mark"},
		{key, evs, "{\"data\":\"\xff\"}", kindJSON, nil, "UTF-8"},
		{key, evs, `{"data":NaN}`, kindJSON, nil, ""},
		{key, evs, `{}`, kindInvalid, []string{"/type", "/consumer", "/data"}, "3 fields"},
		{key, evs, `{"type":"a b","consumer":"acme","data":1}`, kindInvalid, []string{"/type"}, "a-z"},
		{key, evs, `{"type":"ação","consumer":"acme","data":1}`, kindInvalid, []string{"/type"}, "a-z"},
		{key, evs, `{"type":"a","consumer":"acme"}`, kindInvalid, []string{"/data"}, "missing"},
		{key, evs, `{"type":"a","consumer":"acme","data":1,"timestamp":"1999-12-31T23:59:59Z"}`, kindInvalid, []string{"/timestamp"}, "2000"},
		{key, evs, `{"type":"a","consumer":"acme","data":1,"timestamp":"9999-12-31T23:59:59Z"}`, kindInvalid, []string{"/timestamp"}, "future"},
		{key, evs, `{"type":"a","consumer":"acme","data":1,"extra":1}`, kindShape, []string{"/extra"}, "type, consumer, data, timestamp"},
		{key, evs, `{"type":"a","consumer":"acme","data":1,"idempotency_key":"k"}`, kindShape, []string{"/idempotency_key"}, "header"},
		{key, evs, `{"type":"a","consumer":"_system","data":1}`, kindInvalid, []string{"/consumer"}, "reserved"},
		{numeric, evs, `{"type":"a","consumer":"acme","data":1}`, kindInvalid, []string{"/consumer"}, "digits"},

		{key, "POST /v1/events/batch", `{"events":[]}`, kindShape, []string{"/events"}, "empty"},
		{key, "POST /v1/events/batch", `{"events":[{"type":"a"},{"x":1}]}`, kindInvalid, []string{"/events/0/consumer", "/events/0/data", "/events/1/x"}, "none of the 2 events"},
		{key, "POST /v1/events/batch", `[]`, kindShape, []string{""}, ""},

		{key, "GET /v1/events?limit=0", ``, kindShape, []string{"?limit"}, "1 to 250"},
		{key, "GET /v1/events?limit=251", ``, kindShape, []string{"?limit"}, "1 to 250"},
		{key, "GET /v1/events?limit=ten", ``, kindShape, []string{"?limit"}, ""},
		{key, "GET /v1/events?from=yesterday", ``, kindShape, []string{"?from"}, "RFC 3339"},
		{key, "GET /v1/events?from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", ``, kindShape, []string{"?from"}, "not before until"},
		{key, "GET /v1/deliveries?from=2026-01-02T00:00:00Z&until=2026-01-02T00:00:00Z", ``, kindShape, []string{"?from"}, "not before until"},
		{key, "GET /v1/audit?from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", ``, kindShape, []string{"?from"}, "not before until"},
		{key, "GET /v1/audit?actor=nobody", ``, kindShape, []string{"?actor"}, "neither the id of a key"},
		{key, "GET /v1/audit?actor=evt_00000000000000000000000001", ``, kindShape, []string{"?actor"}, "neither the id of a key"},
		{key, "GET /v1/events?nope=1", ``, kindShape, []string{"?nope"}, "it takes id, consumer, type, idempotency_key, channel, search, from, until, limit, cursor"},
		{key, "GET /v1/events?type=a&type=b", ``, kindShape, []string{"?type"}, "more than once"},
		{key, "GET /v1/events?type=%zz", ``, kindShape, nil, "well formed"},
		{key, "GET /v1/events?type=a;limit=1", ``, kindShape, nil, "well formed"},
		{key, "GET /v1/events?type=", ``, kindShape, []string{"?type"}, "empty"},
		{key, "GET /v1/events?cursor=abc", ``, kindShape, []string{"?cursor"}, "not a cursor"},
		{key, "GET /v1/deliveries?state=lost", ``, kindShape, []string{"?state"}, "pending, delivered"},
		{key, "GET /v1/deliveries?endpoint_id=evt_1", ``, kindShape, []string{"?endpoint_id"}, "ep_"},
		{key, "GET /v1/deliveries/dlv_00000000000000000000000000/attempts", ``, kindNotFound, nil, ""},
		{key, "POST /v1/deliveries/dlv_00000000000000000000000000/retry", ``, kindNotFound, nil, ""},
		{key, "GET /v1/endpoints/" + ep + "?verbose=1", ``, kindShape, []string{"?verbose"}, "takes none"},
	}
	for _, c := range cases {
		method, path, _ := strings.Cut(c.route, " ")
		a := st.do(c.key, method, path, c.body)
		a.what += " " + c.body[:min(len(c.body), 120)]
		a.t = t
		a.problem(c.kind, c.pointers...)
		if !strings.Contains(string(a.body), strings.NewReplacer(`"`, `\"`).Replace(c.says)) {
			t.Errorf("%s: nothing says %q: %s", a.what, c.says, a.body)
		}
	}
	if page := st.do(key, "GET", "/v1/events", nil).want(200).object(); len(page["data"].([]any)) != 0 {
		t.Errorf("something was kept: %v", page)
	}
}

func TestRefusedHeaders(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, std := st.project("standard", store.Development)
	_, tarefa := st.project("tarefa", store.Development)
	try := func(key string, headers map[string]string) *answer {
		return st.do(key, "POST", "/v1/endpoints", map[string]any{
			"consumer": "1", "url": "https://example.com/", "event_types": []string{"*"}, "headers": headers,
		})
	}
	for _, name := range []string{
		"Host", "host", "Content-Length", "Transfer-Encoding", "Connection", "Content-Type", "Idempotency-Key", "X-Idempotency-Key",
		"Proxy-Authorization", "TE", "Upgrade", "Expect", "webhook-signature", "Webhook-Id", "webhook-anything",
		"", "a b", "a:b", "a\r\nb", "é", "a\x00", strings.Repeat("x", 129),
	} {
		if a := try(std, map[string]string{name: "v"}); a.status != 422 {
			t.Errorf("the header %q is taken: %d %s", name, a.status, a.body)
		}
	}
	for _, name := range []string{"X-Webhook-Signature", "x-webhook-id", "X-Request-ID", "X-Event-Type", "X-Delivery-Attempt", "X-Previous-Attempt", "User-Agent"} {
		if a := try(tarefa, map[string]string{name: "v"}); a.status != 422 {
			t.Errorf("tarefa: the header %q is taken: %d %s", name, a.status, a.body)
		}
	}
	for _, value := range []string{"a\r\nX: y", "a\nb", "a\x00b", " a", "a ", "é", "\x7f"} {
		if a := try(std, map[string]string{"X-Ok": value}); a.status != 422 {
			t.Errorf("the value %q is taken: %d %s", value, a.status, a.body)
		}
	}
	try(std, map[string]string{"Authorization": "Bearer x", "X-!#$%&'*+-.^_`|~9": "a\tb", "X-Empty": ""}).want(201)
	many := func(n, size int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprintf("X-%03d", i)] = strings.Repeat("v", size)
		}
		return m
	}
	try(std, many(maxHeaders, 0)).want(201)
	try(std, many(maxHeaders+1, 0)).problem(kindInvalid, "/headers")
	try(std, many(1, maxHeaderBytes-5)).want(201)
	try(std, many(1, maxHeaderBytes-4)).problem(kindInvalid, "/headers")
}

// held is what large bodies hold in all.
func (b *bodies) held() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all
}

// TestBodyLimits: at the limit and one past, announced and not.
func TestBodyLimits(t *testing.T) {
	t.Parallel()
	st := setup(t)
	id, key := st.project("standard", store.Development)
	limit := st.ingest.MaxData() + envelope
	event := func(size int) string {
		head := `{"type":"a","consumer":"acme","data":"x"`
		return head + strings.Repeat(" ", size-len(head)-1) + "}"
	}
	data := func(n int) string { // n bytes of data
		return `{"type":"a","consumer":"acme","data":"` + strings.Repeat("d", n-2) + `"}`
	}
	st.do(key, "POST", "/v1/events", event(limit)).want(202)
	st.do(key, "POST", "/v1/events", event(limit+1)).problem(kindTooLarge)
	st.do(key, "POST", "/v1/events", data(st.ingest.MaxData())).want(202)
	st.do(key, "POST", "/v1/events", data(st.ingest.MaxData()+1)).problem(kindInvalid, "/data")
	for _, size := range []int{limit, limit + 1} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, st.url+"/v1/events", struct{ *strings.Reader }{strings.NewReader(event(size))})
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := st.http.Do(req) // chunked
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if want := map[int]int{limit: 202, limit + 1: 413}[size]; resp.StatusCode != want {
			t.Errorf("%d bytes without Content-Length: %d", size, resp.StatusCode)
		}
	}
	pad := func(n int) string { return `{"name":"b"` + strings.Repeat(" ", n-12) + "}" }
	st.do(key, "PUT", "/v1/consumers/b", pad(smallBody)).want(201)
	st.do(key, "PUT", "/v1/consumers/b", pad(smallBody+1)).problem(kindTooLarge)
	st.do(st.root, "POST", "/v1/projects/"+id+"/keys", strings.Repeat(" ", smallBody+1)).problem(kindTooLarge)
	// A caller that waits for the server's word sends none of it.
	st.do(key, "POST", "/v1/events/batch", strings.Repeat(" ", batchBody+1), "Expect", "100-continue").problem(kindTooLarge)
	st.do(key, "POST", "/v1/events/batch", strings.Repeat(" ", batchBody)).problem(kindJSON)
	st.do(key, "POST", "/v1/events", event(100), "Content-Encoding", "gzip").problem(kindMedia)
	for path, body := range map[string]string{"/v1/events": event(100), "/v1/events/batch": `{"events":[` + event(100) + `]}`} {
		if r := st.do(key, "POST", path, body, "webhook-id", "evt_1").problem(kindInvalid); !strings.Contains(string(r.body), "webhook-id") {
			t.Errorf("%s takes a webhook for an event: %s", path, r.body)
		}
	}
	if n := st.server.bodies.held(); n != 0 {
		t.Errorf("%d bytes of the budget are not given back", n)
	}
}

// dial opens a connection of its own, closed with the test.
func (st *site) dial() net.Conn {
	st.t.Helper()
	conn, err := new(net.Dialer).DialContext(st.t.Context(), "tcp", strings.TrimPrefix(st.url, "http://"))
	if err != nil {
		st.t.Fatal(err)
	}
	st.t.Cleanup(func() { conn.Close() })
	return conn
}

// TestBodiesShareTheMemory: what one caller holds is no other's loss, and all
// together hold only so much.
func TestBodiesShareTheMemory(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, greedy := st.project("standard", store.Development)
	_, other := st.project("standard", store.Development)
	_, last := st.project("standard", store.Development)
	event := func(size int) string {
		return `{"type":"a","consumer":"acme","data":{` + strings.Repeat(" ", size-40) + "}}"
	}
	// Announced, and never sent, it holds nothing.
	for range 40 {
		conn := st.dial()
		fmt.Fprintf(conn, "POST /v1/events/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n ", greedy, batchBody)
	}
	st.do(greedy, "POST", "/v1/events", event(firstRead+100)).want(202)
	// Sent but for its last byte, it holds what was sent.
	for range bodyShare / batchBody {
		conn := st.dial()
		fmt.Fprintf(conn, "POST /v1/events/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", greedy, batchBody)
		if _, err := io.WriteString(conn, strings.Repeat(" ", batchBody-1)); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(time.Minute); st.server.bodies.held() != bodyShare; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes are held", st.server.bodies.held())
		}
	}
	a := st.do(greedy, "POST", "/v1/events", event(firstRead+100)).problem(kindTooMany)
	if a.header.Get("Retry-After") == "" {
		t.Errorf("%v", a.header)
	}
	st.do(greedy, "POST", "/v1/events", event(firstRead)).want(202)
	st.do(other, "POST", "/v1/events", event(firstRead+100)).want(202)

	for i := range 3 {
		if err := st.server.bodies.take(sender{consumer: fmt.Sprint(i)}, bodyShare); err != nil {
			t.Fatal(err)
		}
	}
	if a := st.do(last, "POST", "/v1/events", event(firstRead+100)).problem(kindUnavailable); a.header.Get("Retry-After") == "" {
		t.Errorf("%v", a.header)
	}
	st.do(last, "POST", "/v1/events", event(firstRead)).want(202)
}

// TestBodiesCountUntilTheAnswer: what was read and waits to be kept is memory
// too; a chunked body counts with its size from then on.
func TestBodiesCountUntilTheAnswer(t *testing.T) {
	t.Parallel()
	st := setup(t)
	for _, k := range []struct{ announced, sent, held int64 }{
		{firstRead + 1, firstRead + 1, firstRead + 1}, {-1, firstRead + 7, firstRead + 7}, {-1, 10, 0}, {firstRead, firstRead, 0},
	} {
		rt := &route{body: batchBody}
		st.server.metrics.prepare(rt)
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat(" ", int(k.sent))))
		r.ContentLength = k.announced
		c := st.server.begin(rt, httptest.NewRecorder(), r)
		if b, err := c.body(); err != nil || int64(len(b)) != k.sent {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
		if n := st.server.bodies.held(); n != k.held {
			t.Errorf("%+v: %d bytes held", k, n)
		}
		c.end()
		if n := st.server.bodies.held(); n != 0 {
			t.Errorf("%+v: %d bytes are not given back", k, n)
		}
	}
}

// TestLargeBodyIsNotRead: a body over the limit is answered before it is sent.
func TestLargeBodyIsNotRead(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	conn, err := net.Dial("tcp", strings.TrimPrefix(st.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 1000000000\r\n\r\n", key)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge || !resp.Close {
		t.Errorf("%d, close %v", resp.StatusCode, resp.Close)
	}
}

// TestSlowBody: a caller that trickles is told so.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	web := httptest.NewUnstartedServer(st.server)
	web.Config.ReadTimeout = 50 * time.Millisecond
	web.Start()
	defer web.Close()
	conn, err := net.Dial("tcp", web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\n{", key)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("%d", resp.StatusCode)
	}
}

func TestShortBody(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	conn, err := net.Dial("tcp", strings.TrimPrefix(st.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\n{", key)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("%d", resp.StatusCode)
	}
}

// TestWhatIsNoText: a NUL, or what is not UTF-8, in a path names nothing, and
// is refused in a parameter: there are databases that know no such text.
func TestWhatIsNoText(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	for _, bad := range []string{"%00", "acme%00", "%C3%28", "%ED%A0%80"} {
		for _, x := range [][2]string{
			{"GET", "/v1/consumers/"}, {"DELETE", "/v1/consumers/"}, {"GET", "/v1/event-types/"}, {"PATCH", "/v1/event-types/"}, {"DELETE", "/v1/event-types/"},
		} {
			var body any
			if x[0] == "PATCH" {
				body = `{"description":"d"}`
			}
			st.do(key, x[0], x[1]+bad, body).problem(kindNotFound)
		}
		st.do(key, "GET", "/v1/consumers/"+bad+"/stats", nil).problem(kindNotFound)
		st.do(key, "GET", "/v1/consumers/"+bad+"/portal-sessions", nil).problem(kindNotFound)
		if a := st.do(key, "PUT", "/v1/consumers/"+bad, `{}`); a.status/100 != 4 {
			t.Errorf("%d %s", a.status, a.body)
		}
		for _, x := range []string{"/v1/consumers?uid_prefix=", "/v1/endpoints?consumer=", "/v1/replays?consumer=", "/v1/audit?object=", "/v1/events?idempotency_key=", "/v1/deliveries?type="} {
			_, name, _ := strings.Cut(strings.TrimSuffix(x, "="), "?")
			if a := st.do(key, "GET", x+bad, nil).problem(kindShape, "?"+name); !strings.Contains(string(a.body), "not UTF-8") {
				t.Errorf("%s", a.body)
			}
		}
	}
}
