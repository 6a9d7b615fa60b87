package main

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/malote-dev/malote/client"
)

type inspectorCmd struct {
	Create   inspectorCreateCmd   `cmd:"" help:"Create an inspector; its address is shown."`
	List     inspectorListCmd     `cmd:"" help:"List inspectors."`
	Show     inspectorShowCmd     `cmd:"" help:"Show an inspector, or a request that arrived there."`
	Requests inspectorRequestsCmd `cmd:"" help:"List what arrived, newest first."`
	Replay   inspectorReplayCmd   `cmd:"" help:"Have the server send a request that arrived to a URL, once more."`
	Clear    inspectorClearCmd    `cmd:"" help:"Delete all requests of an inspector."`
	Delete   inspectorDeleteCmd   `cmd:"" help:"Delete an inspector with its requests."`
}

type inspectorCreateCmd struct {
	remote
	Name       string   `placeholder:"TEXT" help:"For people."`
	Status     int      `placeholder:"N" help:"Status that it answers (200)."`
	Header     []string `sep:"none" placeholder:"NAME:VALUE" help:"A header of its answer; repeat it for more."`
	Body       string   `placeholder:"TEXT" help:"Body of its answer: itself, @FILE, or - for standard input."`
	Delay      span     `placeholder:"TIME" help:"Hold the answer back this long, up to 30s."`
	FailRate   int      `placeholder:"PERCENT" help:"Percent of requests that get --fail-status."`
	FailStatus int      `placeholder:"N" help:"Status that these get (500)."`
	Dialect    string   `placeholder:"NAME" help:"Verify requests by this dialect; with --secret alone: the project's."`
	Secret     string   `placeholder:"TEXT" help:"Secret to verify with: itself, @FILE, or - for standard input."`
	Retention  span     `placeholder:"TIME" help:"Keep requests this long (7d)."`
	Expires    span     `placeholder:"TIME" help:"End it after this time; without it, it stays."`
}

// Run creates an inspector.
func (i *inspectorCreateCmd) Run(c *console) error {
	headers, err := parseHeaders(i.Header)
	if err != nil {
		return err
	}
	body, err := c.input("--body", i.Body)
	if err != nil {
		return err
	}
	secret, err := c.secret(i.Secret)
	if err != nil {
		return err
	}
	in := client.NewInspector{Name: i.Name, Dialect: i.Dialect, Secret: secret, Retention: i.Retention.seconds(), ExpiresIn: i.Expires.seconds()}
	answer := client.InspectorAnswer{
		Status: i.Status, Headers: headers, Body: string(body), DelayMS: int(time.Duration(i.Delay).Milliseconds()), FailRate: i.FailRate, FailStatus: i.FailStatus,
	}
	if i.Status != 0 || len(headers) > 0 || len(body) > 0 || i.Delay > 0 || i.FailRate != 0 || i.FailStatus != 0 {
		in.Answer = &answer
	}
	return ask(&i.remote, c, func(ctx context.Context, api *client.Client) (*client.Inspector, error) {
		return api.CreateInspector(ctx, in)
	}, c.inspector)
}

func (c *console) inspector(i *client.Inspector) {
	secret := ""
	if i.HasSecret {
		secret = "there is one"
	}
	answer := strconv.Itoa(i.Answer.Status)
	if i.Answer.DelayMS > 0 {
		answer += fmt.Sprintf(" after %s", time.Duration(i.Answer.DelayMS)*time.Millisecond)
	}
	if i.Answer.FailRate > 0 {
		answer += fmt.Sprintf(", %d in %d %% of cases", i.Answer.FailStatus, i.Answer.FailRate)
	}
	c.facts(
		"inspector", i.ID, "url", i.URL, "name", i.Name, "answer", answer, "dialect", i.Dialect, "secret", secret,
		"requests", strconv.Itoa(i.Requests), "retention", shortDuration(time.Duration(i.Retention)*time.Second), "created", stamp(i.CreatedAt), "expires", stampOf(i.ExpiresAt),
	)
}

