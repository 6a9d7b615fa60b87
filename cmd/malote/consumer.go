package main

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/malote-dev/malote/client"
)

type consumerCmd struct {
	Put    consumerPutCmd    `cmd:"" help:"Create a consumer, or change what is named of one."`
	Get    consumerGetCmd    `cmd:"" help:"Show a consumer."`
	List   consumerListCmd   `cmd:"" help:"List the consumers."`
	Delete consumerDeleteCmd `cmd:"" help:"Delete a consumer with its endpoints, keys and portal sessions; what waits is cancelled."`
}

type consumerPutCmd struct {
	remote
	UID  string  `arg:"" name:"uid" help:"Your own id of the customer."`
	Name *string `placeholder:"TEXT" help:"Name for people."`
	mailing
}

// Run creates or changes.
func (p *consumerPutCmd) Run(c *console) error {
	var ch client.ConsumerChange
	if p.Name != nil {
		ch.Name = client.Set(*p.Name)
	}
	if err := p.change(&ch.Emails, &ch.Language); err != nil {
		return err
	}
	return ask(&p.remote, c, func(ctx context.Context, api *client.Client) (*client.Consumer, error) {
		return api.PutConsumer(ctx, p.UID, ch)
	}, c.consumer)
}

// mailing is who is told by mail, and in which language.
type mailing struct {
	Email    []string `placeholder:"ADDRESS" help:"Who is told by mail when endpoints fail; repeat it for more, 'none': nobody."`
	Language *string  `placeholder:"TAG" help:"Language of mails: en or pt-BR; '': as set above it."`
}

// nobody in place of addresses.
const nobody = "none"

func (m *mailing) change(emails *client.Field[[]string], language *client.Field[string]) error {
	list, err := addressees(m.Email)
	if err != nil {
		return err
	}
	if len(m.Email) > 0 {
		*emails = client.Set(list)
	}
	switch {
	case m.Language == nil:
	case *m.Language == "":
		*language = client.Null[string]()
	default:
		*language = client.Set(*m.Language)
	}
	return nil
}

func orNobody(emails []string) string {
	if len(emails) == 0 {
		return "nobody"
	}
	return strings.Join(emails, ", ")
}

// addressees reads --email; 'none' is an empty list.
func addressees(given []string) ([]string, error) {
	if slices.Contains(given, nobody) {
		if len(given) > 1 {
			return nil, usage("--email none stands alone", "leave it out, or the addresses")
		}
		return []string{}, nil
	}
	return given, nil
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
	c.facts("consumer", got.UID, "id", got.ID, "name", got.Name, "emails", strings.Join(got.Emails, ", "), "language", got.Language, "created", stamp(got.CreatedAt))
}

type consumerListCmd struct {
	remote
	UIDPrefix string `name:"uid-prefix" placeholder:"TEXT" help:"Only those whose uid begins so."`
	Limit     int    `default:"50" placeholder:"N" help:"How many to show, by uid; 0: all (default ${default})."`
}

// Run lists consumers.
func (l *consumerListCmd) Run(c *console) error {
	return enumerate(&l.remote, c, l.Limit, func(ctx context.Context, api *client.Client) iter.Seq2[*client.Consumer, error] {
		return api.Consumers(ctx, client.ConsumerFilter{UIDPrefix: l.UIDPrefix, PageSize: pageSize(l.Limit)})
	}, []string{"CONSUMER", "NAME", "CREATED"}, func(t *table, co *client.Consumer) {
		t.row(co.UID, co.Name, stamp(co.CreatedAt))
	})
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
