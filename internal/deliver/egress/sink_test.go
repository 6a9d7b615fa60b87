package egress

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// authority is a certificate authority made in the test.
type authority struct {
	cert *x509.Certificate
	key  any
	pool *x509.CertPool
}

var serial struct {
	sync.Mutex
	n int64
}

func nextSerial() *big.Int {
	serial.Lock()
	defer serial.Unlock()
	serial.n++
	return big.NewInt(serial.n)
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{
		SerialNumber: nextSerial(), Subject: pkix.Name{CommonName: "Test Root"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	a := &authority{key: key, pool: x509.NewCertPool()}
	a.cert = a.sign(t, tpl, tpl, &key.PublicKey)
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) sign(t testing.TB, tpl, parent *x509.Certificate, pub any) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tpl, parent, pub, a.key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// leaf makes a server certificate; change alters its template.
func (a *authority) leaf(t testing.TB, change func(*x509.Certificate), names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return a.leafFor(t, key, &key.PublicKey, change, names...)
}

func (a *authority) leafFor(t testing.TB, key, pub any, change func(*x509.Certificate), names ...string) tls.Certificate {
	t.Helper()
	tpl := &x509.Certificate{
		SerialNumber: nextSerial(), Subject: pkix.Name{CommonName: "leaf"}, DNSNames: names, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	if change != nil {
		change(tpl)
	}
	c := a.sign(t, tpl, a.cert, pub)
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key}
}

// sink is a pair of receivers, plain and TLS, that stand for the public
// addresses in allowed. Whatever else is dialled is a hit.
type sink struct {
	plain, secure net.Listener
	ca            *authority
	allowed       []netip.Addr
	answer        http.HandlerFunc // nil: 200

	mu       sync.Mutex
	requests []arrival
	hits     []netip.AddrPort
	dialled  int
}

// arrival is a request as it came in.
type arrival struct{ host, target, body string }

func newSink(t testing.TB, allowed ...string) *sink {
	t.Helper()
	s := &sink{ca: newAuthority(t)}
	for _, a := range allowed {
		s.allowed = append(s.allowed, netip.MustParseAddr(a))
	}
	s.plain = listen(t)
	s.secure = tls.NewListener(listen(t), &tls.Config{Certificates: []tls.Certificate{s.ca.leaf(t, nil, "*.example.com", "example.com")}})
	srv := &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0)}
	var wg sync.WaitGroup
	for _, l := range []net.Listener{s.plain, s.secure} {
		wg.Go(func() { _ = srv.Serve(l) })
	}
	t.Cleanup(func() { _ = srv.Close(); wg.Wait() })
	return s
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.requests = append(s.requests, arrival{r.Host, r.RequestURI, string(b)})
	s.mu.Unlock()
	if s.answer != nil {
		s.answer(w, r)
	}
}

// dial stands for the network: what the guard let pass comes here.
func (s *sink) dial(secure bool) func(context.Context, netip.AddrPort) (net.Conn, error) {
	to := s.plain.Addr().String()
	if secure {
		to = s.secure.Addr().String()
	}
	return func(ctx context.Context, a netip.AddrPort) (net.Conn, error) {
		s.mu.Lock()
		s.dialled++
		if !slices.Contains(s.allowed, a.Addr()) {
			s.hits = append(s.hits, a)
			s.mu.Unlock()
			return nil, fmt.Errorf("canary at %s", a)
		}
		s.mu.Unlock()
		var d net.Dialer
		return d.DialContext(ctx, "tcp", to)
	}
}

// take returns what came since the last call.
func (s *sink) take() (requests []arrival, hits []netip.AddrPort, dialled int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests, hits, dialled = s.requests, s.hits, s.dialled
	s.requests, s.hits, s.dialled = nil, nil, 0
	return requests, hits, dialled
}
