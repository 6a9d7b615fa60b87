package schema

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/malote-dev/malote/internal/lang"
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
	pattern              *pattern

	least, most, above, below, multiple *limit
}

type patternNode struct {
	*pattern
	node *node
}

// dependent is what holds where a member is present.
type dependent struct {
	name     string
	required []string
	node     *node
}

func bit(k rawjson.Kind) uint16 { return 1 << k }

var kindsOf = map[string]rawjson.Kind{
	"null": rawjson.Null, "boolean": rawjson.Bool, "number": rawjson.Number, "integer": rawjson.Number,
	"string": rawjson.String, "array": rawjson.Array, "object": rawjson.Object,
}

// formats are those that are checked. The rest says something to people.
var formats = []string{
	"date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uri-reference", "uuid", "json-pointer",
}

// maker turns what the library compiled into nodes.
type maker struct {
	nodes map[*jsonschema.Schema]*node
	err   error
}

func (m *maker) node(s *jsonschema.Schema) *node {
	if s == nil {
		return nil
	}
	if n := m.nodes[s]; n != nil {
		return n
	}
	n := &node{}
	m.nodes[s] = n
	if s.Bool != nil {
		n.never = !*s.Bool
		return n
	}
	m.anyValue(n, s)
	m.object(n, s)
	m.array(n, s)
	n.minLength, n.maxLength = s.MinLength, s.MaxLength
	if p, ok := s.Pattern.(*pattern); ok {
		n.pattern = p
	}
	n.least, n.most, n.above, n.below = ofRat(s.Minimum), ofRat(s.Maximum), ofRat(s.ExclusiveMinimum), ofRat(s.ExclusiveMaximum)
	n.multiple = ofRat(s.MultipleOf)
	return n
}

func (m *maker) anyValue(n *node, s *jsonschema.Schema) {
	if s.Types != nil {
		names := s.Types.ToStrings()
		for _, name := range names {
			n.types |= bit(kindsOf[name])
		}
		n.whole = slices.Contains(names, "integer") && !slices.Contains(names, "number")
		n.kinds = kindWords(names)
	}
	switch {
	case s.Enum != nil && s.Const != nil: // both hold
		m.choice(n, s.Enum.Values)
		one := valueOf(*s.Const)
		if key := string(one.appendKey(nil)); n.enum[key] {
			n.enum = map[string]bool{key: true}
		} else {
			n.enum = map[string]bool{}
		}
		n.choice = inWords([]any{*s.Const})
	case s.Enum != nil:
		m.choice(n, s.Enum.Values)
	case s.Const != nil:
		m.choice(n, []any{*s.Const})
	}
	if s.Format != nil && slices.Contains(formats, s.Format.Name) {
		n.format = s.Format
	}
	n.ref = m.node(s.Ref)
	n.allOf, n.anyOf, n.oneOf = m.all(s.AllOf), m.all(s.AnyOf), m.all(s.OneOf)
	n.not, n.when, n.then, n.otherwise = m.node(s.Not), m.node(s.If), m.node(s.Then), m.node(s.Else)
}

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

func (m *maker) choice(n *node, values []any) {
	n.enum = make(map[string]bool, len(values))
	for _, v := range values {
		one := valueOf(v)
		n.enum[string(one.appendKey(nil))] = true
	}
	n.choice = inWords(values)
}

// inWords lists the first of some values as JSON.
func inWords(values []any) string {
	const most = 8
	var parts []string
	for _, v := range values[:min(most, len(values))] {
		text, _ := json.Marshal(v)
		parts = append(parts, shorten(string(text)))
	}
	if len(values) > most {
		parts = append(parts, "…")
	}
	return strings.Join(parts, ", ")
}

func (m *maker) object(n *node, s *jsonschema.Schema) {
	n.required, n.minMembers, n.maxMembers = s.Required, s.MinProperties, s.MaxProperties
	if len(s.Properties) > 0 {
		n.properties = make(map[string]*node, len(s.Properties))
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			n.properties[name] = m.node(s.Properties[name])
		}
	}
	for re, sub := range s.PatternProperties {
		if p, ok := re.(*pattern); ok {
			n.patterns = append(n.patterns, patternNode{p, m.node(sub)})
		}
	}
	slices.SortFunc(n.patterns, func(a, b patternNode) int { return strings.Compare(a.String(), b.String()) })
	switch a := s.AdditionalProperties.(type) {
	case bool:
		n.additional = &node{never: !a}
	case *jsonschema.Schema:
		n.additional = m.node(a)
	}
	n.names, n.unevaluatedMember = m.node(s.PropertyNames), m.node(s.UnevaluatedProperties)
	for _, name := range slices.Sorted(maps.Keys(s.DependentRequired)) {
		n.dependents = append(n.dependents, dependent{name: name, required: s.DependentRequired[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(s.DependentSchemas)) {
		n.dependents = append(n.dependents, dependent{name: name, node: m.node(s.DependentSchemas[name])})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Dependencies)) { // of earlier versions, which the library still reads
		switch d := s.Dependencies[name].(type) {
		case []string:
			n.dependents = append(n.dependents, dependent{name: name, required: d})
		case *jsonschema.Schema:
			n.dependents = append(n.dependents, dependent{name: name, node: m.node(d)})
		}
	}
}

func (m *maker) array(n *node, s *jsonschema.Schema) {
	n.prefix, n.items, n.unevaluatedItem = m.all(s.PrefixItems), m.node(s.Items2020), m.node(s.UnevaluatedItems)
	n.minItems, n.maxItems, n.unique = s.MinItems, s.MaxItems, s.UniqueItems
	n.contains, n.minContains, n.maxContains = m.node(s.Contains), s.MinContains, s.MaxContains
}

func (m *maker) all(ss []*jsonschema.Schema) []*node {
	out := make([]*node, 0, len(ss))
	for _, s := range ss {
		out = append(out, m.node(s))
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
func (m *maker) endless(root *node) {
	const under, done = 1, 2
	state := map[*node]int{}
	var visit func(n *node)
	visit = func(n *node) {
		switch {
		case n == nil || state[n] == done || m.err != nil:
			return
		case state[n] == under:
			m.err = problem("", "refers to itself without going deeper into the data; such a reference never ends")
			return
		}
		state[n] = under
		for _, sub := range n.same() {
			visit(sub)
		}
		state[n] = done
	}
	visit(root)
	for _, n := range m.nodes {
		visit(n)
	}
}
