package match

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"

	"github.com/malote-dev/malote/internal/lang"
)

// fault is something that the library has against a filter. Its own words are
// English, and for programmers: they are taken apart, never shown.
type fault struct {
	lines   [][]rune // of the filter
	line    int      // from 0
	column  int      // from 0; negative: no place
	id      int64    // of the expression
	message string
	parsed  *cel.Ast // nil: it is in the syntax
	env     *cel.Env
}

// issueError is the first thing that is wrong, in words for who wrote it.
func issueError(env *cel.Env, text string, parsed *cel.Ast, first *common.Error) *FilterError {
	f := &fault{line: first.Location.Line() - 1, column: first.Location.Column(), id: first.ExprID, message: first.Message, parsed: parsed, env: env}
	for line := range strings.SplitSeq(text, "\n") {
		f.lines = append(f.lines, []rune(line))
	}
	e := &FilterError{Reason: f.words()}
	if f.column >= 0 && f.line >= 0 {
		e.Line, e.Column = f.line+1, f.column+1
	}
	return e
}

func (f *fault) words() lang.Message {
	if message, ok := strings.CutPrefix(f.message, "Syntax error: "); ok {
		return f.syntax(message)
	}
	for _, known := range said {
		if args := known.form.FindStringSubmatch(f.message); args != nil {
			if words := known.words(f, args[1:]); !words.IsZero() {
				return words
			}
		}
	}
	return lang.Text("cannot be used here; write it in another way")
}

// said are the library's messages, with what is said in their stead.
var said = []struct {
	form  *regexp.Regexp
	words func(f *fault, args []string) lang.Message
}{
	{regexp.MustCompile(`^undeclared reference to '([^']*)'`), (*fault).unknown},
	{regexp.MustCompile(`^found no matching overload for '(.*)' applied to '(.*)'$`), (*fault).overload},
	{regexp.MustCompile(`^expected type '(.*)' but found '(.*)'$`), func(_ *fault, args []string) lang.Message { return needed(args[0], args[1]) }},
	{regexp.MustCompile(`^expression of type '(.*)' cannot be range`), func(_ *fault, args []string) lang.Message {
		return lang.Text("is %s, which has no items to go through; exists, all, map and filter take an array or an object", kindOf(args[0]))
	}},
	{regexp.MustCompile(`^type '(.*)' does not support field selection`), func(_ *fault, args []string) lang.Message {
		return lang.Text("%s has no fields: nothing can follow it after a dot", kindOf(args[0]))
	}},
	{regexp.MustCompile(`^reserved identifier: (.*)$`), func(_ *fault, args []string) lang.Message {
		return lang.Text(`%s is a reserved word and no name; a field of this name is data["%[1]s"]`, args[0])
	}},
	{regexp.MustCompile(`^invalid (?:int|uint|double) literal`), func(*fault, []string) lang.Message {
		return lang.Text("is a number that is too large")
	}},
	{regexp.MustCompile(`^(?:unable to unescape|invalid unicode)`), func(*fault, []string) lang.Message { return badEscape() }},
	{regexp.MustCompile(`^unsupported syntax '(.*)'`), func(_ *fault, args []string) lang.Message {
		return lang.Text("%s is not known; has(data.name) asks whether a field is there", args[0])
	}},
	{regexp.MustCompile(`^argument (?:must be a simple name|is not an identifier)`), func(*fault, []string) lang.Message {
		return lang.Text("is no name for an item; write one, as the i in %s", macros["exists"].sample)
	}},
	{regexp.MustCompile(`^iteration variable overwrites`), func(*fault, []string) lang.Message {
		return lang.Text("cannot be the name for an item; take another, as the i in %s", macros["exists"].sample)
	}},
	{regexp.MustCompile(`^invalid argument to has\(\)`), func(*fault, []string) lang.Message {
		return lang.Text("has asks for a field, as in %s", macros["has"].sample)
	}},
	{regexp.MustCompile(`recursion limit exceeded`), func(*fault, []string) lang.Message {
		return lang.Text("nests too deep; the limit is %d", maxNesting)
	}},
	{regexp.MustCompile(`^expression (?:node )?count exceeds limit`), func(*fault, []string) lang.Message {
		return lang.Text("has too many parts; the limit is %d", maxNodes)
	}},
}

