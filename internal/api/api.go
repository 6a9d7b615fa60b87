// Package api is the door: routes, keys and scopes, problem+json. Handlers
// read a request, ask ingest or the store, and write the answer; no rule lives here.
//
// It is plain net/http under one table of routes (routes.go) that declares for
// each its scope, limits, input and output. A framework would add reflection
// to every request and hide the raw bytes that an event's data must keep; the
// table is all that a description of the API needs.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Options of the API.
type Options struct {
	Store    *store.DB
	Ingest   *ingest.Ingester
	Policy   *egress.Policy // judges endpoint URLs at creation
	Dialects func(name string) (*webhook.Dialect, bool)
	// AllDialects lists them by name and revision; nil: the built-in ones.
	AllDialects func() []*webhook.Dialect
	Ready       func() error // nil: a 2xx would not lie
	Metrics     prometheus.Gatherer
	Logger      *slog.Logger
	Version     string

	// PublicURL is what people reach this server under, without a slash at
	// its end; empty: not known.
	PublicURL string

	// Prober sends probes to endpoints; nil: nobody does.
	Prober Prober
	// Signer makes requests that are shown and not sent; nil: nobody does.
	Signer Signer

	// Sender sends what a person asks to be sent once more; nil: nobody does.
	Sender Sender

	// InspectURL is what the addresses of inspectors begin with, without a
	// slash at its end; empty: this server receives nothing for them.
	InspectURL string

	// EgressAddresses are those that webhooks come from, as receivers are told;
	// none: nobody says.
	EgressAddresses []netip.Prefix

	// Slots is how many requests are under way to an endpoint at most that says
	// nothing itself (default 16).
	Slots int

	// Waits says why an endpoint's due deliveries do not go (zero delivery), or
	// one of them: a kept text, and until when at least. nil: nobody knows.
	Waits func(ctx context.Context, endpoint, delivery store.ID) (why string, until time.Time)

	// TestMail sends a mail now; nil: the server mails nothing. Its errors hold
	// no secret.
	TestMail func(ctx context.Context, to string, in lang.Language) error

	// Documented answers what comes in under /api/; nil: nothing does.
	Documented Documented

	// Descriptions are of APIs beside the native one.
	Descriptions []*Description
}

// server is the API with what it needs.
type server struct {
	store  *store.DB
	ingest *ingest.Ingester
	policy egress.Policy
	// customers read the errors, who cannot change how the server runs.
	customers bool
	dialects  func(name string) (*webhook.Dialect, bool)
	// allDialects may be nil: the built-in ones.
	allDialects func() []*webhook.Dialect
	ready       func() error
	log         *slog.Logger
	version     string
	testMail    func(ctx context.Context, to string, in lang.Language) error
	public      string // URL of this server, without a slash at its end; empty: not known

	gather     prometheus.Gatherer
	metrics    *metrics
	mux        *http.ServeMux
	prober     Prober
	signer     Signer
	waits      func(ctx context.Context, endpoint, delivery store.ID) (string, time.Time)
	slots      int // of an endpoint that says nothing itself
	tests      testPacer
	probes     testPacer
	checkups   checkupSlots
	links      linkPacer
	bodies     bodies
	previews   previewSlots
	explaining explainSlots
	comesFrom  []netip.Prefix
	inspect    string // what addresses of inspectors begin with; empty: none is received for
	sender     Sender
	waiters    chan struct{} // slots of those who wait for a request
	judged     *remembered   // on what arrived at inspectors
	replayed   testPacer

	documented Documented
	outside    *outside                              // the way there; nil: there is none
	reference  func() (*reference, error)            // made when it is first asked for
	described  map[string]func() (*Described, error) // by the contract's name
}

// New makes the handler of all routes.
func New(o Options) *API {
	s := &server{
		store: o.Store, ingest: o.Ingest, dialects: o.Dialects, allDialects: o.AllDialects, ready: o.Ready,
		log: o.Logger, version: o.Version, public: o.PublicURL, testMail: o.TestMail, metrics: newMetrics(), documented: o.Documented, prober: o.Prober, signer: o.Signer, waits: o.Waits,
		inspect: o.InspectURL, sender: o.Sender, waiters: make(chan struct{}, maxWaiters), comesFrom: o.EgressAddresses, judged: newRemembered(),
	}
	if s.slots = o.Slots; s.slots == 0 {
		s.slots = slotsDefault
	}
	if o.Policy != nil {
		s.policy = *o.Policy
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.metrics.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "malote_inspector_waits", Help: "Callers that wait for the next request of an inspector.",
	}, func() float64 { return float64(len(s.waiters)) }))
	s.gather = s.metrics.registry
	if o.Metrics != nil {
		s.gather = prometheus.Gatherers{o.Metrics, s.metrics.registry}
	}
	s.reference = sync.OnceValues(func() (*reference, error) { return newReference(s.routes(), s.public) })
	s.described = map[string]func() (*Described, error){}
	for _, d := range o.Descriptions {
		s.described[d.Name] = sync.OnceValues(func() (*Described, error) { return describe(d, s.public) })
	}
	s.mux = s.serveMux(s.routes())
	if s.documented != nil {
		s.outside = newOutside(s)
	}
	return &API{s}
}
