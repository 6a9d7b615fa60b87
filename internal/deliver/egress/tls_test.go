package egress

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// tlsServer serves HTTP with a TLS configuration.
func tlsServer(t testing.TB, cfg *tls.Config) net.Addr {
	t.Helper()
	l := listen(t)
	srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), ErrorLog: log.New(io.Discard, "", 0)}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(tls.NewListener(l, cfg)) })
	t.Cleanup(func() { _ = srv.Close(); wg.Wait() })
	return l.Addr()
}

// tlsClient sends to addr whatever the name is.
func tlsClient(t testing.TB, ca *authority, addr net.Addr) *Client {
	dns := newNameServer(t)
	publicNames(dns.setRecords)
	c := New(Options{
		Policy: Policy{Interfaces: noInterfaces}, Resolver: dns.resolver(), RootCAs: ca.pool,
		Dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr.String())
		},
	})
	t.Cleanup(c.Close)
	return c
}

var tlsURL = &url.URL{Scheme: "https", Host: "hooks.example.com", Path: "/in"}

// TestCertificates: expired, of another name, of an unknown issuer, …; every
// failure names its reason.
func TestCertificates(t *testing.T) {
	t.Parallel()
	const name = "hooks.example.com"
	ca, stranger := newAuthority(t), newAuthority(t)
	good := ca.leaf(t, nil, name)
	with := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	at := func(from, to string) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.NotBefore, _ = time.Parse(time.DateOnly, from)
			c.NotAfter, _ = time.Parse(time.DateOnly, to)
		}
	}
	inter := ca.intermediate(t, nil)
	chain := inter.leaf(t, nil, name)
	chain.Certificate = append(chain.Certificate, inter.cert.Raw)
	constrained := ca.intermediate(t, func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"example.org"}
	})
	misused := constrained.leaf(t, nil, name)
	misused.Certificate = append(misused.Certificate, constrained.cert.Raw)
	foreign := stranger.intermediate(t, nil)
	unknown := foreign.leaf(t, nil, name)
	unknown.Certificate = append(unknown.Certificate, foreign.cert.Raw)

	cases := []struct {
		name   string
		cfg    *tls.Config
		detail string // empty: delivered
	}{
		{"good", with(good), ""},
		{"good over an intermediate", with(chain), ""},
		{"wildcard", with(ca.leaf(t, nil, "*.example.com")), ""},
		{"TLS 1.2 only", &tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS12}, ""},
		{"TLS 1.3 only", &tls.Config{Certificates: []tls.Certificate{good}, MinVersion: tls.VersionTLS13}, ""},
		{"server prefers HTTP/2", &tls.Config{Certificates: []tls.Certificate{good}, NextProtos: []string{"h2", "http/1.1"}}, ""},
		{"expired", with(ca.leaf(t, at("2023-01-01", "2024-01-02"), name)), "certificate expired on 2024-01-02"},
		{"not yet valid", with(ca.leaf(t, at("2090-01-01", "2091-01-01"), name)), "not valid before 2090-01-01"},
		{"wrong host", with(ca.leaf(t, nil, "other.example.com")), "is for other.example.com, not for hooks.example.com"},
		{"wildcard of two labels", with(ca.leaf(t, nil, "*.com")), "is for *.com, not for"},
		{"no name", with(ca.leaf(t, nil)), "no host name at all"},
		{"self-signed", with(selfSigned(t, name)), "self-signed"},
		{"incomplete chain", with(inter.leaf(t, nil, name)), "the certificate chain is incomplete: the server must send its intermediate certificate"},
		{"unknown authority", with(unknown), "authority that is not trusted"},
		{"weak key", with(weakLeaf(t, ca, name)), "1024 bits; at least 2048"},
		{"name constraint", with(misused), "name constraint"},
		{"for clients only", with(ca.leaf(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, name)), "not for servers"},
		{"TLS 1.1 only", &tls.Config{Certificates: []tls.Certificate{good}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "no TLS 1.2 or newer"},
		{"client certificate, TLS 1.3", &tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAnyClientCert}, "client certificate"},
		{"client certificate, TLS 1.2", &tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}, "client certificate"},
		{"another protocol only", &tls.Config{Certificates: []tls.Certificate{good}, NextProtos: []string{"imap"}}, "does not speak HTTP/1.1"},
		{"unknown name", &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }}, "no certificate for this host name"},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			c := tlsClient(t, ca, tlsServer(t, k.cfg))
			resp, err := c.Send(context.Background(), post(tlsURL, "{}"))
			if k.detail == "" {
				if err != nil || resp.Status != 200 || resp.Timings.TLS <= 0 {
					t.Errorf("%+v, %v", resp, err)
				}
				return
			}
			if classOf(err) != store.ClassTLS || !strings.Contains(err.Error(), k.detail) || oursOf(err) {
				t.Errorf("%v does not say %q", err, k.detail)
			}
		})
	}
}

