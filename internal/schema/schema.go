// Package schema judges an event's data by the JSON Schema (2020-12) of its
// type, within limits: however a schema and the data are made up, a check ends
// after a number of steps that follows from the length of the data, and finds
// at most as many faults as are asked for.
//
// Reading and evaluation are this package's own, because both have to be
// bounded in time and memory, and have to say in words what is wrong where; a
// library judges formats, and is the oracle of the tests. Where this is
// narrower than the standard, a schema is refused when it is kept, never when
// an event comes: no $dynamicRef, no reference outside of the document, regular
// expressions of RE2, and the limits below. The formats of formatsOf are
// checked, others are remarks.
package schema

import (
	"github.com/malote-dev/malote/internal/lang"
)

// Limits of a schema.
const (
	MaxBytes    = 64 << 10 // of its text
	MaxDepth    = 48       // of its objects and arrays
	MaxObjects  = 1500     // objects, true and false: each may be a subschema
	MaxPatterns = 100      // different regular expressions
	maxPattern  = 1000     // bytes of one
	maxProgram  = 2000     // instructions that it compiles to
	maxBases    = 4000     // bytes of the URLs that $id makes, together
	maxDigits   = 60       // characters of a number in a schema
	maxExponent = 400      // of a number in a schema, either way
)

// What a check may cost, and what reading a schema does: a step is about 50 ns.
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

// documentURL is what a schema without $id is called by its own references.
const documentURL = "file:///schema.json"

// Compile reads a schema that is to be kept. Errors: [*Problem].
func Compile(source []byte) (*Schema, error) { return NewBatch(0).Compile(source) }

// Load reads a schema that was kept: what it may cost is not judged again, as
// it may have been kept before that was. Errors: [*Problem].
func Load(source []byte) (*Schema, error) {
	s, _, err := NewBatch(0).read(source, true)
	return s, err
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return s
}
