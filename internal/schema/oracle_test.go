package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

var memberNames = rapid.SampledFrom([]string{"a", "b", "c", "x1"})

// anyData is a value of JSON from a small world, so that schemas often fit.
func anyData(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		most := 7
		if depth == 0 {
			most = 5
		}
		switch rapid.IntRange(0, most).Draw(t, "kind") {
		case 0:
			return nil
		case 1:
			return rapid.Bool().Draw(t, "bool")
		case 2, 3:
			return json.Number(rapid.SampledFrom([]string{"0", "1", "-1", "2", "2.0", "1e1", "0.5", "-0.25", "10", "3"}).Draw(t, "number"))
		case 4, 5:
			return rapid.SampledFrom([]string{"", "a", "ab", "abc", "1", "é"}).Draw(t, "string")
		case 6:
			return rapid.SliceOfN(anyData(depth-1), 0, 4).Draw(t, "array")
		}
		return rapid.MapOfN(memberNames, anyData(depth-1), 0, 3).Draw(t, "object")
	})
}

// anySchema draws keywords as a person would: a few at a time.
func anySchema(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		if rapid.IntRange(0, 19).Draw(t, "boolean") == 0 {
			return rapid.Bool().Draw(t, "schema")
		}
		out := map[string]any{}
		small := rapid.IntRange(0, 3)
		number := rapid.SampledFrom([]any{json.Number("0"), json.Number("1"), json.Number("0.5"), json.Number("2")})
		names := rapid.SliceOfNDistinct(memberNames, 0, 2, rapid.ID)
		kinds := rapid.SampledFrom([]string{"null", "boolean", "number", "integer", "string", "array", "object"})
		flat := map[string]func() any{
			"type":             func() any { return kinds.Draw(t, "type") },
			"enum":             func() any { return rapid.SliceOfN(anyData(1), 1, 4).Draw(t, "enum") },
			"const":            func() any { return anyData(1).Draw(t, "const") },
			"minimum":          func() any { return number.Draw(t, "n") },
			"maximum":          func() any { return number.Draw(t, "n") },
			"exclusiveMinimum": func() any { return number.Draw(t, "n") },
			"exclusiveMaximum": func() any { return number.Draw(t, "n") },
			"multipleOf": func() any {
				return rapid.SampledFrom([]any{json.Number("1"), json.Number("0.5"), json.Number("2")}).Draw(t, "n")
			},
			"minLength":         func() any { return small.Draw(t, "n") },
			"maxLength":         func() any { return small.Draw(t, "n") },
			"pattern":           func() any { return rapid.SampledFrom([]string{"a", "^a$", "b$", "1"}).Draw(t, "p") },
			"minItems":          func() any { return small.Draw(t, "n") },
			"maxItems":          func() any { return small.Draw(t, "n") },
			"uniqueItems":       func() any { return rapid.Bool().Draw(t, "u") },
			"minProperties":     func() any { return small.Draw(t, "n") },
			"maxProperties":     func() any { return small.Draw(t, "n") },
			"required":          func() any { return names.Draw(t, "required") },
			"dependentRequired": func() any { return map[string]any{memberNames.Draw(t, "d"): names.Draw(t, "r")} },
		}
		nested := map[string]func(sub func() any) any{}
		for _, k := range []string{
			"not", "if", "then", "else", "items", "contains", "additionalProperties", "propertyNames", "unevaluatedProperties", "unevaluatedItems",
		} {
			nested[k] = func(sub func() any) any { return sub() }
		}
		for _, k := range []string{"allOf", "anyOf", "oneOf", "prefixItems"} {
			nested[k] = func(sub func() any) any { return []any{sub(), sub()} }
		}
		for _, k := range []string{"properties", "dependentSchemas"} {
			nested[k] = func(sub func() any) any {
				return map[string]any{memberNames.Draw(t, "p"): sub(), memberNames.Draw(t, "q"): sub()}
			}
		}
		nested["patternProperties"] = func(sub func() any) any {
			return map[string]any{rapid.SampledFrom([]string{"a", "[ab]", "1$"}).Draw(t, "pp"): sub()}
		}
		nested["$ref"] = func(func() any) any { return rapid.SampledFrom([]string{"#/$defs/a", "#/$defs/b"}).Draw(t, "ref") }
		for range rapid.IntRange(1, 3).Draw(t, "keywords") {
			if depth > 0 && rapid.Bool().Draw(t, "nested") {
				k := rapid.SampledFrom(sorted(nested)).Draw(t, "keyword")
				out[k] = nested[k](func() any { return anySchema(depth-1).Draw(t, "sub") })
				if k == "contains" && rapid.Bool().Draw(t, "bounds") {
					out["minContains"], out["maxContains"] = small.Draw(t, "n"), small.Draw(t, "n")
				}
				continue
			}
			k := rapid.SampledFrom(sorted(flat)).Draw(t, "keyword")
			out[k] = flat[k]()
		}
		return out
	})
}

// TestSameAnswersAsTheLibrary: the library's own evaluation, which has no
// bounds, is the oracle.
func TestSameAnswersAsTheLibrary(t *testing.T) {
	t.Parallel()
	fits := 0
	rapid.Check(t, func(t *rapid.T) {
		doc := map[string]any{
			"allOf": []any{anySchema(3).Draw(t, "schema")},
			"$defs": map[string]any{"a": anySchema(0).Draw(t, "a"), "b": anySchema(0).Draw(t, "b")},
		}
		source, _ := json.Marshal(doc)
		s, err := Compile(source)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		c := jsonschema.NewCompiler()
		parsed, _ := jsonschema.UnmarshalJSON(strings.NewReader(string(source)))
		if err := c.AddResource("x.json", parsed); err != nil {
			t.Fatal(err)
		}
		oracle := c.MustCompile("x.json")
		for range 4 {
			data, _ := json.Marshal(anyData(3).Draw(t, "data"))
			v, _ := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
			want := oracle.Validate(v)
			for _, max := range []int{1, 20} {
				got := s.Check(data, max)
				if (want == nil) != (len(got) == 0) {
					t.Fatalf("schema %s\ndata %s\nhere: %s\nlibrary: %v", source, data, faults(got), want)
				}
			}
			if want == nil {
				fits++
			}
		}
	})
	if fits == 0 {
		t.Error("nothing ever fitted")
	}
}

func TestDecimals(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Custom(func(t *rapid.T) string {
			s := fmt.Sprint(rapid.IntRange(-1200, 1200).Draw(t, "whole"))
			if rapid.Bool().Draw(t, "fraction") {
				s += fmt.Sprintf(".%03d", rapid.IntRange(0, 999).Draw(t, "digits"))
			}
			if rapid.Bool().Draw(t, "exponent") {
				s += fmt.Sprintf("e%+d", rapid.IntRange(-5, 5).Draw(t, "exp"))
			}
			return s
		})
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		x, y := rat(t, a), rat(t, b)
		da, db := parseDecimal(a), parseDecimal(b)
		if got, want := da.cmp(db), x.Cmp(y); got != want {
			t.Fatalf("%s against %s: %d, want %d", a, b, got, want)
		}
		if da.integer() != x.IsInt() {
			t.Fatalf("%s whole: %v", a, da.integer())
		}
		if y.Sign() > 0 {
			if got, want := da.multipleOf(db), x.Quo(x, y).IsInt(); got != want {
				t.Fatalf("%s of %s: %v", a, b, got)
			}
		}
	})
}

func rat(t *rapid.T, s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		t.Fatal(s)
	}
	return r
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
