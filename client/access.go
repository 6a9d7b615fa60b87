package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Me is what a key, or a portal session's token, is and may do.
type Me struct {
	Kind      string     `json:"kind"` // "root", "project", "consumer" or "portal"
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Prefix    string     `json:"prefix"`
	Project   *MyProject `json:"project"` // nil: a root key
	Consumer  string     `json:"consumer"`
	Access    string     `json:"access"` // of a portal session
	Scopes    []string   `json:"scopes"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at"`
}

// MyProject is a key's project.
type MyProject struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Environment string `json:"environment"`
	Dialect     string `json:"dialect"`
}

// Me says what the client's key is. It takes any that is in force.
func (c *Client) Me(ctx context.Context) (*Me, error) {
	return do[Me](ctx, c, request{method: http.MethodGet, path: "/v1/me"})
}

// NewRootKey is what a root key is created from.
type NewRootKey struct {
	Name      string    `json:"name,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`

	IdempotencyKey string `json:"-"` // see [NewProject]
}

// CreateRootKey makes a root key. It takes a root key.
func (c *Client) CreateRootKey(ctx context.Context, k NewRootKey) (*Key, error) {
	return do[Key](ctx, c, request{method: http.MethodPost, path: "/v1/keys", body: k, idem: orRandom(k.IdempotencyKey)})
}

// RootKeys lists the root keys, oldest first, also those that have ended. It
// takes a root key.
func (c *Client) RootKeys(ctx context.Context) iter.Seq2[*Key, error] {
	return pages[Key](ctx, c, "/v1/keys", nil)
}

// RevokeRootKey ends a root key at once: the last one that is in force only
// where last says so. It takes a root key.
func (c *Client) RevokeRootKey(ctx context.Context, id string, last bool) (*Deleted, error) {
	return do[Deleted](ctx, c, request{method: http.MethodDelete, path: "/v1/keys/" + url.PathEscape(id), body: map[string]bool{"last": last}})
}

// NewPortalSession is what a portal session is created from.
type NewPortalSession struct {
	Access    string `json:"access,omitempty"`     // "read" (default) or "manage"
	ExpiresIn int    `json:"expires_in,omitempty"` // seconds, 60 to 86400; 0: an hour

	IdempotencyKey string `json:"-"` // see [NewProject]
}

// PortalSession lets whoever has its token look after one consumer's
// endpoints for a while. Token, Scopes and addresses are shown by
// [Client.CreatePortalSession] alone.
type PortalSession struct {
	ID         string     `json:"id"`
	Consumer   string     `json:"consumer"`
	Access     string     `json:"access"`
	Prefix     string     `json:"prefix"`  // that the token begins with
	MadeBy     string     `json:"made_by"` // the key that it ends with
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at"` // about
	Token      string     `json:"token"`
	Scopes     []string   `json:"scopes"`
	Path       string     `json:"path"`       // of a link that opens the portal in a browser, once
	URL        string     `json:"url"`        // that link; empty: the server does not know its own address
	EmbedPath  string     `json:"embed_path"` // of the portal in a frame, with the token behind the #
	EmbedURL   string     `json:"embed_url"`  // likewise
}

func portalPath(uid string) string { return consumerPath(uid) + "/portal-sessions" }

// CreatePortalSession makes a short-lived token for a consumer's own pages; the
// consumer is created on first mention. It takes a key of the whole project.
func (c *Client) CreatePortalSession(ctx context.Context, uid string, s NewPortalSession) (*PortalSession, error) {
	return do[PortalSession](ctx, c, request{method: http.MethodPost, path: portalPath(uid), body: s, idem: orRandom(s.IdempotencyKey)})
}

// PortalSessions lists a consumer's sessions that are in force, oldest first.
func (c *Client) PortalSessions(ctx context.Context, uid string) iter.Seq2[*PortalSession, error] {
	return pages[PortalSession](ctx, c, portalPath(uid), nil)
}

// EndPortalSession ends one at once.
func (c *Client) EndPortalSession(ctx context.Context, uid, id string) (*Deleted, error) {
	return do[Deleted](ctx, c, request{method: http.MethodDelete, path: portalPath(uid) + "/" + url.PathEscape(id)})
}

// PortalSessionsEnded says how many sessions were in force.
type PortalSessionsEnded struct {
	Ended int `json:"ended"`
}

// EndPortalSessions ends all of a consumer at once.
func (c *Client) EndPortalSessions(ctx context.Context, uid string) (*PortalSessionsEnded, error) {
	return do[PortalSessionsEnded](ctx, c, request{method: http.MethodDelete, path: portalPath(uid)})
}

// NewSecretLink is what a one-time link is created from.
type NewSecretLink struct {
	ExpiresIn int `json:"expires_in,omitempty"` // seconds, 300 to 2592000; 0: a week

	IdempotencyKey string `json:"-"` // see [NewProject]
}

// SecretLink is a link that shows an endpoint's secret once. Path and URL are
// shown by [Client.CreateSecretLink] alone.
type SecretLink struct {
	ID         string     `json:"id"`
	EndpointID string     `json:"endpoint_id"`
	State      string     `json:"state"` // "open", "opened", "revoked" or "expired"
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	OpenedAt   *time.Time `json:"opened_at"`
	OpenedFrom string     `json:"opened_from"` // an address; behind a proxy, the proxy's
	RevokedAt  *time.Time `json:"revoked_at"`
	Path       string     `json:"path"`
	URL        string     `json:"url"` // where the server does not say it: made of the client's URL and Path
}

// CreateSecretLink makes a one-time link to an endpoint's secret. It takes a
// key of the whole project.
func (c *Client) CreateSecretLink(ctx context.Context, endpoint string, l NewSecretLink) (*SecretLink, error) {
	made, err := do[SecretLink](ctx, c, request{method: http.MethodPost, path: endpointPath(endpoint, "/secret-links"), body: l, idem: orRandom(l.IdempotencyKey)})
	if err == nil && made.URL == "" {
		made.URL = strings.TrimSuffix(c.base.String(), "/") + made.Path
	}
	return made, err
}

// SecretLinks lists an endpoint's one-time links, newest first, also those
// that do not open any more.
func (c *Client) SecretLinks(ctx context.Context, endpoint string) iter.Seq2[*SecretLink, error] {
	return pages[SecretLink](ctx, c, endpointPath(endpoint, "/secret-links"), nil)
}

// RevokeSecretLink ends a link that nobody has opened.
func (c *Client) RevokeSecretLink(ctx context.Context, endpoint, id string) (*Deleted, error) {
	return do[Deleted](ctx, c, request{method: http.MethodDelete, path: endpointPath(endpoint, "/secret-links/"+url.PathEscape(id))})
}
