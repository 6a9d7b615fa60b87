package api

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Description is an API beside the native one, as OpenAPI 3.1 describes it
// under /openapi/{name}.json and, for people, under /docs/{name}.
type Description struct {
	Name        string // of the contract, as it stands in the path
	Title, Text string
	Key         string // what its keys look like, and whose they are
	KeyForm     string // how they begin
	Operations  []Operation
	Types       map[string]TypeWords  // by the type's name in Go
	Fields      map[string]FieldWords // by type and field, or ".field" for every type
	Parameters  map[string]FieldWords
	Error       reflect.Type                // the body of everything that is not a success
	Problems    map[int]string              // in words, by status
	Values      map[reflect.Type]FieldWords // types that write themselves as one JSON value
}

// Operation is one method on one path.
type Operation struct {
	Method, Pattern string
	ID, Summary     string
	Text            string
	Own             bool   // not in the company's documentation
	Scope           string // of the key; empty: it takes none
	Status          int    // of the success
	In, Query, Out  reflect.Type
	Body            int64     // limit in bytes; 0: none is read
	Input           TypeWords // where In stands for two things
	Example         string    // a body, in JSON
	Problems        []int
	Headers         []string // that it reads, besides the key
}

// TypeWords say of a type what Go does not.
type TypeWords struct {
	Name, Text string
	Required   []string             // of an input; nil: the fields say
	Within     map[string]TypeWords // of the objects in it, by field, where they stand for two things
}

func (w TypeWords) words() typeWords {
	out := typeWords{name: w.Name, text: w.Text, required: w.Required}
	for name, in := range w.Within {
		if out.within == nil {
			out.within = map[string]typeWords{}
		}
		out.within[name] = in.words()
	}
	return out
}

// FieldWords say of a field, a parameter or a header what its type does not.
// Lengths are characters; items are those of an array, or members of an object.
type FieldWords struct {
	Text                 string
	Never                bool // null, though the type could be
	Format, Pattern      string
	Enum                 []string
	Type                 any // of JSON, where Go's is another; a name or several
	Min, Max             *int
	MinLength, MaxLength *int
	MinItems, MaxItems   *int
	Default              any
	Names, Values        string // forms of the members of an object
}

func (w FieldWords) words() fieldWords {
	return fieldWords{
		text: w.Text, always: w.Never, format: w.Format, pattern: w.Pattern, enum: w.Enum, min: w.Min, max: w.Max,
		minLength: w.MinLength, maxLength: w.MaxLength, minItems: w.MinItems, maxItems: w.MaxItems, standard: w.Default, names: w.Names, values: w.Values,
	}
}

// Described is a description as it is served.
type Described struct {
	ref     *reference
	Missing []string // types, fields and parameters without words
	Unused  []string // words of nothing
}

// JSON is the OpenAPI document.
func (d *Described) JSON() []byte { return d.ref.json.body }

// HTML is the page.
func (d *Described) HTML() []byte { return d.ref.html.body }

// Describe makes the document and the page of an API.
func Describe(d *Description) (*Described, error) { return describe(d, "") }

func describe(d *Description, public string) (*Described, error) {
	b := &documenter{public: public, shaper: shaper{
		used: map[string]bool{}, types: map[string]typeWords{}, fields: map[string]fieldWords{}, open: true,
		parameters: map[string]fieldWords{}, values: map[reflect.Type]FieldWords{},
	}}
	for name, w := range d.Types {
		b.types[name] = w.words()
	}
	for name, w := range d.Fields {
		b.fields[name] = w.words()
	}
	for name, w := range d.Parameters {
		b.parameters[name] = w.words()
	}
	b.values = d.Values
	ref, err := b.render(b.described(d), "../openapi/"+d.Name+".json")
	if err != nil {
		return nil, err
	}
	out := &Described{ref: ref, Missing: b.missing}
	for name := range d.Fields {
		if !b.used[name] {
			out.Unused = append(out.Unused, name)
		}
	}
	slices.Sort(out.Unused)
	return out, nil
}

const (
	tagTheirs = "As documented"
	tagOwn    = "Ours (†)"
)

