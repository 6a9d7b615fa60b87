package webhook

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func header(name, value string) http.Header {
	h := http.Header{}
	h.Set(name, value)
	return h
}

func TestContractVectorsVerify(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, v := range contractVectors(t) {
		d := builtinNamed(t, v.Contract)
		h := header(v.Header, v.Value)
		if got := d.Verify(h, []byte(v.Body), []string{v.Secret}, now); !got.OK || got.Proof != Verified {
			t.Errorf("%s/%s: %+v", v.Contract, v.Event, got)
		}
		if got := d.Verify(h, []byte(v.Body), []string{"another-secret", v.Secret}, now); !got.OK {
			t.Errorf("%s/%s with two secrets: %+v", v.Contract, v.Event, got)
		}
		e, err := d.ParseEvent(h, []byte(v.Body))
		if err != nil || e.Type != v.Event || len(e.Data) == 0 || !strings.Contains(v.Body, string(e.Data[1:len(e.Data)-1])) {
			t.Errorf("%s/%s: event %+v, %v", v.Contract, v.Event, e, err)
		}
	}
}

// signed makes a delivery of a dialect with its test event.
func signed(tb testing.TB, d *Dialect, at time.Time, secrets ...string) (http.Header, []byte) {
	tb.Helper()
	m := &Message{ID: ID{1}, Endpoint: ID{2}, Delivery: ID{3}, Consumer: "7", Time: at}
	m.Type, m.Data = d.NewTest(m.ID)
	h, body, err := d.Sign(m, Try{Number: 1, At: at}, secrets...)
	if err != nil {
		tb.Fatal(err)
	}
	return h, body
}

const (
	whsec = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	whsk  = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
	whpk  = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
)

