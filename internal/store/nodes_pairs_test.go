//go:build unix

package store_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// pair is two processes that do the same at the same time.
type pair struct {
	*yard
	a, b *member
}

func newPair(t *testing.T) *pair {
	t.Helper()
	y := newYard(t, 0)
	p := &pair{yard: y}
	p.a = y.start("a", true)
	p.b = y.start("b", true)
	y.settled(map[*member]int{p.a: 128, p.b: 128})
	return p
}

// both runs f in both, n times each, all at once.
func (p *pair) both(n int, f func(m *member, i int)) {
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for i := range n {
		for _, m := range []*member{p.a, p.b} {
			wg.Go(func() {
				<-gate
				f(m, i)
			})
		}
	}
	close(gate)
	wg.Wait()
}

func (p *pair) pending() int64 { return p.b.db.Health(p.Context()).Pending }

func (p *pair) endpoint(consumer string) *store.Endpoint {
	return &store.Endpoint{ProjectID: p.project, Consumer: consumer, URL: "https://example.com/", EventTypes: []string{"*"}, Secrets: []store.SigningSecret{{Value: "whsec_1"}}}
}

// finish keeps an outcome and waits for it.
func (m *member) finish(o *store.Outcome) {
	m.Helper()
	done := make(chan error, 1)
	m.db.Finish(o, func(err error) { done <- err })
	if err := <-done; err != nil {
		m.Error(err)
	}
}

// due is everything that is pending for an endpoint.
func (m *member) due(e store.ID) []*store.Work {
	m.Helper()
	works, err := m.db.LoadDue(m.Context(), e, store.Place{}, 1000, 1<<20)
	m.no(err)
	return works
}

func TestTwoAtOnceUseOneIdempotencyKey(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	const n = 50
	var first [n]atomic.Int32
	var ids [n]sync.Map
	p.both(n, func(m *member, i int) {
		out, err := m.accept(fmt.Sprint("key ", i), p.all[0])
		if err != nil {
			t.Error(err)
		}
		if !out.Duplicate {
			first[i].Add(1)
		}
		ids[i].Store(out.EventID, true)
	})
	for i := range n {
		different := 0
		ids[i].Range(func(any, any) bool { different++; return true })
		if first[i].Load() != 1 || different != 1 {
			t.Errorf("key %d: %d first answers, %d ids", i, first[i].Load(), different)
		}
	}
	if got := len(p.a.due(p.all[0])); got != n || p.pending() != n {
		t.Errorf("%d in the queue, %d counted", got, p.pending())
	}
}

func TestTwoAtOnceReachALimit(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	var made, replays atomic.Int32
	p.both(10, func(m *member, _ int) {
		switch err := m.db.CreateEndpoint(t.Context(), p.endpoint("limited"), 7); {
		case err == nil:
			made.Add(1)
		case !errors.Is(err, store.ErrLimit):
			t.Error(err)
		}
		switch _, err := m.db.CreateReplay(t.Context(), &store.Replay{ProjectID: p.project, Kind: store.ReplayRecover, ReplayFilter: store.ReplayFilter{EndpointID: p.all[1]}}, nil); {
		case err == nil:
			replays.Add(1)
		case !errors.Is(err, store.ErrLimit) && !errors.Is(err, store.ErrTurn):
			t.Error(err)
		}
	})
	es, err := p.a.db.Endpoints(t.Context(), p.project, "limited", store.ID{}, 100)
	p.no(err)
	if made.Load() != 7 || len(es) != 7 {
		t.Errorf("%d endpoints made, %d are there", made.Load(), len(es))
	}
	if replays.Load() == 0 {
		t.Error("no replay was made")
	}
}

