package api

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page's template
	"encoding/base64"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

//go:embed linkpage.html.tmpl
var linkTemplate string

//go:embed linkpage.css
var linkStyle string

// linkPolicy lets the page's own style in by its hash, its one form out to
// its own address, and nothing else: no script, no frame, no picture.
var linkPolicy = "default-src 'none'; style-src 'sha256-" + styleHash(linkStyle) + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

var linkPages = template.Must(template.New("link").Parse(linkTemplate))

func styleHash(css string) string {
	sum := sha256.Sum256([]byte(css))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// linkPageView is a page of a one-time link, in words.
type linkPageView struct {
	Lang, Title, Text string
	Style             template.CSS
	Button, Hint      string     // of a link that is not opened yet
	Action            string     // where the button leads; empty: to the page's own address
	Facts             []linkFact // of one that was opened just now
	Notes             []string
	Fix, Request      string // of what is no success
}

// linkFact is one line of what somebody has to know to verify.
type linkFact struct {
	Name, Value string
	Secret      bool
}

// closedLink is a link before it is opened. It says no more than is needed to
// know what it is: whoever has the link may not be who is meant.
func (s *server) closedLink(l *store.SecretLink, of *store.Lane, in lang.Language) *linkPageView {
	host := of.Endpoint.URL
	if u, err := url.Parse(host); err == nil {
		host = u.Hostname()
	}
	return &linkPageView{
		Title:  lang.Text("The secret of a webhook").In(in),
		Text:   lang.Text("%s (%s) signs the webhooks that it sends to %s with a secret. This link shows it to you.", of.Project.Name, environment(of.Project), host).In(in),
		Hint:   lang.Text("It is shown once: have the place ready where you keep it. The link ends on %s.", l.ExpiresAt.UTC().Format(pageTime)).In(in),
		Button: lang.Text("Show the secret").In(in),
	}
}

// environment of a project, for people.
func environment(p *store.Project) lang.Message {
	if p.Environment == store.Production {
		return lang.Text("production")
	}
	return lang.Text("development")
}

// openedLink shows all that verifying takes.
func openedLink(of *store.Lane, d *webhook.Dialect, in lang.Language) *linkPageView {
	e := of.Endpoint
	v := viewEndpoint(e, d, true)
	p := &linkPageView{
		Title: lang.Text("The secret of your webhook").In(in),
		Text:  lang.Text("This page is not kept, and the link does not open again. Copy the secret now, to where you keep passwords.").In(in),
	}
	fact := func(name lang.Message, value string) {
		if value != "" {
			p.Facts = append(p.Facts, linkFact{Name: name.In(in), Value: value})
		}
	}
	switch {
	case v.PublicKey != nil:
		fact(lang.Text("Public key"), *v.PublicKey)
		p.Notes = append(p.Notes, lang.Text("The signature is of Ed25519: the public key verifies it, and nobody but the sender has the other one.").In(in))
	case v.Secret != nil:
		p.Facts = append(p.Facts, linkFact{Name: lang.Text("Secret").In(in), Value: *v.Secret, Secret: true})
	}
	fact(lang.Text("Sent to"), e.URL)
	fact(lang.Text("By"), of.Project.Name+" ("+environment(of.Project).In(in)+")")
	fact(lang.Text("Event types"), strings.Join(e.EventTypes, ", "))
	if d != nil {
		fact(lang.Text("Header with the signature"), d.Signature.Header)
		fact(lang.Text("How it is signed"), signatureForm(d, e.Secrets[0].Value.Reveal(), in))
		p.Notes = append(p.Notes, lang.Text("Verify the bytes of the body as they come in, before anything reads them as JSON; compare in constant time; answer 401 where the signature does not fit.").In(in))
	}
	if len(v.Secrets) > 0 && v.Secrets[0].SignsFrom != nil {
		p.Notes = append(p.Notes, lang.Text("This secret is new: until %s deliveries are signed with the one before. Accept both until then.", time.Time(*v.Secrets[0].SignsFrom).UTC().Format(pageTime)).In(in))
	}
	return p
}

// signatureForm writes how the header's value is made, as a formula.
func signatureForm(d *webhook.Dialect, secret string, in lang.Language) string {
	var scheme *webhook.Scheme
	for i := range d.Signature.Schemes {
		if s := &d.Signature.Schemes[i]; strings.HasPrefix(secret, s.Key.Prefix) {
			scheme = s
			break
		}
	}
	if scheme == nil {
		return ""
	}
	message := strings.NewReplacer("{body}", lang.Text("body").In(in), "{header:", "", "{", "", "}", "").Replace(d.Signature.Message)
	key := lang.Text("secret").In(in)
	switch {
	case scheme.Key.Decoding == webhook.Verbatim:
	case scheme.Key.Prefix == "":
		key = lang.Text("%s-decoded secret", string(scheme.Key.Decoding)).In(in)
	default:
		key = lang.Text("%s-decoded secret without %s", string(scheme.Key.Decoding), scheme.Key.Prefix).In(in)
	}
	sum := map[webhook.Algorithm]string{
		webhook.HMACSHA256: "HMAC-SHA256(" + key + ", " + message + ")", webhook.HMACSHA512: "HMAC-SHA512(" + key + ", " + message + ")",
		webhook.HMACSHA1: "HMAC-SHA1(" + key + ", " + message + ")", webhook.SHA256: "SHA256(" + message + ")",
		webhook.Ed25519: "Ed25519(" + message + ")", webhook.Token: lang.Text("secret").In(in),
	}[scheme.Algorithm]
	if scheme.Encoding != "" && scheme.Encoding != webhook.Verbatim {
		sum = string(scheme.Encoding) + "(" + sum + ")"
	}
	stamp := ""
	if t := d.Signature.Timestamp; t != nil && t.Item != "" {
		stamp = t.Item + "timestamp" + d.Signature.Separator
	}
	return d.Signature.Header + ": " + stamp + scheme.Prefix + sum
}

// failPage answers with a problem in words, as a page.
func (c *call) failPage(err error) error {
	p := c.refuse(err)
	p.speak(c.language())
	return c.linkPage(&linkPageView{Title: p.Title, Text: sentence(p.Detail), Fix: p.Fix, Request: p.RequestID})
}

// sentence is what stands in a problem as a page has it: with a capital at its
// beginning and a full stop at its end.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.ContainsAny(text[len(text)-1:], ".!?") {
		text += "."
	}
	return text
}

// linkPage writes a page that nobody keeps, frames, finds or hears of.
func (c *call) linkPage(v *linkPageView) error {
	l := c.language()
	v.Lang, v.Style = l.Tag(), template.CSS(linkStyle) //nolint:gosec // our own file
	var b bytes.Buffer
	if err := linkPages.Execute(&b, v); err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Content-Language", l.Tag())
	h.Set("Vary", "Accept-Language")
	h.Set("Content-Security-Policy", linkPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex, nofollow, noarchive")
	h.Set("X-Frame-Options", "DENY")
	c.write([]string{"text/html; charset=utf-8"}, b.Bytes())
	return nil
}

// remoteAddr is the address that a request came from: behind a proxy, the proxy's.
func remoteAddr(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}
