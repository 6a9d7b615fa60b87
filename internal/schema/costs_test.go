package schema

import (
	"fmt"
	"strings"
	"testing"
)

// ways makes a schema that judges the same value by a leaf 64 times.
func ways(leaf string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"$ref":"#/$defs/d6","$defs":{"d0":%s`, leaf)
	for i := range 6 {
		fmt.Fprintf(&b, `,"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]}`, i+1, i, i)
	}
	b.WriteString("}}")
	return b.String()
}

// numbered repeats a form, @ replaced by the number.
func numbered(n int, form string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = strings.ReplaceAll(form, "@", fmt.Sprint(i))
	}
	return strings.Join(parts, ",")
}

// listOf is a list of 256 KB.
func listOf(item string) (list string, items int) {
	items = 256 << 10 / (len(item) + 1)
	return "[" + strings.Repeat(item+",", items-1) + item + "]", items
}

// TestWorkIsCharged: what a keyword does with a value is charged, each time;
// each says how many steps it is for one evaluation at least.
func TestWorkIsCharged(t *testing.T) {
	t.Parallel()
	const size, times = 256 << 10, 64
	r := strings.Repeat
	text, name, number := `"`+r("a", size)+`"`, `{"`+r("a", size)+`":1}`, r("7", size)
	members := func(n int) string { return `{"a":1,` + numbered(n, `"a@":1`) + `}` }
	for what, c := range map[string]struct {
		leaf, data string
		each       int
	}{
		"nothing":                            {`{}`, text, 1},
		"type, of a number of all digits":    {`{"type":"integer"}`, number, size / 16},
		"type, of a number all behind":       {`{"not":{"type":"integer"}}`, "0." + number, size / 16},
		"minimum":                            {`{"minimum":1}`, number, size / 16},
		"multipleOf, of 20,000 digits":       {`{"multipleOf":7}`, r("7", 20_000), 20_000},
		"multipleOf, of a far exponent":      {`{"not":{"multipleOf":7}}`, "1e99999999999", 250},
		"const, of a text":                   {`{"not":{"const":1}}`, text, size / 32},
		"const, of a name":                   {`{"not":{"const":1}}`, name, size / 32},
		"const, of a number":                 {`{"not":{"const":1}}`, number, size / 32},
		"const, of members":                  {`{"not":{"const":1}}`, members(10_000), 20_000},
		"uniqueItems, of names":              {`{"uniqueItems":true}`, "[" + name[:size/2] + `":1},1]`, size / 16},
		"uniqueItems, of numbers":            {`{"uniqueItems":true}`, "[" + numbered(5_000, "@") + "]", 20_000},
		"minLength":                          {`{"minLength":1}`, text, size / 64},
		"format":                             {`{"format":"uri"}`, `"http://a/` + r("a", size/4) + `"`, size / 16},
		"format, of an empty text":           {`{"format":"uri-reference"}`, `""`, 3},
		"pattern, of a text":                 {`{"not":{"pattern":"^[ab]{1,50}c"}}`, `"` + r("a", 10_000) + `"`, 25_000},
		"pattern, of an empty text":          {`{"not":{"pattern":"^(?:a?){900}b"}}`, `""`, 450},
		"properties, of a long name":         {`{"properties":{"b":true}}`, name, size / 128},
		"propertyNames, of a long name":      {`{"propertyNames":{"minLength":1}}`, name, size/128 + size/64},
		"patternProperties, of long names":   {`{"patternProperties":{"b":true}}`, name, size / 16},
		"required, of many names":            {`{"not":{"required":[` + numbered(8_000, `"x@"`) + `]}}`, `{}`, 2_000},
		"required, of a long name":           {`{"not":{"required":["` + r("x", 60_000) + `"]}}`, `{}`, 60_000 / 128},
		"dependentRequired, of many names":   {`{"dependentRequired":{"a":[` + numbered(5_000, `"a@"`) + `]}}`, members(5_000), 1_250},
		"dependentRequired, none is there":   {`{"not":{"dependentRequired":{"a":[` + numbered(8_000, `"x@"`) + `]}}}`, `{"a":1}`, 2_000},
		"dependentRequired, of a long name":  {`{"not":{"dependentRequired":{"a":["` + r("x", 60_000) + `"]}}}`, `{"a":1}`, 60_000 / 128},
		"dependentRequired, of many members": {`{"dependentRequired":{` + numbered(4_000, `"x@":["a"]`) + `}}`, `{}`, 1_000},
		"dependentSchemas":                   {`{"dependentSchemas":{` + numbered(1_000, `"a@":true`) + `}}`, members(1_000), 1_250},
		"items":                              {`{"items":{}}`, "[" + numbered(20_000, "@") + "]", 20_000},
		"contains":                           {`{"contains":{}}`, "[" + numbered(20_000, "@") + "]", 20_000},
		"unevaluatedItems":                   {`{"unevaluatedItems":{}}`, "[" + numbered(20_000, "@") + "]", 22_500},
	} {
		found, steps := compile(t, ways(c.leaf)).check([]byte(c.data+r(" ", size)), 20) // that there is enough to spend
		if steps < times*c.each {
			t.Errorf("%s: %d steps, want %d times %d (%d found)", what, steps, times, c.each, len(found))
		}
	}
}

