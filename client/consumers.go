package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Consumer is a customer: the party that receives.
type Consumer struct {
	ID        string    `json:"id"`
	UID       string    `json:"uid"`
	Name      string    `json:"name"`
	Emails    []string  `json:"emails"`   // who is told by mail when its endpoints fail
	Language  string    `json:"language"` // of mails; empty: the project's
	CreatedAt time.Time `json:"created_at"`
}

func consumerPath(uid string) string { return "/v1/consumers/" + url.PathEscape(uid) }

// ConsumerChange creates or changes a consumer; what is not set stays as it is.
type ConsumerChange struct {
	Name     Field[string]   `json:"name,omitzero"`
	Emails   Field[[]string] `json:"emails,omitzero"`   // null: nobody
	Language Field[string]   `json:"language,omitzero"` // "en" or "pt-BR"; null: the project's
}

// PutConsumer creates a consumer, or changes the one that has this uid.
func (c *Client) PutConsumer(ctx context.Context, uid string, ch ConsumerChange) (*Consumer, error) {
	return do[Consumer](ctx, c, request{method: http.MethodPut, path: consumerPath(uid), body: ch})
}

// Consumer reads one.
func (c *Client) Consumer(ctx context.Context, uid string) (*Consumer, error) {
	return do[Consumer](ctx, c, request{method: http.MethodGet, path: consumerPath(uid)})
}

// ConsumerFilter narrows a list of consumers; the zero value lists all.
type ConsumerFilter struct {
	UIDPrefix string
	PageSize  int // 0: the server's
}

// Consumers lists consumers by uid.
func (c *Client) Consumers(ctx context.Context, f ConsumerFilter) iter.Seq2[*Consumer, error] {
	q := url.Values{}
	put(q, "uid_prefix", f.UIDPrefix)
	putInt(q, "limit", f.PageSize)
	return pages[Consumer](ctx, c, "/v1/consumers", q)
}

// Deleted says what a delete left: attempts that began before it and may
// still arrive.
type Deleted struct {
	Deleted  bool `json:"deleted"`
	InFlight int  `json:"in_flight"`
}

// DeleteConsumer deletes a consumer with its endpoints.
func (c *Client) DeleteConsumer(ctx context.Context, uid string) (*Deleted, error) {
	return do[Deleted](ctx, c, request{method: http.MethodDelete, path: consumerPath(uid)})
}
