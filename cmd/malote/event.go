package main

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/malote-dev/malote/client"
)

type eventCmd struct {
	Send   eventSendCmd   `cmd:"" help:"Send an event; it is kept when this returns."`
	Import eventImportCmd `cmd:"" help:"Send the events of a file, one JSON object a line."`
	List   eventListCmd   `cmd:"" help:"List events."`
	Get    eventGetCmd    `cmd:"" help:"Show an event with its data."`
	Replay eventReplayCmd `cmd:"" help:"Send an event again: to all that got it and all that want it today."`
}

type eventSendCmd struct {
	remote
	Type           string   `arg:"" help:"Event type, as in task.completed."`
	Consumer       string   `required:"" placeholder:"UID" help:"The customer it is for; '*' is all of them and needs the scope events:broadcast."`
	Data           string   `required:"" placeholder:"JSON" help:"The event's data: JSON, @FILE, or - for standard input; sent as the bytes that stand there."`
	Channels       []string `placeholder:"NAME" help:"Channels that endpoints may choose it by; repeat it for more."`
	Timestamp      moment   `placeholder:"TIME" help:"When it happened, as in 2026-01-31T12:00:00Z (default: now)."`
	IdempotencyKey string   `placeholder:"TEXT" help:"Makes a repeat safe: the same key keeps nothing twice."`
}

// Run sends one event.
func (s *eventSendCmd) Run(c *console) error {
	data, err := c.input("--data", s.Data)
	if err != nil {
		return err
	}
	if err := checkJSON(data); err != nil {
		return usage("--data: "+err.Error(), `write JSON, as in --data '{"id":42}', or name a file as --data @event.json`)
	}
	return ask(&s.remote, c, func(ctx context.Context, api *client.Client) (*client.Accepted, error) {
		return api.Send(ctx, client.NewEvent{
			Type: s.Type, Consumer: s.Consumer, Data: data, Timestamp: s.Timestamp.Time, Channels: s.Channels, IdempotencyKey: s.IdempotencyKey,
		})
	}, func(a *client.Accepted) {
		again := ""
		if a.Duplicate {
			again = "yes: the idempotency key was used before, this is the first answer"
		}
		more := ""
		if a.More {
			more = "more are being made"
		}
		c.facts("event", a.ID, "deliveries", fmt.Sprint(a.Deliveries), "", more, "duplicate", again, "unreached", a.Unreached)
	})
}

type eventListCmd struct {
	remote
	listFlags
	Event          string `name:"id" placeholder:"ID" help:"Only the one with this id: with its prefix or without, or the UUID on the wire."`
	Consumer       string `placeholder:"UID" help:"Only those for this customer."`
	Type           string `placeholder:"TYPE" help:"Only this type."`
	IdempotencyKey string `placeholder:"TEXT" help:"Only those that came with this key."`
	Channel        string `placeholder:"NAME" help:"Only those that were sent to this channel."`
	Search         string `placeholder:"TEXT" help:"Only those with this text in their data."`
}

// Run lists events.
func (l *eventListCmd) Run(c *console) error {
	return enumerate(&l.remote, c, l.Limit, func(ctx context.Context, api *client.Client) iter.Seq2[*client.Event, error] {
		return api.Events(ctx, client.EventFilter{
			ID: l.Event, Consumer: l.Consumer, Type: l.Type, IdempotencyKey: l.IdempotencyKey, Channel: l.Channel, Search: l.Search,
			From: l.From.Time, Until: l.Until.Time, PageSize: pageSize(l.Limit),
		})
	}, []string{"EVENT", "TYPE", "CONSUMER", "DELIVERIES", "CREATED"}, func(t *table, e *client.Event) {
		deliveries := fmt.Sprint(e.Deliveries)
		if e.Unreached != "" {
			deliveries += ": " + e.Unreached
		}
		t.row(e.ID, e.Type, e.Consumer, deliveries, stamp(e.CreatedAt))
	})
}

type eventGetCmd struct {
	remote
	ID       string `arg:"" name:"id" help:"The event's id."`
	DataOnly bool   `help:"Print the data alone, byte for byte."`
}

// Run shows one event.
func (g *eventGetCmd) Run(c *console) error {
	if g.DataOnly {
		g.JSON = false
	}
	return ask(&g.remote, c, func(ctx context.Context, api *client.Client) (*client.Event, error) {
		return api.Event(ctx, g.ID)
	}, func(e *client.Event) {
		if g.DataOnly {
			fmt.Fprintf(c.out, "%s", e.Data)
			return
		}
		c.facts("event", e.ID, "type", e.Type, "consumer", e.Consumer, "channels", strings.Join(e.Channels, ", "), "happened", stamp(e.Timestamp), "kept", stamp(e.CreatedAt),
			"dialect", e.Dialect, "idempotency key", e.IdempotencyKey, "deliveries", fmt.Sprint(e.Deliveries), "unreached", e.Unreached)
		if len(e.DeliveryList) > 0 {
			fmt.Fprintln(c.out)
			t := newTable(c, "DELIVERY", "ENDPOINT", "STATE", "ATTEMPTS", "LAST")
			for i := range e.DeliveryList {
				d := &e.DeliveryList[i]
				t.row(d.ID, d.EndpointID, stateOf(d), d.Attempts, last(d))
			}
			_ = t.flush()
		}
		fmt.Fprintf(c.out, "\n%s\n", visible(string(e.Data)))
	})
}
