package rawjson

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/malote-dev/malote/internal/lang"
)

func (r *Reader) space() {
	for r.i < len(r.b) {
		switch r.b[r.i] {
		case ' ', '\n', '\t', '\r':
			r.i++
		default:
			return
		}
	}
}

// open takes the bracket at hand.
func (r *Reader) open() {
	if r.depth++; r.depth > r.max {
		r.fail(r.i, "nests deeper than the limit")
		return
	}
	r.i++
	r.space()
}

// closed takes the closing bracket of an empty array or object, if it is at hand.
func (r *Reader) closed(end byte) bool {
	if r.err != nil {
		return true
	}
	if r.i < len(r.b) && r.b[r.i] == end {
		r.i++
		r.depth--
		return true
	}
	return false
}

// next takes what follows an item: a comma, or the closing bracket (true).
func (r *Reader) next(end byte) bool {
	r.space()
	if r.err != nil {
		return true
	}
	if r.i < len(r.b) {
		switch r.b[r.i] {
		case ',':
			r.i++
			r.space()
			return false
		case end:
			r.i++
			r.depth--
			return true
		}
	}
	r.unexpected("a comma or %s", string(rune(end)))
	return true
}

// name takes a member's name and the colon after it.
func (r *Reader) name() []byte {
	if r.Kind() != String {
		r.unexpected("a member's name in double quotes")
		return nil
	}
	start := r.i
	escaped := r.str()
	if r.err != nil {
		return nil
	}
	name := r.b[start+1 : r.i-1]
	if escaped {
		name, _ = unescape(name)
	}
	r.space()
	if r.i >= len(r.b) || r.b[r.i] != ':' {
		r.unexpected("a colon after the member's name")
		return nil
	}
	r.i++
	r.space()
	return name
}

func (r *Reader) unexpected(wanted lang.Format, args ...any) {
	if r.err == nil && r.i >= len(r.b) {
		r.fail(r.i, "the document ends where %s is expected", lang.Text(wanted, args...))
		return
	}
	r.fail(r.i, "%s is expected here", lang.Text(wanted, args...))
}

// skip takes one value of any kind.
func (r *Reader) skip() {
	if r.err != nil {
		return
	}
	if r.i >= len(r.b) {
		r.unexpected("a value")
		return
	}
	switch c := r.b[r.i]; c {
	case '"':
		r.str()
	case '{':
		r.skipObject()
	case '[':
		r.skipArray()
	case 't':
		r.word("true")
	case 'f':
		r.word("false")
	case 'n':
		r.word("null")
	default:
		if c == '-' || '0' <= c && c <= '9' {
			r.number()
			return
		}
		r.unexpected("a value")
	}
}

func (r *Reader) skipObject() {
	r.open()
	if r.closed('}') {
		return
	}
	for {
		if r.Kind() != String {
			r.unexpected("a member's name in double quotes")
			return
		}
		r.str()
		r.space()
		if r.i >= len(r.b) || r.b[r.i] != ':' {
			r.unexpected("a colon after the member's name")
			return
		}
		r.i++
		r.space()
		r.skip()
		if r.next('}') {
			return
		}
	}
}

func (r *Reader) skipArray() {
	r.open()
	if r.closed(']') {
		return
	}
	for {
		r.skip()
		if r.next(']') {
			return
		}
	}
}

func (r *Reader) word(w string) {
	if len(r.b)-r.i < len(w) || string(r.b[r.i:r.i+len(w)]) != w {
		r.unexpected("a value")
		return
	}
	r.i += len(w)
}

func (r *Reader) number() {
	if r.b[r.i] == '-' {
		r.i++
	}
	if r.i < len(r.b) && r.b[r.i] == '0' {
		r.i++
	} else if !r.digits() {
		return
	}
	if r.i < len(r.b) && r.b[r.i] == '.' {
		r.i++
		if !r.digits() {
			return
		}
	}
	if r.i < len(r.b) && (r.b[r.i] == 'e' || r.b[r.i] == 'E') {
		r.i++
		if r.i < len(r.b) && (r.b[r.i] == '+' || r.b[r.i] == '-') {
			r.i++
		}
		r.digits()
	}
}

func (r *Reader) digits() bool {
	start := r.i
	for r.i < len(r.b) && '0' <= r.b[r.i] && r.b[r.i] <= '9' {
		r.i++
	}
	if r.i == start {
		r.unexpected("a digit")
		return false
	}
	return true
}

// str takes a string and reports whether it holds escapes. That the bytes are
// UTF-8 is known by now.
func (r *Reader) str() (escaped bool) {
	start := r.i
	r.i++
	for {
		r.plain()
		if r.i >= len(r.b) {
			r.fail(start, "this string has no closing quote")
			return
		}
		switch c := r.b[r.i]; {
		case c == '"':
			r.i++
			return escaped
		case c == '\\':
			escaped = true
			if !r.escape() {
				return
			}
		default:
			r.fail(r.i, "a control character must be escaped within a string")
			return
		}
	}
}

// plain goes to the next quote, backslash, control character, or the end:
// eight bytes at a time, as most of an event is text.
func (r *Reader) plain() {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	b, i := r.b, r.i
	for ; len(b)-i >= 8; i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		if ((quote-ones)&^quote|(slash-ones)&^slash|(w-ones*0x20)&^w)&highs != 0 {
			break
		}
	}
	for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= 0x20 {
		i++
	}
	r.i = i
}

func (r *Reader) escape() bool {
	if len(r.b)-r.i >= 2 {
		switch r.b[r.i+1] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			r.i += 2
			return true
		case 'u':
			if _, ok := hex4(r.b[r.i+2:]); ok {
				r.i += 6
				return true
			}
		}
	}
	r.fail(r.i, `a backslash must begin one of \" \\ \/ \b \f \n \r \t \uXXXX`)
	return false
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var v rune
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		v = v<<4 | rune(c)
	}
	return v, true
}

// unescape decodes a checked string's inside. Half of a surrogate pair becomes
// U+FFFD, as in encoding/json, and whole is false.
func unescape(in []byte) (out []byte, whole bool) {
	whole = true
	out = make([]byte, 0, len(in))
	for i := 0; i < len(in); {
		if in[i] != '\\' {
			out = append(out, in[i])
			i++
			continue
		}
		switch c := in[i+1]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			c, n := codepoint(in[i:])
			if c == utf8.RuneError && n < 0 {
				whole, n = false, -n
			}
			out = utf8.AppendRune(out, c)
			i += n
			continue
		default:
			out = append(out, c)
		}
		i += 2
	}
	return out, whole
}

// codepoint reads \uXXXX or a surrogate pair of them. A lone surrogate is
// U+FFFD with a negative length.
func codepoint(in []byte) (rune, int) {
	hi, _ := hex4(in[2:])
	if !utf16.IsSurrogate(hi) {
		return hi, 6
	}
	if len(in) >= 12 && in[6] == '\\' && in[7] == 'u' {
		lo, _ := hex4(in[8:])
		if c := utf16.DecodeRune(hi, lo); c != utf8.RuneError {
			return c, 12
		}
	}
	return utf8.RuneError, -6
}