// syntax says what is no expression, by what stands at the place.
func (f *fault) syntax(message string) lang.Message {
	if strings.TrimSpace(string(slices.Concat(f.lines...))) == "" {
		f.column = -1
		return lang.Text("is empty; write an expression, as in data.amount > 100")
	}
	token, before, after := f.around()
	missing, _ := strings.CutPrefix(message, "missing '")
	missing, _, _ = strings.Cut(missing, "'")
	var why lang.Message
	switch {
	case token == "" && missing != "" && strings.Contains(")]}", missing):
		why = lang.Text("a %s is missing at its end", missing)
	case token == "":
		why = lang.Text("it ends too early, something is missing at its end")
	case token == "=" && after == ">":
		why = lang.Text("%s is not known; write %s", "=>", ">=")
	case token == "=" && strings.HasSuffix(before, "=="):
		why = lang.Text("%s is not known; write %s", "===", "==")
	case token == "=":
		why = lang.Text("%s is not known; write %s", "=", "==")
	case token == ">" && strings.HasSuffix(before, "<"):
		why = lang.Text("%s is not known; write %s", "<>", "!=")
	case token == "&" || token == "|":
		why = lang.Text("%s is not known; write %s", token, token+token)
	case conjunctions[token] != "":
		why = lang.Text("%s is not known; write %s", token, conjunctions[token])
	case strings.HasSuffix(strings.TrimRight(before, " \t"), "not"):
		why = lang.Text("%s is not known; write %s", "not", conjunctions["not"])
	case strings.ContainsAny(token, "“”„‘’"):
		why = lang.Text("%s is no quotation mark here; write %s", token, `"`)
	case token == `"` || token == `'`:
		why = f.quoted(token, after)
	default:
		why = lang.Text("%s is not expected here", shorten(token))
	}
	return lang.Text("is not an expression: %s", why)
}

var conjunctions = map[string]string{"and": "&&", "or": "||", "not": "!", "AND": "&&", "OR": "||", "NOT": "!"}

// quoted says why a text is none: it has no end, or an escape.
func (f *fault) quoted(quote, after string) lang.Message {
	if strings.Contains(string(f.lines[f.line][f.column+1:]), quote) && after != "" {
		return badEscape()
	}
	return lang.Text("the text that begins here has no end; close it with %s", quote)
}

func badEscape() lang.Message {
	return lang.Text(`the text that begins here holds an escape that is not known; a \ is written \\`)
}

// around gives the token at the place, what stands before it in its line, and
// the character after it; no token: the filter ends there.
func (f *fault) around() (token, before, after string) {
	if f.line < 0 || f.line >= len(f.lines) || f.column < 0 {
		return "", "", ""
	}
	line := f.lines[f.line]
	start := min(f.column, len(line))
	end := start
	for end < len(line) && inWord(line[end]) {
		end++
	}
	if end == start && end < len(line) {
		end++
	}
	after = string(line[end:min(end+1, len(line))])
	return string(line[start:end]), string(line[:start]), after
}

func inWord(r rune) bool {
	return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// unknown says that a name means nothing.
func (f *fault) unknown(args []string) lang.Message {
	name := args[0]
	if call := f.call(); call != nil {
		f.toName(name)
		if m, known := macros[name]; known {
			return m.misused(name, call.IsMemberFunction(), len(call.Args()))
		}
		return lang.Text("%s is no function; there are has, exists, exists_one, all, map, filter, size, contains, startsWith, endsWith, matches, int, double, string, bool, timestamp, duration and getHours with its like", name)
	}
	if name == "event" || strings.HasPrefix(name, "event.") {
		return lang.Text("event has type, consumer, time and channels, as in event.type; what the event carries is in data")
	}
	return lang.Text("'%s' is not known; the variables are event and data, as in data.amount > 100", name)
}

// call is the call that is meant; nil: it is none.
func (f *fault) call() (found ast.CallExpr) {
	if f.parsed == nil {
		return nil
	}
	ast.PreOrderVisit(f.parsed.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.ID() == f.id && e.Kind() == ast.CallKind {
			found = e.AsCall()
		}
	}))
	return found
}

