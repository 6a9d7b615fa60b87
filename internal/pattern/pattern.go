// Package pattern compiles regular expressions (RE2) that strangers write,
// within bounds: one of a kilobyte may take a second to parse, or a gigabyte
// once its repetitions are written out. What one costs is reckoned from its
// text before it is parsed, and from its tree before that is compiled.
package pattern

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/malote-dev/malote/internal/lang"
)

// Limits of a regular expression.
type Limits struct {
	Length int // bytes of its text
	Insts  int // instructions that it compiles to
	Work   int // units of [Work]; 0: any
}

// Pattern is a compiled regular expression. It never changes.
type Pattern struct {
	*regexp.Regexp
	Insts int // instructions: a match looks at each of them for each byte, at worst
	Size  int // about how many bytes of memory it holds
}

// Compile compiles a regular expression, or says what is wrong with it, as in
// "has 2000 bytes; the limit is 1000".
func Compile(text string, l Limits) (*Pattern, lang.Message) {
	if len(text) > l.Length {
		return nil, lang.Text("has %d bytes; the limit is %d", len(text), l.Length)
	}
	if l.Work > 0 && Work(text) > l.Work {
		return nil, lang.Text(`takes too long to read; use fewer classes such as \p{L}, and no long ranges together with (?i)`)
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, fault(err)
	}
	if written(tree, 4*l.Insts) > 4*l.Insts { // it may become somewhat less
		return nil, tooLarge()
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, fault(err)
	}
	if len(prog.Inst) > l.Insts {
		return nil, tooLarge()
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fault(err)
	}
	p := &Pattern{Regexp: re, Insts: len(prog.Inst), Size: 500 + 4*len(text)}
	for i := range prog.Inst {
		p.Size += 150 + 6*len(prog.Inst[i].Rune)
	}
	return p, lang.Message{}
}

func tooLarge() lang.Message {
	return lang.Text("is too large once its repetitions are written out; repeat less in it")
}

// written is about how many instructions a tree becomes; past the limit only
// that it does.
func written(re *syntax.Regexp, limit int) int {
	n := 1
	switch re.Op {
	case syntax.OpLiteral:
		n = len(re.Rune)
	case syntax.OpAlternate:
		n = len(re.Sub)
	case syntax.OpConcat:
		n = 0
	case syntax.OpCapture:
		n = 2
	}
	for _, sub := range re.Sub {
		if n += written(sub, limit); n > limit {
			return limit + 1
		}
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min+1, re.Max)
	}
	return min(n, limit+1)
}

// fault says why a text is no regular expression.
func fault(err error) lang.Message {
	var e *syntax.Error
	if !errors.As(err, &e) {
		return lang.Text("is no regular expression (RE2)")
	}
	return lang.Text("is no regular expression (RE2): %s", reason(e))
}

func reason(e *syntax.Error) lang.Message {
	at := shorten(e.Expr)
	switch e.Code {
	case syntax.ErrInvalidCharClass, syntax.ErrInvalidCharRange:
		return lang.Text("%s is no class of characters; a class looks like [a-z] or \\d", at)
	case syntax.ErrInvalidEscape:
		return lang.Text("%s is not known; a back reference such as \\1 is not, either", at)
	case syntax.ErrInvalidNamedCapture:
		if strings.HasPrefix(at, "(?<=") || strings.HasPrefix(at, "(?<!") {
			return repetition(syntax.ErrInvalidPerlOp, at)
		}
		return lang.Text("%s is no name of a group; one looks like (?P<name>…)", at)
	case syntax.ErrInvalidPerlOp, syntax.ErrMissingRepeatArgument, syntax.ErrInvalidRepeatOp:
		return repetition(e.Code, at)
	case syntax.ErrInvalidRepeatSize:
		return lang.Text("%s repeats too often; 1,000 times is the most, with repetitions in one another multiplied", at)
	case syntax.ErrInvalidUTF8:
		return lang.Text("it is not valid UTF-8")
	case syntax.ErrMissingBracket:
		return lang.Text("a ] is missing after %s", at)
	case syntax.ErrMissingParen:
		return lang.Text("a ) is missing")
	case syntax.ErrUnexpectedParen:
		return lang.Text("there is a ) too many")
	case syntax.ErrTrailingBackslash:
		return lang.Text("nothing follows the \\ at its end")
	case syntax.ErrNestingDepth:
		return lang.Text("it nests too deep")
	}
	return lang.Text("it is too large")
}

func repetition(code syntax.ErrorCode, at string) lang.Message {
	switch code {
	case syntax.ErrInvalidPerlOp:
		return lang.Text("%s is not known; lookaround such as (?=…) is not, either", at)
	case syntax.ErrMissingRepeatArgument:
		return lang.Text("%s has nothing before it to repeat", at)
	}
	return lang.Text("%s repeats a repetition; put parentheses around what is repeated", at)
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 50 {
		return string(r[:50]) + "…"
	}
	return s
}
