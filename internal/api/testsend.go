package api

import (
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// testSent is the answer to a test send.
type testSent struct {
	EventID    string `json:"event_id"`
	DeliveryID string `json:"delivery_id,omitempty"` // empty where it is over and gone from the page already
	Deliveries int    `json:"deliveries"`
	InFlight   int    `json:"in_flight"`
}

// testInput is what to send; without a type, the dialect's test event.
type testInput struct {
	Type optional[string]          `json:"type" body:"optional"`
	Data optional[json.RawMessage] `json:"data"`
}

func (*testInput) depth() int { return ingest.MaxDepth + 1 }

// sample of a test; nil: the dialect's.
func (in *testInput) sample() (*ingest.Sample, error) {
	switch {
	case !in.Type.given() && in.Data.Set:
		return nil, field("/type", "is missing; say which event type the data is of")
	case !in.Type.given():
		return nil, nil //nolint:nilnil // nothing is asked for
	case in.Data.Null:
		return &ingest.Sample{Type: in.Type.Value, Data: []byte("null")}, nil
	}
	return &ingest.Sample{Type: in.Type.Value, Data: in.Data.Value}, nil
}

func (s *server) testEndpoint(c *call, in *testInput) (testSent, error) {
	e, err := s.endpoint(c)
	if err != nil {
		return testSent{}, err
	}
	sample, err := in.sample()
	if err != nil {
		return testSent{}, err
	}
	examplesOnly := c.key.Consumer != "" || !hasScope(c.key, eventsWrite)
	if in.Data.Set && examplesOnly {
		return testSent{}, kindForbidden.problem("data of one's own makes an event that its receiver takes for the company's; this takes a key of the whole project with the scope events:write").
			fixed("Leave data out: then the first example of the type is sent. Or use a key of the project with the scope events:write.")
	}
	if !s.tests.admit(e.ID, time.Now()) {
		return testSent{}, kindTooMany.problem("an endpoint takes one test a second").with("Retry-After", "1")
	}
	if sample != nil {
		sample.ExamplesOnly = examplesOnly
	}
	r, err := s.ingest.TestSample(c.r.Context(), c.key.ProjectID, e.ID, sample)
	if err == nil {
		err = r.Err
	}
	if err != nil {
		s.tests.withdraw(e.ID) // nothing was sent
	}
	if errors.Is(err, ingest.ErrInactive) {
		p := kindConflict.problemf("the endpoint is paused: %s", lang.Recall(e.StateReason))
		if e.State == store.Disabled {
			p = kindConflict.problemf("the endpoint is disabled: %s", lang.Recall(e.StateReason))
		}
		return testSent{}, p.
			fixed("Resume it first: POST /v1/endpoints/{id}/resume.")
	}
	if err != nil {
		return testSent{}, err
	}
	out := testSent{EventID: eventID.Format(r.EventID), Deliveries: r.Deliveries}
	page, err := s.store.Deliveries(c.r.Context(), c.key.ProjectID, store.Filter{EventID: r.EventID, Limit: 1})
	if err == nil && len(page.Items) > 0 {
		out.DeliveryID = deliveryID.Format(page.Items[0].ID)
		if page.Items[0].State == store.Pending {
			out.InFlight = 1
		}
	}
	return out, nil
}

// testPacer keeps test sends from being a free request cannon: one a second
// for each endpoint. The zero value is ready.
type testPacer struct {
	mu   sync.Mutex
	last map[store.ID]time.Time
}

const (
	testEvery = time.Second
	maxPaced  = 10_000 // endpoints remembered; beyond it everybody waits for the next second
)

func (p *testPacer) admit(id store.ID, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil {
		p.last = map[store.ID]time.Time{}
	}
	if last, ok := p.last[id]; ok && now.Sub(last) < testEvery {
		return false
	}
	if len(p.last) >= maxPaced {
		for other, at := range p.last {
			if now.Sub(at) >= testEvery {
				delete(p.last, other)
			}
		}
		if len(p.last) >= maxPaced {
			return false
		}
	}
	p.last[id] = now
	return true
}

// withdraw takes an admission back.
func (p *testPacer) withdraw(id store.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.last, id)
}
