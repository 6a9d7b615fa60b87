package api

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

const inspectURL = "http://127.0.0.1:8402"

// sends is what a sender comes to; 0: nobody answers.
type sends int

func (s sends) Send(_ context.Context, r *egress.Request) (*egress.Response, error) {
	if s == 0 {
		return &egress.Response{}, &egress.Error{Class: store.ClassConnect, Detail: "nothing listens there"}
	}
	var fields []string
	for _, f := range r.Fields {
		fields = append(fields, f.Name+": "+f.Value)
	}
	body := r.Method + " " + r.URL.String() + " " + strings.Join(fields, ", ") + " " + string(r.Body)
	ms := time.Millisecond
	return &egress.Response{
		Status: int(s), Head: []byte("HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n"), Body: []byte(body), Timings: store.Timings{DNS: ms, Connect: ms, TLS: ms, FirstByte: ms, Total: 4 * ms},
	}, nil
}

func TestInspectors(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	made := st.do(key, "POST", "/v1/inspectors", `{"name":"checkout","secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw","expires_in":3600,
		"answer":{"status":418,"headers":{"X-Tea":"pot"},"body":"AAE=","body_encoding":"base64","delay_ms":5,"fail_rate":1}}`).want(201)
	id := made.text("id")
	if url := made.text("url"); !strings.HasPrefix(url, inspectURL+"/") || len(url) < len(inspectURL)+26 {
		t.Error(url)
	}
	if strings.Contains(string(made.body), "whsec") || made.object()["has_secret"] != true || made.text("dialect") != "standard" || made.object()["retention"] != 604800.0 {
		t.Errorf("%s", made.body)
	}
	want := map[string]any{
		"status": 418.0, "headers": map[string]any{"X-Tea": "pot"}, "body": "\x00\x01", "body_encoding": "text", "delay_ms": 5.0, "fail_rate": 1.0, "fail_status": 500.0,
	}
	if diff := cmp.Diff(want, made.object()["answer"]); diff != "" {
		t.Error(diff)
	}
	got := st.do(key, "GET", "/v1/inspectors/"+id, nil).want(200)
	if string(got.body) != string(made.body) {
		t.Errorf("%s\n%s", made.body, got.body)
	}
	changed := st.do(key, "PATCH", "/v1/inspectors/"+id, `{"answer":null,"secret":null,"expires_in":null,"retention":60}`).want(200).object()
	if changed["has_secret"] != false || changed["expires_at"] != nil || changed["retention"] != 60.0 || changed["answer"].(map[string]any)["status"] != 200.0 || changed["name"] != "checkout" {
		t.Errorf("%v", changed)
	}
	other := st.do(key, "POST", "/v1/inspectors", nil).want(201)
	page := st.do(key, "GET", "/v1/inspectors?limit=1", nil).want(200).object()
	if first := page["data"].([]any)[0].(map[string]any); first["id"] != other.text("id") || page["next_cursor"] == nil {
		t.Errorf("%v", page)
	}
	next := st.do(key, "GET", fmt.Sprintf("/v1/inspectors?limit=1&cursor=%v", page["next_cursor"]), nil).want(200).object()
	if first := next["data"].([]any)[0].(map[string]any); first["id"] != id || next["next_cursor"] != nil {
		t.Errorf("%v", next)
	}
	st.do(key, "DELETE", "/v1/inspectors/"+id, nil).want(200)
	st.do(key, "GET", "/v1/inspectors/"+id, nil).problem(kindNotFound)
	log := st.do(key, "GET", "/v1/audit?object="+id, nil).want(200)
	if strings.Contains(string(log.body), "whsec") || strings.Contains(string(log.body), strings.TrimPrefix(made.text("url"), inspectURL+"/")) {
		t.Errorf("the audit log has a secret: %s", log.body)
	}
}

