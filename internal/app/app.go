package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/netutil"

	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/api/documented"
	"github.com/malote-dev/malote/internal/dashboard"
	"github.com/malote-dev/malote/internal/deliver"
	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/mail"
	"github.com/malote-dev/malote/internal/store"
)

// stopMargin is what a stop may take beyond the engine's grace before the
// process gives up on the step that hangs.
const stopMargin = 5 * time.Second

// App is a whole server.
type App struct {
	options  Options
	log      *slog.Logger
	db       *store.DB
	engine   *deliver.Engine
	mailer   *mail.Mailer // nil: nothing is mailed
	spoken   *spoken
	server   *http.Server
	listener net.Listener
	receiver *receiver // of inspectors; nil: there is none

	console    string // its address
	firstOwner bool   // which makes the first owner

	stopping atomic.Bool
	failed   chan error // the first part that ended by itself
	down     teardown
}

// New opens the store, connects all parts and takes the port; nothing runs
// yet. What it opened before an error is closed again. Errors: [*Problem].
func New(ctx context.Context, o Options, log *slog.Logger) (_ *App, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	a := &App{options: o, log: log, failed: make(chan error, 1), down: teardown{log: log}}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.down.run(context.WithoutCancel(ctx)))
		}
	}()
	own, err := LoadDialects(o.Dialects)
	if err != nil {
		return nil, err
	}
	if a.listener, err = listen(ctx, o.Listen); err != nil {
		if o.Database == "" && store.InUse(o.Data) { // another port would not help
			err = o.place().explain(store.ErrLocked)
		}
		return nil, err
	}
	a.down.add("listener", closeListener(a.listener))
	if o.PublicOwn && o.PublicURL == "" {
		o.PublicURL = a.url()
		a.options = o
	}
	if a.receiver, err = listenInspect(ctx, &o); err != nil {
		return nil, err
	}
	if a.receiver != nil {
		a.down.add("listener of inspectors", closeListener(a.receiver.listener))
	}
	if a.db, err = openStore(ctx, o, a.listener.Addr().String(), log); err != nil {
		return nil, err
	}
	a.down.add("store", func(context.Context) error { return a.db.Close() })
	if own, err = pinDialects(ctx, a.db, own, o.Dialects, log); err != nil {
		return nil, err
	}
	dialects := newSpoken(own)
	a.spoken = dialects

	metrics := prometheus.NewRegistry()
	policy := o.policy(a.listener)
	if a.mailer = newMailer(&o, a.db, log, metrics); a.mailer != nil {
		policy.Relay = a.mailer.Relay()
	}
	sender := egress.New(egress.Options{Policy: *policy})
	a.down.add("connections", func(context.Context) error { sender.Close(); return nil })
	a.engine = deliver.New(deliver.Options{
		Store: a.db, Sender: sender, Dialects: dialects.Lookup, Limits: o.limits(), Logger: log, Metrics: metrics,
	})
	a.db.SetOwner(a.engine)
	observe(metrics, a.db, o.Version)

	accept := ingest.New(ingest.Options{Store: a.db, Dialects: dialects.Lookup, MaxData: o.MaxData})
	handler := api.New(api.Options{
		Store: a.db, Ingest: accept,
		Policy: policy, Dialects: dialects.Lookup, AllDialects: dialects.All, Ready: a.ready,
		Metrics: metrics, Logger: log, Version: o.Version, PublicURL: o.PublicURL, Prober: a.engine, Slots: o.PerEndpoint, Signer: a.engine, Waits: a.db.Waits, TestMail: testMail(a.mailer),
		Sender: sender, InspectURL: a.receiver.url(), EgressAddresses: o.EgressAddresses,
		Descriptions: documented.Descriptions(accept.MaxData()),
		Documented:   documented.New(documented.Options{Store: a.db, Ingest: accept, Policy: policy, Dialects: dialects.Lookup, Logger: log}),
	})
	if a.server, err = a.door(ctx, handler); err != nil {
		return nil, err
	}
	return a, a.receiver.prepare(a.db, o, log, metrics)
}

