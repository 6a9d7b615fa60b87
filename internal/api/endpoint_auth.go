package api

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Limits of what requests are authenticated with, in bytes. Certificates and
// keys have theirs in [egress.MaxPEM].
const (
	maxCredential = 256  // user name, password
	maxToken      = 4096 // a signed token may be long
)

const authorization = "Authorization"

// authInput is what requests to an endpoint are authenticated with, beside
// their signature: one type with its members. It takes the place of what was
// there; a secret that is [redacted] stays, where the type does.
type authInput struct {
	Type        optional[string] `json:"type"`
	Username    optional[string] `json:"username"`
	Password    optional[string] `json:"password"`
	Token       optional[string] `json:"token"`
	Certificate optional[string] `json:"certificate"`
	PrivateKey  optional[string] `json:"private_key"`
}

// authMember is one member beside the type, and the types that it is of.
type authMember struct {
	name  string
	of    store.AuthKind
	value *optional[string]
	check func(string) lang.Message
}

func (a *authInput) members() []authMember {
	return []authMember{
		{"username", store.AuthBasic, &a.Username, checkUsername},
		{"password", store.AuthBasic, &a.Password, checkPassword},
		{"token", store.AuthBearer, &a.Token, checkToken},
		{"certificate", store.AuthMTLS, &a.Certificate, checkPEM},
		{"private_key", store.AuthMTLS, &a.PrivateKey, checkPEM},
	}
}

// checkAuth judges what it can without the endpoint's row.
func checkAuth(o optional[authInput], d *webhook.Dialect, errs *ingest.FieldErrors) {
	if !o.given() {
		return
	}
	a := &o.Value
	kind := store.AuthKind(a.Type.Value)
	switch kind {
	case store.AuthBasic, store.AuthBearer:
		if d.ReservedHeader(authorization) {
			addError(errs, "/auth/type", "sends the header %s, which belongs to the dialect %s; use mtls", authorization, d.Name)
		}
	case store.AuthMTLS:
	case "":
		addError(errs, "/auth/type", `is missing; it is "basic", "bearer" or "mtls"`)
		return
	default:
		addError(errs, "/auth/type", `must be "basic", "bearer" or "mtls"`)
		return
	}
	for _, m := range a.members() {
		at := "/auth/" + m.name
		switch {
		case m.of != kind && m.value.given():
			addError(errs, at, "does not belong to the type %s; leave it out", a.Type.Value)
		case m.of == kind && !m.value.given():
			addError(errs, at, "is missing; the type %s needs it", a.Type.Value)
		case m.of == kind:
			errs.AddText(at, m.check(m.value.Value))
		}
	}
	if kind == store.AuthBasic && a.Username.given() && a.Password.given() && a.Username.Value+a.Password.Value == "" {
		addError(errs, "/auth/username", "is empty, and the password too; send one of them, or auth as null for none")
	}
}

func checkUsername(s string) lang.Message {
	if strings.Contains(s, ":") {
		return lang.Text("has a colon, which ends a user name in this scheme (RFC 7617)")
	}
	return checkPassword(s)
}

func checkPassword(s string) lang.Message {
	switch {
	case len(s) > maxCredential:
		return lang.Text("has %d bytes; the limit is %d", len(s), maxCredential)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f && r <= 0x9f }):
		return lang.Text("has a control character")
	}
	return lang.Message{}
}

func checkToken(s string) lang.Message {
	switch {
	case s == "":
		return lang.Text("is empty; send the token, or auth as null for none")
	case len(s) > maxToken:
		return lang.Text("has %d bytes; the limit is %d", len(s), maxToken)
	case strings.HasPrefix(strings.ToLower(s), "bearer "):
		return lang.Text("begins with the word Bearer, which is added to it; send the token alone")
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return lang.Text("may hold only visible ASCII characters without spaces")
		}
	}
	return lang.Message{}
}

// checkPEM judges the length alone: the rest takes both halves.
func checkPEM(s string) lang.Message {
	switch {
	case s == "":
		return lang.Text("is empty; send PEM")
	case len(s) > egress.MaxPEM:
		return lang.Text("has %d bytes; the limit is %d", len(s), egress.MaxPEM)
	}
	return lang.Message{}
}

