package api

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/malote-dev/malote/internal/store"
)

//go:generate go test -run ^TestDocsAreTrue$ -update .
//go:generate go test -run ^TestDocumentIsCommitted$ -update .

// reference is the API described from its table of routes, for programs and
// for people.
type reference struct {
	document *document
	json     *page
	html     *page
	missing  []string // what nobody described
}

// page is an answer that is the same for everybody.
type page struct {
	body   []byte
	etag   string
	policy string // Content-Security-Policy
}

func newPage(body []byte, policy string) *page {
	sum := sha256.Sum256(body)
	return &page{body: body, etag: `"` + hex.EncodeToString(sum[:12]) + `"`, policy: policy}
}

func newReference(routes []*route, public string) (*reference, error) {
	b := newDocumenter()
	b.public = public
	return b.render(b.document(routes), "openapi.json")
}

// newDocumenter writes the native API's document.
func newDocumenter() *documenter {
	return &documenter{shaper: shaper{used: map[string]bool{}, types: typesWords, fields: fieldsWords, parameters: parametersWords}}
}

// render makes both pages; link leads from the one for people to the other.
func (b *documenter) render(d *document, link string) (*reference, error) {
	text, err := encode(d)
	if err != nil {
		return nil, fmt.Errorf("encode the description of the API: %w", err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, text, "", " "); err != nil {
		return nil, fmt.Errorf("encode the description of the API: %w", err)
	}
	html, err := renderReference(d, link)
	if err != nil {
		return nil, fmt.Errorf("render the description of the API: %w", err)
	}
	return &reference{document: d, json: newPage(indented.Bytes(), "default-src 'none'"), html: html, missing: b.missing}, nil
}

func (s *server) openAPI(c *call) error {
	ref, err := s.reference()
	if err != nil {
		return err
	}
	c.page(ref.json, isJSON)
	return nil
}

func (s *server) docsPage(c *call) error {
	ref, err := s.reference()
	if err != nil {
		return err
	}
	c.page(ref.html, []string{"text/html; charset=utf-8"})
	return nil
}

// page answers with a page, or says that the caller has it already.
func (c *call) page(p *page, contentType []string) {
	h := c.w.Header()
	h.Set("Cache-Control", "no-cache") // keep it, and ask whether it is still true
	h.Set("ETag", p.etag)
	h.Set("Content-Security-Policy", p.policy)
	h.Set("Referrer-Policy", "no-referrer")
	if known(c.r.Header.Get("If-None-Match"), p.etag) {
		c.status = http.StatusNotModified
		c.w.WriteHeader(c.status)
		return
	}
	c.write(contentType, p.body)
}

// known reports whether a list of entity tags has one, compared weakly (RFC 9110, 13.1.2).
func known(list, etag string) bool {
	for tag := range strings.SplitSeq(list, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}
	return false
}

// documenter writes the document.
type documenter struct {
	shaper
	public string // URL of the server; empty: where the document was read
	routes []*route
	route  string // operationId of the one under way
}

// servers says where the API is.
func (b *documenter) servers() []documentServer {
	return []documentServer{{URL: cmp.Or(b.public, "/"), Description: "This server"}}
}

func (b *documenter) document(routes []*route) *document {
	d := &document{
		OpenAPI: "3.1.0",
		Servers: b.servers(),
		Tags:    tags,
		notes:   documentNotes(),
	}
	b.routes = routes
	d.Info.Title, d.Info.Version = "Malote", "v1"
	d.Info.Description = "Webhook infrastructure: send events, and every endpoint that wants them gets them, signed, in time, and again until they arrive. " +
		"What a route does not know is refused: unknown fields, fields given twice, unknown parameters, wrong types."
	d.intro = d.Info.Description
	for _, n := range d.notes {
		d.Info.Description += "\n\n**" + n.Name + ".** " + n.Text
	}
	d.Info.License.Name, d.Info.License.Identifier = license, licenseID
	for _, rt := range routes {
		d.add(rt.pattern, rt.method, b.operation(rt))
	}
	fault := b.output(reflect.TypeFor[problem]())
	d.Components = components{
		Schemas: b.made, Responses: problemResponses(fault), Headers: sharedHeaders(),
		Parameters: ordered[parameterObject]{{"IdempotencyKey", parameterObject{
			Name: "Idempotency-Key", In: "header",
			Description: "Makes repeating the request safe: with the same key and the same body nothing new is made, and the first answer comes again.",
			Schema:      &schema{Type: "string", MinLength: new(1), MaxLength: new(256), Pattern: "^[ -~]+$"},
		}}},
		Security: ordered[securityScheme]{
			{"projectKey", securityScheme{"http", "bearer", "mlt_prod_… or mlt_dev_…", "A key of a project, or of one of its consumers. Each operation names the scope that it needs; * has all of them."}},
			{"portalToken", securityScheme{"http", "bearer", "mlt_portal_…", "The token of a portal session: short-lived, of one consumer. Each operation that it may names the access that it needs; manage includes read."}},
			{"rootKey", securityScheme{"http", "bearer", "mlt_root_…", "A root key, from `malote key root` or POST /v1/keys: it makes projects and their keys, and can do nothing else."}},
		},
	}
	return d
}

func (b *documenter) operation(rt *route) *operation {
	words, ok := routesWords[rt.method+" "+rt.pattern]
	if !ok {
		b.missing = append(b.missing, "route "+rt.method+" "+rt.pattern)
	}
	b.route = words.id
	op := &operation{ID: words.id, Tags: []string{words.tag}, Summary: rt.summary, Description: words.text, Security: []map[string][]string{}}
	switch rt.scope {
	case public:
	case root:
		op.Security = append(op.Security, map[string][]string{"rootKey": {}})
		op.Description = joined(op.Description, "Needs a root key.")
	case anyKey:
		op.Security = append(op.Security, map[string][]string{"projectKey": {}}, map[string][]string{"portalToken": {}}, map[string][]string{"rootKey": {}})
		op.Description = joined(op.Description, "Any key will do, and a portal session's token.")
	default:
		op.Security = append(op.Security, map[string][]string{"projectKey": {string(rt.scope)}})
		op.Description = joined(op.Description, "Needs the scope "+string(rt.scope)+".")
		if rt.root {
			op.Security = append(op.Security, map[string][]string{"rootKey": {}})
			op.Description = joined(op.Description, "A root key may, too.")
		}
		if rt.whole {
			op.Description = joined(op.Description, "A key of one consumer may not.")
		}
		if access := rt.portalAccess(); access != "" {
			op.Security = append(op.Security, map[string][]string{"portalToken": {string(access)}})
			op.Description = joined(op.Description, "A portal session with the access "+string(access)+" may, too.")
		}
	}
	for _, name := range pathParameters(rt.pattern) {
		op.Parameters = append(op.Parameters, b.parameter(name, "path", &schema{Type: "string"}))
	}
	if rt.query != nil {
		for i := range rt.query.NumField() {
			op.Parameters = append(op.Parameters, b.queryParameter(rt.query.Field(i)))
		}
	}
	if rt.once {
		op.Parameters = append(op.Parameters, parameterObject{Ref: "#/components/parameters/IdempotencyKey"})
	}
	if rt.in != nil {
		op.Body = b.body(rt, words)
	}
	op.Responses = b.responses(rt, words)
	return op
}

func joined(a, b string) string { return strings.TrimSpace(a + " " + b) }

// pathParameters are the names in a pattern.
func pathParameters(pattern string) (names []string) {
	for part := range strings.SplitSeq(pattern, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			names = append(names, strings.TrimSuffix(name, "}"))
		}
	}
	return names
}