// door puts the pages before the API, and makes the link to them.
func (a *App) door(ctx context.Context, handler *api.API) (*http.Server, error) {
	o := a.options
	pages, err := dashboard.New(dashboard.Options{
		API: handler, Store: a.db, PublicURL: o.PublicURL, Identity: o.identity(), Logger: a.log, Version: o.Version, Settings: shownSettings(&o),
	})
	if err != nil {
		return nil, err
	}
	server, err := newServer(a.whileStopping(pages.Over(handler)), o, a.log)
	if err != nil {
		return nil, err
	}
	server.RegisterOnShutdown(pages.End)
	path, first, err := dashboard.Welcome(ctx, a.db)
	if err != nil { // a full disk: deliveries go on
		a.log.Warn("no link for a first owner of the console could be made: the next start tries again", "error", err)
		path = "/"
	}
	a.console, a.firstOwner = a.url()+path, first
	return server, nil
}

// url is what this server is reached under: as the operator says, else by the
// address that it listens on.
func (a *App) url() string {
	if a.options.PublicURL != "" {
		return a.options.PublicURL
	}
	scheme := "http://"
	if a.options.TLSCert != "" {
		scheme = "https://"
	}
	host, port, err := net.SplitHostPort(a.Addr().String())
	if ip := net.ParseIP(host); err == nil && ip != nil && (ip.IsUnspecified() || ip.IsLoopback()) {
		host = "localhost" // where browsers keep cookies without TLS
	}
	return scheme + net.JoinHostPort(host, port)
}

// Console is the address of the console. Where nobody is its owner yet, it is
// a one-time link that makes whoever opens it one, good for a day: a secret.
func (a *App) Console() string { return a.console }

func openStore(ctx context.Context, o Options, address string, log *slog.Logger) (*store.DB, error) {
	ring, err := keyring(o.MasterKeys)
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, store.Options{
		Dir: o.Data, Database: o.Database, Keyring: ring, Logger: log, MinFree: o.MinFree, IdempotencyFor: o.Idempotency, AuditFor: o.AuditRetention, Mail: o.SMTP != "", Lease: o.Lease,
		Version: o.Version, Address: address,
	})
	if err != nil {
		return nil, o.place().explain(err)
	}
	return db, nil
}

// policy of the address guard. The API's own port is always forbidden: nobody
// may have this process call itself.
func (o *Options) policy(l net.Listener) *egress.Policy {
	return &egress.Policy{
		Allow:         o.EgressAllow,
		AllowLoopback: o.EgressLoopback,
		AllowHTTP:     !o.EgressHTTPSOnly,
		Own:           []netip.AddrPort{ownAddr(l)},
		NAT64:         o.EgressNAT64,
	}
}

func (o *Options) limits() deliver.Limits {
	return deliver.Limits{
		PerEndpoint: o.PerEndpoint, PerHost: o.PerHost, Global: o.InFlight, Memory: o.Memory, Grace: o.Grace,
	}
}

