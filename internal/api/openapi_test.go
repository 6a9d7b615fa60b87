package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write docs/openapi.json anew")

const documentPath = "../../docs/openapi.json"

// referenceOf is the description of the API as a server with its defaults has it.
func referenceOf(t testing.TB, st *site) *reference {
	t.Helper()
	ref, err := st.server.reference()
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// TestDocumentIsCommitted: docs/openapi.json is what the code says. To write
// it anew: go generate ./internal/api
func TestDocumentIsCommitted(t *testing.T) {
	t.Parallel()
	ref := referenceOf(t, setup(t))
	if *update {
		if err := os.WriteFile(documentPath, ref.json.body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, ref.json.body) {
		t.Error("docs/openapi.json is not what the routes say; run go generate ./internal/api and look at what changed")
	}
}

// TestDocumentsNameTheServer: where it is known, under its public URL.
func TestDocumentsNameTheServer(t *testing.T) {
	t.Parallel()
	st := setup(t)
	ref, err := newReference(st.server.routes(), "https://webhooks.example.com")
	if err != nil {
		t.Fatal(err)
	}
	other, err := describe(&Description{Name: "x"}, "https://webhooks.example.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []*document{ref.document, other.ref.document} {
		if len(d.Servers) != 1 || d.Servers[0].URL != "https://webhooks.example.com" {
			t.Errorf("servers are %v", d.Servers)
		}
	}
}

// TestEverythingIsDescribed: no route, type, field and parameter without its
// words, and no words for what is not there.
func TestEverythingIsDescribed(t *testing.T) {
	t.Parallel()
	st := setup(t)
	b := newDocumenter()
	d := b.document(st.server.routes())
	if len(b.missing) > 0 {
		t.Errorf("not described: %v", b.missing)
	}
	for key := range fieldsWords {
		if !b.used[key] {
			t.Errorf("no field is %s", key)
		}
	}
	var names []string
	for _, rt := range st.server.routes() {
		names = append(names, rt.method+" "+rt.pattern)
	}
	for key, words := range routesWords {
		if !slices.Contains(names, key) {
			t.Errorf("no route is %s", key)
		}
		if !slices.ContainsFunc(tags, func(tag documentTag) bool { return tag.Name == words.tag }) || words.id == "" {
			t.Errorf("%s: %+v", key, words)
		}
	}
	var parameters []string
	for _, path := range d.Paths {
		for _, op := range path.Value {
			for _, p := range op.Value.Parameters {
				parameters = append(parameters, p.Name, op.Value.ID+"."+p.Name)
			}
		}
	}
	for name := range parametersWords {
		if !slices.Contains(parameters, name) {
			t.Errorf("no parameter is %s", name)
		}
	}
	for key, w := range fieldsWords {
		if w.text == "" {
			t.Errorf("%s has no words", key)
		}
	}
}

// TestDocumentIsTheRouter: every route is in the document, with its key, its
// body and its success, and nothing else is.
func TestDocumentIsTheRouter(t *testing.T) {
	t.Parallel()
	st := setup(t)
	d := referenceOf(t, st).document
	seen := 0
	ids := map[string]bool{}
	for _, rt := range st.server.routes() {
		op := d.Paths.get(rt.pattern).get(strings.ToLower(rt.method))
		if op == nil {
			t.Errorf("%s %s is not in the document", rt.method, rt.pattern)
			continue
		}
		seen++
		if ids[op.ID] {
			t.Errorf("the operationId %q stands twice", op.ID)
		}
		ids[op.ID] = true
		if (op.Body != nil) != (rt.body > 0) || op.Responses.get(strconv.Itoa(rt.status)) == nil || (len(op.Security) == 0) != (rt.scope == public) {
			t.Errorf("%s %s: %+v", rt.method, rt.pattern, op)
		}
		for _, m := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(rt.pattern, -1) {
			if !slices.ContainsFunc(op.Parameters, func(p parameterObject) bool { return p.In == "path" && p.Name == m[1] && p.Required }) {
				t.Errorf("%s %s: {%s} is not declared", rt.method, rt.pattern, m[1])
			}
		}
		// What the mux makes of a path of this pattern is this route.
		path := regexp.MustCompile(`\{\w+\}`).ReplaceAllString(rt.pattern, "x")
		req, err := http.NewRequestWithContext(t.Context(), rt.method, path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		h, _ := st.server.mux.Handler(req)
		if res, ok := h.(*resource); !ok || res.methods[rt.method] == nil || res.methods[rt.method].pattern != rt.pattern {
			t.Errorf("%s %s is not what the mux finds", rt.method, rt.pattern)
		}
	}
	for _, path := range d.Paths {
		seen -= len(path.Value)
	}
	if seen != 0 {
		t.Errorf("the document has %d operations that are no routes", -seen)
	}
}

// TestDocumentIsOpenAPI validates the document against the schema of OpenAPI
// 3.1 (testdata/openapi-3.1.json, of the OpenAPI Initiative), resolves every
// reference, and compiles every schema.
func TestDocumentIsOpenAPI(t *testing.T) {
	t.Parallel()
	doc := parseJSON(t, referenceOf(t, setup(t)).json.body)
	text, err := os.ReadFile("testdata/openapi-3.1.json")
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("https://spec.openapis.org/oas/3.1", parseJSON(t, text)); err != nil {
		t.Fatal(err)
	}
	meta, err := c.Compile("https://spec.openapis.org/oas/3.1")
	if err != nil {
		t.Fatal(err)
	}
	if err := meta.Validate(doc); err != nil {
		t.Errorf("%#v", err)
	}
	if err := meta.Validate(map[string]any{"openapi": "3.1.0"}); err == nil {
		t.Error("anything passes")
	}
	ck, err := newChecker(doc)
	if err != nil {
		t.Fatal(err)
	}
	refs := 0
	eachRef(doc, func(ref string) {
		refs++
		if ck.at(ref) == nil {
			t.Errorf("%s leads nowhere", ref)
		}
	})
	schemas, _ := ck.at("#/components/schemas").(map[string]any)
	if refs < 100 || len(schemas) < 30 {
		t.Errorf("%d references, %d schemas", refs, len(schemas))
	}
	for name := range schemas {
		if _, err := ck.schema("#/components/schemas/" + name); err != nil {
			t.Error(err)
		}
	}
}

// TestExamplesAreTrue: the example of each body passes its schema.
func TestExamplesAreTrue(t *testing.T) {
	t.Parallel()
	st := setup(t)
	ck, err := newChecker(parseJSON(t, referenceOf(t, st).json.body))
	if err != nil {
		t.Fatal(err)
	}
	for _, rt := range st.server.routes() {
		if rt.in == nil {
			continue
		}
		at := "#/paths/" + token(rt.pattern) + "/" + strings.ToLower(rt.method) + "/requestBody/content/application~1json"
		if example := ck.at(at + "/example"); example != nil {
			ck.validate(t, at+"/schema", example)
		} else if rt.body > noBody {
			t.Errorf("%s %s has no example", rt.method, rt.pattern)
		}
	}
}

// checker holds answers against the document.
type checker struct {
	doc      any
	mu       sync.Mutex // over the compiler
	compiler *jsonschema.Compiler
}

func newChecker(doc any) (*checker, error) {
	ck := &checker{doc: doc, compiler: jsonschema.NewCompiler()}
	ck.compiler.AssertFormat()
	return ck, ck.compiler.AddResource("https://malote.test/openapi.json", doc)
}

func (ck *checker) schema(ref string) (*jsonschema.Schema, error) {
	ck.mu.Lock()
	defer ck.mu.Unlock()
	return ck.compiler.Compile("https://malote.test/openapi.json" + strings.NewReplacer("{", "%7B", "}", "%7D").Replace(ref))
}

func (ck *checker) validate(t testing.TB, ref string, value any) {
	t.Helper()
	s, err := ck.schema(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(value); err != nil {
		text, _ := json.Marshal(value)
		t.Errorf("%s: %v\n%s", ref, err, text)
	}
}

// at finds what a reference leads to; nil: nothing.
func (ck *checker) at(ref string) any {
	v := ck.doc
	for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]
	}
	return v
}

// committed checks against docs/openapi.json, which another test holds true.
var committed = sync.OnceValues(func() (*checker, error) {
	text, err := os.ReadFile(documentPath)
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return newChecker(doc)
})

// declared checks each answer that a test gets against the document.
func (st *site) declared(a *answer, req *http.Request) {
	a.t.Helper()
	h, _ := st.server.mux.Handler(req)
	res, ok := h.(*resource)
	if !ok || res.methods == nil || a.status == http.StatusMethodNotAllowed || a.status == http.StatusNotModified || req.Method == http.MethodOptions {
		return // no route's
	}
	rt := res.methods[req.Method]
	if _, described := routesWords[rt.method+" "+rt.pattern]; described && path.Clean(req.URL.EscapedPath()) == req.URL.EscapedPath() {
		ck, err := committed()
		if err != nil {
			a.t.Fatal(err)
		}
		ck.answer(a, rt)
	}
}

// answer checks that an answer is one that its operation declares: the status,
// the type of its content, its headers and its body.
func (ck *checker) answer(a *answer, rt *route) {
	a.t.Helper()
	at := "#/paths/" + token(rt.pattern) + "/" + strings.ToLower(rt.method) + "/responses/" + strconv.Itoa(a.status)
	declared, ok := ck.at(at).(map[string]any)
	if !ok {
		a.t.Errorf("%s: the document knows no %d: %s", a.what, a.status, a.body)
		return
	}
	if ref, ok := declared["$ref"].(string); ok {
		at = ref
		declared, _ = ck.at(ref).(map[string]any)
	}
	if a.header.Get("X-Request-Id") == "" {
		a.t.Errorf("%s: no request id", a.what)
	}
	headers, _ := declared["headers"].(map[string]any)
	for _, name := range []string{"Retry-After", "Idempotent-Replayed"} {
		if a.header.Get(name) != "" && headers[name] == nil {
			a.t.Errorf("%s: the document knows no header %s with %d", a.what, name, a.status)
		}
	}
	if a.status == http.StatusNoContent {
		if len(a.body) > 0 || declared["content"] != nil {
			a.t.Errorf("%s: a 204 with a body", a.what)
		}
		return
	}
	media, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	content := at + "/content/" + token(media)
	if ck.at(content) == nil {
		a.t.Errorf("%s: the document knows no %s with %d", a.what, media, a.status)
		return
	}
	if strings.HasSuffix(media, "json") && len(a.body) > 0 {
		ck.validate(a.t, content+"/schema", parseJSON(a.t, a.body))
	}
}

func token(s string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(s) }

func parseJSON(t testing.TB, text []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

func eachRef(v any, f func(string)) {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			f(ref)
		}
		for _, m := range v {
			eachRef(m, f)
		}
	case []any:
		for _, m := range v {
			eachRef(m, f)
		}
	}
}

// TestAnswersAreDeclared drives every route once; as every answer that a test
// gets, these are held against the document. What the document declares and
// no answer may ever be is shown to be refused.
func TestAnswersAreDeclared(t *testing.T) {
	t.Parallel()
	st := setup(t)
	g := st.stage("standard")
	for _, rt := range st.inOrder() {
		as := g.full
		if rt.scope == root {
			as = st.root
		}
		if rt.pattern == "/v1/replays/{id}/cancel" || rt.method+rt.pattern == "DELETE/v1/projects/{id}" {
			prepare[rt.method+" "+rt.pattern](st, g)
		}
		st.do(as, rt.method, g.path(rt.pattern), bodyFor(rt.method+" "+rt.pattern)).want(rt.status)
	}

	ck, err := committed()
	if err != nil {
		t.Fatal(err)
	}
	s, err := ck.schema("#/components/schemas/Health")
	if err != nil {
		t.Fatal(err)
	}
	for text, ok := range map[string]bool{
		`{"status":"ok","version":"1"}`: true, `{"status":"ok"}`: false, `{"status":"ok","version":1}`: false,
		`{"status":"ok","version":"1","more":1}`: false, `{"status":"well","version":"1"}`: false,
	} {
		if err := s.Validate(parseJSON(t, []byte(text))); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestReferenceIsServed: the document and the page, with entity tags and a
// policy that lets nothing in but the page's own style.
func TestReferenceIsServed(t *testing.T) {
	t.Parallel()
	st := setup(t)
	ref := referenceOf(t, st)
	for path, p := range map[string]*page{"/openapi.json": ref.json, "/docs": ref.html} {
		a := st.do("", "GET", path, nil).want(200)
		etag := a.header.Get("ETag")
		if !bytes.Equal(a.body, p.body) || etag == "" || a.header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %v", path, a.header)
		}
		for _, tags := range []string{etag, `"x", W/` + etag, "*"} {
			again := st.do("", "GET", path, nil, "If-None-Match", tags).want(http.StatusNotModified)
			if len(again.body) > 0 || again.header.Get("ETag") != etag || again.header.Get("Content-Length") != "" {
				t.Errorf("%s with %s: %v %s", path, tags, again.header, again.body)
			}
		}
		st.do("", "GET", path, nil, "If-None-Match", `"x"`).want(200)
	}
	html := string(ref.html.body)
	if !strings.Contains(html, "<summary>Problems: 400, 401, ") {
		t.Error("the page does not say which problems a route has")
	}
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(html)
	sum := sha256.Sum256([]byte(style[1]))
	if want := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(ref.html.policy, want) {
		t.Errorf("the policy %s does not let the style in: %s", ref.html.policy, want)
	}
	for _, rt := range st.server.routes() {
		if !strings.Contains(html, `<p class="route">`+rt.method+" "+rt.pattern+"</p>") {
			t.Errorf("%s %s is not on the page", rt.method, rt.pattern)
		}
	}
	for _, m := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(html, -1) {
		if !strings.Contains(html, `id="`+m[1]+`"`) {
			t.Errorf("#%s leads nowhere", m[1])
		}
	}
	for _, alien := range []string{"<script", "<link", "<img", "src=", " style=", "https://fonts", "@import", "url("} {
		if strings.Contains(html, alien) {
			t.Errorf("the page has %s", alien)
		}
	}
}