func TestInspectorsRefused(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	id := st.do(key, "POST", "/v1/inspectors", nil).want(201).text("id")
	for body, pointers := range map[string][]string{
		`{"answer":{"status":199}}`:                                {"/answer/status"},
		`{"answer":{"status":600,"fail_status":1}}`:                {"/answer/status", "/answer/fail_status"},
		`{"answer":{"fail_rate":101,"delay_ms":30001}}`:            {"/answer/fail_rate", "/answer/delay_ms"},
		`{"answer":{"headers":{"Set-Cookie":"a=b"}}}`:              {"/answer/headers/Set-Cookie"},
		`{"answer":{"headers":{"content-length":"1"}}}`:            {"/answer/headers/content-length"},
		`{"answer":{"headers":{"X A":"1"}}}`:                       {"/answer/headers/X A"},
		`{"answer":{"headers":{"X-A":"a\u0001"}}}`:                 {"/answer/headers/X-A"},
		`{"answer":{"body":"?","body_encoding":"base64"}}`:         {"/answer/body"},
		`{"answer":{"body":"a","body_encoding":"gzip"}}`:           {"/answer/body_encoding"},
		`{"answer":{"body":"` + strings.Repeat("a", 65537) + `"}}`: {"/answer/body"},
		`{"dialect":"nope"}`:                                       {"/dialect"},
		`{"secret":""}`:                                            {"/secret"},
		`{"retention":59}`:                                         {"/retention"},
		`{"expires_in":1}`:                                         {"/expires_in"},
		`{"name":"\u0007"}`:                                        {"/name"},
	} {
		st.do(key, "POST", "/v1/inspectors", body).problem(kindInvalid, pointers...)
		st.do(key, "PATCH", "/v1/inspectors/"+id, body).problem(kindInvalid, pointers...)
	}
	st.do(key, "PATCH", "/v1/inspectors/"+id, `{"secret":"s"}`).problem(kindInvalid, "/dialect")
	st.do(key, "POST", "/v1/inspectors", `{"secret":"s","dialect":null}`).problem(kindInvalid, "/dialect")
	for _, unusable := range []string{"s", "whsec_!!!", "notbase64!"} {
		st.do(key, "POST", "/v1/inspectors", `{"secret":"`+unusable+`","dialect":"standard"}`).problem(kindInvalid, "/secret")
	}
	st.do(key, "POST", "/v1/inspectors", `{"answer":{"nope":1}}`).want(400).has(`"pointer":"/answer/nope"`)
	for range maxInspectors - 1 {
		st.do(key, "POST", "/v1/inspectors", nil).want(201)
	}
	st.do(key, "POST", "/v1/inspectors", nil).problem(kindConflict).has("has 100 inspectors")
	st.server.inspect = "" // a server that receives nothing
	st.do(key, "DELETE", "/v1/inspectors/"+id, nil).want(200)
	st.do(key, "POST", "/v1/inspectors", nil).problem(kindConflict).has("--inspect-listen")
}

func TestInspectedRequests(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	id := st.do(key, "POST", "/v1/inspectors", nil).want(201).text("id")
	at := "/v1/inspectors/" + id + "/requests"
	first := st.arrive(id, &store.InspectedRequest{
		Method: "PUT", Path: "/a%2Fb", Query: "x=1&x=2", Head: []byte("Host: h\r\nx-b: 1\r\nX-A:  two \r\nx-b: 3\r\n"), Body: []byte("Ol\xe1 Mundo"), BodyBytes: 9,
	})
	got := st.do(key, "GET", at+"/"+first, nil).want(200).object()
	headers := fmt.Sprint(got["headers"])
	if headers != "[map[name:Host value:h] map[name:x-b value:1] map[name:X-A value:two] map[name:x-b value:3]]" || got["headers_exact"] != true {
		t.Error(headers)
	}
	if body, _ := base64.StdEncoding.DecodeString(got["body"].(string)); string(body) != "Ol\xe1 Mundo" || got["text"] != nil || got["body_bytes"] != 9.0 || got["path"] != "/a%2Fb" || got["query"] != "x=1&x=2" || got["verdict"] != nil {
		t.Errorf("%v", got)
	}
	odd := st.arrive(id, &store.InspectedRequest{Method: "POST", Head: []byte("X-L: S\xe3o\xff\r\nX-F: one\r\n\t two: three\r\n")})
	headers = fmt.Sprint(st.do(key, "GET", at+"/"+odd, nil).want(200).object()["headers"])
	if headers != "[map[name:X-L raw:U+Nv/w== value:S\uFFFDo\uFFFD] map[name:X-F value:one two: three]]" {
		t.Error(headers)
	}
	st.do(key, "DELETE", at+"/"+odd, nil).want(200)
	second := st.arrive(id, &store.InspectedRequest{Method: "POST", Body: []byte("later"), BodyBytes: 2 << 20})
	if got := st.do(key, "GET", at+"/"+second, nil).want(200).object(); got["body_truncated"] != true || got["body_bytes"] != 2097152.0 || got["text"] != "later" {
		t.Errorf("%v", got)
	}
	for search, want := range map[string]string{"": second + first, "MUNDO": first, "x-b: 3": first, "put": first, "x=2": first, "Later": second, "nowhere": ""} {
		ids := ""
		q := at
		if search != "" {
			q += "?search=" + strings.ReplaceAll(search, " ", "%20")
		}
		for _, r := range st.do(key, "GET", q, nil).want(200).object()["data"].([]any) {
			ids += r.(map[string]any)["id"].(string)
		}
		if ids != want {
			t.Errorf("%q: %s, want %s", search, ids, want)
		}
	}
	st.do(key, "DELETE", at+"/"+first, nil).want(200)
	st.do(key, "DELETE", at+"/"+first, nil).problem(kindNotFound)
	if n := st.do(key, "GET", "/v1/inspectors/"+id, nil).want(200).object()["requests"]; n != 1.0 {
		t.Error(n)
	}
	if n := st.do(key, "DELETE", at, nil).want(200).object()["requests"]; n != 1.0 {
		t.Error(n)
	}
	if page := st.do(key, "GET", at, nil).want(200).object(); len(page["data"].([]any)) != 0 {
		t.Errorf("%v", page)
	}
}

