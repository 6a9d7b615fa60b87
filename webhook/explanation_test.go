package webhook

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// explained is a request of a dialect, before and after something went wrong
// with it.
type explained struct {
	d       *Dialect
	h       http.Header
	body    []byte
	secrets []string
	now     time.Time
}

func (x *explained) set(name, value string) { x.h.Set(name, value) }

// sign signs a body that is none of the dialect's: what its sender did before
// something changed it.
func (x *explained) sign(t *testing.T, body string) {
	t.Helper()
	c := &check{dialect: x.d, header: x.h, body: []byte(body), now: x.now}
	if v, ok := c.read(); !ok {
		t.Fatal(v)
	}
	k, err := x.d.decodeKey(x.secrets[0], false)
	if err != nil {
		t.Fatal(err)
	}
	old := c.items[0].scheme.Prefix + c.items[0].text
	x.set(x.d.Signature.Header, strings.Replace(c.carrier, old, k.scheme.Prefix+k.scheme.Encoding.text(k.sum(nil, x.d.plan, c.parts)), 1))
}

// wrong is one thing that can be wrong with any request.
type wrong struct {
	name    string
	edit    func(t *testing.T, x *explained)
	kind    MistakeKind
	cause   Cause
	detail  string
	changes []string
}

// wrongs are the mistakes of receivers and senders that any dialect can meet.
func wrongs() []wrong {
	// what is signed, and what of it comes in
	changed := func(name, signed, came string, changes ...string) wrong {
		return wrong{name, func(t *testing.T, x *explained) {
			t.Helper()
			x.sign(t, signed)
			x.body = []byte(came)
		}, MistakeBody, CauseBody, "the secret is right, but the body was changed on the way", changes}
	}
	return []wrong{
		changed("line end cut", "{\"a\":1}\n", `{"a":1}`),
		changed("line end added", `{"a":1}`, "{\"a\":1}\r\n"),
		changed("CRLF", "{\"a\":1,\n\"b\":2}", "{\"a\":1,\r\n\"b\":2}"),
		changed("byte order mark", `{"a":1}`, "\ufeff{\"a\":1}"),
		changed("spaces", `{"a":1,"b":[1,2]}`, `{"a": 1, "b": [1, 2]}`),
		changed("spaces of Python", `{"a": 1, "b": [1, {}, []]}`, `{"a":1,"b":[1,{},[]]}`, "as Python writes"),
		changed("indented", "{\n  \"a\": 1,\n  \"b\": [\n    1,\n    {}\n  ]\n}", `{"a":1,"b":[1,{}]}`, "indented by 2 spaces"),
		changed("indented more", "{\n    \"a\": 1\n}", "{\n  \"a\": 1\n}", "indented by 4 spaces"),
		changed("order of names", `{"a":{"x":1,"y":2},"b":3}`, `{"b":3,"a":{"y":2,"x":1}}`, "order of their names"),
		changed("slashes of PHP", `{"u":"https:\/\/x\/"}`, `{"u":"https://x/"}`, "as PHP writes"),
		changed("ASCII of PHP", `{"u":"\/caf\u00e9 \ud83d\ude00"}`, `{"u":"/café 😀"}`, "all but ASCII escaped, as PHP writes"),
		changed("ASCII of Python", `{"u": "/caf\u00e9"}`, `{"u":"/café"}`, "a space behind each comma", "all but ASCII escaped, as Python"),
		changed("HTML of Go", `{"u":"\u003ca\u0026b\u003e"}`, `{"u":"<a&b>"}`, "as Go writes"),
		changed("escapes undone", `{"u":"café/"}`, `{"u":"caf\u00e9\/"}`),
		changed("spaces and escapes", `{"u": "caf\u00e9", "v": 1}`, `{"u":"café","v":1}`, "a space behind", "all but ASCII"),
		changed("order, and a line end", "{\"a\":1,\"b\":2}\n", `{"b":2,"a":1}`, "order of their names", "a line end"),
		{"white space around the secret", func(_ *testing.T, x *explained) { x.secrets[0] = " " + x.secrets[0] + "\n" }, MistakeSecret, CauseNoSecret, "control characters", nil},
		{"space behind the secret", func(_ *testing.T, x *explained) { x.secrets[0] += " " }, MistakeSecret, CauseNoSecret, "white space", nil},
		{"another header", func(_ *testing.T, x *explained) {
			name := x.d.Signature.Header
			x.set("X-Webhook-Proof", x.h.Get(name))
			x.h.Del(name)
		}, MistakeHeader, CauseMissingHeader, "is missing", nil},
	}
}

