package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// NewProject is what a project is created from.
type NewProject struct {
	Name        string   `json:"name"`
	Environment string   `json:"environment"`        // "production" or "development"
	Dialect     string   `json:"dialect,omitempty"`  // default "standard"
	BodyID      bool     `json:"body_id,omitempty"`  // adds a top-level id to bodies whose envelope has none
	Host        string   `json:"host,omitempty"`     // host name that the company's own API is called under
	Emails      []string `json:"emails,omitempty"`   // the operator's, told of every endpoint that fails
	Language    string   `json:"language,omitempty"` // of mails: "en" or "pt-BR"; empty: the server's

	KnownTypesOnly bool `json:"known_types_only,omitempty"` // refuses events of types that are in no list of event types

	PortalName    string   `json:"portal_name,omitempty"`    // on the customers' portal; empty: Name
	PortalColor   string   `json:"portal_color,omitempty"`   // as in "#0b6148"; empty: the server's
	PortalLogo    []byte   `json:"portal_logo,omitempty"`    // PNG, JPEG or WebP of at most 64 KiB
	PortalOrigins []string `json:"portal_origins,omitempty"` // whose pages may show the portal in a frame

	// IdempotencyKey makes a repeat within 24 hours safe: the same key with
	// the same content makes nothing new and gets the first answer. Empty: one
	// is made for this call, so that the client's own repeats are safe.
	IdempotencyKey string `json:"-"`
}

// Project is one product in one environment.
type Project struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Environment string    `json:"environment"`
	Dialect     string    `json:"dialect"`
	BodyID      bool      `json:"body_id"`
	Host        string    `json:"host"`
	Emails      []string  `json:"emails"`
	Language    string    `json:"language"`
	CreatedAt   time.Time `json:"created_at"`

	KnownTypesOnly bool `json:"known_types_only"` // events of types that are in no list of event types are refused

	PortalName    string   `json:"portal_name"`
	PortalColor   string   `json:"portal_color"`
	PortalLogo    []byte   `json:"portal_logo"` // lists leave it out
	PortalOrigins []string `json:"portal_origins"`
}

// CreateProject creates a project. It takes a root key.
func (c *Client) CreateProject(ctx context.Context, p NewProject) (*Project, error) {
	return do[Project](ctx, c, request{method: http.MethodPost, path: "/v1/projects", body: p, idem: orRandom(p.IdempotencyKey)})
}

// ProjectChange changes a project; what is not set stays as it is.
type ProjectChange struct {
	Name     Field[string]   `json:"name,omitzero"`
	Host     Field[string]   `json:"host,omitzero"`     // null: none
	Emails   Field[[]string] `json:"emails,omitzero"`   // null: nobody
	Language Field[string]   `json:"language,omitzero"` // null: the server's

	KnownTypesOnly Field[bool] `json:"known_types_only,omitzero"`

	PortalName    Field[string]   `json:"portal_name,omitzero"`    // null: the project's name
	PortalColor   Field[string]   `json:"portal_color,omitzero"`   // null: the server's
	PortalLogo    Field[[]byte]   `json:"portal_logo,omitzero"`    // null: none
	PortalOrigins Field[[]string] `json:"portal_origins,omitzero"` // null: nobody may frame it
}

// UpdateProject changes a project. It takes a root key.
func (c *Client) UpdateProject(ctx context.Context, id string, ch ProjectChange) (*Project, error) {
	return do[Project](ctx, c, request{method: http.MethodPatch, path: "/v1/projects/" + url.PathEscape(id), body: ch})
}

// Project reads one. It takes a root key.
func (c *Client) Project(ctx context.Context, id string) (*Project, error) {
	return do[Project](ctx, c, request{method: http.MethodGet, path: "/v1/projects/" + url.PathEscape(id)})
}

// DeleteProject deletes a project that has no endpoints. It takes a root key.
func (c *Client) DeleteProject(ctx context.Context, id string) (*Deleted, error) {
	return do[Deleted](ctx, c, request{method: http.MethodDelete, path: "/v1/projects/" + url.PathEscape(id)})
}

// Projects lists all projects. It takes a root key.
func (c *Client) Projects(ctx context.Context) iter.Seq2[*Project, error] {
	return pages[Project](ctx, c, "/v1/projects", nil)
}

// NewKey is what a project's key is created from.
type NewKey struct {
	Name      string    `json:"name,omitempty"`
	Scopes    []string  `json:"scopes"`             // "*": all but keys:write
	Consumer  string    `json:"consumer,omitempty"` // uid of the one consumer it acts for
	Prefix    string    `json:"prefix,omitempty"`   // what it begins with; empty: mlt_prod_ or mlt_dev_
	Key       string    `json:"key,omitempty"`      // one that was given out before, and goes on; empty: one is made
	ExpiresAt time.Time `json:"expires_at,omitzero"`

	IdempotencyKey string `json:"-"` // see [NewProject]
}

// Key is a project's key. Key is shown by [Client.CreateKey] alone.
type Key struct {
	ID        string     `json:"id"`
	ProjectID string     `json:"project_id"`
	Name      string     `json:"name"`
	Key       string     `json:"key"`
	Prefix    string     `json:"prefix"`
	Scopes    []string   `json:"scopes"`
	Consumer  string     `json:"consumer"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at"`
	// As [Client.Keys] lists them.
	RevokedAt  *time.Time `json:"revoked_at"`
	LastUsedAt *time.Time `json:"last_used_at"` // about
}

// CreateKey creates a key for a project. It takes a root key, or a key of the
// project with the scope keys:write, which gives away only what it has.
func (c *Client) CreateKey(ctx context.Context, project string, k NewKey) (*Key, error) {
	path := "/v1/projects/" + url.PathEscape(project) + "/keys"
	return do[Key](ctx, c, request{method: http.MethodPost, path: path, body: k, idem: orRandom(k.IdempotencyKey)})
}

// Keys lists a project's keys, oldest first, also those that have ended. It
// takes a root key, or one of the project with the scope keys:read.
func (c *Client) Keys(ctx context.Context, project string) iter.Seq2[*Key, error] {
	return pages[Key](ctx, c, "/v1/projects/"+url.PathEscape(project)+"/keys", nil)
}

// RevokeKey ends a key at once. It takes a root key, or one of the project
// with the scope keys:write that could have made it.
func (c *Client) RevokeKey(ctx context.Context, project, key string) (*Deleted, error) {
	path := "/v1/projects/" + url.PathEscape(project) + "/keys/" + url.PathEscape(key)
	return do[Deleted](ctx, c, request{method: http.MethodDelete, path: path})
}

// Health is what a server says of itself.
type Health struct {
	Status  string `json:"status"`
	Version string `json:"version"`
}

// Health asks whether the process is alive. It takes no key.
func (c *Client) Health(ctx context.Context) (*Health, error) {
	return do[Health](ctx, c, request{method: http.MethodGet, path: "/healthz"})
}

// Ready asks whether the server would keep an event now. It takes no key.
func (c *Client) Ready(ctx context.Context) (*Health, error) {
	return do[Health](ctx, c, request{method: http.MethodGet, path: "/readyz"})
}
