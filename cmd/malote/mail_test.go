package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// postOffice is a mail relay on a real socket that wants a password.
type postOffice struct {
	t        *testing.T
	addr     string
	password string
	mails    chan *netmail.Message
	mu       sync.Mutex
	server   *smtp.Server
	ended    chan struct{}
	listen   net.Listener
}

func newPostOffice(t *testing.T, password string) *postOffice {
	t.Helper()
	p := &postOffice{t: t, addr: "127.0.0.1:0", password: password, mails: make(chan *netmail.Message, 100)}
	p.open()
	t.Cleanup(p.close)
	return p
}

func (p *postOffice) open() {
	p.t.Helper()
	l, err := new(net.ListenConfig).Listen(context.WithoutCancel(p.t.Context()), "tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &counter{p: p}, nil }))
	server.Domain, server.AllowInsecureAuth = "relay.test", true
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(l)
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.addr, p.listen, p.server, p.ended = l.Addr().String(), l, server, ended
}

func (p *postOffice) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.listen.Close()
	<-p.ended
	_ = p.server.Close()
}

// next waits for a mail and returns its subject and how to get no more.
func (p *postOffice) next() (to, subject, stop string) {
	p.t.Helper()
	select {
	case m := <-p.mails:
		subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		if err != nil {
			p.t.Error(err)
		}
		return m.Header.Get("To"), subject, strings.Trim(m.Header.Get("List-Unsubscribe"), "<>")
	case <-time.After(patience):
		p.t.Fatal("no mail came")
		return "", "", ""
	}
}

func (p *postOffice) empty() {
	p.t.Helper()
	select {
	case m := <-p.mails:
		p.t.Errorf("a mail: %s", m.Header.Get("Subject"))
	default:
	}
}

// counter is where a mail is handed in.
type counter struct {
	p     *postOffice
	known bool
	taken *netmail.Message // the answer to it is on its way
}

func (c *counter) AuthMechanisms() []string { return []string{sasl.Plain} }

func (c *counter) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, _, password string) error {
		if c.known = password == c.p.password; !c.known {
			return errors.New("who is that")
		}
		return nil
	}), nil
}

func (c *counter) Mail(string, *smtp.MailOptions) error {
	if !c.known {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (c *counter) Rcpt(string, *smtp.RcptOptions) error { return nil }

func (c *counter) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	c.taken, err = netmail.ReadMessage(bytes.NewReader(raw))
	return err
}

// Reset follows the answer: a mail is here once its sender knows.
func (c *counter) Reset() {
	if c.taken != nil {
		c.p.mails <- c.taken
		c.taken = nil
	}
}

func (c *counter) Logout() error { return nil }

// TestOwnerIsNotified is tarefa's promise, whole: after five attempts the
// delivery is failed, the webhook is marked failed with a time, its owner is
// notified; and no kill of the server repeats or loses a mail.
func TestOwnerIsNotified(t *testing.T) {
	t.Parallel()
	const password = "pintassilgo/p@ss"
	office := newPostOffice(t, password)
	file := writeFile(t, "smtp", "smtp://shop:pintassilgo%2Fp%40ss@"+office.addr+"\n")
	mailing := []string{"--smtp-url-file", file, "--mail-from", "Tarefa <webhooks@tarefa.example>", "--mail-language", "pt-BR", "--public-url", "https://webhooks.tarefa.example"}
	s := serve(t, mailing...)
	key := s.project("tarefa")

	var healthy atomic.Bool
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !healthy.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(receiver.Close)
	s.object(key, "consumer", "put", "123", "--email", "dono@cliente.example")
	endpoint := text(t, s.object(key, "endpoint", "create", "--consumer", "123", "--to", receiver.URL, "--event-types", "task.*"), "id")
	event := text(t, s.object(key, "event", "send", "task.completed", "--consumer", "123", "--data", `{"task":{"id":456}}`), "id")
	if to, subject, _ := office.next(); to != "<dono@cliente.example>" || !strings.Contains(subject, "não foi aceito") {
		t.Errorf("%s: %s", to, subject)
	}

	office.close() // the relay is dead when it matters
	delivery := text(t, s.object(key, "delivery", "list", "--event", event), "id")
	for n := 1.0; n < 5; n++ {
		s.attempted(key, delivery, n)
		s.malote(key, exitOK, "delivery", "retry", delivery)
	}
	s.attempted(key, delivery, 5)
	if d := s.object(key, "delivery", "get", delivery); d["state"] != "failed" || d["reason"] != "exhausted" {
		t.Errorf("the delivery: %v", d)
	}
	e := s.object(key, "endpoint", "get", endpoint)
	if at, err := time.Parse(time.RFC3339, text(t, e, "failed_at")); err != nil || time.Since(at) > time.Minute || e["state"] != "active" {
		t.Errorf("the webhook: %v", e)
	}
	said := s.output()
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.exited
	s.process = start(t, clean(t), append(s.args(), mailing...)...)
	s.waitFor("ready")
	office.open()
	_, subject, stop := office.next()
	if !strings.Contains(subject, "foi dado por perdido") || !strings.HasPrefix(stop, "https://webhooks.tarefa.example/m/") {
		t.Errorf("%s, %s", subject, stop)
	}

	// After a success it is told that all is well again, once.
	healthy.Store(true)
	s.object(key, "event", "send", "task.completed", "--consumer", "123", "--data", `{"task":{"id":457}}`)
	if _, subject, _ := office.next(); !strings.Contains(subject, "voltaram a chegar") {
		t.Error(subject)
	}
	if out, _ := s.malote(s.root, exitOK, "mail", "test", "--to", "ops@tarefa.example"); !strings.Contains(out, "ops@tarefa.example") {
		t.Error(out)
	}
	if to, subject, _ := office.next(); to != "<ops@tarefa.example>" || subject != "A test of webhook mails" {
		t.Errorf("%s: %s", to, subject)
	}

	// Whoever wants no more says so with one click.
	resp, err := http.Post("http://"+s.addr+strings.TrimPrefix(stop, "https://webhooks.tarefa.example"), "application/x-www-form-urlencoded", strings.NewReader("List-Unsubscribe=One-Click"))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(err, resp)
	}
	_ = resp.Body.Close()
	office.empty()
	if code := s.signal(syscall.SIGTERM); code != exitOK {
		t.Errorf("SIGTERM: exit code %d\n%s", code, s.output())
	}
	said += s.output()
	noCanary(t, s.dir, said, "pintassilgo", base64.StdEncoding.EncodeToString([]byte("\x00shop\x00"+password)), base64.StdEncoding.EncodeToString([]byte(password)))
}

