package webhook

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// One whole delivery of each dialect, first try and retry.
func TestGoldenRequests(t *testing.T) {
	t.Parallel()
	secrets := map[string][]string{
		"standard": {whsec, whsk}, "placaflow": {"a1b2c3d4e5f60718293a4b5c6d7e8f90"},
	}
	id := func(last byte) ID {
		return ID{0x01, 0x94, 0x75, 0x8a, 0xc9, 0x38, 0x7a, 0x11, 0x8b, 0x22, 0xc3, 0xd4, 0xe5, 0xf6, 0x07, last}
	}
	at := time.Date(2025, 1, 18, 9, 5, 23, 456_789_000, time.FixedZone("-03", -3*3600))
	for _, d := range Builtin() {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			m := &Message{ID: id(1), Endpoint: id(2), Delivery: id(3), Consumer: "123", Time: at}
			m.Type, m.Data = d.NewTest(m.ID)
			if len(d.Events) > 0 {
				m.Type, m.Data = d.Events[0].Type, d.Events[0].Example
			}
			sec := secrets[d.Name]
			if sec == nil {
				sec = []string{"whsec_abc123def456"}
			}
			var out bytes.Buffer
			for _, try := range []Try{
				{Number: 1, At: at.Add(time.Second)},
				{Number: 2, At: at.Add(time.Minute + time.Second), Previous: at.Add(time.Second)},
			} {
				body, err := d.AppendBody(nil, m)
				if err != nil {
					t.Fatal(err)
				}
				fields, err := d.AppendFields(nil, m, try, body, sec)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&out, "# attempt %d\n", try.Number)
				for _, f := range fields {
					fmt.Fprintf(&out, "%s: %s\n", f.Name, f.Value)
				}
				fmt.Fprintf(&out, "\n%s\n\n", body)
			}
			m.BodyID = true
			body, _ := d.AppendBody(nil, m)
			fmt.Fprintf(&out, "# body with an id\n%s\n\n", body)
			typ, data := d.NewTest(id(4))
			fmt.Fprintf(&out, "# test event %s\n%s\n", typ, data)
			golden(t, "golden/"+d.Name+".txt", out.Bytes())
		})
	}
}

// Nothing of the data is read, ordered, rounded or escaped.
var awkward = []string{
	`{"n":12345678901234567890123456789.0000000000001e-400}`,
	`{"a":1,"a":2,"b":{"x":1,"x":2}}`,
	`{"z":1,"a":2,"m":3}`,
	`{"s":"\/\u00e9é\ud83d\ude00😀\u0000\u2028 <>&'"}`,
	"{ \"spaced\"\t:\r\n [ 1 , 2 ] }",
	`{"":{"":[]}}`,
	`{"lone":"\ud800"}`,
	`{}`, `{ }`,
	`{"brace":"}","quote":"\"}","backslash":"\\"}`,
	`{"__proto__":{"x":1},"constructor":1}`,
	`{"deep":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`,
}

var awkwardFlatRefused = []string{`[1,2]`, `"text"`, `null`, `0`, `-0.0`, `1e999`, `true`, `[]`}

