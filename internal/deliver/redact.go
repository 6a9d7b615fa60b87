package deliver

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strings"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// minRedacted is the length from which on a value is looked for in answers: a
// shorter one would be found in much that is none.
const minRedacted = 8

var redacted = []byte("[redacted]")

// echoes are the forms in which a receiver that shows what it was sent, as
// many do in errors, would show this endpoint's secrets: its header values,
// what it authenticates with, and its signing secrets where the dialect sends
// these themselves (d is nil where it is not known).
func (c *config) echoes(d *webhook.Dialect) (forms [][]byte) {
	var values []string
	if d != nil && sendsSecret(d) {
		for _, s := range c.secrets {
			values = append(values, s, hex.EncodeToString([]byte(s)), base64.StdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s)))
		}
	}
	for _, h := range c.headers {
		values = append(values, h.Value)
		if _, credentials, ok := strings.Cut(h.Value, " "); ok {
			values = append(values, credentials)
		}
	}
	if c.endpoint.Auth.Kind == store.AuthBasic {
		password := c.endpoint.Auth.Password.Reveal()
		values = append(values, password, base64.StdEncoding.EncodeToString([]byte(password)))
	}
	for _, v := range values {
		if len(v) < minRedacted {
			continue
		}
		text, _ := json.Marshal(v) // a string always can be
		asJSON := strings.Trim(string(text), `"`)
		for _, form := range []string{v, asJSON, strings.ReplaceAll(v, "/", `\/`), html.EscapeString(v), url.QueryEscape(v), url.PathEscape(v)} {
			if !slices.ContainsFunc(forms, func(f []byte) bool { return string(f) == form }) {
				forms = append(forms, []byte(form))
			}
		}
	}
	slices.SortStableFunc(forms, func(a, b []byte) int { return len(b) - len(a) }) // a part of another one comes after it
	return forms
}

// redact takes the endpoint's secrets out of an answer before anybody keeps it.
func (c *config) redact(resp *egress.Response) {
	if resp == nil || len(c.echoed) == 0 {
		return
	}
	resp.Head, resp.Body = c.redactText(resp.Head, resp.Truncated), c.redactText(resp.Body, resp.Truncated)
}

func (c *config) redactText(text []byte, truncated bool) []byte {
	for _, form := range c.echoed {
		if bytes.Contains(text, form) {
			text = bytes.ReplaceAll(text, form, redacted)
		}
		if !truncated {
			continue
		}
		for n := min(len(form)-1, len(text)); n >= minRedacted; n-- { // cut off in the middle of it
			if bytes.HasSuffix(text, form[:n]) {
				text = append(slices.Clip(text[:len(text)-n]), redacted...)
				break
			}
		}
	}
	return text
}

// sendsSecret reports whether requests of a dialect carry the signing secret itself.
func sendsSecret(d *webhook.Dialect) bool {
	for i := range d.Signature.Schemes {
		if d.Signature.Schemes[i].Algorithm == webhook.Token {
			return true
		}
	}
	return false
}

// tokenLast moves the header that carries the secret behind the others, among
// those that no attempt shows; it returns how many these are.
func tokenLast(fields []webhook.Field, header string) int {
	for i := range fields {
		if strings.EqualFold(fields[i].Name, header) {
			token := fields[i]
			copy(fields[i:], fields[i+1:])
			fields[len(fields)-1] = token
			return 1
		}
	}
	return 0
}
