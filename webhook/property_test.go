package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// drawJSON draws an object with the given depth of nesting, as text.
func drawJSON(t *rapid.T, depth int) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := range rapid.IntRange(0, 3).Draw(t, "members") {
		if i > 0 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal("k" + rapid.String().Draw(t, "key"))
		b.Write(key)
		b.WriteString(rapid.SampledFrom([]string{":", " : ", ":\n\t"}).Draw(t, "colon"))
		if depth > 0 && rapid.Bool().Draw(t, "nest") {
			b.WriteString(drawJSON(t, depth-1))
			continue
		}
		b.WriteString(rapid.OneOf(
			rapid.SampledFrom([]string{"null", "true", "[]", "[1,{}]", `"\u00e9\/"`, "1.0", "-0", "12345678901234567890"}),
			rapid.Map(rapid.String(), func(s string) string { q, _ := json.Marshal(s); return string(q) }),
		).Draw(t, "value"))
	}
	b.WriteByte('}')
	return b.String()
}

type delivery struct {
	dialect *Dialect
	secret  string
	m       Message
	at      time.Time
	header  http.Header
	body    []byte
}

func drawDelivery(t *rapid.T) *delivery {
	x := &delivery{dialect: rapid.SampledFrom(Builtin()).Draw(t, "dialect")}
	x.secret = x.dialect.NewSecret()
	if x.dialect.Name == "standard" && rapid.IntRange(0, 9).Draw(t, "ed25519") == 0 { // 100 times slower
		x.secret, _, _ = x.dialect.NewKeyPair()
	} else if x.dialect.Name != "standard" && rapid.Bool().Draw(t, "own secret") {
		x.secret = rapid.StringMatching(`[!-~]{8,60}`).Draw(t, "secret")
	}
	x.at = time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "at"))
	x.m = Message{
		ID: drawID(t), Endpoint: drawID(t), Delivery: drawID(t),
		Type: rapid.StringMatching(`[a-z][a-z.\-]{0,20}`).Draw(t, "type"), Time: x.at,
		Data: []byte(drawJSON(t, 3)), Consumer: strconv.Itoa(rapid.IntRange(0, 1<<40).Draw(t, "consumer")),
		BodyID: rapid.Bool().Draw(t, "body id"),
	}
	var err error
	x.header, x.body, err = x.dialect.Sign(&x.m, Try{Number: rapid.IntRange(1, 5).Draw(t, "try"), At: x.at, Previous: x.at}, x.secret)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestWhatIsSignedVerifies(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := drawDelivery(t)
		if v := x.dialect.Verify(x.header, x.body, []string{x.secret}, x.at); !v.OK {
			t.Fatalf("%s: %+v", x.dialect.Name, v)
		}
		e, err := x.dialect.ParseEvent(x.header, x.body)
		if err != nil {
			t.Fatalf("%s: %v in %s", x.dialect.Name, err, x.body)
		}
		want := x.dialect.IDs.Event.Format(x.m.ID)
		if e.ID != want || e.Type != x.m.Type || e.Endpoint != "" && e.Endpoint != x.dialect.IDs.Endpoint.Format(x.m.Endpoint) ||
			e.Consumer != "" && e.Consumer != x.m.Consumer {
			t.Fatalf("%s: read back %+v, sent %+v", x.dialect.Name, e, x.m)
		}
		if !x.dialect.plan.body.flat && !bytes.Equal(e.Data, x.m.Data) {
			t.Fatalf("%s: data %s, sent %s", x.dialect.Name, e.Data, x.m.Data)
		}
	})
}

func TestWhatIsChangedDoesNot(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := drawDelivery(t)
		signed := []string{x.dialect.Signature.Header}
		if x.dialect.Name == "standard" {
			signed = append(signed, "webhook-id", "webhook-timestamp")
		}
		secret := x.secret
		change := func(b []byte) []byte {
			b = bytes.Clone(b)
			i := rapid.IntRange(0, len(b)-1).Draw(t, "where")
			b[i] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
			return b
		}
		switch rapid.SampledFrom([]string{"body", "header", "secret", "cut", "drop"}).Draw(t, "change") {
		case "body":
			x.body = change(x.body)
		case "cut":
			x.body = x.body[:rapid.IntRange(0, len(x.body)-1).Draw(t, "length")]
		case "header":
			name := rapid.SampledFrom(signed).Draw(t, "name")
			x.header.Set(name, string(change([]byte(x.header.Get(name)))))
		case "drop":
			x.header.Del(rapid.SampledFrom(signed).Draw(t, "name"))
		case "secret":
			secret = string(change([]byte(x.secret)))
			if sameKey(x.dialect, secret, x.secret) {
				t.Skip("the last bits of base64 may differ in the same key")
			}
		}
		if v := x.dialect.Verify(x.header, x.body, []string{secret}, x.at); v.OK || v.Cause == "" || v.Detail == "" {
			t.Fatalf("%s: %+v", x.dialect.Name, v)
		}
	})
}

func sameKey(d *Dialect, a, b string) bool {
	x, errX := d.decodeKey(a, false)
	y, errY := d.decodeKey(b, false)
	return errX == nil && errY == nil && bytes.Equal(x.bytes, y.bytes) && bytes.Equal(x.private, y.private)
}

