package schema

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/malote-dev/malote/internal/lang"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func compile(tb testing.TB, source string) *Schema {
	tb.Helper()
	s, err := Compile([]byte(source))
	if err != nil {
		tb.Fatalf("%s: %v", shorten(source), err)
	}
	return s
}

// faults are what a check finds, one a line.
func faults(ps []*Problem) string {
	var lines []string
	for _, p := range ps {
		lines = append(lines, p.Error())
	}
	return strings.Join(lines, "\n")
}

// faultCases read as the answers do: a schema, data, and what is said.
func faultCases() []struct{ schema, data, want string } {
	return []struct{ schema, data, want string }{
		{`true`, `{"a":1}`, ``},
		{`false`, `1`, `: is not allowed here by the schema`},
		{`{"type":"object"}`, `[]`, `: is an array; the schema asks for an object`},
		{`{"type":["integer","null"]}`, `"1"`, `: is a string; the schema asks for null or a whole number`},
		{`{"type":"integer"}`, `1.50`, `: is not a whole number; the schema asks for a whole number`},
		{`{"type":"integer"}`, `1e999999999`, ``},
		{`{"type":"integer"}`, `1.0`, ``},
		{`{"type":"object","required":["a","b"],"properties":{"a":{"type":"string"}},"additionalProperties":false}`, `{"a":1,"c":2}`,
			"/b: is missing; the schema requires it\n/a: is a number; the schema asks for a string\n/c: is not allowed here by the schema"},
		{`{"enum":["a",1,{"x":[1,2]}]}`, `{"x":[1.0,2e0]}`, ``},
		{`{"enum":["a",1]}`, `2`, `: is none of the values that the schema allows: "a", 1`},
		{`{"const":"task"}`, `"tusk"`, `: is not the value that the schema asks for: "task"`},
		{`{"minLength":2,"maxLength":3}`, `"é"`, `: has 1 character; the schema asks for at least 2`},
		{`{"minLength":2,"maxLength":3}`, `"ééé"`, ``},
		{`{"pattern":"^[a-z]+$"}`, `"A"`, `: does not match the pattern that the schema asks for: ^[a-z]+$`},
		{`{"format":"date-time"}`, `"yesterday"`, `: is not of the format that the schema asks for: date-time`},
		{`{"format":"email"}`, `7`, ``},
		{`{"format":"int64"}`, `"a remark"`, ``},
		{`{"minimum":0.5,"maximum":1}`, `0.4999999999999999999999`, `: is less than 0.5, the least that the schema allows`},
		{`{"minimum":0.5,"maximum":1}`, `1.0000000000000000000001`, `: is more than 1, the most that the schema allows`},
		{`{"exclusiveMinimum":0,"exclusiveMaximum":1}`, `0`, `: is not more than 0, as the schema asks for`},
		{`{"exclusiveMaximum":1}`, `1e0`, `: is not less than 1, as the schema asks for`},
		{`{"multipleOf":0.01}`, `19.99`, ``},
		{`{"multipleOf":0.01}`, `19.999`, `: is not a multiple of 0.01, as the schema asks for`},
		{`{"multipleOf":3}`, `1e400000000`, `: is not a multiple of 3, as the schema asks for`},
		{`{"prefixItems":[{"type":"string"}],"items":{"type":"number"}}`, `["a",1,"b"]`, `/2: is a string; the schema asks for a number`},
		{`{"minItems":2}`, `[1]`, `: has 1 item; the schema asks for at least 2`},
		{`{"maxItems":1}`, `[1,2]`, `: has 2 items; the schema allows at most 1`},
		{`{"uniqueItems":true}`, `[{"a":1,"b":2},3,{"b":2.0,"a":1}]`, `: has equal items at 0 and 2, counted from 0; the schema asks for different ones`},
		{`{"contains":{"const":1}}`, `[2]`, `: holds 0 of what the schema asks for at least 1 of (contains)`},
		{`{"contains":{"const":1},"maxContains":1}`, `[1,1]`, `: holds 2 of what the schema allows at most 1 of (contains)`},
		{`{"minProperties":1}`, `{}`, `: has 0 members; the schema asks for at least 1`},
		{`{"maxProperties":0}`, `{"a":1}`, `: has 1 member; the schema allows at most 0`},
		{`{"dependentRequired":{"card":["name"]}}`, `{"card":1}`, `/name: is missing; the schema requires it beside card`},
		{`{"propertyNames":{"maxLength":1}}`, `{"ab":1}`, `/ab: has a name that the schema does not allow (propertyNames)`},
		{`{"not":{"type":"null"}}`, `null`, `: is just what the schema does not allow (not)`},
		{`{"anyOf":[{"$ref":"#/$defs/t"},{"type":"null"}],"$defs":{"t":{"type":"object","required":["id"]}}}`, `{}`, `/id: is missing; the schema requires it`},
		{`{"oneOf":[{"type":"object","required":["a"]},{"type":"object","required":["b"]}]}`, `{}`, `: fits none of the 2 forms that the schema allows (oneOf)`},
		{`{"oneOf":[{"required":["a"]},{"required":["b"]}]}`, `{"a":1,"b":1}`, `: fits more than one of the forms of which the schema allows exactly one (oneOf): 0 and 1, counted from 0`},
		{`{"if":{"properties":{"k":{"const":"a"}}},"then":{"required":["x"]},"else":{"required":["y"]}}`, `{"k":"a"}`, `/x: is missing; the schema requires it`},
		{`{"allOf":[{"properties":{"a":true}}],"unevaluatedProperties":false}`, `{"a":1,"b/c":2}`, `/b~1c: is not allowed here by the schema`},
		{`{"prefixItems":[true],"contains":{"const":3},"unevaluatedItems":false}`, `[1,3,4]`, `/2: is not allowed here by the schema`},
		{`{"properties":{"n":{"$ref":"#"},"v":{"type":"number"}}}`, `{"n":{"n":{"v":"x"}}}`, `/n/n/v: is a string; the schema asks for a number`},
		{`{"patternProperties":{"^x-":{"type":"string"}},"additionalProperties":{"type":"number"}}`, `{"x-a":1,"b":"c"}`,
			"/x-a: is a number; the schema asks for a string\n/b: is a string; the schema asks for a number"},
		{`true`, `{"a":[{"b":1,"b":2}]}`, `/a/0/b: is given twice; send it once: the schema can judge only one of them`},
		{`true`, `{`, `: is not acceptable JSON: line 1, column 2: the document ends where a member's name in double quotes is expected`},
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, c := range faultCases() {
		if got := faults(compile(t, c.schema).Check([]byte(c.data), 20)); got != c.want {
			t.Errorf("%s of %s:\n%s\nwant\n%s", c.schema, c.data, got, c.want)
		}
	}
}

func TestAtMostAsManyFaultsAsAskedFor(t *testing.T) {
	t.Parallel()
	s := compile(t, `{"items":{"type":"string"}}`)
	data := []byte("[" + strings.Repeat("1,", 500) + "1]")
	for _, max := range []int{1, 2, 20} {
		if n := len(s.Check(data, max)); n != max {
			t.Errorf("%d faults, %d were asked for", n, max)
		}
	}
}

// refusedCases are what is no schema here, and where; those that are one want
// nothing.
func refusedCases() []struct{ schema, want string } {
	deep := func(n int) string { return strings.Repeat(`{"not":`, n) + "{}" + strings.Repeat("}", n) }
	wide := func(n int) string { // n objects
		var parts []string
		for i := range n - 2 {
			parts = append(parts, fmt.Sprintf(`"p%d":{"type":"null"}`, i))
		}
		return `{"properties":{` + strings.Join(parts, ",") + `}}`
	}
	long := func(n int) string {
		return `{"description":"` + strings.Repeat("x", n-len(`{"description":""}`)) + `"}`
	}
	return []struct{ schema, want string }{
		{`{`, ": is not acceptable JSON"},
		{`[]`, ": is not a JSON Schema; send an object"},
		{`{"type":"strnig"}`, `/type: is not what JSON Schema allows here: it must be one of "array", "boolean", "integer", "null", "number", "object", "string"`},
		{`{"type":["string","string"]}`, "/type: is not what JSON Schema allows here: its items 0 and 1, counted from 0, are equal"},
		{`{"properties":{"a":{"minimum":"1"}}}`, "/properties/a/minimum: is not what JSON Schema allows here: it must be a number"},
		{`{"properties":1}`, "/properties: is not what JSON Schema allows here: it must be an object"},
		{`{"items":[]}`, "/items: is not what JSON Schema allows here: it must be a boolean or an object"},
		{`{"minLength":-1}`, "/minLength: is not what JSON Schema allows here: it must be 0 or more"},
		{`{"minLength":1.5}`, "/minLength: is not what JSON Schema allows here: it must be a whole number"},
		{`{"multipleOf":0}`, "/multipleOf: is not what JSON Schema allows here: it must be more than 0"},
		{`{"anyOf":[]}`, "/anyOf: is not what JSON Schema allows here: it must not be empty"},
		{`{"$anchor":"1"}`, "/$anchor: is not what JSON Schema allows here: it must match ^[A-Za-z_]"},
		{`{"type":"object","type":"array"}`, "/type: is given twice"},
		{`{"$ref":"https://example.com/x.json"}`, ": refers to something outside of itself"},
		{`{"$ref":"file:///etc/passwd"}`, ": refers to something outside of itself"},
		{`{"$ref":"other.json"}`, ": refers to something outside of itself"},
		{`{"$ref":"#/$defs/none"}`, `: refers to "#/$defs/none", where it has nothing`},
		{`{"$ref":"#none"}`, `: refers to "#none", where it has nothing`},
		{`{"$ref":"#/%zz"}`, ": is not what JSON Schema allows here: it must be of the format uri-reference"},
		{`{"$ref":"#/~2"}`, `/$ref: refers to "#/~2", where it has nothing`},
		{`{"$ref":"#/x","x":1}`, "/x: is not what JSON Schema allows here: it must be a boolean or an object"},
		{`{"$ref":"#/x/0","x":[{"type":1}]}`, "/x/0/type: is not what JSON Schema allows here: it must be a string or an array"},
		{`{"$ref":"#/x/0","x":[{"required":["a"]}]}`, ""},
		{`{"$ref":"#/x/~0~1%25","x":{"~/%":true}}`, ""},
		{`{"$ref":"https://example.com/a#b","$defs":{"a":{"$id":"https://example.com/a","$defs":{"b":{"$anchor":"b"}}}}}`, ""},
		{`{"$id":"https://example.com/x/","$ref":"a#/$defs/b","$defs":{"a":{"$id":"a","$defs":{"b":{"$ref":"../x/"}}}}}`, ": refers to itself without going deeper"},
		{`{"$id":"#x"}`, "/$id: is not what JSON Schema allows here: it must match"},
		{`{"$id":1}`, "/$id: is not what JSON Schema allows here: it must be a string"},
		{`{"dependencies":{"a":["b","b"]}}`, "/dependencies/a: is not what JSON Schema allows here: its items 0 and 1"},
		{`{"required":["b",1]}`, "/required/1: is not what JSON Schema allows here: it must be a string"},
		{`{"type":[]}`, "/type: is not what JSON Schema allows here: it must not be empty"},
		{`{"$defs":{"unused":{"$ref":"#/nothing"}}}`, ""},
		{patterns(MaxPatterns), ""},
		{patterns(MaxPatterns + 1), "/properties/p100/pattern: is one pattern too many: the schema has 101 different ones (pattern and patternProperties), the limit is 100"},
		{`{"$ref":"#/x","x":` + patterns(MaxPatterns+3) + `}`, "/x/properties/p100/pattern: is one pattern too many: the schema has 103 different ones"},
		{`{"pattern":"` + strings.Repeat(`\\pL`, 300) + `"}`, ""},
		{`{"pattern":"(?i)[` + strings.Repeat("B-\U0001e942", 7) + `]"}`, ""},
		{`{"pattern":"(?i)[` + strings.Repeat("B-\U0001e942", 8) + `]"}`, "which takes too long to read"},
		{`{"patternProperties":{"(a|bc){300}":true,"(b|ac){300}":true,"(a|cc){300}":true}}`, ""},
		{many(`"(a|bcd%d){180}":true`, 40), "with which the patterns of this schema are too large together"},
		{ids(maxBases), ""},
		{ids(maxBases + 1), "/$defs/a/$id: makes the $id of this schema longer than 4000 bytes together"},
		{`{"$defs":{"a":{"$id":"x"},"b":{"$id":"x"}}}`, ": has the $id"},
		{`{"$defs":{"a":{"$anchor":"x"},"b":{"$anchor":"x"}}}`, `: has the $anchor "x" twice`},
		{`{"$schema":"http://json-schema.org/draft-07/schema#"}`, "/$schema: names another version of JSON Schema"},
		{`{"$defs":{"a":{"$id":"x","$schema":"http://json-schema.org/draft-04/schema#"}}}`, "/$defs/a/$schema: names another version"},
		{`{"$dynamicRef":"#a"}`, "/$dynamicRef: is not known here"},
		{`{"$recursiveRef":"#"}`, "/$recursiveRef: is not known here"},
		{`{"properties":{"$dynamicRef":{"type":"string"}}}`, ""},
		{`{"enum":[{"$dynamicRef":"x"}]}`, ""},
		{`{"$ref":"#"}`, ": refers to itself without going deeper"},
		{`{"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"anyOf":[{"$ref":"#"}]}}}`, ": refers to itself without going deeper"},
		{`{"dependentSchemas":{"a":{"$ref":"#"}}}`, ": refers to itself without going deeper"},
		{`{"pattern":"(?=a)"}`, "which is no regular expression (RE2): (?= is not known; lookaround"},
		{`{"pattern":"((a{100}){100}){100}"}`, "which is no regular expression"},
		{`{"pattern":"(ab|cd){1000}"}`, "too large once its repetitions are written out"},
		{`{"patternProperties":{"[":true}}`, "which is no regular expression"},
		{`{"pattern":"` + strings.Repeat("a", maxPattern) + `"}`, ""},
		{`{"pattern":"` + strings.Repeat("a", maxPattern+1) + `"}`, "which has 1001 bytes; the limit is 1000"},
		{`{"minimum":1e999999999}`, "/minimum: is a number with more digits"},
		{`{"minimum":1e400}`, ""},
		{`{"minimum":1e401}`, "/minimum: is a number with more digits"},
		{`{"const":` + strings.Repeat("1", maxDigits) + `}`, ""},
		{`{"const":` + strings.Repeat("1", maxDigits+1) + `}`, "/const: is a number with more digits"},
		{deep(MaxDepth - 1), ""},
		{deep(MaxDepth), ": is not acceptable JSON"},
		{wide(MaxObjects), ""},
		{wide(MaxObjects + 1), ": has more than 1500 objects"},
		{long(MaxBytes), ""},
		{long(MaxBytes + 1), ": has 65537 bytes; the limit is 65536"},
	}
}

func TestRefusedSchemas(t *testing.T) {
	t.Parallel()
	for _, c := range refusedCases() {
		_, err := Compile([]byte(c.schema))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", shorten(c.schema), err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %s", shorten(c.schema), err, c.want)
		}
	}
}

