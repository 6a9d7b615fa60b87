package api

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // the page's template
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

//go:embed openapi.html.tmpl
var referenceTemplate string

//go:embed openapi.css
var referenceStyle string

// referenceView is what the page shows.
type referenceView struct {
	Title, Intro string
	Notes        []note
	Link         string // to the document
	Style        template.CSS
	Groups       []groupView
	Schemas      []schemaView
}

type groupView struct {
	Name, Text string
	Operations []operationView
}

type operationView struct {
	ID, Method, Path, Summary, Text string
	Scope                           string // empty: no key
	Root                            bool
	Parameters                      []fieldView
	Body                            typeView
	BodyText                        string
	Curl                            string
	Answers                         []answerView
	Problems                        []answerView
	ProblemNames                    string // their statuses
}

type answerView struct {
	Status, Text string
	Type         typeView
	Example      string // JSON, indented
}

type schemaView struct {
	Name, Text string
	Fields     []fieldView
	OneOf      []typeView
}

type fieldView struct {
	Name, In, Text string
	Type           typeView
	Required       bool
	Limits         string
}

// typeView is a type in words; Link is the schema that it names.
type typeView struct{ Text, Link string }

// renderReference makes the page. It needs nothing from elsewhere and runs
// nothing; its policy lets its own style in by the hash and nothing else.
func renderReference(d *document, link string) (*page, error) {
	t, err := template.New("reference").Parse(referenceTemplate)
	if err != nil {
		return nil, err
	}
	view := referenceView{Title: d.Info.Title, Intro: cmp.Or(d.intro, d.Info.Description), Notes: d.notes, Link: link, Style: template.CSS(referenceStyle)} //nolint:gosec // our own file
	for _, tag := range d.Tags {
		g := groupView{Name: tag.Name, Text: tag.Description}
		for _, path := range d.Paths {
			for _, m := range path.Value {
				if slices.Contains(m.Value.Tags, tag.Name) {
					g.Operations = append(g.Operations, d.operationView(strings.ToUpper(m.Name), path.Name, m.Value))
				}
			}
		}
		view.Groups = append(view.Groups, g)
	}
	for _, m := range d.Components.Schemas {
		view.Schemas = append(view.Schemas, viewSchema(m.Name, m.Value))
	}
	var b bytes.Buffer
	if err := t.Execute(&b, view); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(referenceStyle))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return newPage(b.Bytes(), policy), nil
}

func (d *document) operationView(method, path string, op *operation) operationView {
	v := operationView{ID: op.ID, Method: method, Path: path, Summary: op.Summary, Text: op.Description}
	for _, need := range op.Security {
		for kind, scopes := range need {
			switch {
			case kind == "rootKey":
				v.Root = true
			case kind != "portalToken" && len(scopes) > 0:
				v.Scope = scopes[0]
			}
		}
	}
	for _, p := range op.Parameters {
		if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
			p = d.Components.Parameters.get(name)
		}
		v.Parameters = append(v.Parameters, fieldView{
			Name: p.Name, In: p.In, Text: p.Description, Required: p.Required, Type: viewType(p.Schema), Limits: limits(p.Schema),
		})
	}
	if op.Body != nil {
		v.Body, v.BodyText = viewType(op.Body.Content[0].Value.Schema), op.Body.Description
	}
	v.Curl = curlOf(&v, op)
	for _, m := range op.Responses {
		r := m.Value
		if name, ok := strings.CutPrefix(r.Ref, "#/components/responses/"); ok {
			r = d.Components.Responses.get(name)
		}
		a := answerView{Status: m.Name, Text: r.Description}
		if len(r.Content) > 0 {
			if a.Type = viewType(r.Content[0].Value.Schema); a.Type.Link == "" {
				a.Type.Text = r.Content[0].Name
			}
			a.Example = indented(r.Content[0].Value.Example)
		}
		if a.Status[0] < '4' {
			v.Answers = append(v.Answers, a)
			continue
		}
		v.Problems = append(v.Problems, a)
		v.ProblemNames = strings.TrimPrefix(v.ProblemNames+", "+a.Status, ", ")
	}
	return v
}

