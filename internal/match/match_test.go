package match

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestType(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		patterns, eventType string
		want                bool
	}{
		{"*", "a", true}, {"a", "a", true}, {"a", "ab", false}, {"task.*", "task.created", true}, {"task.*", "task.a.b", true},
		{"task.*", "task", false}, {"task.*", "task.", false}, {"task.*", "tasks.x", false}, {"x task.*", "task.y", true}, {"task*", "task.a", false}, {"", "a", false},
		{"*", "", true}, {"a.b", "a.bc", false}, {"a.*", "ab.c", false}, {".*", "a", false}, {"A.b", "a.b", false}, {"task.*", "task-x.y", false},
	} {
		if got := Type(strings.Fields(c.patterns), c.eventType); got != c.want {
			t.Errorf("%q of %q: %v", c.eventType, c.patterns, got)
		}
	}
}

func TestChannel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		wants, has string
		want       bool
	}{
		{"", "", true}, {"", "a b", true}, {"a", "", false}, {"a", "b", false}, {"a", "b a", true}, {"a b", "c b", true}, {"a", "A", false},
	} {
		if got := Channel(strings.Fields(c.wants), strings.Fields(c.has)); got != c.want {
			t.Errorf("wants %q has %q: %v", c.wants, c.has, got)
		}
	}
}

func compile(t testing.TB, text string) *Filter {
	t.Helper()
	f, err := Compile(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return f
}

func event(data string) *Event {
	return &Event{
		Type: "order.paid", Consumer: "acme", Time: time.Date(2026, 3, 2, 12, 30, 0, 0, time.UTC),
		Channels: []string{"br", "store-7"}, Data: []byte(data),
	}
}

const sample = `{
	"amount": 150, "price": 99.90, "big": 9007199254740993, "max": 9223372036854775807, "huge": 18446744073709551616, "exp": 1e3, "zero": -0,
	"status": "paid", "name": "Conceição \u00e9 \ud83d\ude00", "half": "\ud800x", "nothing": null, "yes": true,
	"items": [{"sku":"A-1","n":2,"tags":["new"]},{"sku":"B-2","n":0.5,"tags":[]}],
	"customer": {"address": {"state": "SP"}}, "twice": 1, "twice": 2, "": "empty", "a.b": "dot"
}`

// TestFilters: what filters say of a JSON event.
func TestFilters(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`event.type == "order.paid" && event.consumer == "acme"`:            "true",
		`event.type.startsWith("order.")`:                                   "true",
		`"br" in event.channels`:                                            "true",
		`event.channels.exists(c, c.startsWith("x-"))`:                      "false",
		`event.channels.size() == 2`:                                        "true",
		`event.time > timestamp("2026-03-01T00:00:00Z")`:                    "true",
		`event.time.getHours() >= 9 && event.time.getHours() < 18`:          "true",
		`event.time.getHours("America/Sao_Paulo") == 9`:                     "true",
		`event.time.getDayOfWeek() == 1`:                                    "true",
		`data.amount > 100`:                                                 "true",
		`data.amount > 100.5`:                                               "true",
		`data.amount == 150.0`:                                              "true",
		`data.price < 100`:                                                  "true",
		`data.price == 99.90`:                                               "true",
		`data.exp == 1000`:                                                  "true",
		`data.zero == 0`:                                                    "true",
		`data.big == 9007199254740993`:                                      "true",
		`data.big == 9007199254740992`:                                      "false",
		`data.big - 9007199254740992 == 1`:                                  "true",
		`data.max == 9223372036854775807`:                                   "true",
		`data.huge > data.max`:                                              "true",
		`data.huge == 18446744073709551616.0`:                               "true",
		`data.status == "paid"`:                                             "true",
		`data.status in ["paid", "refunded"]`:                               "true",
		`data["status"] != "paid"`:                                          "false",
		`data["a.b"] == "dot" && data[""] == "empty"`:                       "true",
		`data.name.contains("ção") && data.name.endsWith("😀")`:              "true",
		`data.name.size() == 13`:                                            "true",
		`data.half == "\ufffdx"`:                                            "true",
		`data.name.matches("^Conc.i")`:                                      "true",
		`data.name.matches("(?i)^CONC")`:                                    "true",
		`data.nothing == null`:                                              "true",
		`data.nothing != null`:                                              "false",
		`has(data.nothing)`:                                                 "true",
		`has(data.missing)`:                                                 "false",
		`has(data.missing) && data.missing > 1`:                             "false",
		`!has(data.missing) || data.missing > 1`:                            "true",
		`has(data.customer.address) && data.customer.address.state == "SP"`: "true",
		`data.yes == true`:                                                  "true",
		`data.twice == 2`:                                                   "true",
		`data.items.exists(i, i.sku == "B-2")`:                              "true",
		`data.items.all(i, i.n >= 1)`:                                       "false",
		`data.items.exists_one(i, "new" in i.tags)`:                         "true",
		`data.items.filter(i, i.n > 1).size() == 1`:                         "true",
		`data.items[0].tags == ["new"]`:                                     "true",
		`data.items.map(i, i.sku) == ["A-1", "B-2"]`:                        "true",
		`data.items.exists(i, i.tags.exists(x, x == "new"))`:                "true",
		`data.status == "open" || data.amount >= 150`:                       "true",
		`(data.status == "paid" ? data.amount : 0) == 150`:                  "true",
		`double(data.amount) * 1.5 == 225.0`:                                "true",
		`double("99.90") == data.price`:                                     "true",
		`type(data.amount) == int && type(data.price) == double`:            "true",
		`data.missing == 1`:                                                 "missing_field",
		`data.items[9].sku == "x"`:                                          "missing_field",
		`data.customer.missing.deeper == 1`:                                 "missing_field",
		`data.missing == 1 || data.amount == 150`:                           "true", // one side is enough
		`data.missing == 1 && data.amount == 1`:                             "false",
		`data.status > 5`:                                                   "wrong_kind",
		`data.status == 5`:                                                  "false", // different kinds are not equal
		`data.nothing > 5`:                                                  "wrong_kind",
		`data.amount * 1.5 > 1.0`:                                           "wrong_kind", // int times double
		`data.max + 1 > 0`:                                                  "wrong_kind", // overflow
		`data.amount / 0 == 1`:                                              "wrong_kind",
		`timestamp(data.status) > event.time`:                               "wrong_kind",
		`data.status.exists(x, x == "p")`:                                   "wrong_kind",
	} {
		e := event(sample)
		wanted, problem, err := compile(t, text).Judge(t.Context(), e, &Budget{})
		e.Done()
		got := fmt.Sprint(wanted)
		if problem != NoProblem {
			got = problem.String()
			if !wanted || err == nil {
				t.Errorf("%s: a problem keeps nothing back and has an error: %v %v", text, wanted, err)
			}
		}
		if got != want {
			t.Errorf("%s: %s (%v), want %s", text, got, err, want)
		}
	}
}

