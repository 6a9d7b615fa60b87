// Package schema judges an event's data by the JSON Schema (2020-12) of its
// type, within limits: however a schema and the data are made up, a check ends
// after a number of steps that follows from the length of the data, and finds
// at most as many faults as are asked for.
//
// A library reads schemas: it holds them to the metaschema and resolves their
// references. The evaluation is this package's own, because it has to be
// bounded in time and memory, and has to say in words what is wrong where.
// Where it is narrower than the standard, a schema is refused when it is
// kept, never when an event comes: no $dynamicRef, no reference outside of the
// document, regular expressions of RE2, and the limits below. The formats of
// the list in formats are checked, others are remarks.
package schema

import (
	"errors"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/malote-dev/malote/internal/lang"
)

// Limits of a schema.
const (
	MaxBytes    = 64 << 10 // of its text
	MaxDepth    = 48       // of its objects and arrays
	MaxObjects  = 1500     // objects, true and false: each may be a subschema
	maxPattern  = 1000     // characters of a regular expression
	maxProgram  = 2000     // instructions that it compiles to
	maxDigits   = 60       // characters of a number in a schema
	maxExponent = 400      // of a number in a schema, either way
)

// What a check may cost: a step is about 50 ns.
const (
	stepsFree    = 20_000
	stepsPerByte = 8 // of the data
	maxFrames    = 10_000
)

// MaxData is how deep data that is checked may nest; the same as ingest's.
const maxDataDepth = 128

// Draft is the dialect of schemas, the only one.
const Draft = "https://json-schema.org/draft/2020-12/schema"

// Problem is one thing that is wrong: with a schema, or with data.
type Problem struct {
	Pointer string // JSON pointer into the document; "" is all of it
	Detail  lang.Message
}

func (p *Problem) Error() string { return p.Pointer + ": " + p.Detail.String() }

func problem(pointer string, format lang.Format, args ...any) *Problem {
	return &Problem{Pointer: pointer, Detail: lang.Text(format, args...)}
}

// Schema is a compiled schema. It never changes and is safe for concurrent use.
type Schema struct {
	root *node
	size int
}

// Size is about how many bytes of memory the schema holds.
func (s *Schema) Size() int { return s.size }

const documentURL = "schema.json"

// Compile reads a schema. Errors: [*Problem].
func Compile(source []byte) (*Schema, error) {
	if len(source) > MaxBytes {
		return nil, problem("", "has %d bytes; the limit is %d", len(source), MaxBytes)
	}
	doc, err := readDocument(source)
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.UseLoader(nowhere{})
	c.UseRegexpEngine(compilePattern)
	if err := c.AddResource(documentURL, doc); err != nil {
		return nil, misread(err)
	}
	made, err := c.Compile(documentURL)
	if err != nil {
		return nil, misread(err)
	}
	m := maker{nodes: map[*jsonschema.Schema]*node{}}
	root := m.node(made)
	if m.err == nil {
		m.endless(root)
	}
	if m.err != nil {
		return nil, m.err
	}
	return &Schema{root: root, size: 4*len(source) + 400*len(m.nodes)}, nil
}

// nowhere is the loader of what a schema refers to outside of itself.
type nowhere struct{}

var errOutside = errors.New("references lead out of the document")

func (nowhere) Load(string) (any, error) { return nil, errOutside }

func shorten(s string) string {
	if r := []rune(s); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return s
}
