package oidc_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/oidc"
	"github.com/malote-dev/malote/internal/oidc/oidctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newProvider(t *testing.T, at *oidctest.Provider, change func(*oidc.Options)) *oidc.Provider {
	t.Helper()
	o := oidc.Options{
		Issuer: at.URL, ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret, RedirectURL: "http://localhost/back",
		HTTP: egress.NewOperatorClient(egress.OperatorOptions{}),
	}
	if change != nil {
		change(&o)
	}
	t.Cleanup(o.HTTP.CloseIdleConnections)
	return oidc.New(o)
}

// come signs in at the provider as a browser does, and brings the code back.
func come(t *testing.T, p *oidc.Provider, try *oidc.Try) (code, state string) {
	t.Helper()
	at, err := p.AuthURL(t.Context(), try)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	browser := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := browser.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	back, err := url.Parse(res.Header.Get("Location"))
	if err != nil || back.Path != "/back" {
		t.Fatalf("%d, to %v: %v", res.StatusCode, back, err)
	}
	return back.Query().Get("code"), back.Query().Get("state")
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	at := oidctest.New(t, "Ana@example.com")
	p := newProvider(t, at, nil)
	try := oidc.NewTry()
	code, state := come(t, p, &try)
	if !try.Begun(state) || try.Begun(state+"x") || (&oidc.Try{}).Begun("") {
		t.Error("a state is not told from others")
	}
	email, err := p.Email(t.Context(), &try, code)
	if email != "Ana@example.com" || err != nil {
		t.Errorf("%q, %v", email, err)
	}
	if _, err := p.Email(t.Context(), &try, code); !errors.Is(err, oidc.ErrRefused) {
		t.Errorf("a code that was used: %v", err)
	}
	if want := strings.TrimPrefix(at.URL, "http://"); p.Name() != want {
		t.Errorf("it is called %q, want %q", p.Name(), want)
	}
}

func TestWhatIsNotTaken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		at   func(*oidctest.Provider)
		here func(*oidc.Options)
		try  func(*oidc.Try) // between going and coming back
		want error
	}{
		"no address":            {at: func(p *oidctest.Provider) { p.Says("email", nil) }, want: oidc.ErrUnverified},
		"unverified address":    {at: func(p *oidctest.Provider) { p.Says("email_verified", false) }, want: oidc.ErrUnverified},
		"nothing of verified":   {at: func(p *oidctest.Provider) { p.Says("email_verified", nil) }, want: oidc.ErrUnverified},
		"verified as a text":    {at: func(p *oidctest.Provider) { p.Says("email_verified", "true") }},
		"another's token":       {at: func(p *oidctest.Provider) { p.Says("aud", "another") }, want: oidc.ErrRefused},
		"another issuer":        {at: func(p *oidctest.Provider) { p.Says("iss", "https://example.com") }, want: oidc.ErrRefused},
		"a token that is over":  {at: func(p *oidctest.Provider) { p.Says("exp", time.Now().Add(-time.Hour).Unix()) }, want: oidc.ErrRefused},
		"a nonce of its own":    {at: func(p *oidctest.Provider) { p.Says("nonce", "x") }, want: oidc.ErrRefused},
		"no nonce":              {at: func(p *oidctest.Provider) { p.Says("nonce", nil) }, want: oidc.ErrRefused},
		"a forged signature":    {at: (*oidctest.Provider).Forges, want: oidc.ErrRefused},
		"another's verifier":    {try: func(t *oidc.Try) { t.Verifier = oidc.NewTry().Verifier }, want: oidc.ErrRefused},
		"a wrong client secret": {here: func(o *oidc.Options) { o.ClientSecret = "wrong" }, want: oidc.ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := oidctest.New(t, "ana@example.com")
			if c.at != nil {
				c.at(at)
			}
			p := newProvider(t, at, c.here)
			try := oidc.NewTry()
			code, _ := come(t, p, &try)
			if c.try != nil {
				c.try(&try)
			}
			email, err := p.Email(t.Context(), &try, code)
			if !errors.Is(err, c.want) || (err == nil) != (email != "") {
				t.Errorf("%q, %v", email, err)
			}
			if err != nil && strings.Contains(err.Error(), oidctest.ClientSecret) {
				t.Errorf("the error says the secret: %v", err)
			}
		})
	}
}

// TestProviderIsAway: it is asked again when it is there.
func TestProviderIsAway(t *testing.T) {
	t.Parallel()
	at := oidctest.New(t, "ana@example.com")
	p := newProvider(t, at, func(o *oidc.Options) { o.Issuer += "/nowhere" })
	try := oidc.NewTry()
	if _, err := p.AuthURL(t.Context(), &try); !errors.Is(err, oidc.ErrUnreachable) {
		t.Error(err)
	}
}
