package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"mime"
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
	importNodes   = 1_500_000  // values of JSON that are copied, over all types
	typeNodes     = 40_000     // of one type: more make no schema within its limit
	importBytes   = 4 << 20    // of schemas, over all types
	exampleBytes  = 4 << 20    // of examples, over all types
	importSteps   = 20_000_000 // of all else, mostly schemas and checking examples: a second or two
	maxRef        = 1000       // bytes of a $ref that is followed
	maxNamedHere  = 1000       // examples of one type that are looked at
	stepsPerName  = 8          // of a name that is sorted, or of an example that is looked at
	maxTextToFold = 10_000     // bytes of a description that may become short enough
)

// tooLarge says that a document is spent.
func tooLarge() lang.Message {
	return lang.Text("the document is too large to import at once; import it in parts")
}

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
	Remark  string `json:"remark,omitempty"`
}

// What may become of a webhook of a document.
const (
	outcomeCreated   = "created"
	outcomeUpdated   = "updated"
	outcomeUnchanged = "unchanged"
	outcomeSkipped   = "skipped"
)

func (out *imported) add(name, outcome string, reason, remark lang.Message, l lang.Language) {
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
	out.Results = append(out.Results, importedType{Name: shorten(name), Outcome: outcome, Reason: reason.In(l), Remark: remark.In(l)})
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
		made, remark, why := im.eventType(name)
		if !why.IsZero() {
			out.add(name, outcomeSkipped, why, lang.Message{}, c.language())
			continue
		}
		was, err := s.store.EventType(c.r.Context(), c.key.ProjectID, name)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return imported{}, err
		}
		outcome, why := im.merge(made, was)
		if outcome == outcomeSkipped {
			remark = lang.Message{}
		}
		if out.add(name, outcome, why, remark, c.language()); outcome == outcomeCreated || outcome == outcomeUpdated {
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
	examples int      // bytes left for them
	batch    *schemas.Batch
	spent    bool           // what is missing was not looked for any more
	leads    map[string]any // where references lead that were followed
}

// spend reports whether the import may do so much more.
func (im *importing) spend(steps int) bool {
	if !im.batch.Spend(steps) {
		im.spent = true
	}
	return !im.spent
}

