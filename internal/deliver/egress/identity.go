package egress

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// Limits of a client certificate.
const (
	// MaxChain is how many certificates a chain may have, the leaf among them.
	MaxChain = 8
	// MaxPEM is how long a chain, and how long a key may be, in bytes.
	MaxPEM = 16 << 10

	sessionsKept = 4 // of one identity
)

// Identity is a client certificate with its key, and all that was negotiated
// in its name: connections and TLS sessions of an Identity serve no request of
// another, nor of none. It is safe for concurrent use.
type Identity struct {
	certificate tls.Certificate
	sessions    tls.ClientSessionCache
}

// IdentityError says what is wrong with a client certificate or its key.
type IdentityError struct {
	Key    bool         // the key is at fault, not the certificate
	Reason lang.Message // what is wrong, and what to do
}

// Words says of what it is the matter, too.
func (e *IdentityError) Words() lang.Message {
	if e.Key {
		return lang.Text("the private key %s", e.Reason)
	}
	return lang.Text("the client certificate %s", e.Reason)
}

func (e *IdentityError) Error() string { return e.Words().String() }

// NewIdentity reads a chain of certificates, the leaf first, and the leaf's
// private key, both PEM. Their times are not judged: see [Identity.Check].
// Errors: [*IdentityError], which never quotes the key.
func NewIdentity(chain, key string) (*Identity, error) {
	certs, err := parseChain(chain)
	if err != nil {
		return nil, err
	}
	if err := checkKeyForm(key); err != nil {
		return nil, err
	}
	id := &Identity{sessions: tls.NewLRUClientSessionCache(sessionsKept)}
	if id.certificate, err = tls.X509KeyPair([]byte(chain), []byte(key)); err != nil {
		return nil, keyFault(err, certs, chain, key)
	}
	id.certificate.Leaf = certs[0]
	if k, ok := id.certificate.PrivateKey.(*rsa.PrivateKey); ok && k.N.BitLen() < minRSA {
		return nil, &IdentityError{Key: true, Reason: lang.Text("is an RSA key of %d bits; at least %d are required", k.N.BitLen(), minRSA)}
	}
	return id, nil
}

// ParseCertificate reads the leaf of a chain. Errors: [*IdentityError].
func ParseCertificate(chain string) (*x509.Certificate, error) {
	certs, err := parseChain(chain)
	if err != nil {
		return nil, err
	}
	return certs[0], nil
}

func parseChain(chain string) (certs []*x509.Certificate, err error) {
	if len(chain) > MaxPEM {
		return nil, &IdentityError{Reason: lang.Text("is longer than %d bytes", MaxPEM)}
	}
	for rest := []byte(chain); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if strings.Contains(block.Type, "PRIVATE KEY") {
			return nil, &IdentityError{Reason: lang.Text("holds a private key; send that as private_key alone")}
		}
		if block.Type != "CERTIFICATE" {
			return nil, &IdentityError{Reason: lang.Text("holds a block %.40q; send blocks of CERTIFICATE alone", block.Type)}
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, &IdentityError{Reason: lang.Text("does not parse at block %d; send it as it was issued", len(certs)+1)}
		}
		if certs = append(certs, c); len(certs) > MaxChain {
			return nil, &IdentityError{Reason: lang.Text("has more than %d certificates; send the leaf and its intermediates alone", MaxChain)}
		}
	}
	if len(certs) == 0 {
		return nil, &IdentityError{Reason: lang.Text(`is not PEM; send what begins with "-----BEGIN CERTIFICATE-----", the leaf first`)}
	}
	return certs, nil
}

func checkKeyForm(key string) error {
	if len(key) > MaxPEM {
		return &IdentityError{Key: true, Reason: lang.Text("is longer than %d bytes", MaxPEM)}
	}
	for rest := []byte(key); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return &IdentityError{Key: true, Reason: lang.Text(`is not PEM; send what begins with "-----BEGIN PRIVATE KEY-----"`)}
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			return &IdentityError{Key: true, Reason: lang.Text("is encrypted with a passphrase; send it decrypted (it is kept encrypted here)")}
		}
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return nil
		}
	}
}

