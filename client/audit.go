package client

import (
	"context"
	"iter"
	"net/url"
	"time"
)

// AuditEntry is one change of configuration or state.
type AuditEntry struct {
	ID        string        `json:"id"`
	At        time.Time     `json:"at"`
	Actor     AuditActor    `json:"actor"`
	Action    string        `json:"action"` // as in "endpoint.update"
	Object    string        `json:"object"` // id of what was changed
	Consumer  string        `json:"consumer"`
	RequestID string        `json:"request_id"`
	Changes   []AuditChange `json:"changes"`
}

// AuditActor is who changed it.
type AuditActor struct {
	Kind   string `json:"kind"` // "key", "root_key", "portal", "link", "person", "operator" or "server"
	ID     string `json:"id"`
	Prefix string `json:"prefix"` // what the key begins with; of a person the mail address
}

// AuditChange is what became of one field; secrets are "[redacted]".
type AuditChange struct {
	Field  string  `json:"field"`
	Before *string `json:"before"`
	After  *string `json:"after"`
}

// AuditFilter narrows [Client.Audit]; zero fields do not. From is inclusive,
// Until not.
type AuditFilter struct {
	Project     string // with a root key: a project's log instead of the server's
	Actor       string // id of a key, or "operator", or "server"
	Action      string
	Object      string // an id
	From, Until time.Time
	PageSize    int // at most 250
}

// Audit lists who changed what, newest first.
func (c *Client) Audit(ctx context.Context, f AuditFilter) iter.Seq2[*AuditEntry, error] {
	q := url.Values{}
	put(q, "project", f.Project)
	put(q, "actor", f.Actor)
	put(q, "action", f.Action)
	put(q, "object", f.Object)
	putTime(q, "from", f.From)
	putTime(q, "until", f.Until)
	putInt(q, "limit", f.PageSize)
	return pages[AuditEntry](ctx, c, "/v1/audit", q)
}
