package schema

import (
	"strconv"
	"unicode/utf8"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/rawjson"
)

// Check judges data: at most max problems (at least 1), their pointers within
// the data. Its time is bounded by the length of the data.
func (s *Schema) Check(data []byte, max int) []*Problem {
	found, _ := s.check(data, max)
	return found
}

func (s *Schema) check(data []byte, max int) (_ []*Problem, steps int) {
	v, err := readValue(data)
	if err != nil {
		p, _ := err.(*Problem)
		return []*Problem{p}, 0
	}
	free := stepsFree + stepsPerByte*len(data)
	c := check{max: max, steps: free}
	c.judge(s.root, &v, nil)
	if c.steps < 0 {
		return []*Problem{problem("", "takes more work to check than its length allows: the schema of this type tries too many ways; simplify the schema, or switch its validation off")}, free
	}
	return c.found, free - c.steps
}

// check is one evaluation under way. Where it is mute, only the answer counts
// and the first fault ends it.
type check struct {
	steps int // left
	depth int // of judge
	mute  int
	max   int
	found []*Problem
	path  []step
	key   []byte // of the value that is looked for among those that are allowed
}

// step on the way to a value: a member, or an item.
type step struct {
	name string
	item int // where it is no member: from 0; else -1
}

// seen says which members or items of a value some keyword has judged; nil
// where nobody asks.
type seen []bool

func (s seen) mark(i int) {
	if s != nil {
		s[i] = true
	}
}

func (s seen) markAll() {
	for i := range s {
		s[i] = true
	}
}

func (s seen) merge(o seen) {
	for i := range o {
		s[i] = s[i] || o[i]
	}
}

// fault notes a problem with the value at hand; the answer is false.
func (c *check) fault(format lang.Format, args ...any) bool {
	if c.mute > 0 {
		return false
	}
	return c.faultText(lang.Text(format, args...))
}

func (c *check) faultText(detail lang.Message) bool {
	if c.mute == 0 && len(c.found) < c.max {
		c.found = append(c.found, &Problem{Pointer: c.pointer(), Detail: detail})
	}
	return false
}

// quick reports whether the first fault is enough.
func (c *check) quick() bool { return c.mute > 0 || len(c.found) >= c.max || c.steps < 0 }

func (c *check) pointer() string {
	path := make([]string, len(c.path))
	for i, s := range c.path {
		if path[i] = s.name; s.item >= 0 {
			path[i] = strconv.Itoa(s.item)
		}
	}
	return pointerOf(path)
}

// spend reports whether there are steps left.
func (c *check) spend(n int) bool {
	c.steps -= n
	return c.steps >= 0
}

// judge says whether a value fits. own, fresh or nil, is told which of its
// members or items were judged; what a value that does not fit told is worthless.
func (c *check) judge(n *node, v *value, own seen) bool {
	if n == nil {
		return true
	}
	if c.depth++; c.depth > maxFrames {
		c.steps = -1
	}
	defer func() { c.depth-- }()
	if !c.spend(1) {
		return false
	}
	if n.never {
		return c.fault("is not allowed here by the schema")
	}
	if !c.kind(n, v) || !c.choice(n, v) {
		return false // the rest would say the same again
	}
	if own == nil && (n.unevaluatedMember != nil || n.unevaluatedItem != nil) {
		if own = c.fresh(v); own == nil && len(v.items) > 0 {
			return false
		}
	}
	ok := true
	for _, part := range [...]func(*check, *node, *value, seen) bool{
		(*check).scalar, (*check).object, (*check).array, (*check).together, (*check).leftOver, // what is left over comes last
	} {
		if ok = part(c, n, v, own) && ok; !ok && c.quick() {
			return false
		}
	}
	return ok
}

// fresh makes a record for a value; nil where there are no steps left.
func (c *check) fresh(v *value) seen {
	if !c.spend(len(v.items) / 8) {
		return nil
	}
	return make(seen, len(v.items))
}

// again judges the same value by another subschema.
func (c *check) again(n *node, v *value, own seen) bool {
	if own == nil || n == nil {
		return c.judge(n, v, nil)
	}
	of := c.fresh(v)
	if of == nil || !c.judge(n, v, of) {
		return false
	}
	own.merge(of)
	return true
}

// fits is again, where a fault is no fault of the data.
func (c *check) fits(n *node, v *value, own seen) bool {
	c.mute++
	defer func() { c.mute-- }()
	return c.again(n, v, own)
}

// at judges a member or an item.
func (c *check) at(n *node, v *value, i int) bool {
	s := step{item: i}
	if v.kind == rawjson.Object {
		s = step{name: v.names[i], item: -1}
	}
	c.path = append(c.path, s)
	defer func() { c.path = c.path[:len(c.path)-1] }()
	return c.judge(n, &v.items[i], nil)
}

func (c *check) kind(n *node, v *value) bool {
	switch {
	case n.types == 0:
		return true
	case n.types&bit(v.kind) == 0:
		return c.fault("is %s; the schema asks for %s", v.kind, n.kinds)
	case !n.whole || v.kind != rawjson.Number:
	case !c.spend(len(v.text) / 16):
		return false
	case !parseDecimal(v.text).integer():
		return c.fault("is not a whole number; the schema asks for %s", n.kinds)
	}
	return true
}

func (c *check) choice(n *node, v *value) bool {
	switch {
	case n.enum == nil:
		return true
	case !c.spend(v.size):
		return false
	}
	c.key = v.appendKey(c.key[:0])
	switch {
	case n.enum[string(c.key)]:
		return true
	case len(n.enum) == 1:
		return c.fault("is not the value that the schema asks for: %s", n.choice)
	}
	return c.fault("is none of the values that the schema allows: %s", n.choice)
}