// TestNextRequest: what is there at once, what is not when it arrives.
func TestNextRequest(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, key := st.project("standard", store.Development)
	id := st.do(key, "POST", "/v1/inspectors", nil).want(201).text("id")
	at := "/v1/inspectors/" + id + "/requests/next"
	st.do(key, "GET", at+"?wait=0s", nil).want(204)
	first := st.arrive(id, &store.InspectedRequest{Method: "POST"})
	second := st.arrive(id, &store.InspectedRequest{Method: "POST"})
	if got := st.do(key, "GET", at, nil).want(200).text("id"); got != first {
		t.Error(got)
	}
	if got := st.do(key, "GET", at+"?wait=1&after="+first, nil).want(200).text("id"); got != second {
		t.Error(got)
	}
	st.do(key, "DELETE", "/v1/inspectors/"+id+"/requests", nil).want(200) // the one given may be gone
	got := make(chan *answer)
	go func() { got <- st.do(key, "GET", at+"?wait=30s&after="+second, nil) }()
	third := st.arrive(id, &store.InspectedRequest{Method: "POST"})
	if a := <-got; a.status != 200 || a.text("id") != third {
		t.Errorf("%d %s", a.status, a.body)
	}
	short := st.do(st.root, "POST", "/v1/projects/"+project+"/keys", `{"scopes":["inspectors:read"]}`).want(201)
	go func() { got <- st.do(short.text("key"), "GET", at+"?wait=30s&after="+third, nil) }()
	for len(st.server.waiters) == 0 { // until it waits
		st.do(key, "GET", "/v1/me", nil).want(200)
	}
	st.do(st.root, "DELETE", "/v1/projects/"+project+"/keys/"+short.text("id"), nil).want(200)
	if a := <-got; a.status != 401 {
		t.Errorf("a key that ended meanwhile got %d %s", a.status, a.body)
	}
	st.do(key, "GET", at+"?wait=31s", nil).problem(kindShape, "?wait")
	st.do(key, "GET", at+"?after=req_00000000000000000000000001", nil).problem(kindShape, "?after")
	st.do(key, "GET", at+"?after=x", nil).problem(kindShape, "?after")
}

// TestInspectedVerdicts: a request is verified as of when it arrived.
func TestInspectedVerdicts(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	id := st.do(key, "POST", "/v1/inspectors", `{"secret":"`+secret+`"}`).want(201).text("id")
	d := webhook.Standard()
	now := time.Now()
	header, body, err := d.Sign(&webhook.Message{ID: webhook.NewID(), Type: "a", Time: now, Data: []byte("1"), Consumer: "c"}, webhook.Try{Number: 1, At: now}, secret)
	if err != nil {
		t.Fatal(err)
	}
	var head []byte
	for name := range header {
		head = append(head, strings.ToLower(name)+": "+header.Get(name)+"\r\n"...)
	}
	verdict := func(body []byte) map[string]any {
		t.Helper()
		r := st.arrive(id, &store.InspectedRequest{Method: "POST", Head: head, Body: body, BodyBytes: int64(len(body))})
		return st.do(key, "GET", "/v1/inspectors/"+id+"/requests/"+r, nil).want(200).object()["verdict"].(map[string]any)
	}
	if v := verdict(body); v["outcome"] != "verified" || v["cause"] != nil {
		t.Errorf("%v", v)
	}
	if v := verdict(append(body, '\n')); v["outcome"] != "failed" || v["cause"] != "body_changed" {
		t.Errorf("%v", v)
	}
}