// TestListsAreCharged: what is judged over and over of the items of a list
// ends as too costly.
func TestListsAreCharged(t *testing.T) {
	t.Parallel()
	for what, c := range map[string][2]string{
		"dependentRequired, within not": {`{"items":{"not":{"dependentRequired":{"a":[` + numbered(8_000, `"@"`) + `]}}}}`, `{"a":1}`},
		"required, within not":          {`{"items":{"not":{"required":[` + numbered(8_000, `"@"`) + `]}}}`, `{}`},
		"pattern, of empty texts":       {`{"items":{"allOf":[` + numbered(8, `{"pattern":"^(?:a?){99@}b?"}`) + `]}}`, `""`},
		"multipleOf, of far exponents":  {`{"items":{"not":{"multipleOf":7}}}`, `1e99999999999`},
		"const, in many ways":           {`{"items":{"oneOf":[` + numbered(700, `{"const":@}`) + `]}}`, `1`},
		"minLength, in many ways":       {`{"items":{"anyOf":[` + numbered(700, `{"minLength":5@}`) + `,{}]}}`, `""`},
	} {
		list, _ := listOf(c[1])
		if got := faults(compile(t, c[0]).Check([]byte(list), 20)); !strings.HasPrefix(got, ": takes more work to check than its length allows") {
			t.Errorf("%s: %s", what, got)
		}
	}
}

// TestFaultsEndTheLookups: once enough is found, nothing more is looked for.
func TestFaultsEndTheLookups(t *testing.T) {
	t.Parallel()
	for what, source := range map[string]string{
		"required":          `{"required":[` + numbered(8_000, `"x@"`) + `]}`,
		"dependentRequired": `{"dependentRequired":{"a":[` + numbered(8_000, `"x@"`) + `]}}`,
	} {
		s := compile(t, source)
		for _, most := range []int{1, 20} {
			if found := s.Check([]byte(`{"a":1}`), most); len(found) != most || found[most-1].Pointer != fmt.Sprintf("/x%d", most-1) {
				t.Errorf("%s: %d found, want %d", what, len(found), most)
			}
		}
	}
}

// TestOrdinaryChecksAreCheap: a large event that is checked as usual spends
// less than half of what it may.
func TestOrdinaryChecksAreCheap(t *testing.T) {
	t.Parallel()
	s := compile(t, `{"type":"object","required":["orders"],"properties":{"orders":{"type":"array","uniqueItems":true,"items":{
	 "type":"object","required":["id","at","lines"],"additionalProperties":false,"dependentRequired":{"mail":["lines"]},"propertyNames":{"maxLength":40},
	 "properties":{"id":{"type":"string","format":"uuid"},"at":{"type":"string","format":"date-time"},"mail":{"type":["string","null"],"format":"email"},
	  "link":{"type":"string","format":"uri","maxLength":200},"code":{"type":"string","pattern":"^[A-Z]{3}-[0-9]{4}$"},"note":{"type":"string","pattern":"^[^<>]*$"},
	  "state":{"enum":["open","paid","sent"]},"lines":{"type":"array","minItems":1,"contains":{"required":["price"]},"items":{"oneOf":[
	   {"type":"object","required":["price","n"],"properties":{"price":{"type":"number","minimum":0,"multipleOf":0.01},"n":{"type":"integer","minimum":1}}},{"type":"null"}]}}}}}}}`)
	order := `{"id":"0b3f6c1e-8f0a-4c55-9d55-0000@","at":"2026-11-30T09:15:18.123Z","mail":"someone@@.example.com","link":"https://shop.example.com/orders/@","code":"ABC-1234","note":"","state":"sent","lines":[{"price":19.99,"n":1},{"price":0.5,"n":20},null]}`
	parts := make([]string, 1000)
	for i := range parts {
		parts[i] = strings.NewReplacer("0000@", fmt.Sprintf("%012d", i), "@@", "@a", "@", fmt.Sprint(i)).Replace(order)
	}
	data := `{"orders":[` + strings.Join(parts, ",") + `]}`
	found, steps := s.check([]byte(data), 20)
	if all := stepsFree + stepsPerByte*len(data); len(found) > 0 || steps > all/2 {
		t.Errorf("%d of %d steps: %s", steps, all, faults(found))
	}
}
