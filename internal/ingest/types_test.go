package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/malote-dev/malote/internal/match"
	"github.com/malote-dev/malote/internal/schema"
	"github.com/malote-dev/malote/internal/store"
)

const taskSchema = `{"type":"object","required":["id"],"properties":{"id":{"type":"integer"},"price":{"type":"number","maximum":100}}}`

func (f *fixture) eventType(name, source string, examples ...string) {
	f.t.Helper()
	t := &store.EventType{ProjectID: f.project, Name: name, Schema: []byte(source), Validate: source != ""}
	for _, e := range examples {
		t.Examples = append(t.Examples, json.RawMessage(e))
	}
	if err := f.db.CreateEventType(f.t.Context(), t); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) knownOnly(on bool) {
	f.t.Helper()
	_, err := f.db.UpdateProject(f.t.Context(), f.project, func(p *store.Project) error { p.KnownTypesOnly = on; return nil })
	if err != nil {
		f.t.Fatal(err)
	}
}

// TestDataIsHeldToItsType: before anything is kept, each event by itself, and
// what fits is kept byte for byte.
func TestDataIsHeldToItsType(t *testing.T) {
	t.Parallel()
	f := setup(t, "standard")
	f.endpoint("c", "*")
	f.eventType("task.created", taskSchema)
	f.eventType("free", "")
	const odd = "{\"id\":1.0e0 ,\n \"price\": 99.9900, \"\\u0078\":[]}"
	rs := f.accept(
		Request{Type: "task.created", Consumer: "c", Data: []byte(`{"price":101,"id":"x"}`)},
		Request{Type: "task.created", Consumer: "c", Data: []byte(odd)},
		Request{Type: "free", Consumer: "c", Data: []byte(`1`)},
		Request{Type: "unheard.of", Consumer: "c", Data: []byte(`1`)},
		Request{Type: "task.created", Consumer: "c", Data: []byte(`[]`), IdempotencyKey: "k"},
		Request{Type: "task.created", Consumer: "*", Broadcast: true, Data: []byte(`{"id":1,"id":"2"}`)},
	)
	var fields FieldErrors
	if !errors.As(rs[0].Err, &fields) || fields.Error() != "/data/price: is more than 100, the most that the schema allows; /data/id: is a string; the schema asks for a whole number" {
		t.Error(rs[0].Err)
	}
	for n, kept := range []bool{false, true, true, true, false, false} {
		if (rs[n].Err == nil) != kept || rs[n].EventID.IsZero() == kept {
			t.Errorf("%d: %+v", n, rs[n])
		}
	}
	if e, err := f.db.Event(t.Context(), f.project, rs[1].EventID); err != nil || string(e.Data) != odd {
		t.Errorf("%s %v", e.Data, err)
	}
	if got := rs[5].Err; got == nil || !strings.Contains(got.Error(), "/data/id: is given twice") {
		t.Error(got)
	}
	if page, err := f.db.Events(t.Context(), f.project, store.Filter{Limit: 9}); err != nil || len(page.Items) != 3 {
		t.Error(len(page.Items), err)
	}
}

