package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// names of the types of a list, with their sources.
func (a *answer) names() string {
	a.t.Helper()
	var out []string
	for _, item := range a.object()["data"].([]any) {
		t := item.(map[string]any)
		out = append(out, fmt.Sprintf("%s:%s", t["name"], t["source"]))
	}
	return strings.Join(out, " ")
}

// TestCataloguesOfTheContracts: a project lists what its contract's customers
// read, without a row of its own.
func TestCataloguesOfTheContracts(t *testing.T) {
	t.Parallel()
	st := setup(t)
	for dialect, want := range map[string]map[string]string{
		"gabinete360": {"price_change": ""},
		"connectvets": {"note.processing": "processamento iniciado", "note.completed": "processamento concluído", "note.failed": "erro no processamento"},
		"habilitar": {
			"login.created": "login criado", "login.updated": "login atualizado", "login.deleted": "login deletado",
			"driver.created": "condutor criado", "driver.updated": "condutor atualizado",
			"drivers-license.created": "CNH criada", "drivers-license.updated": "CNH atualizada",
			"appeal.created": "recurso criado", "appeal.updated": "recurso atualizado", "appeal.deleted": "recurso deletado",
		},
		"placaflow": {
			"recognition.created": "nova placa reconhecida", "alert.triggered": "alerta acionado",
			"camera.online": "câmera conectou", "camera.offline": "câmera desconectou",
		},
		"tarefa": {
			"task.created": "tarefa criada", "task.updated": "tarefa atualizada", "task.deleted": "tarefa removida",
			"task.started": "execução de tarefa iniciada", "task.completed": "tarefa completada com sucesso", "task.failed": "tarefa falhou",
			"execution.started": "execução iniciada", "execution.completed": "execução completada", "execution.failed": "execução falhou",
		},
		"standard": {},
	} {
		_, key := st.project(dialect, store.Development)
		items := st.do(key, "GET", "/v1/event-types?limit=250", nil).want(200).object()["data"].([]any)
		if len(items) != len(want) {
			t.Errorf("%s: %d types, want %d", dialect, len(items), len(want))
		}
		for _, item := range items {
			got := item.(map[string]any)
			pt, known := want[got["name"].(string)]
			if !known || got["source"] != "dialect" || got["id"] != nil || got["description"] == "" || pt != "" && got["description_pt"] != pt {
				t.Errorf("%s: %v, want %q", dialect, got, pt)
			}
		}
	}
	// The examples are those of the documentation, as data.
	_, key := st.project("tarefa", store.Development)
	example := st.do(key, "GET", "/v1/event-types/task.completed", nil).want(200).object()["examples"].([]any)[0].(map[string]any)
	if example["execution"].(map[string]any)["processingTimeMs"] != 2340.0 || example["task"].(map[string]any)["id"] != 456.0 {
		t.Errorf("%v", example)
	}
}