func (b *documenter) queryParameter(f reflect.StructField) parameterObject {
	s := b.of(f.Type, true)
	if f.Type == reflect.TypeFor[string]() || f.Type == reflect.TypeFor[store.ID]() {
		s.MinLength, s.MaxLength = new(1), new(maxParameter)
	}
	if f.Type == reflect.TypeFor[string]() {
		s.Pattern = textForm
	}
	if prefix := f.Tag.Get("prefix"); prefix != "" {
		s.MinLength, s.MaxLength, s.Pattern = nil, nil, wireIDPattern(prefix)
	}
	return b.parameter(f.Tag.Get("query"), "query", s)
}

func (b *documenter) parameter(name, in string, s *schema) parameterObject {
	w, ok := b.parameters[b.route+"."+name]
	if !ok {
		w, ok = b.parameters[name]
	}
	if !ok {
		b.missing = append(b.missing, "parameter "+name)
	}
	if w.enum != nil || w.pattern != "" { // these say it
		s.MinLength, s.MaxLength, s.Pattern = nil, nil, ""
	}
	if w.pattern != "" {
		s.Pattern = w.pattern
	}
	if in == "path" {
		s.MinLength, s.MaxLength = w.minLength, w.maxLength
	}
	s.Default, s.Minimum, s.Maximum = w.standard, w.min, w.max
	for _, v := range w.enum {
		s.Enum = append(s.Enum, v)
	}
	return parameterObject{Name: name, In: in, Required: in == "path", Description: w.text, Schema: s}
}

