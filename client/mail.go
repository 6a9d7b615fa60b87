package client

import (
	"context"
	"net/http"
)

// MailTested is what came of a mail that was sent to try the settings.
type MailTested struct {
	Sent   bool   `json:"sent"`   // the relay took it
	Detail string `json:"detail"` // why not, as the relay says it
}

// TestMail has the server send a mail now, to try its settings; language is
// "en" or "pt-BR", empty: the server chooses. It takes a root key.
func (c *Client) TestMail(ctx context.Context, to, language string) (*MailTested, error) {
	body := map[string]string{"to": to}
	if language != "" {
		body["language"] = language
	}
	return do[MailTested](ctx, c, request{method: http.MethodPost, path: "/v1/mail/test", body: body})
}