// indented is an example as people read it; empty: there is none.
func indented(example any) string {
	if example == nil {
		return ""
	}
	text, err := encode(example)
	if err != nil {
		return ""
	}
	var b bytes.Buffer
	if json.Indent(&b, bytes.TrimSpace(text), "", "  ") != nil {
		return ""
	}
	return b.String()
}

// curlOf is an example for the shell.
func curlOf(v *operationView, op *operation) string {
	var b strings.Builder
	b.WriteString("curl ")
	if v.Method != http.MethodGet {
		b.WriteString("-X " + v.Method + " ")
	}
	path := v.Path
	for _, name := range pathParameters(v.Path) {
		path = strings.ReplaceAll(path, "{"+name+"}", "$"+shellName(v.Path, name))
	}
	b.WriteString(`"$MALOTE_URL` + path + `"`)
	switch {
	case v.Root && len(op.Security) < 3: // else any will do
		b.WriteString(` -H "Authorization: Bearer $MALOTE_ROOT_KEY"`)
	case v.Scope != "" || v.Root:
		b.WriteString(` -H "Authorization: Bearer $MALOTE_KEY"`)
	}
	if op.Body != nil {
		if example, ok := op.Body.Content[0].Value.Example.(json.RawMessage); ok {
			b.WriteString(" \\\n  -d '" + string(example) + "'")
		}
	}
	return b.String()
}

// shellName is the variable for a parameter of a path: what is only an id is
// named after what it is of. $UID is the shell's own, and cannot be set.
func shellName(pattern, parameter string) string {
	name := parameter
	if before, _, ok := strings.Cut(pattern, "/{"+parameter+"}"); ok && (name == "id" || name == "uid" || name == "name") {
		name = before[strings.LastIndexByte(before, '/')+1:]
		if one, ok := strings.CutSuffix(name, "ies"); ok {
			name = one + "y"
		}
		name = strings.TrimSuffix(name, "s")
	}
	return strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

func viewSchema(name string, s *schema) schemaView {
	v := schemaView{Name: name, Text: s.Description}
	fields := s
	for _, one := range s.OneOf {
		if one.Ref != "" {
			v.OneOf = append(v.OneOf, viewType(one))
			continue
		}
		fields = one
	}
	for _, m := range fields.Properties {
		v.Fields = append(v.Fields, fieldView{
			Name: m.Name, Text: m.Value.Description, Required: slices.Contains(fields.Required, m.Name),
			Type: viewType(m.Value), Limits: limits(m.Value),
		})
	}
	return v
}

func viewType(s *schema) typeView {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return typeView{name, name}
	}
	if len(s.OneOf) == 2 { // something or null
		v := viewType(s.OneOf[0])
		v.Text += " or null"
		return v
	}
	text := "any JSON"
	switch t := s.Type.(type) {
	case string:
		text = t
	case []string:
		text = strings.Join(t, " or ")
	}
	if s.Format == "date-time" {
		text = strings.Replace(text, "string", "time", 1)
	}
	if s.Items != nil {
		of := viewType(s.Items)
		return typeView{text + " of " + of.Text, of.Link}
	}
	return typeView{Text: text}
}

// limits are a schema's limits in words.
func limits(s *schema) string {
	var out []string
	add := func(format string, n *int) {
		if n != nil {
			out = append(out, fmt.Sprintf(format, *n))
		}
	}
	add("at least %d", s.Minimum)
	add("at most %d", s.Maximum)
	add("at least %d items", s.MinItems)
	add("at most %d items", s.MaxItems)
	add("at most %d members", s.MaxMembers)
	of := s
	if s.Items != nil {
		of = s.Items
	}
	add("at least %d characters", of.MinLength)
	add("at most %d characters", of.MaxLength)
	var values []string
	for _, e := range of.Enum {
		if text, ok := e.(string); ok {
			values = append(values, strconv.Quote(text))
		}
	}
	if values != nil {
		out = append(out, "one of "+strings.Join(values, ", "))
	}
	if s.Default != nil {
		out = append(out, fmt.Sprintf("default %v", s.Default))
	}
	return strings.Join(out, "; ")
}
