package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/app"
	"github.com/malote-dev/malote/webhook"
)

type dialectPreviewCmd struct {
	dialectFlags
	Name     []string `arg:"" optional:"" help:"Dialects to show (default: all)."`
	Type     string   `placeholder:"TYPE" help:"The event's type (default: that of the dialect's test event)."`
	Payload  *string  `name:"payload" placeholder:"JSON" help:"The event's data: JSON, @FILE, or - (default: those of the dialect's test event)."`
	Consumer string   `default:"42" placeholder:"UID" help:"The consumer (default ${default}, which every dialect takes)."`
	JSON     bool     `name:"json" help:"Print JSON, one dialect a line."`
}

// Run shows one event as its receivers would see it in each dialect, signed
// with a secret that is made for it.
func (p *dialectPreviewCmd) Run(c *console) error {
	catalog, err := app.LoadDialects(p.Dialects)
	if err != nil {
		return err
	}
	shown := newest(catalog)
	if len(p.Name) > 0 {
		shown = nil
		for _, name := range p.Name {
			d, ok := catalog.Lookup(name)
			if !ok {
				return unknownDialect(catalog, name)
			}
			shown = append(shown, d)
		}
	}
	m := &webhook.Message{ID: webhook.NewID(), Endpoint: webhook.NewID(), Delivery: webhook.NewID(), Type: p.Type, Consumer: p.Consumer, Time: time.Now()}
	if p.Payload != nil {
		if m.Data, err = c.jsonInput("payload", *p.Payload); err != nil {
			return err
		}
		if p.Type == "" {
			return usage("--type is missing", "say which type the data of --payload is of")
		}
	}
	for _, d := range shown {
		if err := p.show(c, d, *m); err != nil {
			return err
		}
	}
	return nil
}

// show prints what one dialect makes of the event.
func (p *dialectPreviewCmd) show(c *console, d *webhook.Dialect, m webhook.Message) error {
	kind, data := d.NewTest(m.ID)
	if m.Type == "" {
		m.Type = kind
	}
	if m.Data == nil {
		m.Data = data
	}
	r := client.DialectRequest{Dialect: d.Ref(), Title: d.Title, Headers: []client.Header{}, Encoding: "none", Secret: d.NewSecret()}
	fields, body, err := d.SignFields(&m, webhook.Try{}, r.Secret)
	var misfit *webhook.DataError
	switch {
	case errors.As(err, &misfit):
		r.Problem = misfit.Error()
	case err != nil:
		return err
	default:
		r.Body, r.Encoding = string(body), "text"
		for _, f := range fields {
			r.Headers = append(r.Headers, client.Header{Name: f.Name, Value: f.Value})
		}
	}
	if p.JSON {
		enc := json.NewEncoder(c.out)
		enc.SetEscapeHTML(false)
		return enc.Encode(r) //nolint:gosec // the secret is nobody's: it was made to be shown
	}
	paint := c.style()
	fmt.Fprintf(c.out, "%s  %s\n", paint.bold(r.Dialect), r.Title)
	if r.Problem != "" {
		fmt.Fprintf(c.out, "cannot carry it: %s\n\n", oneLine(r.Problem))
		return nil
	}
	for _, h := range r.Headers {
		fmt.Fprintf(c.out, "%s: %s\n", paint.cyan(h.Name), oneLine(h.Value))
	}
	fmt.Fprintf(c.out, "\n%s\n%s\n\n", visible(r.Body), paint.dim("signed with "+r.Secret))
	return nil
}