func TestEventTypesOverrideTheDialects(t *testing.T) {
	t.Parallel()
	st := setup(t)
	id, key := st.project("connectvets", store.Development)
	types := "/v1/event-types"
	st.do(key, "POST", types, `{"name":"note.archived","tags":["new"]}`).want(201)
	patched := st.do(key, "PATCH", types+"/note.failed", `{"description":"It failed","deprecated":true,"replaced_by":"note.archived"}`).want(200).object()
	if patched["source"] != "project" || patched["description_pt"] != "erro no processamento" || len(patched["examples"].([]any)) != 1 || patched["id"] == nil {
		t.Errorf("%v", patched)
	}
	if got := st.do(key, "GET", types, nil).want(200).names(); got != "note.archived:project note.completed:dialect note.failed:project note.processing:dialect" {
		t.Error(got)
	}
	if got := st.do(key, "GET", types+"?deprecated=hide", nil).want(200).names(); got != "note.archived:project note.completed:dialect note.processing:dialect" {
		t.Error(got)
	}
	if got := st.do(key, "GET", types+"?deprecated=only", nil).want(200).names(); got != "note.failed:project" {
		t.Error(got)
	}
	if got := st.do(key, "GET", types+"?tag=new", nil).want(200).names(); got != "note.archived:project" {
		t.Error(got)
	}
	st.do(key, "GET", types+"?deprecated=perhaps", nil).problem(kindShape, "?deprecated")

	// A customer's key reads, and chooses among what is to stay.
	bound := st.do(st.root, "POST", "/v1/projects/"+id+"/keys", `{"scopes":["*"],"consumer":"acme"}`).want(201).text("key")
	if got := st.do(bound, "GET", types, nil).want(200).names(); strings.Contains(got, "note.failed") {
		t.Error(got)
	}
	if got := st.do(bound, "GET", types+"?deprecated=show", nil).want(200).names(); !strings.Contains(got, "note.failed") {
		t.Error(got)
	}
	st.do(bound, "GET", types+"/note.failed", nil).want(200)
	st.do(bound, "POST", types, `{"name":"mine"}`).problem(kindForbidden)
	st.do(bound, "DELETE", types+"/note.failed", nil).problem(kindForbidden)

	st.do(key, "DELETE", types+"/note.completed", nil).problem(kindConflict)
	st.do(key, "DELETE", types+"/note.failed", nil).want(200)
	if back := st.do(key, "GET", types+"/note.failed", nil).want(200).object(); back["source"] != "dialect" || back["deprecated"] != false {
		t.Errorf("%v", back)
	}
	st.do(key, "DELETE", types+"/nothing", nil).problem(kindNotFound)
	st.do(key, "PATCH", types+"/nothing", `{"tags":[]}`).problem(kindNotFound)
	st.do(key, "GET", types+"/nothing", nil).problem(kindNotFound)
	st.do(key, "POST", types, `{"name":"note.archived"}`).problem(kindConflict)
}

// TestOperationalTypes: what the server itself tells is in the catalogue, for
// whoever looks after the whole project, and can be tried.
func TestOperationalTypes(t *testing.T) {
	t.Parallel()
	st := setup(t)
	id, key := st.project("connectvets", store.Development)
	types := "/v1/event-types"
	all := st.do(key, "GET", types+"?source=server&limit=250", nil).want(200).names()
	if n := len(store.OperationalTypes()); strings.Count(all, ":server") != n || strings.Contains(st.do(key, "GET", types, nil).want(200).names(), "endpoint.created") {
		t.Errorf("%d types in %s", n, all)
	}
	page := st.do(key, "GET", types+"?source=server&limit=1", nil).want(200).object()
	if got := st.do(key, "GET", types+"?source=server&limit=1&cursor="+page["next_cursor"].(string), nil).want(200).names(); got != "endpoint.created:server" {
		t.Error(got)
	}
	got := st.do(key, "GET", types+"/secret.rotated?source=server", nil).want(200).object()
	if got["source"] != "server" || got["schema"] == nil || len(got["examples"].([]any)) != 1 || got["description_pt"] == "" {
		t.Errorf("%v", got)
	}
	st.do(key, "GET", types+"/secret.rotated", nil).problem(kindNotFound)
	st.do(key, "POST", types, `{"name":"note.failed"}`).want(201)
	for source, want := range map[string]string{"dialect": "note.completed:dialect note.failed:dialect note.processing:dialect", "project": "note.failed:project"} {
		if got := st.do(key, "GET", types+"?source="+source, nil).want(200).names(); got != want {
			t.Errorf("%s: %s", source, got)
		}
		if got := st.do(key, "GET", types+"/note.failed?source="+source, nil).want(200).object()["source"]; got != source {
			t.Errorf("%s: %s", source, got)
		}
	}
	st.do(key, "GET", types+"/note.completed?source=project", nil).problem(kindNotFound)
	st.do(key, "GET", types+"/note.completed?source=server", nil).problem(kindNotFound)
	st.do(key, "GET", types+"?source=mine", nil).problem(kindShape, "?source")
	st.do(key, "GET", types+"/note.failed?source=mine", nil).problem(kindShape, "?source")
	bound := st.do(st.root, "POST", "/v1/projects/"+id+"/keys", `{"scopes":["*"],"consumer":"acme"}`).want(201).text("key")
	if got := st.do(bound, "GET", types+"?source=server", nil).want(200).names(); got != "" {
		t.Error(got)
	}
	st.do(bound, "GET", types+"/secret.rotated?source=server", nil).problem(kindNotFound)

	operators := func() string {
		return st.do(key, "POST", "/v1/endpoints", `{"consumer":"_system","url":"https://ops.example.com/","event_types":["*"]}`).want(201).text("id")
	}
	st.do(key, "POST", "/v1/endpoints/"+operators()+"/test", `{"type":"note.failed"}`).problem(kindInvalid, "/type")
	sys := operators()
	sent := st.do(key, "POST", "/v1/endpoints/"+sys+"/test", `{"type":"secret.rotated"}`).want(202).text("event_id")
	if data := st.do(key, "GET", "/v1/events/"+sent, nil).want(200).object()["data"].(map[string]any); data["endpoint_id"] == nil || data["in_force"] != 2.0 {
		t.Errorf("%v", data)
	}
}