type inspectorListCmd struct {
	remote
	Limit int `default:"50" placeholder:"N" help:"How many to show, newest first; 0: all (default ${default})."`
}

// Run lists inspectors.
func (i *inspectorListCmd) Run(c *console) error {
	return enumerate(&i.remote, c, i.Limit, func(ctx context.Context, api *client.Client) iter.Seq2[*client.Inspector, error] {
		return api.Inspectors(ctx)
	}, []string{"INSPECTOR", "NAME", "REQUESTS", "CREATED", "EXPIRES", "URL"}, func(t *table, i *client.Inspector) {
		t.row(i.ID, i.Name, i.Requests, stamp(i.CreatedAt), stampOf(i.ExpiresAt), i.URL)
	})
}

type inspectorShowCmd struct {
	remote
	ID      string `arg:"" name:"id" help:"The inspector's id."`
	Request string `arg:"" optional:"" help:"The id of a request that arrived."`
	Raw     bool   `help:"Print the request alone, byte for byte: its first line, its headers, and the body, as malote verify reads it."`
}

// Run shows one, or a request as it arrived.
func (i *inspectorShowCmd) Run(c *console) error {
	if err := idOf("inspector", i.ID); err != nil {
		return err
	}
	if i.Request == "" {
		return ask(&i.remote, c, func(ctx context.Context, api *client.Client) (*client.Inspector, error) {
			return api.Inspector(ctx, i.ID)
		}, c.inspector)
	}
	return ask(&i.remote, c, func(ctx context.Context, api *client.Client) (*client.InspectedRequest, error) {
		return api.InspectedRequest(ctx, i.ID, i.Request)
	}, i.shown(c))
}

func (i *inspectorShowCmd) shown(c *console) func(*client.InspectedRequest) {
	if !i.Raw {
		return c.inspected
	}
	return func(r *client.InspectedRequest) {
		var b bytes.Buffer
		fmt.Fprintf(&b, "%s %s %s\r\n", r.Method, pathOf(r), r.HTTPVersion)
		for _, h := range r.Headers {
			fmt.Fprintf(&b, "%s: %s\r\n", h.Name, h.Exact())
		}
		b.WriteString("\r\n")
		b.Write(r.Body)
		_, _ = c.out.Write(b.Bytes()) // as every print here
	}
}

func (c *console) inspected(r *client.InspectedRequest) {
	verdict := ""
	if v := r.Verdict; v != nil {
		verdict = v.Outcome
		if v.Cause != "" {
			verdict += ", " + v.Cause + ": " + v.Detail
		}
	}
	length := fmt.Sprintf("%d bytes", r.BodyBytes)
	switch {
	case r.BodyTruncated:
		length += fmt.Sprintf(", of which %d are kept", len(r.Body))
	case !r.BodyComplete:
		length += ", and it broke off"
	}
	c.facts("request", r.ID, "received", stamp(r.ReceivedAt), "from", r.Remote, "tls", r.TLS, "body", length, "answered", strconv.Itoa(r.Status), "passed over", strings.Join(r.Ignored, ", "), "signature", verdict)
	fmt.Fprintf(c.out, "\n%s %s %s\n", r.Method, oneLine(pathOf(r)), r.HTTPVersion)
	for _, h := range r.Headers {
		fmt.Fprintf(c.out, "%s: %s\n", oneLine(h.Name), oneLine(h.Value))
	}
	switch {
	case r.Text != nil && *r.Text != "":
		fmt.Fprintf(c.out, "\n%s\n", visible(*r.Text))
	case r.Text == nil:
		fmt.Fprintf(c.out, "\nThe body is not text: see it with --json, in base64.\n")
	}
}

