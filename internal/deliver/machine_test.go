package deliver

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// TestEngineAndStoreKeepTheirPromises drives engine and store with any
// sequence of what producers, receivers and operators do, and then checks
// what must hold of every event: nothing accepted is lost or stuck, nothing
// arrives altered, elsewhere, or after it was called off, and each request
// that arrived has exactly one row.
func TestEngineAndStoreKeepTheirPromises(t *testing.T) {
	t.Parallel()
	cases, most := 0, 5 // each costs half a second, ten times that under -race: more with -rapid.checks, as CI does
	if raceEnabled {
		most = 3
	}
	if flag.Lookup("rapid.checks").Value.String() != "100" {
		most = math.MaxInt
	}
	rapid.Check(t, func(rt *rapid.T) {
		if cases++; cases > most {
			return
		}
		var failure any
		synctest.Test(t, func(t *testing.T) {
			defer func() { failure = recover() }() // rapid's own way to stop; it wants it on its goroutine
			m := newMachine(t, rt)
			defer m.r.close()
			rt.Repeat(map[string]func(*rapid.T){
				"accept": m.accept, "answer": m.answers, "wait": m.wait, "cancel": m.cancel, "retry": m.retry,
				"pause": m.pause, "resume": m.resume, "move": m.move, "restart": m.restart, "crash": m.crash,
				"": func(*rapid.T) { m.checkRunning() },
			})
			m.drain()
			m.check()
		})
		if failure != nil {
			panic(failure)
		}
	})
}

// machine is the model: what was accepted, and what was called off when.
type machine struct {
	r      *rig
	rt     *rapid.T
	eps    []*store.Endpoint
	kinds  []int // how each endpoint answers
	events map[string]*modelEvent
	bans   []*ban
	moves  int
	byHand map[store.ID]int // retries by hand
}

type modelEvent struct {
	id   store.ID
	ep   int
	body string
}

// ban is a time from which nothing may arrive, but for what was in flight.
type ban struct {
	what     string
	match    func(arrival) bool
	inFlight int
	lifted   bool
	arrived  int
}

func newMachine(t *testing.T, rt *rapid.T) *machine {
	m := &machine{rt: rt, events: map[string]*modelEvent{}, byHand: map[store.ID]int{}}
	m.r = newRig(t, func(r *rig) {
		r.limits = Limits{
			Grace: 2 * time.Second, PerEndpoint: 3, Memory: rapid.SampledFrom([]int64{4 << 10, 64 << 20}).Draw(rt, "memory"),
			PerHost: rapid.SampledFrom([]int{1, 2, 64}).Draw(rt, "perHost"), Global: rapid.SampledFrom([]int{1, 2, 512}).Draw(rt, "global"),
		}
		r.catalog = catalogWithBrisk(t)
		r.sweep = rapid.SampledFrom([]time.Duration{sweepEvery, 24 * time.Hour}).Draw(rt, "sweep")
	})
	m.r.start()
	for i, dialect := range []string{"tarefa", "brisk", "brisk"} {
		name := fmt.Sprintf("e%d-0", i)
		m.eps = append(m.eps, m.r.endpoint(dialect, name, func(e *store.Endpoint) { e.URL = "http://127.0.0.1:9/" + name }))
		m.kinds = append(m.kinds, 0)
	}
	m.r.receiver.answers(m.reply)
	return m
}

// catalogWithBrisk knows a dialect beside the built-in ones: standard with a
// short schedule.
func catalogWithBrisk(t *testing.T) *webhook.Catalog {
	t.Helper()
	var std *webhook.Dialect
	for _, d := range webhook.Builtin() {
		if d.Name == "standard" {
			std = d
		}
	}
	text := strings.Replace(string(std.Source()), `"name": "standard"`, `"name": "brisk"`, 1)
	schedule := text[strings.Index(text, `"schedule": [`):]
	schedule = schedule[:strings.Index(schedule, "]")+1]
	text = strings.Replace(text, schedule, `"schedule": ["5s", "1m", "10m"]`, 1)
	d, err := webhook.ParseDialect("brisk.json", []byte(text))
	must(t, err)
	catalog, err := webhook.NewCatalog(d)
	must(t, err)
	return catalog
}

const kinds = 9

