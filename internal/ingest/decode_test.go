package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/malote-dev/malote/internal/rawjson"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, in, want string }{
		{"least", `{"type":"a.b","consumer":"c","data":{}}`, `a.b c {}`},
		{"spaces", " {\n\"data\" : [ 1 ,\t2 ] , \"consumer\":\"c\",\"type\":\"a\"} ", "a c [ 1 ,\t2 ]"},
		{"null data is data", `{"type":"a","consumer":"c","data":null}`, `a c null`},
		{"null timestamp is absent", `{"type":"a","consumer":"c","data":1,"timestamp":null}`, `a c 1`},
		{"timestamp", `{"type":"a","consumer":"c","data":1,"timestamp":"2026-01-02T03:04:05.678-03:00"}`, `a c 1 2026-01-02T06:04:05.678Z`},
		{"escaped name", `{"t\u0079pe":"\u0061","consumer":"c","data":1}`, `a c 1`},
		{"repeated keys in data", `{"type":"a","consumer":"c","data":{"id":1,"id":2}}`, `a c {"id":1,"id":2}`},
		{"channels", `{"type":"a","consumer":"c","data":1,"channels":["y","x"]}`, `a c 1 [y x]`},
		{"null channels are absent", `{"type":"a","consumer":"c","data":1,"channels":null}`, `a c 1`},
		{"no channels", `{"type":"a","consumer":"c","data":1,"channels":[]}`, `a c 1`},
		{"missing are left to validation", `{}`, "  "},

		{"not an object", `[]`, "!: is an array; send an event as an object"},
		{"unknown", `{"typ":"a"}`, "!/typ: is not a field of an event; the fields are type, consumer, data, timestamp"},
		{"case counts", `{"Type":"a"}`, "!/Type: is not a field"},
		{"pointer is escaped", `{"a/b~c":1}`, "!/a~1b~0c: is not a field"},
		{"key in the body", `{"idempotency_key":"k"}`, "!/idempotency_key: is not a field of a single event; send the key in the header"},
		{"id", `{"id":"k"}`, "!/id: cannot be chosen"},
		{"twice", `{"type":"a","type":"b"}`, "!/type: is given twice"},
		{"twice, in disguise", `{"data":1,"d\u0061ta":2}`, "!/data: is given twice"},
		{"type is a number", `{"type":1}`, "!/type: is a number; send a string"},
		{"type is null", `{"type":null}`, "!/type: is null; send a string"},
		{"consumer is an object", `{"consumer":{}}`, "!/consumer: is an object; send a string"},
		{"unix time", `{"timestamp":1700000000}`, "!/timestamp: is a number; send a string"},
		{"no time", `{"timestamp":"yesterday"}`, "!/timestamp: is not a time; write it as RFC 3339"},
		{"comma in a time", `{"timestamp":"2026-01-02T03:04:05,6Z"}`, "!/timestamp: is not a time"},
		{"channels are a string", `{"channels":"a"}`, "!/channels: is a string; send an array of names"},
		{"a channel is a number", `{"channels":["a",1]}`, "!/channels/1: is a number; send a string"},
		{"channels twice", `{"channels":[],"channels":[]}`, "!/channels: is given twice"},
		{"all at once", `{"type":1,"x":2,"timestamp":"no"}`, "!/type: is a number; send a string; /x: is not a field of an event; the fields are type, consumer, data, timestamp, channels; /timestamp: is not a time"},

		{"malformed", `{"type":"a",}`, "!line 1, column 13: a member's name in double quotes is expected here"},
		{"malformed wins over shape", `{"type":1,"x":nope}`, "!line 1, column 15: a value"},
		{"malformed in data", `{"data":{"x":01}}`, "!line 1, column 15: a comma or }"},
		{"empty", ``, "!the document ends where a value is expected"},
		{"trailing", `{} {}`, "!nothing after it"},
		{"mark", "\xef\xbb\xbf{}", "!byte order mark"},
		{"UTF-8", "{\"data\":\"\xe9\"}", "!is not valid UTF-8"},
		{"half a pair", `{"consumer":"\ud83d"}`, "!half of a surrogate pair"},
	}
	for _, c := range cases {
		req, err := Decode([]byte(c.in))
		got := fmt.Sprintf("%s %s %s", req.Type, req.Consumer, req.Data)
		if !req.Timestamp.IsZero() {
			got += " " + req.Timestamp.UTC().Format(time.RFC3339Nano)
		}
		if len(req.Channels) > 0 {
			got += fmt.Sprintf(" %v", req.Channels)
		}
		if err != nil {
			got = "!" + err.Error()
		}
		if ok := got == c.want; !ok && (c.want[0] != '!' || !strings.Contains(got, c.want[1:])) {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestDecodeErrorKinds(t *testing.T) {
	t.Parallel()
	var syntax *rawjson.SyntaxError
	var shape *ShapeError
	var field *FieldError
	if _, err := Decode([]byte(`{`)); !errors.As(err, &syntax) {
		t.Errorf("%T", err)
	}
	if _, err := Decode([]byte(`{"x":1}`)); !errors.As(err, &shape) || !errors.As(err, &field) || field.Pointer != "/x" {
		t.Errorf("%T", err)
	}
	many := `{"x0":1` + strings.Repeat(`,"x":1`, 1000) + `}`
	if _, err := Decode([]byte(many)); !errors.As(err, &shape) || len(shape.Fields) != MaxErrors {
		t.Errorf("%v", err)
	}
	long := `{"` + strings.Repeat("é", 1000) + `":1}`
	if _, err := Decode([]byte(long)); err == nil || len(err.Error()) > 300 || !utf8.ValidString(err.Error()) {
		t.Errorf("%v", err)
	}
}

func TestDepthOfData(t *testing.T) {
	t.Parallel()
	at := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	for _, form := range []string{`{"data":%s}`, `{"events":[{"data":%s}]}`} {
		decode := func(data string) error {
			body := fmt.Appendf(nil, form, data)
			if strings.Contains(form, "events") {
				_, err := DecodeBatch(body, 10)
				return err
			}
			_, err := Decode(body)
			return err
		}
		if err := decode(at); err != nil {
			t.Errorf("%s at the limit: %v", form, err)
		}
		if err := decode("[" + at + "]"); err == nil || !strings.Contains(err.Error(), "deeper") {
			t.Errorf("%s one past: %v", form, err)
		}
	}
}

func TestDataIsThePartOfTheBody(t *testing.T) {
	t.Parallel()
	for _, data := range awkward {
		req, err := Decode([]byte(`{"type":"a","data":` + data + `,"consumer":"c"}`))
		if err != nil || string(req.Data) != data {
			t.Errorf("%s: got %s, %v", data, req.Data, err)
		}
		items, err := DecodeBatch([]byte(`{"events":[{"data":`+data+`}]}`), 1)
		if err != nil || string(items[0].Data) != data {
			t.Errorf("%s: got %v, %v", data, items, err)
		}
	}
}

// awkward JSON whose bytes must come out as they went in.
var awkward = []string{
	`{"z":1,"a":2,"m":{"b":[ ],"a":{ }}}`, `1e400`, `9007199254740993`, `-0`, `1.0`, `1.50E+03`, `{"id":1,"id":2}`,
	`"\/\u00e9\u0000\ud83d\ude00\ud800"`, `"é☃😀<>&"`, "{\n\t\"a\" :\r\n 1 }", `null`, `true`, `""`, `[]`, `"` + "\u2028\u2029" + `"`,
	`"` + "\x7f" + `"`, `{"":{"":""}}`,
}

func TestPaddingIsNotKept(t *testing.T) {
	t.Parallel()
	body := []byte(`{"data":1` + strings.Repeat(" ", 2*slack) + `}`)
	req, err := Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	body[bytes.IndexByte(body, '1')] = '2'
	if string(req.Data) != "1" {
		t.Error("a padded body is held by its data")
	}
}

func TestDecodeBatch(t *testing.T) {
	t.Parallel()
	body := `{"events":[{"type":"a","consumer":"c","data":{"n": 1},"idempotency_key":"k"},7,{"type":1},{"x":1,"type":"b"},{"idempotency_key":""}]}`
	items, err := DecodeBatch([]byte(body), 5)
	if err != nil || len(items) != 5 {
		t.Fatal(items, err)
	}
	if r := items[0]; r.Err != nil || r.Type != "a" || string(r.Data) != `{"n": 1}` || r.IdempotencyKey != "k" {
		t.Errorf("%+v", r)
	}
	for n, want := range []string{"", ": is a number", "/type: is a number", "/x: is not a field", "/idempotency_key: is empty"} {
		if err := items[n].Err; n > 0 && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%d: %v", n, err)
		}
	}
	many := func(n int) []byte {
		return []byte(`{"events":[` + strings.TrimSuffix(strings.Repeat(`{},`, n), ",") + `]}`)
	}
	for in, want := range map[string]string{
		string(many(5)): "", string(many(6)): "/events: has 6 events; send at most 5",
		`{"events":[]}`: "/events: is empty", `{}`: "/events: is missing", `{"events":{}}`: "/events: is an object",
		`[]`: "is an array; send an object", `{"events":[1],"events":[2]}`: "given twice", `{"events":[1],"x":1}`: "/x: is not a field of a batch",
		`{"events":[1}`: "a comma or ]",
	} {
		_, err := DecodeBatch([]byte(in), 5)
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

// BenchmarkUnknownFields is the worst that a body of the batch route can hold.
func BenchmarkUnknownFields(b *testing.B) {
	body := []byte(`{"events":[{` + strings.Repeat(`"x":1,`, 8<<20/6) + `"x":1}]}`)
	for b.Loop() {
		if _, err := DecodeBatch(body, 10); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzDecode: what Decode accepts, encoding/json reads as the same values; what
// it refuses, encoding/json refuses too, or a rule of this API says why.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"type":"a","consumer":"c","data":{"x":[1,2.5e-3]},"timestamp":"2026-01-02T03:04:05Z"}`))
	for _, s := range awkward {
		f.Add([]byte(`{"type":"a","data":` + s + `}`))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := Decode(body)
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.DisallowUnknownFields()
		var want struct {
			Type, Consumer string
			Data           json.RawMessage
			Timestamp      time.Time
		}
		stdErr := dec.Decode(&want)
		if err != nil {
			var syntax *rawjson.SyntaxError
			if errors.As(err, &syntax) && json.Valid(body) && utf8.Valid(body) &&
				!strings.Contains(err.Error(), "deeper") && !strings.Contains(err.Error(), "surrogate") {
				t.Fatalf("%q: %v, but it is valid JSON", body, err)
			}
			return
		}
		if stdErr != nil {
			t.Fatalf("%q: accepted, but encoding/json says %v", body, stdErr)
		}
		same := req.Type == want.Type && req.Consumer == want.Consumer && bytes.Equal(req.Data, want.Data) &&
			(req.Timestamp.Equal(want.Timestamp) || want.Timestamp.IsZero() && req.Timestamp.Unix() == 0)
		if !same {
			t.Fatalf("%q:\n got %+v\nwant %+v", body, req, want)
		}
	})
}
