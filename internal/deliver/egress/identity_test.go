package egress

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// client makes a client certificate, PEM, with its key; change alters its template.
func (a *authority) client(t testing.TB, name string, change func(*x509.Certificate)) (chain, key string) {
	t.Helper()
	c := a.leaf(t, func(tpl *x509.Certificate) {
		tpl.Subject, tpl.ExtKeyUsage = pkix.Name{CommonName: name}, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		if change != nil {
			change(tpl)
		}
	})
	return pemOf(c.Certificate...), keyPEM(t, c.PrivateKey)
}

func pemOf(certs ...[]byte) string {
	var b strings.Builder
	for _, der := range certs {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	return b.String()
}

func keyPEM(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func identity(t testing.TB, chain, key string) *Identity {
	t.Helper()
	id, err := NewIdentity(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// demanding is a server that demands a certificate of an authority, and
// remembers of each request who showed what on which connection.
type demanding struct {
	addr net.Addr
	mu   sync.Mutex
	seen []shown
}

type shown struct {
	name    string // of the certificate; empty: none
	from    string // the connection
	resumed bool
	version uint16
}

func newDemanding(t testing.TB, server, clients *authority, auth tls.ClientAuthType, version uint16) *demanding {
	t.Helper()
	d := &demanding{}
	l := listen(t)
	d.addr = l.Addr()
	cfg := &tls.Config{
		Certificates: []tls.Certificate{server.leaf(t, nil, "hooks.example.com")}, ClientAuth: auth, ClientCAs: clients.pool,
		MinVersion: version, MaxVersion: version,
	}
	srv := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s := shown{from: r.RemoteAddr, resumed: r.TLS.DidResume, version: r.TLS.Version}
		if len(r.TLS.PeerCertificates) > 0 {
			s.name = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		d.mu.Lock()
		d.seen = append(d.seen, s)
		d.mu.Unlock()
	})}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(tls.NewListener(l, cfg)) })
	t.Cleanup(func() { _ = srv.Close(); wg.Wait() })
	return d
}

func (d *demanding) take() []shown {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen := d.seen
	d.seen = nil
	return seen
}

var versions = map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13}

// TestClientCertificate: a server that demands one gets it, and its refusal is
// told in words.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca, bank, stranger := newAuthority(t), newAuthority(t), newAuthority(t)
			s := newDemanding(t, ca, bank, tls.RequireAndVerifyClientCert, version)
			c := tlsClient(t, ca, s.addr)
			send := func(id *Identity) error {
				r := post(tlsURL, "{}")
				r.Identity = id
				_, err := c.Send(context.Background(), r)
				return err
			}
			chain, key := bank.client(t, "acme", nil)
			if err := send(identity(t, chain, key)); err != nil {
				t.Fatal(err)
			}
			if seen := s.take(); len(seen) != 1 || seen[0].name != "acme" || seen[0].version != version {
				t.Errorf("%+v", seen)
			}
			for what, k := range map[string]struct {
				id    *Identity
				words string
			}{
				"none":          {nil, "demands a client certificate"},
				"of a stranger": {identity2(t, stranger, nil), "the server refused this endpoint's client certificate (CN=other, valid until "},
				"for servers":   {identity2(t, bank, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), "the server refused this endpoint's client certificate (CN=other"},
				"expired":       {identity2(t, bank, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), "this endpoint's client certificate expired on "},
				"too early":     {identity2(t, bank, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), "this endpoint's client certificate is not valid before "},
			} {
				err := send(k.id)
				if classOf(err) != store.ClassTLS || !strings.Contains(err.Error(), k.words) || oursOf(err) {
					t.Errorf("%s: %v, want %q", what, err, k.words)
				}
			}
			if seen := s.take(); len(seen) != 0 {
				t.Errorf("let in: %+v", seen)
			}
		})
	}
}

func identity2(t testing.TB, a *authority, change func(*x509.Certificate)) *Identity {
	chain, key := a.client(t, "other", change)
	return identity(t, chain, key)
}

// TestIdentitiesShareNothing: neither a kept connection nor a TLS session
// carries the request of another identity, nor of none; each has its own.
func TestIdentitiesShareNothing(t *testing.T) {
	t.Parallel()
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca, bank := newAuthority(t), newAuthority(t)
			s := newDemanding(t, ca, bank, tls.VerifyClientCertIfGiven, version)
			chainA, keyA := bank.client(t, "a", nil)
			chainB, keyB := bank.client(t, "b", nil)
			for _, kept := range []bool{true, false} {
				who := []struct {
					name string
					id   *Identity
				}{{"", nil}, {"a", identity(t, chainA, keyA)}, {"b", identity(t, chainB, keyB)}, {"a", identity(t, chainA, keyA)}}
				c := tlsClient(t, ca, s.addr)
				if !kept {
					c.pool.maxIdle = -1
				}
				const rounds = 3
				for range rounds {
					for _, w := range who {
						r := post(tlsURL, strings.Repeat("x", 1<<10))
						r.Identity = w.id
						if resp, err := c.Send(context.Background(), r); err != nil || resp.Status != 200 {
							t.Fatalf("%q: %v", w.name, err)
						}
					}
				}
				conns, resumed := map[string]int{}, map[int]int{}
				for i, got := range s.take() {
					n := i % len(who)
					if got.name != who[n].name {
						t.Errorf("%q was shown where it was %q's turn", got.name, who[n].name)
					}
					if owner, known := conns[got.from]; known && owner != n {
						t.Errorf("a connection of %d served %d", owner, n)
					}
					conns[got.from] = n
					if got.resumed {
						resumed[n]++
					}
				}
				if want := len(who); kept && len(conns) != want {
					t.Errorf("%d connections, want %d", len(conns), want)
				}
				for n := range who {
					if !kept && resumed[n] != rounds-1 {
						t.Errorf("%d: %d sessions resumed, want %d", n, resumed[n], rounds-1)
					}
				}
			}
		})
	}
}