func TestTwoAtOnceTakeOneName(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	var projects, types [10]atomic.Int32
	p.both(10, func(m *member, i int) {
		switch err := m.db.CreateProject(t.Context(), &store.Project{Name: fmt.Sprint(i), Environment: store.Production, Dialect: "standard"}); {
		case err == nil:
			projects[i].Add(1)
		case !errors.Is(err, store.ErrConflict):
			t.Error(err)
		}
		switch err := m.db.CreateEventType(t.Context(), &store.EventType{ProjectID: p.project, Name: fmt.Sprint("type.", i)}); {
		case err == nil:
			types[i].Add(1)
		case !errors.Is(err, store.ErrConflict):
			t.Error(err)
		}
		if _, _, err := m.db.PutConsumer(t.Context(), p.project, fmt.Sprint("consumer ", i), func(*store.Consumer) {}); err != nil {
			t.Error(err)
		}
	})
	for i := range projects {
		if projects[i].Load() != 1 || types[i].Load() != 1 {
			t.Errorf("%d: %d projects, %d event types", i, projects[i].Load(), types[i].Load())
		}
	}
}

func TestTwoAtOnceCreateOnce(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	var made [20]atomic.Int32
	var answers [20]sync.Map
	p.both(20, func(m *member, i int) {
		o := &store.Once[store.Endpoint]{
			Claim:  store.Claim{Project: p.project, Key: fmt.Sprint(i)},
			Answer: func(e *store.Endpoint) ([]byte, error) { return e.ID[:], nil },
		}
		e := p.endpoint("once")
		before, err := m.db.CreateEndpointOnce(t.Context(), e, 0, o)
		if err != nil {
			t.Error(err)
		}
		if before == nil {
			made[i].Add(1)
			before = e.ID[:]
		}
		answers[i].Store(string(before), true)
	})
	for i := range made {
		different := 0
		answers[i].Range(func(any, any) bool { different++; return true })
		if made[i].Load() != 1 || different != 1 {
			t.Errorf("%d: made %d times, %d answers", i, made[i].Load(), different)
		}
	}
}

// TestTwoAtOnceCount: both add to the same rows of statistics.
func TestTwoAtOnceCount(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	const n = 30
	p.both(n, func(m *member, _ int) {
		if _, err := m.accept("", p.all[0]); err != nil {
			t.Error(err)
		}
	})
	works := p.a.due(p.all[0])
	if len(works) != 2*n {
		t.Fatalf("%d in the queue", len(works))
	}
	p.both(n, func(m *member, i int) {
		w := works[2*i]
		if m == p.b {
			w = works[2*i+1]
		}
		m.finish(delivered(w))
	})
	delivered := func(m *member) int64 {
		s, err := m.db.Stats(t.Context(), p.project, store.StatsQuery{From: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour)})
		p.no(err)
		return s.Total.Delivered
	}
	for _, m := range []*member{p.a, p.b} { // each sees what the other counted, and did not write yet
		if got := delivered(m); got != 2*n {
			t.Errorf("%s counts %d", m.name, got)
		}
	}
	var wg sync.WaitGroup
	for _, m := range []*member{p.a, p.b} {
		wg.Go(m.close) // writes what was counted
	}
	wg.Wait()
	c := p.join("c")
	if got := delivered(c); got != 2*n || c.db.Health(t.Context()).Pending != 0 {
		t.Errorf("%d are counted, %d pending", got, c.db.Health(t.Context()).Pending)
	}
	traffic, err := c.db.Traffic(t.Context(), p.all[:1])
	p.no(err)
	if traffic[0].Attempts != 2*n {
		t.Errorf("%d attempts", traffic[0].Attempts)
	}
}

