package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/malote-dev/malote/internal/app"
	"github.com/malote-dev/malote/webhook"
)

// devCmd runs everything that a first webhook needs in one process.
type devCmd struct {
	Data     string `env:"MALOTE_DEV_DATA" placeholder:"DIR" help:"Directory that keeps everything (default: malote/dev under XDG_STATE_HOME, or ~/.local/state)."`
	Listen   string `env:"MALOTE_DEV_LISTEN" default:"${listen}" placeholder:"HOST:PORT" help:"Where the API listens (default ${default})."`
	Receiver string `env:"MALOTE_DEV_RECEIVER" placeholder:"HOST:PORT" help:"Where the receiver inside listens (default: where it did before, at first 127.0.0.1:8401; where that is taken, any free port). Port 0: any free one."`
	Inspect  string `name:"inspect-listen" env:"MALOTE_DEV_INSPECT_LISTEN" placeholder:"HOST:PORT" help:"Where inspectors receive (default: where they did before, at first 127.0.0.1:8402; where that is taken, any free port)."`
	Quiet    bool   `help:"Send no event at the start."`
	Dialect  string `env:"MALOTE_DEV_DIALECT" default:"standard" placeholder:"NAME" help:"Wire contract of the project: see malote dialect list (default ${default})."`
	Dialects string `env:"MALOTE_DIALECTS" placeholder:"DIR" help:"Directory of your own dialect files (.json)."`
	LogLevel string `env:"MALOTE_LOG_LEVEL" default:"error" placeholder:"LEVEL" help:"debug, info, warn or error (default ${default})."`
}

// arrivalTime is how long the first webhook may take before dev says that
// something is wrong.
const arrivalTime = 15 * time.Second

// devGrace is how long a stop may take: nobody waits for half a minute at a
// Ctrl-C on his own machine.
const devGrace = 5 * time.Second

// devRun is one run of malote dev.
type devRun struct {
	c        *console
	dir      string
	state    *devState
	receiver *devReceiver
	dialects *webhook.Catalog
	dialect  *webhook.Dialect // the one that is shown
	url      string           // of the API
	inspect  string           // what addresses of inspectors begin with
	console  string           // its address, or the link that makes the first owner
}

// Run starts server and receiver, shows the first webhook, and then whatever
// arrives, until a signal.
func (d *devCmd) Run(c *console) error {
	dialects, err := app.LoadDialects(d.Dialects)
	if err != nil {
		return err
	}
	dialect, ok := dialects.Lookup(d.Dialect)
	if !ok {
		return unknownDialect(dialects, d.Dialect)
	}
	log, err := app.NewLogger(c.err, "text", d.LogLevel)
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(c.err)
	defer stop()

	r := &devRun{c: c, dir: d.dir(), dialects: dialects, dialect: dialect}
	o := app.Options{Listen: d.Listen, Dialects: d.Dialects, EgressLoopback: true, PublicOwn: true, Grace: devGrace, Version: version()}
	rootKey, err := r.prepare(ctx, &o, log)
	if err != nil {
		return err
	}
	o.InspectListen, o.InspectAny = cmp.Or(d.Inspect, r.state.Inspect, devInspectAddr), d.Inspect == ""
	server, err := app.New(ctx, o, log)
	if err != nil {
		return err
	}
	r.inspect, r.state.Inspect = server.InspectURL(), server.InspectAddr().String()
	r.url, r.console = "http://"+reachable(server.Addr()), server.Console()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan error, 1)
	go func() {
		err := server.Run(ctx)
		cancel(errors.New("the server ended"))
		ended <- err
	}()
	err = r.work(ctx, d, rootKey)
	if ctx.Err() != nil {
		err = nil // stopped on purpose: what was under way failed for that reason
	}
	cancel(nil)
	return errors.Join(err, <-ended)
}

func (d *devCmd) dir() string {
	if d.Data != "" {
		return d.Data
	}
	return devDir()
}

// prepare makes the directory and the keys in it, where they are missing, and
// returns the root key.
func (r *devRun) prepare(ctx context.Context, o *app.Options, log *slog.Logger) (rootKey string, err error) {
	o.Data = r.dir
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return "", &failure{what: "--data " + r.dir + ": " + err.Error(), fix: "choose a directory that you may write, with --data", code: exitUsage, err: err}
	}
	master, err := keyFile(r.dir, devMasterKey, func() (string, error) { return app.NewMasterKey(), nil })
	if err != nil {
		return "", err
	}
	if o.MasterKeys, err = app.MasterKeys([]string{master}, nil); err != nil {
		return "", err
	}
	if r.state, err = loadDevState(r.dir); err != nil {
		return "", err
	}
	return keyFile(r.dir, devRootKey, func() (string, error) {
		return app.CreateRootKey(ctx, app.Place{Data: r.dir}, "malote dev", log)
	})
}

