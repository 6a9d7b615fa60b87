package schema

import (
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/pattern"
	"github.com/malote-dev/malote/internal/rawjson"
)

// node is one subschema as it is evaluated.
type node struct {
	never bool         // the schema false
	types uint16       // bits of kinds; 0: any
	whole bool         // of numbers only whole ones
	kinds lang.Message // the types in words

	enum   map[string]bool // keys of the allowed values; nil: any
	choice string          // the allowed values in words
	format *jsonschema.Format

	ref                 *node
	allOf, anyOf, oneOf []*node
	not, when           *node
	then, otherwise     *node

	lookups           int // steps to look for what is required, and what others depend on
	required          []string
	properties        map[string]*node
	patterns          []patternNode
	additional        *node
	names             *node
	dependents        []dependent
	unevaluatedMember *node
	minMembers        *int
	maxMembers        *int

	prefix          []*node
	items           *node
	contains        *node
	minContains     *int
	maxContains     *int
	minItems        *int
	maxItems        *int
	unique          bool
	unevaluatedItem *node

	minLength, maxLength *int
	pattern              *pattern.Pattern

	least, most, above, below, multiple *limit
}

type patternNode struct {
	*pattern.Pattern
	node *node
}

// dependent is what holds where a member is present.
type dependent struct {
	name     string
	lookups  int // steps to look for what is required
	required []string
	node     *node
}

func bit(k rawjson.Kind) uint16 { return 1 << k }

var kindsOf = map[string]rawjson.Kind{
	"null": rawjson.Null, "boolean": rawjson.Bool, "number": rawjson.Number, "integer": rawjson.Number,
	"string": rawjson.String, "array": rawjson.Array, "object": rawjson.Object,
}

// node makes a node of a subschema that was surveyed; nil: there is none, or
// something is wrong.
func (d *document) node(v *value) *node {
	if v == nil || d.err != nil {
		return nil
	}
	p := d.at[v]
	if p.node != nil {
		return p.node
	}
	n := &node{}
	p.node = n
	if v.kind == rawjson.Bool {
		n.never = v.text == "false"
		return n
	}
	if ref := v.get("$ref"); ref != nil {
		n.ref = d.node(d.follow(ref, p.path.with("$ref"), p.in))
	}
	if d.err != nil {
		return n
	}
	d.anyValue(n, v)
	d.object(n, v)
	d.array(n, v)
	n.minLength, n.maxLength = v.count("minLength"), v.count("maxLength")
	if p := v.get("pattern"); p != nil {
		n.pattern = d.patterns[p.text]
	}
	n.least, n.most, n.above, n.below = limitOf(v.get("minimum")), limitOf(v.get("maximum")), limitOf(v.get("exclusiveMinimum")), limitOf(v.get("exclusiveMaximum"))
	n.multiple = limitOf(v.get("multipleOf"))
	return n
}

// count is a keyword's number of things; nil: it is not there.
func (v *value) count(keyword string) *int {
	if c := v.get(keyword); c != nil {
		return new(parseDecimal(c.text).whole())
	}
	return nil
}

func (d *document) anyValue(n *node, v *value) {
	if t := v.get("type"); t != nil {
		kinds := texts(t)
		if t.kind == rawjson.String {
			kinds = []string{t.text}
		}
		for _, name := range kinds {
			n.types |= bit(kindsOf[name])
		}
		n.whole = slices.Contains(kinds, "integer") && !slices.Contains(kinds, "number")
		n.kinds = kindWords(inOrder(kinds))
	}
	enum, only := v.get("enum"), v.get("const")
	if enum != nil {
		n.choose(enum.items)
	}
	if only != nil {
		both := enum == nil || n.enum[string(only.appendKey(nil))] // where both are there, both hold
		if n.choose([]value{*only}); !both {
			n.enum = map[string]bool{}
		}
	}
	if f := v.get("format"); f != nil {
		n.format = formatsOf()[f.text]
	}
	n.allOf, n.anyOf, n.oneOf = d.list(v, "allOf"), d.list(v, "anyOf"), d.list(v, "oneOf")
	n.not = d.node(v.get("not"))
	if n.when = d.node(v.get("if")); n.when != nil {
		n.then, n.otherwise = d.node(v.get("then")), d.node(v.get("else"))
	}
}

// inOrder are types in the order in which they are said.
func inOrder(kinds []string) []string {
	return slices.SortedFunc(slices.Values(kinds), func(a, b string) int {
		return compare(slices.Index(saidOrder, a), slices.Index(saidOrder, b))
	})
}

