package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Consumer is a customer: the party that receives.
type Consumer struct {
	ID        string    `json:"id"`
	UID       string    `json:"uid"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
}

func consumerPath(uid string) string { return "/v1/consumers/" + url.PathEscape(uid) }

// PutConsumer creates a consumer, or renames the one that has this uid.
func (c *Client) PutConsumer(ctx context.Context, uid, name string) (*Consumer, error) {
	body := map[string]string{"name": name}
	return do[Consumer](ctx, c, request{method: http.MethodPut, path: consumerPath(uid), body: body})
}

// Consumer reads one.
func (c *Client) Consumer(ctx context.Context, uid string) (*Consumer, error) {
	return do[Consumer](ctx, c, request{method: http.MethodGet, path: consumerPath(uid)})
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
