package webhook

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SecretError says why a text cannot be a secret of a dialect. It never
// repeats the text.
type SecretError struct{ Reason string }

func (e *SecretError) Error() string { return "secret: " + e.Reason }

// NewSecret makes a secret in the dialect's format.
func (d *Dialect) NewSecret() string {
	g := d.Secret.Generate
	b := make([]byte, g.Bytes)
	rand.Read(b) // never fails
	return string(g.Encoding.append([]byte(g.Prefix), b))
}

// CheckSecret says whether a secret chosen by a caller can sign in this
// dialect; the error never repeats it. Errors: [*SecretError].
func (d *Dialect) CheckSecret(s string) error {
	r := &d.Secret
	if len(s) < r.MinLength || len(s) > r.MaxLength {
		return &SecretError{fmt.Sprintf("has the length %d; %s takes %d to %d bytes", len(s), d.Name, r.MinLength, r.MaxLength)}
	}
	_, err := d.decodeKey(s, false)
	return err
}

// NewKeyPair makes a private secret and its public key in the dialect's
// Ed25519 scheme. ok is false where it has none.
func (d *Dialect) NewKeyPair() (secret, public string, ok bool) {
	for i := range d.Signature.Schemes {
		s := &d.Signature.Schemes[i]
		if s.Algorithm != Ed25519 {
			continue
		}
		pub, priv, err := ed25519.GenerateKey(nil)
		if err != nil {
			return "", "", false
		}
		return s.Key.Prefix + string(s.Key.Decoding.append(nil, priv)), s.Key.PublicPrefix + string(s.Key.Decoding.append(nil, pub)), true
	}
	return "", "", false
}

// PublicKey gives the public key of a secret, as its receiver needs it; ok is
// false where the secret is a symmetric one, or none at all.
func (d *Dialect) PublicKey(secret string) (public string, ok bool) {
	k, err := d.decodeKey(secret, false)
	if err != nil || k.public == nil {
		return "", false
	}
	r := &k.scheme.Key
	return r.PublicPrefix + string(r.Decoding.append(nil, k.public)), true
}

// decodeKey makes a key of a secret; a public key passes only to verify with.
// Errors: [*SecretError].
func (d *Dialect) decodeKey(s string, verify bool) (*key, error) {
	if d.plan == nil {
		return nil, errNotParsed
	}
	if s == "" {
		return nil, &SecretError{"is empty"}
	}
	if !utf8.ValidString(s) || strings.IndexFunc(s, unicode.IsControl) >= 0 {
		return nil, &SecretError{"has control characters or is not UTF-8"}
	}
	if strings.TrimSpace(s) != s {
		return nil, &SecretError{"begins or ends with white space"}
	}
	var prefixes []string
	for i := range d.Signature.Schemes {
		c := &d.Signature.Schemes[i]
		if pub := c.Key.PublicPrefix; pub != "" && strings.HasPrefix(s, pub) {
			if !verify {
				return nil, &SecretError{"is a public key, which cannot sign; use the one that begins with " + c.Key.Prefix}
			}
			return c.publicKey(s[len(pub):])
		}
		if rest, ok := strings.CutPrefix(s, c.Key.Prefix); ok {
			return c.key(rest)
		}
		prefixes = append(prefixes, c.Key.Prefix)
	}
	if len(prefixes) > 1 {
		return nil, &SecretError{"begins with none of " + strings.Join(prefixes, ", ")}
	}
	return nil, &SecretError{"does not begin with " + strings.Join(prefixes, "")}
}

func (c *Scheme) key(text string) (*key, error) {
	k := &key{scheme: c}
	if c.Key.Decoding == Base64 {
		// Other libraries are lax about the last bits; a secret that they
		// take is taken here.
		var err error
		if k.bytes, err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, &SecretError{"is not base64 behind its prefix"}
		}
	} else {
		var ok bool
		if k.bytes, ok = c.Key.Decoding.decode(text); !ok {
			return nil, &SecretError{"is not " + string(c.Key.Decoding)}
		}
	}
	if c.Algorithm == Ed25519 {
		return k, k.private64()
	}
	if n := len(k.bytes); n < max(1, c.Key.MinBytes) || c.Key.MaxBytes > 0 && n > c.Key.MaxBytes {
		return nil, &SecretError{fmt.Sprintf("decodes to %d bytes; %d to %d make a key", n, max(1, c.Key.MinBytes), c.Key.MaxBytes)}
	}
	return k, nil
}

// private64 takes a seed, or a seed with its public key behind it.
func (k *key) private64() error {
	n := len(k.bytes)
	if n != ed25519.SeedSize && n != ed25519.PrivateKeySize {
		return &SecretError{fmt.Sprintf("decodes to %d bytes; an Ed25519 key has 32 or 64", n)}
	}
	k.private = ed25519.NewKeyFromSeed(k.bytes[:ed25519.SeedSize])
	k.public = k.private.Public().(ed25519.PublicKey)
	if n == ed25519.PrivateKeySize && !bytes.Equal(k.bytes[ed25519.SeedSize:], k.public) {
		return &SecretError{"has a public half that does not belong to its seed"}
	}
	k.bytes = nil
	return nil
}

func (c *Scheme) publicKey(text string) (*key, error) {
	b, ok := c.Key.Decoding.decode(text)
	if !ok || len(b) != ed25519.PublicKeySize {
		return nil, &SecretError{"is not a public key of 32 bytes"}
	}
	return &key{scheme: c, public: b}, nil
}
