package match

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// maxMade is what judging one filter may allocate, bytes: garbage included.
const maxMade = 4 << 20

// growing are filters that double what they make n times.
func growing(n int) map[string]string {
	doubled := "[data.l]" + strings.Repeat(".map(a,[a,a])", n)
	summed := "[[1]]" + strings.Repeat(".map(a,a+a)", n)
	return map[string]string{
		"sums":                  summed + " == [[2]]",
		"sums in a list":        summed + " in [[[2]]]",
		"a list in sums":        "[[2]] in [" + summed + "]",
		"sums of nothing":       "[[]]" + strings.Repeat(".map(a,a+a)", n) + " == [[2]]",
		"the size of sums":      summed + ".exists(a, a.size() == 3)",
		"pairs":                 doubled + " == " + doubled,
		"pairs that differ":     doubled + " != dyn([1])",
		"pairs in a list":       doubled + " in [" + doubled + "]",
		"maps":                  "[data.l]" + strings.Repeat(`.map(a,{"a":a,"b":a})`, n) + " == [data.l]",
		"texts":                 `["xxxxxxxxxx"]` + strings.Repeat(".map(a,a+a)", n) + ` == ["y"]`,
		"bytes":                 `[b"xxxxxxxxxx"]` + strings.Repeat(".map(a,a+a)", n) + ` == [b"y"]`,
		"pairs as a key":        "{}[" + doubled + "] == 1",
		"filtered":              "[data.l]" + strings.Repeat(".map(a,[a,a]).filter(a,true)", n) + " == [data.l]",
		"by the clauses of a ?": "[data.l]" + strings.Repeat(".map(a,true?[a,a]:a)", n) + " == [data.l]",
	}
}

// allocated is what f allocates, bytes. Nothing else may run meanwhile: the
// tests that use it are not parallel.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestGrowing: what doubles at each step is refused as it is saved, and costs
// little even if it is judged.
//
//nolint:paralleltest // it counts what is allocated
func TestGrowing(t *testing.T) {
	most := uint64(0)
	for _, n := range []int{1, 4, 5, 13, 14, 21, 36, 40, 48} {
		for name, text := range growing(n) {
			if len(text) > MaxFilter {
				continue
			}
			_, err := Compile(text)
			var bad *FilterError
			if n > maxDeep && (!errors.As(err, &bad) || n < 30 && !strings.Contains(err.Error(), "on the results of one another; at most 4 work")) {
				t.Fatalf("%s %d: saved: %v", name, n, err)
			}
			f, err := compileWithin(text, 1000, 1000)
			if err != nil {
				continue // by its estimate
			}
			var wanted bool
			var problem Problem
			b := &Budget{}
			e := event(`{"l":[1,2,3]}`)
			e.value()
			took := allocated(func() { wanted, problem, err = f.Judge(t.Context(), e, b) })
			e.Done()
			most = max(most, took)
			if took > maxMade || b.Spent() > 3*MaxCost {
				t.Fatalf("%s %d: %d bytes, %d units, %v", name, n, took, b.Spent(), problem)
			}
			if n >= 20 && name != "sums of nothing" && (!wanted || problem != TooCostly) {
				t.Fatalf("%s %d: %v %v %v", name, n, wanted, problem, err)
			}
		}
	}
	t.Logf("at most %d bytes", most)
}

// TestLoops: how many loops a filter may have.
func TestLoops(t *testing.T) {
	t.Parallel()
	one := `event.channels.exists(c, c == "x")`
	for text, want := range map[string]string{
		strings.Repeat(one+" || ", maxLoops-1) + one:                       "",
		strings.Repeat(one+" || ", maxLoops) + one:                         "has 17 loops (exists, all, map, filter); at most 16 work",
		`[1]` + strings.Repeat(".filter(a, a > 0)", maxDeep) + ` == [1]`:   "",
		`[1]` + strings.Repeat(".filter(a, a > 0)", maxDeep+1) + ` == [1]`: "has 5 loops (exists, all, map, filter) in one another or on the results of one another; at most 4 work",
		`google.protobuf.Struct{} == {}`:                                   "makes a google.protobuf.Struct; write the value itself",
	} {
		_, err := Compile(text)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.60s: %v, want %q", text, err, want)
		}
	}
}

// TestGrowingThatIsKept: a filter that was saved before there was the limit is
// not judged: the event is delivered, and it is seen.
func TestGrowingThatIsKept(t *testing.T) {
	t.Parallel()
	for what, text := range growing(36) {
		en := NewEngine(slog.New(slog.DiscardHandler))
		e := event(`{"l":[1,2,3]}`)
		if v, p := en.Judge(t.Context(), e, &Rules{Filter: text}, &Budget{}, name("ep_1")); v != Wanted || p != NotAcceptable || e.cost != 0 {
			t.Errorf("%s: %v %v, %d units", what, v, p, e.cost)
		}
		e.Done()
		if n := en.Counts().Problems["not_acceptable"]; n != 1 {
			t.Errorf("%s: counted %d times", what, n)
		}
	}
}

