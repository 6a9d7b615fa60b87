package main

import (
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/malote-dev/malote/webhook"
)

// noon is the time of every delivery that is made here.
var noon = time.Date(2026, 3, 22, 12, 0, 0, 123e6, time.UTC)

// Secrets of nobody, published as examples or made up.
//
//nolint:gosec // they open nothing
const (
	hmacSecret   = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	otherSecret  = "whsec_c2VjcmV0LW9mLXNvbWVib2R5LWVsc2Utbm90"
	ed25519Key   = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
	ed25519Pub   = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
	ed25519Other = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
	data         = `{"invoice":"inv_42","amount":"99.90","note":"João & Cia / 日本","n":1e400,"big":12345678901234567890}`
)

func sortPairs(p [][2]string) {
	slices.SortFunc(p, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
}

// request is what a mistake changes.
type request struct {
	*vector
	dialect *webhook.Dialect
}

// get and set work on the first header of a name.
func (r *request) get(name string) string {
	for _, p := range r.Headers {
		if p[0] == name {
			return p[1]
		}
	}
	return ""
}

func (r *request) set(name, value string) {
	for i := range r.Headers {
		if r.Headers[i][0] == name {
			r.Headers[i][1] = value
		}
	}
}

func (r *request) drop(name string) {
	r.Headers = slices.DeleteFunc(r.Headers, func(p [2]string) bool { return p[0] == name })
}

func (r *request) carrier() string { return r.dialect.Signature.Header }

// mistake is one thing that goes wrong between a sender and a receiver.
type mistake struct {
	name string
	of   func(d *webhook.Dialect) bool // nil: of every dialect
	edit func(r *request)
	want webhook.Cause // empty: it is none
}

func sign(d *webhook.Dialect, at time.Time, secrets ...string) (*vector, error) {
	m := &webhook.Message{
		ID: webhook.ID{1, 2, 3}, Endpoint: webhook.ID{4, 5, 6}, Delivery: webhook.ID{7, 8, 9},
		Type: "invoice.paid", Consumer: "42", Time: noon, Data: []byte(data),
	}
	body, err := d.AppendBody(nil, m)
	if err != nil {
		return nil, err
	}
	fields, err := d.AppendFields(nil, m, webhook.Try{Number: 2, At: at, Previous: at.Add(-time.Minute)}, body, secrets)
	if err != nil {
		return nil, err
	}
	v := &vector{Dialect: quoted(d.Name), Body: body, Secrets: secrets, Now: noon.Unix()}
	for _, f := range fields {
		v.Headers = append(v.Headers, [2]string{f.Name, f.Value})
	}
	return v, nil
}

func ofMistakes(fs.FS) ([]vector, error) {
	var out []vector
	add := func(d *webhook.Dialect, v *vector, m *mistake) error {
		v.Name = d.Name + ": " + m.name
		m.edit(&request{v, d})
		if err := v.judge(d, m.want); err != nil {
			return err
		}
		out = append(out, *v)
		return nil
	}
	everywhere, timed, own := everyMistake(), timeMistakes(), ownMistakes()
	for _, d := range webhook.Builtin() {
		for _, m := range slices.Concat(everywhere, timed, own[d.Name]) {
			if m.of != nil && !m.of(d) {
				continue
			}
			v, err := sign(d, noon, hmacSecret)
			if err != nil {
				return nil, err
			}
			if err := add(d, v, &m); err != nil {
				return nil, err
			}
		}
	}
	token, file, err := custom("token", []byte("[]"), []byte(`{"header":"access-token","rotation":"oldest",`+
		`"schemes":[{"algorithm":"token","encoding":"verbatim","key":{"decoding":"verbatim"}}]}`))
	if err != nil {
		return nil, err
	}
	for _, m := range []mistake{
		{"untouched", nil, func(*request) {}, ""},
		{"another token", nil, func(r *request) { r.Secrets = []string{otherSecret} }, webhook.CauseMismatch},
		{"a part of the token", nil, func(r *request) { r.set("access-token", hmacSecret[:9]) }, webhook.CauseMismatch},
	} {
		v, err := sign(token, noon, hmacSecret)
		if err != nil {
			return nil, err
		}
		v.Dialect = file
		if err := add(token, v, &m); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func prefixed(d *webhook.Dialect) bool { return d.Signature.Schemes[0].Prefix != "" }
func inHex(d *webhook.Dialect) bool    { return d.Signature.Schemes[0].Encoding == webhook.Hex }
func single(d *webhook.Dialect) bool   { return d.Signature.Separator == "" }
func verbatim(d *webhook.Dialect) bool {
	return d.Signature.Schemes[0].Key.Decoding == webhook.Verbatim
}

func body(edit func(string) string) func(*request) {
	return func(r *request) { r.Body = []byte(edit(string(r.Body))) }
}

func carrier(edit func(string, *webhook.Dialect) string) func(*request) {
	return func(r *request) { r.set(r.carrier(), edit(r.get(r.carrier()), r.dialect)) }
}

// everyMistake can happen in every dialect.
func everyMistake() []mistake {
	return slices.Concat(secretMistakes(), headerMistakes(), bodyMistakes())
}

func secretMistakes() []mistake {
	return []mistake{
		{"untouched", nil, func(*request) {}, ""},
		{"one of two secrets", nil, func(r *request) { r.Secrets = []string{otherSecret, hmacSecret} }, ""},
		{"one of two secrets is none", nil, func(r *request) { r.Secrets = []string{"", hmacSecret} }, ""},
		{"wrong secret", nil, func(r *request) { r.Secrets = []string{otherSecret} }, webhook.CauseMismatch},
		{"no secret", nil, func(r *request) { r.Secrets = []string{} }, webhook.CauseNoSecret},
		{"empty secret", nil, func(r *request) { r.Secrets = []string{""} }, webhook.CauseNoSecret},
		{"secret with a line end", nil, func(r *request) { r.Secrets = []string{hmacSecret + "\n"} }, webhook.CauseNoSecret},
		{"secret with a space", nil, func(r *request) { r.Secrets = []string{" " + hmacSecret} }, webhook.CauseNoSecret},
		{"secret with a no-break space", nil, func(r *request) { r.Secrets = []string{hmacSecret + "\u00a0"} }, webhook.CauseNoSecret},
		{"secret with a byte order mark", verbatim, func(r *request) { r.Secrets = []string{hmacSecret + "\ufeff"} }, webhook.CauseMismatch},
		{"signed without the secret's prefix", verbatim, func(r *request) { r.resign(strings.TrimPrefix(hmacSecret, "whsec_")) }, webhook.CauseSecret},
	}
}

// resign signs anew with another secret than the receiver's.
func (r *request) resign(secret string) {
	v, err := sign(r.dialect, noon, secret)
	if err != nil {
		return // and the case fails, for the verdict stays what it was
	}
	r.Headers = v.Headers
}

func headerMistakes() []mistake {
	return []mistake{
		{"names in lower case", nil, func(r *request) {
			for i := range r.Headers {
				r.Headers[i][0] = strings.ToLower(r.Headers[i][0])
			}
		}, ""},
		{"no signature", nil, func(r *request) { r.drop(r.carrier()) }, webhook.CauseMissingHeader},
		{"another dialect's signature", nil, func(r *request) {
			r.Headers = append(r.Headers, [2]string{"x-other-signature", r.get(r.carrier())})
			r.drop(r.carrier())
		}, webhook.CauseMissingHeader},
		{"two signatures' headers", nil, func(r *request) {
			r.Headers = append(r.Headers, [2]string{strings.ToUpper(r.carrier()), r.get(r.carrier())})
		}, webhook.CauseMalformed},
		{"empty header", nil, carrier(func(string, *webhook.Dialect) string { return "" }), webhook.CauseMalformed},
		{"prefix alone", prefixed, carrier(func(s string, d *webhook.Dialect) string {
			i := strings.Index(s, d.Signature.Schemes[0].Prefix)
			return s[:i+len(d.Signature.Schemes[0].Prefix)]
		}), webhook.CauseMalformed},
		{"unknown version", func(d *webhook.Dialect) bool { return !single(d) },
			carrier(func(s string, _ *webhook.Dialect) string { return strings.Replace(s, "v1", "v9", 1) }), webhook.CauseMalformed},
		{"without its prefix", func(d *webhook.Dialect) bool { return prefixed(d) && single(d) },
			carrier(func(s string, d *webhook.Dialect) string {
				return strings.TrimPrefix(s, d.Signature.Schemes[0].Prefix)
			}), webhook.CauseMalformed},
		{"cut short", nil, carrier(func(s string, _ *webhook.Dialect) string { return s[:len(s)-2] }), webhook.CauseMalformed},
		{"upper-case hex", inHex, carrier(func(s string, _ *webhook.Dialect) string {
			i := strings.LastIndexByte(s, '=') + 1
			return s[:i] + strings.ToUpper(s[i:])
		}), webhook.CauseMalformed},
		{"one bit of the signature", nil, carrier(func(s string, d *webhook.Dialect) string {
			i := strings.Index(s, d.Signature.Schemes[0].Prefix) + len(d.Signature.Schemes[0].Prefix)
			with := "0"
			if s[i] == '0' {
				with = "1"
			}
			return s[:i] + with + s[i+1:]
		}), webhook.CauseMismatch},
		{"a header of 9000 bytes", nil, carrier(func(s string, _ *webhook.Dialect) string { return s + strings.Repeat("0", 9000) }), webhook.CauseMalformed},
	}
}

func bodyMistakes() []mistake {
	return []mistake{
		{"changed body", nil, body(func(s string) string { return strings.Replace(s, "99.90", "99.91", 1) }), webhook.CauseMismatch},
		{"empty body", nil, body(func(string) string { return "" }), webhook.CauseMismatch},
		{"trailing newline", nil, body(func(s string) string { return s + "\n" }), webhook.CauseBody},
		{"trailing CRLF", nil, body(func(s string) string { return s + "\r\n" }), webhook.CauseBody},
		{"byte order mark", nil, body(func(s string) string { return "\xef\xbb\xbf" + s }), webhook.CauseBody},
		{"other white space", nil, body(func(s string) string { return strings.ReplaceAll(s, `,"`, `, "`) }), webhook.CauseBody},
		{"other escapes", nil, body(func(s string) string {
			return strings.NewReplacer("ã", `\u00e3`, "日本", `\u65e5\u672C`, "/", `\/`).Replace(s)
		}), webhook.CauseBody},
		{"not UTF-8", nil, body(func(s string) string { return strings.Replace(s, "ã", "\xe3", 1) }), webhook.CauseMismatch},
	}
}

// timeMistakes are those of dialects that sign a time.
func timeMistakes() []mistake {
	timed := func(d *webhook.Dialect) bool { return d.Signature.Timestamp != nil }
	later := func(by int64) func(*request) { return func(r *request) { r.Now += by } }
	return []mistake{
		{"300 s old", timed, later(300), ""},
		{"301 s old", timed, later(301), webhook.CauseClock},
		{"299 s ahead", timed, later(-299), ""},
		{"301 s ahead", timed, later(-301), webhook.CauseClock},
		{"a year old", timed, later(365 * 86400), webhook.CauseClock},
		{"old, and another secret", timed, func(r *request) { r.Now += 3600; r.Secrets = []string{otherSecret} }, webhook.CauseMismatch},
	}
}

// ownMistakes are those of one dialect.
func ownMistakes() map[string][]mistake {
	stamp := func(s string) func(*request) { return func(r *request) { r.set("webhook-timestamp", s) } }
	with := func(before, after string) func(*request) {
		return carrier(func(s string, _ *webhook.Dialect) string { return before + s + after })
	}
	ed := func(secret string) func(*request) {
		return func(r *request) { r.resign(ed25519Key); r.Secrets = []string{secret} }
	}
	return map[string][]mistake{
		"standard": {
			{"no timestamp", nil, func(r *request) { r.drop("webhook-timestamp") }, webhook.CauseMissingHeader},
			{"timestamp in words", nil, stamp("now"), webhook.CauseMalformed},
			{"timestamp with a sign", nil, stamp("+1774180800"), webhook.CauseMalformed},
			{"timestamp with a space", nil, stamp(" 1774180800 1"), webhook.CauseMalformed},
			{"timestamp of 16 digits", nil, stamp("1774180800000000"), webhook.CauseMalformed},
			{"timestamp of the year 5 million", nil, stamp("177418080000000"), webhook.CauseMismatch},
			{"empty timestamp", nil, stamp(""), webhook.CauseMalformed},
			{"another timestamp", nil, stamp("1774180801"), webhook.CauseMismatch},
			{"no id", nil, func(r *request) { r.drop("webhook-id") }, webhook.CauseMissingHeader},
			{"another id", nil, func(r *request) { r.set("webhook-id", "evt_1") }, webhook.CauseMismatch},
			{"empty id", nil, func(r *request) { r.set("webhook-id", "") }, webhook.CauseMalformed},
			{"two ids", nil, func(r *request) { r.Headers = append(r.Headers, [2]string{"Webhook-Id", "evt_1"}) }, webhook.CauseMalformed},
			{"among others", nil, with("v1,AAAA v2,xyz ", " v1a,AAAA"), ""},
			{"17 signatures", nil, with(strings.Repeat("v1,AAAA ", 16), ""), webhook.CauseMalformed},
			{"the right one before 9000 bytes", nil, with("", " v2,"+strings.Repeat("0", 9000)), webhook.CauseMalformed},
			{"many empty ones", nil, carrier(func(string, *webhook.Dialect) string { return "v1, v1, v1a," }), webhook.CauseMalformed},
			{"v1 called v1a", nil, carrier(func(s string, _ *webhook.Dialect) string { return "v1a" + s[2:] }), webhook.CauseMalformed},
			{"without padding", nil, carrier(func(s string, _ *webhook.Dialect) string { return strings.TrimRight(s, "=") }), webhook.CauseMalformed},
			{"v1a, private key", nil, ed(ed25519Key), ""},
			{"v1a, public key", nil, ed(ed25519Pub), ""},
			{"v1a, another key", nil, ed(ed25519Other), webhook.CauseMismatch},
			{"v1a, seed alone", nil, ed("whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc="), ""},
			{"v1a, a private key of two halves", nil, ed(ed25519Key[:len(ed25519Key)-8] + "AAAAAA=="), webhook.CauseNoSecret},
			{"v1a, short key", nil, ed("whpk_AAAA"), webhook.CauseNoSecret},
			{"v1a, a secret for v1", nil, ed(hmacSecret), webhook.CauseMismatch},
			{"v1a, another body", nil, func(r *request) { ed(ed25519Pub)(r); r.Body = append(r.Body, ' ') }, webhook.CauseMismatch},
			{"secret without whsec_", nil, func(r *request) { r.Secrets = []string{hmacSecret[6:]} }, webhook.CauseNoSecret},
			{"secret that is not base64", nil, func(r *request) { r.Secrets = []string{"whsec_!!!!"} }, webhook.CauseNoSecret},
			{"secret with padding too much", nil, func(r *request) { r.Secrets = []string{hmacSecret + "="} }, webhook.CauseNoSecret},
			{"secret that is too short", nil, func(r *request) { r.Secrets = []string{"whsec_AAAA"} }, webhook.CauseNoSecret},
		},
		"stripe": {
			{"two times", nil, with("", ",t=1774180801"), webhook.CauseMalformed},
			{"no time", nil, carrier(func(s string, _ *webhook.Dialect) string { return s[strings.IndexByte(s, ',')+1:] }), webhook.CauseMalformed},
			{"time in words", nil, carrier(func(s string, _ *webhook.Dialect) string { return "t=now" + s[strings.IndexByte(s, ','):] }), webhook.CauseMalformed},
			{"v0 beside it", nil, with("", ",v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39"), ""},
			{"v0 alone", nil, carrier(func(s string, _ *webhook.Dialect) string { return strings.Replace(s, "v1", "v0", 1) }), webhook.CauseMalformed},
			{"spaces in the list", nil, carrier(func(s string, _ *webhook.Dialect) string { return strings.ReplaceAll(s, ",", " , ") }), ""},
			{"rotation, old secret", nil, func(r *request) { r.rotated(hmacSecret) }, ""},
			{"rotation, new secret", nil, func(r *request) { r.rotated(otherSecret) }, ""},
			{"rotation, neither", nil, func(r *request) { r.rotated("whsec_neither_of_them") }, webhook.CauseMismatch},
		},
		"github": {
			{"event in another header", nil, func(r *request) { r.drop("X-GitHub-Event") }, ""},
		},
	}
}

// rotated is signed with two secrets and verified with one.
func (r *request) rotated(with string) {
	v, err := sign(r.dialect, noon, otherSecret, hmacSecret)
	if err != nil {
		return
	}
	r.Headers, r.Secrets = v.Headers, []string{with}
}