func (c *check) scalar(n *node, v *value, _ seen) bool {
	switch v.kind {
	case rawjson.String:
		return c.str(n, v.text)
	case rawjson.Number:
		return c.number(n, v.text)
	}
	return true
}

func (c *check) str(n *node, s string) (ok bool) {
	ok = true
	if n.minLength != nil || n.maxLength != nil {
		if !c.spend(len(s) / 64) {
			return false
		}
		has := utf8.RuneCountInString(s)
		if n.minLength != nil && has < *n.minLength {
			ok = c.mute == 0 && c.faultText(lang.Count(has, "has %d character; the schema asks for at least %d", "has %d characters; the schema asks for at least %d", *n.minLength))
		}
		if n.maxLength != nil && has > *n.maxLength {
			ok = c.mute == 0 && c.faultText(lang.Count(has, "has %d character; the schema allows at most %d", "has %d characters; the schema allows at most %d", *n.maxLength))
		}
	}
	if n.pattern != nil {
		if !c.spend(matchSteps(n.pattern, s)) {
			return false
		}
		if !n.pattern.MatchString(s) {
			ok = c.fault("does not match the pattern that the schema asks for: %s", shorten(n.pattern.String()))
		}
	}
	if n.format != nil {
		if !c.spend(2 + len(s)/4) {
			return false
		}
		if n.format.Validate(s) != nil {
			ok = c.fault("is not of the format that the schema asks for: %s", n.format.Name)
		}
	}
	return ok
}

func (c *check) number(n *node, text string) (ok bool) {
	if n.least == nil && n.most == nil && n.above == nil && n.below == nil && n.multiple == nil {
		return true
	}
	if !c.spend(1 + len(text)/16) {
		return false
	}
	d := parseDecimal(text)
	ok = true
	if n.least != nil && d.cmp(n.least.decimal) < 0 {
		ok = c.fault("is less than %s, the least that the schema allows", n.least.text)
	}
	if n.most != nil && d.cmp(n.most.decimal) > 0 {
		ok = c.fault("is more than %s, the most that the schema allows", n.most.text)
	}
	if n.above != nil && d.cmp(n.above.decimal) <= 0 {
		ok = c.fault("is not more than %s, as the schema asks for", n.above.text)
	}
	if n.below != nil && d.cmp(n.below.decimal) >= 0 {
		ok = c.fault("is not less than %s, as the schema asks for", n.below.text)
	}
	if n.multiple != nil {
		if !c.spend(d.multipleSteps(n.multiple.decimal)) {
			return false
		}
		if !d.multipleOf(n.multiple.decimal) {
			ok = c.fault("is not a multiple of %s, as the schema asks for", n.multiple.text)
		}
	}
	return ok
}

// together are the keywords that join subschemas for the same value.
func (c *check) together(n *node, v *value, own seen) (ok bool) {
	ok = n.ref == nil || c.again(n.ref, v, own)
	for _, sub := range n.allOf {
		if !ok && c.quick() {
			return false
		}
		ok = c.again(sub, v, own) && ok
	}
	if len(n.anyOf) > 0 {
		ok = c.any(n, v, own) && ok
	}
	if len(n.oneOf) > 0 {
		ok = c.one(n, v, own) && ok
	}
	if n.not != nil && c.fits(n.not, v, nil) {
		ok = c.fault("is just what the schema does not allow (not)")
	}
	if n.when == nil {
		return ok
	}
	if c.fits(n.when, v, own) {
		return c.again(n.then, v, own) && ok
	}
	return c.again(n.otherwise, v, own) && ok
}

func (c *check) any(n *node, v *value, own seen) bool {
	found := false
	for _, sub := range n.anyOf {
		if c.fits(sub, v, own) {
			if found = true; own == nil {
				break
			}
		}
	}
	return found || c.closest(n.anyOf, v, "fits none of the %d forms that the schema allows (anyOf)")
}

func (c *check) one(n *node, v *value, own seen) bool {
	fit := -1
	for i, sub := range n.oneOf {
		switch {
		case fit >= 0 && c.fits(sub, v, nil):
			return c.fault("fits more than one of the forms of which the schema allows exactly one (oneOf): %d and %d, counted from 0", fit, i)
		case fit < 0 && c.fits(sub, v, own):
			fit = i
		}
	}
	return fit >= 0 || c.closest(n.oneOf, v, "fits none of the %d forms that the schema allows (oneOf)")
}

// closest says why a value fits none of several forms: where only one of them
// takes values of its kind, what that one has against it.
func (c *check) closest(forms []*node, v *value, format lang.Format) bool {
	if c.quick() {
		return c.fault(format, len(forms))
	}
	var only *node
	for _, f := range forms {
		switch {
		case !f.takes(v.kind):
		case only != nil:
			return c.fault(format, len(forms))
		default:
			only = f
		}
	}
	if only == nil {
		return c.fault(format, len(forms))
	}
	return c.again(only, v, nil)
}

// takes reports whether values of a kind may fit, by the keyword type alone.
func (n *node) takes(k rawjson.Kind) bool {
	for range MaxObjects {
		switch {
		case n == nil:
			return true
		case n.never || n.types != 0 && n.types&bit(k) == 0:
			return false
		}
		n = n.ref
	}
	return true
}

// leftOver judges what no other keyword has.
func (c *check) leftOver(n *node, v *value, own seen) (ok bool) {
	ok = true
	var sub *node
	switch v.kind {
	case rawjson.Object:
		sub = n.unevaluatedMember
	case rawjson.Array:
		sub = n.unevaluatedItem
	}
	if sub == nil {
		return true
	}
	for i := range v.items {
		if !own[i] {
			if ok = c.at(sub, v, i) && ok; !ok && c.quick() {
				return false
			}
		}
	}
	own.markAll()
	return ok
}