var saidOrder = []string{"null", "boolean", "number", "integer", "string", "array", "object"}

// kindWords says types as the faults do.
func kindWords(names []string) lang.Message {
	var words lang.Message
	for i, name := range names {
		next := kindsOf[name].Words()
		if name == "integer" {
			next = lang.Text("a whole number")
		}
		if words = next; i > 0 {
			words = lang.Text("%s or %s", kindWords(names[:i]), next)
		}
	}
	return words
}

func (n *node) choose(values []value) {
	n.enum = make(map[string]bool, len(values))
	for i := range values {
		n.enum[string(values[i].appendKey(nil))] = true
	}
	const most = 8
	var parts []string
	for i := range values[:min(most, len(values))] {
		parts = append(parts, shorten(string(values[i].appendJSON(nil))))
	}
	if len(values) > most {
		parts = append(parts, "…")
	}
	n.choice = strings.Join(parts, ", ")
}

func (d *document) object(n *node, v *value) {
	n.required, n.minMembers, n.maxMembers = texts(v.get("required")), v.count("minProperties"), v.count("maxProperties")
	if p := v.get("properties"); p != nil && len(p.names) > 0 {
		n.properties = make(map[string]*node, len(p.names))
		for i, name := range p.names {
			n.properties[name] = d.node(&p.items[i])
		}
	}
	if p := v.get("patternProperties"); p != nil {
		for i, text := range p.names {
			n.patterns = append(n.patterns, patternNode{d.patterns[text], d.node(&p.items[i])})
		}
	}
	slices.SortFunc(n.patterns, func(a, b patternNode) int { return strings.Compare(a.String(), b.String()) })
	n.additional = d.node(v.get("additionalProperties"))
	n.names, n.unevaluatedMember = d.node(v.get("propertyNames")), d.node(v.get("unevaluatedProperties"))
	for _, keyword := range []string{"dependentRequired", "dependentSchemas", "dependencies"} { // the last is of earlier versions
		all := v.get(keyword)
		if all == nil {
			continue
		}
		for i, name := range all.names {
			next := dependent{name: name}
			if all.items[i].kind == rawjson.Array {
				next.required = texts(&all.items[i])
				next.lookups = lookSteps(next.required...)
			} else {
				next.node = d.node(&all.items[i])
			}
			n.dependents = append(n.dependents, next)
		}
		n.lookups += lookSteps(all.names...)
	}
	n.lookups += lookSteps(n.required...)
}

func (d *document) array(n *node, v *value) {
	n.prefix, n.items, n.unevaluatedItem = d.list(v, "prefixItems"), d.node(v.get("items")), d.node(v.get("unevaluatedItems"))
	n.minItems, n.maxItems = v.count("minItems"), v.count("maxItems")
	unique := v.get("uniqueItems")
	n.unique = unique != nil && unique.text == "true"
	if n.contains = d.node(v.get("contains")); n.contains != nil {
		n.minContains, n.maxContains = v.count("minContains"), v.count("maxContains")
	}
}

func (d *document) list(v *value, keyword string) []*node {
	all := v.get(keyword)
	if all == nil {
		return nil
	}
	out := make([]*node, len(all.items))
	for i := range all.items {
		out[i] = d.node(&all.items[i])
	}
	return out
}

// texts are the items of a list of strings.
func texts(v *value) []string {
	if v == nil || v.kind != rawjson.Array {
		return nil
	}
	out := make([]string, len(v.items))
	for i := range v.items {
		out[i] = v.items[i].text
	}
	return out
}

// same are the subschemas that judge the same value as the node itself.
func (n *node) same() []*node {
	out := slices.Concat([]*node{n.ref, n.not, n.when, n.then, n.otherwise}, n.allOf, n.anyOf, n.oneOf)
	for _, d := range n.dependents {
		out = append(out, d.node)
	}
	return out
}

// endless refuses a schema that comes back to a subschema without having gone
// into the data, as {"$ref":"#"} does.
func (d *document) endless() {
	const under, done = 1, 2
	state := map[*node]int{}
	var visit func(n *node)
	visit = func(n *node) {
		switch {
		case n == nil || state[n] == done || d.err != nil:
			return
		case state[n] == under:
			d.err = problem("", "refers to itself without going deeper into the data; such a reference never ends")
			return
		}
		state[n] = under
		for _, sub := range n.same() {
			visit(sub)
		}
		state[n] = done
	}
	for _, p := range d.at {
		visit(p.node)
	}
}
