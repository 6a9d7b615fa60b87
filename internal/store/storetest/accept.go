package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/malote-dev/malote/internal/store"
)

var acceptCases = map[string]func(*shelf){
	"EventAndDeliveriesAreKept": func(s *shelf) {
		e1, e2 := s.endpoint("c"), s.endpoint("c", "task.*")
		s.endpoint("c", "other")
		s.endpoint("d")
		a := s.acceptance("c", "task.created", `{"a":1}`)
		a.Event.Time = time.Date(2026, 2, 3, 4, 5, 6, 789_123_456, time.FixedZone("x", 3600))
		out := s.keep(a)
		if out.Deliveries != 2 || out.Unreached != "" || out.Duplicate || out.More || out.EventID != a.Event.ID {
			s.Fatalf("%+v", out)
		}
		e, err := s.db.Event(s.ctx, s.project.ID, out.EventID)
		s.no(err)
		if diff := cmp.Diff(a.Event, e); diff != "" {
			s.Error("the event in memory and the kept one differ (-memory +kept)", diff)
		}
		if want := time.Date(2026, 2, 3, 3, 5, 6, 789_123_000, time.UTC); !e.Time.Equal(want) {
			s.Errorf("time %v, want %v", e.Time, want)
		}
		got := map[store.ID]bool{}
		for _, d := range s.all(store.Filter{EventID: e.ID}) {
			got[d.EndpointID] = true
			if d.State != store.Pending || d.EventType != "task.created" || d.Consumer != "c" || d.ProjectID != s.project.ID || d.DueAt.IsZero() {
				s.Errorf("%+v", d)
			}
		}
		if len(got) != 2 || !got[e1.ID] || !got[e2.ID] {
			s.Errorf("deliveries to %v", got)
		}
	},
	"BytesAreTheBytes": func(s *shelf) {
		s.endpoint("c")
		for _, data := range awkward {
			out := s.keep(s.acceptance("c", "x", data))
			e, err := s.db.Event(s.ctx, s.project.ID, out.EventID)
			s.no(err)
			if string(e.Data) != data {
				s.Errorf("%.60q became %.60q", data, e.Data)
			}
		}
		s.reopen()
		for i, w := range s.due(s.endpoints("c")[0]) {
			if string(w.Event.Data) != awkward[i] {
				s.Errorf("%.60q became %.60q", awkward[i], w.Event.Data)
			}
		}
	},
	"HandedOverAsItReadsBack": func(s *shelf) {
		e := s.endpoint("c")
		s.owner.take()
		a := s.acceptance("c", "x", `{}`)
		a.Event.Time = time.Now() // with nanoseconds and a monotonic clock
		a.Event.Test = true
		s.keep(a)
		handed := s.works()
		loaded := s.due(e)
		for _, w := range append(handed, loaded...) {
			c := *w.Event
			c.Deliveries = 0 // not needed to send
			w.Event = &c
		}
		if diff := cmp.Diff(handed, loaded, cmpopts.IgnoreUnexported(store.Work{})); diff != "" {
			s.Error("(-handed over +loaded)", diff)
		}
		if len(handed) != 1 || handed[0].EndpointID != e.ID || handed[0].Attempts != 0 || !handed[0].LastAt.IsZero() {
			s.Errorf("%+v", handed)
		}
	},
	"OneEventIsSharedByItsDeliveries": func(s *shelf) {
		s.endpoint("c")
		s.endpoint("c")
		s.owner.take()
		s.accept("c", "x")
		w := s.works()
		if len(w) != 2 || w[0].Event != w[1].Event {
			s.Errorf("%v", w)
		}
	},
	"UnknownConsumerReachesNobodyAndIsKept": func(s *shelf) {
		a := s.acceptance("nobody", "x", `{}`)
		a.Event.Unreached = "consumer nobody has no endpoints"
		out := s.keep(a)
		if out.Deliveries != 0 || out.Unreached != "consumer nobody has no endpoints" {
			s.Errorf("%+v", out)
		}
		e, err := s.db.Event(s.ctx, s.project.ID, out.EventID)
		s.no(err)
		if e.Unreached != out.Unreached || e.Deliveries != 0 {
			s.Errorf("%+v", e)
		}
		if _, err := s.db.Consumer(s.ctx, s.project.ID, "nobody"); !errors.Is(err, store.ErrNotFound) {
			s.Errorf("an event made a consumer: %v", err)
		}
	},
	"UnreachedAlwaysSaysWhy": func(s *shelf) {
		if out := s.accept("nobody", "x"); out.Unreached == "" {
			s.Error("no reason")
		}
	},
	"PausedAndDisabledEndpointsGetDeliveries": func(s *shelf) {
		for _, state := range []store.EndpointState{store.Paused, store.Disabled} {
			e := s.endpoint(string(state))
			s.setState(e, state)
			s.accept(string(state), "x")
			if n := len(s.due(e)); n != 1 {
				s.Errorf("%s: %d deliveries", state, n)
			}
		}
	},
	"DeletedEndpointGetsNone": func(s *shelf) {
		e := s.endpoint("c")
		_, err := s.db.DeleteEndpoint(s.ctx, s.project.ID, e.ID)
		s.no(err)
		if out := s.accept("c", "x"); out.Deliveries != 0 {
			s.Errorf("%+v", out)
		}
	},
	"StaleConfigurationIsRefused": func(s *shelf) {
		for name, change := range map[string]func(e *store.Endpoint){
			"endpoint created": func(*store.Endpoint) { s.endpoint("other") },
			"endpoint changed": func(e *store.Endpoint) { s.setState(e, store.Paused) },
			"endpoint deleted": func(e *store.Endpoint) {
				_, err := s.db.DeleteEndpoint(s.ctx, s.project.ID, e.ID)
				s.no(err)
			},
			"consumer deleted": func(e *store.Endpoint) {
				_, err := s.db.DeleteConsumer(s.ctx, s.project.ID, e.Consumer)
				s.no(err)
			},
			"key revoked": func(*store.Endpoint) {
				k := &store.Key{ProjectID: s.project.ID}
				s.no(s.db.CreateKey(s.ctx, k, sha256.Sum256([]byte("k"))))
				s.no(s.db.RevokeKey(s.ctx, s.project.ID, k.ID))
			},
			"project changed": func(*store.Endpoint) {
				_, err := s.db.UpdateProject(s.ctx, s.project.ID, func(p *store.Project) error { p.BodyID = true; return nil })
				s.no(err)
			},
		} {
			e := s.endpoint("of " + name)
			a := s.acceptance("of "+name, "x", `{}`)
			change(e)
			out, err := s.db.Accept(s.ctx, []*store.Acceptance{a})
			s.no(err)
			if !errors.Is(out[0].Err, store.ErrStale) {
				s.Errorf("%s: %v", name, out[0].Err)
			}
		}
		if n := len(s.allEvents(store.Filter{})); n != 0 {
			s.Errorf("%d events kept", n)
		}
	},
	"BodyIDIsPinnedAtAccept": func(s *shelf) {
		e := s.endpoint("c")
		s.accept("c", "x")
		_, err := s.db.UpdateProject(s.ctx, s.project.ID, func(p *store.Project) error { p.BodyID = true; return nil })
		s.no(err)
		s.accept("c", "x")
		for i, w := range s.due(e) {
			kept, err := s.db.Event(s.ctx, s.project.ID, w.Event.ID)
			s.no(err)
			if want := i == 1; w.Event.BodyID != want || kept.BodyID != want {
				s.Errorf("event %d: body id %v to send, %v to show", i, w.Event.BodyID, kept.BodyID)
			}
		}
	},
	"AnotherProjectsChangeIsNotStale": func(s *shelf) {
		s.endpoint("c")
		a := s.acceptance("c", "x", `{}`)
		s.endpointOf(s.newProject("other"), "c")
		s.keep(a)
	},
	"OneBadItemFailsNoOther": func(s *shelf) {
		s.endpoint("c")
		stale := s.acceptance("c", "x", `{}`)
		stale.Version--
		lost := s.acceptance("c", "x", `{}`)
		lost.Event.ProjectID = store.ID{1}
		out, err := s.db.Accept(s.ctx, []*store.Acceptance{s.acceptance("c", "x", `1`), stale, lost, s.acceptance("c", "x", `2`)})
		s.no(err)
		if out[0].Err != nil || !errors.Is(out[1].Err, store.ErrStale) || !errors.Is(out[2].Err, store.ErrNotFound) || out[3].Err != nil {
			s.Errorf("%+v", out)
		}
		if n := len(s.allEvents(store.Filter{})); n != 2 {
			s.Errorf("%d events kept, want 2", n)
		}
	},
	"BatchKeepsItsOrder": func(s *shelf) {
		e := s.endpoint("c")
		var items []*store.Acceptance
		for i := range 50 {
			items = append(items, s.acceptance("c", "x", fmt.Sprint(i)))
		}
		_, err := s.db.Accept(s.ctx, items)
		s.no(err)
		for i, w := range s.due(e) {
			if string(w.Event.Data) != fmt.Sprint(i) {
				s.Fatalf("place %d holds %s", i, w.Event.Data)
			}
		}
	},
	"IDsRise": func(s *shelf) {
		s.endpoint("c")
		last := store.ID{}
		for i := range 200 {
			if i == 100 {
				s.reopen()
			}
			id := s.accept("c", "x").EventID
			if bytes.Compare(id[:], last[:]) <= 0 {
				s.Fatalf("%s after %s", id, last)
			}
			if id[6]>>4 != 7 || id[8]>>6 != 2 {
				s.Fatalf("%s is no UUIDv7", id)
			}
			last = id
		}
	},
	"EndedContextReturns": func(s *shelf) {
		ctx, cancel := context.WithCancel(s.ctx)
		cancel()
		if _, err := s.db.Accept(ctx, []*store.Acceptance{s.acceptance("c", "x", `{}`)}); err != nil && !errors.Is(err, context.Canceled) {
			s.Error(err)
		}
	},
	"NothingToKeep": func(s *shelf) {
		out, err := s.db.Accept(s.ctx, nil)
		if len(out) != 0 || err != nil {
			s.Error(out, err)
		}
	},
	"ClosedStoreRefuses": func(s *shelf) {
		a := s.acceptance("c", "x", `{}`)
		s.no(s.db.Close())
		if _, err := s.db.Accept(s.ctx, []*store.Acceptance{a}); !errors.Is(err, store.ErrClosed) {
			s.Error(err)
		}
		if _, err := s.db.Event(s.ctx, s.project.ID, store.ID{1}); err == nil {
			s.Error("a closed store read")
		}
		s.no(s.db.Close())
	},
}