// pathOf is what stood behind the inspector's address.
func pathOf(r *client.InspectedRequest) string {
	path := r.Path
	if path == "" {
		path = "/"
	}
	if r.Query != "" {
		path += "?" + r.Query
	}
	return path
}

type inspectorRequestsCmd struct {
	remote
	ID     string `arg:"" name:"id" help:"The inspector's id."`
	Search string `placeholder:"TEXT" help:"Only those with this text in method, path, query, headers or body."`
	Limit  int    `default:"50" placeholder:"N" help:"How many to show, newest first; 0: all (default ${default})."`
}

// Run lists requests.
func (i *inspectorRequestsCmd) Run(c *console) error {
	if err := idOf("inspector", i.ID); err != nil {
		return err
	}
	return enumerate(&i.remote, c, i.Limit, func(ctx context.Context, api *client.Client) iter.Seq2[*client.InspectedRequest, error] {
		return api.InspectedRequests(ctx, i.ID, i.Search)
	}, []string{"REQUEST", "RECEIVED", "METHOD", "PATH", "BYTES", "ANSWERED", "SIGNATURE", "FROM"}, func(t *table, r *client.InspectedRequest) {
		t.row(r.ID, stamp(r.ReceivedAt), r.Method, pathOf(r), r.BodyBytes, r.Status, shortVerdict(r.Verdict), r.Remote)
	})
}

// shortVerdict is a verdict in a list; empty: it was not judged.
func shortVerdict(v *client.Verdict) string {
	switch {
	case v == nil:
		return ""
	case v.Cause != "":
		return v.Outcome + ": " + v.Cause
	}
	return v.Outcome
}

type inspectorReplayCmd struct {
	remote
	ID      string `arg:"" name:"id" help:"The inspector's id."`
	Request string `arg:"" help:"The id of a request that arrived."`
	To      string `name:"to" required:"" placeholder:"URL" help:"Where to send it; the server's address guard judges it as it does an endpoint's."`
}

// Run has it sent.
func (i *inspectorReplayCmd) Run(c *console) error {
	if err := idOf("inspector", i.ID); err != nil {
		return err
	}
	return ask(&i.remote, c, func(ctx context.Context, api *client.Client) (*client.InspectedReplay, error) {
		return api.ReplayInspectedRequest(ctx, i.ID, i.Request, i.To)
	}, func(r *client.InspectedReplay) {
		if r.Response == nil {
			fmt.Fprintf(c.out, "%s %s: no answer: %s\n", r.Method, oneLine(r.URL), oneLine(r.Error.Detail))
			return
		}
		fmt.Fprintf(c.out, "%s %s: %d\n", r.Method, oneLine(r.URL), r.Response.Status)
		if r.Response.BodyEncoding == "text" && r.Response.Body != "" {
			fmt.Fprintf(c.out, "\n%s\n", visible(r.Response.Body))
		}
	})
}

type inspectorClearCmd struct {
	remote
	ID string `arg:"" name:"id" help:"The inspector's id."`
}

// Run deletes the requests.
func (i *inspectorClearCmd) Run(c *console) error {
	if err := idOf("inspector", i.ID); err != nil {
		return err
	}
	return ask(&i.remote, c, func(ctx context.Context, api *client.Client) (*client.Cleared, error) {
		return api.ClearInspector(ctx, i.ID)
	}, func(n *client.Cleared) { fmt.Fprintf(c.out, "Deleted: %d requests.\n", n.Requests) })
}

type inspectorDeleteCmd struct {
	remote
	ID string `arg:"" name:"id" help:"The inspector's id."`
}

// Run deletes it.
func (i *inspectorDeleteCmd) Run(c *console) error {
	if err := idOf("inspector", i.ID); err != nil {
		return err
	}
	return ask(&i.remote, c, func(ctx context.Context, api *client.Client) (*client.Deleted, error) {
		return api.DeleteInspector(ctx, i.ID)
	}, func(*client.Deleted) { fmt.Fprintln(c.out, "Deleted.") })
}
