package webhook

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Verdict is what verification found. A zero Verdict is a failure.
type Verdict struct {
	OK     bool
	Proof  Proof  // when OK
	Cause  Cause  // when not OK
	Detail string // the probable cause in words; for logs, not for the sender
}

// Proof is what a success proves.
type Proof string

// The proofs.
const (
	Verified      Proof = "verified"      // the sender has the secret, and the body is as it was signed
	Authenticated Proof = "authenticated" // the sender has the token; nothing is known of the body
)

// Cause of a failed verification.
type Cause string

// The causes.
const (
	CauseNoSecret      Cause = "no_secret"            // nothing to verify with
	CauseMissingHeader Cause = "missing_header"       // a header of the signature is not there
	CauseMalformed     Cause = "malformed"            // a header is not what the dialect writes
	CauseClock         Cause = "clock"                // the signature is right, its time too far away
	CauseSecret        Cause = "wrong_secret"         // the same secret read in another way would have matched
	CauseBody          Cause = "body_changed"         // the body as it probably was would have matched
	CauseMismatch      Cause = "wrong_secret_or_body" // none of the above: which one cannot be told
)

// Bounds of what a stranger can make a verification do.
const (
	maxCarrier  = 8 << 10  // bytes of the signature's header
	maxItems    = 16       // signatures in it
	maxDiagnose = 64 << 10 // bytes of a body that explanations are searched for
)

// Verify judges a request's raw body, exactly the bytes that came in, against
// the secrets in force; any one of them may match. Comparison takes constant
// time. Where nothing matches, the Verdict says why, as far as trying the
// usual mistakes can tell (bodies up to 64 KiB); a mistake that is recognised
// is never accepted.
func (d *Dialect) Verify(h http.Header, body []byte, secrets []string, now time.Time) Verdict {
	return d.verify(h, body, secrets, now, true)
}

func (d *Dialect) verify(h http.Header, body []byte, secrets []string, now time.Time, explain bool) Verdict {
	keys, v := d.verifyKeys(secrets)
	if keys == nil {
		return v
	}
	c := &check{dialect: d, header: h, body: body, now: now}
	explain = explain && len(body) <= maxDiagnose
	if v, ok := c.read(); !ok {
		if explain && c.carrier != "" {
			if m, found := c.search(macKeys(keys), secrets).unprefixed(); found {
				return m.verdict()
			}
		}
		return v
	}
	if slices.ContainsFunc(keys, c.matches) {
		return c.judgeClock()
	}
	if explain {
		return c.explain(keys, secrets)
	}
	return c.mismatch()
}

// verifyKeys decodes those secrets that can be decoded; none is a failure.
func (d *Dialect) verifyKeys(secrets []string) ([]*key, Verdict) {
	v := Verdict{Cause: CauseNoSecret, Detail: say("no secret was given; nothing passes without one")}
	if d.plan == nil {
		v.Detail = errNotParsed.Error()
		return nil, v
	}
	var keys []*key
	for _, s := range secrets {
		k, err := d.decodeKey(s, true)
		if err != nil {
			v.Detail = say("no secret can be used in the dialect %s: it %s", d.Name, reason(err))
			continue
		}
		keys = append(keys, k)
	}
	return keys, v
}

// check is one request being verified.
type check struct {
	dialect *Dialect
	header  http.Header
	body    []byte
	now     time.Time

	carrier string // the signature's header
	items   []item
	stamp   string // the timestamp as sent: that is what was signed
	time    time.Time
	parts   [][]byte
}

// item is one signature of the carrier.
type item struct {
	scheme *Scheme
	text   string // behind the scheme's prefix
}

// say makes a text for people. This package knows nothing of languages: a test
// of those who translate finds the formats in its calls, and in those of malformed.
func say(format string, args ...any) string { return fmt.Sprintf(format, args...) }

func malformed(format string, args ...any) Verdict {
	return Verdict{Cause: CauseMalformed, Detail: say(format, args...)}
}

// reason is why a secret cannot be used.
func reason(err error) string {
	var bad *SecretError
	if errors.As(err, &bad) {
		return bad.Reason
	}
	return err.Error()
}