// toName moves the place from the parenthesis after a function's name to the
// name.
func (f *fault) toName(name string) {
	if token, before, _ := f.around(); token == "(" && strings.HasSuffix(before, name) {
		f.column -= len([]rune(name))
	}
}

// overload says that a function or an operator does not take what it is given.
func (f *fault) overload(args []string) lang.Message {
	name, target, given := args[0], "", args[1]
	member := !strings.HasPrefix(given, "(")
	if member {
		at := strings.LastIndex(given, ".(")
		if at < 0 {
			return lang.Message{}
		}
		target, given = given[:at], given[at+1:]
	}
	kinds := split(strings.TrimSuffix(strings.TrimPrefix(given, "("), ")"))
	if sample, isFunction := functions[name]; isFunction {
		f.toName(name)
		return f.function(name, sample, member, target, kinds)
	}
	switch {
	case name == "_?_:_" && len(kinds) == 3:
		return f.choice(kinds)
	case name == "_[_]" && len(kinds) == 2:
		return lang.Text(`[ ] does not work with %s and %s; an array takes a whole number, as in data.items[0], an object a name, as in data["name"]`, kindOf(kinds[0]), kindOf(kinds[1]))
	case name == "@in" && len(kinds) == 2:
		return lang.Text(`in does not find %s in %s; it looks for what is of the kind of an array's items, or for a name in an object, as in "br" in event.channels`, kindOf(kinds[0]), kindOf(kinds[1]))
	case len(kinds) == 2:
		return lang.Text("%s does not work with %s and %s; take two of one kind, or convert one with int, double, string or timestamp", strings.Trim(name, "_"), kindOf(kinds[0]), kindOf(kinds[1]))
	case len(kinds) == 1:
		return lang.Text("%s does not work with %s", strings.Trim(name, "_"), kindOf(kinds[0]))
	}
	return lang.Message{}
}

// choice is about cond ? a : b, which some macros become, too.
func (f *fault) choice(kinds []string) lang.Message {
	if kinds[0] != "bool" && kinds[0] != "dyn" {
		return needed("bool", kinds[0])
	}
	return lang.Text("%s and %s stand on the two sides of the : of a choice; they have to be of one kind", kindOf(kinds[1]), kindOf(kinds[2]))
}

func needed(want, got string) lang.Message {
	if want == "bool" {
		return lang.Text("is %s, where true or false is needed; compare it with something, as in event.type == \"order.paid\"", kindOf(got))
	}
	return lang.Text("is %s, where %s is needed", kindOf(got), kindOf(want))
}

// function says how a function is misused: in its form, with too many or too
// few values, or with values of other kinds.
func (f *fault) function(name, sample string, member bool, target string, kinds []string) lang.Message {
	forms := usage{sample: sample}
	if decl := f.env.Functions()[name]; decl != nil {
		for _, o := range decl.OverloadDecls() {
			n := len(o.ArgTypes())
			if o.IsMemberFunction() {
				n--
			}
			if o.IsMemberFunction() == member {
				forms.member = member
				forms.counts = append(forms.counts, n)
			}
		}
	}
	if !slices.Contains(forms.counts, len(kinds)) {
		return forms.misused(name, member && forms.counts != nil || !member && forms.counts == nil, len(kinds))
	}
	var all []any
	if member {
		all = append(all, kindOf(target))
	}
	for _, k := range kinds {
		all = append(all, kindOf(k))
	}
	return lang.Text("%s does not work with %s; it is used as in %s", name, lang.List(all...), sample)
}

// usage is how something with a name is called.
type usage struct {
	member bool // as in a.f(b)
	counts []int
	sample string
}

