package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/malote-dev/malote/client"
)

type endpointPreviewCmd struct {
	remote
	ID         string   `arg:"" optional:"" name:"id" help:"An endpoint that is there; without one, what is named below is asked for."`
	Consumer   string   `placeholder:"UID" help:"The customer whose last events are judged; the endpoint's, where one is named."`
	EventTypes []string `placeholder:"TYPE" help:"Types in place of the endpoint's; repeat it for more."`
	Channels   []string `placeholder:"NAME" help:"Channels in place of the endpoint's; repeat it for more, an empty one is none."`
	Filter     *string  `placeholder:"CEL" help:"Filter in place of the endpoint's: itself, @FILE, or -; an empty one is none."`
	Event      string   `placeholder:"ID" help:"Judge this stored event alone, and say why the endpoint did not get it."`
	Type       string   `placeholder:"TYPE" help:"Judge stored events of this type only, or, with --data, a sample of it."`
	Data       *string  `placeholder:"JSON" help:"Judge a sample with this data, and --type: JSON, @FILE, or -."`
	On         []string `placeholder:"NAME" help:"Channels of the sample; repeat it for more."`
	Limit      int      `default:"50" placeholder:"N" help:"How many of the last events to judge, at most 100 (default ${default})."`
}

// Run asks which events the endpoint would get.
func (p *endpointPreviewCmd) Run(c *console) error {
	in, err := p.preview(c)
	if err != nil {
		return err
	}
	return ask(&p.remote, c, func(ctx context.Context, api *client.Client) (*client.Previewed, error) {
		return api.PreviewEndpoint(ctx, in)
	}, func(got *client.Previewed) {
		t := newTable(c, "EVENT", "TYPE", "CHANNELS", "GETS IT", "WHY")
		for _, r := range got.Results {
			event, gets := r.EventID, "no: "+r.Reason
			if event == "" {
				event = "(sample)"
			}
			if r.Matched {
				gets = "yes"
			}
			why := r.Detail
			if r.DeliveryID != "" {
				why = strings.TrimSpace("it got " + r.DeliveryID + " " + why)
			}
			t.row(event, r.Type, strings.Join(r.Channels, ","), gets, why)
		}
		_ = t.flush()
		fmt.Fprintf(c.err, "%d of %d events.\n", got.Matched, got.Judged)
		if got.More {
			fmt.Fprintln(c.err, "There are older ones, or judging took too long for the rest.")
		}
	})
}

func (p *endpointPreviewCmd) preview(c *console) (in client.Preview, err error) {
	if p.ID != "" {
		if err := idOf("endpoint", p.ID); err != nil {
			return in, err
		}
	}
	if p.Event != "" {
		if err := idOf("event", p.Event); err != nil {
			return in, err
		}
	}
	s := endpointSettings{Filter: p.Filter}
	in = client.Preview{EndpointID: p.ID, Consumer: p.Consumer, EventTypes: p.EventTypes, EventID: p.Event}
	if in.Filter, err = s.filter(c); err != nil {
		return in, err
	}
	if p.Channels != nil {
		in.Channels = append([]string{}, given(p.Channels)...)
	}
	switch {
	case p.Data != nil && p.Event != "":
		return in, usage("--data and --event exclude each other", "pass one of them")
	case p.Data != nil && p.Type == "":
		return in, usage("--type is missing", "say which type the sample of --data is of")
	case p.Data != nil:
		data, err := c.jsonInput("data", *p.Data)
		if err != nil {
			return in, err
		}
		in.Events = []client.NewEvent{{Type: p.Type, Data: data, Channels: p.On}}
	case len(p.On) > 0:
		return in, usage("--on is of a sample", "pass the sample's data with --data")
	case p.Event == "":
		in.Type, in.Limit = p.Type, p.Limit
	}
	return in, nil
}