// one reads a header that must stand exactly once.
func (c *check) one(name string) (string, Verdict, bool) {
	switch vs := headerValues(c.header, name); {
	case len(vs) == 0:
		return "", Verdict{Cause: CauseMissingHeader, Detail: c.missing(name)}, false
	case len(vs) > 1:
		return "", malformed("the header %s stands %d times", name, len(vs)), false
	case vs[0] == "":
		return "", malformed("the header %s is empty", name), false
	default:
		return vs[0], Verdict{}, true
	}
}

// headerValues finds a header also where its name is spelled as it came over
// the wire: maps that did not go through net/http hold such names.
func headerValues(h http.Header, name string) []string {
	if vs := h.Values(name); len(vs) > 0 {
		return vs
	}
	var all []string
	for k, vs := range h {
		if strings.EqualFold(k, name) {
			all = append(all, vs...)
		}
	}
	return all
}

// missing says so of a header, and names the built-in dialect whose signature
// the request carries.
func (c *check) missing(name string) string {
	for _, d := range builtin() {
		if d.Name != c.dialect.Name && c.header.Get(d.Signature.Header) != "" {
			return say("the header %s is missing; the request carries %s, as the dialect %s does", name, d.Signature.Header, d.Name)
		}
	}
	return say("the header %s is missing", name)
}

// read takes the request's headers apart.
func (c *check) read() (Verdict, bool) {
	for _, step := range []func() (Verdict, bool){c.readCarrier, c.readItems, c.readTime, c.readParts} {
		if v, ok := step(); !ok {
			return v, false
		}
	}
	return Verdict{}, true
}

func (c *check) readCarrier() (Verdict, bool) {
	name := c.dialect.Signature.Header
	s, v, ok := c.one(name)
	if !ok {
		return v, false
	}
	if len(s) > maxCarrier {
		return malformed("the header %s has %d bytes; at most %d are read", name, len(s), maxCarrier), false
	}
	c.carrier = s
	return Verdict{}, true
}

func (c *check) readItems() (Verdict, bool) {
	sig := &c.dialect.Signature
	for _, text := range c.texts() {
		if t := sig.Timestamp; t != nil && t.Item != "" && strings.HasPrefix(text, t.Item) {
			if c.stamp != "" {
				return malformed("the header %s holds %s twice", sig.Header, t.Item), false
			}
			c.stamp = text[len(t.Item):]
		}
		for i := range sig.Schemes {
			if rest, ok := strings.CutPrefix(text, sig.Schemes[i].Prefix); ok {
				c.items = append(c.items, item{&sig.Schemes[i], rest})
			}
		}
	}
	switch {
	case len(c.items) == 0:
		var prefixes []string
		for i := range sig.Schemes {
			prefixes = append(prefixes, sig.Schemes[i].Prefix)
		}
		return malformed("the header %s holds no signature that begins with %s", sig.Header, strings.Join(prefixes, " or ")), false
	case len(c.items) > maxItems:
		return malformed("the header %s holds %d signatures; at most %d are read", sig.Header, len(c.items), maxItems), false
	}
	return Verdict{}, true
}

// texts are the items of a list, or the one value.
func (c *check) texts() []string {
	sep := c.dialect.Signature.Separator
	if sep == "" {
		return []string{c.carrier}
	}
	texts := strings.Split(c.carrier, sep)
	for i := range texts {
		texts[i] = strings.TrimSpace(texts[i])
	}
	return texts
}

func (c *check) readTime() (Verdict, bool) {
	t := c.dialect.Signature.Timestamp
	if t == nil {
		return Verdict{}, true
	}
	if t.Header != "" {
		var v Verdict
		var ok bool
		if c.stamp, v, ok = c.one(t.Header); !ok {
			return v, false
		}
	} else if c.stamp == "" {
		return malformed("the header %s holds no %s", c.dialect.Signature.Header, t.Item), false
	}
	var ok bool
	if c.time, ok = t.Format.parse(c.stamp); !ok {
		return malformed("the timestamp is not in the format %s", t.Format), false
	}
	return Verdict{}, true
}

