package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/rawjson"
	schemas "github.com/malote-dev/malote/internal/schema"
	"github.com/malote-dev/malote/internal/store"
)

// importName cannot be the name of a type: its path is taken.
const importName = "import"

// What one import may cost.
const (
	importNodes = 4_000_000 // values of JSON that are copied, over all types
	typeNodes   = 40_000    // of one type: more make no schema within its limit
	importBytes = 4 << 20   // of schemas, over all types
)

type importInput struct {
	OpenAPI  json.RawMessage  `json:"openapi"`
	DryRun   optional[bool]   `json:"dry_run"`
	Validate optional[bool]   `json:"validate"`
	DataAt   optional[string] `json:"data_at"`
}

func (*importInput) depth() int { return ingest.MaxDepth }

// imported is what became of a document.
type imported struct {
	DryRun    bool           `json:"dry_run"`
	Created   int            `json:"created"`
	Updated   int            `json:"updated"`
	Unchanged int            `json:"unchanged"`
	Skipped   int            `json:"skipped"`
	Results   []importedType `json:"results"`
}

// importedType is what became of one webhook of it.
type importedType struct {
	Name    string `json:"name"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"`
}

// What may become of a webhook of a document.
const (
	outcomeCreated   = "created"
	outcomeUpdated   = "updated"
	outcomeUnchanged = "unchanged"
	outcomeSkipped   = "skipped"
)

func (out *imported) add(name, outcome string, reason lang.Message, l lang.Language) {
	switch outcome {
	case outcomeCreated:
		out.Created++
	case outcomeUpdated:
		out.Updated++
	case outcomeUnchanged:
		out.Unchanged++
	case outcomeSkipped:
		out.Skipped++
	}
	out.Results = append(out.Results, importedType{Name: shorten(name), Outcome: outcome, Reason: reason.In(l)})
}

func (s *server) importEventTypes(c *call, in *importInput) (imported, error) {
	im, err := newImport(in)
	if err != nil {
		return imported{}, err
	}
	if l := c.language(); l != lang.English {
		c.w.Header()["Content-Language"] = []string{l.Tag()}
		c.w.Header()["Vary"] = byLanguage
	}
	out := imported{DryRun: in.DryRun.or(false), Results: []importedType{}}
	var changed []*store.EventType
	for _, name := range slices.Sorted(maps.Keys(im.webhooks)) {
		if err := c.r.Context().Err(); err != nil {
			return imported{}, err
		}
		made, why := im.eventType(name)
		if !why.IsZero() {
			out.add(name, outcomeSkipped, why, c.language())
			continue
		}
		was, err := s.store.EventType(c.r.Context(), c.key.ProjectID, name)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return imported{}, err
		}
		outcome, why := im.merge(made, was)
		if out.add(name, outcome, why, c.language()); outcome == outcomeCreated || outcome == outcomeUpdated {
			changed = append(changed, made)
		}
	}
	if out.DryRun {
		return out, nil
	}
	return out, eventTypeProblem(s.store.PutEventTypes(c.r.Context(), c.key.ProjectID, changed), "")
}

// importing is an OpenAPI document on its way to types.
type importing struct {
	doc      map[string]any
	webhooks map[string]any
	validate optional[bool]
	dataAt   []string // where the event's data stands in the bodies
	nodes    int      // left to copy
	bytes    int      // left for schemas
}

func newImport(in *importInput) (*importing, error) {
	im := &importing{validate: in.Validate, nodes: importNodes, bytes: importBytes}
	if in.OpenAPI == nil {
		return nil, field("/openapi", "is missing; send the OpenAPI document itself, as JSON")
	}
	d := json.NewDecoder(bytes.NewReader(in.OpenAPI))
	d.UseNumber()
	if err := d.Decode(&im.doc); err != nil {
		return nil, field("/openapi", "is not an OpenAPI document; send it as an object of JSON")
	}
	version, _ := im.doc["openapi"].(string)
	if !strings.HasPrefix(version, "3.1.") && !strings.HasPrefix(version, "3.2.") {
		return nil, field("/openapi/openapi", "is not 3.1: earlier versions have neither webhooks nor JSON Schema")
	}
	im.webhooks, _ = im.doc["webhooks"].(map[string]any)
	switch n := len(im.webhooks); {
	case n == 0:
		return nil, field("/openapi/webhooks", "is missing; event types are read from that section")
	case n > store.MaxEventTypes:
		return nil, field("/openapi/webhooks", "has %d webhooks; a project has at most %d event types", n, store.MaxEventTypes)
	}
	if in.DataAt.given() && in.DataAt.Value != "" {
		path, ok := pointerTokens(in.DataAt.Value)
		if !ok || len(path) > 8 {
			return nil, field("/data_at", `is not a JSON pointer into the bodies, as in "/data"`)
		}
		im.dataAt = path
	}
	return im, nil
}

