package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// visible makes a text from elsewhere (a receiver's answer, a customer's
// description) safe to print: what could move the cursor, change colours,
// retitle the window, or show the text in another order than it has is written
// as an escape. Line breaks and tabs stay.
func visible(s string) string {
	if strings.IndexFunc(s, unseen) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1, r < utf8.RuneSelf && unseen(r):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r > 0xffff && unseen(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		case unseen(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// unseen includes the replacement character: IndexFunc gives it for bytes
// that are not UTF-8, which a terminal may take for 8-bit control codes.
func unseen(r rune) bool {
	return r == utf8.RuneError || r != '\n' && r != '\t' && !unicode.IsGraphic(r)
}

// oneLine is visible on one line.
func oneLine(s string) string {
	return strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(visible(s))
}
