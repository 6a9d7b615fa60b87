package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// compileSignature checks the carrier, the signed message and the timestamp.
func compileSignature(d *Dialect, r *fileReader, p *plan) error {
	s := &d.Signature
	if err := p.newHeader(r, "/signature/header", s.Header); err != nil {
		return err
	}
	if s.Rotation != RotateAll && s.Rotation != RotateOldest {
		return r.failAt("/signature/rotation", "must be all or oldest")
	}
	if s.Rotation == RotateAll && s.Separator == "" {
		return r.failAt("/signature/rotation", "all needs a separator: the header holds one signature")
	}
	if !validValue([]byte(s.Separator)) || len(s.Separator) > 4 {
		return r.failAt("/signature/separator", "use up to 4 visible ASCII characters")
	}
	var err error
	if p.message, err = parseTemplate(s.Message, messageHoles); err != nil {
		return r.failAt("/signature/message", "%s", err)
	}
	p.messageLits = make([][]byte, len(p.message))
	for i, x := range p.message {
		p.messageLits[i] = []byte(x.lit)
		if x.hole == holeHeader {
			if err := checkSignedHeader(d, r, x.lit); err != nil {
				return err
			}
		}
	}
	return compileTimestamp(d, r, p)
}

// checkSignedHeader: what is signed must be sent, every time, and spelled alike.
func checkSignedHeader(d *Dialect, r *fileReader, name string) error {
	for _, h := range d.Headers {
		if h.Name == name && h.When == "" {
			return nil
		}
	}
	return r.failAt("/signature/message", "{header:%s} is not one of the headers that every attempt sends, spelled in this way", name)
}

func compileTimestamp(d *Dialect, r *fileReader, p *plan) error {
	s, t := &d.Signature, d.Signature.Timestamp
	signed := p.has(holeTimestamp)
	if t == nil {
		if signed {
			return r.failAt("/signature/message", "{timestamp} needs signature.timestamp")
		}
		return nil
	}
	const path = "/signature/timestamp"
	switch {
	case !signed:
		return r.failAt("/signature/message", "does not cover {timestamp}: anyone could change it")
	case (t.Header == "") == (t.Item == ""):
		return r.failAt(path, "needs either header or item")
	case t.Item != "" && (s.Separator == "" || strings.Contains(t.Item, s.Separator) || !validValue([]byte(t.Item))):
		return r.failAt(path+"/item", "needs a separator between the items, and may not hold it")
	case !t.Format.known():
		return r.failAt(path+"/format", "must be rfc3339, rfc3339_millis, unix or unix_millis")
	case t.Tolerance <= 0:
		return r.failAt(path+"/tolerance", "must be longer than 0, as in \"5m\"")
	}
	if t.Header == "" {
		return nil
	}
	if strings.EqualFold(t.Header, s.Header) {
		return r.failAt(path+"/header", "is the signature's own")
	}
	return p.newHeader(r, path+"/header", t.Header)
}

func (p *plan) has(h hole) bool {
	return slices.ContainsFunc(p.message, func(x part) bool { return x.hole == h })
}

// compileSchemes checks algorithms, prefixes and keys.
func compileSchemes(d *Dialect, r *fileReader, p *plan) error {
	s := &d.Signature
	if len(s.Schemes) == 0 || len(s.Schemes) > 8 {
		return r.failAt("/signature/schemes", "needs 1 to 8 entries")
	}
	for i := range s.Schemes {
		path := "/signature/schemes/" + strconv.Itoa(i)
		if err := checkScheme(r, path, p, s, i); err != nil {
			return err
		}
		for j := range i {
			a, b := &s.Schemes[i], &s.Schemes[j]
			if overlap(a.Prefix, b.Prefix) {
				return r.failAt(path+"/prefix", "cannot be told from that of schemes.%d", j)
			}
			if overlap(a.Key.Prefix, b.Key.Prefix) {
				return r.failAt(path+"/key/prefix", "cannot be told from that of schemes.%d", j)
			}
		}
	}
	return nil
}

func overlap(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }

func checkScheme(r *fileReader, path string, p *plan, s *Signature, i int) error {
	c := &s.Schemes[i]
	switch c.Algorithm {
	case HMACSHA256, HMACSHA512, HMACSHA1, SHA256, Ed25519, Token:
	default:
		return r.failAt(path+"/algorithm", "must be hmac-sha256, hmac-sha512, hmac-sha1, sha256, ed25519 or token")
	}
	if err := checkMessage(c.Algorithm, p); err != nil {
		return r.failAt("/signature/message", "%s", err)
	}
	if c.Algorithm == Token {
		if c.Encoding != Verbatim || c.Key.Decoding != Verbatim {
			return r.failAt(path+"/encoding", "must be verbatim, and so must key.decoding: a token is sent as it is")
		}
	} else if c.Encoding != Hex && c.Encoding != Base64 && c.Encoding != Base64URL {
		return r.failAt(path+"/encoding", "must be hex, base64 or base64url")
	}
	if !validValue([]byte(c.Prefix)) || len(c.Prefix) > 32 {
		return r.failAt(path+"/prefix", "use up to 32 visible ASCII characters")
	}
	if s.Separator != "" {
		if c.Prefix == "" || strings.Contains(c.Prefix, s.Separator) {
			return r.failAt(path+"/prefix", "must tell the items of the list apart, and may not hold the separator")
		}
		if t := s.Timestamp; t != nil && t.Item != "" && overlap(t.Item, c.Prefix) {
			return r.failAt(path+"/prefix", "cannot be told from timestamp.item")
		}
	}
	return checkKeyRule(r, path+"/key", c)
}