// Every way in which a delivery can be wrong, and what is said about it.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	tarefa, standard, placaflow := builtinNamed(t, "tarefa"), builtinNamed(t, "standard"), builtinNamed(t, "placaflow")
	type request struct {
		h       http.Header
		body    []byte
		secrets []string
		now     time.Time
	}
	set := func(name string, edit func(string) string) func(*request) {
		return func(r *request) { r.h.Set(name, edit(r.h.Get(name))) }
	}
	body := func(s string) func(*request) { return func(r *request) { r.body = []byte(s) } }
	tests := []struct {
		name    string
		dialect *Dialect
		secret  string
		edit    func(*request)
		cause   Cause // empty: passes
		detail  string
	}{
		{"untouched", tarefa, "whsec_abc123def456", func(*request) {}, "", ""},
		{"no secret", tarefa, "whsec_abc123def456", func(r *request) { r.secrets = nil }, CauseNoSecret, "no secret was given"},
		{"empty secret", tarefa, "whsec_abc123def456", func(r *request) { r.secrets = []string{""} }, CauseNoSecret, "is empty"},
		{"secret with a line end", tarefa, "whsec_abc123def456", func(r *request) { r.secrets[0] += "\n" }, CauseNoSecret, "control characters"},
		{"other secret", tarefa, "whsec_abc123def456", func(r *request) { r.secrets[0] += "7" }, CauseMismatch, "none of the secrets"},
		{"names as on the wire", standard, whsec, func(r *request) {
			lower := http.Header{}
			for name, values := range r.h {
				lower[strings.ToLower(name)] = values
			}
			r.h = lower
		}, "", ""},
		{"name in two spellings", tarefa, "whsec_abc123def456", func(r *request) {
			r.h = http.Header{"x-webhook-signature": r.h.Values("X-Webhook-Signature"), "X-WEBHOOK-signature": {"sha256=00"}}
		}, CauseMalformed, "stands 2 times"},
		{"no header", tarefa, "whsec_abc123def456", func(r *request) { r.h.Del("X-Webhook-Signature") }, CauseMissingHeader, "X-Webhook-Signature is missing"},
		{"other company's header", tarefa, "whsec_abc123def456", func(r *request) {
			r.h.Set("x-argos-signature", r.h.Get("X-Webhook-Signature"))
			r.h.Del("X-Webhook-Signature")
		}, CauseMissingHeader, "as the dialect gabinete360 does"},
		{"header twice", tarefa, "whsec_abc123def456", func(r *request) { r.h.Add("X-Webhook-Signature", "sha256=00") }, CauseMalformed, "stands 2 times"},
		{"empty header", tarefa, "whsec_abc123def456", set("X-Webhook-Signature", func(string) string { return "" }), CauseMalformed, "is empty"},
		{"prefix alone", tarefa, "whsec_abc123def456", set("X-Webhook-Signature", func(string) string { return "sha256=" }), CauseMalformed, "nothing that could be a signature"},
		{"probe", tarefa, "whsec_abc123def456", set("X-Webhook-Signature", func(string) string { return "sha256=test" }), CauseMalformed, "32 bytes in lower-case hex behind sha256="},
		{"cut short", tarefa, "whsec_abc123def456", set("X-Webhook-Signature", func(s string) string { return s[:len(s)-2] }), CauseMalformed, "nothing that could be a signature"},
		{"too long", tarefa, "whsec_abc123def456", set("X-Webhook-Signature", func(s string) string { return s + strings.Repeat("0", maxCarrier) }), CauseMalformed, "at most 8192 are read"},
		{"upper-case hex", tarefa, "whsec_abc123def456", set("X-Webhook-Signature", func(s string) string { return "sha256=" + strings.ToUpper(s[7:]) }), CauseMalformed, "the signature is right, but written in hex with upper-case letters"},
		{"prefix twice", tarefa, "whsec_abc123def456", set("X-Webhook-Signature", func(s string) string { return "sha256=" + s }), CauseMalformed, "written in hex behind sha256="},
		{"prefix in capitals", tarefa, "whsec_abc123def456", set("X-Webhook-Signature", func(s string) string { return "SHA256=" + s[7:] }), CauseMalformed, "written in hex behind SHA256="},
		{"prefix missing", tarefa, "whsec_abc123def456", set("X-Webhook-Signature", func(s string) string { return s[7:] }), CauseMalformed, "without what this dialect puts before it"},
		{"prefix too much", placaflow, "a1b2c3d4e5f60718", set("X-Signature-256", func(s string) string { return "sha256=" + s }), CauseMalformed, "in hex behind sha256="},
		{"body changed", tarefa, "whsec_abc123def456", body(`{"event":"test"}`), CauseMismatch, "not byte for byte"},
		{"body empty", tarefa, "whsec_abc123def456", body(""), CauseMismatch, "read before it was verified"},
		{"line end added", tarefa, "whsec_abc123def456", func(r *request) { r.body = append(r.body, '\n') }, CauseBody, "line end was added"},
		{"white space", tarefa, "whsec_abc123def456", func(r *request) {
			r.body = []byte(strings.ReplaceAll(string(r.body), ",", ", "))
		}, CauseBody, "other white space"},
		{"escapes", tarefa, "whsec_abc123def456", func(r *request) {
			r.body = []byte(strings.ReplaceAll(string(r.body), "t", `\u0074`))
		}, CauseBody, "other escapes"},
		{"secret without its prefix", tarefa, "abc123def456", func(r *request) { r.secrets[0] = "whsec_abc123def456" }, CauseSecret, "without its prefix whsec_"},
		{"secret decoded", tarefa, "0123456789", func(r *request) { r.secrets[0] = "whsec_MDEyMzQ1Njc4OQ==" }, CauseSecret, "decoded from base64"},

		{"standard untouched", standard, whsec, func(*request) {}, "", ""},
		{"standard v1a", standard, whsk, func(*request) {}, "", ""},
		{"standard v1a, public key", standard, whsk, func(r *request) { r.secrets[0] = whpk }, "", ""},
		{"one of several", standard, whsec, set("webhook-signature", func(s string) string { return "v1,AAAA v2,xyz " + s + " v1a,AAAA" }), "", ""},
		{"empty v1", standard, whsec, set("webhook-signature", func(string) string { return "v1," }), CauseMalformed, "nothing that could be a signature"},
		{"many empty ones", standard, whsec, set("webhook-signature", func(string) string { return "v1, v1, v1a," }), CauseMalformed, "nothing that could be a signature"},
		{"too many", standard, whsec, set("webhook-signature", func(s string) string { return strings.Repeat("v1,AAAA ", 16) + s }), CauseMalformed, "holds 17 signatures"},
		{"unknown version", standard, whsec, set("webhook-signature", func(s string) string { return "v2" + s[2:] }), CauseMalformed, "begins with v1, or v1a,"},
		{"v1 called v1a", standard, whsec, set("webhook-signature", func(s string) string { return "v1a" + s[2:] }), CauseMalformed, "right, but written in base64"},
		{"comma for a space", standard, whsec, set("webhook-signature", func(s string) string { return s + "," + s }), CauseMalformed, "nothing that could be"},
		{"no timestamp", standard, whsec, func(r *request) { r.h.Del("webhook-timestamp") }, CauseMissingHeader, "webhook-timestamp is missing"},
		{"timestamp in words", standard, whsec, set("webhook-timestamp", func(string) string { return "now" }), CauseMalformed, "format unix"},
		{"timestamp with a sign", standard, whsec, set("webhook-timestamp", func(s string) string { return "+" + s }), CauseMalformed, "format unix"},
		{"timestamp changed", standard, whsec, set("webhook-timestamp", func(string) string { return "1800000001" }), CauseMismatch, "none of the secrets"},
		{"no id", standard, whsec, func(r *request) { r.h.Del("webhook-id") }, CauseMissingHeader, "webhook-id is missing"},
		{"id changed", standard, whsec, set("webhook-id", func(s string) string { return s + "x" }), CauseMismatch, "none of the secrets"},
		{"at the edge", standard, whsec, func(r *request) { r.now = now.Add(5 * time.Minute) }, "", ""},
		{"too old", standard, whsec, func(r *request) { r.now = now.Add(5*time.Minute + time.Second) }, CauseClock, "5m1s ago"},
		{"too new", standard, whsec, func(r *request) { r.now = now.Add(-6 * time.Minute) }, CauseClock, "6m0s ahead"},
		{"wrong and old", standard, whsec, func(r *request) { r.now, r.body = now.Add(time.Hour), []byte("{}") }, CauseMismatch, "besides"},
		{"other public key", standard, whsk, func(r *request) {
			r.secrets[0] = "whpk_" + Base64.text(make([]byte, 32))
		}, CauseMismatch, "none of the secrets"},
		{"short public key", standard, whsk, func(r *request) { r.secrets[0] = "whpk_AAAA" }, CauseNoSecret, "32 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := &request{secrets: []string{tt.secret}, now: now}
			// "secret decoded" signs with what is no secret of the dialect's form.
			r.h, r.body = signed(t, tt.dialect, now, tt.secret)
			tt.edit(r)
			v := tt.dialect.Verify(r.h, r.body, r.secrets, r.now)
			if v.OK != (tt.cause == "") || v.Cause != tt.cause || !strings.Contains(v.Detail, tt.detail) {
				t.Errorf("got %+v\nwant cause %q, detail with %q", v, tt.cause, tt.detail)
			}
			x := tt.dialect.Explain(r.h, r.body, r.secrets, r.now)
			if x.Verdict != v && (v.Cause != CauseMismatch || x.Verdict.OK) {
				t.Errorf("explained as %+v\nverified as %+v", x.Verdict, v)
			}
			if tt.cause == CauseClock || tt.cause == CauseBody || tt.cause == CauseSecret {
				if len(x.Mistakes) == 0 || !x.Mistakes[0].Fits || x.Mistakes[0].Detail != v.Detail {
					t.Errorf("mistakes: %+v", x.Mistakes)
				}
			}
			for _, s := range r.secrets {
				if len(s) > 8 && strings.Contains(v.Detail, s) {
					t.Errorf("the detail repeats the secret: %s", v.Detail)
				}
			}
		})
	}
}

