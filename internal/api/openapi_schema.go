package api

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// shaper makes schemas of the types that routes declare.
type shaper struct {
	made    ordered[*schema]
	missing []string        // types and fields that nobody described
	used    map[string]bool // keys of fields

	types      map[string]typeWords
	fields     map[string]fieldWords
	parameters map[string]fieldWords
	values     map[reflect.Type]FieldWords // types that write themselves as one JSON value
	open       bool                        // inputs may have members that nobody knows
}

// schemaRef points to a schema among the components.
func schemaRef(name string) *schema { return &schema{Ref: "#/components/schemas/" + name} }

// named makes the component of a struct, once, and points to it.
func (sh *shaper) named(t reflect.Type, words typeWords, input bool) *schema {
	if !slices.ContainsFunc(sh.made, func(m member[*schema]) bool { return m.Name == words.name }) {
		at := len(sh.made)
		sh.made = append(sh.made, member[*schema]{Name: words.name})
		made := sh.object(t, words, input)
		made.Description = words.text
		sh.made[at].Value = made
	}
	return schemaRef(words.name)
}

// input is the schema of a route's body.
func (sh *shaper) input(t reflect.Type, words typeWords) *schema {
	if words.name == "" {
		words = sh.typeWords(t)
	}
	return sh.named(t, words, true)
}

// output is the schema of a route's answer.
func (sh *shaper) output(t reflect.Type) *schema { return sh.of(t, false) }

// typeWords names a type.
func (sh *shaper) typeWords(t reflect.Type) typeWords {
	if w, ok := sh.types[t.Name()]; ok {
		return w
	}
	if items, ok := t.FieldByName("Data"); ok && strings.HasPrefix(t.Name(), "list[") {
		w := sh.typeWords(items.Type.Elem())
		return typeWords{name: w.name + "List", text: "A page of a list."}
	}
	sh.missing = append(sh.missing, "type "+t.Name())
	return typeWords{name: t.Name()}
}

