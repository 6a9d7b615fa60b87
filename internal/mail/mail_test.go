package mail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// office is a store with a mailer that writes through a relay.
type office struct {
	*testing.T
	relay   *relay
	db      *store.DB
	o       store.Options
	project *store.Project
	log     *syncBuffer
	metrics *prometheus.Registry
	mailer  Options
	end     func() error
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// newOffice opens one; nothing runs yet. change alters the mailer.
func newOffice(t *testing.T, r *relay, scheme string, change func(*Options)) *office {
	t.Helper()
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	if err != nil {
		t.Fatal(err)
	}
	f := &office{T: t, relay: r, log: &syncBuffer{}, metrics: prometheus.NewRegistry()}
	f.o = store.Options{Dir: t.TempDir(), Keyring: ring, MinFree: -1, Mail: true}
	f.open()
	t.Cleanup(func() { f.close() })
	f.project = &store.Project{Name: "Shop", Environment: store.Production, Dialect: "standard"}
	f.no(f.db.CreateProject(t.Context(), f.project))
	_, _, err = f.db.PutConsumer(t.Context(), f.project.ID, "acme", func(c *store.Consumer) { c.Emails = []string{"ti@acme.example"} })
	f.no(err)
	f.mailer = r.options(scheme)
	if change != nil {
		change(&f.mailer)
	}
	return f
}

func (f *office) no(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *office) open() {
	f.Helper()
	var err error
	f.db, err = store.Open(f.Context(), f.o)
	f.no(err)
}

func (f *office) close() {
	f.Helper()
	f.stop()
	f.no(f.db.Close())
}

// start has a mailer run on the store.
func (f *office) start() *Mailer {
	f.Helper()
	o := f.mailer
	o.Store, o.Logger, o.Metrics = f.db, slog.New(slog.NewTextHandler(f.log, nil)), f.metrics
	m := New(o)
	m.pause = 10 * time.Millisecond
	ctx, cancel := context.WithCancel(context.WithoutCancel(f.Context()))
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	f.end = func() error { cancel(); return <-ended }
	return m
}

func (f *office) stop() {
	f.Helper()
	if f.end != nil {
		f.no(f.end())
		f.end = nil
	}
}

// fail has an attempt at a new endpoint of a consumer fail.
func (f *office) fail(consumer string) {
	f.Helper()
	e := &store.Endpoint{
		ProjectID: f.project.ID, Consumer: consumer, URL: "https://" + consumer + ".example/hooks?token=t", EventTypes: []string{"*"},
		Secrets: []store.SigningSecret{{Value: "whsec_1"}},
	}
	f.no(f.db.CreateEndpoint(f.Context(), e, 0))
	subs, err := f.db.Subscriptions(f.Context(), f.project.ID, consumer)
	f.no(err)
	event := &store.Event{ProjectID: f.project.ID, Consumer: consumer, Type: "invoice.paid", Data: []byte(`{}`), Dialect: "standard/1", Time: time.Now()}
	kept, err := f.db.Accept(f.Context(), []*store.Acceptance{{Event: event, Endpoints: []store.ID{e.ID}, Version: subs.Version}})
	f.no(errors.Join(err, kept[0].Err))
	page, err := f.db.Deliveries(f.Context(), f.project.ID, store.Filter{EventID: kept[0].EventID, Limit: 1})
	f.no(err)
	done := make(chan error, 1)
	f.db.Finish(&store.Outcome{
		Work: &store.Work{ID: page.Items[0].ID, EndpointID: e.ID, Event: event}, State: store.Pending, DueAt: time.Now().Add(time.Minute),
		Attempt: store.Attempt{Number: 1, At: time.Now(), Status: 500, Class: store.ClassStatus, Detail: "answered 500 Internal Server Error"},
	}, func(err error) { done <- err })
	f.no(<-done)
}

// consumer with an address of its own.
func (f *office) consumer(uid, address string) {
	f.Helper()
	_, _, err := f.db.PutConsumer(f.Context(), f.project.ID, uid, func(c *store.Consumer) { c.Emails = []string{address} })
	f.no(err)
}

// eventually waits until something is so.
func (f *office) eventually(what string, is func() bool) {
	f.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); {
		if time.Now().After(deadline) {
			f.Fatalf("not in time: %s\n%s", what, f.log)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func (f *office) metric(name, labels string) float64 {
	f.Helper()
	all, err := f.metrics.Gather()
	f.no(err)
	for _, family := range all {
		for _, m := range family.GetMetric() {
			var have []string
			for _, l := range m.GetLabel() {
				have = append(have, l.GetValue())
			}
			if family.GetName() == name && strings.Join(have, ",") == labels {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	f.Fatalf("no metric %s %s", name, labels)
	return 0
}

// TestMailArrives, whole: as a person and as a program read it.
func TestMailArrives(t *testing.T) {
	t.Parallel()
	r := newRelay(t, nil)
	f := newOffice(t, r, "smtp", func(o *Options) { o.PublicURL = "https://webhooks.shop.example" })
	f.start()
	f.fail("acme")
	m := r.next()
	if m.from != "webhooks@shop.example" || m.to != "ti@acme.example" || m.subject() != "[Shop] A webhook to acme.example was not taken" {
		t.Errorf("from %s to %s: %s", m.from, m.to, m.subject())
	}
	want := []string{"Auto-Submitted", "Content-Language", "Content-Type", "Date", "From", "List-Unsubscribe", "List-Unsubscribe-Post", "Message-Id", "Mime-Version", "Subject", "To"}
	if got := m.headerNames(); !slices.Equal(got, want) {
		t.Errorf("headers %v", got)
	}
	if m.header.Get("Auto-Submitted") != "auto-generated" || m.header.Get("From") != `"Shop" <webhooks@shop.example>` || m.header.Get("To") != "<ti@acme.example>" ||
		m.header.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" || !strings.HasSuffix(m.header.Get("Message-Id"), "@shop.example>") {
		t.Errorf("%v", m.header)
	}
	stop := strings.Trim(m.header.Get("List-Unsubscribe"), "<>")
	for part, body := range map[string]string{"text": m.text, "html": m.html} {
		for _, words := range []string{"Shop sent a webhook to acme.example", "answered 500 Internal Server Error", "its own log, at that time, says why", "invoice.paid", stop, "https://webhooks.shop.example/docs", "ti@acme.example"} {
			if !strings.Contains(body, words) {
				t.Errorf("the %s lacks %q:\n%s", part, words, body)
			}
		}
		if strings.Contains(body, "token=t") || strings.Contains(body, "whsec") || strings.Contains(strings.ToLower(body), "malote") {
			t.Errorf("the %s says too much:\n%s", part, body)
		}
	}
	box, err := f.db.Mailbox(t.Context(), secret.Text(stop[strings.LastIndex(stop, "/")+1:]))
	if err != nil || box.Address != "ti@acme.example" {
		t.Errorf("%+v %v", box, err)
	}
	f.eventually("the mail is settled", func() bool { return f.db.MailsQueued() == 0 })
	if n := f.metric("malote_mails_total", "sent"); n != 1 {
		t.Errorf("%v sent", n)
	}
	r.none()
}

// TestLanguageOfTheReader, and the server's where nobody chose.
func TestLanguageOfTheReader(t *testing.T) {
	t.Parallel()
	r := newRelay(t, nil)
	f := newOffice(t, r, "smtp", func(o *Options) { o.Language = 1 })
	f.start()
	f.fail("acme")
	if m := r.next(); m.subject() != "[Shop] Um webhook para acme.example não foi aceito" || m.header.Get("Content-Language") != "pt-BR" ||
		!strings.Contains(m.text, "respondeu 500 Internal Server Error") || !strings.Contains(m.html, `<html lang="pt-BR">`) {
		t.Errorf("%s\n%s", m.subject(), m.text)
	}
	_, _, err := f.db.PutConsumer(t.Context(), f.project.ID, "acme", func(c *store.Consumer) { c.Language = "en" })
	f.no(err)
	f.fail("acme")
	if m := r.next(); m.subject() != "[Shop] A webhook to acme.example was not taken" {
		t.Error(m.subject())
	}
}

// TestPasswordsNeedTLS: in the clear goes nothing that the operator did not
// say might.
func TestPasswordsNeedTLS(t *testing.T) {
	t.Parallel()
	const password = "canary-p&ss/wörd"
	for name, c := range map[string]struct {
		security Security
		change   func(*relay)
		trusted  bool
		arrives  bool
		tls      bool
	}{
		"STARTTLS":                      {StartTLS, nil, true, true, true},
		"STARTTLS that is not offered":  {StartTLS, func(r *relay) { r.server.TLSConfig = nil }, true, false, false},
		"a certificate of nobody known": {StartTLS, nil, false, false, false},
		"TLS":                           {TLS, func(r *relay) { r.tls = true }, true, true, true},
		"TLS of nobody known":           {TLS, func(r *relay) { r.tls = true }, false, false, false},
		"TLS that is none":              {TLS, nil, true, false, false},
		"insecure":                      {Insecure, func(r *relay) { r.server.TLSConfig = nil }, true, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRelay(t, func(r *relay) {
				r.user, r.password = "user", password
				if c.change != nil {
					c.change(r)
				}
			})
			server := &Server{Host: "127.0.0.1", Port: uint16(r.addr.Port), Security: c.security, User: "user", Password: secret.Text(password)}
			o := server.relay()
			if c.trusted {
				o.RootCAs = r.roots
			}
			m := New(Options{Server: server, Relay: egress.NewRelay(o), From: Sender{Address: "a@b.example"}, Store: &store.DB{}})
			err := m.Test(t.Context(), "ti@acme.example", 0)
			if (err == nil) != c.arrives {
				t.Fatal(err)
			}
			if !c.arrives {
				if r.count() > 0 || r.logins > 0 {
					t.Error("something went over")
				}
				return
			}
			if got := r.next(); got.tls != c.tls || r.inClear != !c.tls {
				t.Errorf("TLS is %v", got.tls)
			}
		})
	}
}

// TestWhatARelayRefuses: what is about a mail ends that mail or puts it off,
// and what is about all of them has them wait. Nothing is lost to a mistake in
// the settings.
func TestWhatARelayRefuses(t *testing.T) {
	t.Parallel()
	answer := func(step string, code int, enhanced ...int) func(string, string) error {
		e := smtp.EnhancedCode{code / 100, 0, 0}
		copy(e[:], enhanced)
		return func(s, what string) error {
			if s == step && !strings.HasPrefix(what, "fine@") {
				return &smtp.SMTPError{Code: code, EnhancedCode: e, Message: "no, says the canary ana@acme.example"}
			}
			return nil
		}
	}
	for name, c := range map[string]struct {
		answer func(string, string) error
		what   string // dropped, deferred, waits
	}{
		"nobody there":        {answer("rcpt", 550, 5, 1, 1), "dropped"},
		"mailbox full":        {answer("rcpt", 452, 4, 2, 2), "deferred"},
		"relaying denied":     {answer("rcpt", 554, 5, 7, 1), "deferred"},
		"login is missing":    {answer("rcpt", 530, 5, 7, 0), "waits"},
		"content refused":     {answer("data", 554, 5, 6, 0), "dropped"},
		"greylisted":          {answer("data", 451, 4, 7, 1), "deferred"},
		"not our sender":      {answer("mail", 553, 5, 7, 1), "waits"},
		"too many now":        {answer("mail", 421, 4, 7, 0), "waits"},
		"service unavailable": {answer("connect", 421, 4, 3, 2), "waits"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRelay(t, nil)
			r.answers(c.answer)
			f := newOffice(t, r, "smtp", nil)
			f.start()
			f.fail("acme")
			switch c.what {
			case "dropped":
				f.eventually("it is given up", func() bool { return f.metric("malote_mails_total", "failed") == 1 && f.db.MailsQueued() == 0 })
			case "deferred":
				f.eventually("it is put off", func() bool { return f.metric("malote_mails_total", "deferred") == 1 })
				due, next, err := f.db.Mails(t.Context(), 10)
				f.no(err)
				if len(due) != 0 || time.Until(next) < 50*time.Second || time.Until(next) > 2*time.Minute || f.db.MailsQueued() != 1 {
					t.Errorf("%d due, then %s", len(due), next)
				}
			case "waits":
				f.eventually("the relay is said to fail", func() bool { return f.metric("malote_mail_relay_up", "") == 0 })
				if f.db.MailsQueued() != 1 {
					t.Error("it does not wait")
				}
			}
			// The others are not held up by it.
			f.consumer("fine", "fine@fine.example")
			if c.what != "waits" {
				f.fail("fine")
			} else {
				r.answers(nil)
			}
			r.next()
			log := f.log.String()
			if strings.Contains(log, "ana@") || strings.Contains(log, "ti@") {
				t.Errorf("the log has an address:\n%s", log)
			}
			if n := strings.Count(log, "level=WARN"); n > 1 {
				t.Errorf("%d warnings:\n%s", n, log)
			}
		})
	}
}

// TestADeadRelay is waited for, and by nothing else than mails.
func TestADeadRelay(t *testing.T) {
	t.Parallel()
	r := newRelay(t, nil)
	r.stop()
	f := newOffice(t, r, "smtp", nil)
	f.start()
	for range 20 {
		f.fail("acme")
	}
	f.eventually("mails wait", func() bool { return f.db.MailsQueued() == 12 && f.metric("malote_mail_relay_up", "") == 0 })
	if h := f.db.Health(t.Context()); h.Err != nil {
		t.Error(h.Err)
	}
	f.stop()
	f.metrics = prometheus.NewRegistry()
	f.start()
	f.eventually("it is tried again", func() bool { return f.metric("malote_mail_relay_up", "") == 0 })
	r.again()
	for range 12 {
		r.next()
	}
	f.eventually("all are settled", func() bool { return f.db.MailsQueued() == 0 && f.metric("malote_mail_relay_up", "") == 1 })
	r.none()
	if !strings.Contains(f.log.String(), "takes mails again") {
		t.Errorf("%s", f.log)
	}
}

// TestACrashRepeatsOneMail, under the same Message-ID, and no other.
func TestACrashRepeatsOneMail(t *testing.T) {
	t.Parallel()
	r := newRelay(t, nil)
	f := newOffice(t, r, "smtp", nil)
	for range 3 {
		f.fail("acme")
	}
	// As Run does it, but that the crash comes before what was sent is kept.
	_, err := f.db.TendMails(t.Context(), 50)
	f.no(err)
	due, _, err := f.db.Mails(t.Context(), 50)
	f.no(err)
	o := f.mailer
	o.Store = f.db
	m := New(o)
	s, err := m.connect(t.Context())
	f.no(err)
	f.no(s.send(m.message(due[0])))
	s.close()
	first := r.next()
	f.no(f.db.Close())
	f.open()
	f.start()
	var ids []string
	for range 3 {
		ids = append(ids, r.next().header.Get("Message-Id"))
	}
	if ids[0] != first.header.Get("Message-Id") || ids[1] == ids[0] || ids[2] == ids[1] {
		t.Errorf("%v, and before %s", ids, first.header.Get("Message-Id"))
	}
	f.eventually("all are settled", func() bool { return f.db.MailsQueued() == 0 })
	f.stop()
	f.metrics = prometheus.NewRegistry()
	f.start() // and once more: nothing is left to repeat
	f.fail("acme")
	r.next()
	r.none()
}

// TestAStopFinishesTheMailUnderWay, and does not wait for a relay that says nothing.
func TestAStopFinishesTheMailUnderWay(t *testing.T) {
	t.Parallel()
	r := newRelay(t, nil)
	arrived, answer := make(chan struct{}), make(chan struct{})
	r.answers(func(step, _ string) error {
		if step == "data" {
			close(arrived)
			<-answer
		}
		return nil
	})
	f := newOffice(t, r, "smtp", nil)
	f.start()
	f.fail("acme")
	<-arrived
	stopped := make(chan struct{})
	go func() { defer close(stopped); f.stop() }()
	select {
	case <-stopped:
		t.Error("it stopped amid a mail")
	case <-time.After(50 * time.Millisecond):
	}
	close(answer)
	<-stopped
	r.next()
	if n := f.db.MailsQueued(); n != 0 {
		t.Errorf("%d are queued: it will be sent again", n)
	}
}

// TestASilentRelay, that takes connections and says nothing, delays no stop.
func TestASilentRelay(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	held := make(chan net.Conn, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			held <- c
		}
	}()
	r := newRelay(t, nil)
	r.addr = l.Addr().(*net.TCPAddr)
	f := newOffice(t, r, "smtp", nil)
	f.start()
	f.fail("acme")
	c := <-held
	defer c.Close()
	start := time.Now()
	f.stop()
	if took := time.Since(start); took > finishing+5*time.Second {
		t.Errorf("a stop took %s", took)
	}
	if f.db.MailsQueued() != 1 {
		t.Error("the mail is lost")
	}
}

// TestThePasswordIsNowhere: not in the log, in errors, in metrics, whatever
// the relay says back.
func TestThePasswordIsNowhere(t *testing.T) {
	t.Parallel()
	const password = "canary-password-1"
	r := newRelay(t, func(r *relay) { r.user, r.password = "canary-user", "another" })
	f := newOffice(t, r, "smtp", func(o *Options) { o.Server.Password = password })
	m := f.start()
	f.fail("acme")
	f.eventually("the relay is said to fail", func() bool { return f.metric("malote_mail_relay_up", "") == 0 })
	err := m.Test(t.Context(), "x@y.example", 0)
	if err == nil {
		t.Fatal("a wrong password is taken")
	}
	f.stop()
	said := fmt.Sprintf("%s\n%v\n%+v\n%#v\n%v", f.log, err, f.mailer, f.mailer.Server, *f.mailer.Server)
	for _, form := range []string{password, "Y2FuYXJ5", "canary-password"} {
		if strings.Contains(said, form) {
			t.Errorf("%s is said:\n%s", form, said)
		}
	}
	if !strings.Contains(err.Error(), "535") {
		t.Errorf("the relay's answer is not there: %v", err)
	}
}

// TestOldMailsAreGivenUp where the relay was dead for a day.
func TestOldMailsAreGivenUp(t *testing.T) {
	t.Parallel()
	r := newRelay(t, nil)
	f := newOffice(t, r, "smtp", nil)
	f.fail("acme")
	f.fail("acme")
	_, err := f.db.TendMails(t.Context(), 10)
	f.no(err)
	due, _, err := f.db.Mails(t.Context(), 10)
	f.no(err)
	due[0].MadeAt = time.Now().Add(-25 * time.Hour)
	o := f.mailer
	o.Store, o.Metrics = f.db, f.metrics
	fresh, err := New(o).dropOld(t.Context(), due)
	if err != nil || len(fresh) != 1 || fresh[0] != due[1] || f.db.MailsQueued() != 1 || f.metric("malote_mails_total", "failed") != 1 {
		t.Errorf("%d left, %d queued: %v", len(fresh), f.db.MailsQueued(), err)
	}
}

func TestPauses(t *testing.T) {
	t.Parallel()
	for tries, least := range map[int]time.Duration{0: time.Minute, 1: 2 * time.Minute, 5: 32 * time.Minute, 6: time.Hour, 1000: time.Hour} {
		if d := againAfter(tries); d < least || d > least*5/4 {
			t.Errorf("after %d tries: %s", tries, d)
		}
	}
}
