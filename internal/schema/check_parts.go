package schema

import (
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/pattern"
	"github.com/malote-dev/malote/internal/rawjson"
)

func (c *check) object(n *node, v *value, own seen) (ok bool) {
	if v.kind != rawjson.Object {
		return true
	}
	if !c.spend(n.lookups + len(v.items)/4) {
		return false
	}
	ok = c.counts(n, v)
	for _, name := range n.required {
		if v.find(name) < 0 {
			if ok = c.missing(name, "is missing; the schema requires it"); c.quick() {
				return false
			}
		}
	}
	for i := range n.dependents {
		d := &n.dependents[i]
		if v.find(d.name) < 0 {
			continue
		}
		if ok = c.dependent(d, v, own) && ok; !ok && c.quick() {
			return false
		}
	}
	if n.properties == nil && n.patterns == nil && n.additional == nil && n.names == nil {
		return ok
	}
	for i := range v.items {
		if !ok && c.quick() {
			return false
		}
		ok = c.member(n, v, i, own) && ok
	}
	return ok
}

func (c *check) counts(n *node, v *value) (ok bool) {
	ok = true
	if n.minMembers != nil && len(v.items) < *n.minMembers {
		ok = c.mute == 0 && c.faultText(lang.Count(len(v.items), "has %d member; the schema asks for at least %d", "has %d members; the schema asks for at least %d", *n.minMembers))
	}
	if n.maxMembers != nil && len(v.items) > *n.maxMembers {
		ok = c.mute == 0 && c.faultText(lang.Count(len(v.items), "has %d member; the schema allows at most %d", "has %d members; the schema allows at most %d", *n.maxMembers))
	}
	return ok
}

// dependent judges an object that has the member on which others depend.
func (c *check) dependent(d *dependent, v *value, own seen) (ok bool) {
	if !c.spend(d.lookups) {
		return false
	}
	beside := ""
	if c.mute == 0 {
		beside = shorten(d.name)
	}
	ok = true
	for _, name := range d.required {
		if v.find(name) < 0 {
			if ok = c.missing(name, "is missing; the schema requires it beside %s", beside); c.quick() {
				return false
			}
		}
	}
	return c.again(d.node, v, own) && ok
}

// missing is a fault at a member that is not there.
func (c *check) missing(name string, format lang.Format, args ...any) bool {
	c.path = append(c.path, step{name: name, item: -1})
	defer func() { c.path = c.path[:len(c.path)-1] }()
	return c.fault(format, args...)
}

func (c *check) member(n *node, v *value, i int, own seen) (ok bool) {
	ok = true
	name := v.names[i]
	judged := false
	if !c.spend(len(name) / bytesHashed) {
		return false
	}
	if sub := n.properties[name]; sub != nil {
		judged = true
		ok = c.at(sub, v, i)
	}
	for _, p := range n.patterns {
		if !c.spend(matchSteps(p.Pattern, name)) {
			return false
		}
		if p.MatchString(name) {
			judged = true
			ok = c.at(p.node, v, i) && ok
		}
	}
	if !judged && n.additional != nil {
		judged = true
		ok = c.at(n.additional, v, i)
	}
	if judged {
		own.mark(i)
	}
	if n.names != nil {
		text := value{kind: rawjson.String, size: 1 + len(name)/32, text: name}
		if !c.fits(n.names, &text, nil) {
			ok = c.missing(name, "has a name that the schema does not allow (propertyNames)")
		}
	}
	return ok
}

func (c *check) array(n *node, v *value, own seen) (ok bool) {
	if v.kind != rawjson.Array {
		return true
	}
	ok = c.lengths(n, v)
	if n.unique && !c.different(v) {
		ok = false
	}
	if !ok && c.quick() {
		return false
	}
	for i := range v.items {
		sub := n.items
		if i < len(n.prefix) {
			sub = n.prefix[i]
		}
		if sub == nil {
			break
		}
		own.mark(i)
		if ok = c.at(sub, v, i) && ok; !ok && c.quick() {
			return false
		}
	}
	return c.containing(n, v, own) && ok
}

func (c *check) lengths(n *node, v *value) (ok bool) {
	ok = true
	if n.minItems != nil && len(v.items) < *n.minItems {
		ok = c.mute == 0 && c.faultText(lang.Count(len(v.items), "has %d item; the schema asks for at least %d", "has %d items; the schema asks for at least %d", *n.minItems))
	}
	if n.maxItems != nil && len(v.items) > *n.maxItems {
		ok = c.mute == 0 && c.faultText(lang.Count(len(v.items), "has %d item; the schema allows at most %d", "has %d items; the schema allows at most %d", *n.maxItems))
	}
	return ok
}

func (c *check) different(v *value) bool {
	if !c.spend(4 * v.size) {
		return false
	}
	at := make(map[string]int, len(v.items))
	for i := range v.items {
		c.key = v.items[i].appendKey(c.key[:0])
		key := string(c.key)
		if first, twice := at[key]; twice {
			return c.fault("has equal items at %d and %d, counted from 0; the schema asks for different ones", first, i)
		}
		at[key] = i
	}
	return true
}

func (c *check) containing(n *node, v *value, own seen) bool {
	if n.contains == nil {
		return true
	}
	has := 0
	c.mute++
	for i := range v.items {
		if c.at(n.contains, v, i) {
			has++
			own.mark(i)
		}
		if c.steps < 0 {
			break
		}
	}
	c.mute--
	least := 1
	if n.minContains != nil {
		least = *n.minContains
	}
	switch {
	case has < least:
		return c.fault("holds %d of what the schema asks for at least %d of (contains)", has, least)
	case n.maxContains != nil && has > *n.maxContains:
		return c.fault("holds %d of what the schema allows at most %d of (contains)", has, *n.maxContains)
	}
	return true
}

// matchSteps is what a match costs: a look at each instruction for each byte
// and, once more, at the end.
func matchSteps(p *pattern.Pattern, s string) int { return 2 + p.Insts/4 + len(s)*p.Insts/16 }

// bytesHashed are bytes of a name that are hashed, or compared with those of a
// few others, in a step.
const bytesHashed = 128

// lookSteps is what it costs to look for members.
func lookSteps(names ...string) int {
	n := len(names) / 4
	for _, name := range names {
		n += len(name) / bytesHashed
	}
	return n
}