// TestWeigh: what is there twice counts twice, up to the limit.
func TestWeigh(t *testing.T) {
	t.Parallel()
	var v ref.Val = types.Int(1)
	for range 60 {
		v = types.NewRefValList(types.DefaultTypeAdapter, []ref.Val{v, v})
	}
	if n := weigh(v, 1000); n < 1000 || n > 1100 {
		t.Error(n)
	}
	var m ref.Val = types.Int(1)
	for range 60 {
		m = types.NewRefValMap(types.DefaultTypeAdapter, map[ref.Val]ref.Val{types.String("a"): m, types.String("b"): m})
	}
	if n := weigh(m, 1000); n < 1000 || n > 1200 {
		t.Error(n)
	}
	if n := weigh(map[string]any{"a": []any{types.Int(1), types.String(strings.Repeat("x", 100))}}, 1000); n != 15 {
		t.Error(n)
	}
}

// TestTimeOfACall: past the time of a call, or of an event, no filter is
// judged, also none that nothing would interrupt.
func TestTimeOfACall(t *testing.T) {
	t.Parallel()
	f := compile(t, `data.n == 6`)
	e := event(`{"n":5}`)
	defer e.Done()
	b := &Budget{}
	if wanted, problem, _ := f.Judge(t.Context(), e, b); wanted || problem != NoProblem || b.took <= 0 {
		t.Error(wanted, problem, b.took)
	}
	b.took = callTimes * MaxTime
	if wanted, problem, err := f.Judge(t.Context(), e, b); !wanted || problem != TooSlow || !errors.Is(err, errSlow) {
		t.Error(wanted, problem, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	late := event(`{"n":5}`)
	defer late.Done()
	if wanted, problem, err := f.Judge(ctx, late, &Budget{}); !wanted || problem != TooSlow || !errors.Is(err, errSlow) {
		t.Error(wanted, problem, err)
	}
}

// grown builds a filter from bytes, each a step of a small grammar.
func grown(steps []byte) string {
	v := "data.l"
	for _, s := range steps {
		if len(v) > MaxFilter/3 {
			break
		}
		switch s % 12 {
		case 0:
			v = "[" + v + "]"
		case 1:
			v += ".map(a, a + a)"
		case 2:
			v += ".map(a, [a, a])"
		case 3:
			v += ".filter(a, a != 1)"
		case 4:
			v += " + " + v
		case 5:
			v = "[" + v + ", data]"
		case 6:
			v += `.map(a, {"k": a, "l": [a, data.l]})`
		case 7:
			v = "(" + v + ")"
		case 8:
			v += ".map(a, data.l.map(b, a))"
		case 9:
			v = "[[1], " + v + "]"
		case 10:
			v = `{"k": ` + v + `}.k`
		case 11:
			v += ".map(a, data)"
		}
	}
	return "(" + v + ")"
}

// FuzzGrown: however a filter is put together, judging it allocates little,
// also where saving it would have been refused.
func FuzzGrown(f *testing.F) {
	for _, steps := range []string{"\x00\x01\x01\x01", "\x00\x02\x02\x02\x02", "\x05\x06\x08\x0b", "\x04\x04\x04\x03", "\x09\x0a\x07\x02\x01"} {
		f.Add([]byte(steps), byte(len(steps)))
	}
	f.Add([]byte("\x00"+strings.Repeat("\x01", 40)), byte(0))
	f.Add([]byte("\x00"+strings.Repeat("\x02", 30)), byte(2))
	data := `{"l":[` + strings.Repeat(`{"a":[1,2,3],"s":"text"},`, 20) + `[1]]}`
	f.Fuzz(func(t *testing.T, steps []byte, end byte) {
		v := grown(steps)
		text := fmt.Sprintf([]string{"%[1]s == [[2]]", "%[1]s in [%[1]s]", "%[1]s == %[1]s", "%[1]s != data", "{}[%[1]s] == 1"}[end%5], v)
		filter, err := compileWithin(text, 1000, 1000)
		if err != nil {
			return
		}
		e := event(data)
		defer e.Done()
		e.value()
		b := &Budget{}
		took := allocated(func() { _, _, _ = filter.Judge(t.Context(), e, b) })
		if took > 4*maxMade || b.Spent() > 3*MaxCost {
			t.Errorf("%s: %d bytes, %d units", text, took, b.Spent())
		}
	})
}