// TestDataOfAnyKind: data need not be an object.
func TestDataOfAnyKind(t *testing.T) {
	t.Parallel()
	for data, text := range map[string]string{
		`null`: `data == null`, `5`: `data == 5`, `"x"`: `data == "x"`, `[1,2]`: `data.exists(i, i == 2)`, `true`: `data == true`, `{}`: `data.size() == 0`, `[]`: `data.size() == 0`,
	} {
		e := event(data)
		if wanted, problem, err := compile(t, text).Judge(t.Context(), e, &Budget{}); !wanted || problem != NoProblem {
			t.Errorf("%s: %v %v %v", data, wanted, problem, err)
		}
		e.Done()
	}
	broken := event(`{"a":`)
	if wanted, problem, err := compile(t, `data.a == 1`).Judge(t.Context(), broken, &Budget{}); !wanted || problem != Unreadable || err == nil {
		t.Error(wanted, problem, err)
	}
}

// TestRefused: what is refused when it is saved, with the place and the fix.
func TestRefused(t *testing.T) {
	t.Parallel()
	loop := "data.items.exists(a, "
	for text, want := range map[string]string{
		``:                        "is empty; write an expression",
		`data.amount >`:           "line 1, column 14: is not an expression",
		"data.a == 1 &&\n  ..":    "line 2, column 4: is not an expression",
		`data.amount`:             "may be any value; compare it",
		`1 + 1`:                   "is a whole number; a filter is true or false",
		`"x"`:                     "is a string; a filter is true or false",
		`event.kind == "x"`:       "line 1, column 6: event has type, consumer, time and channels",
		`event == "x"`:            "line 1, column 1: event has type",
		`amount > 5`:              "line 1, column 1: 'amount' is not known; the variables are event and data",
		`data.a == 1 && sleep(5)`: "line 1, column 16: sleep is no function",
		`event.type > 5`:          "line 1, column 12: > does not work with a string and a whole number",
		`data.s.matches("[")`:     "a regular expression is no regular expression (RE2): a ] is missing after [",
		`data.s.matches(data.re)`: "line 1, column 15: matches takes a regular expression that stands in the filter",
		`data.s.matches("` + strings.Repeat("a", patterns.Length) + `")`:    "", // at the limit
		`data.s.matches("` + strings.Repeat("a", patterns.Length+1) + `")`:  "a regular expression has 257 bytes; the limit is 256",
		`data.s.matches("(a{30}){30}")`:                                     "a regular expression is too large",
		`data.s.matches("(?i)[` + strings.Repeat("B-\U0001e942", 4) + `]")`: "a regular expression takes too long to read",
		loop + `a == 1)`: "",
		loop + strings.ReplaceAll(loop, "(a", "(b") + `a == b))`:                                                   "",
		loop + strings.ReplaceAll(loop, "(a", "(b") + strings.ReplaceAll(loop, "(a", "(c") + `a == b && b == c)))`: "could take too long",
		`data.s == "` + strings.Repeat("a", MaxFilter-len(`data.s == ""`)) + `"`:                                   "",
		`data.s == "` + strings.Repeat("a", MaxFilter+1-len(`data.s == ""`)) + `"`:                                 "has 2049 bytes; the limit is 2048",
		strings.Repeat("(", maxNesting+1) + "true" + strings.Repeat(")", maxNesting+1):                             "nests too deep; the limit is 50",
		strings.Repeat("!", 60) + "(" + strings.Repeat("data.a==1||", 150) + "true)":                               "",
	} {
		_, err := Compile(text)
		var bad *FilterError
		switch {
		case want == "" && err != nil:
			t.Errorf("%.60s: %v", text, err)
		case want == "":
		case !errors.As(err, &bad) || !strings.Contains(err.Error(), want):
			t.Errorf("%.60s: %v, want %q", text, err, want)
		}
	}
}

