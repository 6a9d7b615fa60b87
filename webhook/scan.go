package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

var errNotObject = errors.New("not a JSON object")

// member of a JSON object, as bytes of it.
type member struct {
	key   []byte // with its quotes
	value []byte
}

// name is the key decoded: "\u0069d" is "id".
func (m *member) name() string {
	if bytes.IndexByte(m.key, '\\') < 0 {
		return string(m.key[1 : len(m.key)-1])
	}
	var s string
	_ = json.Unmarshal(m.key, &s) // what cannot be decoded is no name of ours
	return s
}

// eachMember calls visit for every member of the object in data, which is
// valid JSON; it looks into the top level only. It stops when visit says so.
func eachMember(data []byte, visit func(m *member) bool) error {
	i := skipSpace(data, 0)
	if i >= len(data) || data[i] != '{' {
		return errNotObject
	}
	i = skipSpace(data, i+1)
	for i < len(data) && data[i] != '}' {
		if data[i] != '"' {
			return errNotObject
		}
		end := skipString(data, i)
		colon := skipSpace(data, end)
		if colon >= len(data) || data[colon] != ':' || end-i < 2 {
			return errNotObject
		}
		start := skipSpace(data, colon+1)
		stop := skipValue(data, start)
		if stop == start {
			return errNotObject
		}
		m := member{key: data[i:end], value: data[start:stop]}
		if !visit(&m) {
			return nil
		}
		i = skipSpace(data, stop)
		if i < len(data) && data[i] == ',' {
			i = skipSpace(data, i+1)
		}
	}
	if i >= len(data) {
		return errNotObject
	}
	return nil
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the place after the string that begins at i.
func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// skipValue returns the place after the value that begins at i, without
// space behind it.
func skipValue(b []byte, i int) int {
	if i >= len(b) {
		return i
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		for depth := 0; i < len(b); {
			switch b[i] {
			case '"':
				i = skipString(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return len(b)
	}
	for i < len(b) && bytes.IndexByte([]byte(",]} \t\r\n"), b[i]) < 0 {
		i++
	}
	return i
}

// objectInner returns what stands between an object's braces.
func objectInner(data []byte) ([]byte, bool) {
	from, to := skipSpace(data, 0), len(data)
	for to > from && skipSpace(data[:to], to-1) == to {
		to--
	}
	if to-from < 2 || data[from] != '{' || data[to-1] != '}' {
		return nil, false
	}
	return data[from+1 : to-1], true
}

// appendJSONText appends s as the inside of a JSON string.
func appendJSONText(dst []byte, s string) []byte {
	plain := utf8.ValidString(s)
	for i := 0; plain && i < len(s); i++ {
		plain = s[i] >= ' ' && s[i] != '"' && s[i] != '\\'
	}
	if plain {
		return append(dst, s...)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	q := b.Bytes()
	return append(dst, q[1:len(q)-2]...) // quotes and newline
}
