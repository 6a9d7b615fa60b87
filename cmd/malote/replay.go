package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/malote-dev/malote/client"
)

type replayCmd struct {
	Create replayCreateCmd `cmd:"" help:"Send again what failed, or, with --missed, what an endpoint never got."`
	List   replayListCmd   `cmd:"" help:"List replays."`
	Get    replayGetCmd    `cmd:"" help:"Show a replay, and how far it is."`
	Cancel replayCancelCmd `cmd:"" help:"End a replay; what it put into the queue is sent."`
}

type replayCreateCmd struct {
	remote
	Since      since    `required:"" placeholder:"TIME" help:"What was made since then: 2h or 3d ago, or 2026-01-31T12:00:00Z."`
	Until      moment   `placeholder:"TIME" help:"And before this time."`
	Missed     bool     `help:"Events that --endpoint wants and never got, instead of what failed."`
	Endpoint   string   `placeholder:"ID" help:"Only to this endpoint."`
	Consumer   string   `placeholder:"UID" help:"Only to this customer."`
	States     []string `placeholder:"STATE" help:"failed, pending (what waits for its next attempt after one that failed), cancelled, delivered (left out: failed,pending)."`
	EventTypes []string `placeholder:"TYPE" help:"Only these event types, as in 'invoice.*'."`
	DryRun     bool     `help:"Say how many deliveries it would be of, and do nothing."`
	Wait       bool     `help:"Show the progress until it is over."`
}

// Run starts a replay, or counts.
func (r *replayCreateCmd) Run(c *console) error {
	in := client.NewReplay{
		Kind: client.Recover, EndpointID: r.Endpoint, Consumer: r.Consumer, States: r.States, EventTypes: r.EventTypes, From: r.Since.Time, Until: r.Until.Time,
	}
	if r.Missed {
		in.Kind = client.Missed
	}
	if r.Endpoint != "" {
		if err := idOf("endpoint", r.Endpoint); err != nil {
			return err
		}
	}
	if r.DryRun {
		return ask(&r.remote, c, func(ctx context.Context, api *client.Client) (*client.ReplayCount, error) {
			return api.CountReplay(ctx, in)
		}, func(n *client.ReplayCount) { fmt.Fprintln(c.out, countOf(n.Matched, n.More), "would be sent.") })
	}
	return c.replay(&r.remote, r.Wait, func(ctx context.Context, api *client.Client) (*client.Replay, error) {
		return api.CreateReplay(ctx, in)
	})
}

// countOf is a number of deliveries in words.
func countOf(n int, more bool) string {
	what := "deliveries"
	if n == 1 && !more {
		what = "delivery"
	}
	if more {
		return fmt.Sprintf("More than %d %s", n, what)
	}
	return fmt.Sprintf("%d %s", n, what)
}

// replay makes a call and shows the replay that it answers with; with wait, as
// it is when it is over.
func (c *console) replay(r *remote, wait bool, call func(context.Context, *client.Client) (*client.Replay, error)) error {
	var failed error
	err := ask(r, c, func(ctx context.Context, api *client.Client) (*client.Replay, error) {
		got, err := call(ctx, api)
		if err != nil || !wait {
			return got, err
		}
		if got, err = c.await(ctx, api, got); err == nil && got.State == "failed" {
			failed = &failure{what: "the replay failed: " + got.Reason, fix: "what it put into the queue is sent; start another for the rest", code: exitFailure}
		}
		return got, err
	}, c.showReplay)
	return errors.Join(err, failed)
}

