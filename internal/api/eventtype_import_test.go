package api

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	schemas "github.com/malote-dev/malote/internal/schema"
	"github.com/malote-dev/malote/internal/store"
)

const openAPIDocument = `{"openapi":"3.1.0","info":{"title":"t","version":"1"},
"webhooks":{
 "order.created":{"post":{"summary":"Placed","description":"An order\n was placed","tags":["orders","orders"],"requestBody":{"$ref":"#/components/requestBodies/Order"}}},
 "order.gone":{"$ref":"#/components/pathItems/Gone"},
 "bare":{"post":{"summary":"Nothing more"}},
 "no operation":{"post":{}},
 "import":{"post":{}},
 "get.only":{"get":{}},
 "remote":{"post":{"requestBody":{"content":{"application/json":{"schema":{"$ref":"https://example.com/x"}}}}}},
 "missing":{"post":{"requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/None"}}}}}},
 "wrong":{"post":{"requestBody":{"content":{"application/json":{"schema":{"type":"strnig"}}}}}},
 "unfit":{"post":{"requestBody":{"content":{"application/json":{"schema":{"type":"object"},"example":1}}}}}
},
"components":{
 "requestBodies":{"Order":{"content":{"text/plain":{},"application/json; charset=utf-8":{"schema":{"$ref":"#/components/schemas/Order"},"examples":{"b":{"value":{"id":"2"}},"a":{"value":{"id":"1","lines":[{"next":{"n":1.50}}]}}}}}}},
 "pathItems":{"Gone":{"post":{"deprecated":true,"requestBody":{"content":{"application/json":{"schema":{"type":"object","properties":{"id":{"$ref":"#/components/schemas/Order/properties/id"}}}}}}}}},
 "schemas":{
  "Order":{"type":"object","required":["id"],"properties":{"id":{"type":"string","example":"x"},"lines":{"type":"array","items":{"$ref":"#/components/schemas/Line"}}}},
  "Line":{"type":"object","properties":{"next":{"$ref":"#/components/schemas/Line"},"n":{"type":"number"}}},
  "Unused":{"type":"strnig"}}}}`

func TestImport(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	ask := func(doc, more string) *answer {
		return st.do(key, "POST", "/v1/event-types/import", `{"openapi":`+doc+more+`}`)
	}
	outcomes := func(a *answer) string {
		var out []string
		for _, r := range a.want(200).object()["results"].([]any) {
			item := r.(map[string]any)
			reason, _ := item["reason"].(string)
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", item["name"], item["outcome"], reason)))
		}
		return strings.Join(out, "\n")
	}
	const first = `bare created
get.only skipped it has no operation post
import skipped its name is the path of another route
missing skipped its schema refers to #/components/schemas/None, which is not under components/schemas of the document
no operation skipped its name may hold only the characters a-z, A-Z, 0-9, _, . and -
order.created created
order.gone created
remote skipped its schema refers to https://example.com/x, which is not under components/schemas of the document
unfit skipped its example 0 does not fit its schema: the body is a number; the schema asks for an object
wrong skipped its schema: /type is not what JSON Schema allows here: it must be one of "array", "boolean", "integer", "null", "number", "object", "string"`
	if got := outcomes(ask(openAPIDocument, `,"dry_run":true`)); got != first {
		t.Error(got)
	}
	if got := st.do(key, "GET", "/v1/event-types", nil).want(200).names(); got != "" {
		t.Errorf("a dry run made %s", got)
	}
	if got := outcomes(ask(openAPIDocument, `,"validate":true`)); got != first {
		t.Error(got)
	}
	order := st.do(key, "GET", "/v1/event-types/order.created", nil).want(200).object()
	if order["description"] != "An order was placed" || fmt.Sprint(order["tags"]) != "[orders]" || order["validate"] != true || len(order["examples"].([]any)) != 2 {
		t.Errorf("%v", order)
	}
	if bare := st.do(key, "GET", "/v1/event-types/bare", nil).want(200).object(); bare["schema"] != nil || bare["validate"] != false {
		t.Errorf("%v", bare)
	}
	if gone := st.do(key, "GET", "/v1/event-types/order.gone", nil).want(200).object(); gone["deprecated"] != true {
		t.Errorf("%v", gone)
	}
	// The schema stands alone and goes round.
	st.do(key, "POST", "/v1/events", `{"type":"order.created","consumer":"c","data":{"id":"1","lines":[{"next":{"next":{"n":1}}}]}}`).want(202)
	st.do(key, "POST", "/v1/events", `{"type":"order.created","consumer":"c","data":{"id":"1","lines":[{"next":{"next":{"n":"x"}}}]}}`).problem(kindInvalid, "/data/lines/0/next/next/n")

	st.do(key, "PATCH", "/v1/event-types/bare", `{"description_pt":"Nada mais"}`).want(200)
	changed := strings.Replace(openAPIDocument, "Nothing more", "A little more", 1)
	if got := outcomes(ask(changed, ``)); !strings.Contains(got, "bare updated") || !strings.Contains(got, "order.created unchanged") || !strings.Contains(got, "order.gone unchanged") {
		t.Error(got)
	}
	if bare := st.do(key, "GET", "/v1/event-types/bare", nil).want(200).object(); bare["description"] != "A little more" || bare["description_pt"] != "Nada mais" {
		t.Errorf("%v", bare)
	}
	for body, at := range map[string]string{
		`{}`: "/openapi", `{"openapi":[]}`: "/openapi", `{"openapi":{}}`: "/openapi/openapi", `{"openapi":{"openapi":"3.0.3"}}`: "/openapi/openapi",
		`{"openapi":{"openapi":"3.1.0"}}`:                                                    "/openapi/webhooks",
		`{"data_at":"data","openapi":` + openAPIDocument + `}`:                               "/data_at",
		`{"openapi":{"openapi":"3.1.0","webhooks":` + webhooks(store.MaxEventTypes+1) + `}}`: "/openapi/webhooks",
	} {
		st.do(key, "POST", "/v1/event-types/import", body).problem(kindInvalid, at)
	}
	st.do(key, "POST", "/v1/event-types/import", `{"openapi":"`+strings.Repeat("x", importBody)+`"}`).problem(kindTooLarge)
}

