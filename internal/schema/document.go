package schema

import (
	"encoding/json"
	"errors"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/rawjson"
)

// refused says why a keyword is not known here; the zero message: it is.
func refused(keyword string) lang.Message {
	switch keyword {
	case "$dynamicRef", "$recursiveRef":
		return lang.Text("is not known here, where a schema stands alone; write $ref")
	case "$dynamicAnchor", "$recursiveAnchor":
		return lang.Text("is not known here, where a schema stands alone; write $anchor")
	case "$vocabulary":
		return lang.Text("is not known here; a schema has the vocabularies of 2020-12")
	}
	return lang.Message{}
}

// document reads a schema's text into what the library takes.
type document struct {
	r       *rawjson.Reader
	path    []string
	objects int // and booleans
	err     *Problem
}

func readDocument(source []byte) (any, error) {
	d := document{}
	var doc any
	err := rawjson.Read(source, MaxDepth, func(r *rawjson.Reader) {
		d.r = r
		doc = d.value()
	})
	var syntax *rawjson.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return nil, problem("", "is not acceptable JSON: %s", syntax)
	case d.objects > MaxObjects: // the time that the library takes grows with their square
		return nil, problem("", "has more than %d objects, true and false together; make it of fewer parts", MaxObjects)
	case d.err != nil:
		return nil, d.err
	}
	switch doc.(type) {
	case map[string]any, bool:
		return doc, nil
	}
	return nil, problem("", "is not a JSON Schema; send an object, as in {\"type\":\"object\"}")
}

func (d *document) fail(format lang.Format, args ...any) {
	if d.err == nil {
		d.err = problem(pointerOf(d.path), format, args...)
	}
}

func (d *document) value() any {
	switch d.r.Kind() {
	case rawjson.Object:
		d.objects++
		return d.object()
	case rawjson.Array:
		out := []any{}
		d.r.Items(func(i int) {
			d.path = append(d.path, strconv.Itoa(i))
			out = append(out, d.value())
			d.path = d.path[:len(d.path)-1]
		})
		return out
	case rawjson.String:
		s, _ := d.r.Text()
		return s
	case rawjson.Number:
		text := string(d.r.Raw())
		if n := parseDecimal(text); len(text) > maxDigits || n.exp > maxExponent || n.exp < -maxExponent {
			d.fail("is a number with more digits than this server reckons with")
		}
		return json.Number(text)
	case rawjson.Bool:
		d.objects++
		return string(d.r.Raw()) == "true"
	}
	d.r.Raw()
	return nil
}

func (d *document) object() any {
	out := map[string]any{}
	d.r.Members(func(raw []byte) {
		name := string(raw)
		d.path = append(d.path, name)
		if _, twice := out[name]; twice {
			d.fail("is given twice; send it once")
		}
		v := d.value()
		text, isText := v.(string)
		if why := refused(name); !why.IsZero() && (isText || name == "$recursiveAnchor" || name == "$vocabulary") && !d.names() {
			d.fail("%s", why)
		}
		if name == "$schema" && isText && !d.names() && strings.TrimSuffix(text, "#") != Draft {
			d.fail("names another version of JSON Schema; schemas here are of %s", Draft)
		}
		out[name] = v
		d.path = d.path[:len(d.path)-1]
	})
	return out
}

// names reports whether the member at hand is a name that the schema's author
// chose (a property, a definition), or stands in a value, and so is no keyword.
func (d *document) names() bool {
	for _, p := range d.path[:len(d.path)-1] {
		switch p {
		case "enum", "const", "examples", "example", "default":
			return true
		}
	}
	if len(d.path) < 2 {
		return false
	}
	switch d.path[len(d.path)-2] {
	case "properties", "patternProperties", "dependentSchemas", "$defs", "definitions":
		return true
	}
	return false
}

// pattern is a compiled regular expression with what it costs.
type pattern struct {
	*regexp.Regexp
	insts int
}

// compilePattern is the library's engine for regular expressions.
func compilePattern(s string) (jsonschema.Regexp, error) {
	if len(s) > maxPattern {
		return nil, problem("", "holds a pattern of %d characters; the limit is %d", len(s), maxPattern)
	}
	tree, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		return nil, err
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	if len(prog.Inst) > maxProgram {
		return nil, problem("", "holds the pattern %q, which is too large once its repetitions are written out", shorten(s))
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return nil, err
	}
	return &pattern{re, len(prog.Inst)}, nil
}

// cost of a match in steps.
func (p *pattern) cost(s string) int { return 2 + len(s)*p.insts/16 }

// pointerOf writes a JSON pointer (RFC 6901).
func pointerOf(path []string) string {
	var b strings.Builder
	for _, token := range path {
		b.WriteByte('/')
		b.WriteString(rawjson.PointerToken(token))
	}
	return b.String()
}
