package documented_test

import (
	"bytes"
	"flag"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/api/documented"
	"github.com/malote-dev/malote/internal/ingest"
)

//go:generate go test -run ^TestDescriptionsAreCommitted$ -update .

var update = flag.Bool("update", false, "write docs/contracts/*.openapi.json anew")

// descriptions are those of a server with the default limits.
func descriptions() []*api.Description {
	return documented.Descriptions(ingest.New(ingest.Options{}).MaxData())
}

func descriptionPath(name string) string { return "../../../docs/contracts/" + name + ".openapi.json" }

func describe(t testing.TB, d *api.Description) *api.Described {
	t.Helper()
	out, err := api.Describe(d)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestDescriptionsAreCommitted: docs/contracts/*.openapi.json are what the
// code says. To write them anew: go generate ./internal/api/documented
func TestDescriptionsAreCommitted(t *testing.T) {
	t.Parallel()
	names := []string{}
	for _, d := range descriptions() {
		names = append(names, d.Name)
		made := describe(t, d)
		if len(made.Missing) > 0 || len(made.Unused) > 0 {
			t.Errorf("%s: no words for %v; words of nothing: %v", d.Name, made.Missing, made.Unused)
		}
		if *update {
			if err := os.WriteFile(descriptionPath(d.Name), made.JSON(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		kept, err := os.ReadFile(descriptionPath(d.Name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(kept, made.JSON()) {
			t.Errorf("%s is not what the routes say; run go generate ./internal/api/documented and look at what changed", descriptionPath(d.Name))
		}
	}
	if want := []string{"gabinete360", "placaflow", "tarefa"}; !slices.Equal(names, want) {
		t.Errorf("described are %v, want %v", names, want)
	}
}

// TestDescriptionsAreTheRoutes: the calls of each company's API and the
// operations of its document are the same, with the same success, key and mark
// of what is ours.
func TestDescriptionsAreTheRoutes(t *testing.T) {
	t.Parallel()
	for _, d := range descriptions() {
		doc := parsed(t, describe(t, d).JSON())
		seen := 0
		ids := map[string]bool{}
		for _, rt := range documented.Routes(d.Name) {
			op, _ := at(doc, "paths", rt.Pattern, strings.ToLower(rt.Method)).(map[string]any)
			if op == nil {
				t.Errorf("%s: %s %s is not in the document", d.Name, rt.Method, rt.Pattern)
				continue
			}
			seen++
			id, _ := op["operationId"].(string)
			if id == "" || ids[id] || op["summary"] == "" {
				t.Errorf("%s: %s %s has the id %q", d.Name, rt.Method, rt.Pattern, id)
			}
			ids[id] = true
			summary, _ := op["summary"].(string)
			if own, _ := op["x-malote-own"].(bool); own != rt.Own || strings.HasSuffix(summary, "†") != rt.Own {
				t.Errorf("%s: %s %s is ours: %v; the document says %v", d.Name, rt.Method, rt.Pattern, rt.Own, own)
			}
			if at(op, "responses", strconv.Itoa(rt.Status)) == nil || (len(op["security"].([]any)) == 0) != rt.Public {
				t.Errorf("%s: %s %s: %v", d.Name, rt.Method, rt.Pattern, op)
			}
			for _, m := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(rt.Pattern, -1) {
				declared := func(p any) bool { return at(p, "name") == m[1] && at(p, "in") == "path" }
				if ps, _ := op["parameters"].([]any); !slices.ContainsFunc(ps, declared) {
					t.Errorf("%s: %s %s: {%s} is not declared", d.Name, rt.Method, rt.Pattern, m[1])
				}
			}
		}
		paths, _ := doc.(map[string]any)["paths"].(map[string]any)
		for _, path := range paths {
			seen -= len(path.(map[string]any))
		}
		if seen != 0 {
			t.Errorf("%s: the document has %d operations that are no calls", d.Name, -seen)
		}
	}
}

// TestDescriptionsAreOpenAPI validates the documents against the schema of
// OpenAPI 3.1, compiles every schema, and holds every example against its own.
func TestDescriptionsAreOpenAPI(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../testdata/openapi-3.1.json")
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("https://spec.openapis.org/oas/3.1", parsed(t, text)); err != nil {
		t.Fatal(err)
	}
	meta, err := c.Compile("https://spec.openapis.org/oas/3.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range descriptions() {
		doc := parsed(t, describe(t, d).JSON())
		if err := meta.Validate(doc); err != nil {
			t.Errorf("%s: %#v", d.Name, err)
		}
		ck := newChecker(t, d.Name, doc)
		schemas, _ := at(doc, "components", "schemas").(map[string]any)
		for name := range schemas {
			ck.schema(t, "#/components/schemas/"+name)
		}
		for _, op := range d.Operations {
			if op.In == nil {
				continue
			}
			media := at(doc, "paths", op.Pattern, strings.ToLower(op.Method), "requestBody", "content", "application/json")
			example := at(media, "example")
			if example == nil {
				t.Errorf("%s: %s has no example", d.Name, op.ID)
			}
			ck.validate(t, "#/paths/"+token(op.Pattern)+"/"+strings.ToLower(op.Method)+"/requestBody/content/application~1json/schema", example)
		}
	}
}

// TestDescriptionsAreServed: the document and the page, offline, under the
// policy of the native API's.
func TestDescriptionsAreServed(t *testing.T) {
	t.Parallel()
	st := setup(t)
	for _, d := range descriptions() {
		made := describe(t, d)
		r := st.do("GET", "/openapi/"+d.Name+".json", "", nil).want(200)
		if r.body != string(made.JSON()) || r.header.Get("Content-Type") != "application/json" || r.header.Get("ETag") == "" {
			t.Errorf("%s: %v", r.what, r.header)
		}
		st.do("GET", "/openapi/"+d.Name+".json", "", nil, "If-None-Match", r.header.Get("ETag")).want(304)
		r = st.do("GET", "/docs/"+d.Name, "", nil).want(200)
		if !strings.HasPrefix(r.header.Get("Content-Type"), "text/html") || !strings.Contains(r.header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %v", r.what, r.header)
		}
		for _, rt := range documented.Routes(d.Name) {
			if !strings.Contains(r.body, `<p class="route">`+rt.Method+" "+rt.Pattern+"</p>") {
				t.Errorf("%s: %s %s is not on the page", d.Name, rt.Method, rt.Pattern)
			}
		}
		if !strings.Contains(r.body, `href="../openapi/`+d.Name+`.json"`) {
			t.Errorf("%s: the page does not lead to the document", d.Name)
		}
		for _, m := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(r.body, -1) {
			if !strings.Contains(r.body, `id="`+m[1]+`"`) {
				t.Errorf("%s: #%s leads nowhere", d.Name, m[1])
			}
		}
		for _, alien := range []string{"<script", "<link", "<img", "src=", " style=", "@import", "url("} {
			if strings.Contains(r.body, alien) {
				t.Errorf("%s: the page has %s", d.Name, alien)
			}
		}
	}
	for _, path := range []string{"/openapi/connectvets.json", "/openapi/tarefa", "/openapi/.json", "/docs/habilitar", "/docs/tarefa.json"} {
		st.do("GET", path, "", nil).want(404)
	}
}

// checker holds answers against a document.
type checker struct {
	mu       sync.Mutex // over the compiler
	base     string
	doc      any
	compiler *jsonschema.Compiler
}

func newChecker(t testing.TB, name string, doc any) *checker {
	t.Helper()
	ck := &checker{base: "https://malote.test/" + name + ".json", doc: doc, compiler: jsonschema.NewCompiler()}
	ck.compiler.AssertFormat()
	if err := ck.compiler.AddResource(ck.base, doc); err != nil {
		t.Fatal(err)
	}
	return ck
}

func (ck *checker) schema(t testing.TB, ref string) *jsonschema.Schema {
	t.Helper()
	ck.mu.Lock()
	defer ck.mu.Unlock()
	s, err := ck.compiler.Compile(ck.base + strings.NewReplacer("{", "%7B", "}", "%7D").Replace(ref))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (ck *checker) validate(t testing.TB, ref string, value any) {
	t.Helper()
	if err := ck.schema(t, ref).Validate(value); err != nil {
		t.Errorf("%s%s: %v: %v", ck.base, ref, err, value)
	}
}

// checkers of the committed documents, which another test holds true, by the
// contract's name.
var checkers sync.Map

func committedChecker(t testing.TB, name string) *checker {
	t.Helper()
	if ck, ok := checkers.Load(name); ok {
		return ck.(*checker)
	}
	text, err := os.ReadFile(descriptionPath(name))
	if err != nil {
		t.Fatal(err)
	}
	ck, _ := checkers.LoadOrStore(name, newChecker(t, name, parsed(t, text)))
	return ck.(*checker)
}

// declared checks an answer of a company's API against its document: the
// status, the type of its content, its headers and its body.
func (r *reply) declared(name, method, path string) {
	r.Helper()
	var found *documented.Route
	for _, rt := range documented.Routes(name) {
		if rt.Method == method && matches(rt.Pattern, path) && (found == nil || strings.Count(rt.Pattern, "{") < strings.Count(found.Pattern, "{")) {
			found = &rt
		}
	}
	if found == nil || r.status == http.StatusMethodNotAllowed {
		return // no call's
	}
	ck := committedChecker(r.T, name)
	operation := at(ck.doc, "paths", found.Pattern, strings.ToLower(method))
	response, _ := at(operation, "responses", strconv.Itoa(r.status)).(map[string]any)
	if response == nil {
		r.Errorf("%s: the document of %s knows no %d: %s", r.what, name, r.status, r.body)
		return
	}
	headers, _ := response["headers"].(map[string]any)
	for _, header := range []string{"Retry-After", "X-Request-Id"} {
		if r.header.Get(header) != "" && headers[header] == nil {
			r.Errorf("%s: the document of %s knows no header %s with %d", r.what, name, header, r.status)
		}
	}
	if response["content"] == nil {
		if r.body != "" {
			r.Errorf("%s: the document of %s knows no body with %d", r.what, name, r.status)
		}
		return
	}
	if media := r.header.Get("Content-Type"); at(response, "content", media) == nil {
		r.Errorf("%s: the document of %s knows no %q with %d", r.what, name, media, r.status)
		return
	}
	ck.validate(r.T, "#/paths/"+token(found.Pattern)+"/"+strings.ToLower(method)+"/responses/"+strconv.Itoa(r.status)+"/content/application~1json/schema",
		parsed(r.T, []byte(r.body)))
}

// matches reports whether a path is of a pattern.
func matches(pattern, path string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if want[i] != got[i] && !strings.HasPrefix(want[i], "{") {
			return false
		}
	}
	return true
}

func token(s string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(s) }

func parsed(t testing.TB, text []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// at walks into a document; nil where there is nothing.
func at(v any, path ...string) any {
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

// TestDescriptionsOfSecretsAndBodies: a create makes a secret where none was
// sent, a change keeps the one before; and a body is as large as it may be.
func TestDescriptionsOfSecretsAndBodies(t *testing.T) {
	t.Parallel()
	docs := map[string]any{}
	for _, d := range documented.Descriptions(1 << 20) {
		docs[d.Name] = parsed(t, describe(t, d).JSON())
	}
	for _, c := range []struct{ name, schema, want string }{
		{"placaflow", "WebhookCreate", "left out, null or empty: the server makes one"}, {"placaflow", "WebhookChange", "left out, null or empty: the one before stays"},
		{"gabinete360", "ChannelConfigCreate", "left out, null or empty: the server makes one"}, {"gabinete360", "ChannelConfigChange", "left out, null or empty: the one before stays"},
	} {
		text, _ := at(docs[c.name], "components", "schemas", c.schema, "properties", "secret", "description").(string)
		if !strings.Contains(text, c.want) {
			t.Errorf("%s, %s: %q", c.name, c.schema, text)
		}
	}
	for path, want := range map[string]string{
		"/api/webhooks/{userId}/{secret}": "At most 1064960 bytes of JSON.", "/api/webhooks": "At most 65536 bytes of JSON.",
	} {
		if text := at(docs["tarefa"], "paths", path, "post", "requestBody", "description"); text != want {
			t.Errorf("%s: %v, want %s", path, text, want)
		}
	}
}
