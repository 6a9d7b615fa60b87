package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"iter"
	"slices"
	"strings"
)

// maxExplained bounds how many secrets an explanation is searched for.
const maxExplained = 2

// Mistake is something that may have gone wrong.
type Mistake struct {
	Kind MistakeKind
	// Fits says that it was tried: with it the signature matches. Else it is
	// no more than a hint.
	Fits    bool
	Detail  string   // in words
	Changes []string // of MistakeBody: what the signed body was like, in words
	Dialect string   // of MistakeDialect: its name
	Header  string   // of MistakeHeader: its name, as it came
}

// MistakeKind is what went wrong.
type MistakeKind string

// The kinds of mistakes.
const (
	MistakeSpelling  MistakeKind = "spelling"  // the right signature, written in another way
	MistakeBody      MistakeKind = "body"      // the body is not the one that was signed
	MistakeSecret    MistakeKind = "secret"    // the secret was read in another way
	MistakeMessage   MistakeKind = "message"   // other bytes were signed than the dialect signs
	MistakeTimestamp MistakeKind = "timestamp" // the time that was signed is not written as the one that came
	MistakeClock     MistakeKind = "clock"     // the time is out of its tolerance, or in another unit
	MistakeDialect   MistakeKind = "dialect"   // another dialect verifies it, or has a header of it
	MistakeHeader    MistakeKind = "header"    // another header carries the signature
)

// cause of a verdict; empty: the mistake is no more than a hint.
func (k MistakeKind) cause() Cause {
	switch k {
	case MistakeBody:
		return CauseBody
	case MistakeSecret:
		return CauseSecret
	case MistakeClock:
		return CauseClock
	case MistakeSpelling, MistakeMessage, MistakeTimestamp:
		return CauseMalformed
	}
	return ""
}

func (m *Mistake) verdict() Verdict { return Verdict{Cause: m.Kind.cause(), Detail: m.Detail} }

// search tries the usual mistakes, one at a time, and names those with which
// the signature would have matched. It never turns a failure into a success.
type search struct {
	*check
	keys    []*key // a few; none of a token, which signs nothing
	secrets []string
}

func (c *check) search(keys []*key, secrets []string) *search {
	s := &search{check: c, secrets: secrets[:min(len(secrets), maxExplained)]}
	for _, k := range keys {
		if k.scheme.Algorithm != Token && len(s.keys) < maxExplained {
			s.keys = append(s.keys, k)
		}
	}
	return s
}

// fits reports whether the signature is right where the check is changed.
func (s *search) fits(alt *check) bool { return slices.ContainsFunc(s.keys, alt.matches) }

// explain names the mistake that would have matched.
func (c *check) explain(keys []*key, secrets []string) Verdict {
	v := c.mismatch()
	if len(c.body) == 0 {
		v.Detail = say("the body is empty: was it read before it was verified? %s", v.Detail)
		return v
	}
	s := c.search(macKeys(keys), secrets)
	if m, found := s.spelling(); found {
		return m.verdict()
	}
	if v.Cause == CauseMalformed {
		return v
	}
	if m, found := s.changedBody(slices.Values(bodies(c.body))); found {
		return m.verdict()
	}
	if m, found := s.readSecret(readings); found {
		return m.verdict()
	}
	return v
}

// macKeys are those that a mistake is quickly searched for.
func macKeys(keys []*key) []*key {
	return slices.DeleteFunc(slices.Clone(keys), func(k *key) bool { return k.public != nil })
}

// unprefixed looks for a right signature where none was recognised.
func (s *search) unprefixed() (m *Mistake, found bool) {
	sig := &s.dialect.Signature
	if len(s.items) > 0 || sig.Separator != "" {
		return nil, false
	}
	alt := *s.check
	alt.items = []item{{&sig.Schemes[0], s.carrier}}
	if _, ok := alt.readTime(); !ok {
		return nil, false
	}
	if _, ok := alt.readParts(); !ok {
		return nil, false
	}
	name, found := alt.spelledAs(macKeys(s.keys))
	if !found {
		return nil, false
	}
	return &Mistake{
		Kind: MistakeSpelling, Fits: true,
		Detail: say("the signature is right, but written %s and without what this dialect puts before it; it writes %s", name, sig.Schemes[0].spelling()),
	}, true
}

// spelling finds a right signature that is written in another way.
func (s *search) spelling() (m *Mistake, found bool) {
	name, found := s.spelledAs(macKeys(s.keys))
	if !found {
		return nil, false
	}
	return &Mistake{
		Kind: MistakeSpelling, Fits: true,
		Detail: say("the signature is right, but written %s; this dialect writes %s", name, s.items[0].scheme.spelling()),
	}, true
}

func (c *check) spelledAs(keys []*key) (name string, found bool) {
	for _, k := range keys {
		sum := k.sum(nil, c.dialect.plan, c.parts)
		for _, it := range c.items {
			for _, s := range spellings(it.text) {
				if hmac.Equal(s.raw, sum) {
					return s.name, true
				}
			}
		}
	}
	return "", false
}

// size of a raw signature; 0: of any size.
func (s *Scheme) size() int {
	switch s.Algorithm {
	case HMACSHA1:
		return 20
	case HMACSHA512, Ed25519:
		return 64
	default:
		return 32
	}
}