func TestExplainsContractVectors(t *testing.T) {
	t.Parallel()
	for _, v := range contractVectors(t) {
		for _, w := range wrongs() {
			t.Run(v.Contract+"/"+v.Event+"/"+w.name, func(t *testing.T) {
				t.Parallel()
				x := &explained{builtinNamed(t, v.Contract), header(v.Header, v.Value), []byte(v.Body), []string{v.Secret}, time.Now()}
				w.judge(t, x)
			})
		}
	}
}

func TestExplainsEveryDialect(t *testing.T) {
	t.Parallel()
	for _, d := range Builtin() {
		for _, w := range wrongs() {
			t.Run(d.Name+"/"+w.name, func(t *testing.T) {
				t.Parallel()
				x := &explained{d: d, secrets: []string{d.NewSecret()}, now: time.Unix(1_800_000_000, 0)}
				x.h, x.body = signed(t, d, x.now, x.secrets[0])
				w.judge(t, x)
			})
		}
	}
}

func (w *wrong) judge(t *testing.T, x *explained) {
	t.Helper()
	if e := x.d.Explain(x.h, x.body, x.secrets, x.now); !e.Verdict.OK || len(e.Mistakes) > 0 {
		t.Fatalf("before: %+v", e)
	}
	w.edit(t, x)
	e := x.d.Explain(x.h, x.body, x.secrets, x.now)
	if e.Verdict.OK || e.Verdict.Cause != w.cause || !strings.Contains(e.Verdict.Detail, w.detail) {
		t.Errorf("verdict %+v, want %s with %q", e.Verdict, w.cause, w.detail)
	}
	i := slices.IndexFunc(e.Mistakes, func(m Mistake) bool { return m.Kind == w.kind && m.Fits })
	if i < 0 {
		t.Fatalf("mistakes %+v, want %s", e.Mistakes, w.kind)
	}
	changes := strings.Join(e.Mistakes[i].Changes, "; ")
	for _, want := range w.changes {
		if !strings.Contains(changes, want) {
			t.Errorf("changes %q, want %q", changes, want)
		}
	}
	if n := len(e.Mistakes[i].Changes); n > len(w.changes)+1 { // spaces and escapes are told apart as far as they show
		t.Errorf("%d changes: %q", n, changes)
	}
	if v := x.d.Verify(x.h, x.body, x.secrets, x.now); v.OK {
		t.Error("it passes")
	}
}

// The body's members in the order of the contract: as it was signed.
func TestExplainsTheOrderOfTheContract(t *testing.T) {
	t.Parallel()
	for _, v := range contractVectors(t) {
		d := builtinNamed(t, v.Contract)
		var members map[string]json.RawMessage
		if err := json.Unmarshal([]byte(v.Body), &members); err != nil {
			t.Fatal(err)
		}
		sorted, err := json.Marshal(members) // by name, as Go does
		if err != nil {
			t.Fatal(err)
		}
		if string(sorted) == v.Body {
			continue
		}
		x := d.Explain(header(v.Header, v.Value), sorted, []string{v.Secret}, time.Now())
		if d.plan.body.flat { // its own members' order is nobody's
			continue
		}
		if x.Verdict.Cause != CauseBody || !strings.Contains(strings.Join(x.Mistakes[0].Changes, ";"), "order of the contract") {
			t.Errorf("%s/%s: %+v %+v", v.Contract, v.Event, x.Verdict, x.Mistakes)
		}
	}
}

