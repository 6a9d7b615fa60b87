package egress

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// minRSA is the smallest RSA key of a server certificate, in bits.
const minRSA = 2048

// weakKeyError says that a certificate's key is too short.
type weakKeyError struct{ bits int }

func (e *weakKeyError) Error() string { return fmt.Sprintf("RSA key of %d bits", e.bits) }

func weakKey(leaf *x509.Certificate) error {
	if k, ok := leaf.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() < minRSA {
		return &weakKeyError{k.N.BitLen()}
	}
	return nil
}

// tlsError names why a handshake failed.
func tlsError(err error, id *Identity, host string, limit time.Duration) *Error {
	e := &Error{Class: store.ClassTLS, Err: err}
	var (
		verify *tls.CertificateVerificationError
		header tls.RecordHeaderError
		remote *net.OpError
		weak   *weakKeyError
	)
	switch {
	case errors.As(err, &verify):
		e.Detail, e.Ours = certDetail(verify, host)
	case errors.As(err, &weak):
		e.Detail = lang.Keep("the certificate's RSA key has %d bits; at least %d are required", weak.bits, minRSA)
	case errors.As(err, &header):
		e.Detail = lang.Keep("the server does not speak TLS on this port: is it plain http?")
	case errors.As(err, &remote) && remote.Op == "remote error":
		e.Detail = alertDetail(remote.Err.Error(), id)
	case strings.Contains(err.Error(), "unsupported protocol version"):
		e.Detail = lang.Keep("the server offers no TLS 1.2 or newer")
	case isTimeout(err):
		e.Detail = lang.Keep("the TLS handshake did not finish within %s", limit)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE):
		e.Detail = lang.Keep("the server closed the connection during the TLS handshake: it may not serve this host name")
	default:
		e.Detail = lang.Keep("TLS handshake failed: %s", err.Error())
	}
	return e
}

// alertDetail explains a TLS alert that the server sent to the one who showed
// id, if any.
func alertDetail(alert string, id *Identity) string {
	refused := id.refusedDetail(alert)
	switch {
	case refused != "":
		return refused
	case strings.Contains(alert, "protocol version"):
		return lang.Keep("the server offers no TLS 1.2 or newer")
	case containsAny(alert, "certificate required", "bad certificate"):
		return lang.Keep("the server demands a client certificate")
	case strings.Contains(alert, "unrecognized name"):
		return lang.Keep("the server has no certificate for this host name")
	case strings.Contains(alert, "no application protocol"):
		return lang.Keep("the server does not speak HTTP/1.1 over TLS")
	case strings.Contains(alert, "handshake failure"):
		return lang.Keep("the server refused the TLS handshake: no common cipher, or it demands a client certificate")
	}
	return lang.Keep("the server refused with a TLS alert: %s", alertWords(alert))
}

// certDetail explains why a certificate is not trusted; ours is true where
// this machine has no root certificates.
func certDetail(v *tls.CertificateVerificationError, host string) (detail string, ours bool) {
	var (
		invalid   x509.CertificateInvalidError
		name      x509.HostnameError
		unknown   x509.UnknownAuthorityError
		roots     x509.SystemRootsError
		signature x509.InsecureAlgorithmError
	)
	certs := v.UnverifiedCertificates
	switch {
	case errors.As(v.Err, &roots):
		return lang.Keep("this server has no root certificates to check the receiver's with"), true
	case errors.As(v.Err, &name):
		return lang.Keep("the certificate is for %s, not for %s", certNames(name.Certificate), host), false
	case errors.As(v.Err, &invalid):
		return invalidDetail(&invalid), false
	case errors.As(v.Err, &signature) || len(certs) > 0 && weakSignature(certs[0]):
		return lang.Keep("the certificate is signed with %s, which is no longer secure", certs[0].SignatureAlgorithm), false
	case errors.As(v.Err, &unknown) && len(certs) > 0:
		return unknownDetail(certs), false
	}
	return lang.Keep("the certificate cannot be verified: %s", v.Err.Error()), false
}

func invalidDetail(e *x509.CertificateInvalidError) string {
	switch e.Reason {
	case x509.Expired:
		from, until := e.Cert.NotBefore.UTC().Format(time.DateOnly), e.Cert.NotAfter.UTC().Format(time.DateOnly)
		switch early := time.Now().Before(e.Cert.NotBefore); {
		case early && e.Cert.IsCA:
			return lang.Keep("the authority's certificate is not valid before %s", from)
		case early:
			return lang.Keep("the certificate is not valid before %s", from)
		case e.Cert.IsCA:
			return lang.Keep("the authority's certificate expired on %s", until)
		}
		return lang.Keep("the certificate expired on %s", until)
	case x509.CANotAuthorizedForThisName, x509.NameConstraintsWithoutSANs, x509.UnconstrainedName:
		return lang.Keep("the certificate's authority may not sign for this name (name constraint)")
	case x509.IncompatibleUsage, x509.CANotAuthorizedForExtKeyUsage:
		return lang.Keep("the certificate is not for servers (extended key usage)")
	}
	return chainDetail(e)
}

// chainDetail explains what is wrong with how the certificates hang together.
func chainDetail(e *x509.CertificateInvalidError) string {
	switch e.Reason {
	case x509.NotAuthorizedToSign:
		return lang.Keep("the certificate's authority may not sign certificates (basic constraints)")
	case x509.TooManyIntermediates:
		return lang.Keep("the certificate's chain is longer than its authority allows")
	case x509.NameMismatch:
		return lang.Keep("the certificates of the chain do not belong together")
	case x509.TooManyConstraints:
		return lang.Keep("the certificate's chain has too many name constraints to check")
	case x509.NoValidChains:
		return lang.Keep("no chain leads from the certificate to an authority that is trusted")
	}
	return lang.Keep("the certificate is not valid: %s", e.Error())
}

// unknownDetail tells a self-signed certificate, a missing intermediate and
// an unknown authority apart.
func unknownDetail(certs []*x509.Certificate) string {
	leaf := certs[0]
	if string(leaf.RawIssuer) == string(leaf.RawSubject) {
		return lang.Keep("the certificate is self-signed")
	}
	for _, c := range certs[1:] {
		if string(c.RawSubject) == string(leaf.RawIssuer) {
			return lang.Keep("the certificate is signed by an authority that is not trusted: %.100q", certs[len(certs)-1].Issuer.String())
		}
	}
	return lang.Keep("the certificate chain is incomplete: the server must send its intermediate certificate (%.100q)", leaf.Issuer.String())
}

func weakSignature(c *x509.Certificate) bool {
	switch c.SignatureAlgorithm {
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1, x509.MD5WithRSA, x509.MD2WithRSA:
		return true
	}
	return false
}

// certNames lists whom a certificate is for, bounded.
func certNames(c *x509.Certificate) string {
	names := c.DNSNames
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	switch {
	case len(names) == 0:
		return lang.Keep("no host name at all")
	case len(names) > 4:
		return lang.Keep("%.200s and %d more", strings.Join(names[:4], ", "), len(names)-4)
	}
	return fmt.Sprintf("%.200s", strings.Join(names, ", "))
}

func containsAny(s string, parts ...string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}