// endpoints of a consumer, oldest first.
func (s *shelf) endpoints(consumer string) []*store.Endpoint {
	s.Helper()
	es, err := s.db.Endpoints(s.ctx, s.project.ID, consumer, store.ID{}, 1000)
	s.no(err)
	for i, j := 0, len(es)-1; i < j; i, j = i+1, j-1 {
		es[i], es[j] = es[j], es[i]
	}
	return es
}

func (s *shelf) setState(e *store.Endpoint, state store.EndpointState) {
	s.Helper()
	_, _, err := s.db.UpdateEndpoint(s.ctx, e.ProjectID, e.ID, func(e *store.Endpoint) error {
		e.State, e.StateReason = state, "test"
		return nil
	})
	s.no(err)
}

// awkward payloads: what a round trip through a decoder would change.
var awkward = []string{
	`{}`, ` {"b":1,"a":2} `, `{"n":12345678901234567890123,"m":1.0,"k":-0,"e":1E400}`, `{"a":1,"a":2}`, `"\u00e9\/é"`, `[1,2,3]`, `null`, `0`,
	"{\"x\":\"\\u0000\"}", `{"html":"<script>&"}`, `"` + strings.Repeat("x", 300_000) + `"`, "{\n\t\"a\" : [ ]\r\n}",
}

