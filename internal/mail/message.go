package mail

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"html/template"
	netmail "net/mail"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

//go:embed letter.html.tmpl
var letterTemplate string

var letterPage = template.Must(template.New("letter").Parse(letterTemplate))

// page is a letter in one language.
type page struct {
	Lang, Subject string
	Paragraphs    []string
	Facts         []pageFact
	Links         []pageLink
	Footer        []string
	Stop          *pageLink
}

type pageFact struct{ Name, Value string }

type pageLink struct{ Name, URL string }

// stopPath leads to the page where whoever got a mail says that he wants no more.
const stopPath = "/m/"

// message puts a mail into the form that goes over the wire.
func (m *Mailer) message(mail *store.Mail) *gomail.Msg {
	l := letterOf(mail.Notice)
	in, ok := lang.Tagged(mail.Notice.Language)
	if !ok {
		in = m.o.Language
	}
	stop := ""
	if m.o.PublicURL != "" {
		l.links = append(l.links, link{lang.Text("Documentation"), m.o.PublicURL + "/docs"})
		stop = m.o.PublicURL + stopPath + mail.Token.Reveal()
	}
	l.footer = because(mail.Notice, mail.Address, stop)
	return m.compose(mail.Address, mail.ID, l.in(in, stop), stop)
}

// Test sends a mail now, to try whether the relay takes it. Its error is what
// the relay said, or why it said nothing, without what is secret.
func (m *Mailer) Test(ctx context.Context, to string, in lang.Language) error {
	s, err := m.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	l := &letter{
		subject:    lang.Text("A test of webhook mails"),
		paragraphs: []lang.Message{lang.Text("If you read this, the server that sends webhooks can write to you. It does so when an endpoint fails, and when it works again.")},
	}
	var id store.ID
	_, _ = rand.Read(id[:]) // never fails (Go 1.24)
	return s.send(m.compose(to, id, l.in(in, ""), ""))
}

// because says why somebody gets a mail, and how to get no more.
func because(n *store.Notice, address, stop string) (out []lang.Message) {
	switch n.Because {
	case store.BecauseEndpoint:
		out = append(out, lang.Text("%s gets this because it stands among the e-mails of the endpoint.", address))
	case store.BecauseConsumer:
		out = append(out, lang.Text("%s gets this because it stands among the e-mails of the webhook consumer.", address))
	default:
		out = append(out, lang.Text("%s gets this because it stands among the e-mails of the project %s.", address, n.Project))
	}
	if stop == "" {
		out = append(out, lang.Text("To get no more of these, have the address taken off there."))
	}
	return out
}

// in says a letter in a language.
func (l *letter) in(in lang.Language, stop string) *page {
	p := &page{Lang: in.Tag(), Subject: oneLine(l.subject.In(in))}
	for _, m := range l.paragraphs {
		p.Paragraphs = append(p.Paragraphs, m.In(in))
	}
	for _, f := range l.facts {
		p.Facts = append(p.Facts, pageFact{said(f.name, in), said(f.value, in)})
	}
	for _, k := range l.links {
		p.Links = append(p.Links, pageLink{k.name.In(in), k.url})
	}
	for _, m := range l.footer {
		p.Footer = append(p.Footer, m.In(in))
	}
	if stop != "" {
		p.Stop = &pageLink{lang.Text("Get no more of these mails").In(in), stop}
	}
	return p
}

// said is a message in a language, or a text as it is.
func said(v any, in lang.Language) string {
	if m, ok := v.(lang.Message); ok {
		return m.In(in)
	}
	return v.(string)
}

// oneLine is a text without what could begin another header.
func oneLine(s string) string { return strings.Map(printable, s) }

// text is a page without form.
func (p *page) text() string {
	var b strings.Builder
	for _, s := range p.Paragraphs {
		b.WriteString(s + "\n\n")
	}
	for _, f := range p.Facts {
		b.WriteString(f.Name + ": " + f.Value + "\n")
	}
	if len(p.Facts) > 0 {
		b.WriteString("\n")
	}
	for _, k := range p.Links {
		b.WriteString(k.Name + ": " + k.URL + "\n\n")
	}
	b.WriteString("-- \n")
	for _, s := range p.Footer {
		b.WriteString(s + "\n")
	}
	if p.Stop != nil {
		b.WriteString(p.Stop.Name + ": " + p.Stop.URL + "\n")
	}
	return b.String()
}

// compose makes the message. Every header is set as a value, never as text
// that is read again; addresses were checked when they were entered.
func (m *Mailer) compose(to string, id store.ID, p *page, stop string) *gomail.Msg {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&netmail.Address{Name: oneLine(m.o.From.Name), Address: m.o.From.Address})
	msg.ToMailAddress(&netmail.Address{Address: to})
	msg.Subject(p.Subject)
	msg.SetDate()
	_, host, _ := strings.Cut(m.o.From.Address, "@")
	msg.SetMessageIDWithValue(id.String() + "@" + host)  // the same however often it is sent
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's holiday answers it
	msg.SetGenHeader("Content-Language", p.Lang)
	if stop != "" {
		msg.SetGenHeaderPreformatted(gomail.HeaderListUnsubscribe, "<"+stop+">")
		msg.SetGenHeader(gomail.HeaderListUnsubscribePost, "List-Unsubscribe=One-Click")
	}
	msg.SetBodyString(gomail.TypeTextPlain, p.text())
	var html bytes.Buffer
	if err := letterPage.Execute(&html, p); err == nil { // the template is our own, and knows the page
		msg.AddAlternativeString(gomail.TypeTextHTML, html.String())
	}
	return msg
}
