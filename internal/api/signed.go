package api

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Signer makes requests as an attempt would, and sends nothing.
type Signer interface {
	Sign(ctx context.Context, d *store.Delivery, event *store.Event) (*egress.Request, error)
}

// signedView is the request of a delivery's next attempt, signed now.
type signedView struct {
	Method  string       `json:"method"`
	URL     string       `json:"url"`
	Headers []headerView `json:"headers"`
	contentView
	Redacted []string `json:"redacted"` // headers whose values are secret, and are shown as [redacted]
	Curl     string   `json:"curl"`     // the same as a command line
}

const notShown = "[redacted]"

func (s *server) signDelivery(c *call, _ *none) (signedView, error) {
	d, err := s.delivery(c)
	if err != nil {
		return signedView{}, err
	}
	event, err := s.store.Event(c.r.Context(), c.key.ProjectID, d.EventID)
	if errors.Is(err, store.ErrNotFound) {
		return signedView{}, notSendable()
	}
	if err != nil {
		return signedView{}, err
	}
	if s.signer == nil {
		return signedView{}, store.ErrClosed
	}
	r, err := s.signer.Sign(c.r.Context(), d, event)
	var unmade *egress.Error
	switch {
	case errors.Is(err, store.ErrNotFound):
		return signedView{}, notSendable()
	case errors.As(err, &unmade):
		return signedView{}, kindConflict.say(lang.Recall(unmade.Detail)).
			fixed("Mend the endpoint, or the file of the dialect: its deliveries fail of the same.")
	case err != nil:
		return signedView{}, err
	}
	return viewSigned(r), nil
}

func viewSigned(r *egress.Request) signedView {
	v := signedView{Method: "POST", URL: r.URL.String(), Headers: make([]headerView, len(r.Fields)), contentView: viewContent(r.Body), Redacted: []string{}}
	for i, f := range r.Fields {
		v.Headers[i] = viewHeader(f.Name, f.Value)
		if i >= len(r.Fields)-r.Redact {
			v.Headers[i].Value, v.Headers[i].Raw = notShown, ""
			v.Redacted = append(v.Redacted, f.Name)
		}
	}
	fields := make([]webhook.Field, len(v.Headers))
	for i, h := range v.Headers {
		fields[i] = webhook.Field{Name: h.Name, Value: h.Value}
	}
	v.Curl = Curl(v.Method, v.URL, fields, r.Body)
	return v
}

// Curl writes a request as a command line for a POSIX shell.
func Curl(method, url string, headers []webhook.Field, body []byte) string {
	var b strings.Builder
	data := "--data-raw " + quote(string(body)) // sends a body that begins with @ as it is
	if !isPlain(body) {
		b.WriteString("printf %s " + quote(base64.StdEncoding.EncodeToString(body)) + " | base64 -d | ")
		data = "--data-binary @-"
	}
	b.WriteString("curl --include --globoff --request " + quoteMethod(method) + " " + quote(url))
	for _, h := range headers {
		line := h.Name + ": " + h.Value
		if h.Value == "" {
			line = h.Name + ";" // curl's way to send it empty
		}
		b.WriteString(" \\\n  --header " + quote(line))
	}
	if len(body) > 0 || method == "POST" {
		b.WriteString(" \\\n  " + data)
	}
	b.WriteString("\n")
	return b.String()
}

// isPlain reports whether a terminal shows a body as it is: nothing in it
// steers, hides or turns around.
func isPlain(body []byte) bool {
	return utf8.Valid(body) && !strings.ContainsFunc(string(body), func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) })
}

// quoteMethod leaves a usual method alone.
func quoteMethod(s string) string {
	if strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
		return s
	}
	return quote(s)
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
