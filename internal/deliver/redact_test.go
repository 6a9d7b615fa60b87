package deliver

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// TestEchoesAreRedacted: whatever a receiver shows of the secrets that it was
// sent is not kept, in no form that is common.
func TestEchoesAreRedacted(t *testing.T) {
	t.Parallel()
	const token, password = `tok&<n/"canary"+==`, "pässw/rd canary"
	for _, auth := range []store.Auth{{Kind: store.AuthBearer, Token: secret.Text(token)}, {Kind: store.AuthBasic, Username: "u", Password: secret.Text(password)}} {
		c := &config{endpoint: &store.Endpoint{Auth: auth}, headers: []webhook.Field{{Name: "X-Key", Value: token}, {Name: "X-Tenant", Value: "7"}}}
		c.authenticate()
		c.echoed = c.echoes(nil)
		secrets := []string{token}
		if auth.Kind == store.AuthBasic {
			secrets = append(secrets, password, base64.StdEncoding.EncodeToString([]byte("u:"+password)))
		}
		for _, s := range secrets {
			text, err := json.Marshal(map[string]string{"you sent": s})
			if err != nil {
				t.Fatal(err)
			}
			for _, echo := range []string{s, string(text), html.EscapeString(s), url.QueryEscape(s), strings.ReplaceAll(s, "/", `\/`)} {
				resp := &egress.Response{Head: []byte("HTTP/1.1 400 Bad\r\nX-You-Sent: " + echo + "\r\n\r\n"), Body: []byte("7 before " + echo + " after 7")}
				c.redact(resp)
				kept := string(resp.Head) + string(resp.Body)
				if strings.Contains(kept, "canary") || !strings.HasPrefix(string(resp.Body), "7 before ") || !strings.HasSuffix(string(resp.Body), "[redacted] after 7") && !strings.Contains(echo, "you sent") {
					t.Errorf("%s: %s", echo, kept)
				}
			}
			half := s[:len(s)-3]
			resp := &egress.Response{Body: []byte("cut " + half), Truncated: true}
			if c.redact(resp); string(resp.Body) != "cut [redacted]" {
				t.Errorf("cut off in it: %s", resp.Body)
			}
		}
	}
	c := &config{endpoint: &store.Endpoint{}}
	c.echoed = c.echoes(nil)
	resp := &egress.Response{Body: []byte("as it is")}
	if c.redact(resp); string(resp.Body) != "as it is" {
		t.Errorf("%s", resp.Body)
	}
	c.redact(nil)

	// A dialect that sends the secret itself.
	c.secrets = []string{"signing/canary"}
	d := &webhook.Dialect{Signature: webhook.Signature{Schemes: []webhook.Scheme{{Algorithm: webhook.HMACSHA256}}}}
	if c.echoed = c.echoes(d); len(c.echoed) != 0 {
		t.Errorf("%q is looked for, and never sent", c.echoed)
	}
	d.Signature.Schemes[0].Algorithm = webhook.Token
	c.echoed = c.echoes(d)
	for _, echo := range []string{"signing/canary", hex.EncodeToString([]byte("signing/canary")), base64.StdEncoding.EncodeToString([]byte("signing/canary"))} {
		resp := &egress.Response{Body: []byte("no: " + echo)}
		if c.redact(resp); string(resp.Body) != "no: [redacted]" {
			t.Errorf("%s", resp.Body)
		}
	}
}