// TestVerdictsInLists: a list judges as the request by itself does, by what the
// inspector has now, and looks at no more than so many bytes of bodies.
func TestVerdictsInLists(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	const secret, other = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	id := st.do(key, "POST", "/v1/inspectors", nil).want(201).text("id")
	at := "/v1/inspectors/" + id
	d := webhook.Standard()
	now := time.Now()
	signed := func(data string) *store.InspectedRequest {
		t.Helper()
		header, body, err := d.Sign(&webhook.Message{ID: webhook.NewID(), Type: "a", Time: now, Data: []byte(data), Consumer: "c"}, webhook.Try{Number: 1, At: now}, secret)
		if err != nil {
			t.Fatal(err)
		}
		r := &store.InspectedRequest{Method: "POST", Body: body, BodyBytes: int64(len(body))}
		for name := range header {
			r.Head = append(r.Head, strings.ToLower(name)+": "+header.Get(name)+"\r\n"...)
		}
		return r
	}
	list := func() (said string) {
		t.Helper()
		for range 2 { // the second time from memory
			said = ""
			for _, r := range st.do(key, "GET", at+"/requests", nil).want(200).object()["data"].([]any) {
				word := "-"
				if v, ok := r.(map[string]any)["verdict"].(map[string]any); ok {
					word = v["outcome"].(string)
				}
				said = word + " " + said
			}
		}
		return strings.TrimSpace(said)
	}
	first := st.arrive(id, signed("1"))
	wrong := signed("2")
	wrong.Body = append(wrong.Body, '\n')
	wrong.BodyBytes++
	st.arrive(id, wrong)
	st.arrive(id, &store.InspectedRequest{Method: "POST", Body: []byte("x"), BodyBytes: 2 << 20}) // the rest is not kept
	if got := list(); got != "- - -" {
		t.Errorf("without a secret: %s", got)
	}
	st.do(key, "PATCH", at, `{"secret":"`+secret+`","dialect":"standard"}`).want(200)
	if got := list(); got != "verified failed -" {
		t.Error(got)
	}
	st.do(key, "PATCH", at, `{"secret":"`+other+`"}`).want(200)
	if got := list(); got != "failed failed -" {
		t.Errorf("another secret: %s", got)
	}
	st.do(key, "PATCH", at, `{"secret":"`+secret+`"}`).want(200)
	for range 5 {
		st.arrive(id, signed(`"`+strings.Repeat("x", 1<<20-1<<10)+`"`))
	}
	fresh := newRemembered() // as another process has it
	st.server.judged = fresh
	if got := strings.Fields(st.do(key, "GET", at+"/requests/"+first, nil).want(200).object()["verdict"].(map[string]any)["outcome"].(string)); got[0] != "verified" {
		t.Error(got)
	}
	st.do(key, "GET", at+"/requests", nil).want(200)
	if n := len(fresh.of); n != 3 && n != 4 { // of 5 MiB
		t.Errorf("%d were judged", n)
	}
}

func TestReplayOfInspected(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	st.server.sender = sends(200)
	send := func(r *store.InspectedRequest, url string) *answer {
		t.Helper()
		id := st.do(key, "POST", "/v1/inspectors", nil).want(201).text("id") // each has its own second
		return st.do(key, "POST", "/v1/inspectors/"+id+"/requests/"+st.arrive(id, r)+"/replay", map[string]any{"url": url})
	}
	request := func() *store.InspectedRequest {
		return &store.InspectedRequest{Method: "PUT", Head: []byte("Host: h\r\nContent-Length: 2\r\nx-sig: s\r\nConnection: close\r\nContent-Type: a/b\r\n"), Body: []byte("{}"), BodyBytes: 2}
	}
	got := send(request(), "https://example.com/in").want(200).object()
	if text := got["response"].(map[string]any)["body"]; text != "PUT https://example.com/in x-sig: s, Content-Type: a/b {}" {
		t.Error(text)
	}
	if fmt.Sprint(got["left_out"]) != "[Host Content-Length Connection]" {
		t.Error(got["left_out"])
	}
	send(request(), "http://169.254.169.254/").problem(kindInvalid, "/url")
	send(request(), "").problem(kindInvalid, "/url")
	send(&store.InspectedRequest{Method: "HEAD"}, "https://example.com/").problem(kindConflict)
	send(&store.InspectedRequest{Method: "POST", BodyBytes: 2 << 20}, "https://example.com/").problem(kindConflict)
	st.server.sender = sends(0)
	got = send(request(), "https://example.com/").want(200).object()
	if got["response"] != nil || got["error"].(map[string]any)["class"] != "connect" {
		t.Errorf("%v", got)
	}
	id := st.do(key, "POST", "/v1/inspectors", nil).want(201).text("id")
	at := "/v1/inspectors/" + id + "/requests/" + st.arrive(id, request()) + "/replay"
	st.do(key, "POST", at, `{"url":"https://example.com/"}`).want(200)
	st.do(key, "POST", at, `{"url":"https://example.com/"}`).problem(kindTooMany)
}
