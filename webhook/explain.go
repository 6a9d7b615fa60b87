package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// maxExplained bounds how many secrets an explanation is searched for.
const maxExplained = 2

// explain tries the usual mistakes, one at a time, and names the one that
// would have matched. It never turns a failure into a success.
func (c *check) explain(keys []*key, secrets []string) Verdict {
	v := c.mismatch()
	if len(c.body) == 0 {
		v.Detail = "the body is empty: was it read before it was verified? " + v.Detail
		return v
	}
	macs := macKeys(keys)
	if name, found := c.spelledAs(macs); found {
		return malformed("the signature is right, but written %s; this dialect writes %s", name, c.items[0].scheme.spelling())
	}
	if v.Cause == CauseMalformed {
		return v
	}
	if change, found := c.explainBody(macs); found {
		return Verdict{Cause: CauseBody, Detail: "the secret is right, but the body was changed on the way: " + change}
	}
	if how, found := c.explainSecret(secrets); found {
		return Verdict{Cause: CauseSecret, Detail: how}
	}
	return v
}

// macKeys are those that a mistake is worth searching for.
func macKeys(keys []*key) []*key {
	var macs []*key
	for _, k := range keys {
		if k.public == nil && k.scheme.Algorithm != Token && len(macs) < maxExplained {
			macs = append(macs, k)
		}
	}
	return macs
}

// explainPrefix looks for a right signature where none was recognised; v is
// what is said if there is none either.
func (c *check) explainPrefix(keys []*key, v Verdict) Verdict {
	sig := &c.dialect.Signature
	if len(c.items) > 0 || sig.Separator != "" {
		return v
	}
	c.items = []item{{&sig.Schemes[0], c.carrier}}
	if _, ok := c.readTime(); !ok {
		return v
	}
	if _, ok := c.readParts(); !ok {
		return v
	}
	if name, found := c.spelledAs(macKeys(keys)); found {
		return malformed("the signature is right, but written %s and without what this dialect puts before it; it writes %s", name, sig.Schemes[0].spelling())
	}
	return v
}

// spelledAs finds a right signature that is written in another way.
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
	name := map[Encoding]string{Hex: "lower-case hex", Base64: "base64", Base64URL: "base64url"}[s.Encoding]
	if s.Prefix != "" {
		name += " behind " + s.Prefix
	}
	return fmt.Sprintf("%d bytes in %s", s.size(), name)
}

type spelling struct {
	name string
	raw  []byte
}

// spellings decodes a signature in every way that it may have been written.
func spellings(text string) []spelling {
	var out []spelling
	behind := ""
	if i := strings.IndexAny(text, "=,:"); i >= 0 && i < 10 && i < len(text)-1 {
		behind, text = " behind "+text[:i+1], text[i+1:]
	}
	if b, err := hex.DecodeString(text); err == nil {
		name := "in hex"
		if strings.ToLower(text) != text {
			name = "in hex with upper-case letters"
		}
		out = append(out, spelling{name + behind, b})
	}
	if b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "=")); err == nil {
		out = append(out, spelling{"in base64" + behind, b})
	}
	if b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "=")); err == nil {
		out = append(out, spelling{"in base64url" + behind, b})
	}
	return out
}

// explainBody finds the body that was signed behind the one that came.
func (c *check) explainBody(keys []*key) (change string, found bool) {
	for _, b := range bodies(c.body) {
		if bytes.Equal(b.body, c.body) {
			continue
		}
		alt := *c
		alt.body = b.body
		if _, ok := alt.readParts(); !ok {
			continue
		}
		if slices.ContainsFunc(keys, alt.matches) {
			return b.change, true
		}
	}
	return "", false
}

type changedBody struct {
	change string
	body   []byte
}

// bodies lists what may have been signed if a usual mistake changed it since.
func bodies(b []byte) []changedBody {
	out := []changedBody{
		{"a line end was added behind it", bytes.TrimRight(b, "\r\n")},
		{"the line end behind it was cut off", append(bytes.Clone(b), '\n')},
		{"a byte order mark was put before it", bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))},
		{"its line ends were turned into CRLF", bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))},
		{"its line ends were turned into LF", bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))},
	}
	var compact bytes.Buffer
	if json.Compact(&compact, b) != nil {
		return out
	}
	out = append(out, changedBody{"it was parsed and written again with other white space; verify the raw bytes, before any JSON parser", compact.Bytes()})
	return append(out, changedBody{"it was parsed and written again with other escapes; verify the raw bytes, before any JSON parser", plainStrings(compact.Bytes())})
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

// explainSecret finds the way in which the sender read the secret.
func (c *check) explainSecret(secrets []string) (how string, found bool) {
	for _, s := range secrets[:min(len(secrets), maxExplained)] {
		for _, r := range readings(s) {
			for i := range c.dialect.Signature.Schemes {
				scheme := &c.dialect.Signature.Schemes[i]
				if scheme.Algorithm == Ed25519 || scheme.Algorithm == Token {
					continue
				}
				if c.matches(&key{scheme: scheme, bytes: r.key}) {
					return "the signature matches with the secret " + r.how + "; in this dialect the key is " + scheme.Key.reading(), true
				}
			}
		}
	}
	return "", false
}

func (k *KeyRule) reading() string {
	if k.Decoding == Verbatim && k.Prefix == "" {
		return "the whole text as it stands"
	}
	if k.Decoding == Verbatim {
		return "the text behind " + k.Prefix
	}
	return string(k.Decoding) + " decoded behind " + k.Prefix
}

type secretReading struct {
	how string
	key []byte
}

// readings lists the keys that a secret may have been taken for.
func readings(s string) []secretReading {
	out := []secretReading{{"taken as it stands", []byte(s)}, {"and a line end behind it", []byte(s + "\n")}}
	rest := s
	if i := strings.IndexByte(s, '_'); i >= 0 {
		rest = s[i+1:]
		out = append(out, secretReading{"without its prefix " + s[:i+1], []byte(rest)})
	}
	if b, err := base64.StdEncoding.DecodeString(rest); err == nil && len(b) > 0 {
		out = append(out, secretReading{"decoded from base64", b})
	}
	if b, err := hex.DecodeString(rest); err == nil && len(b) > 0 {
		out = append(out, secretReading{"decoded from hex", b})
	}
	return out
}

func digest(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}
