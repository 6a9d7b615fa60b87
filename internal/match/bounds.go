package match

import (
	"errors"
	"regexp"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// What one operation may make or look at. CEL's values share their parts: one
// that is small in memory can be of any size to whoever walks through it, and
// walking cannot be interrupted. So what a filter makes is weighed as it is
// made, a shared part as often as it is there, and no value weighs more than
// [MaxCost].
const (
	maxSubject = 8 << 10 // bytes that a regular expression looks at
	maxItems   = 10_000  // items of a list that + makes
	maxText    = 1 << 20 // bytes of a text that + makes
)

// made is the function that a list or map which a filter makes goes through.
const made = "@made"

var (
	errLongSubject = errors.New("the text is too long for matches")
	errLongSum     = errors.New("what + makes is too long")
)

// bound puts bounds on what makes values. Constants are as short as the filter.
func bound(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	switch i := i.(type) {
	case interpreter.InterpretableConstructor:
		for _, part := range i.InitVals() {
			if _, constant := part.(interpreter.InterpretableConst); !constant {
				return interpreter.NewCall(i.ID(), made, "", []interpreter.InterpretableV2{i}, func(args ...ref.Val) ref.Val {
					return args[0] // the meter weighs it
				}), nil
			}
		}
	case interpreter.InterpretableCall:
		if i.Function() == "_+_" {
			return interpreter.NewCall(i.ID(), i.Function(), i.OverloadID(), i.Args(), add), nil
		}
	}
	return i, nil
}

// add is + with a bound on what it makes. Lists are copied: CEL's own sum of
// two is a tree, of which even the size takes a walk through all of it.
func add(args ...ref.Val) ref.Val {
	a, ok := args[0].(traits.Adder)
	if !ok || len(args) != 2 {
		return types.NoSuchOverloadErr()
	}
	if length(args[0])+length(args[1]) > maxText {
		return types.WrapErr(errLongSum)
	}
	first, ok := a.(traits.Lister)
	if _, grows := a.(traits.MutableLister); !ok || grows {
		return a.Add(args[1]) // no list, or what a loop collects
	}
	second, ok := args[1].(traits.Lister)
	if !ok {
		return types.MaybeNoSuchOverloadErr(args[1])
	}
	n := items(first) + items(second)
	if n > maxItems {
		return types.WrapErr(errLongSum)
	}
	sum := make([]ref.Val, 0, n)
	for _, list := range []traits.Lister{first, second} {
		for it := list.Iterator(); it.HasNext() == types.True; {
			sum = append(sum, it.Next())
		}
	}
	return types.NewRefValList(types.DefaultTypeAdapter, sum)
}

// weigh counts the values within a value, texts by their length, at most a
// little past a limit. What is there twice counts twice.
func weigh(v any, limit int) int {
	s := scale{limit: limit}
	s.add(v)
	return s.n
}

// scale is the state of weigh. CEL's lists and maps hand it their entries.
type scale struct{ n, limit int }

func (s *scale) add(v any) {
	s.n++
	switch v := v.(type) {
	case types.String:
		s.n += len(v) / 10
	case types.Bytes:
		s.n += len(v) / 10
	case string:
		s.n += len(v) / 10
	case []any:
		for i := 0; i < len(v) && s.n < s.limit; i++ {
			s.add(v[i])
		}
	case map[string]any:
		for key, item := range v {
			if !s.FoldEntry(key, item) {
				break
			}
		}
	case traits.Mapper:
		types.ToFoldableMap(v).Fold(s)
	case traits.Lister:
		for it := v.Iterator(); it.HasNext() == types.True && s.n < s.limit; {
			s.add(it.Next())
		}
	}
}

// FoldEntry weighs an entry of a map; false: the limit is reached.
func (s *scale) FoldEntry(key, item any) bool {
	if s.n >= s.limit {
		return false
	}
	s.add(key)
	s.add(item)
	return s.n < s.limit
}

// boundedMatches is matches with its regular expression compiled once, for
// texts up to maxSubject: it cannot be interrupted.
func boundedMatches(call interpreter.InterpretableCall, pattern string) (interpreter.InterpretableCall, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), call.Args(), func(args ...ref.Val) ref.Val {
		text, ok := args[0].(types.String)
		switch {
		case len(args) != 2 || !ok:
			return types.NoSuchOverloadErr()
		case len(text) > maxSubject:
			return types.WrapErr(errLongSubject)
		}
		return types.Bool(re.MatchString(string(text)))
	}), nil
}
