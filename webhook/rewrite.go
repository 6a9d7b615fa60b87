package webhook

import (
	"bytes"
	"encoding/json"
	"hash/maphash"
	"iter"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A body that was parsed and written again lost what it was like before, and
// there are only so many ways in which JSON is written: the members' order, the
// white space, the escapes, a line end. rewrites are all of these together.

// node is a value of JSON, with its members or elements.
type node struct {
	raw   []byte // of what has no members, as it stands
	text  string // of a string, decoded
	plain string // the same with as few escapes as JSON allows
	open  byte   // '{' or '['; 0: it has no members
	in    []node
	keys  []node // of an object, one for each of in
}

// parseNode reads the value at i of compact, valid JSON.
func parseNode(b []byte, i int) (n node, next int) {
	switch b[i] {
	case '{', '[':
		n.open = b[i]
		for i++; b[i] != '}' && b[i] != ']'; {
			if b[i] == ',' {
				i++
			}
			var child node
			if n.open == '{' {
				child, i = parseNode(b, i)
				n.keys = append(n.keys, child)
				i++ // the colon
			}
			child, i = parseNode(b, i)
			n.in = append(n.in, child)
		}
		return n, i + 1
	case '"':
		next = skipString(b, i)
		n.raw = b[i:next]
		_ = json.Unmarshal(n.raw, &n.text) // it is valid
		n.plain = string(appendJSONText(nil, n.text))
		return n, next
	}
	next = skipValue(b, i)
	n.raw = b[i:next]
	return n, next
}

// sorted puts members in an order; deep: those of members, too.
func (n node) sorted(deep bool, compare func(a, b string) int) node {
	n.in, n.keys = slices.Clone(n.in), slices.Clone(n.keys)
	if deep {
		for i := range n.in {
			n.in[i] = n.in[i].sorted(true, compare)
		}
	}
	if n.open != '{' {
		return n
	}
	at := make([]int, len(n.in))
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(i, j int) int { return compare(n.keys[i].text, n.keys[j].text) })
	in, keys := make([]node, len(at)), make([]node, len(at))
	for to, from := range at {
		in[to], keys[to] = n.in[from], n.keys[from]
	}
	n.in, n.keys = in, keys
	return n
}

// spacing is the white space of JSON.
type spacing struct {
	comma, colon string
	indent       int    // spaces for each level; 0: all on one line
	was          string // in words
}

func spacings() []spacing {
	return []spacing{
		{",", ":", 0, say("no white space")},
		{", ", ": ", 0, say("a space behind each comma and colon, as Python writes")},
		{",", ": ", 2, say("lines indented by 2 spaces")},
		{",", ": ", 4, say("lines indented by 4 spaces")},
	}
}

// escaping is how strings are written.
type escaping struct {
	raw, slash, ascii, html bool
	was                     string
}

func escapings() []escaping {
	return []escaping{
		{raw: true},
		{was: say("no more escapes than JSON needs")},
		{slash: true, was: say("slashes escaped, as PHP writes")},
		{slash: true, ascii: true, was: say("slashes and all but ASCII escaped, as PHP writes")},
		{ascii: true, was: say("all but ASCII escaped, as Python writes")},
		{html: true, was: say("the characters < > & escaped, as Go writes")},
	}
}

// append writes a value.
func (n *node) append(dst []byte, s *spacing, e *escaping, depth int) []byte {
	if n.open == 0 {
		return e.append(dst, n)
	}
	dst = append(dst, n.open)
	for i := range n.in {
		if i > 0 {
			dst = append(dst, s.comma...)
		}
		dst = s.line(dst, depth+1)
		if n.keys != nil {
			dst = append(e.append(dst, &n.keys[i]), s.colon...)
		}
		dst = n.in[i].append(dst, s, e, depth+1)
	}
	if len(n.in) > 0 {
		dst = s.line(dst, depth)
	}
	return append(dst, n.open+2) // ASCII has the closing ones there
}

func (s *spacing) line(dst []byte, depth int) []byte {
	if s.indent == 0 {
		return dst
	}
	dst = append(dst, '\n')
	for range s.indent * depth {
		dst = append(dst, ' ')
	}
	return dst
}

