package main

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/malote-dev/malote/client"
)

type deliveryCmd struct {
	List     deliveryListCmd     `cmd:"" help:"List deliveries."`
	Get      deliveryGetCmd      `cmd:"" help:"Show a delivery."`
	Attempts deliveryAttemptsCmd `cmd:"" help:"Show every request of a delivery, and what came of it."`
	Retry    deliveryRetryCmd    `cmd:"" help:"Make a delivery due now; one that is over gets one more try."`
	Curl     deliveryCurlCmd     `cmd:"" help:"Print a delivery's request, signed anew, as a command line of curl."`
	Cancel   deliveryCancelCmd   `cmd:"" help:"End a pending delivery."`
}

type deliveryListCmd struct {
	remote
	listFlags
	Event      string `placeholder:"ID" help:"Only those of this event."`
	Endpoint   string `placeholder:"ID" help:"Only those to this endpoint."`
	Consumer   string `placeholder:"UID" help:"Only those to this customer."`
	Type       string `placeholder:"TYPE" help:"Only this event type."`
	State      string `placeholder:"STATE" help:"pending, delivered, failed or cancelled; several with a comma between."`
	LastStatus string `placeholder:"STATUS" help:"Only those whose last attempt had this status: 503, 5xx, or none (no answer)."`
}

// Run lists deliveries.
func (l *deliveryListCmd) Run(c *console) error {
	now := time.Now()
	return enumerate(&l.remote, c, l.Limit, func(ctx context.Context, api *client.Client) iter.Seq2[*client.Delivery, error] {
		return api.Deliveries(ctx, client.DeliveryFilter{
			EventID: l.Event, EndpointID: l.Endpoint, Consumer: l.Consumer, Type: l.Type, State: l.State, LastStatus: l.LastStatus,
			From: l.From.Time, Until: l.Until.Time, PageSize: pageSize(l.Limit),
		})
	}, []string{"DELIVERY", "TYPE", "CONSUMER", "ENDPOINT", "STATE", "ATTEMPTS", "LAST", "NEXT", "CREATED"}, func(t *table, d *client.Delivery) {
		t.row(d.ID, d.Type, d.Consumer, d.EndpointID, stateOf(d), d.Attempts, last(d), next(d, now), stamp(d.CreatedAt))
	})
}

func stateOf(d *client.Delivery) string {
	if d.Reason == "" || d.Reason == d.State {
		return d.State
	}
	return d.State + ": " + d.Reason
}

// last is what the last attempt brought.
func last(d *client.Delivery) string {
	switch {
	case d.LastStatus != 0:
		return number(d.LastStatus)
	case d.LastError != nil:
		return d.LastError.Class
	case d.Attempts > 0:
		return "no answer"
	}
	return ""
}

func next(d *client.Delivery, now time.Time) string {
	if d.Held != "" && d.HeldUntil != nil {
		return "held: " + d.Held + ", " + ago(*d.HeldUntil, now)
	}
	if d.Held != "" {
		return "held: " + d.Held
	}
	if d.NextDueAt == nil {
		return ""
	}
	if !d.NextDueAt.After(now) {
		return "due"
	}
	return ago(*d.NextDueAt, now)
}

// oneDelivery is a delivery named on the command line.
type oneDelivery struct {
	remote
	ID string `arg:"" name:"id" help:"The delivery's id."`
}

func (o *oneDelivery) ask(c *console, call func(*client.Client, context.Context, string) (*client.Delivery, error)) error {
	if err := idOf("delivery", o.ID); err != nil {
		return err
	}
	return ask(&o.remote, c, func(ctx context.Context, api *client.Client) (*client.Delivery, error) {
		return call(api, ctx, o.ID)
	}, func(d *client.Delivery) {
		answer := ""
		if d.LastError != nil {
			answer = d.LastError.Class + ": " + d.LastError.Detail
		}
		c.facts("delivery", d.ID, "event", d.EventID, "type", d.Type, "endpoint", d.EndpointID, "consumer", d.Consumer,
			"state", stateOf(d), "attempts", fmt.Sprint(d.Attempts), "last status", number(d.LastStatus), "last error", answer, "held", d.Held, "held until", stampOf(d.HeldUntil),
			"next attempt", stampOf(d.NextDueAt), "created", stamp(d.CreatedAt), "finished", stampOf(d.FinishedAt))
		c.inFlight(d.InFlight)
		if strings.HasPrefix(d.Held, "endpoint ") { // paused or disabled
			fmt.Fprintln(c.err, "It waits until the endpoint is resumed: malote endpoint resume "+d.EndpointID)
		}
	})
}

type deliveryGetCmd struct{ oneDelivery }

