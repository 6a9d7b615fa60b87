package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf16"
)

// searched is a text that is looked for, in the ways in which it may be
// written, in small letters.
type searched [][]byte

// searchFor a text: as it is, as JSON writes it, and as JSON does that keeps to
// ASCII; nil: for nothing.
func searchFor(text string) searched {
	if text == "" {
		return nil
	}
	var quoted bytes.Buffer
	e := json.NewEncoder(&quoted)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a string always can be
	inner := quoted.Bytes()
	inner = inner[1 : len(inner)-len("\"\n")]
	var ascii []byte
	for _, r := range string(inner) {
		switch {
		case r < 0x80:
			ascii = append(ascii, byte(r))
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				ascii = fmt.Appendf(ascii, `\u%04x`, unit)
			}
		}
	}
	var s searched
	for _, way := range [][]byte{[]byte(text), inner, ascii} {
		if way = lower(way); !slices.ContainsFunc(s, func(b []byte) bool { return bytes.Equal(b, way) }) {
			s = append(s, way)
		}
	}
	return s
}

// in reports whether the text stands in some data.
func (s searched) in(data []byte) bool {
	small := lower(data)
	for _, text := range s {
		if bytes.Contains(small, text) {
			return true
		}
	}
	return false
}

// lower is a copy with small ASCII letters; other bytes stay.
func lower(b []byte) []byte {
	out := make([]byte, len(b))
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		out[i] = c
	}
	return out
}