const hexDigits = "0123456789abcdef"

func (e *escaping) append(dst []byte, n *node) []byte {
	if e.raw || n.raw[0] != '"' {
		return append(dst, n.raw...)
	}
	dst = append(dst, '"')
	var units [2]uint16
	for _, r := range n.plain {
		switch {
		case e.slash && r == '/':
			dst = append(dst, `\/`...)
		case e.html && (r == '<' || r == '>' || r == '&'), e.ascii && r >= 0x80:
			for _, unit := range utf16.AppendRune(units[:0], r) {
				dst = append(dst, '\\', 'u', hexDigits[unit>>12], hexDigits[unit>>8&15], hexDigits[unit>>4&15], hexDigits[unit&15])
			}
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// ordered is a body with its members in another order.
type ordered struct {
	node
	was string // in words
}

// orders are those in which the body's members may have stood.
func (d *Dialect) orders(n *node) []ordered {
	keys := d.plan.body.keys
	if len(keys) > 1 && !slices.Contains(keys, "id") {
		keys = append([]string{"id"}, keys...) // as a project may have it
	}
	at := func(name string) int {
		if i := slices.Index(keys, name); i >= 0 {
			return i
		}
		return len(keys)
	}
	return []ordered{
		{*n, ""},
		{n.sorted(false, func(a, b string) int { return at(a) - at(b) }), say("its members in the order of the contract")},
		{n.sorted(true, strings.Compare), say("its members in the order of their names")},
	}
}

// maxRewrittenDepth is how deeply a body may be nested that is written anew:
// indenting costs its length times its depth.
const maxRewrittenDepth = 64

// nesting is how deeply JSON is nested.
func nesting(b []byte) (deepest int) {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
			deepest = max(deepest, depth)
		case c == ']' || c == '}':
			depth--
		}
	}
	return deepest
}

// rewrites are the bodies that this one may have been before it was parsed and
// written again; each is good until the next. b is at most [maxDiagnose] long.
func (d *Dialect) rewrites(b []byte) iter.Seq[changedBody] {
	return func(yield func(changedBody) bool) {
		var compact bytes.Buffer
		if json.Compact(&compact, b) != nil || compact.Len() == 0 {
			return
		}
		if nesting(compact.Bytes()) > maxRewrittenDepth {
			return
		}
		root, _ := parseNode(compact.Bytes(), 0)
		w := &rewriter{yield: yield, seed: maphash.MakeSeed(), seen: map[uint64]bool{}}
		w.seen[maphash.Bytes(w.seed, b)] = true
		spacings := spacings()
		for i := range spacings {
			if w.body = root.append(w.body[:0], &spacings[i], &escaping{raw: true}, 0); bytes.Equal(w.body, bytes.TrimRight(b, "\n")) {
				spacings[i].was = "" // that was not changed
			}
		}
		for _, o := range d.orders(&root) {
			for _, e := range escapings() {
				for i := range spacings {
					if w.body = o.append(w.body[:0], &spacings[i], &e, 0); !w.give(o.was, spacings[i].was, e.was) {
						return
					}
				}
			}
		}
	}
}

// rewriter hands bodies out, each once.
type rewriter struct {
	yield func(changedBody) bool
	body  []byte
	seed  maphash.Seed
	seen  map[uint64]bool
}

// give hands out the body, and the same with a line end behind it.
func (w *rewriter) give(was ...string) (more bool) {
	was = slices.DeleteFunc(was, func(s string) bool { return s == "" })
	for _, end := range []bool{false, true} {
		if end {
			w.body, was = append(w.body, '\n'), append(was, say("a line end behind it"))
		}
		sum := maphash.Bytes(w.seed, w.body)
		if w.seen[sum] {
			continue
		}
		w.seen[sum] = true
		if !w.yield(changedBody{say("it was parsed and written again; verify the raw bytes, before any JSON parser"), slices.Clone(was), w.body}) {
			return false
		}
	}
	return true
}
