//go:build unix

package store_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/malote-dev/malote/internal/store"
)

const (
	machineNodes = 3
	machineLease = 3 * time.Second
	machineFor   = 15 * time.Second // after which nothing new is begun
)

// TestNodesMachine does random things to three processes: they come, go, are
// killed, and are silent for shorter and longer than their lease. Each shard has
// one owner at a time (see Gained), what was acknowledged is there and ends once,
// and the counts are right in the end.
func TestNodesMachine(t *testing.T) {
	t.Parallel()
	y := newYard(t, machineLease)
	m := &nodesMachine{yard: y, until: time.Now().Add(machineFor), kept: map[store.ID]store.ID{}, cancelled: map[store.ID]bool{}}
	for range machineNodes {
		m.come()
	}
	for time.Now().Before(m.until) {
		rapid.Check(t, func(rt *rapid.T) { rt.Repeat(rapid.StateMachineActions(m)) })
	}
	m.settle()
}

// nodesMachine is what is known of them.
type nodesMachine struct {
	*yard
	until     time.Time
	born      int
	live      []*member
	kept      map[store.ID]store.ID // deliveries that were acknowledged, by their event
	cancelled map[store.ID]bool
	kills     int
	pauses    int
}

func (m *nodesMachine) come() {
	m.born++
	m.live = append(m.live, m.join(fmt.Sprint("node ", m.born)))
}

// some picks one that is there.
func (m *nodesMachine) some(rt *rapid.T) *member {
	return m.live[rapid.IntRange(0, len(m.live)-1).Draw(rt, "node")]
}

func (m *nodesMachine) drop(gone *member) {
	for i, l := range m.live {
		if l == gone {
			m.live = append(m.live[:i:i], m.live[i+1:]...)
		}
	}
}

// rarely lets what takes long happen now and then.
func (m *nodesMachine) rarely(rt *rapid.T) bool {
	return rapid.IntRange(0, 39).Draw(rt, "rarely") == 0 && time.Now().Before(m.until)
}

func (m *nodesMachine) Accept(rt *rapid.T) {
	by := m.some(rt)
	out, err := by.accept("", m.all[rapid.IntRange(0, len(m.all)-1).Draw(rt, "endpoint")])
	if err != nil {
		m.lost(rt, by, err)
		return
	}
	m.kept[out.EventID] = store.ID{}
}

// lost is one that was too slow for its lease: the machine is busy.
func (m *nodesMachine) lost(rt *rapid.T, by *member, err error) {
	select {
	case <-by.fatal:
		by.unclosed = true
		m.drop(by)
	case <-time.After(machineLease):
		rt.Fatalf("%s: %v", by.name, err)
	}
	if len(m.live) == 0 {
		m.come()
	}
}

func (m *nodesMachine) Cancel(rt *rapid.T) {
	by := m.some(rt)
	for event := range m.kept {
		page, err := by.db.Deliveries(m.Context(), m.project, store.Filter{EventID: event})
		if err == nil && len(page.Items) != 1 {
			rt.Fatalf("%s lists %d deliveries of an event: %v", by.name, len(page.Items), err)
		}
		if err != nil {
			m.lost(rt, by, err)
			return
		}
		if d := page.Items[0]; d.State == store.Pending {
			if _, _, err := by.db.CancelDelivery(m.Context(), m.project, d.ID); err == nil {
				m.cancelled[d.ID] = true
			}
		}
		return
	}
}

func (m *nodesMachine) Join(rt *rapid.T) {
	if len(m.live) < machineNodes && m.rarely(rt) {
		m.come()
	}
}

func (m *nodesMachine) Leave(rt *rapid.T) {
	if len(m.live) < 2 || !m.rarely(rt) {
		return
	}
	by := m.some(rt)
	if rapid.Bool().Draw(rt, "announced") {
		if err := by.db.Retire(m.Context()); err != nil {
			m.lost(rt, by, err)
			return
		}
	}
	by.close()
	m.drop(by)
}

// Kill: nothing of it comes through any more.
func (m *nodesMachine) Kill(rt *rapid.T) {
	if len(m.live) < 2 || !m.rarely(rt) {
		return
	}
	by := m.some(rt)
	m.drop(by)
	m.kills++
	by.unclosed = true
	resume := by.proxy.Stall()
	m.Cleanup(resume)
}

// Pause: it comes back, before its lease is over or after it.
func (m *nodesMachine) Pause(rt *rapid.T) {
	if len(m.live) < 2 || !m.rarely(rt) {
		return
	}
	by := m.some(rt)
	short := rapid.Bool().Draw(rt, "short") || by.owned() == 0 // of what has nothing others take nothing
	resume := by.proxy.Stall()
	m.pauses++
	if short {
		<-time.After(machineLease / 10)
		resume()
		return
	}
	m.drop(by)
	by.unclosed = true
	eventually(m.T, func() bool { return by.owned() == 0 }) // others have what it had
	resume()
	select {
	case <-by.fatal:
	case <-time.After(time.Minute):
		rt.Fatalf("%s lost its lease and goes on", by.name)
	}
}

// settle waits until all is delivered, and counts.
func (m *nodesMachine) settle() {
	m.Helper()
	t := m.T
	if len(m.live) == 0 {
		m.come()
	}
	a := m.live[0]
	eventually(t, func() bool {
		owned := 0
		for _, l := range m.live {
			owned += l.owned()
			l.sweep()
		}
		return owned == store.Shards && a.db.Health(t.Context()).Pending == 0
	})
	states := map[store.State]int{}
	events := map[store.ID]int{}
	f := store.Filter{Limit: 250}
	for {
		page, err := a.db.Deliveries(t.Context(), m.project, f)
		m.no(err)
		for _, d := range page.Items {
			states[d.State]++
			events[d.EventID]++
			if d.State != store.Delivered && !m.cancelled[d.ID] {
				t.Errorf("%s is %s", d.ID, d.State)
			}
		}
		if f.Before = page.Next; page.Next.IsZero() {
			break
		}
	}
	for id := range m.kept {
		if events[id] != 1 {
			t.Errorf("an acknowledged event is listed with %d deliveries", events[id])
		}
	}
	eventually(t, func() bool { // what who died had counted is adopted soon
		s, err := a.db.Stats(t.Context(), m.project, store.StatsQuery{From: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour)})
		m.no(err)
		return s.Total.Delivered == int64(states[store.Delivered])
	})
	t.Logf("%d processes, %d killed, %d paused; %d events acknowledged, %v", m.born, m.kills, m.pauses, len(m.kept), states)
}

// Check is for after each step: who owns what is looked at when it changes.
func (m *nodesMachine) Check(*rapid.T) {}