// work runs beside the server until ctx ends.
func (r *devRun) work(ctx context.Context, d *devCmd, rootKey string) error {
	if err := r.receive(d.Receiver); err != nil {
		return err
	}
	defer r.receiver.close()
	p, err := r.setUp(ctx, rootKey)
	if err != nil {
		return fmt.Errorf("set up the development project: %w", err)
	}
	r.greet(p)
	if !d.Quiet {
		if err := r.first(ctx, p); err != nil {
			return err
		}
		p.Greeted = true
		if err := r.state.save(); err != nil {
			return err
		}
	}
	r.invite(p)
	r.show(ctx)
	return nil
}

// devInspectAddr is where inspectors receive where nothing else is said.
const devInspectAddr = "127.0.0.1:8402"

// devReceiverAddr is where the receiver listens where nothing else is said.
const devReceiverAddr = "127.0.0.1:8401"

// receive starts the receiver where the option says, else where the endpoints
// of earlier runs point to.
func (r *devRun) receive(asked string) (err error) {
	addr := cmp.Or(asked, r.state.Receiver, devReceiverAddr)
	if r.receiver, err = newDevReceiver(addr); err != nil {
		return fmt.Errorf("start the receiver: %w", err)
	}
	r.state.Receiver = r.receiver.addr()
	if _, port, err := net.SplitHostPort(addr); err != nil || port != "0" && addr != r.state.Receiver {
		fmt.Fprintf(r.c.err, "malote: the receiver cannot listen on %s, so it listens on %s, and its endpoints follow.\n", addr, r.state.Receiver)
	}
	return nil
}

// greet says what runs where.
func (r *devRun) greet(p *devProject) {
	s := r.c.style()
	w := r.c.out
	fmt.Fprintf(w, "%s  %s\n\n", s.bold("malote dev"), s.dim(version()))
	fmt.Fprintf(w, "  api       %s\n", r.url)
	fmt.Fprintf(w, "  console   %s\n", r.console)
	fmt.Fprintf(w, "  inspector %s\n", r.inspect)
	fmt.Fprintf(w, "  project   %s, dialect %s\n", p.Project, s.bold(r.dialect.Ref()))
	fmt.Fprintf(w, "  endpoint  %s of consumer %s\n", p.Endpoint, p.Consumer)
	fmt.Fprintf(w, "            %s\n", p.URL)
	fmt.Fprintf(w, "  data      %s\n", r.dir)
}

// first sends one event and shows how it arrives.
func (r *devRun) first(ctx context.Context, p *devProject) error {
	eventType, data := sample(r.dialect)
	start := time.Now()
	event, err := r.send(ctx, p, eventType, data)
	if err != nil {
		return fmt.Errorf("send the first event: %w", err)
	}
	accepted := time.Since(start)
	fmt.Fprintf(r.c.out, "\nAn event %s was sent and is kept as %s (%s). This arrived at the endpoint:\n", eventType, event, roundTrip(accepted))
	select {
	case a := <-r.receiver.arrivals:
		printArrival(r.c, a)
		fmt.Fprintf(r.c.out, "\n  from the POST to the receiver in %s\n", roundTrip(a.at.Sub(start)))
	case <-ctx.Done():
	case <-time.After(arrivalTime):
		if p.Greeted { // the endpoint may have been paused or pointed elsewhere since
			fmt.Fprintf(r.c.out, "\n  nothing yet: see malote endpoint get %s\n", p.Endpoint)
			return nil
		}
		return &failure{what: "the first webhook did not arrive", fix: "run again with --log-level debug", code: exitFailure}
	}
	return nil
}

// invite prints the command for the next event.
func (r *devRun) invite(p *devProject) {
	eventType, data := sample(r.dialect)
	fmt.Fprintf(r.c.out, "\nSend the next one:\n\n%s\n\nWebhooks are shown here as they arrive. Ctrl-C stops; everything is kept.\n",
		curlFor(r.url, p.Key, eventType, p.Consumer, data))
}

// show prints webhooks as they arrive until ctx ends.
func (r *devRun) show(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			fmt.Fprintln(r.c.out, "\nStopped.")
			return
		case a := <-r.receiver.arrivals:
			printArrival(r.c, a)
			if n := r.receiver.missed.Swap(0); n > 0 {
				fmt.Fprintf(r.c.out, "\n  … and %d more, faster than they can be shown\n", n)
			}
		}
	}
}

// reachable is an address as a command on this machine can use it.
func reachable(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return a.String()
}