var idempotencyCases = map[string]func(*shelf){
	"SameKeySameRequestIsTheFirstAnswer": func(s *shelf) {
		s.endpoint("c")
		first := s.keep(s.keyed("k", `{"a":1}`))
		s.endpoint("c") // what matches now does not matter any more
		again := s.keep(s.keyed("k", `{"a":1}`))
		if !again.Duplicate || again.EventID != first.EventID || again.Deliveries != 1 {
			s.Errorf("first %+v again %+v", first, again)
		}
		if n := len(s.allEvents(store.Filter{})); n != 1 {
			s.Errorf("%d events", n)
		}
	},
	"UnreachedIsRememberedToo": func(s *shelf) {
		first := s.keep(s.keyed("k", `{}`))
		if again := s.keep(s.keyed("k", `{}`)); again.Unreached != first.Unreached || again.Unreached == "" {
			s.Errorf("first %+v again %+v", first, again)
		}
	},
	"SameKeyOtherRequestConflicts": func(s *shelf) {
		s.keep(s.keyed("k", `{"a":1}`))
		out, err := s.db.Accept(s.ctx, []*store.Acceptance{s.keyed("k", `{"a":2}`)})
		s.no(err)
		if !errors.Is(out[0].Err, store.ErrConflict) {
			s.Errorf("%+v", out)
		}
		if n := len(s.allEvents(store.Filter{})); n != 1 {
			s.Errorf("%d events", n)
		}
	},
	"DuplicateWinsOverStale": func(s *shelf) {
		first := s.keep(s.keyed("k", `{}`))
		a := s.keyed("k", `{}`)
		a.Version = 0
		if again := s.keep(a); again.EventID != first.EventID {
			s.Errorf("%+v", again)
		}
	},
	"SameKeyInOneBatch": func(s *shelf) {
		out, err := s.db.Accept(s.ctx, []*store.Acceptance{s.keyed("k", `1`), s.keyed("k", `1`), s.keyed("k", `2`)})
		s.no(err)
		if out[0].Duplicate || !out[1].Duplicate || out[1].EventID != out[0].EventID || !errors.Is(out[2].Err, store.ErrConflict) {
			s.Errorf("%+v", out)
		}
	},
	"ProjectsDoNotShareKeys": func(s *shelf) {
		first := s.keep(s.keyed("k", `{}`))
		other := s.acceptanceOf(s.newProject("other"), "c", "x", `{}`)
		other.Event.IdempotencyKey = "k"
		if out := s.keep(other); out.Duplicate || out.EventID == first.EventID {
			s.Errorf("%+v", out)
		}
	},
	"KeysSurviveARestart": func(s *shelf) {
		first := s.keep(s.keyed("k", `{}`))
		s.reopen()
		if again := s.keep(s.keyed("k", `{}`)); !again.Duplicate || again.EventID != first.EventID {
			s.Errorf("%+v", again)
		}
	},
	"KeysSurviveRetention": func(s *shelf) {
		first := s.keep(s.keyed("k", `{}`))
		_, err := s.db.Prune(s.ctx, time.Now().Add(time.Hour), 1000)
		s.no(err)
		if again := s.keep(s.keyed("k", `{}`)); !again.Duplicate || again.EventID != first.EventID {
			s.Errorf("%+v", again)
		}
	},
}

// keyed is an acceptance with an idempotency key.
func (s *shelf) keyed(key, data string) *store.Acceptance {
	s.Helper()
	a := s.acceptance("c", "x", data)
	a.Event.IdempotencyKey = key
	return a
}