func TestEventTypePages(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("habilitar", store.Development)
	for _, name := range []string{"zz", "appeal.lost", "Upper", "login.created"} {
		st.do(key, "POST", "/v1/event-types", map[string]any{"name": name}).want(201)
	}
	whole := st.do(key, "GET", "/v1/event-types", nil).want(200).names()
	if strings.Count(whole, " ") != 12 || !strings.HasPrefix(whole, "Upper:project appeal.created:dialect appeal.deleted:dialect appeal.lost:project") {
		t.Error(whole)
	}
	for _, limit := range []int{1, 2, 3, 13} {
		var pages []string
		at := fmt.Sprintf("/v1/event-types?limit=%d", limit)
		for cursor := ""; ; {
			page := st.do(key, "GET", at+cursor, nil).want(200)
			pages = append(pages, page.names())
			next, more := page.object()["next_cursor"].(string)
			if !more {
				break
			}
			cursor = "&cursor=" + next
			st.do(key, "GET", at+"&tag=x"+cursor, nil).problem(kindShape, "?cursor")
			st.do(key, "GET", at+cursor+"AAAA", nil).problem(kindShape, "?cursor")
		}
		if got := strings.Join(pages, " "); got != whole {
			t.Errorf("by %d: %s", limit, got)
		}
	}
}