// await shows a replay's progress until it is over.
func (c *console) await(ctx context.Context, api *client.Client, r *client.Replay) (*client.Replay, error) {
	const pace = 500 * time.Millisecond
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for shown := -1; r.State == "running"; {
		if done := r.Done + r.Skipped + r.Failed; done != shown {
			shown = done
			fmt.Fprintf(c.err, "%s of %s in the queue\n", progressOf(r), strings.ToLower(countOf(r.Matched, r.More)))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			fmt.Fprintf(c.err, "The replay goes on; see it with: malote replay get %s\n", r.ID)
			return nil, ctx.Err()
		}
		var err error
		if r, err = api.Replay(ctx, r.ID); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// progressOf is how far a replay is, in words.
func progressOf(r *client.Replay) string {
	n := fmt.Sprint(r.Done)
	if r.Progress != nil {
		n += fmt.Sprintf(" (%d %%)", int(*r.Progress*100))
	}
	return n
}

func (c *console) showReplay(r *client.Replay) {
	what := "what failed"
	if r.Kind == client.Missed {
		what = "what was missed"
	}
	c.facts("replay", r.ID, "of", what, "endpoint", r.EndpointID, "consumer", r.Consumer, "states", strings.Join(r.States, ", "),
		"event types", strings.Join(r.EventTypes, ", "), "since", stampOf(r.From), "until", stampOf(r.Until), "state", r.State, "reason", r.Reason,
		"to send", strings.ToLower(countOf(r.Matched, r.More)), "in the queue", progressOf(r), "left alone", number(r.Skipped), "too old to send", number(r.Failed),
		"created", stamp(r.CreatedAt), "finished", stampOf(r.FinishedAt))
}

type replayListCmd struct {
	remote
	Endpoint string `placeholder:"ID" help:"Only those of this one endpoint."`
	Consumer string `placeholder:"UID" help:"Only those of this customer."`
	State    string `placeholder:"STATE" help:"running, done, cancelled or failed."`
	Limit    int    `default:"50" placeholder:"N" help:"How many to show, newest first; 0: all (default ${default})."`
}

// Run lists replays.
func (l *replayListCmd) Run(c *console) error {
	return enumerate(&l.remote, c, l.Limit, func(ctx context.Context, api *client.Client) iter.Seq2[*client.Replay, error] {
		return api.Replays(ctx, client.ReplayFilter{EndpointID: l.Endpoint, Consumer: l.Consumer, State: l.State, PageSize: pageSize(l.Limit)})
	}, []string{"REPLAY", "KIND", "CONSUMER", "ENDPOINT", "STATE", "TO SEND", "DONE", "CREATED"}, func(t *table, r *client.Replay) {
		matched := fmt.Sprint(r.Matched)
		if r.More {
			matched = "more than " + matched
		}
		t.row(r.ID, r.Kind, r.Consumer, r.EndpointID, r.State, matched, progressOf(r), stamp(r.CreatedAt))
	})
}

type replayGetCmd struct {
	remote
	ID   string `arg:"" name:"id" help:"The replay's id."`
	Wait bool   `help:"Show the progress until it is over."`
}

// Run shows one.
func (g *replayGetCmd) Run(c *console) error {
	if err := idOf("replay", g.ID); err != nil {
		return err
	}
	return c.replay(&g.remote, g.Wait, func(ctx context.Context, api *client.Client) (*client.Replay, error) { return api.Replay(ctx, g.ID) })
}

type replayCancelCmd struct {
	remote
	ID string `arg:"" name:"id" help:"The replay's id."`
}

// Run ends one.
func (k *replayCancelCmd) Run(c *console) error {
	if err := idOf("replay", k.ID); err != nil {
		return err
	}
	return c.replay(&k.remote, false, func(ctx context.Context, api *client.Client) (*client.Replay, error) {
		return api.CancelReplay(ctx, k.ID)
	})
}

type eventReplayCmd struct {
	remote
	ID       string `arg:"" name:"id" help:"The event's id."`
	Endpoint string `placeholder:"ID" help:"To this endpoint alone."`
}

// Run sends one event again.
func (e *eventReplayCmd) Run(c *console) error {
	if err := idOf("event", e.ID); err != nil {
		return err
	}
	return ask(&e.remote, c, func(ctx context.Context, api *client.Client) (*client.EventReplayed, error) {
		return api.ReplayEvent(ctx, e.ID, e.Endpoint)
	}, func(r *client.EventReplayed) {
		c.facts("event", r.EventID, "sent again", strings.Join(r.Again, ", "), "sent for the first time", strings.Join(r.New, ", "))
		if len(r.Again)+len(r.New) == 0 {
			fmt.Fprintln(c.out, "No endpoint got it, and none wants it today.")
		}
	})
}

// since is a moment, or how long ago it was.
type since struct{ moment }

func (s *since) UnmarshalText(text []byte) error {
	var d span
	if d.UnmarshalText(text) == nil {
		s.Time = time.Now().Add(-time.Duration(d))
		return nil
	}
	if s.moment.UnmarshalText(text) != nil {
		return fmt.Errorf("%q is neither a time nor how long ago: write for example 2h, 3d, 2026-01-31T12:00:00Z or 2026-01-31", text)
	}
	return nil
}
