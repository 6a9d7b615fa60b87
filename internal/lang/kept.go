package lang

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Kept is a [Format] of a text that is kept in English: in a row that is shown
// much later (why an attempt failed, why an endpoint is disabled).
type Kept string

// Keep says a text in English, to be kept. [Recall] takes it up again.
func Keep(f Kept, args ...any) string { return Text(Format(f), args...).String() }

// Recall makes a message of a text that was kept. One of [Keep] is said in
// other languages too; any other stays as it is.
func Recall(text string) Message {
	if text == "" {
		return Message{}
	}
	return Message{&message{format: Format(text), kept: true}}
}

// pattern knows a kept text again.
type pattern struct {
	prefix  string // what the text begins with
	literal int    // bytes that are not arguments
	text    *regexp.Regexp
	args    []int // of each group of text: which argument of the format it is
	most    int   // the highest of them
	entry   entry
}

// maxNesting of kept texts within kept texts.
const maxNesting = 4

// recall says a kept text in a language.
func recall(text string, l Language, depth int) string {
	if l == English || depth == maxNesting {
		return text
	}
	if field, reason, ok := strings.Cut(text, ": "); ok && strings.HasPrefix(field, "/") { // by its JSON pointer
		return field + ": " + recall(reason, l, depth+1)
	}
	c := catalogue()
	for i := range c.patterns {
		p := &c.patterns[i]
		if !strings.HasPrefix(text, p.prefix) {
			continue
		}
		groups := p.text.FindStringSubmatch(text)
		if groups == nil {
			continue
		}
		args := make([]any, p.most+1)
		for g, arg := range p.args {
			args[arg] = recall(groups[g+1], l, depth+1)
		}
		f := p.entry.Other
		if p.entry.One != "" && len(args) > 0 {
			if n, err := strconv.Atoi(fmt.Sprint(args[0])); err == nil && isOne(l, n) {
				f = p.entry.One
			}
		}
		return fmt.Sprintf(asText(f), args...)
	}
	return text
}

// patternOf makes a pattern of a format.
func patternOf(f Format, e entry) pattern {
	p := pattern{entry: e, most: -1}
	var expr strings.Builder
	expr.WriteString("(?s)^")
	at := 0
	for _, v := range Verbs(f) {
		p.add(&expr, string(f[at:v.Start]))
		if at = v.End; v.Letter == '%' {
			p.add(&expr, "%%")
			continue
		}
		p.args = append(p.args, v.Arg)
		p.most = max(p.most, v.Arg)
		switch v.Letter {
		case 'd':
			expr.WriteString(`(-?\d+)`)
		case 'q':
			expr.WriteString(`("(?:[^"\\]|\\.)*")`)
		default:
			expr.WriteString(`(.+?)`)
		}
	}
	p.add(&expr, string(f[at:]))
	expr.WriteString("$")
	p.text = regexp.MustCompile(expr.String())
	return p
}

func (p *pattern) add(expr *strings.Builder, literal string) {
	literal = strings.ReplaceAll(literal, "%%", "%")
	if len(p.args) == 0 {
		p.prefix += literal
	}
	p.literal += len(literal)
	expr.WriteString(regexp.QuoteMeta(literal))
}

// Verb is a place in a format where an argument stands.
type Verb struct {
	Start, End int
	Arg        int  // which argument, from 0
	Letter     byte // '%': none, but a percent sign
}

var verb = regexp.MustCompile(`%(?:\[(\d+)\])?[-+# 0]*\d*(?:\.\d+)?([a-zA-Z%])`)

// Verbs finds the verbs of a format.
func Verbs(f Format) []Verb {
	var out []Verb
	next := 0
	for _, at := range verb.FindAllStringSubmatchIndex(string(f), -1) {
		v := Verb{Start: at[0], End: at[1], Letter: f[at[4]]}
		if v.Letter != '%' {
			if at[2] >= 0 {
				n, _ := strconv.Atoi(string(f[at[2]:at[3]])) // digits
				next = max(n-1, 0)
			}
			v.Arg = next
			next++
		}
		out = append(out, v)
	}
	return out
}

// asText makes every verb of a format take a text.
func asText(f Format) string {
	var b strings.Builder
	at := 0
	for _, v := range Verbs(f) {
		b.WriteString(string(f[at:v.Start]))
		if at = v.End; v.Letter == '%' {
			b.WriteString("%%")
			continue
		}
		fmt.Fprintf(&b, "%%[%d]s", v.Arg+1)
	}
	b.WriteString(string(f[at:]))
	return b.String()
}
