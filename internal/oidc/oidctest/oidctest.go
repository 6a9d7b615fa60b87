// Package oidctest is an identity provider for tests: it signs everybody in as
// it is told to, and can be made to lie.
package oidctest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// What the provider knows its client by.
const (
	ClientID     = "malote"
	ClientSecret = "oidc-client-secret" //nolint:gosec // of nobody
)

// Provider answers as an identity provider, over plain HTTP on the loopback.
type Provider struct {
	*httptest.Server
	tb testing.TB

	mu     sync.Mutex
	claims map[string]any // in place of those that it would have
	key    *rsa.PrivateKey
	signs  *rsa.PrivateKey
	codes  map[string]url.Values // what each was asked for with
}

// New starts one that vouches for an address.
func New(tb testing.TB, email string) *Provider {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	p := &Provider{tb: tb, key: key, signs: key, claims: map[string]any{"email": email, "email_verified": true}, codes: map[string]url.Values{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.describe)
	mux.HandleFunc("GET /keys", p.keys)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	p.Server = httptest.NewServer(mux)
	tb.Cleanup(p.Close)
	return p
}

// Says has tokens hold a claim; nil: not hold it.
func (p *Provider) Says(claim string, value any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims[claim] = value
}

// Forges has tokens be signed with a key that is not the provider's.
func (p *Provider) Forges() {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		p.tb.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signs = key
}

func (p *Provider) answer(w http.ResponseWriter, what any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(what); err != nil {
		p.tb.Error(err)
	}
}

func (p *Provider) describe(w http.ResponseWriter, _ *http.Request) {
	p.answer(w, map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
		"id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

func (p *Provider) keys(w http.ResponseWriter, _ *http.Request) {
	p.answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "1", Algorithm: "RS256", Use: "sig"}}})
}

// authorize signs in whoever comes, at once.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != ClientID || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" {
		http.Error(w, "not what is expected: "+r.URL.RawQuery, http.StatusBadRequest)
		return
	}
	code := rand.Text()
	p.mu.Lock()
	p.codes[code] = q
	p.mu.Unlock()
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound) //nolint:gosec // a provider for tests
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	id, password, _ := r.BasicAuth()
	p.mu.Lock()
	defer p.mu.Unlock()
	asked, known := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	challenge := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !known || id != ClientID || password != ClientSecret || base64.RawURLEncoding.EncodeToString(challenge[:]) != asked.Get("code_challenge") {
		w.WriteHeader(http.StatusBadRequest)
		p.answer(w, map[string]string{"error": "invalid_grant"})
		return
	}
	claims := map[string]any{
		"iss": p.URL, "sub": "somebody", "aud": ClientID, "nonce": asked.Get("nonce"), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
	}
	maps.Copy(claims, p.claims)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: p.signs, KeyID: "1"}}, nil)
	if err != nil {
		p.tb.Error(err)
		return
	}
	body, _ := json.Marshal(claims) // it is made of texts and numbers
	signed, err := signer.Sign(body)
	if err != nil {
		p.tb.Error(err)
		return
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		p.tb.Error(err)
		return
	}
	p.answer(w, map[string]any{"access_token": "unused", "token_type": "Bearer", "expires_in": 60, "id_token": text})
}