// attempted waits until a delivery has had so many attempts.
func (s *site) attempted(key, delivery string, n float64) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); s.object(key, "delivery", "get", delivery)["attempts"] != n; {
		if time.Now().After(deadline) {
			s.t.Fatalf("no attempt %v: %v", n, s.object(key, "delivery", "get", delivery))
		}
	}
}

// noCanary looks for forms of a secret in what was said, and in every file.
func noCanary(t *testing.T, dir, said string, forms ...string) {
	t.Helper()
	look := func(where, text string) {
		for _, f := range forms {
			if strings.Contains(text, f) {
				t.Errorf("%s has %s", where, f)
			}
		}
	}
	look("the log", said)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		look(path, string(b))
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestMailOptions: what is wrong with them is said without what is secret.
func TestMailOptions(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	for _, c := range []struct {
		args, env []string
		want      string
	}{
		{[]string{"--smtp-url", "smtp://u:canary@relay.example:0", "--mail-from", "a@b.example"}, nil, "--smtp-url: has a port"},
		{nil, []string{"MALOTE_SMTP_URL=http://u:canary@relay.example"}, "does not begin with smtp://"},
		{[]string{"--smtp-url", "smtp://u:canary@relay.example"}, nil, "--mail-from is missing"},
		{[]string{"--smtp-url", "smtp://u:canary@relay.example", "--mail-from", "nobody"}, nil, "--mail-from nobody: is not a mail address"},
		{[]string{"--smtp-url", "smtp://u:canary@relay.example", "--mail-from", "a@b.example", "--mail-language", "fr"}, nil, "--mail-language fr"},
		{[]string{"--mail-from", "a@b.example"}, nil, "--mail-from a@b.example: needs --smtp-url"},
		{[]string{"--smtp-url", "smtp://u:canary@relay.example", "--smtp-url-file", "x"}, nil, "exclude each other"},
		{[]string{"--smtp-url-file", filepath.Join(dir, "not"), "--mail-from", "a@b.example"}, nil, "--smtp-url-file"},
		{[]string{"--smtp-url-file", writeFile(t, "empty", "\n"), "--mail-from", "a@b.example"}, nil, "first line is empty"},
	} {
		code, out, errOut := once(t, clean(t, append(c.env, "MALOTE_MASTER_KEY="+strings.Repeat("A", 43)+"=")...), append([]string{"serve", "--data", dir, "--listen", "127.0.0.1:0"}, c.args...)...)
		if code != exitUsage || !strings.Contains(errOut, c.want) || !strings.Contains(errOut, "fix:") {
			t.Errorf("%v: %d %s", c.args, code, errOut)
		}
		if regexp.MustCompile("canary").MatchString(out + errOut) {
			t.Errorf("%v shows the password: %s", c.args, errOut)
		}
	}
}