// reply answers by the endpoint's kind, and holds every arrival against the bans.
func (m *machine) reply(a arrival) reply {
	for _, b := range m.bans {
		if !b.lifted && b.match(a) {
			b.arrived++
		}
	}
	var i int
	fmt.Sscanf(a.endpoint, "e%d-", &i)
	switch m.kinds[i] {
	case 1:
		return reply{after: time.Second}
	case 2:
		return reply{status: 500}
	case 3:
		return reply{status: 404, after: 300 * time.Millisecond}
	case 4:
		return reply{status: 429, retryAfter: "30"}
	case 5:
		return reply{after: 20 * time.Second, err: &egress.Error{Class: store.ClassTimeout}}
	case 6:
		return reply{err: &egress.Error{Class: store.ClassConnect}}
	case 7:
		return reply{err: &egress.Error{Class: store.ClassDNS, Ours: true}}
	case 8:
		return reply{after: 4 * time.Second}
	}
	return reply{}
}

func (m *machine) pick(t *rapid.T) int { return rapid.IntRange(0, len(m.eps)-1).Draw(t, "endpoint") }

func (m *machine) accept(t *rapid.T) {
	i := m.pick(t)
	n := rapid.SampledFrom([]int{1, 1, 2, 10, 400}).Draw(t, "n")
	from := len(m.events)
	ids := m.r.acceptData(m.eps[i], n, func(k int) []byte { return fmt.Appendf(nil, `{"n":"%d."}`, from+k) })
	for k, id := range ids {
		e := &modelEvent{id: id, ep: i, body: fmt.Sprintf(`{"n":"%d."}`, from+k)}
		m.events[e.body] = e
	}
}

func (m *machine) answers(t *rapid.T) {
	i, kind := m.pick(t), rapid.IntRange(0, kinds-1).Draw(t, "kind")
	m.r.mu.Lock()
	m.kinds[i] = kind
	m.r.mu.Unlock()
}

func (m *machine) wait(t *rapid.T) {
	after(rapid.SampledFrom([]time.Duration{time.Microsecond, time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second, 2 * time.Minute}).Draw(t, "for"))
}

// one picks a delivery of an endpoint.
func (m *machine) one(t *rapid.T) *store.Delivery {
	i := m.pick(t)
	page, err := m.r.db.Deliveries(context.Background(), m.eps[i].ProjectID, store.Filter{EndpointID: m.eps[i].ID, Limit: 100})
	must(m.r.t, err)
	if len(page.Items) == 0 {
		t.Skip("no delivery")
	}
	return page.Items[rapid.IntRange(0, len(page.Items)-1).Draw(t, "delivery")]
}

func (m *machine) cancel(t *rapid.T) {
	d := m.one(t)
	body := m.bodyOf(d.EventID)
	_, n, err := m.r.db.CancelDelivery(context.Background(), d.ProjectID, d.ID)
	if errors.Is(err, store.ErrConflict) {
		t.Skip("final")
	}
	must(m.r.t, err)
	m.ban(&ban{what: "cancel of " + body, inFlight: n, match: func(a arrival) bool { return strings.Contains(a.body, body) }})
}

func (m *machine) ban(b *ban) {
	m.r.mu.Lock()
	defer m.r.mu.Unlock()
	m.bans = append(m.bans, b)
}

func (m *machine) bodyOf(event store.ID) string {
	for _, e := range m.events {
		if e.id == event {
			return e.body
		}
	}
	m.rt.Fatalf("a delivery of an event that nobody sent: %s", event)
	return ""
}

func (m *machine) retry(t *rapid.T) {
	d := m.one(t)
	body := m.bodyOf(d.EventID)
	m.lift("cancel of " + body)
	_, err := m.r.db.RetryDelivery(context.Background(), d.ProjectID, d.ID)
	must(m.r.t, err)
	m.byHand[d.EventID]++
}

func (m *machine) lift(what string) {
	m.r.mu.Lock()
	defer m.r.mu.Unlock()
	for _, b := range m.bans {
		if b.what == what {
			b.lifted = true
		}
	}
}

func (m *machine) pause(t *rapid.T) {
	i := m.pick(t)
	n := m.r.update(m.eps[i], setState(store.Paused))
	m.lift(fmt.Sprint("pause of ", i))
	m.ban(&ban{what: fmt.Sprint("pause of ", i), inFlight: n, match: func(a arrival) bool { return strings.HasPrefix(a.endpoint, fmt.Sprintf("e%d-", i)) }})
}