func newImport(in *importInput) (*importing, error) {
	im := &importing{validate: in.Validate, nodes: importNodes, bytes: importBytes, examples: exampleBytes, batch: schemas.NewBatch(importSteps), leads: map[string]any{}}
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

// eventType makes a type of a webhook, with a remark where something of it
// could not be taken over, or says why not.
func (im *importing) eventType(name string) (t *store.EventType, remark, why lang.Message) {
	if why := ingest.CheckType(name); !why.IsZero() {
		return nil, remark, lang.Text("its name %s", why)
	}
	if name == importName {
		return nil, remark, lang.Text("its name is the path of another route")
	}
	operation := im.follow(im.follow(im.webhooks[name])["post"])
	if operation != nil {
		t, remark, why = im.operation(name, operation)
	} else {
		why = lang.Text("it has no operation post")
	}
	if im.spent {
		return nil, lang.Message{}, tooLarge()
	}
	return t, remark, why
}

// operation makes a type of a webhook's operation.
func (im *importing) operation(name string, operation map[string]any) (t *store.EventType, remark, why lang.Message) {
	t = im.described(name, operation)
	content, _ := im.follow(operation["requestBody"])["content"].(map[string]any)
	media := im.jsonMedia(content)
	if media != nil {
		why = im.body(t, media)
	}
	switch {
	case media == nil && len(content) > 0:
		remark = lang.Text("its body is not application/json but %s: it was imported without a schema and without examples", im.mediaTypes(content))
	case t.Schema == nil && im.validate.or(false):
		remark = lang.Text("the document has no schema for it, so its data is not validated")
	}
	return t, remark, why // a type without a schema is one, too
}

// jsonMedia is the body that is JSON: application/json, with parameters or
// without; nil: there is none.
func (im *importing) jsonMedia(content map[string]any) map[string]any {
	if media, ok := content["application/json"].(map[string]any); ok {
		return media
	}
	if !im.spend(stepsPerName * len(content)) {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(content)) {
		if kind, _, err := mime.ParseMediaType(name); err == nil && kind == "application/json" {
			media, _ := content[name].(map[string]any)
			return media
		}
	}
	return nil
}

// mediaTypes are the names of bodies, as far as a remark says them.
func (im *importing) mediaTypes(content map[string]any) string {
	if !im.spend(stepsPerName * len(content)) {
		return ""
	}
	var names []string
	for name := range content {
		names = append(names, shorten(name))
	}
	slices.Sort(names)
	return shorten(strings.Join(names, ", "))
}

// described has what an operation says of itself.
func (im *importing) described(name string, operation map[string]any) *store.EventType {
	t := &store.EventType{Name: name, Description: im.textOf(operation)}
	t.Deprecated, _ = operation["deprecated"].(bool)
	tags, _ := operation["tags"].([]any)
	for _, tag := range tags[:min(len(tags), maxTags)] {
		if text, ok := tag.(string); ok && checkText(text, maxTag, true).IsZero() && !slices.Contains(t.Tags, text) {
			t.Tags = append(t.Tags, text)
		}
	}
	return t
}

// textOf is what an operation says about itself, as far as it fits.
func (im *importing) textOf(operation map[string]any) string {
	summary, _ := operation["summary"].(string)
	description, _ := operation["description"].(string)
	if len(description) > maxTextToFold || !im.spend(len(description)/8) {
		description = ""
	}
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
	if why := im.addExamples(t, media); !why.IsZero() || t.Schema == nil {
		return why
	}
	s, err := im.batch.Compile(t.Schema)
	if p := new(schemas.Problem); errors.As(err, &p) {
		return lang.Text("its schema: %s %s", place(p.Pointer), p.Detail)
	}
	for i, e := range t.Examples {
		var found []*schemas.Problem
		if err == nil {
			found, err = im.batch.Check(s, e, 1)
		}
		if len(found) > 0 {
			return lang.Text("its example %d does not fit its schema: %s %s", i, place(found[0].Pointer), found[0].Detail)
		}
	}
	if err != nil {
		return tooLarge()
	}
	return lang.Message{}
}

// addExamples takes over the examples that are short enough.
func (im *importing) addExamples(t *store.EventType, media map[string]any) lang.Message {
	for _, example := range im.examplesOf(media) {
		if len(t.Examples) == maxExamples {
			break
		}
		w := weight{left: maxExampleBytes / maxExamples}
		w.add(example)
		if im.nodes -= w.values; im.nodes < 0 || im.examples < 0 {
			return tooLarge()
		}
		if w.left < 0 {
			continue
		}
		text, err := json.Marshal(example)
		if !im.spend(len(text) / 8) {
			return tooLarge()
		}
		if err != nil || len(text) > maxExampleBytes/maxExamples || rawjson.Check(text, ingest.MaxDepth) != nil {
			continue
		}
		if im.examples -= len(text); im.examples < 0 {
			return tooLarge()
		}
		t.Examples = append(t.Examples, text)
	}
	return lang.Message{}
}

// weight of a value, that is looked into as far as it may be heavy.
type weight struct{ left, values int }

func (w *weight) add(v any) {
	w.values++
	w.left--
	switch v := v.(type) {
	case string:
		w.left -= len(v)
	case json.Number:
		w.left -= len(v)
	case []any:
		for i := 0; i < len(v) && w.left >= 0; i++ {
			w.add(v[i])
		}
	case map[string]any:
		for name, member := range v {
			if w.left -= len(name); w.left < 0 {
				return
			}
			w.add(member)
		}
	}
}

// examples of a media type: where the data stands in them.
func (im *importing) examplesOf(media map[string]any) (out []any) {
	if one, ok := media["example"]; ok {
		out = append(out, one)
	}
	several, _ := media["examples"].(map[string]any)
	if len(several) > maxNamedHere || !im.spend(stepsPerName*len(several)) {
		several = nil
	}
	for _, name := range slices.Sorted(maps.Keys(several)) {
		if value, ok := im.follow(several[name])["value"]; ok {
			out = append(out, value)
		}
	}
	for _, token := range im.dataAt {
		var inner []any
		if !im.spend(len(out)) {
			return nil
		}
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