// big is an array of about 256 KiB.
func big(item string) string {
	n := (256<<10 - 20) / (len(item) + 1)
	return `{"a":[` + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + `],"s":"` + "x" + `"}`
}

// TestHostile: no filter takes long over the largest event, however it is
// written: by its cost, or on a slow machine by the clock. What it took is
// logged; the bound is wide, for a busy machine with race detection.
func TestHostile(t *testing.T) {
	t.Parallel()
	numbers, lists := big(`1`), big(`[]`)
	long := `{"s":"` + strings.Repeat("a", 250<<10) + `","a":[` + strings.Repeat("1,", 1000) + `1]}`
	for _, c := range []struct {
		name, filter, data string
		problem            Problem
	}{
		{"two loops", `data.a.exists(i, data.a.exists(j, i + j < 0))`, numbers, TooCostly},
		{"a loop over maps", `data.a.map(i, data.a).exists(x, x.exists(y, y == 7))`, numbers, TooCostly},
		{"deep comparisons", `data.a.exists(i, data != data)`, numbers, TooCostly},
		{"deep comparisons of lists", `data.a.exists(i, data.a != data.a)`, lists, TooCostly},
		{"comparison without a loop", strings.Repeat(`data == data && `, 60) + `true`, numbers, TooCostly},
		{"membership", `data.a.exists(i, -1 in data.a)`, numbers, TooCostly},
		{"membership of a list", `data.a.exists(i, [1] in data.a)`, lists, TooCostly},
		{"joined texts", strings.Repeat(`data.s + `, 40) + `"" == ""`, long, TooCostly},
		{"texts in a loop", `data.a.exists(i, data.s + data.s == "")`, long, TooCostly},
		{"sizes in a loop", `data.a.exists(i, size(data.s) < 0)`, long, TooCostly},
		{"regular expression", `data.s.matches("(a|aa|aaa){30}b")`, long, TooCostly},
		{"contains in a loop", `data.a.exists(i, data.s.contains("aaaaaaaaaaaaaaaaaaaaaaaaaab"))`, long, TooCostly},
		{"conversions in a loop", `data.a.exists(i, bytes(data.s) == b"")`, long, TooCostly},
	} {
		f := compile(t, c.filter)
		e := event(c.data)
		began := time.Now()
		b := &Budget{}
		wanted, problem, err := f.Judge(t.Context(), e, b)
		took := time.Since(began)
		e.Done()
		if !wanted || problem != c.problem && problem != TooSlow {
			t.Errorf("%s: %v %v %v", c.name, wanted, problem, err)
		}
		if took > 10*time.Second {
			t.Errorf("%s took %v for %d units", c.name, took, b.Spent())
		}
		t.Logf("%s: %v, %d units, %v", c.name, took, b.Spent(), problem)
	}
	e := event(numbers)
	defer e.Done()
	if wanted, problem, err := compile(t, `data.a.size() > 100000 && data.a[100000] == 1`).Judge(t.Context(), e, &Budget{}); !wanted || problem != NoProblem {
		t.Error("the largest event cannot be judged at all:", problem, err)
	}
}