// misused says how a call differs from it.
func (u usage) misused(name string, member bool, n int) lang.Message {
	if member != u.member || slices.Contains(u.counts, n) {
		return lang.Text("%s is not used in this way; it is used as in %s", name, u.sample)
	}
	return lang.Count(n, "%[2]s does not take %[1]d value; it is used as in %[3]s", "%[2]s does not take %[1]d values; it is used as in %[3]s", name, u.sample)
}

// macros are functions that the library does not know as such.
var macros = map[string]usage{
	"has":        {sample: "has(data.paid)", counts: []int{1}},
	"all":        {sample: "data.items.all(i, i.n > 1)", member: true, counts: []int{2}},
	"exists":     {sample: `data.items.exists(i, i.sku == "A-1")`, member: true, counts: []int{2}},
	"exists_one": {sample: `data.items.exists_one(i, i.sku == "A-1")`, member: true, counts: []int{2}},
	"map":        {sample: `"A-1" in data.items.map(i, i.sku)`, member: true, counts: []int{2, 3}},
	"filter":     {sample: "data.items.filter(i, i.n > 1).size() > 2", member: true, counts: []int{2}},
}

// functions, each as it is used.
var functions = map[string]string{
	"size": "size(data.items) > 2", "contains": `data.name.contains("x")`, "startsWith": `data.name.startsWith("x")`, "endsWith": `data.name.endsWith("x")`,
	"matches": `data.name.matches("^A-[0-9]+$")`, "int": "int(data.n) > 1", "uint": "uint(data.n) > 1u", "double": "double(data.n) > 1.5", "string": `string(data.n) == "1"`,
	"bytes": `bytes(data.name) == b"x"`, "bool": "bool(data.paid)", "dyn": "dyn(data.n) == 1", "type": "type(data.n) == int",
	"timestamp": `event.time > timestamp("2026-01-31T00:00:00Z")`, "duration": `event.time - timestamp("2026-01-31T00:00:00Z") > duration("1h")`,
	"getFullYear": "event.time.getFullYear() == 2026", "getMonth": "event.time.getMonth() == 0", "getDate": "event.time.getDate() == 1", "getDayOfMonth": "event.time.getDayOfMonth() == 0",
	"getDayOfWeek": "event.time.getDayOfWeek() == 1", "getDayOfYear": "event.time.getDayOfYear() == 0", "getHours": `event.time.getHours("America/Sao_Paulo") >= 9`,
	"getMinutes": "event.time.getMinutes() == 0", "getSeconds": "event.time.getSeconds() == 0", "getMilliseconds": "event.time.getMilliseconds() == 0",
}

// kindOf says a type of the library in words.
func kindOf(celType string) lang.Message {
	name, _, _ := strings.Cut(celType, "(")
	switch name {
	case "int":
		return lang.Text("a whole number")
	case "uint":
		return lang.Text("a whole number without sign (%s)", "1u")
	case "double":
		return lang.Text("a number with a point")
	case "string":
		return lang.Text("a string")
	case "bool":
		return lang.Text("a boolean")
	case "bytes":
		return lang.Text("bytes (%s)", `b"x"`)
	case "timestamp", "google.protobuf.Timestamp":
		return lang.Text("a time")
	case "duration", "google.protobuf.Duration":
		return lang.Text("a span of time")
	case "null", "null_type":
		return lang.Text("null")
	case "list":
		return lang.Text("an array")
	case "map":
		return lang.Text("an object")
	case "type":
		return lang.Text("the name of a kind")
	}
	return lang.Text("a value of any kind")
}

// split parts a list of types at the commas between them.
func split(list string) (parts []string) {
	depth, start := 0, 0
	for i := range len(list) {
		switch {
		case list[i] == '(':
			depth++
		case list[i] == ')':
			depth--
		case list[i] == ',' && depth == 0:
			parts = append(parts, strings.TrimSpace(list[start:i]))
			start = i + 1
		}
	}
	if last := strings.TrimSpace(list[start:]); last != "" {
		parts = append(parts, last)
	}
	return parts
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 50 {
		return string(r[:50]) + "…"
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return strconv.Quote(s)
	}
	return s
}