func pointerTokens(pointer string) ([]string, bool) {
	if !strings.HasPrefix(pointer, "/") {
		return nil, false
	}
	tokens := strings.Split(pointer[1:], "/")
	for i, t := range tokens {
		tokens[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(t)
	}
	return tokens, true
}

// eventType makes a type of a webhook, or says why not.
func (im *importing) eventType(name string) (*store.EventType, lang.Message) {
	if why := ingest.CheckType(name); !why.IsZero() {
		return nil, lang.Text("its name %s", why)
	}
	if name == importName {
		return nil, lang.Text("its name is the path of another route")
	}
	operation := im.follow(im.follow(im.webhooks[name])["post"])
	if operation == nil {
		return nil, lang.Text("it has no operation post")
	}
	t := &store.EventType{Name: name, Description: textOf(operation)}
	t.Deprecated, _ = operation["deprecated"].(bool)
	tags, _ := operation["tags"].([]any)
	for _, tag := range tags[:min(len(tags), maxTags)] {
		if text, ok := tag.(string); ok && checkText(text, maxTag, true).IsZero() && !slices.Contains(t.Tags, text) {
			t.Tags = append(t.Tags, text)
		}
	}
	content, _ := im.follow(operation["requestBody"])["content"].(map[string]any)
	media, _ := content["application/json"].(map[string]any)
	if media == nil {
		return t, lang.Message{} // a type without a schema is one, too
	}
	return t, im.body(t, media)
}

// textOf is what an operation says about itself, as far as it fits.
func textOf(operation map[string]any) string {
	summary, _ := operation["summary"].(string)
	description, _ := operation["description"].(string)
	for _, text := range []string{strings.Join(strings.Fields(description), " "), summary} {
		if text != "" && checkText(text, maxDescription, false).IsZero() {
			return text
		}
	}
	return ""
}

// body reads schema and examples of the data.
func (im *importing) body(t *store.EventType, media map[string]any) lang.Message {
	if written, ok := media["schema"]; ok {
		source, why := im.schema(written)
		if !why.IsZero() {
			return why
		}
		t.Schema = source
	}
	for _, example := range im.examples(media) {
		text, err := json.Marshal(example)
		if err == nil && len(text) <= maxExampleBytes/maxExamples && len(t.Examples) < maxExamples && rawjson.Check(text, ingest.MaxDepth) == nil {
			t.Examples = append(t.Examples, text)
		}
	}
	if t.Schema == nil {
		return lang.Message{}
	}
	s, err := schemas.Compile(t.Schema)
	if p := new(schemas.Problem); errors.As(err, &p) {
		return lang.Text("its schema: %s %s", place(p.Pointer), p.Detail)
	}
	for i, e := range t.Examples {
		if found := s.Check(e, 1); len(found) > 0 {
			return lang.Text("its example %d does not fit its schema: %s %s", i, place(found[0].Pointer), found[0].Detail)
		}
	}
	return lang.Message{}
}

// examples of a media type: where the data stands in them.
func (im *importing) examples(media map[string]any) (out []any) {
	if one, ok := media["example"]; ok {
		out = append(out, one)
	}
	several, _ := media["examples"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(several)) {
		if value, ok := im.follow(several[name])["value"]; ok {
			out = append(out, value)
		}
	}
	for _, token := range im.dataAt {
		var inner []any
		for _, e := range out {
			if object, ok := e.(map[string]any); ok {
				if value, ok := object[token]; ok {
					inner = append(inner, value)
				}
			}
		}
		out = inner
	}
	return out
}

// follow gives an object, or what its $ref leads to within the document.
func (im *importing) follow(v any) map[string]any {
	for range 8 {
		object, _ := v.(map[string]any)
		ref, ok := object["$ref"].(string)
		if !ok {
			return object
		}
		path, ok := strings.CutPrefix(ref, "#")
		tokens, valid := pointerTokens(path)
		if !ok || !valid {
			return nil
		}
		v = im.doc
		for _, token := range tokens {
			parent, _ := v.(map[string]any)
			v = parent[token]
		}
	}
	return nil
}

// merge says what an import makes of a type that may be there already. What
// the document does not say stays.
func (im *importing) merge(made, was *store.EventType) (outcome string, why lang.Message) {
	made.Validate = im.validate.or(false) && made.Schema != nil
	if was == nil {
		return outcomeCreated, lang.Message{}
	}
	made.DescriptionPT = was.DescriptionPT
	if made.Deprecated {
		made.Deprecation, made.ReplacedBy = was.Deprecation, was.ReplacedBy
	}
	if !im.validate.given() {
		made.Validate = was.Validate
	}
	if made.Validate && made.Schema == nil {
		return outcomeSkipped, lang.Text("the type validates its data, and the document has no schema for it")
	}
	same := made.Description == was.Description && slices.Equal(made.Tags, was.Tags) && made.Deprecated == was.Deprecated &&
		bytes.Equal(made.Schema, was.Schema) && made.Validate == was.Validate &&
		slices.EqualFunc(made.Examples, was.Examples, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) })
	if same {
		return outcomeUnchanged, lang.Message{}
	}
	return outcomeUpdated, lang.Message{}
}