// TestSchemasFollow: a change of a type holds for the next event, and no
// event compiles a schema that is known.
func TestSchemasFollow(t *testing.T) {
	t.Parallel()
	f := setup(t, "standard")
	f.eventType("a", `{"type":"string"}`)
	accepted := func(data string) bool {
		return f.accept(Request{Type: "a", Consumer: "c", Data: []byte(data)})[0].Err == nil
	}
	change := func(change func(*store.EventType)) {
		_, err := f.db.UpdateEventType(t.Context(), f.project, "a", func(t *store.EventType) error { change(t); return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	if !accepted(`""`) || accepted(`1`) {
		t.Error("the first schema")
	}
	change(func(t *store.EventType) { t.Schema = []byte(`{"type":"number"}`) })
	if accepted(`""`) || !accepted(`1`) {
		t.Error("the second")
	}
	f.endpoint("c", "*") // moves the configuration, not the types
	for range 20 {
		accepted(`1`)
	}
	if n := f.in.schemas.order.Len(); n != 2 {
		t.Errorf("%d schemas are compiled", n)
	}
	change(func(t *store.EventType) { t.Validate = false })
	if !accepted(`""`) {
		t.Error("validation is off")
	}
	change(func(t *store.EventType) { t.Validate = true })
	if accepted(`""`) {
		t.Error("validation is on again")
	}
	if err := f.db.DeleteEventType(t.Context(), f.project, "a"); err != nil || !accepted(`""`) {
		t.Error("the type is gone", err)
	}
}

// TestOneCompilesForAll: of many that ask at once, one compiles.
func TestOneCompilesForAll(t *testing.T) {
	t.Parallel()
	made, err := schema.Compile([]byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	var s schemas
	key := schemaKey{revision: 1}
	if found, others := s.begin(key); found != nil || others != nil {
		t.Fatal("the first is to compile")
	}
	_, others := s.begin(key)
	if others == nil {
		t.Fatal("two compile")
	}
	if _, unlike := s.begin(schemaKey{revision: 2}); unlike != nil {
		t.Error("another schema waits, too")
	}
	s.put(key, made)
	s.end(key)
	<-others
	if found, others := s.begin(key); found != made || others != nil {
		t.Error("it is not found")
	}
	s.end(schemaKey{revision: 2}) // in vain: the next compiles
	if found, others := s.begin(schemaKey{revision: 2}); found != nil || others != nil {
		t.Error("nobody compiles it any more")
	}
}

// TestSchemasOfEarlierStay: what was kept before there was a limit judges
// events as ever.
func TestSchemasOfEarlierStay(t *testing.T) {
	t.Parallel()
	f := setup(t, "standard")
	var parts []string
	for i := range 3 * schema.MaxPatterns {
		parts = append(parts, fmt.Sprintf(`"p%d":{"pattern":"^%d$"}`, i, i))
	}
	f.eventType("a", `{"properties":{`+strings.Join(parts, ",")+`}}`)
	for data, want := range map[string]string{`{"p299":"299"}`: "", `{"p299":"298"}`: "/data/p299: does not match the pattern"} {
		err := f.accept(Request{Type: "a", Consumer: "c", Data: []byte(data)})[0].Err
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", data, err)
		}
	}
}

func TestCompiledSchemasAreBounded(t *testing.T) {
	t.Parallel()
	var parts []string
	for i := range 1400 {
		parts = append(parts, fmt.Sprintf(`"p%d":{"type":"null"}`, i))
	}
	big, err := schema.Compile([]byte(`{"properties":{` + strings.Join(parts, ",") + `}}`))
	if err != nil {
		t.Fatal(err)
	}
	var s schemas
	var wg sync.WaitGroup
	for n := range 3 * maxSchemas / big.Size() {
		wg.Go(func() { s.put(schemaKey{revision: int64(n)}, big); s.get(schemaKey{revision: 1}) })
	}
	wg.Wait()
	if s.size > maxSchemas || s.size != len(s.at)*big.Size() || s.order.Len() != len(s.at) || len(s.at) < 2 {
		t.Errorf("%d bytes, %d schemas", s.size, len(s.at))
	}
}

func TestKnownTypesOnly(t *testing.T) {
	t.Parallel()
	f := setup(t, "tarefa")
	f.eventType("report.ready", "")
	err := func(name string) string {
		if err := f.accept(Request{Type: name, Consumer: "7", Data: []byte(`{}`)})[0].Err; err != nil {
			return err.Error()
		}
		return ""
	}
	if got := err("task.complete"); got != "" {
		t.Error(got)
	}
	f.knownOnly(true)
	for name, want := range map[string]string{
		"task.completed": "", "report.ready": "", "test": "",
		"task.complete": "/type: is not an event type of this project; did you mean task.completed?",
		"reports.ready": "/type: is not an event type of this project; did you mean report.ready?",
		"invoice.paid":  "/type: is not an event type of this project, which takes only those that it knows",
	} {
		if got := err(name); want == "" && got != "" || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	f.knownOnly(false)
	if got := err("task.complete"); got != "" {
		t.Error(got)
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"abc", "abc", 0}, {"abc", "acb", 2}, {"kitten", "sitting", 3}, {"abcd", "wxyz", 4}, {"a", "abcdef", 4}, {strings.Repeat("x", 128), strings.Repeat("x", 127), 1}} {
		if got := min(distance(c.a, c.b), 4); got != c.want || min(distance(c.b, c.a), 4) != c.want {
			t.Errorf("%q %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestTestWithASample(t *testing.T) {
	t.Parallel()
	f := setup(t, "tarefa")
	e := f.endpoint("7", "other")
	f.eventType("report.ready", `{"required":["url"]}`, `{"url": "https://x" }`)
	f.eventType("empty", "")
	long := `"` + strings.Repeat("x", 999) + `"` // one more than the fixture takes
	for _, c := range []struct{ eventType, data, kept, want string }{
		{"task.updated", "", `{"task":{"id":456,"name":"Resumo Diário de Notícias","updatedAt":"2025-01-18T10:00:00.000Z"},"changes":{"recurrence":{"from":"daily","to":"weekly"}}}`, ""},
		{"report.ready", "", `{"url": "https://x" }`, ""},
		{"report.ready", `{"url":null}`, `{"url":null}`, ""},
		{"never.heard", ` [1.0]`, ` [1.0]`, ""},
		{"report.ready", `{}`, "", "/data/url: is missing"},
		{"empty", "", "", "/data: is missing: the event type empty has no example"},
		{"task.started", "", "", "/data: is missing: the event type task.started has no example"},
		{"never.heard", "", "", "/type: is not an event type of this project"},
		{"bad type", `1`, "", "/type: may hold only"},
		{"", `1`, "", "/type: is missing"},
		{"a", `{`, "", "/data: is not acceptable JSON"},
		{"a", long, "", "/data: has 1001 bytes"},
		{"a", long[1:len(long)-1] + `"`, "", "/data: is not acceptable JSON"},
	} {
		s := &Sample{Type: c.eventType}
		if c.data != "" {
			s.Data = []byte(c.data)
		}
		r, err := f.in.TestSample(t.Context(), f.project, e.ID, s)
		switch {
		case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)):
			t.Errorf("%+v: %v", c, err)
		case c.want == "":
			if err != nil || r.Deliveries != 1 {
				t.Errorf("%+v: %+v %v", c, r, err)
				continue
			}
			ev, err := f.db.Event(t.Context(), f.project, r.EventID)
			if err != nil || !ev.Test || ev.Type != c.eventType || string(ev.Data) != c.kept {
				t.Errorf("%+v: %s %+v %v", c, ev.Data, ev, err)
			}
		}
	}
	r, err := f.in.TestSample(t.Context(), f.project, e.ID, &Sample{Type: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if ev, err := f.db.Event(t.Context(), f.project, r.EventID); err != nil || !strings.Contains(string(ev.Data), `"testId":"test_`) {
		t.Errorf("%s %v", ev.Data, err)
	}
}

func BenchmarkAccept(b *testing.B) {
	for _, c := range []struct {
		name  string
		types int
		valid bool
	}{{"no types", 0, false}, {"2000 types, none validates", 2000, false}, {"its type validates", 1, true}} {
		b.Run(c.name, func(b *testing.B) {
			f := setup(b, "standard")
			f.endpoint("acme", "task.*")
			f.in.maxData = 256 << 10
			body := benchBody()
			var types []*store.EventType
			for n := range c.types {
				types = append(types, &store.EventType{Name: fmt.Sprintf("type.%d", n)})
			}
			if c.valid {
				types[0] = &store.EventType{Name: "task.completed", Validate: true, Schema: []byte(benchSchema)}
			}
			if err := f.db.PutEventTypes(b.Context(), f.project, types); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				r, err := Decode(body)
				if err != nil {
					b.Fatal(err)
				}
				r.Project = f.project
				if a, err := f.in.match(b.Context(), &r, r.Timestamp, &match.Budget{}); err != nil || len(a.Endpoints) != 1 {
					b.Fatal(err)
				}
			}
		})
	}
}

const benchSchema = `{"type":"object","required":["items"],"additionalProperties":false,"properties":{"items":{"type":"array","minItems":1,"items":{
	"type":"object","required":["id","name"],"properties":{"id":{"type":"integer","minimum":0},"name":{"type":"string","maxLength":200,"pattern":"^item"},
	"price":{"type":"number","multipleOf":0.01},"tags":{"type":"array","uniqueItems":true,"items":{"enum":["a","b","c"]}}}}}}}`

func benchBody() []byte {
	body := []byte(`{"type":"task.completed","consumer":"acme","data":{"items":[`)
	for i := 0; len(body) < 960; i++ {
		body = fmt.Appendf(body, `{"id":%d,"name":"item number %d","price":12.50,"tags":["a","b"]},`, i, i)
	}
	return append(body[:len(body)-1], `]}}`...)
}
