// Package rawjson reads JSON once, strictly, and keeps the bytes: a caller
// walks the objects that it knows and takes everything else as the raw text
// that came in, checked but never decoded. It accepts what RFC 8259 allows in
// valid UTF-8 without a byte order mark, and nothing after it.
//
// encoding/json reads a raw member twice (once to find its end, once to check
// it) and loses duplicates, positions and the difference between an absent and
// a null member; at thousands of requests a second the first matters, in error
// messages the rest does.
package rawjson

import (
	"bytes"
	"unicode/utf8"

	"github.com/malote-dev/malote/internal/lang"
)

// Kind of a JSON value.
type Kind byte

// The kinds.
const (
	None Kind = iota // not the start of a value
	Null
	Bool
	Number
	String
	Array
	Object
)

// Words names the kind as an error message does.
func (k Kind) Words() lang.Message {
	return lang.Text([...]lang.Format{"nothing", "null", "a boolean", "a number", "a string", "an array", "an object"}[k])
}

func (k Kind) String() string { return k.Words().String() }

// SyntaxError says where the bytes stop being acceptable JSON.
type SyntaxError struct {
	Offset       int // bytes before the place
	Line, Column int // from 1; the column counts bytes
	Reason       lang.Message
}

// Words says it all.
func (e *SyntaxError) Words() lang.Message {
	return lang.Text("line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

func (e *SyntaxError) Error() string { return e.Words().String() }

// Reader walks one document. Its methods take the value at hand; the first
// error sticks, ends every walk and is what [Read] returns.
type Reader struct {
	b     []byte
	i     int
	depth int
	max   int
	err   *SyntaxError
}

// Read checks a whole document while walk reads it. What walk does not take is
// checked and skipped. maxDepth limits how deep arrays and objects nest (a
// scalar is 0 deep). Errors: [*SyntaxError]; what walk gathered is then worthless.
func Read(b []byte, maxDepth int, walk func(*Reader)) error {
	r := &Reader{b: b, max: maxDepth}
	if bytes.HasPrefix(b, []byte("\xef\xbb\xbf")) {
		r.fail(0, "starts with a byte order mark; send UTF-8 without it")
		return r.err
	}
	if !utf8.Valid(b) {
		r.fail(invalidAt(b), "is not valid UTF-8")
		return r.err
	}
	r.space()
	start := r.i
	walk(r)
	if r.i == start {
		r.skip()
	}
	r.space()
	if r.err == nil && r.i < len(b) {
		r.fail(r.i, "one JSON value is expected, and nothing after it")
	}
	if r.err != nil {
		return r.err
	}
	return nil
}

// Check is [Read] of a document that nobody walks.
func Check(b []byte, maxDepth int) error { return Read(b, maxDepth, func(*Reader) {}) }

// Kind of the value at hand, by its first byte.
func (r *Reader) Kind() Kind {
	if r.err != nil || r.i >= len(r.b) {
		return None
	}
	switch c := r.b[r.i]; {
	case c == '{':
		return Object
	case c == '[':
		return Array
	case c == '"':
		return String
	case c == 't' || c == 'f':
		return Bool
	case c == 'n':
		return Null
	case c == '-' || '0' <= c && c <= '9':
		return Number
	}
	return None
}

// Raw takes the value at hand as its bytes: a part of the document, not a copy.
func (r *Reader) Raw() []byte {
	start := r.i
	r.skip()
	if r.err != nil {
		return nil
	}
	return r.b[start:r.i:r.i]
}

// Text takes a string and decodes it; a value of another kind is skipped and
// ok is false. Half of a surrogate pair is an error: it has no UTF-8 form.
func (r *Reader) Text() (s string, ok bool) {
	if r.Kind() != String {
		r.skip()
		return "", false
	}
	start := r.i
	escaped := r.str()
	if r.err != nil {
		return "", false
	}
	inner := r.b[start+1 : r.i-1]
	if !escaped {
		return string(inner), true
	}
	out, whole := unescape(inner)
	if !whole {
		r.fail(start, "holds half of a surrogate pair (\\ud800 to \\udfff)")
		return "", false
	}
	return string(out), true
}

// Members takes an object and calls member with each name, decoded, the
// member's value being at hand; the name is valid during the call only. A
// value of another kind is skipped and ok is false.
func (r *Reader) Members(member func(name []byte)) (ok bool) {
	if r.Kind() != Object {
		r.skip()
		return false
	}
	r.open()
	if r.closed('}') {
		return true
	}
	for r.err == nil {
		name := r.name()
		if r.err != nil {
			break
		}
		start := r.i
		member(name)
		if r.i == start {
			r.skip()
		}
		if r.next('}') {
			break
		}
	}
	return r.err == nil
}

// Items takes an array and calls item with each index, the item being at hand.
// A value of another kind is skipped and ok is false.
func (r *Reader) Items(item func(i int)) (ok bool) {
	if r.Kind() != Array {
		r.skip()
		return false
	}
	r.open()
	if r.closed(']') {
		return true
	}
	for n := 0; r.err == nil; n++ {
		start := r.i
		item(n)
		if r.i == start {
			r.skip()
		}
		if r.next(']') {
			break
		}
	}
	return r.err == nil
}

func (r *Reader) fail(at int, reason lang.Format, args ...any) {
	if r.err != nil {
		return
	}
	before := r.b[:min(at, len(r.b))]
	r.err = &SyntaxError{
		Offset: at,
		Line:   1 + bytes.Count(before, []byte{'\n'}),
		Column: len(before) - bytes.LastIndexByte(before, '\n'),
		Reason: lang.Text(reason, args...),
	}
	r.i = len(r.b) // nothing more is at hand
}

func invalidAt(b []byte) int {
	for i := 0; i < len(b); {
		c, n := utf8.DecodeRune(b[i:])
		if c == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}
