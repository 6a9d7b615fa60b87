package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/malote-dev/malote/client"
)

// listenCmd passes what arrives at an inspector to a server of the
// developer's own.
type listenCmd struct {
	remote
	Forward     string   `required:"" placeholder:"URL" help:"Where to: http://localhost:3000/webhook. What stands behind the inspector's address is put behind it."`
	Inspector   string   `placeholder:"ID" help:"Listen to this inspector, from now on; without it one is made, and deleted at the end."`
	EndpointFor string   `placeholder:"UID" help:"Make an endpoint of this consumer that points to the inspector, and delete it at the end."`
	EventTypes  []string `placeholder:"TYPE" help:"Of that endpoint: exact names, 'task.*', or '*' (all)."`
	PrintSecret bool     `help:"Print that endpoint's signing secret."`
	Any         bool     `help:"Forward also to other machines than this one."`
}

// Pace of listening.
const (
	listenWait   = 25 * time.Second // that one question waits for a request
	listenFirst  = 250 * time.Millisecond
	listenMost   = 10 * time.Second // between attempts to reach a server that is away
	listenKept   = 7 * 24 * 60 * 60 // seconds after which an inspector that nobody deleted ends
	listenTidyUp = 5 * time.Second
	listenLookup = 30 * time.Second // for the name of the target
)

// listening is one run of it.
type listening struct {
	*listenCmd
	c         *console
	api       *client.Client
	forwarder *client.Forwarder
	inspector *client.Inspector
	endpoint  *client.Endpoint // that was made; nil: none was
	after     string           // the last request that was passed on
}

// Run listens until a signal.
func (l *listenCmd) Run(c *console) error {
	if l.EndpointFor == "" && (len(l.EventTypes) > 0 || l.PrintSecret) {
		return usage("--event-types and --print-secret are of the endpoint that --endpoint-for makes", "pass --endpoint-for with a consumer, too")
	}
	if l.Inspector != "" {
		if err := idOf("inspector", l.Inspector); err != nil {
			return err
		}
	}
	f, err := l.forwarder()
	if err != nil {
		return err
	}
	defer f.Close()
	ctx, api, stop, err := l.connect(nil)
	if err != nil {
		return err
	}
	defer stop()
	run := &listening{listenCmd: l, c: c, api: api, forwarder: f}
	err = run.prepare(ctx)
	if err == nil {
		if err = run.greet(); err == nil {
			err = run.listen(ctx)
		}
	}
	if ctx.Err() != nil {
		err = nil // Ctrl-C is how it ends
	}
	return errors.Join(err, run.tidyUp(ctx))
}

// forwarder judges the target before anything is asked for or made.
func (l *listenCmd) forwarder() (*client.Forwarder, error) {
	f, err := client.NewForwarder(l.Forward, l.Any)
	if err != nil {
		return nil, usage("--forward: "+l.Forward+" is not the URL of a server", "write for example http://localhost:3000/webhook")
	}
	ctx, cancel := context.WithTimeout(context.Background(), listenLookup)
	defer cancel()
	switch err := f.Check(ctx); {
	case errors.Is(err, client.ErrNotLocal):
		return nil, usage("--forward: "+l.Forward+" is not on this machine", "pass --any to forward to other machines, too")
	case err != nil:
		return nil, usage("--forward: "+err.Error(), "write a name or an address that can be reached, as in http://localhost:3000/webhook")
	}
	return f, nil
}

// prepare finds or makes the inspector, and the endpoint.
func (l *listening) prepare(ctx context.Context) (err error) {
	if l.Inspector == "" {
		l.inspector, err = l.api.CreateInspector(ctx, client.NewInspector{Name: "malote listen", ExpiresIn: listenKept})
	} else if l.inspector, err = l.api.Inspector(ctx, l.Inspector); err == nil {
		err = l.fromNow(ctx)
	}
	if err != nil || l.EndpointFor == "" {
		return err
	}
	if l.inspector.URL == "" { // it was made while the server received for inspectors
		return &failure{what: "the server receives nothing for inspectors now", fix: "whoever runs it has to start it with --inspect-listen", code: exitConflict}
	}
	types := l.EventTypes
	if len(types) == 0 {
		types = []string{"*"}
	}
	l.endpoint, err = l.api.CreateEndpoint(ctx, client.NewEndpoint{Consumer: l.EndpointFor, URL: l.inspector.URL, EventTypes: types, Description: "malote listen"})
	if err != nil || l.Inspector != "" || l.endpoint.Secret == "" {
		return err
	}
	return l.verify(ctx)
}