// standalone makes a schema that stands for itself: the components that it
// refers to, and those that they refer to, come along under $defs.
type standalone struct {
	im      *importing
	nodes   int // left
	bytes   int // left of a schema's limit; what is written is longer than what is counted
	defs    map[string]any
	waiting []string
	why     lang.Message
}

const componentsAt = "#/components/schemas/"

// schema of the data that a body's schema has.
func (im *importing) schema(written any) ([]byte, lang.Message) {
	for _, token := range im.dataAt {
		properties, _ := im.follow(written)["properties"].(map[string]any)
		if written = properties[token]; written == nil {
			return nil, lang.Text("its schema does not say what stands at data_at")
		}
	}
	st := &standalone{im: im, nodes: min(typeNodes, im.nodes), bytes: schemas.MaxBytes, defs: map[string]any{}}
	limit := st.nodes
	top := st.copy(written)
	for len(st.waiting) > 0 && st.why.IsZero() {
		name := st.waiting[0]
		st.waiting = st.waiting[1:]
		st.defs[name] = st.copy(im.component(name))
	}
	im.nodes -= limit - max(st.nodes, 0)
	if !st.why.IsZero() {
		return nil, st.why
	}
	if object, ok := top.(map[string]any); ok && len(st.defs) > 0 {
		if _, own := object["$defs"]; own {
			return nil, lang.Text("its schema has $defs of its own beside references to components; move them under components")
		}
		object["$defs"] = st.defs
	}
	source, err := json.Marshal(top)
	switch {
	case err != nil:
		return nil, lang.Text("its schema cannot be written: %s", err.Error())
	case len(source) > im.bytes:
		return nil, lang.Text("the document is too large to import at once; import it in parts")
	}
	im.bytes -= len(source)
	return source, lang.Message{}
}

func (im *importing) component(name string) any {
	components, _ := im.doc["components"].(map[string]any)
	schemas, _ := components["schemas"].(map[string]any)
	return schemas[name]
}

func (st *standalone) copy(v any) any {
	if text, ok := v.(string); ok {
		st.bytes -= len(text)
	}
	if st.nodes--; st.nodes < 0 || st.bytes < 0 || !st.why.IsZero() {
		if st.why.IsZero() {
			st.why = lang.Text("its schema is too large with all that it refers to")
		}
		return nil
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, member := range v {
			st.bytes -= len(name)
			if ref, ok := member.(string); ok && name == "$ref" {
				out[name] = st.refer(ref)
			} else {
				out[name] = st.copy(member)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = st.copy(v[i])
		}
		return out
	}
	return v
}

// refer turns a reference to a component into one to its copy.
func (st *standalone) refer(ref string) string {
	path, ok := strings.CutPrefix(ref, componentsAt)
	name, rest, deeper := strings.Cut(path, "/")
	if !ok || !componentName.MatchString(name) || st.im.component(name) == nil {
		if st.why.IsZero() {
			st.why = lang.Text("its schema refers to %s, which is not under components/schemas of the document", shorten(ref))
		}
		return ref
	}
	if _, known := st.defs[name]; !known {
		st.defs[name] = nil
		st.waiting = append(st.waiting, name)
	}
	if deeper {
		return "#/$defs/" + name + "/" + rest
	}
	return "#/$defs/" + name
}

var componentName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,128}$`)