func (b *documenter) described(d *Description) *document {
	doc := &document{
		OpenAPI: "3.1.0",
		Servers: b.servers(),
		Tags: []documentTag{
			{tagTheirs, "The calls of the company's own documentation."},
			{tagOwn, "† Calls that the company's documentation does not have: siblings of ours, in its style."},
		},
	}
	doc.Info.Title, doc.Info.Version, doc.Info.Description = d.Title, "v1", d.Text
	doc.Info.License.Name, doc.Info.License.Identifier = license, licenseID
	for i := range d.Operations {
		op := &d.Operations[i]
		doc.add(op.Pattern, op.Method, b.call(d, op))
	}
	headers := sharedHeaders()
	doc.Components = components{
		Schemas: b.made, Headers: ordered[*headerObject]{headers[0], headers[1]},
		Security: ordered[securityScheme]{{"customerKey", securityScheme{"http", "bearer", d.KeyForm, d.Key}}},
	}
	if !slices.ContainsFunc(d.Operations, func(o Operation) bool { return o.Own }) {
		doc.Tags = doc.Tags[:1]
	}
	return doc
}

func (b *documenter) call(d *Description, o *Operation) *operation {
	op := &operation{ID: o.ID, Tags: []string{tagTheirs}, Summary: o.Summary, Description: o.Text, Security: []map[string][]string{}, Own: o.Own}
	if o.Own {
		op.Tags[0] = tagOwn
		op.Summary += " †"
		op.Description = joined(op.Description, "† Ours: the company's documentation does not have this call.")
	}
	if o.Scope != "" {
		op.Security = append(op.Security, map[string][]string{"customerKey": {o.Scope}})
		op.Description = joined(op.Description, "Needs the scope "+o.Scope+".")
	}
	for _, name := range pathParameters(o.Pattern) {
		op.Parameters = append(op.Parameters, b.parameter(name, "path", &schema{Type: "string"}))
	}
	if o.Query != nil {
		for f := range o.Query.Fields() {
			op.Parameters = append(op.Parameters, b.parameter(f.Tag.Get("query"), "query", b.of(f.Type, true)))
		}
	}
	for _, name := range o.Headers {
		p := b.parameter(name, "header", &schema{Type: "string"})
		p.Required = true
		op.Parameters = append(op.Parameters, p)
	}
	if o.In != nil {
		op.Body = b.body(&route{action: action{in: o.In}, body: o.Body}, routeWords{in: o.Input.words(), example: o.Example})
	}
	requestID := ordered[*headerObject]{{"X-Request-Id", &headerObject{Ref: "#/components/headers/RequestId"}}}
	ok := &response{Description: http.StatusText(o.Status), Headers: requestID}
	if o.Out != nil {
		ok.Content = ordered[mediaType]{{"application/json", mediaType{Schema: b.output(o.Out)}}}
	}
	op.Responses = append(op.Responses, member[*response]{strconv.Itoa(o.Status), ok})
	problems := slices.Clone(o.Problems)
	slices.Sort(problems)
	for _, status := range slices.Compact(problems) {
		text := d.Problems[status]
		if text == "" {
			b.missing = append(b.missing, "status "+strconv.Itoa(status))
		}
		r := &response{
			Description: text, Headers: requestID,
			Content: ordered[mediaType]{{"application/json", mediaType{Schema: b.output(d.Error)}}},
		}
		if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
			r.Headers = append(slices.Clone(requestID), member[*headerObject]{"Retry-After", &headerObject{Ref: "#/components/headers/RetryAfter"}})
		}
		op.Responses = append(op.Responses, member[*response]{strconv.Itoa(status), r})
	}
	return op
}

// openAPIOf answers with the document of a company's API.
func (s *server) openAPIOf(c *call) error {
	name, ok := strings.CutSuffix(c.r.PathValue("document"), ".json")
	return s.describedPage(c, name, ok, isJSON, func(d *Described) *page { return d.ref.json })
}

// docsPageOf answers with the page of a company's API.
func (s *server) docsPageOf(c *call) error {
	return s.describedPage(c, c.r.PathValue("contract"), true, []string{"text/html; charset=utf-8"}, func(d *Described) *page { return d.ref.html })
}

func (s *server) describedPage(c *call, name string, ok bool, media []string, of func(*Described) *page) error {
	make := s.described[name]
	if make == nil || !ok {
		return kindNotFound.problem("no API with a description has this name").
			fixed("Use one of %s; this server's own API is described at /docs and /openapi.json.", strings.Join(slices.Sorted(maps.Keys(s.described)), ", "))
	}
	d, err := make()
	if err != nil {
		return err
	}
	c.page(of(d), media)
	return nil
}