// checkMessage says whether an algorithm can work on the signed message.
func checkMessage(a Algorithm, p *plan) error {
	secret := p.has(holeSecret)
	switch {
	case a == Token && len(p.message) > 0:
		return errors.New("a token signs nothing; leave it out")
	case a == Token:
		return nil
	case !p.has(holeBody) && !p.has(holeBodySHA256):
		return errors.New("covers neither {body} nor {body_sha256}: anyone could change the body")
	case a == SHA256 && !secret:
		return errors.New("needs {secret} for the algorithm sha256: anyone can hash")
	case a != SHA256 && secret:
		return errors.New("has {secret}, which belongs to the algorithm sha256 alone")
	}
	return nil
}

func checkKeyRule(r *fileReader, path string, c *Scheme) error {
	k := &c.Key
	switch k.Decoding {
	case Verbatim, Hex, Base64, Base64URL:
	default:
		return r.failAt(path+"/decoding", "must be verbatim, hex, base64 or base64url")
	}
	if c.Algorithm == Ed25519 {
		if k.Decoding == Verbatim {
			return r.failAt(path+"/decoding", "an Ed25519 key is hex, base64 or base64url")
		}
		if k.Prefix == "" || k.PublicPrefix == "" || overlap(k.Prefix, k.PublicPrefix) {
			return r.failAt(path+"/public_prefix", "must be there and tell public keys from secret ones, as in whpk_ and whsk_")
		}
	} else if k.PublicPrefix != "" {
		return r.failAt(path+"/public_prefix", "belongs to ed25519 alone")
	}
	if k.MinBytes < 0 || k.MaxBytes < 0 || k.MaxBytes > 0 && k.MaxBytes < k.MinBytes {
		return r.failAt(path+"/max_bytes", "must not be below min_bytes")
	}
	return nil
}

// checkSecretRule makes a secret and uses it.
func checkSecretRule(d *Dialect, r *fileReader) error {
	s := &d.Secret
	switch {
	case s.MinLength < 1 || s.MaxLength > 1024 || s.MinLength > s.MaxLength:
		return r.failAt("/secret/min_length", "must be 1 or more and not above max_length, which is at most 1024")
	case s.Generate.Bytes < 16 || s.Generate.Bytes > 256:
		return r.failAt("/secret/generate/bytes", "must be from 16 to 256")
	case s.Generate.Encoding != Hex && s.Generate.Encoding != Base64 && s.Generate.Encoding != Base64URL:
		return r.failAt("/secret/generate/encoding", "must be hex, base64 or base64url")
	case s.Visible != VisibleOnce && s.Visible != VisibleAlways:
		return r.failAt("/secret/visible", "must be once or always")
	}
	if err := d.CheckSecret(d.NewSecret()); err != nil {
		return r.failAt("/secret/generate", "makes secrets that this dialect cannot use: %s", err)
	}
	return nil
}

// checkCatalogue tries the dialect on its own examples.
func checkCatalogue(d *Dialect, r *fileReader) error {
	if !validEventType(d.Test.Type) {
		return r.failAt("/test/type", "must be an event type, as in test")
	}
	if _, data := d.NewTest(ID{}); d.CheckEvent("*", data) != nil {
		return r.failAt("/test/data", "%s", d.CheckEvent("*", data))
	}
	if d.Probe != nil {
		if strings.TrimFunc(d.Probe.Signature, func(r rune) bool { return r > ' ' && r <= '~' }) != "" || d.Probe.Signature == "" {
			return r.failAt("/probe/signature", "must be visible ASCII, as in sha256=test")
		}
		if len(d.Probe.Body) == 0 {
			return r.failAt("/probe", "needs a body, as in {}")
		}
		d.Probe.Body = compacted(d.Probe.Body)
	}
	seen := map[string]bool{}
	for i, e := range d.Events {
		path := "/events/" + strconv.Itoa(i)
		if !validEventType(e.Type) {
			return r.failAt(path+"/type", "must be an event type, as in task.completed")
		}
		if seen[e.Type] {
			return r.failAt(path+"/type", "%s stands twice", e.Type)
		}
		seen[e.Type] = true
		if len(e.Example) == 0 {
			continue
		}
		if err := d.CheckEvent("*", e.Example); err != nil {
			return r.failAt(path+"/example", "%s", err)
		}
		d.Events[i].Example = compacted(e.Example)
	}
	return nil
}

// compacted is JSON without the file's indentation.
func compacted(raw json.RawMessage) json.RawMessage {
	var compact bytes.Buffer
	_ = json.Compact(&compact, raw)
	return compact.Bytes()
}

func validEventType(s string) bool {
	return s != "" && len(s) <= 128 && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789._-/:") == ""
}

// ReservedHeader says whether a header is the dialect's own or HTTP's, so
// that an endpoint may not configure it.
func (d *Dialect) ReservedHeader(name string) bool {
	if ForbiddenHeader(name) {
		return true
	}
	t := d.Signature.Timestamp
	if strings.EqualFold(name, d.Signature.Header) || t != nil && strings.EqualFold(name, t.Header) {
		return true
	}
	return slices.ContainsFunc(d.Headers, func(h HeaderRule) bool { return strings.EqualFold(h.Name, name) })
}