// readParts lists the bytes that were signed.
func (c *check) readParts() (v Verdict, ok bool) {
	ok = true
	c.parts = c.dialect.plan.messageParts(nil, []byte(c.stamp), c.body, func(name string) []byte {
		s, bad, found := c.one(name)
		if !found && ok {
			v, ok = bad, false
		}
		return []byte(s)
	})
	return v, ok
}

// matches says whether one of the signatures is what the key makes of the message.
func (c *check) matches(k *key) bool {
	p, matched := c.dialect.plan, false
	if k.public != nil {
		msg := k.join(p, c.parts)
		for _, it := range c.items {
			if it.scheme != k.scheme {
				continue
			}
			sig, ok := it.scheme.Encoding.decode(it.text)
			matched = matched || ok && len(sig) == ed25519.SignatureSize && ed25519.Verify(k.public, msg, sig)
		}
		return matched
	}
	want := k.scheme.Encoding.append(nil, k.sum(nil, p, c.parts))
	for _, it := range c.items {
		if it.scheme != k.scheme {
			continue
		}
		// The texts are compared, so that only the one spelling that the
		// dialect writes passes. A token's length would show: compare digests.
		got := []byte(it.text)
		if k.scheme.Algorithm == Token {
			matched = hmac.Equal(digest(want), digest(got)) || matched
			continue
		}
		matched = subtle.ConstantTimeCompare(want, got) == 1 || matched
	}
	return matched
}

func (c *check) judgeClock() Verdict {
	v := Verdict{OK: true, Proof: Verified}
	if c.items[0].scheme.Algorithm == Token {
		v.Proof = Authenticated
	}
	if off := c.clockOff(); off != "" {
		return Verdict{Cause: CauseClock, Detail: say("the signature is right, but %s", off)}
	}
	return v
}

// clockOff says by how much the timestamp is out of its tolerance.
func (c *check) clockOff() string {
	t := c.dialect.Signature.Timestamp
	if t == nil {
		return ""
	}
	age, most := c.now.Sub(c.time), time.Duration(t.Tolerance)
	if age <= most && age >= -most {
		return ""
	}
	switch t.Format.otherUnit(c.stamp) {
	case UnixMillis:
		return say("its time is written in milliseconds, and this dialect writes seconds")
	case Unix:
		return say("its time is written in seconds, and this dialect writes milliseconds")
	}
	if age > 0 {
		return say("it was made %s ago and at most %s is allowed: the request was held back or replayed, or a clock is wrong", age.Round(time.Second), most)
	}
	return say("its time lies %s ahead and at most %s is allowed: a clock is wrong", (-age).Round(time.Second), most)
}

// thisCentury parts seconds from milliseconds: as seconds it is the year 5138,
// as milliseconds 1973.
const thisCentury = 100_000_000_000

// otherUnit is the unit that a Unix time seems to be written in, where that is
// not the format's; empty: it is, or the format is no Unix time.
func (f TimeFormat) otherUnit(stamp string) TimeFormat {
	n, err := strconv.ParseInt(stamp, 10, 64)
	switch {
	case err != nil:
	case f == Unix && n >= thisCentury:
		return UnixMillis
	case f == UnixMillis && n < thisCentury:
		return Unix
	}
	return ""
}

// mismatch is what can be said without searching.
func (c *check) mismatch() Verdict {
	wellFormed := false
	for _, it := range c.items {
		raw, ok := it.scheme.Encoding.decode(it.text)
		wellFormed = wellFormed || it.scheme.Algorithm == Token || ok && len(raw) == it.scheme.size()
	}
	if !wellFormed {
		return malformed("the header %s holds nothing that could be a signature: this dialect writes %s",
			c.dialect.Signature.Header, c.items[0].scheme.spelling())
	}
	v := Verdict{Cause: CauseMismatch, Detail: say("the signature matches none of the secrets: another secret signed it, or the body is not byte for byte what was signed")}
	if off := c.clockOff(); off != "" {
		v.Detail = say("%s; besides, %s", v.Detail, off)
	}
	return v
}