// TestInterrupted: the clock is a second wall, and a caller that has gone
// ends it, too.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := event(big(`1`))
	defer e.Done()
	if wanted, problem, err := compile(t, `data.a.all(i, i == 1)`).Judge(ctx, e, &Budget{}); !wanted || problem != TooSlow {
		t.Error(wanted, problem, err)
	}
}

func TestBudgets(t *testing.T) {
	t.Parallel()
	f := compile(t, `data.a.exists(i, i == 3)`)
	cheap := compile(t, `data.s == "x"`)
	b := &Budget{}
	e := event(`{"a":[1,2,3],"s":"y"}`)
	defer e.Done()
	if wanted, problem, err := f.Judge(t.Context(), e, b); !wanted || problem != NoProblem || b.Spent() < 9 || e.cost != b.Spent() {
		t.Fatal(wanted, problem, err, b.Spent())
	}
	e.cost = MaxEventCost - 1
	if wanted, problem, err := cheap.Judge(t.Context(), e, b); wanted || problem != NoProblem {
		t.Error("the last of the event's budget:", wanted, problem, err)
	}
	if wanted, problem, err := cheap.Judge(t.Context(), e, b); !wanted || problem != TooCostly || !errors.Is(err, errSpent) {
		t.Error("past the event's budget:", wanted, problem, err)
	}
	other := event(`{"s":"y"}`)
	defer other.Done()
	if wanted, problem, err := cheap.Judge(t.Context(), other, b); wanted || problem != NoProblem {
		t.Error("another event of the same call:", wanted, problem, err)
	}
	b.spent = MaxCallCost
	if wanted, problem, _ := cheap.Judge(t.Context(), other, b); !wanted || problem != TooCostly {
		t.Error("past the call's budget:", wanted, problem)
	}
}

type name string

func (n name) String() string { return string(n) }

func TestEngine(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	en := NewEngine(slog.New(slog.NewTextHandler(&log, nil)))
	judge := func(r *Rules) (Verdict, Problem) {
		e := event(`{"n":5,"secret":"canary"}`)
		defer e.Done()
		return en.Judge(t.Context(), e, r, &Budget{}, name("ep_1"))
	}
	for _, c := range []struct {
		rules   *Rules
		verdict Verdict
		problem Problem
	}{
		{nil, Wanted, NoProblem},
		{&Rules{}, Wanted, NoProblem},
		{&Rules{Channels: []string{"br"}}, Wanted, NoProblem},
		{&Rules{Channels: []string{"us"}}, OtherChannel, NoProblem},
		{&Rules{Channels: []string{"us"}, Filter: `data.n == 5`}, OtherChannel, NoProblem},
		{&Rules{Channels: []string{"br"}, Filter: `data.n == 5`}, Wanted, NoProblem},
		{&Rules{Filter: `data.n == 6`}, FilteredOut, NoProblem},
		{&Rules{Filter: `data[data.secret] == 6`}, Wanted, MissingField},
		{&Rules{Filter: `data[data.secret] == 6`}, Wanted, MissingField},
		{&Rules{Filter: `no longer`}, Wanted, NotAcceptable},
	} {
		if v, p := judge(c.rules); v != c.verdict || p != c.problem {
			t.Errorf("%+v: %v %v", c.rules, v, p)
		}
	}
	counts := en.Counts()
	if counts.Judged != 5 || counts.False != 1 || counts.Problems["missing_field"] != 2 || counts.Problems["not_acceptable"] != 1 {
		t.Errorf("%+v", counts)
	}
	if text := log.String(); strings.Count(text, "could not be judged") != 2 || strings.Contains(text, "canary") ||
		!strings.Contains(text, "endpoint=ep_1 problem=missing_field") {
		t.Errorf("%s", text)
	}
}