func TestEventTypeLimits(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	many := func(n int, item string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
	}
	n := 0
	ask := func(members string) *answer {
		n++
		if members != "" {
			members = "," + members
		}
		return st.do(key, "POST", "/v1/event-types", fmt.Sprintf(`{"name":"t%d"%s}`, n, members))
	}
	for _, ok := range []string{
		``, `"description":"` + strings.Repeat("é", 1000) + `"`, `"tags":["` + strings.Repeat("é", 50) + `"]`,
		`"tags":["1","2","3","4","5","6","7","8","9","10"]`, `"examples":` + many(10, "1"),
		`"examples":[` + deep(ingest.MaxDepth) + `]`, `"schema":true`, `"schema":false`, `"schema":null,"validate":false`,
		`"examples":["` + strings.Repeat("x", maxExampleBytes-2) + `"]`,
		`"deprecated":true,"deprecation":"old","replaced_by":"t1"`,
		`"schema":{"description":"` + strings.Repeat("x", 64<<10-18) + `"}`,
	} {
		ask(ok).want(201)
	}
	for members, at := range map[string]string{
		`"description":"` + strings.Repeat("é", 1001) + `"`: "/description", `"description_pt":"a\u0007"`: "/description_pt",
		`"tags":["` + strings.Repeat("é", 51) + `"]`: "/tags/0", `"tags":["a","a"]`: "/tags/1", `"tags":[""]`: "/tags/0",
		`"tags":["1","2","3","4","5","6","7","8","9","10","11"]`: "/tags", `"examples":` + many(11, "1"): "/examples",
		`"examples":["` + strings.Repeat("x", maxExampleBytes-1) + `"]`: "/examples",
		`"validate":true`: "/validate", `"schema":{"type":"strnig"}`: "/schema/type", `"schema":[]`: "/schema",
		`"schema":{"description":"` + strings.Repeat("x", 64<<10-17) + `"}`: "/schema",
		`"schema":{"$ref":"http://127.0.0.1/x"}`:                            "/schema/$ref",
		`"schema":{"required":["a"]},"examples":[{"a":1},{}]`:               "/examples/1/a",
		`"deprecation":"old"`:                                               "/deprecation", `"replaced_by":"x"`: "/replaced_by",
		`"deprecated":true,"replaced_by":"a b"`: "/replaced_by",
	} {
		ask(members).problem(kindInvalid, at)
	}
	ask(`"examples":[` + deep(ingest.MaxDepth+1) + `]`).problem(kindJSON)
	ask(`"schema":"x","shema":1`).problem(kindShape, "/shema")
	for name, at := range map[string]string{"": "/name", "a b": "/name", strings.Repeat("x", 129): "/name", "import": "/name"} {
		st.do(key, "POST", "/v1/event-types", map[string]any{"name": name}).problem(kindInvalid, at)
	}
	st.do(key, "POST", "/v1/event-types", `{}`).problem(kindInvalid, "/name")
	st.do(key, "POST", "/v1/event-types", `{"name":"`+strings.Repeat("x", typeBody)+`"}`).problem(kindTooLarge)
	st.do(key, "PATCH", "/v1/event-types/t1", `{"name":"t2"}`).problem(kindInvalid, "/name")
	st.do(key, "PATCH", "/v1/event-types/t1", `{"deprecated":true,"replaced_by":"t1"}`).problem(kindInvalid, "/replaced_by")
}

func TestEventTypeChanges(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	st.do(key, "POST", "/v1/event-types", `{"name":"a","schema":{"type":"object"},"validate":true,"examples":[{"n":1}]}`).want(201)
	at := "/v1/event-types/a"
	st.do(key, "PATCH", at, `{"schema":{"required":["x"]}}`).problem(kindInvalid, "/schema")
	st.do(key, "PATCH", at, `{"schema":null}`).problem(kindInvalid, "/validate")
	st.do(key, "PATCH", at, `{"schema":{"required":["x"]},"examples":[{"x":2}]}`).want(200)
	st.do(key, "PATCH", at, `{"deprecated":true,"deprecation":"old","replaced_by":"b"}`).want(200)
	got := st.do(key, "PATCH", at, `{"deprecated":false}`).want(200).object()
	if got["deprecation"] != "" || got["replaced_by"] != nil || got["validate"] != true {
		t.Errorf("%v", got)
	}
	// The same creation is made once.
	const again = `{"name":"once"}`
	first := st.do(key, "POST", "/v1/event-types", again, "Idempotency-Key", "k").want(201)
	if second := st.do(key, "POST", "/v1/event-types", again, "Idempotency-Key", "k").want(201); !bytes.Equal(first.body, second.body) {
		t.Errorf("%s %s", first.body, second.body)
	}
}