func webhooks(n int) string {
	var parts []string
	for i := range n {
		parts = append(parts, fmt.Sprintf(`"w%d":{"post":{}}`, i))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func TestImportDataWithinTheBody(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	doc := `{"openapi":"3.1.0","webhooks":{
	 "a":{"post":{"requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Envelope"},"example":{"id":1,"data":{"n":2}}}}}}},
	 "b":{"post":{"requestBody":{"content":{"application/json":{"schema":{"type":"object"}}}}}}},
	 "components":{"schemas":{"Envelope":{"type":"object","properties":{"id":{},"data":{"$ref":"#/components/schemas/Data"}}},"Data":{"type":"object","properties":{"n":{"type":"number"}}}}}}`
	a := st.do(key, "POST", "/v1/event-types/import", `{"data_at":"/data","openapi":`+doc+`}`).want(200).object()
	if a["created"] != 1.0 || a["skipped"] != 1.0 {
		t.Errorf("%v", a)
	}
	got := st.do(key, "GET", "/v1/event-types/a", nil).want(200)
	if !bytes.Contains(got.body, []byte(`"schema":{"$defs":{"Data":{"properties":{"n":{"type":"number"}},"type":"object"}},"$ref":"#/$defs/Data"},"examples":[{"n":2}]`)) {
		t.Errorf("%s", got.body)
	}
}

// TestImportIsBounded: a document whose parts refer to each other over and
// over costs what an import may cost, and says what it left out.
func TestImportIsBounded(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	var hooks, parts []string
	for i := range 1500 {
		hooks = append(hooks, fmt.Sprintf(`"w%d":{"post":{"requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/c0"}}}}}}`, i))
	}
	for i := range 3000 {
		parts = append(parts, fmt.Sprintf(`"c%d":{"description":"%s","not":{"$ref":"#/components/schemas/c%d"}}`, i, strings.Repeat("x", 300), (i+1)%3000))
	}
	doc := `{"openapi":"3.1.0","webhooks":{` + strings.Join(hooks, ",") + `},"components":{"schemas":{` + strings.Join(parts, ",") + `}}}`
	a := st.do(key, "POST", "/v1/event-types/import", `{"dry_run":true,"openapi":`+doc+`}`).want(200).object()
	if a["skipped"] != 1500.0 {
		t.Errorf("%v created", a["created"])
	}
}

// worstImports are documents that take as much work as one may.
func worstImports() map[string]string {
	hooks := func(n int, body string) string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf(`"w%04d":{"post":{"requestBody":%s}}`, i, strings.ReplaceAll(body, "@", strconv.Itoa(i))))
		}
		return strings.Join(out, ",")
	}
	members := func(n int, form string) string {
		var out []string
		for i := range n {
			out = append(out, strings.ReplaceAll(form, "%d", strconv.Itoa(i)))
		}
		return strings.Join(out, ",")
	}
	schema := func(s string) string { return `{"content":{"application/json":{"schema":` + s + `}}}` }
	const own = `{"title":"@","$ref":"#/components/schemas/a"}`
	document := func(hooks, components string) string {
		return `{"openapi":"3.1.0","webhooks":{` + hooks + `},"components":{` + components + `}}`
	}
	shared := func(components string) string {
		return `{"openapi":"3.1.0","webhooks":{` + members(2000, `"w%d":{"post":{"$ref":"#/components/x"}}`) + `},"components":{` + components + `}}`
	}
	return map[string]string{
		"patterns of a component that all share":     document(hooks(120, schema(own)), `"schemas":{"a":{"properties":{`+members(100, `"p%d":{"type":"string","pattern":"^[a-z]{1,20}-%d$"}`)+`}}}`),
		"different patterns":                         document(hooks(300, schema(`{"properties":{`+members(95, `"p%d":{"pattern":"^%d-[a-z]{1,100}-@$"}`)+`}}`)), ``),
		"many objects in each":                       document(hooks(2000, schema(own)), `"schemas":{"a":{"properties":{`+members(1480, `"p%d":true`)+`}}}`),
		"numbers to compare":                         document(hooks(2000, schema(own)), `"schemas":{"a":{"enum":[`+strings.Repeat("1,", 15_000)+`1]}}`),
		"classes of Unicode":                         document(hooks(2000, schema(`{"pattern":"(?i)[@`+strings.Repeat(`\\PL`, 60)+`]"}`)), ``),
		"patterns that are too large":                document(hooks(2000, schema(`{"pattern":"(?:@`+strings.Repeat("a", 900)+`){900}"}`)), ``),
		"examples that all share":                    document(hooks(2000, `{"content":{"application/json":{"schema":{"title":"@","items":{"anyOf":[{"minimum":1},{"type":"number"}]}},"examples":{`+members(10, `"e%d":{"$ref":"#/components/examples/e"}`)+`}}}}`), `"examples":{"e":{"value":[`+strings.Repeat("0,", 12_000)+`0]}}`),
		"examples without a schema":                  document(hooks(2000, `{"content":{"application/json":{"examples":{`+members(10, `"e%d":{"$ref":"#/components/examples/e"}`)+`}}}}`), `"examples":{"e":{"value":"`+strings.Repeat("x", 25_000)+`"}}`),
		"a list that nothing fits":                   document(hooks(2000, schema(own)), `"schemas":{"a":{"enum":[`+strings.Repeat("1,", 500_000)+`1]}}`),
		"a number that nothing fits":                 document(hooks(2000, schema(own)), `"schemas":{"a":{"const":`+strings.Repeat("1", 1_000_000)+`}}`),
		"a reference that leads far":                 document(hooks(2000, `{"$ref":"#/components/x"}`), `"x":{"$ref":"#`+strings.Repeat("/a", 500_000)+`"}`),
		"a description that is too long":             `{"openapi":"3.1.0","webhooks":{` + members(2000, `"w%d":{"post":{"$ref":"#/components/x"}}`) + `},"components":{"x":{"description":"` + strings.Repeat("x ", 700_000) + `"}}}`,
		"references to references that lead nowhere": shared(`"e":{"$ref":"#` + strings.Repeat("/", 999) + `"},"x":{"requestBody":{"content":{"application/json":{"examples":{` + members(1000, `"x%d":{"$ref":"#/components/e"}`) + `}}}}}`),
		"different references":                       shared(`"x":{"requestBody":{"content":{"application/json":{"examples":{` + members(1000, `"x%d":{"$ref":"#/%d`+strings.Repeat("/", 900)+`"}`) + `}}}}}`),
		"tags and a summary that are too long":       shared(`"x":{"tags":["` + strings.Repeat("é", 400_000) + `"],"summary":"` + strings.Repeat("é", 400_000) + `"}`),
		"media types without end":                    shared(`"x":{"requestBody":{"content":{` + members(40_000, `"x%d":{}`) + `}}}`),
		"examples that become too long":              shared(`"x":{"requestBody":{"content":{"application/json":{"examples":{` + members(1000, `"x%d":{"$ref":"#/components/e"}`) + `}}}}},"e":{"value":"` + strings.Repeat(`\u0001`, 25_000) + `"}`),
		"examples without end":                       document(hooks(2000, `{"$ref":"#/components/x"}`), `"x":{"content":{"application/json":{"examples":{`+members(60_000, `"e%d":{"value":1}`)+`}}}}`),
	}
}

