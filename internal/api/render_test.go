package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

type renderedAnswer struct {
	EventID        *string `json:"event_id"`
	Type, Consumer string
	Dialects       []struct {
		Dialect, Title, Body, Secret, Problem string
		Headers                               []struct{ Name, Value string }
	}
}

func (a *answer) inDialects() *renderedAnswer {
	a.t.Helper()
	a.want(200)
	v := &renderedAnswer{}
	if err := json.Unmarshal(a.body, v); err != nil {
		a.t.Fatal(err)
	}
	return v
}

const dialectPreview = "/v1/dialects/preview"

// What is shown verifies in its dialect, with the secret that stands beside it.
func TestDialectsPreview(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("tarefa", store.Development)
	id := st.do(key, "POST", "/v1/events", `{"type":"task.completed","consumer":"7","data":{"n":1.50,"name":"João"}}`).want(202).text("id")
	for body, want := range map[string]struct {
		kind, data string
		stored     bool
	}{
		`{"event_id":"` + id + `"}`:                   {"task.completed", `"n":1.50,"name":"João"`, true},
		`{"type":"a.b","data":{"x":[1,2]}}`:           {"a.b", `"x":[1,2]`, false},
		`{"type":"` + builtinType(t, "tarefa") + `"}`: {builtinType(t, "tarefa"), "", false},
		`{}`: {"test", "", false},
	} {
		v := st.do(key, "POST", dialectPreview, body).inDialects()
		if (v.EventID != nil) != want.stored || want.kind != "test" && v.Type != want.kind || len(v.Dialects) != len(webhook.Builtin()) {
			t.Errorf("%s: %+v", body, v)
		}
		for i, d := range webhook.Builtin() {
			got := v.Dialects[i]
			if got.Dialect != d.Ref() || got.Problem != "" || !strings.Contains(got.Body, want.data) {
				t.Errorf("%s: %s: %+v", body, d.Name, got)
				continue
			}
			h := http.Header{}
			for _, line := range got.Headers {
				h.Add(line.Name, line.Value)
			}
			if verdict := d.Verify(h, []byte(got.Body), []string{got.Secret}, time.Now()); !verdict.OK {
				t.Errorf("%s: %s: %+v", body, d.Name, verdict)
			}
		}
	}
}

func builtinType(t *testing.T, dialect string) string {
	t.Helper()
	for _, d := range webhook.Builtin() {
		if d.Name == dialect {
			for _, e := range d.Events {
				if e.Example != nil {
					return e.Type
				}
			}
		}
	}
	t.Fatalf("%s has no event with an example", dialect)
	return ""
}

// A dialect that cannot carry an event says why, in the reader's language.
func TestDialectsPreviewOfWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	id := st.do(key, "POST", "/v1/events", `{"type":"a.b","consumer":"acme","data":[1]}`).want(202).text("id")
	a := st.do(key, "POST", dialectPreview, `{"event_id":"`+id+`"}`)
	problems := map[string]string{}
	for _, d := range a.inDialects().Dialects {
		if (d.Problem == "") == (len(d.Headers) == 0) {
			t.Errorf("%+v", d)
		}
		problems[d.Dialect] = d.Problem
	}
	if problems["standard/1"] != "" || problems["gabinete360/1"] == "" || problems["tarefa/1"] == "" {
		t.Errorf("%v", problems)
	}
	for _, d := range a.again("Accept-Language", "pt-BR").inDialects().Dialects {
		if d.Problem != "" && d.Problem == problems[d.Dialect] {
			t.Errorf("%s: %q is not said in Portuguese", d.Dialect, d.Problem)
		}
	}
}

func TestDialectsPreviewRefuses(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, key := st.project("standard", store.Development)
	_, other := st.project("standard", store.Development)
	id := st.do(other, "POST", "/v1/events", `{"type":"a","consumer":"7","data":1}`).want(202).text("id")
	for body, pointer := range map[string]string{
		`{"event_id":"` + id + `"}`:            "/event_id",
		`{"event_id":"nonsense"}`:              "/event_id",
		`{"event_id":"` + id + `","type":"a"}`: "/type",
		`{"event_id":"` + id + `","data":1}`:   "/data",
		`{"data":1}`:                           "/type",
		`{"type":"a b","data":1}`:              "/type",
		`{"type":"no.such"}`:                   "/data",
	} {
		st.do(key, "POST", dialectPreview, body).problem(kindInvalid, pointer)
	}
	st.do(st.key(project, "events:read"), "POST", dialectPreview, `{"type":"a"}`).problem(kindForbidden)
	st.do(st.key(project, "events:read"), "POST", dialectPreview, `{"type":"a","data":null}`).want(200)
}