// TestNoEnglishInPortuguese: what is said of a schema, and of data, is in words
// of the catalogue, of the schema and of the data.
func TestNoEnglishInPortuguese(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("../lang/pt-BR.json")
	if err != nil {
		t.Fatal(err)
	}
	letters := regexp.MustCompile(`\pL[\pL\pN_-]*`)
	known := map[string]bool{}
	for line := range strings.Lines(string(file)) {
		if _, text, ok := strings.Cut(line, `": `); ok {
			for _, w := range letters.FindAllString(text, -1) {
				known[w] = true
			}
		}
	}
	check := func(p *Problem, source string) {
		said := p.Detail.In(lang.Portuguese)
		if said == p.Detail.String() || strings.Contains(said, "%!") {
			t.Errorf("%s: %s", shorten(source), said)
		}
		for _, w := range letters.FindAllString(said, -1) {
			if !known[w] && !strings.Contains(source+mentioned, w) {
				t.Errorf("%s: %s: %s", shorten(source), said, w)
			}
		}
	}
	n := 0
	for _, c := range faultCases() {
		for _, p := range compile(t, c.schema).Check([]byte(c.data), 20) {
			check(p, c.schema+c.data)
			n++
		}
	}
	for _, c := range refusedCases() {
		_, err := Compile([]byte(c.schema))
		if p := new(Problem); errors.As(err, &p) {
			check(p, c.schema)
			n++
		}
	}
	if n < 90 {
		t.Errorf("only %d", n)
	}
}