// intermediate makes an authority below this one.
func (a *authority) intermediate(t testing.TB, change func(*x509.Certificate)) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{
		SerialNumber: nextSerial(), Subject: pkix.Name{CommonName: "Test Intermediate"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	if change != nil {
		change(tpl)
	}
	return &authority{cert: a.sign(t, tpl, a.cert, &key.PublicKey), key: key}
}

func selfSigned(t testing.TB, name string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key}
	tpl := &x509.Certificate{
		SerialNumber: nextSerial(), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	return tls.Certificate{Certificate: [][]byte{a.sign(t, tpl, tpl, &key.PublicKey).Raw}, PrivateKey: key}
}

func weakLeaf(t testing.TB, ca *authority, name string) tls.Certificate {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	return ca.leafFor(t, key, &key.PublicKey, nil, name)
}

// TestHandshakeFaults: a handshake that breaks, and what is not TLS at all.
func TestHandshakeFaults(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		serve  func(c *rawConn)
		detail string
	}{
		{"stalls", func(c *rawConn) { _, _ = io.Copy(io.Discard, c) }, "did not finish within 200ms"},
		{"plain http", func(c *rawConn) { c.say("HTTP/1.1 400 Bad Request\r\n\r\n"); _, _ = io.Copy(io.Discard, c) }, "does not speak TLS"},
		{"closes", func(c *rawConn) { _, _ = c.br.Peek(1) }, "closed the connection during the TLS handshake"},
		{"resets", func(c *rawConn) { _, _ = c.br.Peek(1); c.reset() }, "closed the connection during the TLS handshake"},
		{"huge record", func(c *rawConn) {
			c.say("\x16\x03\x03\xff\xff" + strings.Repeat("x", 1<<16))
			_, _ = io.Copy(io.Discard, c)
		}, "TLS"},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			s := newRawServer(t, k.serve)
			addr, _ := net.ResolveTCPAddr("tcp", s.url.Host)
			c := tlsClient(t, newAuthority(t), addr)
			r := post(tlsURL, "{}")
			r.Connect = 200 * time.Millisecond
			resp, err := c.Send(context.Background(), r)
			if classOf(err) != store.ClassTLS || !strings.Contains(err.Error(), k.detail) || resp.Timings.Total > 2*time.Second {
				t.Errorf("%v, %+v", err, resp.Timings)
			}
		})
	}
}

// TestSNIAndResumption: the server is asked for the name; a second connection
// resumes the session and is verified like the first.
func TestSNIAndResumption(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	var mu sync.Mutex
	var names, protocols []string
	resumed := 0
	cert := ca.leaf(t, nil, "hooks.example.com")
	cfg := &tls.Config{
		GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			mu.Lock()
			defer mu.Unlock()
			names = append(names, h.ServerName)
			protocols = append(protocols, strings.Join(h.SupportedProtos, ","))
			return &cert, nil
		},
		VerifyConnection: func(s tls.ConnectionState) error {
			mu.Lock()
			defer mu.Unlock()
			if s.DidResume {
				resumed++
			}
			return nil
		},
	}
	c := tlsClient(t, ca, tlsServer(t, cfg))
	c.pool.maxIdle = -1
	for range 3 {
		if _, err := c.Send(context.Background(), post(tlsURL, strings.Repeat("x", 100<<10))); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(names) != 1 || names[0] != "hooks.example.com" || protocols[0] != "http/1.1" || resumed != 2 {
		t.Errorf("names %v, protocols %v, %d resumed", names, protocols, resumed)
	}
}

// TestTLSKeepAlive: an idle TLS connection is used again, and not after the
// server has closed it.
func TestTLSKeepAlive(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	l := listen(t)
	srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), ErrorLog: log.New(io.Discard, "", 0)}
	closed := make(chan struct{}, 8)
	srv.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			closed <- struct{}{}
		}
	}
	cert := ca.leaf(t, nil, "hooks.example.com")
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}})) })
	t.Cleanup(func() { _ = srv.Close(); wg.Wait() })
	c := tlsClient(t, ca, l.Addr())
	for i, want := range []bool{false, true, true} {
		resp, err := c.Send(context.Background(), post(tlsURL, "{}"))
		if err != nil || resp.Timings.Reused != want {
			t.Errorf("%d: %+v, %v", i, resp.Timings, err)
		}
	}
	_ = srv.Close()
	<-closed
	if cn := c.pool.get(hostKey{tls: true, host: tlsURL.Host}); cn != nil {
		t.Error("a closed connection is taken for fit")
	}
}