func (m *machine) resume(t *rapid.T) {
	i := m.pick(t)
	m.lift(fmt.Sprint("pause of ", i))
	m.r.update(m.eps[i], setState(store.Active))
}

func (m *machine) move(t *rapid.T) {
	i := m.pick(t)
	m.moves++
	old := m.r.reread(m.eps[i]).URL
	n := m.r.update(m.eps[i], func(e *store.Endpoint) { e.URL = fmt.Sprintf("http://127.0.0.1:9/e%d-%d", i, m.moves) })
	m.ban(&ban{what: "move", inFlight: n, match: func(a arrival) bool { return strings.HasSuffix(old, "/"+a.endpoint) }})
}

func (m *machine) restart(t *rapid.T) {
	m.r.halt()
	if rapid.Bool().Draw(t, "pause between") {
		after(time.Minute)
	}
	m.r.start()
}

func (m *machine) crash(t *rapid.T) {
	m.r.crash()
	m.r.start()
}

// checkRunning holds at any time.
func (m *machine) checkRunning() {
	m.r.mu.Lock()
	defer m.r.mu.Unlock()
	for _, b := range m.bans {
		if b.arrived > b.inFlight {
			m.rt.Fatalf("%d arrivals after the %s, which reported %d in flight", b.arrived, b.what, b.inFlight)
		}
	}
	for name, n := range m.r.most {
		if n > m.r.limits.PerEndpoint*2 { // a move leaves some at the old one
			m.rt.Fatalf("%d at once at %s", n, name)
		}
	}
}

// drain heals everything and waits until the last schedule must have ended.
func (m *machine) drain() {
	m.r.mu.Lock()
	for i := range m.kinds {
		m.kinds[i] = 0
	}
	m.r.mu.Unlock()
	for i := range m.eps {
		m.lift(fmt.Sprint("pause of ", i))
		m.r.update(m.eps[i], setState(store.Active))
	}
	after(4 * time.Hour)
}

// check compares model, receiver and rows.
func (m *machine) check() {
	t := m.rt
	m.checkRunning()
	arrived, good, lost := map[string]int{}, map[string]int{}, map[string]int{}
	for _, o := range m.r.lost {
		lost[string(o.Work.Event.Data)]++
	}
	for _, a := range m.r.arrivals {
		body := a.body[strings.Index(a.body, `{"n":"`):]
		body = body[:strings.Index(body, "}")+1]
		e := m.events[body]
		if e == nil {
			t.Fatalf("altered or phantom body: %s", a.body)
		}
		if !strings.HasPrefix(a.endpoint, fmt.Sprintf("e%d-", e.ep)) {
			t.Fatalf("event of endpoint %d arrived at %s", e.ep, a.endpoint)
		}
		if end := m.r.ends[a.seq]; end.cut || end.ours {
			continue // never made it, or nobody saw how it ended: no row
		}
		arrived[body]++
		if m.r.ends[a.seq].status == 200 {
			good[body]++
		}
	}
	seen := 0
	for i, ep := range m.eps {
		for _, d := range m.r.deliveries(ep) {
			seen++
			body := m.bodyOf(d.EventID)
			rows := m.r.attempts(d)
			made := len(rows) // but for those that a crash may have interrupted
			for _, a := range rows {
				if a.Interrupted {
					made--
				}
			}
			switch {
			case m.events[body].ep != i:
				t.Fatalf("delivery of %s at endpoint %d", body, i)
			case d.State == store.Pending:
				t.Fatalf("%s is stuck: %+v", body, d)
			case d.Attempts != len(rows) || made != arrived[body]-lost[body]:
				t.Fatalf("%s: %d requests arrived and %d of them fell to a crash, the delivery counts %d and has %d rows", body, arrived[body], lost[body], d.Attempts, len(rows))
			case d.State == store.Delivered && good[body] == 0:
				t.Fatalf("%s is delivered, but nobody answered so", body)
			case good[body] > 1+lost[body]+m.byHand[d.EventID]:
				t.Fatalf("%s was answered well %d times, with %d retries by hand and %d lost to crashes", body, good[body], m.byHand[d.EventID], lost[body])
			}
			for k, a := range rows {
				if a.Number != k+1 {
					t.Fatalf("%s: attempt %d has number %d", body, k+1, a.Number)
				}
			}
		}
	}
	if seen != len(m.events) {
		t.Fatalf("%d deliveries of %d events", seen, len(m.events))
	}
	m.r.quiet()
}