// TestTwoAtOnceCancelAndFinish: what one ends the other does not end again.
func TestTwoAtOnceCancelAndFinish(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	const n = 60
	for range n {
		_, err := p.a.accept("", p.all[0])
		p.no(err)
	}
	works := p.a.due(p.all[0])
	var cancelled [n]bool
	states := []store.State{store.Delivered, store.Failed, store.Pending}
	outcome := func(i int) *store.Outcome {
		o := delivered(works[i])
		o.State = states[i%3]
		switch o.State {
		case store.Failed:
			o.Reason, o.Attempt.Class = "exhausted", store.ClassStatus
		case store.Pending:
			o.DueAt, o.Attempt.Class = time.Now().Add(time.Hour), store.ClassStatus
		}
		return o
	}
	p.both(n, func(m *member, i int) {
		if m == p.a {
			m.finish(outcome(i))
			return
		}
		_, _, err := m.db.CancelDelivery(t.Context(), p.project, works[i].ID)
		cancelled[i] = err == nil
		if err != nil && !errors.Is(err, store.ErrConflict) {
			t.Error(err)
		}
	})
	pending := int64(0)
	for i, w := range works {
		d, err := p.b.db.Delivery(t.Context(), p.project, w.ID)
		p.no(err)
		want := states[i%3]
		if want != store.Delivered && cancelled[i] {
			want = store.Cancelled
		}
		if want == store.Pending {
			pending++
		}
		as, err := p.b.db.Attempts(t.Context(), p.project, w.ID, 0, 10)
		p.no(err)
		if d.State != want || len(as) != 1 {
			t.Errorf("%d, cancelled %v: %s after %d attempts", i, cancelled[i], d.State, len(as))
		}
	}
	if p.pending() != pending {
		t.Errorf("%d counted, %d pending", p.pending(), pending)
	}
}

// TestTwoAtOnceSendAgain: retries and replays of one thing are one.
func TestTwoAtOnceSendAgain(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	const n = 20
	var events [n]store.ID
	for i := range events {
		out, err := p.a.accept("", p.all[0])
		p.no(err)
		events[i] = out.EventID
	}
	works := p.a.due(p.all[0])
	for _, w := range works {
		p.a.finish(delivered(w))
	}
	p.both(n, func(m *member, i int) {
		if _, err := m.db.RetryDelivery(t.Context(), p.project, works[i].ID); err != nil {
			t.Error(err)
		}
	})
	if got := len(p.a.due(p.all[0])); got != n || p.pending() != n {
		t.Errorf("%d in the queue, %d counted", got, p.pending())
	}
	p.both(n, func(m *member, i int) { // to all others, too, which did not get it
		if _, err := m.db.ReplayEvent(t.Context(), p.project, events[i], p.all[1]); err != nil {
			t.Error(err)
		}
	})
	if got := len(p.a.due(p.all[1])); got != n || p.pending() != 2*n {
		t.Errorf("%d in the other queue, %d counted", got, p.pending())
	}
}

func TestTwoAtOnceEndAccess(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	for round := range 5 {
		keys := [2]*store.Key{{Name: "x"}, {Name: "y"}}
		for i, k := range keys {
			p.no(p.a.db.CreateKey(t.Context(), k, [32]byte{byte(round), byte(i), 1}))
		}
		var ended atomic.Int32
		p.both(1, func(m *member, _ int) {
			k := keys[0]
			if m == p.b {
				k = keys[1]
			}
			switch err := m.db.RevokeRootKey(t.Context(), k.ID, false); {
			case err == nil:
				ended.Add(1)
			case !errors.Is(err, store.ErrLastKey):
				t.Error(err)
			}
		})
		if want := int32(min(1+round, 2)); ended.Load() > want {
			t.Errorf("%d keys ended, and none is left", ended.Load())
		}
		for _, k := range keys {
			p.no(p.a.db.RevokeKey(t.Context(), store.ID{}, k.ID))
		}
		link := &store.SecretLink{EndpointID: p.all[round], ExpiresAt: time.Now().Add(time.Hour)}
		hash := [32]byte{byte(round), 2}
		_, err := p.a.db.CreateSecretLinkOnce(t.Context(), p.project, link, hash, 10, nil)
		p.no(err)
		var opened atomic.Int32
		p.both(5, func(m *member, _ int) {
			switch _, _, err := m.db.OpenSecretLink(t.Context(), hash, "127.0.0.1"); {
			case err == nil:
				opened.Add(1)
			case !errors.Is(err, store.ErrConflict):
				t.Error(err)
			}
		})
		if opened.Load() != 1 {
			t.Errorf("a link was opened %d times", opened.Load())
		}
	}
}