func (s *Scheme) spelling() string {
	switch n, p := s.size(), s.Prefix; {
	case s.Encoding == Hex && p != "":
		return say("%d bytes in lower-case hex behind %s", n, p)
	case s.Encoding == Hex:
		return say("%d bytes in lower-case hex", n)
	case s.Encoding == Base64 && p != "":
		return say("%d bytes in base64 behind %s", n, p)
	case s.Encoding == Base64:
		return say("%d bytes in base64", n)
	case p != "":
		return say("%d bytes in base64url behind %s", n, p)
	default:
		return say("%d bytes in base64url", n)
	}
}

type spelling struct {
	name string
	raw  []byte
}

// spellings decodes a signature in every way that it may have been written.
func spellings(text string) []spelling {
	var out []spelling
	before := ""
	if i := strings.IndexAny(text, "=,:"); i >= 0 && i < 10 && i < len(text)-1 {
		before, text = text[:i+1], text[i+1:]
	}
	add := func(raw []byte, err error, alone, behind string) {
		switch {
		case err != nil:
		case before == "":
			out = append(out, spelling{alone, raw})
		default:
			out = append(out, spelling{behind, raw})
		}
	}
	b, err := hex.DecodeString(text)
	if strings.ToLower(text) == text {
		add(b, err, say("in hex"), say("in hex behind %s", before))
	} else {
		add(b, err, say("in hex with upper-case letters"), say("in hex with upper-case letters behind %s", before))
	}
	b, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	add(b, err, say("in base64"), say("in base64 behind %s", before))
	b, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	add(b, err, say("in base64url"), say("in base64url behind %s", before))
	return out
}

// changedBody finds the body that was signed behind the one that came.
func (s *search) changedBody(those iter.Seq[changedBody]) (m *Mistake, found bool) {
	for b := range those {
		if bytes.Equal(b.body, s.body) {
			continue
		}
		alt := *s.check
		alt.body = b.body
		if _, ok := alt.readParts(); ok && s.fits(&alt) {
			return &Mistake{
				Kind: MistakeBody, Fits: true, Changes: b.was,
				Detail: say("the secret is right, but the body was changed on the way: %s", b.change),
			}, true
		}
	}
	return nil, false
}

type changedBody struct {
	change string   // what was done to it
	was    []string // what it was like before
	body   []byte
}

// bodies lists what may have been signed if a usual mistake changed it since.
func bodies(b []byte) []changedBody {
	out := []changedBody{
		{say("a line end was added behind it"), nil, bytes.TrimRight(b, "\r\n")},
		{say("the line end behind it was cut off"), nil, append(bytes.Clone(b), '\n')},
		{say("a byte order mark was put before it"), nil, bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))},
		{say("its line ends were turned into CRLF"), nil, bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))},
		{say("its line ends were turned into LF"), nil, bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))},
	}
	var compact bytes.Buffer
	if json.Compact(&compact, b) != nil {
		return out
	}
	out = append(out, changedBody{say("it was parsed and written again with other white space; verify the raw bytes, before any JSON parser"), nil, compact.Bytes()})
	return append(out, changedBody{say("it was parsed and written again with other escapes; verify the raw bytes, before any JSON parser"), nil, plainStrings(compact.Bytes())})
}

// plainStrings rewrites compact JSON with as few escapes as JSON allows.
func plainStrings(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		if b[i] != '"' {
			out = append(out, b[i])
			i++
			continue
		}
		end := skipString(b, i)
		var s string
		if json.Unmarshal(b[i:end], &s) != nil {
			return b
		}
		out = append(appendJSONText(append(out, '"'), s), '"')
		i = end
	}
	return out
}

// readSecret finds the way in which the sender read the secret.
func (s *search) readSecret(readings func(string) []secretReading) (m *Mistake, found bool) {
	for _, text := range s.secrets {
		for _, r := range readings(text) {
			for i := range s.dialect.Signature.Schemes {
				scheme := &s.dialect.Signature.Schemes[i]
				if scheme.Algorithm == Ed25519 || scheme.Algorithm == Token {
					continue
				}
				if s.matches(&key{scheme: scheme, bytes: r.key}) {
					return &Mistake{
						Kind: MistakeSecret, Fits: true,
						Detail: say("the signature matches with the secret %s; in this dialect the key is %s", r.how, scheme.Key.reading()),
					}, true
				}
			}
		}
	}
	return nil, false
}

func (k *KeyRule) reading() string {
	switch {
	case k.Decoding == Verbatim && k.Prefix == "":
		return say("the whole text as it stands")
	case k.Decoding == Verbatim:
		return say("the text behind %s", k.Prefix)
	case k.Prefix == "":
		return say("the whole text decoded from %s", k.Decoding)
	}
	return say("%s decoded behind %s", k.Decoding, k.Prefix)
}

type secretReading struct {
	how string
	key []byte
}

// readings lists the keys that a secret may have been taken for.
func readings(s string) []secretReading {
	out := []secretReading{{say("taken as it stands"), []byte(s)}, {say("and a line end behind it"), []byte(s + "\n")}}
	rest := s
	if i := strings.IndexByte(s, '_'); i >= 0 {
		rest = s[i+1:]
		out = append(out, secretReading{say("without its prefix %s", s[:i+1]), []byte(rest)})
	}
	if b, err := base64.StdEncoding.DecodeString(rest); err == nil && len(b) > 0 {
		out = append(out, secretReading{say("decoded from base64"), b})
	}
	if b, err := hex.DecodeString(rest); err == nil && len(b) > 0 {
		out = append(out, secretReading{say("decoded from hex"), b})
	}
	return out
}

// digest makes a token's length unseen where it is compared.
func digest(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}
