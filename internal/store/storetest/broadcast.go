package storetest

import (
	"fmt"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

var broadcastCases = map[string]func(*shelf){
	"AllConsumersThatWantIt": func(s *shelf) {
		a, b := s.endpoint("a"), s.endpoint("b", "task.*")
		s.endpoint("c", "other.*")
		s.endpointOf(s.newProject("other"), "a")
		s.owner.take()
		out := s.broadcast("task.x")
		if out.Deliveries != 2 || out.More {
			s.Errorf("%+v", out)
		}
		works := s.works()
		if len(works) != 2 || works[0].EndpointID != a.ID || works[1].EndpointID != b.ID {
			s.Errorf("handed over out of order of endpoints: %v", works)
		}
		for _, d := range s.all(store.Filter{EventID: out.EventID}) {
			if want := map[store.ID]string{a.ID: "a", b.ID: "b"}[d.EndpointID]; d.Consumer != want {
				s.Errorf("%+v", d)
			}
		}
	},
	"NeverToTheSystemConsumer": func(s *shelf) {
		s.endpoint(store.SystemConsumer)
		if out := s.broadcast("x"); out.Deliveries != 0 || out.Unreached == "" {
			s.Errorf("%+v", out)
		}
	},
	"NobodyWantsIt": func(s *shelf) {
		s.endpoint("a", "other")
		out := s.broadcast("x")
		if out.Deliveries != 0 || out.Unreached == "" {
			s.Errorf("%+v", out)
		}
	},
	"GoesOnInTheBackground": func(s *shelf) {
		const n = 1300
		s.manyEndpoints(n)
		s.owner.take()
		out := s.broadcast("x")
		if out.Deliveries != 1000 || !out.More {
			s.Fatalf("%+v", out)
		}
		s.endpoint("late") // did not exist at that moment
		s.checkBroadcast(out.EventID, n)
	},
	"GoesOnAfterARestart": func(s *shelf) {
		const n = 1300
		s.manyEndpoints(n)
		out := s.broadcast("x")
		s.reopen()
		s.checkBroadcast(out.EventID, n)
		s.reopen()
		s.checkBroadcast(out.EventID, n)
	},
	"SkipsWhatWasDeletedMeanwhile": func(s *shelf) {
		es := s.manyEndpoints(1200)
		out := s.broadcast("x")
		if !out.More {
			s.Fatalf("%+v", out)
		}
		_, err := s.db.DeleteEndpoint(s.ctx, s.project.ID, es[len(es)-1].ID)
		s.no(err)
		s.eventually(func() bool { return s.settled(out.EventID, 1199) || s.settled(out.EventID, 1200) })
		for _, d := range s.all(store.Filter{EndpointID: es[len(es)-1].ID}) {
			if d.State == store.Pending {
				s.Errorf("%+v", d)
			}
		}
	},
	"DuplicateSaysThatMoreComes": func(s *shelf) {
		s.manyEndpoints(1100)
		a := s.wide("x")
		a.Event.IdempotencyKey = "k"
		first := s.keep(a)
		a = s.wide("x")
		a.Event.IdempotencyKey = "k"
		again := s.keep(a)
		if !again.Duplicate || !again.More || again.EventID != first.EventID || again.Deliveries != first.Deliveries {
			s.Errorf("first %+v again %+v", first, again)
		}
	},
}

func (s *shelf) wide(eventType string) *store.Acceptance {
	return &store.Acceptance{
		Event:     &store.Event{ProjectID: s.project.ID, Consumer: "*", Type: eventType, Data: []byte(`{}`), Dialect: "standard/1"},
		Broadcast: true,
	}
}

func (s *shelf) broadcast(eventType string) store.Accepted {
	s.Helper()
	return s.keep(s.wide(eventType))
}

func (s *shelf) manyEndpoints(n int) []*store.Endpoint {
	s.Helper()
	es := make([]*store.Endpoint, n)
	done := make(chan error, n)
	for i := range es {
		es[i] = &store.Endpoint{
			ProjectID: s.project.ID, Consumer: fmt.Sprintf("c%d", i%7), URL: "https://example.com/", EventTypes: []string{"*"},
			Secrets: []store.SigningSecret{{Value: "whsec_1"}},
		}
		go func() { done <- s.db.CreateEndpoint(s.ctx, es[i], 0) }()
	}
	for range es {
		s.no(<-done)
	}
	return s.endpointsByID()
}

// endpointsByID are all endpoints of the project, oldest first.
func (s *shelf) endpointsByID() []*store.Endpoint {
	s.Helper()
	var out []*store.Endpoint
	before := store.ID{}
	for {
		es, err := s.db.Endpoints(s.ctx, s.project.ID, "", before, 500)
		s.no(err)
		if len(es) == 0 {
			break
		}
		out = append(out, es...)
		before = es[len(es)-1].ID
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

func (s *shelf) settled(event store.ID, n int) bool {
	e, err := s.db.Event(s.ctx, s.project.ID, event)
	s.no(err)
	return e.Deliveries == n
}

// checkBroadcast waits for a broadcast's end and sees each endpoint once.
func (s *shelf) checkBroadcast(event store.ID, n int) {
	s.Helper()
	s.eventually(func() bool { return s.settled(event, n) })
	seen := map[store.ID]int{}
	last := store.ID{0xff}
	for _, d := range s.all(store.Filter{EventID: event}) {
		seen[d.EndpointID]++
		if string(d.ID[:]) >= string(last[:]) {
			s.Fatal("not newest first")
		}
		last = d.ID
	}
	if len(seen) != n {
		s.Fatalf("%d endpoints reached, want %d", len(seen), n)
	}
	for id, times := range seen {
		if times != 1 {
			s.Errorf("endpoint %s got it %d times", id, times)
		}
	}
	if got := s.pending(); got != int64(n) {
		s.Errorf("%d pending", got)
	}
}

// eventually waits for what the writer does by itself. Every look makes a
// commit, so that waiting is not a sleep.
func (s *shelf) eventually(f func() bool) {
	s.Helper()
	// The rounds count where no time passes.
	for n, end := 0, time.Now().Add(30*time.Second); n < 200_000 && time.Now().Before(end); n++ {
		if f() {
			return
		}
		s.sync()
	}
	s.Fatal("did not happen")
}
