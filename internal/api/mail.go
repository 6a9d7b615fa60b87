package api

import (
	"context"
	"errors"
	"time"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// mailPath is where the links in mails lead; the token follows.
const mailPath = "/m/"

// mailTestFor is how long a test of the mail relay may take.
const mailTestFor = 20 * time.Second

func (s *server) mailRoutes() []*route {
	return []*route{
		{method: "POST", pattern: "/v1/mail/test", summary: "Send a mail to try the settings", scope: root, body: smallBody, status: 200, safe: true, action: takes(s.tryMail)},
		{method: "GET", pattern: mailPath + "{token}", summary: "Where a mail leads whoever wants no more, for people", scope: public, status: 200, action: action{run: s.showMailbox}},
		{method: "POST", pattern: mailPath + "{token}", summary: "Get no more mails", scope: public, status: 200, action: action{run: s.stopMails}},
		{method: "POST", pattern: mailPath + "{token}/start", summary: "Get mails again", scope: public, status: 200, action: action{run: s.startMails}},
	}
}

type mailTest struct {
	To       string           `json:"to"`
	Language optional[string] `json:"language"`
}

// mailTested is what came of it. What the relay said is of its operator's.
type mailTested struct {
	Sent   bool   `json:"sent"`
	Detail string `json:"detail"` // of a failure, as the relay or the connection to it says it
}

// tryMail sends a mail now. That it fails is an answer, and no fault of the
// request.
func (s *server) tryMail(c *call, in *mailTest) (mailTested, error) {
	var errs ingest.FieldErrors
	errs.AddText("/to", store.CheckEmail(in.To))
	if checkLanguage(in.Language, &errs); len(errs) > 0 {
		return mailTested{}, errs
	}
	if s.testMail == nil {
		return mailTested{}, kindConflict.problem("this server mails nothing: it knows no mail relay").
			fixed("Start it with --smtp-url and --mail-from; docs/operations.md says how.")
	}
	if !s.tests.admit(store.ID{}, time.Now()) {
		return mailTested{}, kindTooMany.problem("one test of the mail relay a second").with("Retry-After", "1")
	}
	l, ok := lang.Tagged(in.Language.Value)
	if !ok {
		l = c.language()
	}
	ctx, cancel := context.WithTimeout(c.r.Context(), mailTestFor)
	defer cancel()
	if err := s.testMail(ctx, in.To, l); err != nil {
		return mailTested{Detail: err.Error()}, nil
	}
	return mailTested{Sent: true}, nil
}

// mailToken is that of the path, if it may be asked for now.
func (s *server) mailToken(c *call) (secret.Text, error) {
	if !s.links.admit(remoteAddr(c.r), time.Now()) {
		return "", kindTooMany.problem("too many links are being opened at once").with("Retry-After", "1").fixed("Wait a few seconds, then open the link again.")
	}
	return secret.Text(c.r.PathValue("token")), nil
}

func mailboxProblem(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return kindNotFound.problem("no such link is known here: it may not have been copied whole, or nothing was mailed to you for long").
			fixed("Use the link of a newer mail.")
	}
	return err
}

// showMailbox asks whether it is meant: programs that look at every link in a
// mail follow links and press no buttons.
func (s *server) showMailbox(c *call) error {
	token, err := s.mailToken(c)
	if err != nil {
		return c.failPage(err)
	}
	box, err := s.store.Mailbox(c.r.Context(), token)
	if err != nil {
		return c.failPage(mailboxProblem(err))
	}
	return c.linkPage(mailboxPage(box, token, c.language()))
}

// stopMails ends what is mailed to an address: the page's button, and the
// button that a mail program makes of the header List-Unsubscribe (RFC 8058).
func (s *server) stopMails(c *call) error { return s.switchMails(c, true) }

func (s *server) startMails(c *call) error { return s.switchMails(c, false) }

func (s *server) switchMails(c *call, stop bool) error {
	token, err := s.mailToken(c)
	if err != nil {
		return c.failPage(err)
	}
	ctx := store.WithActor(c.r.Context(), store.Actor{Kind: store.ActorLink, Request: c.id})
	box, err := s.store.StopMails(ctx, token, stop)
	if err != nil {
		return c.failPage(mailboxProblem(err))
	}
	return c.linkPage(mailboxPage(box, token, c.language()))
}

// mailboxPage says where an address stands, and has a button for the other way.
func mailboxPage(box *store.Mailbox, token secret.Text, in lang.Language) *linkPageView {
	if box.StoppedAt.IsZero() {
		return &linkPageView{
			Title:  lang.Text("Mails about webhooks").In(in),
			Text:   lang.Text("%s is told by mail when webhooks of %s fail, and when they arrive again.", box.Address, box.Project.Name).In(in),
			Button: lang.Text("Get no more of these mails").In(in), Action: mailPath + token.Reveal(),
			Hint: lang.Text("You can have them again, on this page.").In(in),
		}
	}
	return &linkPageView{
		Title:  lang.Text("You get no more mails about webhooks").In(in),
		Text:   lang.Text("%s is told nothing more about webhooks of %s, also where it is named for another of them.", box.Address, box.Project.Name).In(in),
		Button: lang.Text("Get these mails again").In(in), Action: mailPath + token.Reveal() + "/start",
		Hint: lang.Text("What happened meanwhile is not sent.").In(in),
	}
}