func FuzzEnvelope(f *testing.F) {
	for _, data := range append(awkwardFlatRefused, awkward...) {
		f.Add("task.completed", "123", []byte(data), false)
	}
	f.Add("a\"b\\c", "<é>\n", []byte(`{"i\u0064":1}`), true)
	f.Add("\xff", "\u2028", []byte(` {"a": {"id": 1} } `), true)
	f.Fuzz(func(t *testing.T, typ, consumer string, data []byte, bodyID bool) {
		if !json.Valid(data) || consumer == "*" { // that is of events, not of deliveries
			return
		}
		for _, d := range Builtin() {
			m := &Message{ID: ID{1}, Type: typ, Consumer: consumer, Data: data, BodyID: bodyID, Time: time.Unix(0, 0)}
			if err := d.CheckEvent(consumer, data); err != nil {
				var de *DataError
				if !errors.As(err, &de) || de.Field == "" || de.Reason == "" {
					t.Errorf("%s: %v", d.Name, err)
				}
				continue
			}
			body, err := d.AppendBody(nil, m)
			if err != nil {
				t.Fatalf("%s passes CheckEvent, but not AppendBody: %v", data, err)
			}
			if !json.Valid(body) {
				t.Fatalf("%s: not JSON: %s", d.Name, body)
			}
			inner := data
			if d.plan.body.flat {
				inner, _ = objectInner(data)
				inner = bytes.TrimSpace(inner)
			}
			if !bytes.Contains(body, inner) {
				t.Fatalf("%s: %s does not hold %s", d.Name, body, inner)
			}
			e, err := d.ParseEvent(http.Header{}, body)
			if err != nil {
				t.Fatalf("%s: %v in %s", d.Name, err, body)
			}
			inBody := slices.ContainsFunc(d.plan.body.fields, func(f field) bool { return f.part.hole == holeType })
			if inBody && utf8.ValidString(typ) && e.Type != typ {
				t.Errorf("%s: type %q, sent %q", d.Name, e.Type, typ)
			}
			if !d.plan.body.flat && !bytes.Equal(e.Data, bytes.TrimSpace(data)) {
				t.Errorf("%s: data %s, sent %s", d.Name, e.Data, data)
			}
		}
	})
}

// No header that was not signed ever passes.
func FuzzVerify(f *testing.F) {
	for _, d := range Builtin() {
		h, body := signed(f, d, time.Unix(1_800_000_000, 0), d.NewSecret()) // by nobody's secret
		f.Add(h.Get(d.Signature.Header), "1800000000", "evt_1", body)
	}
	for _, s := range []string{"", "v1,", "v1, v1,", "v1", "v1a,", ",", " ", "sha256=", "sha256=sha256=", "t=1,v1=", "v1,\x00", "=", "v1,====="} {
		f.Add(s, "1800000000", "evt_1", []byte("{}"))
	}
	secrets := []string{whsec, whpk, whsk}
	f.Fuzz(func(t *testing.T, value, stamp, id string, body []byte) {
		for _, d := range Builtin() {
			h := http.Header{}
			h.Set(d.Signature.Header, value)
			h.Set("webhook-timestamp", stamp)
			h.Set("webhook-id", id)
			if v := d.Verify(h, body, secrets, time.Unix(1_800_000_000, 0)); v.OK || v.Cause == "" || v.Detail == "" {
				t.Errorf("%s: %+v", d.Name, v)
			}
		}
	})
}

func FuzzParseDialect(f *testing.F) {
	for _, d := range Builtin() {
		f.Add(d.Source())
	}
	for _, s := range []string{"", "{", "[]", "null", `{"name":{}}`, `{"envelope":{"shape":"{data}"}}`, `{"delivery":{"schedule":["1m",1]}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := ParseDialect("f.json", data)
		if err != nil {
			var de *DialectError
			if !errors.As(err, &de) || de.Line < 1 || de.Line > 1+bytes.Count(data, []byte("\n")) || de.Reason == "" {
				t.Errorf("%v", err)
			}
			return
		}
		// What was taken works.
		m := &Message{Type: "t", Consumer: "1", Data: []byte("{}"), Time: time.Unix(0, 0)}
		secret := d.NewSecret()
		h, body, err := d.Sign(m, Try{Number: 2, At: m.Time, Previous: m.Time}, secret)
		if err != nil {
			t.Fatal(err)
		}
		if v := d.Verify(h, body, []string{secret}, m.Time); !v.OK {
			t.Errorf("%+v", v)
		}
	})
}

// The scanner agrees with encoding/json, and survives what is no JSON.
func FuzzMembers(f *testing.F) {
	for _, data := range append(awkwardFlatRefused, awkward...) {
		f.Add([]byte(data))
	}
	f.Add([]byte(`{"a`))
	f.Add([]byte(`{"a":`))
	f.Add([]byte(`{"a":[}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got := map[string]json.RawMessage{}
		err := eachMember(data, func(m *member) bool {
			got[m.name()] = m.value
			return true
		})
		if !json.Valid(data) || !utf8.Valid(data) {
			return
		}
		var want map[string]json.RawMessage
		if json.Unmarshal(data, &want) != nil || want == nil {
			if err == nil {
				t.Errorf("%s is no object", data)
			}
			return
		}
		if err != nil || len(got) != len(want) {
			t.Fatalf("%v: %d members of %d in %s", err, len(got), len(want), data)
		}
		for k, v := range want {
			if !bytes.Equal(got[k], v) {
				t.Errorf("%q is %s, want %s", k, got[k], v)
			}
		}
	})
}
