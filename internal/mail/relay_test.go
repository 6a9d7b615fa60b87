package mail

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/malote-dev/malote/internal/secret"
)

// relay is an SMTP server on a real socket.
type relay struct {
	t      testing.TB
	server *smtp.Server
	ended  chan struct{} // of it
	listen net.Listener
	addr   *net.TCPAddr
	tls    bool // from the first byte on
	roots  *x509.CertPool

	user, password string // empty: without authentication

	mu      sync.Mutex
	mails   []*received
	inbox   chan *received
	refuse  func(step, what string) error // what to answer; nil: take all
	logins  int
	inClear bool // somebody's password came without TLS
	conns   map[*smtp.Conn]bool
}

// received is a mail as it came in.
type received struct {
	from, to   string
	tls        bool
	header     netmail.Header
	raw        string
	text, html string
}

// newRelay starts one; change alters it before.
func newRelay(t testing.TB, change func(*relay)) *relay {
	t.Helper()
	r := &relay{t: t, inbox: make(chan *received, 1000), conns: map[*smtp.Conn]bool{}}
	cert, roots := certificate(t)
	r.roots = roots
	r.server = smtp.NewServer(r)
	r.server.Domain, r.server.AllowInsecureAuth = "relay.test", true
	r.server.ErrorLog = quiet{}
	r.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if change != nil {
		change(r)
	}
	r.start("127.0.0.1:0")
	t.Cleanup(func() { r.stop() })
	return r
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

func (r *relay) start(addr string) {
	r.t.Helper()
	l, err := new(net.ListenConfig).Listen(context.WithoutCancel(r.t.Context()), "tcp", addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.addr = l.Addr().(*net.TCPAddr)
	if r.tls {
		l = tls.NewListener(l, r.server.TLSConfig)
	}
	r.listen, r.ended = l, make(chan struct{})
	server, ended := r.server, r.ended
	go func() {
		defer close(ended)
		_ = server.Serve(l)
	}()
}

// stop ends it, also where it has hardly begun.
func (r *relay) stop() {
	_ = r.listen.Close()
	<-r.ended
	_ = r.server.Close()
}

// again is a new server at the same place.
func (r *relay) again() {
	r.t.Helper()
	old := r.server
	r.server = smtp.NewServer(r)
	r.server.Domain, r.server.AllowInsecureAuth, r.server.ErrorLog, r.server.TLSConfig = old.Domain, true, quiet{}, old.TLSConfig
	r.start(r.addr.String())
}

// next waits for a mail.
func (r *relay) next() *received {
	r.t.Helper()
	select {
	case m := <-r.inbox:
		return m
	case <-time.After(20 * time.Second):
		r.t.Fatal("no mail came")
		return nil
	}
}

// none says that no mail is there.
func (r *relay) none() {
	r.t.Helper()
	select {
	case m := <-r.inbox:
		r.t.Errorf("a mail to %s: %s", m.to, m.header.Get("Subject"))
	default:
	}
}

func (r *relay) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.mails)
}

func (r *relay) answers(f func(step, what string) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = f
}

func (r *relay) judge(step, what string) error {
	r.mu.Lock()
	f := r.refuse
	r.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(step, what)
}

// NewSession begins a connection's talk.
func (r *relay) NewSession(c *smtp.Conn) (smtp.Session, error) {
	if err := r.judge("connect", ""); err != nil {
		return nil, err
	}
	return &talk{r: r, c: c}, nil
}

type talk struct {
	r        *relay
	c        *smtp.Conn
	known    bool
	from, to string
}

func (k *talk) AuthMechanisms() []string {
	if k.r.user == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (k *talk) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		k.r.mu.Lock()
		k.r.logins++
		if _, secure := k.c.TLSConnectionState(); !secure {
			k.r.inClear = true
		}
		k.r.mu.Unlock()
		if err := k.r.judge("auth", user+" "+password); err != nil {
			return err
		}
		if user != k.r.user || password != k.r.password {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "wrong name or password: " + password}
		}
		k.known = true
		return nil
	}), nil
}

func (k *talk) Mail(from string, _ *smtp.MailOptions) error {
	if k.r.user != "" && !k.known {
		return smtp.ErrAuthRequired
	}
	k.from = from
	return k.r.judge("mail", from)
}

func (k *talk) Rcpt(to string, _ *smtp.RcptOptions) error {
	k.to = to
	return k.r.judge("rcpt", to)
}

func (k *talk) Data(body io.Reader) error {
	raw, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if err := k.r.judge("data", k.to); err != nil {
		return err
	}
	m := &received{from: k.from, to: k.to, raw: string(raw)}
	_, m.tls = k.c.TLSConnectionState()
	m.read(k.r.t)
	k.r.mu.Lock()
	k.r.mails = append(k.r.mails, m)
	k.r.mu.Unlock()
	k.r.inbox <- m
	return k.r.judge("taken", k.to)
}

func (k *talk) Reset()        {}
func (k *talk) Logout() error { return nil }

// read takes a mail apart, as a reader's program does.
func (m *received) read(t testing.TB) {
	msg, err := netmail.ReadMessage(strings.NewReader(m.raw))
	if err != nil {
		t.Errorf("not a mail: %v\n%s", err, m.raw)
		return
	}
	m.header = msg.Header
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Errorf("%s: %v", kind, err)
		return
	}
	parts := multipart.NewReader(msg.Body, params["boundary"])
	for {
		p, err := parts.NextRawPart()
		if err != nil {
			break
		}
		b, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Error(err)
		}
		text := strings.ReplaceAll(string(b), "\r\n", "\n")
		if strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") {
			m.html = text
		} else {
			m.text = text
		}
	}
}

// subject as it is read.
func (m *received) subject() string {
	s, err := new(mime.WordDecoder).DecodeHeader(m.header.Get("Subject"))
	if err != nil {
		return err.Error()
	}
	return s
}

func (m *received) headerNames() (names []string) {
	for n := range m.header {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// options of a mailer that writes through the relay.
func (r *relay) options(scheme string) Options {
	r.t.Helper()
	text := scheme + "://"
	if r.user != "" {
		text += r.user + ":" + r.password + "@"
	}
	host := "127.0.0.1"
	server, err := ParseServer(secret.Text(text + host + ":" + portOf(r.addr)))
	if err != nil {
		r.t.Fatal(err)
	}
	return Options{Server: server, From: Sender{Name: "Shop", Address: "webhooks@shop.example"}}
}

func portOf(a *net.TCPAddr) string {
	_, port, _ := net.SplitHostPort(a.String())
	return port
}

// certificate for 127.0.0.1, and who vouches for it.
func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "relay.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"relay.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}