func (b *documenter) body(rt *route, words routeWords) *requestBody {
	media := mediaType{Schema: b.input(rt.in, words.in)}
	if words.example != "" {
		media.Example = json.RawMessage(words.example)
	}
	return &requestBody{
		Description: fmt.Sprintf("At most %d bytes of JSON.", rt.body),
		Required:    !allOptional(rt.in),
		Content:     ordered[mediaType]{{"application/json", media}},
	}
}

func (b *documenter) responses(rt *route, words routeWords) (out ordered[*response]) {
	headers := ordered[*headerObject]{{"X-Request-Id", &headerObject{Ref: "#/components/headers/RequestId"}}}
	if rt.once && rt.pattern != "/v1/events" && rt.pattern != "/v1/events/batch" {
		headers = append(headers, member[*headerObject]{"Idempotent-Replayed", &headerObject{Ref: "#/components/headers/IdempotentReplayed"}})
	}
	for _, status := range append([]int{rt.status}, words.also...) {
		ok := &response{Description: http.StatusText(status), Headers: headers}
		switch {
		case status == http.StatusNotModified, status == http.StatusNoContent: // have no body
		case rt.out != nil:
			ok.Content = ordered[mediaType]{{"application/json", mediaType{Schema: b.output(rt.out), Example: b.exampleAnswer(rt, status)}}}
		case words.media != "":
			ok.Content = ordered[mediaType]{{words.media, mediaType{Schema: &schema{Type: "string"}}}}
		default:
			ok.Content = ordered[mediaType]{{"application/json", mediaType{Schema: &schema{Type: "object"}}}}
		}
		out = append(out, member[*response]{strconv.Itoa(status), ok})
	}
	problems := rt.problemsOf(words)
	slices.Sort(problems)
	for _, status := range slices.Compact(problems) {
		name := strconv.Itoa(status)
		if words.pages {
			out = append(out, member[*response]{name, problemPage(status, words.media)})
			continue
		}
		out = append(out, member[*response]{name, &response{Ref: "#/components/responses/" + problemName(status)}})
	}
	return out
}

func problemName(status int) string {
	return strings.NewReplacer(" ", "", "-", "").Replace(http.StatusText(status))
}

// problemPage is a problem that people read.
func problemPage(status int, media string) *response {
	r := &response{
		Description: http.StatusText(status) + ", in words.",
		Headers:     ordered[*headerObject]{{"X-Request-Id", &headerObject{Ref: "#/components/headers/RequestId"}}},
		Content:     ordered[mediaType]{{media, mediaType{Schema: &schema{Type: "string"}}}},
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		r.Headers = append(r.Headers, member[*headerObject]{"Retry-After", &headerObject{Ref: "#/components/headers/RetryAfter"}})
	}
	return r
}

// problemResponses has one response for each status that is a problem.
func problemResponses(fault *schema) (out ordered[*response]) {
	titles := map[int]string{
		400: "The request has not the shape of this route.", 401: "No key, or not one that is in force.",
		403: "The key lacks the scope, or acts for another consumer.", 404: "No such thing in this project.",
		408: "The body came too slowly.", 409: "Not possible in the present state, or the Idempotency-Key was used with another request.",
		413: "The body is too large.", 415: "The body has a Content-Encoding.", 422: "A value is missing or refused.",
		429: "Too many requests.", 500: "The server failed.", 503: "The server cannot do this now.",
	}
	for _, status := range slices.Sorted(maps.Keys(titles)) {
		r := &response{
			Description: titles[status],
			Headers:     ordered[*headerObject]{{"X-Request-Id", &headerObject{Ref: "#/components/headers/RequestId"}}},
			Content:     ordered[mediaType]{{"application/problem+json", mediaType{Schema: fault, Example: exampleProblem(status)}}},
		}
		if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
			r.Headers = append(r.Headers, member[*headerObject]{"Retry-After", &headerObject{Ref: "#/components/headers/RetryAfter"}})
		}
		out = append(out, member[*response]{problemName(status), r})
	}
	return out
}

func sharedHeaders() ordered[*headerObject] {
	return ordered[*headerObject]{
		{"RequestId", &headerObject{Description: "The id of the request; the server's log has the same.", Schema: &schema{Type: "string", Pattern: idPattern("req_")}}},
		{"RetryAfter", &headerObject{Description: "Seconds to wait.", Schema: &schema{Type: "integer", Minimum: new(0)}}},
		{"IdempotentReplayed", &headerObject{Description: "true: this is the first answer to this Idempotency-Key once more.", Schema: &schema{Type: "string", Const: "true"}}},
	}
}