func TestBytesInAreBytesOut(t *testing.T) {
	t.Parallel()
	for _, d := range Builtin() {
		flat := d.plan.body.flat
		for _, data := range append(awkwardFlatRefused, awkward...) {
			m := &Message{Type: "t", Consumer: "1", Data: []byte(data), Time: time.Unix(0, 0)}
			err := d.CheckEvent("1", m.Data)
			if flat && data[0] != '{' {
				var de *DataError
				if !errors.As(err, &de) || de.Field != "/data" {
					t.Errorf("%s %s: %v", d.Name, data, err)
				}
				if _, err := d.AppendBody(nil, m); !errors.As(err, &de) {
					t.Errorf("%s renders %s", d.Name, data)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s %s: %v", d.Name, data, err)
			}
			body, err := d.AppendBody([]byte("before"), m)
			if err != nil {
				t.Fatal(err)
			}
			want := data
			if flat {
				want = strings.TrimSuffix(strings.TrimPrefix(data, "{"), "}")
				if strings.TrimSpace(want) == "" {
					want = `"eventType":"t"}`
				}
			}
			if !bytes.HasPrefix(body, []byte("before")) || !bytes.Contains(body, []byte(want)) {
				t.Errorf("%s: %s does not hold %s", d.Name, body, want)
			}
			e, err := d.ParseEvent(http.Header{}, body[len("before"):])
			if err != nil {
				t.Errorf("%s %s: %v", d.Name, body, err)
			} else if !flat && string(e.Data) != data {
				t.Errorf("%s: read back %s, sent %s", d.Name, e.Data, data)
			}
		}
	}
}

func TestCheckEvent(t *testing.T) {
	t.Parallel()
	tests := []struct{ dialect, consumer, data, field string }{
		{"gabinete360", "acme", `{"severity":"high"}`, ""},
		{"gabinete360", "acme", `{"nested":{"id":1}}`, ""},
		{"gabinete360", "acme", `{"ID":1,"eventtype":2}`, ""},
		{"gabinete360", "acme", `{"id":1}`, "/data/id"},
		{"gabinete360", "acme", ` { "a" : [ "id" , { } ] , "\u0069d" : 1 } `, "/data/id"},
		{"gabinete360", "acme", `{"a":{"b":"}"},"eventType":1}`, "/data/eventType"},
		{"gabinete360", "acme", `{"event\u0054ype":1}`, "/data/eventType"},
		{"gabinete360", "acme", `[{"a":1}]`, "/data"},
		{"gabinete360", "acme", `null`, "/data"},
		{"habilitar", "acme", `{"id":1}`, ""},
		{"standard", "acme", `null`, ""},
		{"tarefa", "123", `1`, ""},
		{"tarefa", "0", `1`, ""},
		{"tarefa", "9007199254740991", `1`, ""},
		{"tarefa", "*", `1`, ""},
		{"tarefa", "9007199254740992", `1`, "/consumer"},
		{"tarefa", "0123", `1`, "/consumer"},
		{"tarefa", "-1", `1`, "/consumer"},
		{"tarefa", "1.0", `1`, "/consumer"},
		{"tarefa", "", `1`, "/consumer"},
		{"tarefa", "١٢", `1`, "/consumer"},
		{"tarefa", "acme", `1`, "/consumer"},
	}
	for _, tt := range tests {
		err := builtinNamed(t, tt.dialect).CheckEvent(tt.consumer, []byte(tt.data))
		var de *DataError
		errors.As(err, &de)
		if (err == nil) != (tt.field == "") || de != nil && de.Field != tt.field {
			t.Errorf("%s %s %s: %v, want field %q", tt.dialect, tt.consumer, tt.data, err, tt.field)
		}
	}
}

func TestShapes(t *testing.T) {
	t.Parallel()
	m := &Message{ID: ID{1}, Type: `a"b\c`, Time: time.Unix(1_800_000_000, 5e6), Data: []byte(`{"x": 1}`), Consumer: "<é>\n"}
	tests := []struct{ shape, want, withID string }{
		{`"{data}"`, `{"x": 1}`, `{"x": 1}`},
		{`{"...":"{data}"}`, `{"x": 1}`, `{"id":"#","x": 1}`},
		{`{"a":1.50,"...":"{data}"}`, `{"a":1.50,"x": 1}`, `{"id":"#","a":1.50,"x": 1}`},
		{`{"t":"{type}","c":"{consumer}","d":"{data}"}`, `{"t":"a\"b\\c","c":"<é>\n","d":{"x": 1}}`, `{"id":"#","t":"a\"b\\c","c":"<é>\n","d":{"x": 1}}`},
		{`{"at":"{time:unix}","ms":"{time:unix_millis}","s":"{time:rfc3339}","d":["{data}",null,true]}`,
			`{"at":1800000000,"ms":1800000000005,"s":"2027-01-15T08:00:00Z","d":[{"x": 1},null,true]}`, ""},
		{`{"meta":{"urn":"urn:{type}:{time:unix}","b":"{{x}"},"data":"{data}"}`, `{"meta":{"urn":"urn:a\"b\\c:1800000000","b":"{x}"},"data":{"x": 1}}`, ""},
		{`{"id":"mine","data":"{data}"}`, `{"id":"mine","data":{"x": 1}}`, `{"id":"mine","data":{"x": 1}}`},
	}
	for _, tt := range tests {
		d, err := ParseDialect("x.json", []byte(strings.Replace(string(Standard().Source()),
			`{"type": "{type}", "timestamp": "{time:rfc3339_millis}", "data": "{data}"}`, tt.shape, 1)))
		if err != nil {
			t.Fatalf("%s: %v", tt.shape, err)
		}
		d.plan.event = func(dst []byte, _ ID) []byte { return append(dst, '#') }
		m := *m
		if got, err := d.AppendBody(nil, &m); err != nil || string(got) != tt.want {
			t.Errorf("%s\n got %s, %v\nwant %s", tt.shape, got, err, tt.want)
		}
		m.BodyID = true
		if got, _ := d.AppendBody(nil, &m); tt.withID != "" && string(got) != tt.withID {
			t.Errorf("%s with id\n got %s\nwant %s", tt.shape, got, tt.withID)
		}
	}
}

// A flat envelope without an id still reserves it: a project may ask for one.
func TestFlatReservesID(t *testing.T) {
	t.Parallel()
	d, err := ParseDialect("x", bytes.Replace(builtinNamed(t, "gabinete360").Source(), []byte(`"id": "{id}", `), nil, 1))
	if err != nil {
		t.Fatal(err)
	}
	var de *DataError
	if err := d.CheckEvent("c", []byte(`{"id":1}`)); !errors.As(err, &de) || de.Field != "/data/id" {
		t.Errorf("%v", err)
	}
	if err := d.CheckEvent("c", []byte(`{"a/b~":1,"eventType":1}`)); !errors.As(err, &de) || de.Field != "/data/eventType" {
		t.Errorf("%v", err)
	}
}

// The header of the attempt before stands on retries alone, and only with a
// time that is known.
func TestRetryHeaders(t *testing.T) {
	t.Parallel()
	d := builtinNamed(t, "tarefa")
	m := benchMessage(d)
	for _, tt := range []struct {
		try  Try
		want string
	}{
		{Try{Number: 1}, ""},
		{Try{Number: 1, Previous: m.Time}, ""},
		{Try{Number: 2}, ""},
		{Try{Number: 5, Previous: m.Time}, "2026-01-02T03:04:05.678Z"},
	} {
		tt.try.At = m.Time
		h, _, err := d.Sign(m, tt.try, "whsec_abc123def456")
		if err != nil {
			t.Fatal(err)
		}
		if got := h.Get("X-Previous-Attempt"); got != tt.want || h.Get("X-Delivery-Attempt") != fmt.Sprint(tt.try.Number) {
			t.Errorf("%+v: previous %q, want %q; attempt %s", tt.try, got, tt.want, h.Get("X-Delivery-Attempt"))
		}
	}
}

// Of several secrets, one-signature dialects sign with the oldest; standard
// and stripe with all, newest first.
func TestRotation(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	for _, d := range Builtin() {
		newer, older := d.NewSecret(), d.NewSecret()
		h, body := signed(t, d, now, newer, older)
		byNew, byOld := d.Verify(h, body, []string{newer}, now), d.Verify(h, body, []string{older}, now)
		if want := d.Signature.Rotation == RotateAll; byNew.OK != want || !byOld.OK {
			t.Errorf("%s: new %+v, old %+v", d.Name, byNew, byOld)
		}
		alone, _ := signed(t, d, now, older)
		if n := len(h.Get(d.Signature.Header)) / len(alone.Get(d.Signature.Header)); d.Signature.Rotation == RotateOldest && n != 1 {
			t.Errorf("%s carries %d signatures", d.Name, n)
		}
	}
}

func TestAppendFieldsRefuses(t *testing.T) {
	t.Parallel()
	tarefa, standard := builtinNamed(t, "tarefa"), Standard()
	m := &Message{Type: "a\r\nX-Evil: 1", Consumer: "1", Data: []byte("1")}
	var de *DataError
	if _, err := tarefa.AppendFields(nil, m, Try{Number: 1}, nil, []string{"whsec_1234"}); !errors.As(err, &de) || de.Field != "/type" {
		t.Errorf("a line end in a header: %v", err)
	}
	if _, err := standard.AppendFields(nil, m, Try{Number: 1}, nil, nil); !errors.Is(err, ErrNoSecret) {
		t.Errorf("no secret: %v", err)
	}
	var se *SecretError
	for _, s := range []string{"", "not-a-secret", "whsec_", "whsec_AAAA", "whsec_!!!!", whsec + "\n", " " + whsec, whpk, "whsk_AAAA",
		"whsk_" + Base64.text(make([]byte, 64)), "\xff\xff\xff"} {
		if _, err := standard.NewSigner([]string{s}); !errors.As(err, &se) || len(s) > 8 && strings.Contains(err.Error(), s) {
			t.Errorf("%q: %v", s, err)
		}
		if err := standard.CheckSecret(s); err == nil {
			t.Errorf("%q passes CheckSecret", s)
		}
	}
	if _, _, err := standard.Sign(&Message{Type: "t", Data: []byte("{")}, Try{}, whsec); !errors.As(err, &de) || de.Field != "/data" {
		t.Errorf("data that is no JSON: %v", err)
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	prefixes := map[string]string{
		"standard": "whsec_", "tarefa": "whsec_", "gabinete360": "whsec_", "connectvets": "cv_secret_", "habilitar": "hab_", "placaflow": "", "github": "", "stripe": "whsec_",
	}
	for _, d := range Builtin() {
		a, b := d.NewSecret(), d.NewSecret()
		if a == b || !strings.HasPrefix(a, prefixes[d.Name]) || d.CheckSecret(a) != nil {
			t.Errorf("%s: %s, %s", d.Name, a, b)
		}
		if err := d.CheckSecret(strings.Repeat("a", 2000)); err == nil {
			t.Errorf("%s takes 2000 bytes", d.Name)
		}
		if err := d.CheckSecret("short"); err == nil {
			t.Errorf("%s takes 5 bytes", d.Name)
		}
		secret, public, ok := d.NewKeyPair()
		if ok != (d.Name == "standard") {
			t.Errorf("%s has key pairs: %v", d.Name, ok)
		}
		if got, _ := d.PublicKey(secret); got != public {
			t.Errorf("%s: public key %s, want %s", d.Name, got, public)
		}
	}
}

func TestSignerIsSharedAndSilent(t *testing.T) {
	t.Parallel()
	for _, d := range Builtin() {
		secret := d.NewSecret()
		s, err := d.NewSigner([]string{secret})
		if err != nil {
			t.Fatal(err)
		}
		if shown := fmt.Sprintf("%v %+v %#v %s", s, s, s, s); strings.Contains(shown, secret) || !strings.Contains(shown, d.Ref()) {
			t.Errorf("a signer shows itself as %s", shown)
		}
		m := benchMessage(d)
		body, _ := d.AppendBody(nil, m)
		try := Try{Number: 1, At: m.Time}
		want, _ := d.AppendFields(nil, m, try, body, []string{secret})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 50 {
					got, err := s.AppendFields(nil, m, try, body)
					if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("%s: got %v, %v, want %v", d.Name, got, err, want)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}
