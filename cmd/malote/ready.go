package main

import (
	"context"
	"fmt"

	"github.com/malote-dev/malote/client"
)

type readyCmd struct{ remote }

// Run asks; a server that would not keep an event, or is not there, is exit
// code 6.
func (r *readyCmd) Run(c *console) error {
	return ask(&r.remote, c, func(ctx context.Context, api *client.Client) (*client.Health, error) {
		return api.Ready(ctx)
	}, func(h *client.Health) { fmt.Fprintf(c.out, "Ready: %s\n", h.Version) })
}