// keyFault finds words for a pair that is none. The library's own are not
// passed on: they might quote what they read.
func keyFault(err error, certs []*x509.Certificate, chain, key string) error {
	if !strings.Contains(err.Error(), "does not match") {
		return &IdentityError{Key: true, Reason: lang.Text("does not parse; send a key in PKCS #8, PKCS #1 or SEC 1, of RSA, ECDSA or Ed25519")}
	}
	rest := []byte(chain)
	for range certs[1:] { // a chain that begins with an intermediate is a common mistake
		_, rest = pem.Decode(rest)
		if _, err := tls.X509KeyPair(rest, []byte(key)); err == nil {
			return &IdentityError{Reason: lang.Text("stands behind another one; the one that the private key is of comes first")}
		}
	}
	return &IdentityError{Key: true, Reason: lang.Text("is not the certificate's: the two do not match")}
}

// Leaf is the certificate that the receiver is shown.
func (id *Identity) Leaf() *x509.Certificate { return id.certificate.Leaf }

// Check says whether every certificate of the chain is in force. Errors:
// [*IdentityError].
func (id *Identity) Check(now time.Time) error {
	leaf := id.certificate.Leaf
	switch {
	case now.After(leaf.NotAfter):
		return &IdentityError{Reason: lang.Text("expired on %s; send a new one", leaf.NotAfter.UTC().Format(time.DateOnly))}
	case now.Before(leaf.NotBefore):
		return &IdentityError{Reason: lang.Text("is not valid before %s", leaf.NotBefore.UTC().Format(time.DateOnly))}
	}
	for _, der := range id.certificate.Certificate[1:] {
		c, err := x509.ParseCertificate(der)
		if err != nil || now.After(c.NotAfter) {
			return &IdentityError{Reason: lang.Text("has an intermediate that expired (%.100q); send the chain anew", c.Subject.String())}
		}
	}
	return nil
}

// inForce is Check as the failure of an attempt.
func (id *Identity) inForce(now time.Time) *Error {
	switch leaf := id.certificate.Leaf; {
	case now.After(leaf.NotAfter):
		return &Error{Class: store.ClassTLS, Detail: lang.Keep("this endpoint's client certificate expired on %s; send a new one", leaf.NotAfter.UTC().Format(time.DateOnly)), Err: id.Check(now)}
	case now.Before(leaf.NotBefore):
		return &Error{Class: store.ClassTLS, Detail: lang.Keep("this endpoint's client certificate is not valid before %s", leaf.NotBefore.UTC().Format(time.DateOnly)), Err: id.Check(now)}
	}
	return nil
}

// config is a handshake's, in this identity's name.
func (id *Identity) config(general *tls.Config) *tls.Config {
	cfg := general.Clone()
	cfg.ClientSessionCache = id.sessions
	// Shown whatever authorities the server names: it says best itself what it
	// does not like.
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &id.certificate, nil }
	return cfg
}

// refusedDetail says of an alert that it is about the certificate that was
// shown; "" where it is about something else.
func (id *Identity) refusedDetail(alert string) string {
	if id == nil || !containsAny(alert, "certificate", "unknown ca", "access denied", "handshake failure", "decrypt error") {
		return ""
	}
	return lang.Keep("the server refused this endpoint's client certificate (%.100s, valid until %s): %s",
		certSubject(id.certificate.Leaf), id.certificate.Leaf.NotAfter.UTC().Format(time.DateOnly), alertWords(alert))
}

func certSubject(c *x509.Certificate) string {
	if s := c.Subject.String(); s != "" {
		return s
	}
	return "serial " + c.SerialNumber.String()
}
