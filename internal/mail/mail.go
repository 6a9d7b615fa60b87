// Package mail tells people by mail what happened to their endpoints. What is
// told, to whom and how often is the store's: it keeps mails as rows, made
// after the commits that they tell of. This package puts them into words, in
// the reader's language, and hands them to the operator's relay, one
// connection at a time; what the relay does not take waits, and nothing else
// waits for it.
//
// A mail is sent at least once: a crash between the relay's answer and our
// commit repeats it, with the same Message-ID.
package mail

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// Pace of mailing.
const (
	batchSize  = 50                    // mails read, and sent over one connection, at a time
	tendRest   = 20 * time.Millisecond // between transactions that make mails
	faultRest  = time.Second           // after a fault of the store
	pauseLeast = 5 * time.Second       // after the relay failed, twice as long each time
	pauseMost  = 5 * time.Minute       // at most
	againLeast = time.Minute           // until a mail that was put off is tried again
	againMost  = time.Hour             // at most
	giveUp     = 24 * time.Hour        // after this a mail is old news
	exchange   = 30 * time.Second      // limit of each step of an exchange with the relay
	finishing  = 5 * time.Second       // that a mail under way has when the server stops
)

// Store is where mails come from.
type Store interface {
	// TendMails makes mails of what is to be told; true: there is more to do.
	TendMails(ctx context.Context, limit int) (more bool, err error)
	// Mails gives those that are due, the oldest first, and says when to ask
	// again; zero: when MailsReady says so.
	Mails(ctx context.Context, limit int) (due []*store.Mail, again time.Time, err error)
	// MailsReady is signalled when there may be something to do.
	MailsReady() <-chan struct{}
	// SettleMails keeps what came of mails.
	SettleMails(ctx context.Context, results []store.MailResult) error
	// MailsQueued is how many wait.
	MailsQueued() int64
}

// Options of a mailer.
type Options struct {
	Store     Store
	Server    *Server
	Relay     *egress.Relay // nil: the server's
	From      Sender
	Language  lang.Language // where nobody chose one
	PublicURL string        // that links begin with, without a slash at its end; empty: there are none
	Logger    *slog.Logger
	Metrics   prometheus.Registerer // nil: nobody counts
}

// Mailer sends mails.
type Mailer struct {
	o       Options
	log     *slog.Logger
	metrics *metrics

	pause time.Duration // the least; tests are in more of a hurry

	// Of the running goroutine alone.
	faults int       // of the relay, in a row
	until  time.Time // when it is tried again
}

// New makes a mailer; Run has it work.
func New(o Options) *Mailer {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Relay == nil {
		o.Relay = o.Server.Relay()
	}
	return &Mailer{o: o, log: o.Logger.With("relay", o.Server.Host), metrics: newMetrics(o.Metrics, o.Store), pause: pauseLeast}
}

// Relay is where mails go.
func (m *Mailer) Relay() *egress.Relay { return m.o.Relay }

// Run sends mails until ctx ends; one that is under way has a few seconds more.
func (m *Mailer) Run(ctx context.Context) error {
	if err := m.o.Relay.Find(ctx); err != nil && ctx.Err() == nil {
		m.log.Warn("the mail relay's name is not known to DNS; mails wait", "error", err)
	}
	for ctx.Err() == nil {
		next, err := m.step(ctx)
		if err != nil && ctx.Err() == nil {
			m.log.Error("mails cannot be read or kept; tried again", "error", err)
			next = time.Now().Add(faultRest)
		}
		m.wait(ctx, next)
	}
	return nil
}

// wait sleeps until a time (zero: for as long as nothing comes), or until there
// is something new.
func (m *Mailer) wait(ctx context.Context, until time.Time) {
	var timer <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
	case <-m.o.Store.MailsReady():
	case <-timer:
	}
}

