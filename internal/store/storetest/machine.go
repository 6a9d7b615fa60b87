package storetest

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/malote-dev/malote/internal/store"
)

// runMachine does random things to a store and to a model of maps, and
// compares them after each.
func runMachine(t *testing.T, open Opener) {
	s := newShelf(t, open)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		m := &machine{
			s: s, rt: rt, project: s.newProject(fmt.Sprint("machine ", n)),
			endpoints: map[store.ID]*store.Endpoint{}, deliveries: map[store.ID]*modelDelivery{},
			events: map[store.ID]string{}, keys: map[string]modelKey{},
		}
		actions := rapid.StateMachineActions(m)
		rt.Repeat(actions)
	})
}

type modelDelivery struct {
	event, endpoint store.ID
	state           store.State
	attempts        int
	work            *store.Work // as it was handed over last
	inFlight        []*store.Work
}

type modelKey struct {
	event store.ID
	data  string
}

// machine is the model. A project of its own keeps it apart from what ran before.
type machine struct {
	s          *shelf
	rt         *rapid.T
	project    *store.Project
	endpoints  map[store.ID]*store.Endpoint
	deliveries map[store.ID]*modelDelivery
	events     map[store.ID]string
	keys       map[string]modelKey
}

func (m *machine) no(err error) {
	if err != nil {
		m.rt.Fatal(err)
	}
}

// pick one key of a map; false where there is none.
func pick[V any](rt *rapid.T, of map[store.ID]V, label string, want func(V) bool) (store.ID, bool) {
	var ids []store.ID
	for id, v := range of {
		if want(v) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return store.ID{}, false
	}
	slices.SortFunc(ids, func(a, b store.ID) int { return slices.Compare(a[:], b[:]) })
	return rapid.SampledFrom(ids).Draw(rt, label), true
}

func (m *machine) CreateEndpoint(rt *rapid.T) {
	if len(m.endpoints) >= 4 {
		rt.Skip()
	}
	types := rapid.SampledFrom([][]string{{"*"}, {"a"}, {"b.*"}}).Draw(rt, "types")
	e := m.s.endpointOf(m.project, rapid.SampledFrom([]string{"c", "d"}).Draw(rt, "consumer"), types...)
	m.endpoints[e.ID] = e
}

func (m *machine) DeleteEndpoint(rt *rapid.T) {
	id, ok := pick(rt, m.endpoints, "endpoint", func(*store.Endpoint) bool { return true })
	if !ok {
		rt.Skip()
	}
	_, err := m.s.db.DeleteEndpoint(m.s.ctx, m.project.ID, id)
	m.no(err)
	delete(m.endpoints, id)
	for _, d := range m.deliveries {
		if d.endpoint == id && d.state == store.Pending {
			d.state = store.Cancelled
		}
	}
}

func (m *machine) Pause(rt *rapid.T)  { m.setState(rt, store.Paused) }
func (m *machine) Resume(rt *rapid.T) { m.setState(rt, store.Active) }

func (m *machine) setState(rt *rapid.T, to store.EndpointState) {
	id, ok := pick(rt, m.endpoints, "endpoint", func(e *store.Endpoint) bool { return e.State != to })
	if !ok {
		rt.Skip()
	}
	e, _, err := m.s.db.UpdateEndpoint(m.s.ctx, m.project.ID, id, func(e *store.Endpoint) error { e.State = to; return nil })
	m.no(err)
	m.endpoints[id] = e
}

func (m *machine) Accept(rt *rapid.T) {
	m.accept(rt, "")
}

func (m *machine) AcceptWithKey(rt *rapid.T) {
	m.accept(rt, rapid.SampledFrom([]string{"k1", "k2", "k3"}).Draw(rt, "key"))
}

func (m *machine) accept(rt *rapid.T, key string) {
	consumer := rapid.SampledFrom([]string{"c", "d", "nobody"}).Draw(rt, "consumer")
	data := rapid.SampledFrom([]string{`{"n":1}`, `[2]`}).Draw(rt, "data")
	a := m.s.acceptanceOf(m.project, consumer, rapid.SampledFrom([]string{"a", "b.x"}).Draw(rt, "type"), data)
	a.Event.IdempotencyKey = key
	m.s.works() // what a retry handed over
	out, err := m.s.db.Accept(m.s.ctx, []*store.Acceptance{a})
	m.no(err)
	first, known := m.keys[key]
	switch {
	case known && first.data != data:
		if !isConflict(out[0].Err) {
			rt.Fatalf("key used with other data: %+v", out[0])
		}
		return
	case known:
		if out[0].EventID != first.event || !out[0].Duplicate {
			rt.Fatalf("key used before: %+v, want %s", out[0], first.event)
		}
		return
	case out[0].Err != nil || out[0].Deliveries != len(a.Endpoints) || out[0].Duplicate:
		rt.Fatalf("%+v, want %d deliveries", out[0], len(a.Endpoints))
	}
	m.events[out[0].EventID] = data
	if key != "" {
		m.keys[key] = modelKey{out[0].EventID, data}
	}
	for _, w := range m.s.works() {
		m.deliveries[w.ID] = &modelDelivery{event: w.Event.ID, endpoint: w.EndpointID, state: store.Pending, work: w}
	}
}

// Take starts an attempt: its outcome comes later, whatever happens until then.
func (m *machine) Take(rt *rapid.T) {
	id, ok := pick(rt, m.deliveries, "delivery", func(d *modelDelivery) bool { return d.state == store.Pending && len(d.inFlight) == 0 })
	if !ok {
		rt.Skip()
	}
	d := m.deliveries[id]
	d.inFlight = append(d.inFlight, d.work)
}