// TestCompiledOnce: a filter is compiled at its first use, whoever asks, and
// the engine holds a bounded number of them.
func TestCompiledOnce(t *testing.T) {
	t.Parallel()
	en := NewEngine(slog.New(slog.DiscardHandler))
	first := en.compiled(`data.n == 1`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if en.compiled(`data.n == 1`) != first {
				t.Error("compiled again")
			}
		})
	}
	wg.Wait()
	for i := range 3 * cachedFilters / 2 {
		en.compiled(fmt.Sprintf("not a filter %d", i))
		if i%1000 == 0 && en.compiled(`data.n == 1`) != first {
			t.Fatal("what is in use was forgotten")
		}
		if n := len(en.young) + len(en.old); n > cachedFilters {
			t.Fatalf("%d filters held", n)
		}
	}
}

// FuzzCompile: no text makes the compiler panic or take long, and what it
// accepts can be judged.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{`data.a == 1`, `data.a.exists(x, x > 1)`, `event.type.matches("a+")`, `"\x`, `has(data.a.b)`} {
		f.Add(s, `{"a":[1,2,{"b":null}]}`)
	}
	f.Fuzz(func(t *testing.T, text, data string) {
		filter, err := Compile(text)
		if err != nil {
			var bad *FilterError
			if !errors.As(err, &bad) || bad.Error() == "" {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		e := event(data)
		defer e.Done()
		if wanted, problem, _ := filter.Judge(t.Context(), e, &Budget{}); problem != NoProblem && !wanted {
			t.Errorf("%q keeps back what it cannot judge", text)
		}
	})
}

func BenchmarkJudge(b *testing.B) {
	data := []byte(`{"items":[`)
	for i := 0; len(data) < 960; i++ {
		data = fmt.Appendf(data, `{"id":%d,"name":"item number %d","price":12.50,"tags":["a","b"]},`, i, i)
	}
	data = append(data[:len(data)-1], `],"amount":150,"status":"paid"}`...)
	en := NewEngine(slog.New(slog.DiscardHandler))
	run := func(name string, filters ...string) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e := &Event{Type: "order.paid", Consumer: "acme", Data: data}
				for _, f := range filters {
					if v, p := en.Judge(b.Context(), e, &Rules{Filter: f}, &Budget{}, nil); v != Wanted || p != NoProblem {
						b.Fatal(v, p)
					}
				}
				e.Done()
			}
		})
	}
	simple := `data.status == "paid" && data.amount > 100`
	run("one", simple)
	run("type", `event.type == "order.paid"`)
	run("loop", `data.items.exists(i, i.id == 9)`)
	run("ten", simple, simple, simple, simple, simple, simple, simple, simple, simple, simple)
}

// TestManyCompileAtOnce is for the race detector.
func TestManyCompileAtOnce(t *testing.T) {
	t.Parallel()
	for range 20 {
		env, err := newEnvironment()
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for _, text := range []string{"unknown.name == 1", "data.a.exists(i, i == 1)", "nothing", "data.a.all(i, i > data.b)"} {
			all.Go(func() {
				if _, issues := env.Compile(text); (issues.Err() == nil) != strings.HasPrefix(text, "data") {
					t.Errorf("%s: %v", text, issues.Err())
				}
			})
		}
		all.Wait()
	}
}
