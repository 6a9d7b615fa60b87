package match

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/pattern"
)

// Limits of a filter's text.
const (
	MaxFilter  = 2048 // bytes
	maxNodes   = 1000 // of the expression, with what macros expand to
	maxNesting = 50
	maxLoops   = 16 // exists, all, map and the like in a filter
	maxDeep    = 4  // of them in one another, or one on the result of another
)

// patterns are the limits of a regular expression in a filter: the last keeps
// out only what parsing would take long for, long ranges with (?i).
var patterns = pattern.Limits{Length: 256, Insts: 300, Work: 430_000}

// FilterError says what is wrong with a filter's text, where, and what to do.
type FilterError struct {
	Line, Column int          // from 1, the column in characters; 0: the whole
	Reason       lang.Message // with the fix
}

func (e *FilterError) Error() string { return e.Words().String() }

// Words says it as a text for people.
func (e *FilterError) Words() lang.Message {
	if e.Line == 0 {
		return e.Reason
	}
	return lang.Text("line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

func refused(f lang.Format, args ...any) *FilterError {
	return &FilterError{Reason: lang.Text(f, args...)}
}

// Filter is a compiled filter, safe for use by many at once.
type Filter struct{ program cel.Program }

// environment is what filters are compiled in; it never changes.
var environment = sync.OnceValues(newEnvironment)

func newEnvironment() (*cel.Env, error) {
	env, err := cel.NewEnv(
		cel.Variable("event.type", cel.StringType),
		cel.Variable("event.consumer", cel.StringType),
		cel.Variable("event.time", cel.TimestampType),
		cel.Variable("event.channels", cel.ListType(cel.StringType)),
		cel.Variable("data", cel.DynType),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(MaxFilter),
		cel.ParserRecursionLimit(maxNesting),
		cel.ParserErrorRecoveryLimit(4),
		cel.ExpressionNodeLimit(maxNodes),
	)
	if err == nil {
		// The first name that is not known has CEL make its catalogue of names,
		// while other checks may read the same place: so that is done here.
		_, _ = env.Compile("unknown")
	}
	return env, err
}

// Compile parses and checks a filter. It refuses what is no boolean, and what
// costs too much on an event of usual size. Errors: [*FilterError].
func Compile(text string) (*Filter, error) { return compileWithin(text, maxLoops, maxDeep) }

// compileWithin compiles what has so many loops, so deep.
func compileWithin(text string, loops, deep int) (*Filter, error) {
	if len(text) > MaxFilter {
		return nil, refused("has %d bytes; the limit is %d", len(text), MaxFilter)
	}
	env, err := environment()
	if err != nil {
		return nil, fmt.Errorf("the environment of filters: %w", err)
	}
	parsed, issues := env.Parse(text)
	if issues.Err() != nil {
		return nil, issueError(env, text, nil, issues.Errors()[0])
	}
	if err := checkLoops(parsed, loops, deep); err != nil {
		return nil, err // before the types, which loops in loops make slow to find
	}
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		return nil, issueError(env, text, parsed, issues.Errors()[0])
	}
	if kind := checked.OutputType(); !kind.IsExactType(types.BoolType) {
		if kind.IsExactType(types.DynType) {
			return nil, refused("may be any value; compare it, as in data.paid == true, so that it is true or false")
		}
		return nil, refused("is %s; a filter is true or false", kindOf(cel.FormatCELType(kind)))
	}
	if err := checkPatterns(checked); err != nil {
		return nil, err
	}
	return plan(env, checked)
}

// plan makes what was checked ready to be judged, within the bounds of cost.
func plan(env *cel.Env, checked *cel.Ast) (*Filter, error) {
	if estimate, err := env.EstimateCost(checked, usual{}); err != nil || estimate.Max > MaxEstimate {
		return nil, refused("could take too long: loops within loops multiply; use one loop, or two where the lists are short")
	}
	program, err := env.Program(checked, cel.CostLimit(MaxCost), cel.CostTracking(meter{}),
		cel.InterruptCheckFrequency(16), cel.CustomDecoratorV2(bound), cel.OptimizeRegex(&interpreter.RegexOptimization{
			Function: "matches", RegexIndex: 1, Factory: boundedMatches,
		}))
	if err != nil {
		return nil, refused("cannot be used as a filter; write it in another way")
	}
	return &Filter{program}, nil
}

// checkPatterns has regular expressions stand in the filter itself, short:
// one that came with an event could take any time.
func checkPatterns(checked *cel.Ast) error {
	native := checked.NativeRep()
	var bad *FilterError
	ast.PreOrderVisit(native.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != "matches" || bad != nil {
			return
		}
		at := native.SourceInfo().GetStartLocation(e.ID())
		bad = checkPattern(e.AsCall())
		if bad != nil {
			bad.Line, bad.Column = at.Line(), at.Column()+1
		}
	}))
	if bad != nil {
		return bad
	}
	return nil
}

