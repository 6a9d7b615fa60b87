package main

import (
	"context"
	"fmt"

	"github.com/malote-dev/malote/client"
)

type consumerCmd struct {
	Put    consumerPutCmd    `cmd:"" help:"Create or rename a consumer."`
	Get    consumerGetCmd    `cmd:"" help:"Show a consumer."`
	Delete consumerDeleteCmd `cmd:"" help:"Delete a consumer with its endpoints; what waits for them is cancelled."`
}

type consumerPutCmd struct {
	remote
	UID  string `arg:"" name:"uid" help:"Your own id of the customer."`
	Name string `placeholder:"TEXT" help:"Name for people."`
}

// Run creates or renames.
func (p *consumerPutCmd) Run(c *console) error {
	return ask(&p.remote, c, func(ctx context.Context, api *client.Client) (*client.Consumer, error) {
		return api.PutConsumer(ctx, p.UID, p.Name)
	}, c.consumer)
}

type consumerGetCmd struct {
	remote
	UID string `arg:"" name:"uid" help:"Your own id of the customer."`
}

// Run shows one.
func (g *consumerGetCmd) Run(c *console) error {
	return ask(&g.remote, c, func(ctx context.Context, api *client.Client) (*client.Consumer, error) {
		return api.Consumer(ctx, g.UID)
	}, c.consumer)
}

func (c *console) consumer(got *client.Consumer) {
	c.facts("consumer", got.UID, "id", got.ID, "name", got.Name, "created", stamp(got.CreatedAt))
}

type consumerDeleteCmd struct {
	remote
	UID string `arg:"" name:"uid" help:"Your own id of the customer."`
}

// Run deletes.
func (d *consumerDeleteCmd) Run(c *console) error {
	return ask(&d.remote, c, func(ctx context.Context, api *client.Client) (*client.Deleted, error) {
		return api.DeleteConsumer(ctx, d.UID)
	}, c.deleted)
}

func (c *console) deleted(got *client.Deleted) {
	fmt.Fprintln(c.out, "Deleted.")
	c.inFlight(got.InFlight)
}

// inFlight warns of requests that were under way when something was stopped.
func (c *console) inFlight(n int) {
	if n > 0 {
		fmt.Fprintf(c.out, "In flight and possibly still arriving: %d.\n", n)
	}
}