// importWith imports with a part of what an import may cost: what was made of
// how many.
func importWith(tb testing.TB, doc string, part int) (made, all int) {
	tb.Helper()
	im, err := newImport(&importInput{OpenAPI: []byte(doc)})
	if err != nil {
		tb.Fatal(err)
	}
	im.nodes, im.bytes, im.examples, im.batch = importNodes/part, importBytes/part, exampleBytes/part, schemas.NewBatch(importSteps/part)
	for name := range im.webhooks {
		if _, _, why := im.eventType(name); why.IsZero() {
			made++
		}
	}
	return made, len(im.webhooks)
}

// TestWorstImports: none takes long, whatever it says. The bound is wide, for
// a busy machine with race detection; without any, most took minutes.
func TestWorstImports(t *testing.T) {
	t.Parallel()
	for what, doc := range worstImports() {
		if len(doc) > importBody-20 {
			t.Errorf("%s: %d bytes", what, len(doc))
		}
		began := time.Now()
		made, all := importWith(t, doc, 20)
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s: %v", what, took)
		} else {
			t.Logf("%s: %v, %d of %d made", what, took, made, all)
		}
	}
}

// TestImportIsBudgeted: what is over the budget is left out and says so; what
// is shared counts once.
func TestImportIsBudgeted(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	ask := func(doc, language string) *answer {
		return st.do(key, "POST", "/v1/event-types/import", `{"dry_run":true,"openapi":`+doc+`}`, "Accept-Language", language).want(200)
	}
	worst := worstImports()
	if a := ask(worst["patterns of a component that all share"], "en").object(); a["created"] != 120.0 {
		t.Errorf("%v created", a["created"])
	}
	a := ask(worst["different patterns"], "pt")
	made, _ := a.object()["created"].(float64)
	if made < 20 || made >= 300 || !strings.Contains(string(a.body), `"name":"w0299","outcome":"skipped","reason":"o documento é grande demais para ser importado de uma vez; importe-o em partes"`) {
		t.Errorf("%v created: %s", made, a.body[max(0, len(a.body)-500):])
	}
	one := func(n int) string {
		var parts []string
		for i := range n {
			parts = append(parts, fmt.Sprintf(`"p%d":{"pattern":"%d"}`, i, i))
		}
		return `{"openapi":"3.1.0","webhooks":{"a":{"post":{"requestBody":{"content":{"application/json":{"schema":{"patternProperties":{"x":true},"properties":{` + strings.Join(parts, ",") + `}}}}}}}}}`
	}
	if got := ask(one(schemas.MaxPatterns-1), "en").object()["created"]; got != 1.0 {
		t.Error("as many patterns as are allowed:", got)
	}
	if a := ask(one(schemas.MaxPatterns), "en"); !strings.Contains(string(a.body), "is one pattern too many: the schema has 101 different ones (pattern and patternProperties), the limit is 100") {
		t.Errorf("one more: %s", a.body)
	}
}

