package schema

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// worst are schemas within the limits that are made to take as long to read as
// can be.
func worst() map[string]string {
	each := func(n int, format string) string {
		var parts []string
		for i := range n {
			parts = append(parts, strings.ReplaceAll(format, "@", fmt.Sprintf("%04d", i)))
		}
		return strings.Join(parts, ",")
	}
	long := strings.Repeat("x", 1900)
	return map[string]string{
		"objects":                         `{"properties":{` + each(MaxObjects-2, `"p@":{"type":"string"}`) + `}}`,
		"under a long name":               `{"properties":{"` + strings.Repeat("x", 30_000) + `":{"properties":{` + each(MaxObjects-5, `"p@":true`) + `}}}}`,
		"references":                      `{"$defs":{"a":{"type":"string"}},"allOf":[` + each(MaxObjects-5, `{"$ref":"#/$defs/a"}`) + `]}`,
		"references to what is no schema": `{"allOf":[` + each(MaxObjects/2-2, `{"$ref":"#/x/p@"}`) + `],"x":{` + each(MaxObjects/2-2, `"p@":{"type":"string"}`) + `}}`,
		"names":                           `{"allOf":[` + each(180, `{"$id":"a@"}`) + `]}`,
		"references by a long name":       `{"$id":"https://example.com/` + long + `/","$defs":{"b":{"$id":"a"}},"allOf":[` + each(MaxObjects-5, `{"$ref":"a"}`) + `]}`,
		"a chain":                         `{"allOf":[` + each(MaxObjects-3, `{"$anchor":"a@","$ref":"#/allOf/@"}`) + `,{"$anchor":"z"}]}`,
		"values":                          `{"enum":[` + strings.Repeat("1,", 32_000) + `1]}`,
		"deep values":                     `{"enum":[` + strings.Repeat("[", 40) + strings.Repeat("1,", 31_000) + "1" + strings.Repeat("]", 40) + `]}`,
		"faults":                          `{"allOf":[` + strings.Repeat("1,", 31_000) + `1]}`,
		"deep faults":                     strings.Repeat(`{"allOf":[`, 20) + strings.Repeat(`{"type":"x","minLength":-1},`, 1400) + `{}` + strings.Repeat(`]}`, 20),
		"patterns":                        `{"properties":{` + each(MaxPatterns, `"p@":{"pattern":"^[A-Za-z0-9 ]{1,@}"}`) + `}}`,
		"patterns of many ways":           `{"properties":{` + each(MaxPatterns, `"p@":{"pattern":"^(?:`+strings.Repeat("ab|", 180)+`)@"}`) + `}}`,
		"classes":                         `{"properties":{` + each(50, `"p@":{"pattern":"^(?:`+strings.Repeat(`\\PL|`, 6)+`)*@"}`) + `}}`,
		"folded classes":                  `{"properties":{` + each(60, `"p@":{"pattern":"(?i)[`+strings.Repeat(`\\PL`, 3)+`]@"}`) + `}}`,
		"folded ranges":                   `{"pattern":"(?i)[` + strings.Repeat("B-\U0001e942", 7) + `]"}`,
		"too many patterns":               `{"properties":{` + each(700, `"p@":{"type":"string","pattern":"^[a-z]{1,20}-@$"}`) + `}}`,
		"a pattern that is too large":     `{"pattern":"(?:` + strings.Repeat("a", 990) + `){1000}"}`,
	}
}

// TestWorstSchemas: none takes long to read, and the steps that are charged
// for it are about what it takes. The bounds are wide, for a busy machine with
// race detection.
func TestWorstSchemas(t *testing.T) {
	t.Parallel()
	for what, source := range worst() {
		began := time.Now()
		_, steps, err := NewBatch(0).read([]byte(source), false)
		took := time.Since(began)
		if took > 5*time.Second || took > time.Duration(steps)*30*time.Microsecond {
			t.Errorf("%s: %v, %d steps: %v", what, took, steps, err)
		}
		t.Logf("%s: %v, %d bytes, %d steps, %v", what, took, len(source), steps, err)
	}
}

func BenchmarkWorstSchema(b *testing.B) {
	for what, source := range worst() {
		b.Run(what, func(b *testing.B) {
			for b.Loop() {
				_, _ = Compile([]byte(source))
			}
		})
	}
}

