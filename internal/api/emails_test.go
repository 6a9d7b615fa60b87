package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/store"
)

// TestWhoIsToldByMail: addresses and languages as they are set, read and taken away.
func TestWhoIsToldByMail(t *testing.T) {
	t.Parallel()
	st := setup(t)
	p := st.do(st.root, "POST", "/v1/projects", `{"name":"p","environment":"development","emails":["Ops@Example.COM","Ops@example.com"],"language":"pt-BR"}`).want(201).object()
	if got := fmt.Sprint(p["emails"], p["language"]); got != "[Ops@example.com]pt-BR" {
		t.Errorf("created with %s", got)
	}
	path := "/v1/projects/" + p["id"].(string)
	p = st.do(st.root, "PATCH", path, `{"name":"q"}`).want(200).object()
	if got := fmt.Sprint(p["emails"], p["language"]); got != "[Ops@example.com]pt-BR" {
		t.Errorf("after another change: %s", got)
	}
	p = st.do(st.root, "PATCH", path, `{"emails":null,"language":null}`).want(200).object()
	if got := fmt.Sprint(p["emails"], p["language"]); got != "[] <nil>" {
		t.Errorf("taken away: %s", got)
	}

	_, key := st.project("standard", store.Development)
	st.do(key, "PUT", "/v1/consumers/acme", `{"name":"Acme","emails":["ti@acme.example"],"language":"en"}`).want(201)
	c := st.do(key, "PUT", "/v1/consumers/acme", `{"language":null}`).want(200).object()
	if got := fmt.Sprint(c["name"], c["emails"], c["language"]); got != "Acme[ti@acme.example] <nil>" {
		t.Errorf("the consumer: %s", got)
	}
	e := st.do(key, "POST", "/v1/endpoints", `{"consumer":"acme","url":"https://example.com/","event_types":["*"]}`).want(201).object()
	path = "/v1/endpoints/" + e["id"].(string)
	for _, step := range [][2]string{
		{`{"name":"n"}`, "<nil>"}, {`{"emails":["a@b.example","c@b.example"]}`, "[a@b.example c@b.example]"}, {`{"name":"m"}`, "[a@b.example c@b.example]"},
		{`{"emails":[]}`, "[]"}, {`{"name":"l"}`, "[]"}, {`{"emails":null}`, "<nil>"},
	} {
		st.do(key, "PATCH", path, step[0]).want(200)
		if got := fmt.Sprint(st.do(key, "GET", path, nil).want(200).object()["emails"]); got != step[1] {
			t.Errorf("after %s: %s, want %s", step[0], got, step[1])
		}
	}

	six := `["a@x.example","b@x.example","c@x.example","d@x.example","e@x.example","f@x.example"]`
	five := strings.Replace(six, `,"f@x.example"`, "", 1)
	for _, put := range []struct{ key, method, path, rest string }{
		{st.root, "POST", "/v1/projects", `"name":"r","environment":"development"`}, {key, "PUT", "/v1/consumers/other", `"name":"x"`},
		{key, "POST", "/v1/endpoints", `"consumer":"acme","url":"https://example.com/","event_types":["*"]`}, {key, "PATCH", path, `"name":"x"`},
	} {
		st.do(put.key, put.method, put.path, `{`+put.rest+`,"emails":`+six+`}`).problem(kindInvalid, "/emails")
		st.do(put.key, put.method, put.path, `{`+put.rest+`,"emails":["ok@x.example","a@x.example\r\nBcc: b@y.example"]}`).problem(kindInvalid, "/emails/1")
		if !strings.Contains(put.path, "endpoints") {
			st.do(put.key, put.method, put.path, `{`+put.rest+`,"language":"pt"}`).problem(kindInvalid, "/language")
		}
		if a := st.do(put.key, put.method, put.path, `{`+put.rest+`,"emails":`+five+`}`); a.status >= 300 {
			t.Errorf("%s %s with five: %d", put.method, put.path, a.status)
		}
	}
}