func (m *machine) Finish(rt *rapid.T) {
	id, ok := pick(rt, m.deliveries, "delivery", func(d *modelDelivery) bool { return len(d.inFlight) > 0 })
	if !ok {
		rt.Skip()
	}
	d := m.deliveries[id]
	w := d.inFlight[0]
	d.inFlight = d.inFlight[1:]
	state := rapid.SampledFrom([]store.State{store.Delivered, store.Failed, store.Pending}).Draw(rt, "outcome")
	o := outcome(w, state, 200)
	m.s.finish(o)
	switch {
	case d.state == store.Pending:
		d.state = state
	case state == store.Delivered:
		d.state = store.Delivered
	}
	d.attempts++
	next := *w
	next.Attempts, next.LastAt = d.attempts, o.Attempt.At
	d.work = &next
}

func (m *machine) Cancel(rt *rapid.T) {
	id, ok := pick(rt, m.deliveries, "delivery", func(*modelDelivery) bool { return true })
	if !ok {
		rt.Skip()
	}
	d := m.deliveries[id]
	_, _, err := m.s.db.CancelDelivery(m.s.ctx, m.project.ID, id)
	if d.state != store.Pending {
		if !isConflict(err) {
			rt.Fatalf("cancel of a %s delivery: %v", d.state, err)
		}
		return
	}
	m.no(err)
	d.state = store.Cancelled
}

func (m *machine) Retry(rt *rapid.T) {
	id, ok := pick(rt, m.deliveries, "delivery", func(d *modelDelivery) bool { return len(d.inFlight) == 0 })
	if !ok {
		rt.Skip()
	}
	d := m.deliveries[id]
	got, err := m.s.db.RetryDelivery(m.s.ctx, m.project.ID, id)
	if m.endpoints[d.endpoint] == nil {
		if !isConflict(err) {
			rt.Fatalf("retry with a deleted endpoint: %v", err)
		}
		return
	}
	m.no(err)
	if got.State != store.Pending || got.Attempts != d.attempts {
		rt.Fatalf("%+v, want %d attempts", got, d.attempts)
	}
	d.state = store.Pending
}

func (m *machine) Expire(*rapid.T) {
	_, err := m.s.db.ExpireHeld(m.s.ctx, time.Now().Add(time.Hour), 1000)
	m.no(err)
	for _, d := range m.deliveries {
		if e := m.endpoints[d.endpoint]; e != nil && e.State == store.Paused && d.state == store.Pending {
			d.state = store.Failed
		}
	}
}

// Prune takes what is final. An attempt under way of such a delivery leaves
// no trace any more, so there must be none.
func (m *machine) Prune(rt *rapid.T) {
	for _, d := range m.deliveries {
		if len(d.inFlight) > 0 {
			rt.Skip()
		}
	}
	_, err := m.s.db.Prune(m.s.ctx, time.Now().Add(time.Hour), 100_000)
	m.no(err)
	needed := map[store.ID]bool{}
	maps.DeleteFunc(m.deliveries, func(_ store.ID, d *modelDelivery) bool {
		needed[d.event] = needed[d.event] || d.state == store.Pending
		return d.state != store.Pending
	})
	maps.DeleteFunc(m.events, func(id store.ID, _ string) bool { return !needed[id] })
}

func (m *machine) Reopen(*rapid.T) {
	m.s.reopen()
	for _, d := range m.deliveries {
		d.inFlight = nil // their outcomes died with the process
	}
}

func (m *machine) list(f store.Filter) []*store.Delivery {
	var out []*store.Delivery
	for {
		p, err := m.s.db.Deliveries(m.s.ctx, m.project.ID, f)
		m.no(err)
		out = append(out, p.Items...)
		if p.Next.IsZero() {
			return out
		}
		f.Before = p.Next
	}
}

// Check compares everything that can be seen.
func (m *machine) Check(rt *rapid.T) {
	got := m.list(store.Filter{Limit: 3})
	if len(got) != len(m.deliveries) {
		rt.Fatalf("%d deliveries listed, want %d", len(got), len(m.deliveries))
	}
	for _, d := range got {
		want := m.deliveries[d.ID]
		if want == nil || d.State != want.state || d.Attempts != want.attempts || d.EventID != want.event || d.EndpointID != want.endpoint {
			rt.Fatalf("%+v, want %+v", d, want)
		}
		as, err := m.s.db.Attempts(m.s.ctx, m.project.ID, d.ID, 0, 1000)
		m.no(err)
		if len(as) != want.attempts {
			rt.Fatalf("%d attempts of %s, want %d", len(as), d.ID, want.attempts)
		}
	}
	for _, state := range []store.State{store.Pending, store.Delivered, store.Failed, store.Cancelled} {
		n := 0
		for _, d := range m.deliveries {
			if d.state == state {
				n++
			}
		}
		if got := m.list(store.Filter{States: []store.State{state}}); len(got) != n {
			rt.Fatalf("%d %s deliveries listed, want %d", len(got), state, n)
		}
	}
	for id := range m.endpoints {
		n := 0
		for _, d := range m.deliveries {
			if d.endpoint == id && d.state == store.Pending {
				n++
			}
		}
		works, err := m.s.db.LoadDue(m.s.ctx, id, store.Place{}, 1000, 1<<30)
		m.no(err)
		if len(works) != n {
			rt.Fatalf("%d in the queue, want %d", len(works), n)
		}
		for _, w := range works {
			d := m.deliveries[w.ID]
			if w.Attempts != d.attempts || string(w.Event.Data) != m.events[d.event] {
				rt.Fatalf("%+v, want %+v", w, d)
			}
		}
	}
	p, err := m.s.db.Events(m.s.ctx, m.project.ID, store.Filter{})
	m.no(err)
	if len(p.Items) != len(m.events) {
		rt.Fatalf("%d events listed, want %d", len(p.Items), len(m.events))
	}
}