func (e Encoding) text(b []byte) string { return string(e.append(nil, b)) }

// Secrets in the wrong form for Standard Webhooks: both mistakes that its
// libraries' users make.
func TestExplainsStandardSecrets(t *testing.T) {
	t.Parallel()
	now := time.Now()
	standard := builtinNamed(t, "standard")
	h, body := signed(t, standard, now, whsec)
	for _, keyText := range []string{whsec, strings.TrimPrefix(whsec, "whsec_")} {
		c := &check{dialect: standard, header: h, body: body, now: now}
		if v, ok := c.read(); !ok {
			t.Fatal(v)
		}
		k := &key{scheme: &standard.Signature.Schemes[0], bytes: []byte(keyText)}
		h.Set("webhook-signature", "v1,"+Base64.text(k.sum(nil, standard.plan, c.parts)))
		v := standard.Verify(h, body, []string{whsec}, now)
		if v.OK || v.Cause != CauseSecret || !strings.Contains(v.Detail, "base64 decoded behind whsec_") {
			t.Errorf("%+v", v)
		}
	}
}

func TestZeroVerdictAndUnparsedDialect(t *testing.T) {
	t.Parallel()
	if (Verdict{}).OK {
		t.Error("a zero Verdict passes")
	}
	d := &Dialect{Name: "mine", Revision: 1}
	if v := d.Verify(http.Header{}, nil, []string{"secret-secret"}, time.Now()); v.OK || v.Cause == "" {
		t.Errorf("%+v", v)
	}
	if _, err := d.AppendBody(nil, &Message{}); err == nil {
		t.Error("a Dialect that was not parsed renders")
	}
	if _, err := d.AppendFields(nil, &Message{}, Try{}, nil, []string{"secret-secret"}); err == nil {
		t.Error("a Dialect that was not parsed signs")
	}
	if err := d.CheckEvent("1", []byte("{}")); err == nil {
		t.Error("a Dialect that was not parsed checks")
	}
}