// TestBatch: what is the same is read once, and the budget ends it.
func TestBatch(t *testing.T) {
	t.Parallel()
	b := NewBatch(100_000)
	first, err := b.Compile([]byte(`{"pattern":"^a$"}`))
	left := b.Left()
	if err != nil || left >= 100_000 {
		t.Fatal(left, err)
	}
	if again, err := b.Compile([]byte(`{"pattern":"^a$"}`)); err != nil || again != first || b.Left() != left {
		t.Error("the same schema is read again")
	}
	other, err := b.Compile([]byte(`{"pattern":"^a$" }`))
	if err != nil || other == first || left-b.Left() > stepsPerPattern || other.root.pattern != first.root.pattern {
		t.Error("the same pattern is compiled again", left-b.Left(), err)
	}
	for range 2 { // a fault is as good as a schema
		if _, err := b.Compile([]byte(`{"pattern":"("}`)); err == nil || errors.Is(err, ErrSpent) {
			t.Error(err)
		}
	}
	if found, err := b.Check(first, []byte(`"b"`), 1); err != nil || len(found) != 1 {
		t.Error(found, err)
	}
	left = b.Left()
	if _, err := b.Check(first, []byte(`"`+strings.Repeat("a", 500)+`"`), 1); err != nil || left-b.Left() < 500 {
		t.Error("a check costs nothing", left-b.Left(), err)
	}
	for i := 0; err == nil && i < 100_000; i++ {
		_, err = b.Compile(fmt.Appendf(nil, `{"maxLength":%d}`, i))
	}
	if !errors.Is(err, ErrSpent) || b.Left() != 0 {
		t.Error("no end:", err)
	}
	if _, err := b.Compile([]byte(`{"pattern":"^a$"}`)); err != nil {
		t.Error("what is known costs nothing:", err)
	}
	if _, err := b.Check(first, []byte(`1`), 1); !errors.Is(err, ErrSpent) {
		t.Error(err)
	}
}

// narrower are reasons why a schema is refused that the standard allows.
var narrower = []string{
	"is given twice", "more digits", "more than 1500", "is not known here", "names another version", "holds the pattern", "goes deeper", "without going deeper", "outside of itself",
	"is not acceptable JSON", "longer than 4000", "has 65", "is one pattern too many", "twice; give each its own",
}

// FuzzLoad: what the library takes is taken, and nothing else.
func FuzzLoad(f *testing.F) {
	for _, s := range []string{
		`{"$ref":"#/x/0","x":[{"required":["a"]}]}`, `{"$id":"https://example.com/x/","$defs":{"a":{"$id":"a","$anchor":"b"}},"properties":{"c":{"$ref":"a#b"}}}`,
		`{"type":["string","null"],"enum":[1,{"a":[]}],"const":null,"format":"date"}`, `{"minLength":1.0,"multipleOf":0.5,"dependentRequired":{"a":["b"]}}`,
		`{"dependencies":{"a":["b"],"c":true},"definitions":{"d":false},"then":1}`, `{"$id":"urn:example:x","$ref":"#/$defs/%61","$defs":{"a":{}}}`,
		`{"patternProperties":{"^a":{"pattern":"b"}},"contains":true,"minContains":0,"unevaluatedItems":false,"contentSchema":{}}`,
		`{"title":1}`, `{"examples":{}}`, `{"$comment":null}`, `{"$schema":"https://json-schema.org/draft/2020-12/schema#"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		began := time.Now()
		_, err := Load([]byte(source))
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%q took %v", source, took)
		}
		if err != nil && strings.Contains(err.Error(), "is not acceptable JSON") {
			return
		}
		doc, bad := jsonschema.UnmarshalJSON(strings.NewReader(source))
		if bad != nil {
			t.Fatalf("%q: here %v, library %v", source, err, bad)
		}
		c := jsonschema.NewCompiler()
		c.DefaultDraft(jsonschema.Draft2020)
		c.AssertFormat()
		if bad = c.AddResource(documentURL, doc); bad == nil {
			_, bad = c.Compile(documentURL)
		}
		if err == nil && bad != nil {
			t.Fatalf("%q is taken, but not by the library: %v", source, bad)
		}
		if err != nil && bad == nil {
			for _, n := range narrower {
				if strings.Contains(err.Error(), n) {
					return
				}
			}
			t.Fatalf("%q is taken by the library, and refused here: %v", source, err)
		}
	})
}