// What only signatures with parts, times or coded secrets can get wrong.
func TestExplainsPartsAndTimes(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	standard, stripe := builtinNamed(t, "standard"), builtinNamed(t, "stripe")
	raw := strings.TrimPrefix(whsec, "whsec_")
	signs := func(message func(x *explained) string) func(*testing.T, *explained) {
		return func(t *testing.T, x *explained) {
			t.Helper()
			k, err := x.d.decodeKey(x.secrets[0], false)
			if err != nil {
				t.Fatal(err)
			}
			h := k.newHash()
			h.Write([]byte(message(x)))
			sum := k.scheme.Prefix + k.scheme.Encoding.text(h.Sum(nil))
			if x.d.Signature.Timestamp.Item != "" {
				sum = "t=1800000000," + sum
			}
			x.set(x.d.Signature.Header, sum)
		}
	}
	secret := func(s string) func(*testing.T, *explained) {
		return func(_ *testing.T, x *explained) { x.secrets[0] = s }
	}
	tests := []struct {
		d *Dialect
		wrong
	}{
		{standard, wrong{name: "secret without its prefix", edit: secret(raw), kind: MistakeSecret, cause: CauseNoSecret, detail: "begins with none of whsec_, whsk_"}},
		{standard, wrong{name: "secret in quotation marks", edit: secret(`"` + whsec + `"`), kind: MistakeSecret, cause: CauseNoSecret, detail: "begins with none of"}},
		{standard, wrong{name: "body alone", edit: signs(func(x *explained) string { return string(x.body) }), kind: MistakeMessage, cause: CauseMalformed, detail: "of the body alone"}},
		{stripe, wrong{name: "body alone", edit: signs(func(x *explained) string { return string(x.body) }), kind: MistakeMessage, cause: CauseMalformed, detail: "of the body alone"}},
		{standard, wrong{name: "without the id", edit: signs(func(x *explained) string { return "1800000000." + string(x.body) }), kind: MistakeMessage, cause: CauseMalformed, detail: "the time, a dot and the body"}},
		{standard, wrong{name: "without the dots", edit: signs(func(x *explained) string { return x.h.Get("webhook-id") + "1800000000" + string(x.body) }), kind: MistakeMessage, cause: CauseMalformed, detail: "nothing between"}},
		{standard, wrong{name: "milliseconds signed", edit: signs(func(x *explained) string { return x.h.Get("webhook-id") + ".1800000000000." + string(x.body) }), kind: MistakeTimestamp, cause: CauseMalformed, detail: "in milliseconds, but it came in seconds"}},
		{stripe, wrong{name: "milliseconds signed", edit: signs(func(x *explained) string { return "1800000000000." + string(x.body) }), kind: MistakeTimestamp, cause: CauseMalformed, detail: "in milliseconds, but it came in seconds"}},
		{standard, wrong{name: "milliseconds sent", edit: func(t *testing.T, x *explained) {
			t.Helper()
			x.set("webhook-timestamp", "1800000000000")
		}, kind: MistakeTimestamp, cause: CauseMalformed, detail: "in seconds, but it came in milliseconds"}},
		{standard, wrong{name: "milliseconds", edit: func(t *testing.T, x *explained) {
			t.Helper()
			x.set("webhook-timestamp", "1800000000000")
			x.sign(t, string(x.body))
		}, kind: MistakeClock, cause: CauseClock, detail: "written in milliseconds"}},
		{standard, wrong{name: "clock", edit: func(_ *testing.T, x *explained) { x.now = x.now.Add(361 * time.Second) }, kind: MistakeClock, cause: CauseClock, detail: "6m1s ago"}},
		{standard, wrong{name: "dialect", edit: func(t *testing.T, x *explained) {
			t.Helper()
			x.h, x.body = signed(t, builtinNamed(t, "tarefa"), x.now, x.secrets[0])
		}, kind: MistakeDialect, cause: CauseMissingHeader, detail: "as the dialect tarefa does"}},
	}
	for _, tt := range tests {
		t.Run(tt.d.Name+"/"+tt.name, func(t *testing.T) {
			t.Parallel()
			x := &explained{d: tt.d, secrets: []string{whsec}, now: now}
			x.h, x.body = signed(t, tt.d, now, whsec)
			tt.judge(t, x)
		})
	}
}

