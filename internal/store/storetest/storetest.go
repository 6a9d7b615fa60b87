// Package storetest is what every store must do, whatever database is under
// it: the conformance suite of [store.DB].
package storetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/match"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// Opener opens a store. The same Options.Dir is the same store, also after it
// was closed. It fails the test where it cannot; the suite closes.
type Opener func(t *testing.T, o store.Options) *store.DB

// Run runs the suite.
func Run(t *testing.T, open Opener) {
	t.Helper()
	for group, cases := range map[string]map[string]func(*shelf){
		"Accept": acceptCases, "Idempotency": idempotencyCases, "Broadcast": broadcastCases,
		"Queue": queueCases, "Finish": finishCases, "Effects": effectCases, "Ending": endingCases, "Held": heldCases,
		"Recover": recoverCases, "Missed": missedCases, "ReplayEvent": replayEventCases, "ReplayRun": replayRunCases,
		"Config": configCases, "Dialects": dialectCases, "Keys": keyCases, "Access": accessCases, "People": peopleCases, "Once": onceCases, "Lists": listCases, "Retention": retentionCases,
		"Restart": restartCases, "Concurrency": concurrencyCases, "Secrets": secretCases, "Documented": documentedCases, "Audit": auditCases,
		"Stats":      statsCases,
		"EventTypes": eventTypeCases, "Matching": matchingCases, "Operational": operationalCases, "Mails": mailCases, "Inspectors": inspectorCases,
	} {
		t.Run(group, func(t *testing.T) {
			t.Parallel()
			for name, f := range cases {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					f(newShelf(t, open))
				})
			}
		})
	}
	t.Run("Machine", func(t *testing.T) {
		t.Parallel()
		runMachine(t, open)
	})
}

// shelf is a store with one project and an owner that remembers what it is told.
type shelf struct {
	*testing.T
	ctx     context.Context
	open    Opener
	o       store.Options
	db      *store.DB
	owner   *owner
	project *store.Project
}

func newShelf(t *testing.T, open Opener) *shelf {
	t.Helper()
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{T: t, ctx: t.Context(), open: open, o: store.Options{
		Dir: Fresh(t), Keyring: ring, MinFree: -1,
		FilterTime: time.Hour, // filters have a deadline beside their cost, and a busy machine would miss it
	}}
	s.start()
	t.Cleanup(func() { _ = s.db.Close() })
	s.project = s.newProject("main")
	return s
}

func (s *shelf) start() {
	s.Helper()
	s.db = s.open(s.T, s.o)
	s.owner = &owner{inFlight: map[store.ID]int{}}
	s.db.SetOwner(s.owner)
}

// reopen closes the store and opens it again.
func (s *shelf) reopen() {
	s.Helper()
	s.no(s.db.Close())
	s.start()
}

// no fails on an error.
func (s *shelf) no(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *shelf) newProject(name string) *store.Project {
	s.Helper()
	p := &store.Project{Name: name, Environment: store.Production, Dialect: "standard"}
	s.no(s.db.CreateProject(s.ctx, p))
	return p
}

func (s *shelf) endpoint(consumer string, types ...string) *store.Endpoint {
	s.Helper()
	return s.endpointOf(s.project, consumer, types...)
}

func (s *shelf) endpointOf(p *store.Project, consumer string, types ...string) *store.Endpoint {
	s.Helper()
	if len(types) == 0 {
		types = []string{"*"}
	}
	e := &store.Endpoint{
		ProjectID: p.ID, Consumer: consumer, URL: "https://example.com/hooks?token=t", EventTypes: types,
		Secrets: []store.SigningSecret{{Value: "whsec_1"}},
	}
	s.no(s.db.CreateEndpoint(s.ctx, e, 0))
	return e
}

// acceptance matches an event as ingest does.
func (s *shelf) acceptance(consumer, eventType, data string) *store.Acceptance {
	s.Helper()
	return s.acceptanceOf(s.project, consumer, eventType, data)
}

func (s *shelf) acceptanceOf(p *store.Project, consumer, eventType, data string) *store.Acceptance {
	s.Helper()
	subs, err := s.db.Subscriptions(s.ctx, p.ID, consumer)
	s.no(err)
	a := &store.Acceptance{
		Event: &store.Event{
			ProjectID: p.ID, Consumer: consumer, Type: eventType, Data: []byte(data), Dialect: "standard/1",
			Time: time.Now(),
		},
		RequestHash: sha256.Sum256([]byte(data)), Version: subs.Version,
	}
	for _, sub := range subs.Endpoints {
		if match.Type(sub.EventTypes, eventType) {
			a.Endpoints = append(a.Endpoints, sub.EndpointID)
		}
	}
	return a
}

// accept keeps one event and returns the answer.
func (s *shelf) accept(consumer, eventType string) store.Accepted {
	s.Helper()
	return s.keep(s.acceptance(consumer, eventType, `{"n":1}`))
}

func (s *shelf) keep(a *store.Acceptance) store.Accepted {
	s.Helper()
	out, err := s.db.Accept(s.ctx, []*store.Acceptance{a})
	s.no(err)
	s.no(out[0].Err)
	return out[0]
}

// send keeps one event for one endpoint and returns the work handed over.
func (s *shelf) send(consumer, eventType string) *store.Work {
	s.Helper()
	return s.sent(s.acceptance(consumer, eventType, `{"n":1}`))
}

