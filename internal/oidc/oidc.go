// Package oidc asks the operator's identity provider who somebody is: OpenID
// Connect Core 1.0, the authorization code flow with PKCE (RFC 7636). It decides
// nothing about what they may do.
package oidc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/malote-dev/malote/internal/secret"
)

// What came of asking.
var (
	ErrUnreachable = errors.New("the identity provider does not answer as one")
	ErrRefused     = errors.New("the identity provider did not vouch for anybody")
	ErrUnverified  = errors.New("the identity provider vouches for no verified e-mail address")
)

// Options of a provider.
type Options struct {
	Issuer       string // its URL, as in its tokens
	ClientID     string
	ClientSecret secret.Text // empty: this is a public client
	RedirectURL  string      // where it sends people back to
	Name         string      // that people know it by; empty: its host
	HTTP         *http.Client
}

// Provider is one identity provider. It is asked about itself when it is needed
// first, so it need not be there when this process starts.
type Provider struct {
	o Options

	mu    sync.Mutex
	found *oidc.Provider
}

// New makes one; it does not connect.
func New(o Options) *Provider {
	if o.Name == "" {
		_, host, _ := strings.Cut(o.Issuer, "://")
		o.Name, _, _ = strings.Cut(host, "/")
	}
	return &Provider{o: o}
}

// Name is what people know the provider by.
func (p *Provider) Name() string { return p.o.Name }

// Try is what one sign-in is known by until its answer comes: random, and kept
// by the browser that began it.
type Try struct{ State, Nonce, Verifier string }

// NewTry makes one.
func NewTry() Try { return Try{rand.Text(), rand.Text(), oauth2.GenerateVerifier()} }

// Begun reports whether a state that came back is the try's.
func (t *Try) Begun(state string) bool {
	return t.State != "" && subtle.ConstantTimeCompare([]byte(t.State), []byte(state)) == 1
}

func (p *Provider) provider(ctx context.Context) (*oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, p.o.HTTP), p.o.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	p.found = found
	return found, nil
}

func (p *Provider) config(of *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{
		ClientID: p.o.ClientID, ClientSecret: p.o.ClientSecret.Reveal(), RedirectURL: p.o.RedirectURL,
		Endpoint: of.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "email"},
	}
}

// AuthURL is where a browser goes to sign in. Errors: [ErrUnreachable].
func (p *Provider) AuthURL(ctx context.Context, t *Try) (string, error) {
	of, err := p.provider(ctx)
	if err != nil {
		return "", err
	}
	return p.config(of).AuthCodeURL(t.State, oidc.Nonce(t.Nonce), oauth2.S256ChallengeOption(t.Verifier)), nil
}

// Email is the address that the provider vouches for, given the code that came
// back. Errors: [ErrUnreachable], [ErrRefused] (the code or the token is not
// good), [ErrUnverified].
func (p *Provider) Email(ctx context.Context, t *Try, code string) (string, error) {
	of, err := p.provider(ctx)
	if err != nil {
		return "", err
	}
	ctx = oidc.ClientContext(ctx, p.o.HTTP)
	token, err := p.config(of).Exchange(ctx, code, oauth2.VerifierOption(t.Verifier))
	if said := (*oauth2.RetrieveError)(nil); errors.As(err, &said) && said.Response.StatusCode < 500 {
		return "", fmt.Errorf("%w: the code was not taken: %s", ErrRefused, said.ErrorCode)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := of.Verifier(&oidc.Config{ClientID: p.o.ClientID}).Verify(ctx, raw)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(t.Nonce)) != 1 {
		return "", fmt.Errorf("%w: the token is of another sign-in", ErrRefused)
	}
	var claims struct {
		Email    string `json:"email"`
		Verified any    `json:"email_verified"` // some say it as a string
	}
	if err := id.Claims(&claims); err != nil {
		return "", fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if claims.Email == "" || claims.Verified != true && claims.Verified != "true" {
		return "", ErrUnverified
	}
	return claims.Email, nil
}
