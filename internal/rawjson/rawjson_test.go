package rawjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	cases := []struct{ in, want string }{
		{`{}`, ""}, {`[]`, ""}, {`null`, ""}, {`true`, ""}, {`false`, ""}, {`0`, ""}, {`-0`, ""}, {`"x"`, ""},
		{" \t\r\n[1 , 2]\n", ""},
		{`1e400`, ""}, {`9007199254740993`, ""}, {`1.0`, ""}, {`1E+2`, ""}, {`0.5e-7`, ""},
		{`{"a":1,"a":2}`, ""}, {`"\ud800"`, ""}, {`"\u0000\/"`, ""}, {`"é☃😀"`, ""},
		{``, "line 1, column 1: the document ends where a value is expected"},
		{"\xef\xbb\xbf{}", "byte order mark"},
		{"\"a\xff\"", "line 1, column 3: is not valid UTF-8"},
		{"{}\n{}", "line 2, column 1: one JSON value is expected"},
		{`{} x`, "nothing after it"},
		{`NaN`, "a value is expected here"}, {`nul`, "a value"}, {`truE`, "a value"}, {`Infinity`, "a value"},
		{`// c`, "a value"}, {`{/**/}`, "a member's name"},
		{`01`, "nothing after it"}, {`-`, "a digit"}, {`1.`, "a digit"}, {`1e`, "a digit"}, {`.5`, "a value"}, {`+1`, "a value"},
		{`[1,]`, "a value is expected here"}, {`[,1]`, "a value"}, {`[1 2]`, "a comma or ]"}, {`[1`, "the document ends where a comma or ]"}, {`[`, "ends"},
		{`{"a":1,}`, "a member's name"}, {`{"a"}`, "a colon"}, {`{a:1}`, "a member's name"}, {`{'a':1}`, "a member's name"}, {`{"a":}`, "a value"}, {`{"a":1`, "a comma or }"},
		{`"abc`, "no closing quote"}, {"\"a\nb\"", "a control character"}, {`"\x"`, "a backslash must begin"}, {`"\u12"`, "a backslash"}, {`"\`, "a backslash"},
		{"\"0123456789abc\x1f\"", "line 1, column 15: a control character"},
		{"\"012\x00456789abcdef0123456789\"", "line 1, column 5: a control character"},
		{"\"0123456789a\ncdef0123456789\"", "line 1, column 13: a control character"},
		{"\"éééé\x7f\u00a0ÿ😀😀 0123\"", ""},
		{"{\"a\":\n  bad}", "line 2, column 3: a value"},
		{`]`, "a value"}, {`}`, "a value"}, {"\x00", "a value"},
	}
	for _, c := range cases {
		err := Check([]byte(c.in), 100)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%q: %v", c.in, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%q: got %v, want %q", c.in, err, c.want)
		}
		var syntax *SyntaxError
		if err != nil && !errors.As(err, &syntax) {
			t.Errorf("%q: %T", c.in, err)
		}
	}
}

func TestDepth(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{{"[", "]"}, {`{"a":`, "}"}, {`[{"a":`, "}]"}} {
		nest := func(n int) []byte {
			return []byte(strings.Repeat(pair[0], n) + "1" + strings.Repeat(pair[1], n))
		}
		levels := strings.Count(pair[0], "[") + strings.Count(pair[0], "{")
		if err := Check(nest(128/levels), 128); err != nil {
			t.Errorf("at the limit: %v", err)
		}
		if err := Check(nest(128/levels+1), 128); err == nil || !strings.Contains(err.Error(), "nests deeper") {
			t.Errorf("one past: %v", err)
		}
	}
	// A million opening brackets cost no stack.
	if err := Check([]byte(strings.Repeat("[", 1_000_000)), 128); err == nil {
		t.Error("a million brackets pass")
	}
	// Depth is given back at each closing bracket.
	if err := Check([]byte("["+strings.Repeat("[[]],", 500)+"[[]]]"), 3); err != nil {
		t.Error(err)
	}
}

func TestWalk(t *testing.T) {
	t.Parallel()
	doc := `{"n": 1e400 ,"s":"a\u00e9\ud83d\ude00\n","skipped":{"x":[1,{}]},"list":[ "one", 2 ,"three"],"n\u006f":{"k":null}}`
	var got []string
	add := func(format string, args ...any) { got = append(got, fmt.Sprintf(format, args...)) }
	err := Read([]byte(doc), 10, func(r *Reader) {
		r.Members(func(name []byte) {
			switch string(name) {
			case "n":
				add("n=%s", r.Raw())
			case "s":
				s, ok := r.Text()
				add("s=%q %v", s, ok)
			case "list":
				r.Items(func(i int) {
					s, ok := r.Text()
					add("%d=%q %v", i, s, ok)
				})
			case "no":
				ok := r.Items(func(int) { t.Error("an object is no array") })
				add("no %v", ok)
			}
		})
	})
	want := []string{"n=1e400", `s="aé😀\n" true`, `0="one" true`, `1="" false`, `2="three" true`, "no false"}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, %v\nwant %v", got, err, want)
	}
}

func TestTextRefusesHalfASurrogatePair(t *testing.T) {
	t.Parallel()
	for _, s := range []string{`"\ud800"`, `"\udc00\ud800"`, `"\ud800x"`, `"\ud800\u0041"`} {
		err := Read([]byte(s), 1, func(r *Reader) { r.Text() })
		if err == nil || !strings.Contains(err.Error(), "surrogate") {
			t.Errorf("%s: %v", s, err)
		}
	}
}

var seeds = []string{
	`{"type":"a","data":{"x":[1,2.5e-3,"\u00e9\ud83d\ude00"]}}`, `[[[]]]`, `"\ud800"`, `{"a":1,"a":2}`, "\xef\xbb\xbf1",
	"\"\x7f\x80\"", `{"a" : [ true , false , null ] }`, `1e`, `-0.0E+1`, `"0123456789\"abc\\"`, "\"01234567\x01\"", "[1,\n2", `{"":""}`, "\"012\x00456789abcdef0123456789\"",
}

// FuzzCheck: accepts exactly what encoding/json accepts in valid UTF-8, and
// decodes strings and members to the same values.
func FuzzCheck(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		err := Check(b, 9_000)
		if want := json.Valid(b) && utf8.Valid(b); want != (err == nil) {
			t.Fatalf("%q: encoding/json says %v, Check says %v", b, want, err)
		}
		if err != nil {
			return
		}
		var wantText string
		isText := json.Unmarshal(b, &wantText) == nil && b[len(b)-1] == '"'
		var members map[string]json.RawMessage
		isObject := json.Unmarshal(b, &members) == nil && members != nil
		walkErr := Read(b, 9_000, func(r *Reader) {
			switch r.Kind() {
			case String:
				if got, ok := r.Text(); ok && isText && got != wantText {
					t.Fatalf("%q: %q, want %q", b, got, wantText)
				}
			case Object:
				last := map[string]string{}
				r.Members(func(name []byte) { last[string(name)] = string(r.Raw()) })
				if !isObject || len(last) != len(members) {
					t.Fatalf("%q: %d members, want %d", b, len(last), len(members))
				}
				for k, v := range members {
					if last[k] != string(v) {
						t.Fatalf("%q: member %q is %q, want %q", b, k, last[k], v)
					}
				}
			}
		})
		if walkErr != nil && !strings.Contains(walkErr.Error(), "surrogate") {
			t.Fatalf("%q: accepted unread, refused read: %v", b, walkErr)
		}
	})
}

var kilobyte = func() []byte {
	b := []byte(`{"type":"task.completed","consumer":"acme","data":{"items":[`)
	for i := 0; len(b) < 960; i++ {
		b = fmt.Appendf(b, `{"id":%d,"name":"item number %d","price":12.50,"tags":["a","b"]},`, i, i)
	}
	return append(b[:len(b)-1], `]}}`...)
}()

func BenchmarkCheck(b *testing.B) {
	b.SetBytes(int64(len(kilobyte)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Check(kilobyte, 128); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStdValid(b *testing.B) {
	b.SetBytes(int64(len(kilobyte)))
	for b.Loop() {
		if !json.Valid(kilobyte) {
			b.Fatal("invalid")
		}
	}
}

func BenchmarkStdRawMessage(b *testing.B) {
	b.SetBytes(int64(len(kilobyte)))
	b.ReportAllocs()
	for b.Loop() {
		var v struct {
			Type, Consumer string
			Data           json.RawMessage
		}
		if err := json.Unmarshal(kilobyte, &v); err != nil {
			b.Fatal(err)
		}
	}
}