func (s *shelf) sent(a *store.Acceptance) *store.Work {
	s.Helper()
	made := s.keep(a)
	// What was accepted before may be handed over only now.
	works := slices.DeleteFunc(s.works(), func(w *store.Work) bool { return w.Event.ID != made.EventID })
	if len(works) != 1 {
		s.Fatalf("%d deliveries handed over, want 1", len(works))
	}
	return works[0]
}

// works waits for what the owner was handed. The hand-over follows the answer
// at once: an empty write makes sure that it happened.
func (s *shelf) works() []*store.Work {
	s.Helper()
	s.sync()
	return s.owner.take()
}

// sync waits until the writer is past everything that it was given before.
func (s *shelf) sync() {
	s.Helper()
	_, _, err := s.db.PutConsumer(s.ctx, s.project.ID, "sync", func(*store.Consumer) {})
	s.no(err)
}

// outcome of a work's next attempt.
func outcome(w *store.Work, state store.State, status int) *store.Outcome {
	o := &store.Outcome{
		Work: w, State: state,
		Attempt: store.Attempt{
			Number: w.Attempts + 1, At: time.Now().UTC().Truncate(time.Microsecond), Status: status,
			RequestHead: []byte("POST / HTTP/1.1\r\n"), ResponseHead: []byte(fmt.Sprintf("HTTP/1.1 %d\r\n", status)), ResponseBody: []byte("body"),
			Timings: store.Timings{Total: 3 * time.Millisecond},
		},
	}
	switch state {
	case store.Pending:
		o.DueAt = time.Now().Add(time.Minute)
		o.Attempt.Class = store.ClassStatus
	case store.Failed:
		o.Reason, o.Attempt.Class = "exhausted", store.ClassStatus
	}
	return o
}

// finish keeps an outcome and waits for it.
func (s *shelf) finish(o *store.Outcome) {
	s.Helper()
	done := make(chan error, 1)
	s.db.Finish(o, func(err error) { done <- err })
	select {
	case err := <-done:
		s.no(err)
	case <-time.After(20 * time.Second):
		s.Fatal("done was not called")
	}
}

func (s *shelf) delivery(id store.ID) *store.Delivery {
	s.Helper()
	d, err := s.db.Delivery(s.ctx, s.project.ID, id)
	s.no(err)
	return d
}

func (s *shelf) attempts(id store.ID) []*store.Attempt {
	s.Helper()
	as, err := s.db.Attempts(s.ctx, s.project.ID, id, 0, 100)
	s.no(err)
	return as
}

// all reads every page of a list of deliveries.
func (s *shelf) all(f store.Filter) []*store.Delivery {
	s.Helper()
	var out []*store.Delivery
	for {
		p, err := s.db.Deliveries(s.ctx, s.project.ID, f)
		s.no(err)
		out = append(out, p.Items...)
		if p.Next.IsZero() {
			return out
		}
		f.Before = p.Next
	}
}

func (s *shelf) allEvents(f store.Filter) []*store.Event {
	s.Helper()
	var out []*store.Event
	for {
		p, err := s.db.Events(s.ctx, s.project.ID, f)
		s.no(err)
		out = append(out, p.Items...)
		if p.Next.IsZero() {
			return out
		}
		f.Before = p.Next
	}
}

// due reads an endpoint's whole queue.
func (s *shelf) due(e *store.Endpoint) []*store.Work {
	s.Helper()
	works, err := s.db.LoadDue(s.ctx, e.ID, store.Place{}, 10_000, 1<<30)
	s.no(err)
	return works
}

func (s *shelf) pending() int64 { return s.db.Health(s.ctx).Pending }

// owner is a store.Owner that remembers.
type owner struct {
	mu         sync.Mutex
	accepted   []*store.Work
	endpoints  []store.ID
	deliveries []store.ID
	grown      []store.ID // queues that were read for nothing but that
	inFlight   map[store.ID]int
	onAccepted func([]*store.Work)
}

func (o *owner) Accepted(w []*store.Work) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.accepted = append(o.accepted, w...)
	if o.onAccepted != nil {
		o.onAccepted(w)
	}
}

func (o *owner) EndpointChanged(id store.ID) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.endpoints = append(o.endpoints, id)
	return o.inFlight[id]
}

func (o *owner) QueueGrew(id store.ID, _ store.Place) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.grown = append(o.grown, id)
}

func (o *owner) DeliveryChanged(_, id store.ID) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.deliveries = append(o.deliveries, id)
	return o.inFlight[id]
}

func (o *owner) RecoveryAsked(store.ID) {}

func (o *owner) Missed()                    {}
func (o *owner) Gained([]store.Shard, bool) {}

func (o *owner) Leave(_ []store.Shard, done func()) { done() }

func (o *owner) take() []*store.Work {
	o.mu.Lock()
	defer o.mu.Unlock()
	w := o.accepted
	o.accepted = nil
	return w
}

// changed are the endpoints and deliveries that the owner was told of.
func (o *owner) changed() (endpoints, deliveries []store.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	endpoints, deliveries = o.endpoints, o.deliveries
	o.endpoints, o.deliveries = nil, nil
	return endpoints, deliveries
}