// fromNow leaves out what arrived before.
func (l *listening) fromNow(ctx context.Context) error {
	for r, err := range l.api.InspectedRequests(ctx, l.inspector.ID, "") {
		if err != nil {
			return err
		}
		l.after = r.ID
		break
	}
	return nil
}

// verify has the inspector verify what its endpoint gets.
func (l *listening) verify(ctx context.Context) error {
	me, err := l.api.Me(ctx)
	if err != nil || me.Project == nil {
		return err
	}
	_, err = l.api.UpdateInspector(ctx, l.inspector.ID, client.InspectorChange{Dialect: &me.Project.Dialect, Secret: &l.endpoint.Secret})
	return err
}

// listenStart is the first line that programs get.
type listenStart struct {
	Inspector string `json:"inspector"`
	URL       string `json:"url"`
	Forward   string `json:"forward"`
	Endpoint  string `json:"endpoint,omitempty"`
	Secret    string `json:"secret,omitempty"`
}

func (l *listening) greet() error {
	s := listenStart{Inspector: l.inspector.ID, URL: l.inspector.URL, Forward: l.Forward}
	if l.endpoint != nil {
		s.Endpoint = l.endpoint.ID
		if l.PrintSecret {
			s.Secret = l.endpoint.Secret
		}
	}
	if l.JSON {
		return l.line(s)
	}
	l.c.facts("inspector", s.Inspector, "url", s.URL, "forwards to", s.Forward, "endpoint", s.Endpoint, "secret", s.Secret)
	fmt.Fprintln(l.c.out, "\nWhat arrives is passed on, in order, once. Ctrl-C stops.")
	return nil
}

// line prints an object on a line of its own.
func (l *listening) line(v any) error {
	enc := json.NewEncoder(l.c.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// listen passes requests on until ctx ends. A server that is away is asked
// again, less and less often.
func (l *listening) listen(ctx context.Context) error {
	pause := time.Duration(0)
	for ctx.Err() == nil {
		r, err := l.api.NextInspectedRequest(ctx, l.inspector.ID, l.after, listenWait)
		switch {
		case err == nil && r != nil:
			l.after = r.ID
			if err := l.pass(ctx, r); err != nil {
				return err
			}
		case err != nil && !away(err):
			return err
		}
		if err == nil {
			if pause > 0 && !l.JSON {
				fmt.Fprintln(l.c.err, "The server answers again.")
			}
			pause = 0
			continue
		}
		if pause == 0 && ctx.Err() == nil {
			fmt.Fprintln(l.c.err, "The server does not answer; it is asked again until it does.")
		}
		pause = min(max(2*pause, listenFirst), listenMost)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return nil
}

// away reports whether a server may answer another time.
func away(err error) bool {
	var e *client.Error
	return !errors.As(err, &e) || e.Status >= http.StatusInternalServerError || e.Status == http.StatusTooManyRequests
}

// passed is a request that was passed on, as programs get it.
type passed struct {
	ID     string  `json:"id"`
	Method string  `json:"method"`
	Path   string  `json:"path"`
	Status int     `json:"status,omitempty"`
	TookMS float64 `json:"took_ms,omitempty"`
	Error  string  `json:"error,omitempty"`
}

// pass passes one on, and says what came of it.
func (l *listening) pass(ctx context.Context, r *client.InspectedRequest) error {
	got, err := l.forwarder.Forward(ctx, r)
	p := passed{ID: r.ID, Method: r.Method, Path: pathOf(r)}
	switch {
	case ctx.Err() != nil:
		return nil //nolint:nilerr // it was ended while it went
	case err != nil:
		if p.Error = err.Error(); errors.Is(err, client.ErrNotLocal) {
			p.Error += "; --any forwards to other machines, too"
		}
	default:
		p.Status, p.TookMS = got.Status, float64(got.Took.Microseconds())/1000
	}
	if l.JSON {
		return l.line(p)
	}
	s := l.c.style()
	var what string
	switch {
	case p.Error != "":
		what = s.red(oneLine(p.Error))
	case p.Status >= 200 && p.Status <= 299:
		what = s.green(fmt.Sprint(p.Status)) + " " + roughly(got.Took)
	default:
		what = s.red(fmt.Sprint(p.Status)) + " " + roughly(got.Took)
	}
	fmt.Fprintf(l.c.out, "%s %s → %s\n", p.Method, oneLine(p.Path), what)
	return nil
}

// tidyUp deletes what was made.
func (l *listening) tidyUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), listenTidyUp)
	defer cancel()
	var errs []error
	if l.endpoint != nil {
		_, err := l.api.DeleteEndpoint(ctx, l.endpoint.ID)
		errs = append(errs, err)
	}
	if l.Inspector == "" && l.inspector != nil {
		_, err := l.api.DeleteInspector(ctx, l.inspector.ID)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