// TestEventsAreValidated: the answer names each field in the reader's language,
// and a batch loses only what is wrong.
func TestEventsAreValidated(t *testing.T) {
	t.Parallel()
	st := setup(t)
	id, key := st.project("standard", store.Development)
	st.do(key, "POST", "/v1/event-types", `{"name":"paid","schema":{"type":"object","required":["id"],"properties":{"id":{"type":"integer"}}},"validate":true}`).want(201)
	st.do(key, "POST", "/v1/events", `{"type":"paid","consumer":"c","data":{"id":1}}`).want(202)
	a := st.do(key, "POST", "/v1/events", `{"type":"paid","consumer":"c","data":{"id":"x"}}`).problem(kindInvalid, "/data/id")
	if !strings.Contains(string(a.body), "is a string; the schema asks for a whole number") {
		t.Errorf("%s", a.body)
	}
	batch := st.do(key, "POST", "/v1/events/batch", `{"events":[{"type":"paid","consumer":"c","data":{}},{"type":"paid","consumer":"c","data":{"id":2}},{"type":"free","consumer":"c","data":1}]}`).want(202).object()
	if batch["accepted"] != 2.0 || batch["refused"] != 1.0 {
		t.Errorf("%v", batch)
	}
	wrong := `{"events":[` + strings.TrimSuffix(strings.Repeat(`{"type":"paid","consumer":"c","data":[]},`, 30), ",") + `]}`
	var pointers []string
	for n := range ingest.MaxErrors {
		pointers = append(pointers, fmt.Sprintf("/events/%d/data", n))
	}
	st.do(key, "POST", "/v1/events/batch", wrong).problem(kindInvalid, pointers...)

	st.do(st.root, "PATCH", "/v1/projects/"+id, `{"known_types_only":true}`).want(200)
	a = st.do(key, "POST", "/v1/events", `{"type":"piad","consumer":"c","data":1}`).problem(kindInvalid, "/type")
	if !strings.Contains(string(a.body), "did you mean paid?") {
		t.Errorf("%s", a.body)
	}
	if p := st.do(st.root, "PATCH", "/v1/projects/"+id, `{"name":"renamed"}`).want(200).object(); p["known_types_only"] != true {
		t.Errorf("%v", p)
	}
	st.do(st.root, "PATCH", "/v1/projects/"+id, `{"known_types_only":false}`).want(200)
	st.do(key, "POST", "/v1/events", `{"type":"piad","consumer":"c","data":1}`).want(202)
}

func TestSendATypesExample(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("tarefa", store.Development)
	send := func(body string) *answer {
		e := st.endpoint(key, "7") // a new one each time: they are paced
		defer st.do(key, "DELETE", "/v1/endpoints/"+e, nil)
		return st.do(key, "POST", "/v1/endpoints/"+e+"/test", body)
	}
	event := func(a *answer) map[string]any {
		return st.do(key, "GET", "/v1/events/"+a.want(202).text("event_id"), nil).want(200).object()
	}
	for body, want := range map[string]string{
		``: "test", `{}`: "test", `{"type":"test"}`: "test", `{"type":"task.deleted"}`: "task.deleted", `{"type":"any.thing","data":null}`: "any.thing",
	} {
		if e := event(send(body)); e["type"] != want || e["test"] != true {
			t.Errorf("%s: %v", body, e)
		}
	}
	const odd = `{"n": 1.50,"n":[{}]}`
	sent := send(`{"data":` + odd + `,"type":"x"}`).want(202).text("event_id")
	if full := st.do(key, "GET", "/v1/events/"+sent, nil).want(200); !bytes.Contains(full.body, []byte(`"data":`+odd+`}`)) {
		t.Errorf("%s", full.body)
	}
	send(`{"data":{}}`).problem(kindInvalid, "/type")
	send(`{"type":"task.started"}`).problem(kindInvalid, "/data")
	send(`{"type":"none"}`).problem(kindInvalid, "/type")
	send(`{"type":"a","data":` + strings.Repeat("[", 129) + strings.Repeat("]", 129) + `}`).problem(kindJSON)
	send(`{"kind":"a"}`).problem(kindShape, "/kind")
}

// TestDialectsExamplesFitTheirEnvelopes: what a test send takes from a
// catalogue can be rendered.
func TestDialectsExamplesFitTheirEnvelopes(t *testing.T) {
	t.Parallel()
	for _, d := range webhook.Builtin() {
		for _, e := range d.Events {
			if len(e.Example) > 0 && (d.CheckEvent("7", e.Example) != nil || !json.Valid(e.Example) || url.PathEscape(e.Type) != e.Type) {
				t.Errorf("%s: %s", d.Name, e.Type)
			}
		}
	}
}