// TestCertificateNeedsHTTPS: over plain http nothing is sent in its name.
func TestCertificateNeedsHTTPS(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	c := loopbackClient(t)
	r := post(tlsURL, "{}")
	u := *tlsURL
	u.Scheme, u.Host = "http", s.plain.Addr().String()
	r.URL, r.Identity = &u, identity2(t, newAuthority(t), nil)
	_, err := c.Send(context.Background(), r)
	if got, _, _ := s.take(); classOf(err) != store.ClassBlocked || !strings.Contains(err.Error(), "use https") || len(got) != 0 {
		t.Errorf("%v, %d requests", err, len(got))
	}
}

// TestNewIdentity: what is a pair, and what is said of what is none. Nothing
// quotes a key.
func TestNewIdentity(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	chain, key := ca.client(t, "acme", nil)
	other, otherKey := ca.client(t, "other", nil)
	inter := ca.intermediate(t, nil)
	interPEM := pemOf(inter.cert.Raw)
	below, belowKey := inter.client(t, "below", nil)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	weakKey, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, edKey, _ := ed25519.GenerateKey(rand.Reader)
	ecKey, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	sec1, _ := x509.MarshalECPrivateKey(ecKey)
	pkcs1 := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)}))
	ec := string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}))
	leafOf := func(public any) string { return pemOf(ca.leafFor(t, nil, public, nil).Certificate...) }
	encrypted := string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("key-canary")}))
	old := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "DES"}, Bytes: []byte("key-canary")}))
	chained := func(n int) string { return below + strings.Repeat(interPEM, n-1) }
	for name, k := range map[string]struct {
		chain, key string
		ofKey      bool
		words      string // empty: a pair
	}{
		"ECDSA in PKCS #8":      {chain, key, false, ""},
		"RSA in PKCS #1":        {leafOf(&rsaKey.PublicKey), pkcs1, false, ""},
		"ECDSA in SEC 1":        {leafOf(&ecKey.PublicKey), ec, false, ""},
		"Ed25519":               {leafOf(edPublic), keyPEM(t, edKey), false, ""},
		"with an intermediate":  {below + interPEM, belowKey, false, ""},
		"text around it":        {"subject=acme\n" + chain, "Bag Attributes\n" + key, false, ""},
		"longest chain":         {chained(MaxChain), belowKey, false, ""},
		"one more":              {chained(MaxChain + 1), belowKey, false, "has more than 8 certificates"},
		"empty":                 {"", key, false, "is not PEM"},
		"not PEM":               {"canary", key, false, "is not PEM"},
		"too long":              {chain + strings.Repeat("\n", MaxPEM), key, false, "is longer than 16384 bytes"},
		"a key among them":      {chain + key, key, false, "holds a private key; send that as private_key alone"},
		"a request":             {strings.ReplaceAll(chain, "CERTIFICATE", "CERTIFICATE REQUEST"), key, false, `holds a block "CERTIFICATE REQUEST"`},
		"garbage in PEM":        {pemOf([]byte("canary")), key, false, "does not parse at block 1"},
		"no key":                {chain, "", true, "is not PEM"},
		"a certificate as key":  {chain, other, true, "is not PEM"},
		"encrypted":             {chain, encrypted, true, "is encrypted with a passphrase"},
		"encrypted as of old":   {chain, old, true, "is encrypted with a passphrase"},
		"key too long":          {chain, key + strings.Repeat("\n", MaxPEM), true, "is longer than 16384 bytes"},
		"garbage as key":        {chain, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("key-canary")})), true, "does not parse; send a key in PKCS #8"},
		"another key":           {chain, otherKey, true, "is not the certificate's"},
		"another kind of key":   {chain, pkcs1, true, "is not the certificate's"},
		"the chain upside down": {interPEM + below, belowKey, false, "stands behind another one"},
		"weak":                  {leafOf(&weakKey.PublicKey), keyPEM(t, weakKey), true, "is an RSA key of 1024 bits; at least 2048"},
	} {
		id, err := NewIdentity(k.chain, k.key)
		if k.words == "" {
			if err != nil || id.Leaf() == nil || id.Check(time.Now()) != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var bad *IdentityError
		if !errors.As(err, &bad) || bad.Key != k.ofKey || !strings.Contains(bad.Reason.String(), k.words) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestIdentityInForce: also an intermediate that ran out is named.
func TestIdentityInForce(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	inter := ca.intermediate(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(time.Minute) })
	leaf := inter.leaf(t, nil)
	id := identity(t, pemOf(leaf.Certificate[0], inter.cert.Raw), keyPEM(t, leaf.PrivateKey))
	now := time.Now()
	for at, words := range map[time.Time]string{
		now:                      "",
		now.Add(2 * time.Minute): "has an intermediate that expired",
		now.Add(2 * time.Hour):   "expired on ",
		now.Add(-2 * time.Hour):  "is not valid before ",
	} {
		err := id.Check(at)
		if (err == nil) != (words == "") || err != nil && !strings.Contains(err.Error(), words) {
			t.Errorf("at %s: %v, want %q", at.Sub(now), err, words)
		}
	}
}