func TestTwoAtOnceChangeAnEndpoint(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.both(20, func(m *member, _ int) {
		_, _, err := m.db.UpdateEndpoint(t.Context(), p.project, p.all[0], func(e *store.Endpoint) error { e.RateLimit++; return nil })
		if err != nil {
			t.Error(err)
		}
	})
	if e, err := p.b.db.Endpoint(t.Context(), p.project, p.all[0]); err != nil || e.RateLimit != 40 {
		t.Errorf("%d of 40 changes are left: %v", e.RateLimit, err)
	}
	// What an attempt does to an endpoint undoes nothing that a person did.
	for i := range 10 {
		_, err := p.a.accept("", p.all[1+i])
		p.no(err)
	}
	p.both(10, func(m *member, i int) {
		if m == p.b {
			_, _, err := m.db.UpdateEndpoint(t.Context(), p.project, p.all[1+i], func(e *store.Endpoint) error { e.State = store.Paused; return nil })
			if err != nil {
				t.Error(err)
			}
			return
		}
		o := delivered(m.due(p.all[1+i])[0])
		o.State, o.Reason, o.Attempt.Class, o.Effect = store.Failed, "exhausted", store.ClassStatus, store.Effect{Exhausted: true, Mark: true}
		m.finish(o)
	})
	for i := range 10 {
		e, err := p.b.db.Endpoint(t.Context(), p.project, p.all[1+i])
		p.no(err)
		if e.State != store.Paused || e.FailureCount != 1 || e.FailedAt.IsZero() {
			t.Errorf("%d: %s, %d failures, %s", i, e.State, e.FailureCount, e.FailedAt)
		}
	}
	var deleted atomic.Int32
	p.both(5, func(m *member, _ int) {
		switch _, err := m.db.DeleteEndpoint(t.Context(), p.project, p.all[20]); {
		case err == nil:
			deleted.Add(1)
		case !errors.Is(err, store.ErrNotFound):
			t.Error(err)
		}
	})
	if deleted.Load() != 1 {
		t.Errorf("deleted %d times", deleted.Load())
	}
}

// TestTwoSeeTheSame: what one keeps the other lists and counts at once, and what
// is to be done in the background the chief does, whoever began it.
func TestTwoSeeTheSame(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	for i := range 20 {
		m, other := p.a, p.b
		if i%2 == 1 {
			m, other = other, m
		}
		out, err := m.accept("", p.all[i])
		p.no(err)
		page, err := other.db.Deliveries(t.Context(), p.project, store.Filter{EventID: out.EventID})
		p.no(err)
		all, err := other.db.Deliveries(t.Context(), p.project, store.Filter{Limit: 250})
		p.no(err)
		if len(page.Items) != 1 || len(all.Items) != i+1 {
			t.Errorf("%d: %d deliveries of the event are listed, %d in all", i, len(page.Items), len(all.Items))
		}
	}
	for i := range 6 {
		m := p.a
		if i%2 == 1 {
			m = p.b
		}
		_, err := m.db.DeleteEndpoint(t.Context(), p.project, p.all[i])
		p.no(err)
	}
	eventually(t, func() bool { return p.pending() == 14 })
	r := &store.Replay{ProjectID: p.project, Kind: store.ReplayMissed, ReplayFilter: store.ReplayFilter{EndpointID: p.all[23]}}
	_, err := p.b.db.CreateReplay(t.Context(), r, nil) // b is not the chief
	p.no(err)
	eventually(t, func() bool {
		now, err := p.b.db.Replay(t.Context(), p.project, r.ID)
		p.no(err)
		return now.State == store.ReplayDone
	})
	if got := len(p.b.due(p.all[23])); got != 20 {
		t.Errorf("%d of 20 missed events were sent", got)
	}
	var expired atomic.Int64
	p.both(1, func(m *member, _ int) {
		n, err := m.db.Prune(t.Context(), time.Now().Add(time.Hour), 1000)
		if err != nil {
			t.Error(err)
		}
		if m == p.b && n > 0 {
			t.Error("one who is not the chief prunes")
		}
		expired.Add(int64(n))
	})
	if expired.Load() == 0 {
		t.Error("nothing was pruned")
	}
}
