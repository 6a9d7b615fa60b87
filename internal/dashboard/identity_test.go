package dashboard_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/app"
	"github.com/malote-dev/malote/internal/oidc/oidctest"
)

// identified is a site whose people may sign in by a provider that vouches for
// otto@example.com.
func identified(t *testing.T) (*site, *oidctest.Provider) {
	t.Helper()
	p := oidctest.New(t, "Otto@example.com")
	return open(t, func(o *app.Options) {
		o.PublicURL = "https://console.example.com"
		o.OIDCIssuer, o.OIDCClientID, o.OIDCClientSecret, o.OIDCName = p.URL, oidctest.ClientID, oidctest.ClientSecret, "Example ID"
	}), p
}

// come goes to the provider and comes back with what it says.
func (v *visitor) come(next string) *seen {
	v.s.Helper()
	return v.get(v.back(next))
}

// back is where the provider sends the visitor.
func (v *visitor) back(next string) string {
	v.s.Helper()
	to := v.get("/signin/identity?next=" + url.QueryEscape(next))
	if to.status != http.StatusSeeOther || v.cookies["__Host-malote-identity"] == "" {
		v.s.Fatalf("%d %s", to.status, to.body)
	}
	r, err := http.NewRequestWithContext(v.s.Context(), http.MethodGet, to.header.Get("Location"), nil)
	v.s.no(err)
	res, err := v.http.Do(r)
	v.s.no(err)
	_ = res.Body.Close()
	back, ours := strings.CutPrefix(res.Header.Get("Location"), "https://console.example.com")
	if !ours {
		v.s.Fatalf("%d, to %q", res.StatusCode, res.Header.Get("Location"))
	}
	return back
}

func TestIdentityProvider(t *testing.T) {
	t.Parallel()
	s, _ := identified(t)
	v := s.visitor()
	v.get("/signin").mentions(t, "Sign in with Example ID", "/signin/identity?next=")
	v.header.Set("Accept-Language", "pt-BR")
	v.get("/signin").mentions(t, "Entrar com Example ID")
	v.header.Del("Accept-Language")

	if p := v.come("/account"); p.status != http.StatusForbidden || v.cookies["__Host-malote"] != "" {
		t.Errorf("somebody whom nobody invited: %d %s", p.status, p.body)
	} else {
		p.mentions(t, "Otto@example.com", "Ask an owner of this server for an invitation")
	}
	owner := s.owner()
	if p := owner.post("/people", "email", "otto@example.com", "role", "operator"); p.status != http.StatusCreated {
		t.Fatalf("%d %s", p.status, p.body)
	}
	for _, when := range []string{"invited", "known"} {
		v := s.visitor()
		p := v.come("/account")
		if p.status != http.StatusSeeOther || v.cookies["__Host-malote-identity"] != "" {
			t.Fatalf("%s: %d %s", when, p.status, p.body)
		}
		if at := v.get(p.header.Get("Location")).header.Get("Location"); at != "/account" {
			t.Errorf("%s: on to %q", when, at)
		}
		v.get("/account").mentions(t, "otto@example.com")
		if p := v.get("/people"); p.status != http.StatusForbidden {
			t.Errorf("%s: an operator sees people: %d", when, p.status)
		}
	}
	guess := s.visitor()
	if p := guess.post("/signin", "email", "otto@example.com", "password", ""); p.status == http.StatusSeeOther || guess.cookies["__Host-malote"] != "" {
		t.Error("who has no password signs in with none")
	}
}

// TestIdentityIsOfOneBrowser: what comes back counts where it was asked for, once.
func TestIdentityIsOfOneBrowser(t *testing.T) {
	t.Parallel()
	s, p := identified(t)
	owner := s.owner()
	owner.post("/people", "email", "otto@example.com", "role", "viewer")
	v := s.visitor()
	back := v.back("/")
	if p := s.visitor().get(back); p.status != http.StatusBadRequest {
		t.Errorf("in another browser: %d", p.status)
	}
	was := v.cookies["__Host-malote-identity"]
	if p := v.get(back); p.status != http.StatusSeeOther {
		t.Errorf("where it began: %d %s", p.status, p.body)
	}
	v.cookies["__Host-malote-identity"] = was
	if p := v.get(back); p.status != http.StatusForbidden {
		t.Errorf("once more: %d", p.status)
	}
	for _, next := range []string{"https://evil.example", "//evil.example", "/v1/projects"} {
		v := s.visitor()
		p := v.come(next)
		if to := v.get(p.header.Get("Location")).header.Get("Location"); to != "/" {
			t.Errorf("on to %q", to)
		}
	}
	for _, cookie := range []string{"", "x", "...", "a.b.c.!", strings.Repeat("x", 5000)} {
		v := s.visitor()
		v.cookies["__Host-malote-identity"] = cookie
		if p := v.get("/signin/identity/back?code=x&state="); p.status != http.StatusBadRequest {
			t.Errorf("cookie %.10q: %d", cookie, p.status)
		}
	}
	p.Says("email_verified", false)
	if p := s.visitor().come("/"); p.status != http.StatusForbidden {
		t.Errorf("unverified: %d", p.status)
	}
	p.Close()
	if p := s.visitor().get("/signin/identity/back?error=access_denied"); p.status != http.StatusBadRequest {
		t.Errorf("denied, out of the blue: %d", p.status)
	}
}

func TestNoIdentityProvider(t *testing.T) {
	t.Parallel()
	s := open(t)
	v := s.visitor()
	for _, path := range []string{"/signin/identity", "/signin/identity/back?code=x&state=y"} {
		if p := v.get(path); p.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, p.status)
		}
	}
	if p := v.get("/signin"); strings.Contains(p.body, "/signin/identity") {
		t.Error("the page leads to a provider that is not there")
	}
}