// Run shows one.
func (g *deliveryGetCmd) Run(c *console) error { return g.ask(c, (*client.Client).Delivery) }

type deliveryRetryCmd struct{ oneDelivery }

// Run makes it due now.
func (r *deliveryRetryCmd) Run(c *console) error { return r.ask(c, (*client.Client).RetryDelivery) }

type deliveryCancelCmd struct{ oneDelivery }

// Run cancels.
func (k *deliveryCancelCmd) Run(c *console) error { return k.ask(c, (*client.Client).CancelDelivery) }

type deliveryCurlCmd struct{ oneDelivery }

// Run prints the command line, and says on the other stream what is left out.
func (k *deliveryCurlCmd) Run(c *console) error {
	if err := idOf("delivery", k.ID); err != nil {
		return err
	}
	return ask(&k.remote, c, func(ctx context.Context, api *client.Client) (*client.SignedRequest, error) {
		return api.SignDelivery(ctx, k.ID)
	}, func(r *client.SignedRequest) {
		fmt.Fprint(c.out, r.Curl)
		if len(r.Redacted) > 0 {
			fmt.Fprintln(c.err, "Put in what is [redacted]: "+strings.Join(r.Redacted, ", "))
		}
	})
}

type deliveryAttemptsCmd struct{ oneDelivery }

// Run shows the attempts as they were on the wire.
func (a *deliveryAttemptsCmd) Run(c *console) error {
	if err := idOf("delivery", a.ID); err != nil {
		return err
	}
	if a.JSON {
		return enumerate(&a.remote, c, 0, func(ctx context.Context, api *client.Client) iter.Seq2[*client.Attempt, error] {
			return api.Attempts(ctx, a.ID)
		}, nil, nil)
	}
	ctx, api, stop, err := a.connect(nil)
	if err != nil {
		return err
	}
	defer stop()
	n := 0
	for at, err := range api.Attempts(ctx, a.ID) {
		if err != nil {
			return err
		}
		if n++; n > 1 {
			fmt.Fprintln(c.out)
		}
		c.attempt(at)
	}
	if n == 0 {
		fmt.Fprintln(c.out, "None yet.")
	}
	return nil
}

func (c *console) attempt(a *client.Attempt) {
	s := c.style()
	fmt.Fprintf(c.out, "%s  %s  %s\n\n", s.bold(fmt.Sprintf("attempt %d", a.Number)), stamp(a.At), s.dim(timings(a.Timings)))
	if a.Request.Sent {
		c.message(s.cyan("→"), &a.Request.Message)
	} else {
		fmt.Fprintf(c.out, "  %s %s\n\n", s.cyan("→"), strings.TrimSuffix("not sent: "+oneLine(a.Request.Line), ": "))
	}
	if a.Response != nil {
		c.message(s.cyan("←"), &a.Response.Message)
		if a.Response.Truncated {
			fmt.Fprintln(c.out, "    … the rest was not kept")
		}
	}
	if a.Error != nil {
		fmt.Fprintf(c.out, "  %s\n", s.red("✗ "+oneLine(a.Error.Class+": "+a.Error.Detail)))
	} else {
		fmt.Fprintf(c.out, "  %s\n", s.green("✓ delivered"))
	}
	if a.NextDueAt != nil {
		fmt.Fprintf(c.out, "  next attempt %s\n", stampOf(a.NextDueAt))
	}
}

func (c *console) message(arrow string, m *client.Message) {
	s := c.style()
	fmt.Fprintf(c.out, "  %s %s\n", arrow, s.bold(oneLine(m.Line)))
	for _, h := range m.Headers {
		fmt.Fprintf(c.out, "    %s %s\n", s.dim(oneLine(h.Name)+":"), oneLine(h.Value))
	}
	switch {
	case m.BodyEncoding == "base64":
		fmt.Fprintf(c.out, "\n    (base64) %s\n\n", m.Body)
	case m.Body != "":
		fmt.Fprintf(c.out, "\n    %s\n\n", visible(strings.TrimRight(m.Body, "\n")))
	default:
		fmt.Fprintln(c.out)
	}
}

func timings(t client.Timings) string {
	var parts []string
	for _, p := range []struct {
		name string
		ms   *float64
	}{{"dns", t.DNS}, {"connect", t.Connect}, {"tls", t.TLS}, {"first byte", t.FirstByte}, {"total", t.Total}} {
		if p.ms != nil {
			parts = append(parts, fmt.Sprintf("%s %.1f ms", p.name, *p.ms))
		}
	}
	if t.Reused {
		parts = append(parts, "reused connection")
	}
	return strings.Join(parts, ", ")
}
