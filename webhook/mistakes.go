package webhook

import (
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxTried bounds how many headers of a request are tried as the signature's.
const maxTried = 64

// mistakes are all that is found by trying, what fits first. others are the
// dialects that may have written the request.
func (s *search) mistakes(keys []*key, others []*Dialect) []Mistake {
	var fit, hints []Mistake
	note := func(m *Mistake, found bool) {
		switch {
		case !found:
		case m.Fits:
			fit = append(fit, *m)
		default:
			hints = append(hints, *m)
		}
	}
	if s.items != nil && s.parts != nil {
		note(s.spelling())
		if s.mismatch().Cause != CauseMalformed {
			for _, try := range []func() (*Mistake, bool){s.widerBody, s.widerSecret, s.otherTime, s.otherMessage} {
				note(try())
			}
		}
	} else if s.carrier != "" {
		note(s.unprefixed())
	}
	note(s.otherHeader(keys))
	for _, d := range others {
		note(s.otherDialect(d))
	}
	return append(fit, hints...)
}

func (s *search) widerBody() (*Mistake, bool) {
	if m, found := s.changedBody(slices.Values(bodies(s.body))); found {
		return m, true
	}
	return s.changedBody(s.dialect.rewrites(s.body))
}

func (s *search) widerSecret() (*Mistake, bool) {
	for _, text := range s.secrets {
		for _, f := range s.dialect.forms(text) {
			if k, err := s.dialect.decodeKey(f.text, true); err == nil && s.matches(k) {
				return &Mistake{Kind: MistakeSecret, Fits: true, Detail: say("the signature matches with the secret %s", f.how)}, true
			}
		}
	}
	return s.readSecret(widerReadings)
}

type secretForm struct{ how, text string }

// forms are what a secret may have been before it was copied. Those that are
// secrets of the dialect as they stand are no mistake.
func (d *Dialect) forms(s string) []secretForm {
	var out []secretForm
	trimmed := strings.TrimSpace(s)
	if trimmed != s {
		out = append(out, secretForm{say("without the white space around it"), trimmed})
	}
	if t := strings.Trim(trimmed, "\"'`"); t != trimmed {
		out = append(out, secretForm{say("without the quotation marks around it"), t})
		trimmed = t
	}
	for i := range d.Signature.Schemes {
		if p := d.Signature.Schemes[i].Key.Prefix; p != "" && !strings.HasPrefix(trimmed, p) {
			out = append(out, secretForm{say("with %s before it", p), p + trimmed})
		}
	}
	return out
}

// widerReadings are those that take a secret's text not quite as base64 wants it.
func widerReadings(s string) []secretReading {
	out := readings(s)
	_, rest, prefixed := strings.Cut(s, "_")
	if !prefixed {
		rest = s
	}
	for _, coding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding, base64.URLEncoding} {
		if b, err := coding.DecodeString(rest); err == nil && len(b) > 0 {
			out = append(out, secretReading{say("decoded from base64 that has no padding, or is base64url"), b})
		}
	}
	return out
}

// otherTime finds the time that was signed where it is written in another unit
// than the one that came.
func (s *search) otherTime() (*Mistake, bool) {
	n, err := strconv.ParseInt(s.stamp, 10, 64)
	if err != nil {
		return nil, false
	}
	for _, t := range []struct {
		stamp  int64
		detail string
	}{
		{n * 1000, say("the signature matches with the time in milliseconds, but it came in seconds")},
		{n / 1000, say("the signature matches with the time in seconds, but it came in milliseconds")},
	} {
		alt := *s.check
		alt.stamp = strconv.FormatInt(t.stamp, 10)
		if _, ok := alt.readParts(); ok && s.fits(&alt) {
			return &Mistake{Kind: MistakeTimestamp, Fits: true, Detail: t.detail}, true
		}
	}
	return nil, false
}

// otherMessage finds a signature of other bytes than the dialect signs.
func (s *search) otherMessage() (*Mistake, bool) {
	p := s.dialect.plan
	if len(p.message) < 2 || p.has(holeSecret) {
		return nil, false
	}
	var tight []byte
	for i, part := range s.parts {
		if p.message[i].hole != holeNone {
			tight = append(tight, part...)
		}
	}
	for _, m := range []struct {
		signed []byte
		detail string
	}{
		{s.body, say("the signature is of the body alone; this dialect signs %s", s.dialect.Signature.Message)},
		{[]byte(s.stamp + "." + string(s.body)), say("the signature is of the time, a dot and the body; this dialect signs %s", s.dialect.Signature.Message)},
		{tight, say("the signature is of the parts with nothing between them; this dialect signs %s", s.dialect.Signature.Message)},
	} {
		alt := *s.check
		alt.parts = [][]byte{m.signed}
		if s.fits(&alt) {
			return &Mistake{Kind: MistakeMessage, Fits: true, Detail: m.detail}, true
		}
	}
	return nil, false
}

// otherHeader finds the signature in a header that is not the dialect's. keys
// are all, those of tokens too.
func (s *search) otherHeader(keys []*key) (*Mistake, bool) {
	own := s.dialect.Signature.Header
	for n, name := range slices.Sorted(maps.Keys(s.header)) {
		if n == maxTried {
			break
		}
		for _, value := range s.header[name] {
			if strings.EqualFold(name, own) || value == "" || len(value) > maxCarrier {
				continue
			}
			if s.carriedBy(value, keys) {
				return &Mistake{
					Kind: MistakeHeader, Fits: true, Header: name,
					Detail: say("the header %s carries the right signature; this dialect reads %s", name, own),
				}, true
			}
		}
	}
	return nil, false
}

// carriedBy reports whether a value would do as the signature's header.
func (s *search) carriedBy(value string, keys []*key) bool {
	alt := search{check: &check{dialect: s.dialect, header: s.header, body: s.body, now: s.now, carrier: value}, keys: s.keys}
	for _, step := range []func() (Verdict, bool){alt.readItems, alt.readTime, alt.readParts} {
		if _, ok := step(); !ok {
			_, found := alt.unprefixed()
			return found
		}
	}
	if slices.ContainsFunc(keys, alt.matches) {
		return true
	}
	_, found := alt.spelling()
	return found
}

// otherDialect says whether another dialect verifies the request, or has a
// header of it where this one's is missing.
func (s *search) otherDialect(d *Dialect) (*Mistake, bool) {
	if d.Name == s.dialect.Name {
		return nil, false
	}
	if v := d.verify(s.header, s.body, s.secrets, s.now, false); v.OK || v.Cause == CauseClock {
		return &Mistake{
			Kind: MistakeDialect, Fits: true, Dialect: d.Name,
			Detail: say("with this secret the request is right in the dialect %s", d.Name),
		}, true
	}
	if s.carrier == "" && carries(s.header, d.Signature.Header) {
		return &Mistake{
			Kind: MistakeDialect, Dialect: d.Name,
			Detail: say("the request carries %s, as the dialect %s does", d.Signature.Header, d.Name),
		}, true
	}
	return nil, false
}

func carries(h http.Header, name string) bool { return len(headerValues(h, name)) > 0 }
