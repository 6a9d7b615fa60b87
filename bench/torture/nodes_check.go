package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// evidence is what is compared when all is over.
type evidence struct {
	events     []*entry
	lives      []life
	struck     []*struck
	samples    []sample
	shards     [endpoints]int // of the endpoints
	lease      time.Duration
	deliveries map[placed]delivery
	// timedOut says how many attempts of a delivery are on record as having
	// got no answer, of which nobody knows whether they arrived.
	timedOut func(id string) (int, error)
}

// placed is one event at one endpoint.
type placed struct {
	event    string
	endpoint int
}

// nodesVerdict is what the comparison found.
type nodesVerdict struct {
	lost, duplicates, excused int // excused: by an attempt that is on record as without an answer
	worst                     int // duplicates of one fault
	perKind                   map[*nodeFault]int
	owned, unknown            int // arrivals that were judged by the samples, and that were not
	overlaps                  int // that a dead process explains
	violations                []string
}

func (v *nodesVerdict) wrong(format string, args ...any) {
	v.violations = append(v.violations, fmt.Sprintf(format, args...))
}

// slack is how much later a receiver may see what was sent before.
const slack = 500 * time.Millisecond

// judge looks at every delivery, and at every endpoint.
func (e *evidence) judge() (*nodesVerdict, error) {
	v := &nodesVerdict{perKind: map[*nodeFault]int{}}
	perFault := map[*struck]int{}
	byEndpoint := make([][]arrival, endpoints)
	for _, ev := range e.events {
		if ev.id == "" {
			v.wrong("event %d was never acknowledged", ev.n)
			continue
		}
		for i := range perConsumer {
			endpoint := ev.consumer*perConsumer + i
			d, there := e.deliveries[placed{ev.id, endpoint}]
			if !there {
				v.lost++
				v.wrong("event %d (%s) was acknowledged and has no delivery for endpoint %d", ev.n, ev.id, endpoint)
				continue
			}
			if err := e.judgeOne(v, ev, endpoint, d, perFault); err != nil {
				return nil, err
			}
		}
		for _, a := range ev.arrivals {
			byEndpoint[a.endpoint] = append(byEndpoint[a.endpoint], a)
		}
	}
	for s, n := range perFault {
		v.perKind[s.kind] += n
		v.worst = max(v.worst, n)
		if n > inFlightLimit {
			v.wrong("%d duplicates at one fault (%s): more than were in flight", n, s.kind.name)
		}
	}
	for endpoint, seen := range byEndpoint {
		e.judgeOwners(v, endpoint, seen)
		e.judgeOverlaps(v, endpoint, seen)
	}
	return v, nil
}

// judgeOne looks at the arrivals of one delivery.
func (e *evidence) judgeOne(v *nodesVerdict, ev *entry, endpoint int, d delivery, perFault map[*struck]int) error {
	var seen []arrival
	for _, a := range ev.arrivals {
		if a.endpoint == endpoint {
			seen = append(seen, a)
		}
	}
	slices.SortStableFunc(seen, func(a, b arrival) int { return a.at.Compare(b.at) })
	if len(seen) == 0 {
		v.lost++
		v.wrong("event %d (%s) was acknowledged and never arrived at endpoint %d", ev.n, ev.id, endpoint)
		return nil
	}
	if d.State != "delivered" {
		v.wrong("delivery %s of event %d ended %s", d.ID, ev.n, d.State)
	}
	silent := 0 // attempts without an answer that explain something
	var good *arrival
	for i := range seen {
		a := &seen[i]
		if a.id != seen[0].id {
			v.wrong("event %d arrived with two webhook-ids, %s and %s", ev.n, seen[0].id, a.id)
		}
		if over := d.FinishedAt; !over.IsZero() && a.at.After(over.Add(slack)) {
			v.wrong("event %d arrived at endpoint %d %s after delivery %s was over", ev.n, endpoint, a.at.Sub(over), d.ID)
		}
		if good != nil {
			v.duplicates++
			if s := e.explains(good, a); s != nil {
				perFault[s]++
			} else {
				silent++
			}
		}
		if a.answered == http.StatusOK {
			good = a
		}
	}
	if good == nil {
		v.wrong("event %d at endpoint %d counts as delivered; it never was answered with 200", ev.n, endpoint)
	}
	if silent == 0 {
		return nil
	}
	recorded, err := e.timedOut(d.ID)
	if err != nil {
		return err
	}
	v.excused += min(silent, recorded)
	if silent > recorded {
		v.wrong("event %d arrived again at endpoint %d after a 200, %d times, in lives %d and later: no process was killed or lost its lease in between, and %d attempts got no answer",
			ev.n, endpoint, silent, seen[0].life, recorded)
	}
	return nil
}

