// Package lang says things to people in English or Brazilian Portuguese: the
// one catalogue of all texts that the product shows.
//
// A text is written in English where it is needed, as a constant [Format] with
// its arguments, and becomes words as late as possible: [Message.String] in
// English, [Message.In] in the language of whoever reads it. Translations
// stand in pt-BR.json, by the English format; a test keeps it whole.
//
// What is written for machines (types, codes, names of fields, log lines) is
// no text of this package.
package lang

import (
	"fmt"
	"strings"
)

// Language is one that the texts exist in. The zero value is English.
type Language uint8

// The languages.
const (
	English Language = iota
	Portuguese
)

// Tag is the language's name as BCP 47 writes it, for Content-Language.
func (l Language) Tag() string {
	if l == Portuguese {
		return "pt-BR"
	}
	return "en"
}

// Format is a text in English with the verbs of package fmt. It is always a
// constant, as the type makes sure: no variable becomes one by itself, and a
// conversion fails a test.
type Format string

// Message is a text and its arguments. The zero value says nothing. Arguments
// that are messages themselves, or have [Worded], are said in the same
// language.
type Message struct{ m *message }

type message struct {
	format Format
	one    Format // of the singular; empty: the text counts nothing
	args   []any
	kept   bool // format is a text in words already: [Recall]
}

// Worded is what can be said in words, as an argument of a message.
type Worded interface{ Words() Message }

// Text makes a message.
func Text(f Format, args ...any) Message { return Message{&message{format: f, args: args}} }

// Count makes a message about a number, which is its first argument: one says
// it of 1, other of more. Other languages may draw the line elsewhere.
func Count[N int | int64](n N, one, other Format, args ...any) Message {
	return Message{&message{format: other, one: one, args: append([]any{n}, args...)}}
}

// Literal makes a message of a text that stands in a template, and takes no
// arguments. A test reads the templates: each of its texts is a literal there,
// and has a translation.
func Literal(text string) Message { return Text(Format(text)) }

// List joins items (texts, messages) with commas.
func List(items ...any) Message {
	f := strings.TrimSuffix(strings.Repeat("%v, ", len(items)), ", ")
	return Message{&message{format: Format(f), args: items}}
}

// IsZero reports whether the message says nothing.
func (m Message) IsZero() bool { return m.m == nil }

// Words makes a message an argument of others.
func (m Message) Words() Message { return m }

// String says it in English.
func (m Message) String() string { return m.In(English) }

// In says it in a language; in English what has no translation.
func (m Message) In(l Language) string {
	if m.m == nil {
		return ""
	}
	if m.m.kept {
		return recall(string(m.m.format), l, 0)
	}
	f := m.m.choose(l)
	args := make([]any, len(m.m.args))
	for i, a := range m.m.args {
		if w, ok := a.(Worded); ok {
			a = w.Words().In(l)
		}
		args[i] = a
	}
	return fmt.Sprintf(string(f), args...)
}

// choose finds the format in a language, for the number that it counts.
func (m *message) choose(l Language) Format {
	if l != English {
		if e, ok := catalogue().texts[m.format]; ok {
			if m.one != "" && e.One != "" && isOne(l, m.args[0]) {
				return e.One
			}
			return e.Other
		}
	}
	if m.one != "" && isOne(English, m.args[0]) {
		return m.one
	}
	return m.format
}