// applyAuth takes over what requests are authenticated with. Errors: a problem.
func (ch *endpointChange) applyAuth(e *store.Endpoint) error {
	o := ch.in.Auth
	if !o.Set {
		return nil
	}
	if o.Null {
		e.Auth = store.Auth{}
		return nil
	}
	in, was := &o.Value, e.Auth
	if was.Kind != store.AuthKind(in.Type.Value) {
		was = store.Auth{}
	}
	a := store.Auth{Kind: store.AuthKind(in.Type.Value), Username: in.Username.Value, Certificate: in.Certificate.Value}
	for _, s := range []struct {
		name  string
		given string
		was   secret.Text
		into  *secret.Text
	}{
		{"password", in.Password.Value, was.Password, &a.Password},
		{"token", in.Token.Value, was.Token, &a.Token},
		{"private_key", in.PrivateKey.Value, was.PrivateKey, &a.PrivateKey},
	} {
		switch {
		case s.given != redactedValue:
			*s.into = secret.Text(s.given)
		case was.Kind == "":
			return field("/auth/"+s.name, "is [redacted], which stands for a value that is kept; send the value itself")
		default:
			*s.into = s.was
		}
	}
	if err := checkIdentity(&a, was.Certificate, ch.now); err != nil {
		return err
	}
	e.Auth = a
	return nil
}

// checkIdentity judges a client certificate with its key. One that was kept
// before is not refused because it expired meanwhile.
func checkIdentity(a *store.Auth, kept string, now time.Time) error {
	if a.Kind != store.AuthMTLS {
		return nil
	}
	id, err := egress.NewIdentity(a.Certificate, a.PrivateKey.Reveal())
	if err == nil && a.Certificate != kept {
		err = id.Check(now)
	}
	var bad *egress.IdentityError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &bad) && bad.Key:
		return field("/auth/private_key", "%s", bad.Reason)
	case errors.As(err, &bad):
		return field("/auth/certificate", "%s", bad.Reason)
	}
	return field("/auth/certificate", "cannot be used")
}

// checkTogether judges what URL, headers and authentication are to each other,
// and names the one that the change brought. Errors: a problem.
func (ch *endpointChange) checkTogether(e *store.Endpoint) error {
	in := ch.in
	switch e.Auth.Kind {
	case store.AuthMTLS:
		if (in.Auth.Set || ch.url != "") && !strings.HasPrefix(e.URL, "https:") {
			if in.Auth.Set {
				return field("/auth/type", "shows its certificate in the TLS handshake, and the endpoint's url is plain http; use https")
			}
			return field("/url", "is plain http, and the endpoint's client certificate is shown in the TLS handshake; use https, or send auth as null")
		}
	case store.AuthBasic, store.AuthBearer:
		for _, h := range e.Headers {
			switch {
			case !strings.EqualFold(h.Name, authorization):
			case in.Auth.Set:
				return field("/auth/type", "sends the header %s, and the endpoint's headers have one; remove that with null, or use mtls", authorization)
			case in.Headers.Set:
				return field("/headers/"+h.Name, "is sent by the endpoint's auth already; change that, or send auth as null")
			}
		}
	}
	return nil
}

// authView shows what requests are authenticated with; its secrets are
// "[redacted]".
type authView struct {
	Type        string  `json:"type"`
	Username    *string `json:"username,omitempty"`
	Password    *string `json:"password,omitempty"`
	Token       *string `json:"token,omitempty"`
	Certificate *string `json:"certificate,omitempty"`
	PrivateKey  *string `json:"private_key,omitempty"`
}

func viewAuth(a *store.Auth) *authView {
	v := &authView{Type: string(a.Kind)}
	hidden := func(s secret.Text) *string { return new(s.String()) }
	switch a.Kind {
	case store.AuthBasic:
		v.Username, v.Password = &a.Username, hidden(a.Password)
	case store.AuthBearer:
		v.Token = hidden(a.Token)
	case store.AuthMTLS:
		v.Certificate, v.PrivateKey = &a.Certificate, hidden(a.PrivateKey)
	default:
		return nil
	}
	return v
}

// certificateView says of a client certificate what a person asks.
type certificateView struct {
	Subject     string `json:"subject"`
	Issuer      string `json:"issuer"`
	Serial      string `json:"serial"`      // hexadecimal
	Fingerprint string `json:"fingerprint"` // SHA-256 of the certificate, hexadecimal
	NotBefore   stamp  `json:"not_before"`
	ExpiresAt   stamp  `json:"expires_at"`
}

func viewCertificate(a *store.Auth) *certificateView {
	if a.Kind != store.AuthMTLS {
		return nil
	}
	c, err := egress.ParseCertificate(a.Certificate)
	if err != nil {
		return nil
	}
	sum := sha256.Sum256(c.Raw)
	return &certificateView{
		Subject: c.Subject.String(), Issuer: c.Issuer.String(), Serial: c.SerialNumber.Text(16), Fingerprint: hex.EncodeToString(sum[:]),
		NotBefore: stamp(c.NotBefore), ExpiresAt: stamp(c.NotAfter),
	}
}
