package client

import (
	"context"
	"net/http"
	"time"
)

// Nodes are the processes that serve.
type Nodes struct {
	Data       []Node `json:"data"`
	ShardsFree int    `json:"shards_free"` // parts of the endpoints that no process sends for
}

// Node is a process that serves.
type Node struct {
	Slot        int        `json:"slot"` // its place in the database
	Host        string     `json:"host"`
	Version     string     `json:"version"` // empty: not known
	Address     string     `json:"address"` // that it listens on; empty: not known
	State       string     `json:"state"`   // serving, stopping, or lost: its lease is over
	StartedAt   time.Time  `json:"started_at"`
	SeenAt      time.Time  `json:"seen_at"`       // its last sign of life
	LeaseEndsAt *time.Time `json:"lease_ends_at"` // others then take what is its own; nil: there can be none
	Shards      int        `json:"shards"`        // parts of the endpoints that it sends for, of 256
	Chief       bool       `json:"chief"`         // it does what one does for all
	Answers     bool       `json:"answers"`       // it is the one that answered
}

// Nodes lists the processes that serve. It takes a root key.
func (c *Client) Nodes(ctx context.Context) (*Nodes, error) {
	return do[Nodes](ctx, c, request{method: http.MethodGet, path: "/v1/nodes"})
}

// EgressAddresses are those that webhooks come from, and ranges of them, as
// whoever runs the server says; none: nobody says. It takes any key.
func (c *Client) EgressAddresses(ctx context.Context) ([]string, error) {
	a, err := do[struct {
		Addresses []string `json:"addresses"`
	}](ctx, c, request{method: http.MethodGet, path: "/v1/egress-addresses"})
	if err != nil {
		return nil, err
	}
	return a.Addresses, nil
}
