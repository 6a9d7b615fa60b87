package webhook

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"net/http"
	"sync"
	"time"
)

// ErrNoSecret says that there is nothing to sign with.
var ErrNoSecret = errors.New("no secret to sign with")

// Signer makes the headers of attempts with keys that are decoded once. It is
// safe for concurrent use, and holds its keys as long as it lives.
type Signer struct {
	dialect *Dialect
	keys    []*key
}

// NewSigner decodes the secrets in force, newest first. Errors: [ErrNoSecret], [*SecretError].
func (d *Dialect) NewSigner(secrets []string) (*Signer, error) {
	keys, err := d.signingKeys(secrets)
	if err != nil {
		return nil, err
	}
	return &Signer{dialect: d, keys: keys}, nil
}

// AppendFields appends the headers of an attempt, the signature among them.
// Errors: [*DataError].
func (s *Signer) AppendFields(dst []Field, m *Message, t Try, body []byte) ([]Field, error) {
	return s.dialect.plan.appendFields(dst, m, &t, body, s.keys)
}

// String and GoString keep the keys out of logs.
func (s *Signer) String() string   { return "webhook.Signer(" + s.dialect.Ref() + ")" }
func (s *Signer) GoString() string { return s.String() }

// Sign renders and signs one attempt: headers and body. The header map spells
// names in Go's canonical way, which is the same to every HTTP server. A zero
// Number is 1, a zero At is now.
// Errors: [*DataError], [ErrNoSecret], [*SecretError].
func (d *Dialect) Sign(m *Message, t Try, secrets ...string) (http.Header, []byte, error) {
	fields, body, err := d.SignFields(m, t, secrets...)
	if err != nil {
		return nil, nil, err
	}
	h := make(http.Header, len(fields))
	for _, f := range fields {
		h.Add(f.Name, f.Value)
	}
	return h, body, nil
}

// SignFields is [Dialect.Sign] with the headers in the order and the spelling
// in which they are sent. Errors: [*DataError], [ErrNoSecret], [*SecretError].
func (d *Dialect) SignFields(m *Message, t Try, secrets ...string) (fields []Field, body []byte, err error) {
	if !json.Valid(m.Data) {
		return nil, nil, &DataError{Field: "/data", Reason: "is not valid JSON"}
	}
	if err := d.CheckEvent(m.Consumer, m.Data); err != nil {
		return nil, nil, err
	}
	if t.Number == 0 {
		t.Number = 1
	}
	if t.At.IsZero() {
		t.At = time.Now()
	}
	if body, err = d.AppendBody(nil, m); err != nil {
		return nil, nil, err
	}
	fields, err = d.AppendFields(nil, m, t, body, secrets)
	return fields, body, err
}

// key is a secret decoded for its scheme.
type key struct {
	scheme  *Scheme
	bytes   []byte // of a MAC, a plain hash or a token
	private ed25519.PrivateKey
	public  ed25519.PublicKey
	macs    sync.Pool // of hash.Hash, keyed
}

