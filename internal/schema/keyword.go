package schema

import (
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/rawjson"
)

// form is what the value of a keyword has to be.
type form int

const (
	aSchema       form = iota + 1
	listOfSchemas      // one at least
	namedSchemas
	patternSchemas // by patterns
	dependencies   // by names: schemas, or names that are required
	namedNames
	names // different ones
	someText
	aPattern
	uriReference
	aDraft
	yesOrNo
	aNumber
	positive
	count // whole, from 0 on
	types
	aList
	unknownHere
)

// keywords of 2020-12. What is not among them says nothing.
var keywords = map[string]form{
	"$schema": aDraft, "$ref": uriReference, "$comment": someText, "$defs": namedSchemas, "definitions": namedSchemas, // $id, $anchor: survey
	"$dynamicRef": unknownHere, "$dynamicAnchor": unknownHere, "$recursiveRef": unknownHere, "$recursiveAnchor": unknownHere, "$vocabulary": unknownHere,

	"allOf": listOfSchemas, "anyOf": listOfSchemas, "oneOf": listOfSchemas, "prefixItems": listOfSchemas,
	"not": aSchema, "if": aSchema, "then": aSchema, "else": aSchema, "items": aSchema, "contains": aSchema, "additionalProperties": aSchema,
	"propertyNames": aSchema, "unevaluatedItems": aSchema, "unevaluatedProperties": aSchema, "contentSchema": aSchema,
	"properties": namedSchemas, "dependentSchemas": namedSchemas, "patternProperties": patternSchemas, "dependencies": dependencies,

	"type": types, "enum": aList, "multipleOf": positive, "maximum": aNumber, "exclusiveMaximum": aNumber, "minimum": aNumber, "exclusiveMinimum": aNumber,
	"maxLength": count, "minLength": count, "maxItems": count, "minItems": count, "maxContains": count, "minContains": count,
	"maxProperties": count, "minProperties": count, "uniqueItems": yesOrNo, "pattern": aPattern, "required": names, "dependentRequired": namedNames,

	"title": someText, "description": someText, "deprecated": yesOrNo, "readOnly": yesOrNo, "writeOnly": yesOrNo, "examples": aList,
	"format": someText, "contentEncoding": someText, "contentMediaType": someText,
}

// kinds of values that a form takes; of those that are left out the members
// are judged one by one.
var formKinds = map[form][]string{
	listOfSchemas: {"array"}, names: {"array"}, aList: {"array"},
	namedSchemas: {"object"}, patternSchemas: {"object"}, dependencies: {"object"}, namedNames: {"object"},
	someText: {"string"}, aPattern: {"string"}, uriReference: {"string"}, aDraft: {"string"},
	yesOrNo: {"boolean"}, aNumber: {"number"}, positive: {"number"}, count: {"integer"}, types: {"string", "array"},
}

// keyword holds a member of a schema to its form.
func (d *document) keyword(name string, v *value, at *path, in *resource) {
	f := keywords[name]
	if f == unknownHere {
		d.fail(at, "%s", refused(name))
		return
	}
	if !d.hold(f, v, at) {
		return
	}
	switch f {
	case aSchema:
		d.survey(v, at, in)
	case listOfSchemas:
		for i := range v.items {
			d.survey(&v.items[i], at.item(i), in)
		}
	case namedSchemas, patternSchemas, dependencies, namedNames:
		for i, name := range v.names {
			d.named(f, name, &v.items[i], at.with(name), in)
		}
	}
}

// named holds a member of a keyword's object to what it has to be.
func (d *document) named(f form, name string, v *value, at *path, in *resource) {
	switch {
	case f == namedNames, f == dependencies && v.kind == rawjson.Array:
		d.hold(names, v, at)
		return
	case f == patternSchemas:
		d.pattern(name, at)
	}
	d.survey(v, at, in)
}

// hold reports whether a value has a form, and says what is wrong.
func (d *document) hold(f form, v *value, at *path) bool {
	if kinds := formKinds[f]; kinds != nil && !slices.ContainsFunc(kinds, func(k string) bool { return isKind(v, k) }) {
		d.wrong(at, mustBe(kinds...))
		return false
	}
	switch f {
	case listOfSchemas:
		if len(v.items) == 0 {
			d.wrong(at, lang.Text("it must not be empty"))
		}
	case names:
		d.different(v, at, func(v *value, at *path) {
			if v.kind != rawjson.String {
				d.wrong(at, mustBe("string"))
			}
		})
	case types:
		d.types(v, at)
	case positive:
		if parseDecimal(v.text).sign <= 0 {
			d.wrong(at, lang.Text("it must be more than %s", "0"))
		}
	case count:
		if parseDecimal(v.text).sign < 0 {
			d.wrong(at, lang.Text("it must be %s or more", "0"))
		}
	case aPattern:
		d.pattern(v.text, at)
	case uriReference:
		if formatsOf()["uri-reference"].Validate(v.text) != nil {
			d.wrong(at, lang.Text("it must be of the format %s", "uri-reference"))
		}
	case aDraft:
		if strings.TrimSuffix(v.text, "#") != Draft {
			d.fail(at, "names another version of JSON Schema; schemas here are of %s", Draft)
		}
	}
	return d.err == nil
}

func (d *document) types(v *value, at *path) {
	known := func(v *value, at *path) {
		if _, ok := kindsOf[v.text]; !ok || v.kind != rawjson.String {
			d.wrong(at, lang.Text("it must be one of %s", `"array", "boolean", "integer", "null", "number", "object", "string"`))
		}
	}
	switch {
	case v.kind == rawjson.String:
		known(v, at)
	case len(v.items) == 0:
		d.wrong(at, lang.Text("it must not be empty"))
	default:
		d.different(v, at, known)
	}
}

// different holds the items of a list to a rule, and to not being equal.
func (d *document) different(v *value, at *path, rule func(*value, *path)) {
	first := make(map[string]int, len(v.items))
	for i := range v.items {
		if rule(&v.items[i], at.item(i)); d.err != nil {
			return
		}
		if n, twice := first[v.items[i].text]; twice {
			d.wrong(at, lang.Text("its items %d and %d, counted from 0, are equal", n, i))
			return
		}
		first[v.items[i].text] = i
	}
}

// isKind reports whether a value is of a type, as JSON Schema calls it.
func isKind(v *value, name string) bool {
	return v.kind == kindsOf[name] && (name != "integer" || parseDecimal(v.text).integer())
}

func mustBe(kinds ...string) lang.Message { return lang.Text("it must be %s", kindWords(kinds)) }

// refused says why a keyword is not known here.
func refused(keyword string) lang.Message {
	switch keyword {
	case "$dynamicRef", "$recursiveRef":
		return lang.Text("is not known here, where a schema stands alone; write $ref")
	case "$dynamicAnchor", "$recursiveAnchor":
		return lang.Text("is not known here, where a schema stands alone; write $anchor")
	}
	return lang.Text("is not known here; a schema has the vocabularies of 2020-12")
}

// formatsOf are the formats that are checked, as the library knows them. Other
// formats say something to people.
var formatsOf = sync.OnceValue(func() map[string]*jsonschema.Format {
	out := map[string]*jsonschema.Format{}
	for _, name := range []string{
		"date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uri-reference", "uuid", "json-pointer",
	} {
		c := jsonschema.NewCompiler()
		c.DefaultDraft(jsonschema.Draft2020)
		c.AssertFormat()
		if err := c.AddResource(name, map[string]any{"format": name}); err != nil {
			panic("schema: " + err.Error())
		}
		out[name] = c.MustCompile(name).Format
	}
	return out
})