// mentioned are names that stand in answers as they are.
const mentioned = `"array", "boolean", "integer", "null", "number", "object", "string" uri-reference ^[A-Za-z_][-A-Za-z0-9._]*$ ^[^#]*#?$ ` + Draft

// patterns is a schema with n different ones, each used twice.
func patterns(n int) string {
	var parts []string
	for i := range n {
		parts = append(parts, fmt.Sprintf(`"p%03d":{"pattern":"^p%d$"},"q%03d":{"pattern":"^p%d$"}`, i, i, i, i))
	}
	return `{"properties":{` + strings.Join(parts, ",") + `}}`
}

// many is a schema with so many patterns.
func many(member string, n int) string {
	var parts []string
	for i := range n {
		parts = append(parts, fmt.Sprintf(member, i))
	}
	return `{"patternProperties":{` + strings.Join(parts, ",") + `}}`
}

// ids is a schema whose $id have n bytes together.
func ids(n int) string {
	top := "https://example.com/" + strings.Repeat("x", n/2-21) + "/"
	rest := n - len(top) - (len(top) + 0)
	return `{"$id":"` + top + `","$defs":{"a":{"$id":"` + strings.Repeat("y", rest) + `"}}}`
}

// hostile are schemas and data that are made to take for ever: each ends with
// the steps that the data's length allows.
func hostile() map[string][2]string {
	const body = 256 << 10
	nested := func(open, inner, end string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(end, n)
	}
	list := func(item string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", body/(len(item)+1)), ",") + "]"
	}
	var many []string
	for i := range 9000 {
		many = append(many, fmt.Sprint(i))
	}
	var names []string
	for i := range 3000 {
		names = append(names, fmt.Sprintf(`"n%d"`, i))
	}
	pad := `,"pad":"` + strings.Repeat("x", 200<<10) + `"`
	return map[string][2]string{
		"each level twice, and again":    {`{"properties":{"a":{"allOf":[{"$ref":"#"},{"$ref":"#"},{"$ref":"#"}]}}}`, nested(`{"a":`, "1", "}", 120)},
		"within not, items and contains": {`{"not":{"$ref":"#/$defs/x"},"$defs":{"x":{"type":"array","items":{"$ref":"#/$defs/x"},"contains":{"$ref":"#/$defs/x"}}}}`, nested("[", "1", "]", 120)},
		"patterns on one name":           {`{"type":"object","patternProperties":{"a":{"$ref":"#"},"^a":{"$ref":"#"},"a$":{"$ref":"#"}}}`, nested(`{"a":`, "{}", "}", 120)},
		"one of many, deep":              {`{"properties":{"a":{"oneOf":[{"$ref":"#"},{"$ref":"#"},{"type":"null"}]}}}`, nested(`{"a":`, "1"+pad[:0], "}", 120)},
		"deep, with length to spend":     {`{"properties":{"a":{"anyOf":[{"$ref":"#"},{"$ref":"#"}],"not":{"type":"null"}}},"required":["zz"]}`, `{"a":` + nested(`{"a":`, "1", "}", 110) + pad + `}`},
		"a long enum for each item":      {`{"items":{"enum":[` + strings.Join(many, ",") + `]}}`, list("-1")},
		"unique numbers":                 {`{"uniqueItems":true}`, list("1e308")},
		"unique, and within each other":  {`{"uniqueItems":true,"items":{"$ref":"#"}}`, nested("[", strings.TrimSuffix(strings.Repeat("[1],", 60<<10), ","), "]", 100)},
		"huge exponents":                 {`{"items":{"multipleOf":7,"minimum":3,"maximum":5}}`, list("1e999999999")},
		"a number of all digits":         {`{"multipleOf":7}`, strings.Repeat("7", body)},
		"numbers of many digits":         {`{"items":{"multipleOf":7}}`, list(strings.Repeat("7", 8000))},
		"a pattern over a long text":     {`{"pattern":"(x+x+)+y{500}"}`, `"` + strings.Repeat("x", body) + `"`},
		"many patterns, many names":      {`{"patternProperties":{"(a|b|c|d){9}x":true,"(a|b|c|d){9}y":true,"(a|b|c|d){9}z":true}}`, "{" + strings.Join(named(20_000), ",") + "}"},
		"all required, of each item":     {`{"items":{"required":[` + strings.Join(names, ",") + `]}}`, list("{}")},
		"many alternatives for each":     {`{"items":{"anyOf":[` + strings.TrimSuffix(strings.Repeat(`{"type":"string","minLength":3},`, 1400), ",") + `]}}`, list(`"a"`)},
		"what nobody has judged":         {`{"items":{"unevaluatedProperties":{"$ref":"#"},"allOf":[{"not":{"required":["q"]}}]}}`, list(`{"a":[{"b":1}]}`)},
		"a mail address without an end":  {`{"format":"email"}`, `"` + strings.Repeat("a.", body/2) + `@x"`},
		"a host name without an end":     {`{"items":{"format":"hostname"}}`, list(`"` + strings.Repeat("a-", 100) + `"`)},
	}
}

func named(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(`"abcdabcd%d":1`, i)
	}
	return out
}

// TestHostile: the steps bound what a check does; the time is a bound that no
// machine should come near.
func TestHostile(t *testing.T) {
	t.Parallel()
	for name, c := range hostile() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := compile(t, c[0])
			began := time.Now()
			found := s.Check([]byte(c[1]), 20)
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
			if len(found) > 20 {
				t.Errorf("%d faults", len(found))
			}
		})
	}
}

func TestTooMuchWorkIsSaid(t *testing.T) {
	t.Parallel()
	c := hostile()["each level twice, and again"]
	if got := faults(compile(t, c[0]).Check([]byte(c[1]), 20)); !strings.HasPrefix(got, ": takes more work to check than its length allows") {
		t.Error(got)
	}
}

func BenchmarkHostile(b *testing.B) {
	for name, c := range hostile() {
		b.Run(name, func(b *testing.B) {
			s := compile(b, c[0])
			for b.Loop() {
				s.Check([]byte(c[1]), 20)
			}
		})
	}
}