// Another dialect is a hint where the secret does not fit it either.
func TestExplainHints(t *testing.T) {
	t.Parallel()
	h, body := signed(t, builtinNamed(t, "github"), time.Now(), "It's a Secret to Everybody")
	x := Standard().Explain(h, body, []string{whsec}, time.Now())
	if x.Verdict.Cause != CauseMissingHeader || len(x.Mistakes) != 1 || x.Mistakes[0].Fits || x.Mistakes[0].Dialect != "github" {
		t.Errorf("%+v %+v", x.Verdict, x.Mistakes)
	}
	x = Standard().Explain(h, body, nil, time.Now(), builtinNamed(t, "stripe"))
	if x.Verdict.Cause != CauseNoSecret || len(x.Mistakes) != 0 || len(x.Headers) != 3 || x.Headers[0].Values != nil {
		t.Errorf("%+v", x)
	}
}

// The parts put together are what was signed, and what is expected is what the
// header holds.
func TestExplanationShowsWhatWasSigned(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	for _, d := range Builtin() {
		secret := d.NewSecret()
		h, body := signed(t, d, now, secret)
		x := d.Explain(h, body, []string{"whsec_bm90IHRoZSBvbmUgdGhhdCBzaWduZWQ=", secret}, now)
		var message []byte
		for _, p := range x.Message {
			if p.Offset != len(message) || p.Missing {
				t.Errorf("%s: a part %+v at %d", d.Name, p, len(message))
			}
			message = append(message, p.Bytes...)
		}
		k, err := d.decodeKey(secret, false)
		if err != nil {
			t.Fatal(err)
		}
		mac := k.newHash()
		mac.Write(message)
		want := k.scheme.Prefix + k.scheme.Encoding.text(mac.Sum(nil))
		if x.Expected[1].Text != want || !x.Expected[1].Matches || x.Expected[0].Matches {
			t.Errorf("%s: expected %+v, want %s", d.Name, x.Expected, want)
		}
		i := slices.IndexFunc(x.Items, func(it CarrierItem) bool { return it.Text == want })
		if i < 0 || !x.Items[i].Matches || x.Items[i].Role != ItemSignature {
			t.Errorf("%s: items %+v, want %s", d.Name, x.Items, want)
		}
		if timed := d.Signature.Timestamp != nil; timed != (x.Time != nil) || timed && (!x.Time.Time.Equal(now) || x.Time.Off != 0 || x.Time.Text != "1800000000") {
			t.Errorf("%s: time %+v", d.Name, x.Time)
		}
		if got := x.Headers[0]; got.Name != d.Signature.Header || got.Role != RoleSignature || len(got.Values) != 1 {
			t.Errorf("%s: headers %+v", d.Name, x.Headers)
		}
	}
}

