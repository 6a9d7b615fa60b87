package main

import (
	"context"

	"github.com/malote-dev/malote/client"
)

type endpointRotateCmd struct {
	oneEndpoint
	Secret         string `placeholder:"TEXT" help:"The new secret: itself, @FILE, or - for standard input; without it one is made, and shown."`
	Ed25519        bool   `name:"ed25519" help:"Have a key pair made in place of the secret, and show the public key."`
	Overlap        *span  `placeholder:"TIME" help:"How long the old secret stays in force, as in 12h (default 24h); 0: it is revoked now."`
	IdempotencyKey string `placeholder:"TEXT" help:"Makes a repeat safe: the same key rotates once, and shows the same secret."`
}

// Run rotates the secret.
func (r *endpointRotateCmd) Run(c *console) error {
	if err := idOf("endpoint", r.ID); err != nil {
		return err
	}
	if r.Ed25519 && r.Secret != "" {
		return usage("--ed25519 and --secret exclude each other", "pass one of them; `malote key pair` makes a pair to pass")
	}
	secret, err := c.secret(r.Secret)
	if err != nil {
		return err
	}
	in := client.Rotation{Secret: secret, IdempotencyKey: r.IdempotencyKey}
	if r.Ed25519 {
		in.Type = "ed25519"
	}
	if r.Overlap != nil {
		in.Overlap = new(r.Overlap.seconds())
	}
	return ask(&r.remote, c, func(ctx context.Context, api *client.Client) (*client.Endpoint, error) {
		return api.RotateSecret(ctx, r.ID, in)
	}, c.endpoint)
}
