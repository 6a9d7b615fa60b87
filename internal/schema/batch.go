package schema

import (
	"errors"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/pattern"
)

// What reading a schema costs, in steps.
const (
	stepsPerSchema  = 60  // objects, true and false
	stepsPerLetter  = 4   // bytes of the text
	stepsPerPattern = 400 // beside what its text and its instructions cost
)

// What the patterns of a schema may cost together, in units of [pattern.Work].
const (
	maxPatternWork = 1_000_000
	workOfInst     = 20
)

// ErrSpent says that what a batch may cost is spent.
var ErrSpent = errors.New("the schemas take more work together than is allowed")

// Batch reads and checks many schemas, each different one and each different
// pattern once, within one budget. It is for one caller at a time.
type Batch struct {
	bounded  bool
	left     int // steps
	patterns map[string]compiledPattern
	schemas  map[string]compiledSchema
}

type compiledPattern struct {
	*pattern.Pattern
	why lang.Message
}

type compiledSchema struct {
	*Schema
	err error
}

// NewBatch makes one that may cost so many steps of about 50 ns; 0: any.
func NewBatch(steps int) *Batch {
	return &Batch{bounded: steps > 0, left: steps, patterns: map[string]compiledPattern{}, schemas: map[string]compiledSchema{}}
}

// Left reports how many steps are left.
func (b *Batch) Left() int { return max(b.left, 0) }

// Spend takes steps for other work that belongs to it, and reports whether
// there were any left.
func (b *Batch) Spend(steps int) bool {
	if b.bounded && b.left <= 0 {
		return false
	}
	b.left -= steps
	return true
}

// Compile is [Compile]. Errors: [*Problem], [ErrSpent].
func (b *Batch) Compile(source []byte) (*Schema, error) {
	if made, known := b.schemas[string(source)]; known {
		return made.Schema, made.err
	}
	if b.bounded && b.left <= 0 {
		return nil, ErrSpent
	}
	s, steps, err := b.read(source, false)
	b.left -= steps
	b.schemas[string(source)] = compiledSchema{s, err}
	return s, err
}

// Check is [Schema.Check]. Errors: [ErrSpent].
func (b *Batch) Check(s *Schema, data []byte, max int) ([]*Problem, error) {
	if b.bounded && b.left <= 0 {
		return nil, ErrSpent
	}
	found, steps := s.check(data, max)
	b.left -= steps + len(data)
	return found, nil
}

// read compiles a schema and says what that took.
func (b *Batch) read(source []byte, kept bool) (_ *Schema, steps int, _ error) {
	if len(source) > MaxBytes {
		return nil, 1, problem("", "has %d bytes; the limit is %d", len(source), MaxBytes)
	}
	before := b.left
	d, err := readDocument(source)
	if err != nil {
		return nil, stepsPerLetter * len(source), err
	}
	d.batch, d.kept = b, kept
	d.survey(&d.top, &path{}, nil)
	d.countPatterns()
	root := d.node(&d.top)
	d.endless()
	steps = before - b.left // of patterns
	b.left = before
	steps += stepsPerLetter*len(source) + stepsPerSchema*len(d.at) + d.joined/4
	if d.err != nil {
		return nil, steps, d.err
	}
	size := 4*len(source) + 400*len(d.at)
	for _, p := range d.patterns {
		size += p.Size
	}
	return &Schema{root: root, size: size}, steps, nil
}

// pattern compiles one within limits; left is what its text may cost, 0: any.
func (b *Batch) pattern(text string, left int) (*pattern.Pattern, lang.Message) {
	if p, known := b.patterns[text]; known {
		return p.Pattern, p.why
	}
	if work := pattern.Work(text); left > 0 && work > left {
		p, why := pattern.Compile(text, pattern.Limits{Length: maxPattern, Insts: maxProgram, Work: left})
		return p, why // not kept: there may be more left another time
	}
	p, why := pattern.Compile(text, pattern.Limits{Length: maxPattern, Insts: maxProgram})
	b.patterns[text] = compiledPattern{p, why}
	b.left -= stepsPerPattern + pattern.Work(text)
	if p != nil {
		b.left -= workOfInst * p.Insts
	}
	return p, why
}