// signingKeys decodes those of the secrets that sign.
func (d *Dialect) signingKeys(secrets []string) ([]*key, error) {
	if d.plan == nil {
		return nil, errNotParsed
	}
	if len(secrets) == 0 {
		return nil, ErrNoSecret
	}
	if d.Signature.Rotation == RotateOldest {
		secrets = secrets[len(secrets)-1:]
	}
	keys := make([]*key, 0, len(secrets))
	for _, s := range secrets {
		k, err := d.decodeKey(s, false)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// sign appends the timestamp and the signature to the scratch.
func (p *plan) sign(s *scratch, t *Try, body []byte, keys []*key) {
	sig := p.signature
	var stamp []byte
	if ts := sig.Timestamp; ts != nil && ts.Header != "" {
		from := len(s.buf)
		s.buf = ts.Format.append(s.buf, t.At)
		s.spans = append(s.spans, span{name: ts.Header, from: from, to: len(s.buf)})
		stamp = s.buf[from:]
	}
	from := len(s.buf)
	if ts := sig.Timestamp; ts != nil && ts.Item != "" {
		s.buf = append(s.buf, ts.Item...)
		n := len(s.buf)
		s.buf = ts.Format.append(s.buf, t.At)
		stamp = s.buf[n:]
	}
	s.parts = p.messageParts(s.parts[:0], stamp, body, func(name string) []byte {
		for i := range s.spans {
			if s.spans[i].name != name {
				continue
			}
			if s.spans[i].lit != "" {
				return []byte(s.spans[i].lit)
			}
			return s.buf[s.spans[i].from:s.spans[i].to]
		}
		return nil
	})
	for _, k := range keys {
		if len(s.buf) > from {
			s.buf = append(s.buf, sig.Separator...)
		}
		s.buf = append(s.buf, k.scheme.Prefix...)
		s.buf = k.scheme.Encoding.append(s.buf, k.sum(s.sum[:0], p, s.parts))
	}
	s.spans = append(s.spans, span{name: sig.Header, from: from, to: len(s.buf)})
}

// messageParts lists the signed message's bytes in order. header gives a
// header's value by the name that the dialect spells.
func (p *plan) messageParts(dst [][]byte, stamp, body []byte, header func(string) []byte) [][]byte {
	for i := range p.message {
		switch x := &p.message[i]; x.hole {
		case holeNone:
			dst = append(dst, p.messageLits[i])
		case holeBody:
			dst = append(dst, body)
		case holeBodySHA256:
			sum := sha256.Sum256(body)
			dst = append(dst, hex.AppendEncode(nil, sum[:]))
		case holeTimestamp:
			dst = append(dst, stamp)
		case holeHeader:
			dst = append(dst, header(x.lit))
		case holeSecret:
			dst = append(dst, nil) // sum puts the key here
		}
	}
	return dst
}

// sum appends the raw signature of the message's parts.
func (k *key) sum(dst []byte, p *plan, parts [][]byte) []byte {
	switch k.scheme.Algorithm {
	case Token:
		return append(dst, k.bytes...)
	case Ed25519:
		return append(dst, ed25519.Sign(k.private, k.join(p, parts))...)
	}
	h, ok := k.macs.Get().(hash.Hash)
	if !ok {
		h = k.newHash()
	}
	for i, b := range parts {
		if p.message[i].hole == holeSecret {
			b = k.bytes
		}
		h.Write(b)
	}
	dst = h.Sum(dst)
	h.Reset()
	k.macs.Put(h)
	return dst
}

func (k *key) join(p *plan, parts [][]byte) []byte {
	var msg []byte
	for i, b := range parts {
		if p.message[i].hole == holeSecret {
			b = k.bytes
		}
		msg = append(msg, b...)
	}
	return msg
}

func (k *key) newHash() hash.Hash {
	switch k.scheme.Algorithm {
	case HMACSHA1:
		return hmac.New(sha1.New, k.bytes)
	case HMACSHA512:
		return hmac.New(sha512.New, k.bytes)
	case SHA256:
		return sha256.New()
	default:
		return hmac.New(sha256.New, k.bytes)
	}
}

func (e Encoding) append(dst, b []byte) []byte {
	switch e {
	case Hex:
		return hex.AppendEncode(dst, b)
	case Base64:
		return base64.StdEncoding.AppendEncode(dst, b)
	case Base64URL:
		return base64.RawURLEncoding.AppendEncode(dst, b)
	default:
		return append(dst, b...)
	}
}

// decode reads what append writes, and nothing else.
func (e Encoding) decode(s string) ([]byte, bool) {
	var b []byte
	var err error
	switch e {
	case Hex:
		b, err = hex.DecodeString(s)
	case Base64:
		b, err = base64.StdEncoding.DecodeString(s)
	case Base64URL:
		b, err = base64.RawURLEncoding.DecodeString(s)
	default:
		b = []byte(s)
	}
	return b, err == nil && string(e.append(nil, b)) == s
}