// checkLoops refuses loops that are too deep: what each of them doubles, so
// many of them multiply. Messages, whose size is not seen, are refused too.
func checkLoops(parsed *cel.Ast, mostLoops, mostDeep int) error {
	loops, deepest, message := 0, 0, ""
	var visit func(e ast.NavigableExpr, level int)
	visit = func(e ast.NavigableExpr, level int) {
		switch e.Kind() {
		case ast.ComprehensionKind:
			loops++
			level++
			deepest = max(deepest, level)
		case ast.StructKind:
			message = e.AsStruct().TypeName()
		}
		for _, child := range e.Children() {
			visit(child, level)
		}
	}
	visit(ast.NavigateAST(parsed.NativeRep()), 0)
	switch {
	case message != "":
		return refused(`makes a %s; write the value itself, as in {"a": 1}`, message)
	case deepest > mostDeep:
		return refused("has %d loops (exists, all, map, filter) in one another or on the results of one another; at most %d work: do in one loop what several do", deepest, mostDeep)
	case loops > mostLoops:
		return refused("has %d loops (exists, all, map, filter); at most %d work: ask for several things in one loop, with && and ||", loops, mostLoops)
	}
	return nil
}

func checkPattern(call ast.CallExpr) *FilterError {
	args := call.Args()
	last := args[len(args)-1]
	if last.Kind() != ast.LiteralKind {
		return refused(`matches takes a regular expression that stands in the filter, as in matches("^A-[0-9]+$")`)
	}
	text, _ := last.AsLiteral().Value().(string)
	if _, why := pattern.Compile(text, patterns); !why.IsZero() {
		return refused("a regular expression %s", why)
	}
	return nil
}

// Judge evaluates the filter for an event. Where that is not possible there is
// a problem, wanted is true, and the error says more, with values of the
// event: it is for who may read the event, not for logs.
func (f *Filter) Judge(ctx context.Context, e *Event, b *Budget) (wanted bool, _ Problem, _ error) {
	if e.cost >= MaxEventCost || b.spent >= MaxCallCost {
		return true, TooCostly, errSpent
	}
	ctx = e.deadline(ctx)
	if ctx.Err() != nil || b.took >= callTimes*e.maxTime() {
		return true, TooSlow, errSlow // also one without a loop, that nothing interrupts
	}
	began := time.Now()
	out, details, err := f.program.ContextEval(ctx, e)
	b.took += time.Since(began)
	if cost := details.ActualCost(); cost != nil {
		e.cost += *cost
		b.spent += *cost
	}
	if err != nil {
		return true, problemOf(err), err
	}
	answer, ok := out.(types.Bool)
	if !ok {
		return true, WrongKind, errNoBoolean
	}
	return bool(answer), NoProblem, nil
}

var (
	errSpent      = errors.New("the filters of this event, or of this call, cost too much together")
	errSlow       = errors.New("the filters of this event, or of this call, took too long together")
	errNoBoolean  = errors.New("the result is neither true nor false")
	errUnreadable = errors.New("the event's data cannot be read")
)

func problemOf(err error) Problem {
	var cancelled interpreter.EvalCancelledError
	text := err.Error()
	switch {
	case errors.As(err, &cancelled) && cancelled.Cause == interpreter.CostLimitExceeded:
		return TooCostly
	case errors.Is(err, errLongSubject), errors.Is(err, errLongSum):
		return TooCostly
	case errors.Is(err, errUnreadable):
		return Unreadable
	case errors.Is(err, interpreter.InterruptError{}):
		return TooSlow
	case strings.HasPrefix(text, "no such key"), strings.HasPrefix(text, "no such attribute"), strings.HasPrefix(text, "index out of bounds"):
		return MissingField
	}
	return WrongKind
}
