package dashboard_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/webhook"
)

// TestExplanationInChromium: a webhook that was changed on the way is pasted
// as a person does it, in both languages and both colours.
func TestExplanationInChromium(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	b := chromium(t, s.url)
	b.signedIn(owner)
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	h, body, err := webhook.Standard().Sign(&webhook.Message{
		ID: webhook.NewID(), Type: "invoice.paid", Time: time.Now(), Data: []byte(`{"invoice": "inv_42", "customer": "João", "note": "<b>\u202e"}`),
	}, webhook.Try{}, secret)
	s.no(err)
	headers := ""
	for _, name := range []string{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"} {
		headers += name + ": " + h.Get(name) + "\n"
	}
	for _, view := range []string{"en.light", "en.dark", "pt-BR.light", "pt-BR.dark"} {
		b.prefers(view)
		b.open("/verify")
		b.fill("main [name=secret]", secret)
		eval[bool](b, fmt.Sprintf("document.querySelector(\"main [name=headers]\").value = %s; document.querySelector(\"main [name=body]\").value = %s; true", inJSON(t, headers), inJSON(t, string(body)+"\n")))
		b.press("main form.card button[type=submit]")
		want := "The body is not the one that was signed."
		if strings.HasPrefix(view, "pt") {
			want = "O corpo não é o que foi assinado."
		}
		if text := b.text(); !strings.Contains(text, want) || strings.Contains(text, secret) || strings.Contains(text, "\u202e") {
			t.Errorf("%s:\n%s", view, text)
		}
		b.accessible("explanation " + view)
		b.calm("explanation " + view)
		for _, width := range []int64{390, 1024, 1440} {
			b.wide(width)
			b.fits(fmt.Sprintf("explanation %s at %d", view, width))
			b.picture(fmt.Sprintf("explanation-%s-%d", strings.ReplaceAll(view, ".", "-"), width))
		}
	}
}