// step does what is to be done, and says when there is more.
func (m *Mailer) step(ctx context.Context) (next time.Time, err error) {
	more, err := m.o.Store.TendMails(ctx, batchSize)
	if err != nil {
		return next, err
	}
	if more {
		return time.Now().Add(tendRest), nil
	}
	due, again, err := m.o.Store.Mails(ctx, batchSize)
	if err != nil {
		return next, err
	}
	fresh, err := m.dropOld(ctx, due)
	switch {
	case err != nil:
		return next, err
	case len(fresh) == 0 && len(due) > 0:
		return time.Now(), nil
	case len(fresh) == 0:
		return again, nil
	case time.Now().Before(m.until):
		return m.until, nil
	}
	if err := m.deliver(ctx, fresh); err != nil {
		return next, err
	}
	return time.Now(), nil
}

// dropOld gives up what is too old to be news, and what says nothing.
func (m *Mailer) dropOld(ctx context.Context, due []*store.Mail) (fresh []*store.Mail, err error) {
	var over []store.MailResult
	for _, mail := range due {
		if time.Since(mail.MadeAt) < giveUp && letterOf(mail.Notice) != nil {
			fresh = append(fresh, mail)
			continue
		}
		over = append(over, store.MailResult{ID: mail.ID})
	}
	if len(over) == 0 {
		return fresh, nil
	}
	m.metrics.failed.Add(float64(len(over)))
	m.log.Warn("mails are given up: the relay did not take them within a day", "mails", len(over))
	return fresh, m.o.Store.SettleMails(ctx, over)
}

// deliver sends mails over one connection. A fault of the relay leaves them as
// they are, and has it left alone for a while.
func (m *Mailer) deliver(ctx context.Context, mails []*store.Mail) error {
	s, err := m.connect(ctx)
	if err != nil {
		m.relayFailed(ctx, err)
		return nil
	}
	defer s.close()
	for _, mail := range mails {
		if ctx.Err() != nil {
			return nil
		}
		err := s.send(m.message(mail))
		var refusal *refused
		if err != nil && !errors.As(err, &refusal) {
			m.relayFailed(ctx, err)
			return nil
		}
		r := store.MailResult{ID: mail.ID}
		if refusal != nil && !refusal.final {
			r.Again = time.Now().Add(againAfter(mail.Tries))
		}
		// What the relay took is kept also when the server stops meanwhile.
		if err := m.o.Store.SettleMails(context.WithoutCancel(ctx), []store.MailResult{r}); err != nil {
			return err
		}
		m.settled(mail, refusal)
	}
	return nil
}

// settled counts a mail, and says what is wrong with one that was not taken.
func (m *Mailer) settled(mail *store.Mail, why *refused) {
	switch {
	case why == nil:
		m.metrics.sent.Inc()
	case why.final:
		m.metrics.failed.Inc()
		m.log.Warn("the mail relay refuses a mail for good", m.about(mail, why)...)
	default:
		m.metrics.deferred.Inc()
		m.log.Info("the mail relay puts a mail off", m.about(mail, why)...)
	}
	m.relayWorks()
}

// about names a mail in the log: by its mailbox, and the host of its address,
// which is a person's.
func (m *Mailer) about(mail *store.Mail, why error) []any {
	_, host, _ := strings.Cut(mail.Address, "@")
	return []any{"mailbox", store.MailboxName.Format(mail.Mailbox), "host", host, "error", why}
}

func (m *Mailer) relayFailed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	pause := min(m.pause<<min(m.faults, 10), pauseMost)
	m.until = time.Now().Add(pause + rand.N(pause/4))
	if m.faults++; m.faults == 1 {
		m.log.Warn("the mail relay fails: mails wait, and nothing else does", "error", err, "queued", m.o.Store.MailsQueued())
	}
	m.metrics.up.Set(0)
}

func (m *Mailer) relayWorks() {
	if m.faults > 0 {
		m.log.Info("the mail relay takes mails again", "faults", m.faults)
	}
	m.faults, m.until = 0, time.Time{}
	m.metrics.up.Set(1)
}

func againAfter(tries int) time.Duration {
	wait := min(againLeast<<min(tries, 10), againMost)
	return wait + rand.N(wait/4)
}