// TestImportIsCounted: what is followed and looked at over and over ends with
// the budget, and says so; what is only too long to take over costs nothing.
func TestImportIsCounted(t *testing.T) {
	t.Parallel()
	worst := worstImports()
	for what, spends := range map[string]bool{
		"references to references that lead nowhere": true, "different references": true, "media types without end": true, "examples that become too long": true,
		"tags and a summary that are too long": false,
	} {
		im, err := newImport(&importInput{OpenAPI: []byte(worst[what])})
		if err != nil {
			t.Fatal(err)
		}
		im.batch = schemas.NewBatch(importSteps / 20)
		skipped := 0
		for name := range im.webhooks {
			made, remark, why := im.eventType(name)
			if !why.IsZero() {
				skipped++
			}
			if !why.IsZero() && (why.String() != tooLarge().String() || made != nil || !remark.IsZero()) {
				t.Fatalf("%s: %s: %s", what, name, why)
			}
		}
		if left := im.batch.Left(); spends != (skipped > 0) || spends != (left == 0) {
			t.Errorf("%s: %d of %d skipped, %d steps left", what, skipped, len(im.webhooks), left)
		}
	}
}

func BenchmarkWorstImport(b *testing.B) {
	for what, doc := range worstImports() {
		b.Run(what, func(b *testing.B) {
			for b.Loop() {
				importWith(b, doc, 1)
			}
		})
	}
}

// TestImportInPortuguese: the reasons are said as problems are.
func TestImportInPortuguese(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	a := st.do(key, "POST", "/v1/event-types/import", `{"openapi":{"openapi":"3.1.0","webhooks":{"a b":{}}}}`, "Accept-Language", "pt-BR").want(200)
	if a.header.Get("Content-Language") != "pt-BR" || !strings.Contains(strings.ToLower(a.header.Get("Vary")), "accept-language") {
		t.Errorf("%v", a.header)
	}
}