// explains finds the fault that kept the process which sent first from noting
// that it did: it was killed, or paused past its lease, before the second
// arrival, or lost its lease since the database was gone for longer.
func (e *evidence) explains(first, again *arrival) *struck {
	for _, s := range e.struck {
		if s.life == 0 || first.life != 0 && s.life != first.life {
			continue
		}
		l := &e.lives[s.life-1]
		ended := l.how == killed && !l.ended.IsZero() && !l.ended.Before(first.at.Add(-slack)) && !l.ended.After(again.at)
		for _, p := range l.pauses {
			ended = ended || p.from.Equal(s.at) && !p.from.Before(first.at.Add(-slack)) && !p.from.After(again.at)
		}
		if ended {
			return s
		}
	}
	if first.life == 0 || first.life == again.life {
		return nil
	}
	l := &e.lives[first.life-1]
	if l.how != fenced || l.ended.Before(first.at) || l.ended.After(first.at.Add(e.lease+endsWithin)) {
		return nil
	}
	for _, s := range slices.Backward(e.struck) {
		if s.at.Before(again.at) {
			return s
		}
	}
	return nil
}

// endsWithin is how long a process that lost its lease may take to find out.
const endsWithin = 20 * time.Second

// judgeOwners holds every arrival against who owned its endpoint then, and
// whether his lease still ran.
func (e *evidence) judgeOwners(v *nodesVerdict, endpoint int, seen []arrival) {
	for _, a := range seen {
		if a.life == 0 {
			v.unknown++
			continue
		}
		owners, known := ownersAt(e.samples, e.shards[endpoint], a.at)
		if !known || slices.Contains(owners, 0) {
			v.unknown++
			continue
		}
		v.owned++
		if !slices.Contains(owners, a.life) {
			v.wrong("endpoint %d heard from process %d (node %d) at %s, when it belonged to %v: 0 is nobody, and whose lease is over is left out",
				endpoint, a.life, e.lives[a.life-1].node, a.at.Format(clock), slices.Compact(owners))
		}
	}
}

const clock = "15:04:05.000"

// judgeOverlaps looks for two processes that sent to one endpoint at a time.
// One that was dead, or stood still, may have left something on its way.
func (e *evidence) judgeOverlaps(v *nodesVerdict, endpoint int, seen []arrival) {
	slices.SortStableFunc(seen, func(a, b arrival) int { return a.at.Compare(b.at) })
	for i := range seen {
		for j := i + 1; j < len(seen) && seen[j].at.Before(seen[i].until); j++ {
			a, b := &seen[i], &seen[j]
			if a.life == 0 || b.life == 0 || a.life == b.life {
				continue
			}
			if e.gone(a.life, b.at) || e.gone(b.life, a.at) {
				v.overlaps++
				continue
			}
			v.wrong("endpoint %d heard from process %d at %s while it had not answered process %d, which lived", endpoint, b.life, b.at.Format(clock), a.life)
		}
	}
}

// gone reports whether a process was dead or paused at a time.
func (e *evidence) gone(n int, at time.Time) bool {
	l := &e.lives[n-1]
	if !l.ended.IsZero() && !at.Before(l.ended) {
		return true
	}
	return slices.ContainsFunc(l.pauses, func(p span) bool { return !at.Before(p.from) && !at.After(p.to.Add(slack)) })
}

// judgeNodes compares what everybody knows.
func (c *cluster) judgeNodes(ctx context.Context) error {
	if err := c.look(ctx); err != nil {
		return err
	}
	names, err := c.endpointNumbers(ctx)
	if err != nil {
		return err
	}
	c.watch.stop()
	e := &evidence{
		events: c.ledger.events, lives: c.lives, struck: c.struck, samples: c.watch.samples, lease: c.lease,
		deliveries: map[placed]delivery{}, timedOut: func(id string) (int, error) { return c.timedOut(ctx, id) },
	}
	for i, k := range c.watch.keys {
		e.shards[i] = shardOf(k)
	}
	told := map[string]bool{}
	for _, ev := range e.events {
		told[ev.id] = true
	}
	for d, err := range c.deliveries(ctx, "") {
		if err != nil {
			return err
		}
		p := placed{d.EventID, names[d.EndpointID]}
		if _, twice := e.deliveries[p]; twice {
			c.ledger.violate("event %s has two deliveries for endpoint %d", d.EventID, p.endpoint)
		}
		if !told[d.EventID] {
			c.ledger.violate("delivery %s is of event %s, which nobody was told of", d.ID, d.EventID)
		}
		e.deliveries[p] = d
	}
	v, err := e.judge()
	if err != nil {
		return err
	}
	for _, w := range v.violations {
		c.ledger.violate("%s", w)
	}
	c.printNodes(e, v)
	for _, n := range c.nodes {
		if err := n.server.Stop(40 * time.Second); err != nil {
			c.ledger.violate("%s: the last stop: %v", n.name(), err)
		}
	}
	return c.ledger.verdict()
}

// timedOut counts the attempts of a delivery without an answer.
func (c *cluster) timedOut(ctx context.Context, id string) (n int, err error) {
	var page struct {
		Data []struct {
			Error *struct {
				Class string `json:"class"`
			} `json:"error"`
		} `json:"data"`
	}
	if err := c.api.Do(ctx, http.MethodGet, "/v1/deliveries/"+id+"/attempts", nil, &page); err != nil {
		return 0, err
	}
	for _, a := range page.Data {
		if a.Error != nil && a.Error.Class == "timeout" {
			n++
		}
	}
	return n, nil
}