func closeListener(l net.Listener) func(context.Context) error {
	return func(context.Context) error {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}

// Addr is where the API listens.
func (a *App) Addr() net.Addr { return a.listener.Addr() }

// Run serves until ctx ends or a part fails, then stops in order: new events
// are refused and /readyz says why, the engine finishes what is in flight
// within the grace, the port and the store close. The error says what failed; nil after a clean stop.
func (a *App) Run(ctx context.Context) error {
	stopEngine := a.begin("engine", a.engine.Run)
	a.start("maintenance", func(ctx context.Context) error {
		maintain(ctx, chores(a.db, a.options), a.log)
		return nil
	})
	a.start("dialects", func(ctx context.Context) error { return a.spoken.follow(ctx, a.db, a.log) })
	if a.mailer != nil {
		a.start("mail", a.mailer.Run)
	}
	if len(a.options.MasterKeys) > 1 {
		a.start("reseal", a.reseal)
	}
	a.start("api", func(ctx context.Context) error {
		return serve(ctx, a.server, netutil.LimitListener(a.listener, a.options.MaxConnections))
	})
	if r := a.receiver; r != nil {
		a.start("inspectors", func(ctx context.Context) error { return serve(ctx, r.server, r.limited()) })
	}
	a.down.add("engine", stopEngine) // stops first: /readyz says so for as long as attempts are in flight
	a.log.Info("ready", "listen", a.Addr().String(), "data", a.options.place().String(), "version", a.options.Version)
	if a.receiver != nil {
		a.log.Info("inspectors receive", "listen", a.receiver.listener.Addr().String(), "url", a.receiver.url())
	}
	if a.firstOwner {
		a.log.Info("nobody is an owner of the console yet: whoever opens this link within a day becomes the first", "link", a.console)
	}
	a.report()

	var failure error
	select {
	case <-ctx.Done():
		a.log.Info("stopping", "reason", context.Cause(ctx))
	case failure = <-a.failed:
		a.log.Error("stopping", "error", failure)
	}
	a.retire()
	err := a.Stop(context.WithoutCancel(ctx))
	if err == nil {
		a.log.Info("stopped")
	} else {
		a.log.Error("stopped", "error", err)
	}
	return errors.Join(failure, err)
}

// retireFor is how long a stop waits until others know of it.
const retireFor = time.Second

// retire begins to hand what this process sends to others that serve with the
// same database: what is quiet they have at once, whatever else is under way.
func (a *App) retire() {
	ctx, cancel := context.WithTimeout(context.Background(), retireFor)
	defer cancel()
	if err := a.db.Retire(ctx); err != nil {
		a.log.Warn("others that serve with the database do not know of the stop yet", "error", err)
	}
}

// report says what the operator would want to know of the state that this
// process begins in.
func (a *App) report() {
	h := a.db.Health(context.Background())
	if a.db.Unclean() {
		a.log.Warn("the process before this one did not stop cleanly: attempts that were under way may be made again", "pending", h.Pending)
	} else if h.Pending > 0 {
		a.log.Info("deliveries are pending", "pending", h.Pending)
	}
	if h.Err != nil {
		a.log.Warn("events are refused", "reason", h.Err)
	}
}

// Stop takes everything down, in the reverse order of New and Run. Run calls
// it; only an App that never ran needs it called.
func (a *App) Stop(ctx context.Context) error {
	a.stopping.Store(true)
	ctx, cancel := context.WithTimeout(ctx, closeTime+a.options.Grace+stopMargin)
	defer cancel()
	return a.down.run(ctx)
}

// start runs a part in the background. A part that ends before it is told to
// ends the process: half a server must not look like a whole one.
func (a *App) start(name string, run func(context.Context) error) {
	a.down.add(name, a.begin(name, run))
}

// begin is start, for a part whose place in the teardown is another: it
// returns what stops it.
func (a *App) begin(name string, run func(context.Context) error) (stop func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background()) // parts end by teardown, in order
	done := make(chan error, 1)
	go func() {
		err := run(ctx)
		if ctx.Err() == nil {
			select {
			case a.failed <- fmt.Errorf("%s ended by itself: %w", name, err):
			default:
			}
		}
		done <- err
	}()
	return func(limit context.Context) error {
		cancel()
		select {
		case err := <-done:
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		case <-limit.Done():
			return errors.New("did not end in time")
		}
	}
}

// reseal encrypts with the first master key what an older one encrypted, then
// says that the older keys may go.
func (a *App) reseal(ctx context.Context) error {
	n, err := a.db.Reseal(ctx)
	if err == nil {
		a.log.Info("all secrets are encrypted with the first master key: the others may go", "endpoints", n)
	} else if ctx.Err() == nil {
		a.log.Error("secrets of older master keys could not be encrypted with the first: keep all keys, the next start tries again", "error", err, "endpoints", n)
	}
	<-ctx.Done() // a part that ends by itself ends the process
	return nil
}

// ready says whether a 2xx would be true now.
func (a *App) ready() error {
	if a.stopping.Load() {
		return errors.New("shutting down")
	}
	if ends := a.db.LeaseEnds(); !ends.IsZero() && !time.Now().Before(ends) {
		return errors.New("the lease on the database ended: this process sends nothing until it is renewed")
	}
	return a.db.Health(context.Background()).Err
}