// of is the schema of a type wherever it stands.
func (sh *shaper) of(t reflect.Type, input bool) *schema {
	if w, ok := sh.values[t]; ok {
		return &schema{Type: w.Type, Format: w.Format, Pattern: w.Pattern}
	}
	switch t {
	case reflect.TypeFor[stamp](), reflect.TypeFor[exactStamp](), reflect.TypeFor[time.Time]():
		return &schema{Type: "string", Format: "date-time"}
	case reflect.TypeFor[json.RawMessage]():
		return &schema{}
	case reflect.TypeFor[[]headerValue]():
		return &schema{Type: "object", Additional: &schema{Type: []string{"string", "null"}}, Names: &schema{Pattern: headerNameForm}}
	case reflect.TypeFor[store.ID]():
		return &schema{Type: "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return sh.of(t.Elem(), input)
	case reflect.String:
		return &schema{Type: "string"}
	case reflect.Bool:
		return &schema{Type: "boolean"}
	case reflect.Int, reflect.Int64:
		return &schema{Type: "integer"}
	case reflect.Float64:
		return &schema{Type: "number"}
	case reflect.Slice:
		return &schema{Type: "array", Items: sh.of(t.Elem(), input)}
	case reflect.Map:
		return &schema{Type: "object", Additional: sh.of(t.Elem(), input)}
	case reflect.Struct:
		return sh.named(t, sh.typeWords(t), input)
	}
	sh.missing = append(sh.missing, "type "+t.String())
	return &schema{}
}

// object is the schema of a struct: closed, for the decoder refuses what it
// does not know, and answers have no other members. What embeds a pointer is
// either that or the rest.
func (sh *shaper) object(t reflect.Type, words typeWords, input bool) *schema {
	out := &schema{Type: "object"}
	if !sh.open || !input {
		out.Additional = false
	}
	for f := range t.Fields() {
		if f.Anonymous && f.Type.Kind() == reflect.Pointer {
			out.OneOf = append(out.OneOf, sh.of(f.Type.Elem(), input))
		}
	}
	sh.members(out, t, words, input)
	if field, other := words.needs[0], words.needs[1]; field != "" {
		out.If = &schema{Required: []string{field}}
		out.Then = &schema{Required: []string{other}, Properties: ordered[*schema]{{other, &schema{Type: "string"}}}}
	}
	if out.OneOf == nil {
		return out
	}
	rest := *out
	rest.OneOf = nil
	for _, m := range rest.Properties {
		rest.Required = append(rest.Required, m.Name)
	}
	return &schema{OneOf: append(out.OneOf, &rest)}
}

func (sh *shaper) members(out *schema, t reflect.Type, words typeWords, input bool) {
	for f := range t.Fields() {
		if f.Anonymous {
			if f.Type.Kind() == reflect.Struct {
				sh.members(out, f.Type, words, input)
			}
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || slices.Contains(words.without, name) {
			continue
		}
		if within, ok := words.within[name]; ok {
			of := f.Type
			if of.Kind() == reflect.Pointer {
				of = of.Elem()
			}
			sh.types[of.Name()] = within
		}
		s, required := sh.member(f, options == "omitempty", input)
		if sh.describe(words.name, t.Name(), name, s); input && words.required != nil {
			required = slices.Contains(words.required, name)
		}
		if sh.open && input && required { // null and "" are as if it had been left out
			if s.Items == nil && s.MinLength == nil && s.Format != "date-time" {
				if name, ok := s.Type.([]string); ok && name[0] == "string" {
					s.MinLength = new(1)
				}
			}
			if several, ok := s.Type.([]string); ok {
				s.Type = several[0]
				s.Enum = slices.DeleteFunc(s.Enum, func(v any) bool { return v == nil })
			}
			if len(s.OneOf) > 0 {
				s = &schema{Ref: s.OneOf[0].Ref, Description: s.Description}
			}
		}
		out.Properties = append(out.Properties, member[*schema]{name, s})
		if required {
			out.Required = append(out.Required, name)
		}
	}
}

// member is the schema of a field, and whether it is always there.
func (sh *shaper) member(f reflect.StructField, omitted, input bool) (s *schema, required bool) {
	if inner, ok := optionalValue(f.Type); ok {
		return nullable(sh.of(inner, input)), false
	}
	s = sh.of(f.Type, input)
	if f.Type.Kind() == reflect.Pointer && !omitted || f.Type == reflect.TypeFor[stamp]() {
		s = nullable(s)
	}
	return s, !omitted
}

// nullable lets null pass, too.
func nullable(s *schema) *schema {
	if s.Ref != "" {
		return &schema{OneOf: []*schema{s, {Type: "null"}}}
	}
	if name, ok := s.Type.(string); ok {
		s.Type = []string{name, "null"}
	}
	return s
}

// describe adds what the type does not say. Words for the schema are better
// than those for the type, which may stand for two.
func (sh *shaper) describe(schemaName, typ, name string, s *schema) {
	key := schemaName + "." + name
	w, ok := sh.fields[key]
	if !ok {
		key = typ + "." + name
		w, ok = sh.fields[key]
	}
	if !ok {
		key = "." + name
		w, ok = sh.fields[key]
	}
	if !ok {
		sh.missing = append(sh.missing, "field "+typ+"."+name)
		return
	}
	sh.used[key] = true
	s.Description = w.text
	if w.items != nil {
		s.Items = sh.of(w.items, true)
	}
	w.limit(s)
}

// limit adds a field's limits to its schema, and to that of its items.
func (w fieldWords) limit(s *schema) {
	if w.kinds != nil {
		s.Type = w.kinds
	}
	if w.always {
		if names, ok := s.Type.([]string); ok {
			s.Type = names[0]
		}
	}
	of := s
	if s.Items != nil {
		of = s.Items
		s.MinItems, s.MaxItems, s.Distinct = w.minItems, w.maxItems, w.distinct
	} else if s.Additional != nil {
		s.MaxMembers = w.maxItems
		if w.names != "" {
			s.Names = &schema{Pattern: w.names}
		}
		if of, ok := s.Additional.(*schema); ok {
			of.Pattern = w.values
		}
	}
	of.Minimum, of.Maximum, of.MinLength, of.MaxLength = w.min, w.max, w.minLength, w.maxLength
	of.Pattern, of.Default = w.pattern, w.standard
	if w.format != "" {
		of.Format = w.format
	}
	for _, v := range w.enum {
		of.Enum = append(of.Enum, v)
	}
	if _, several := of.Type.([]string); several && of.Enum != nil {
		of.Enum = append(of.Enum, nil)
	}
}

// optionalValue is the type within optional.
func optionalValue(t reflect.Type) (reflect.Type, bool) {
	if t.Kind() != reflect.Struct || !strings.HasPrefix(t.Name(), "optional[") {
		return nil, false
	}
	v, ok := t.FieldByName("Value")
	return v.Type, ok
}