// What is missing is said, and no signature is made up of the rest.
func TestExplanationOfWhatIsMissing(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	for _, name := range []string{"webhook-id", "webhook-timestamp"} {
		h, body := signed(t, Standard(), now, whsec)
		h.Del(name)
		x := Standard().Explain(h, body, []string{whsec}, now)
		n := 0
		for _, p := range x.Message {
			if p.Missing {
				n++
			}
		}
		if n != 1 || x.Expected[0].Text != "" || x.Verdict.Cause != CauseMissingHeader {
			t.Errorf("without %s: %+v", name, x)
		}
	}
	h, body := signed(t, Standard(), now, whsec)
	want := h.Get("webhook-signature")
	h.Del("webhook-signature")
	if x := Standard().Explain(h, body, []string{whsec, "", "whpk_AAAA"}, now); x.Expected[0].Text != want || x.Expected[1].Problem != "is empty" || x.Expected[2].Problem == "" {
		t.Errorf("without the signature: %+v, want %s", x.Expected, want)
	}
	public := Standard().Explain(h, body, []string{whpk}, now)
	if public.Expected[0].Text != "" || public.Expected[0].Algorithm != Ed25519 {
		t.Errorf("a public key makes no signature: %+v", public.Expected)
	}
	if x := Standard().Explain(h, bytes.Repeat([]byte("x"), maxDiagnose+1), []string{whsec}, now); x.Searched || x.Mistakes != nil {
		t.Errorf("a large body was searched: %+v", x.Mistakes)
	}
}

// Whatever comes in, an explanation never passes what verification refuses,
// and refuses nothing that it passes.
func TestExplanationAgreesWithVerify(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := drawDelivery(t)
		secrets, d := []string{x.secret}, x.dialect
		for _, what := range rapid.SliceOfN(rapid.SampledFrom([]string{"body", "secret", "header", "dialect", "time"}), 0, 2).Draw(t, "wrong") {
			switch what {
			case "body":
				x.body = []byte(rapid.StringMatching(`[ -~]{0,40}|\{"a":\[1,\{"b":"/<é"\}\]\}`).Draw(t, "body"))
			case "secret":
				secrets = rapid.SliceOfN(rapid.StringMatching(`(whsec_|whpk_)?[ -~]{0,40}`), 0, 3).Draw(t, "secrets")
			case "header":
				x.header.Set(x.dialect.Signature.Header, rapid.StringMatching(`(t=|v1[,=]|sha256=)?[ -~]{0,80}`).Draw(t, "carrier"))
			case "dialect":
				d = rapid.SampledFrom(Builtin()).Draw(t, "other dialect")
			case "time":
				x.at = x.at.Add(time.Duration(rapid.Int64Range(-1e12, 1e12).Draw(t, "off")))
			}
		}
		e, v := d.Explain(x.header, x.body, secrets, x.at), d.Verify(x.header, x.body, secrets, x.at)
		if e.Verdict.OK != v.OK || e.Verdict != v && v.Cause != CauseMismatch {
			t.Fatalf("%s: explained %+v, verified %+v", d.Name, e.Verdict, v)
		}
		if v.OK && len(e.Mistakes) > 0 {
			t.Fatalf("%s passes with mistakes %+v", d.Name, e.Mistakes)
		}
	})
}

// Rewriting is JSON still, and means the same.
func TestRewritesMeanTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body := []byte(drawJSON(t, 3))
		var want any
		if json.Unmarshal(body, &want) != nil {
			t.Fatalf("%q is no JSON", body)
		}
		canonical, _ := json.Marshal(want)
		for b := range Standard().rewrites(body) {
			var got any
			if err := json.Unmarshal(b.body, &got); err != nil {
				t.Fatalf("%q: %v", b.body, err)
			}
			if again, _ := json.Marshal(got); !bytes.Equal(again, canonical) {
				t.Fatalf("%q became %q", body, b.body)
			}
		}
	})
}

func BenchmarkExplain(b *testing.B) {
	for _, size := range []int{1 << 10, maxDiagnose} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			d := builtinNamed(b, "tarefa")
			h, _ := signed(b, d, time.Now(), "whsec_abc123def456")
			body := []byte(`{"a":"` + strings.Repeat("é/", (size-8)/3) + `"}`)
			b.ReportAllocs()
			for b.Loop() {
				d.Explain(h, body, []string{"whsec_another", "whsec_third"}, time.Now())
			}
		})
	}
}
