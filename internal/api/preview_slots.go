package api

import (
	"strconv"
	"sync"
	"time"

	"github.com/malote-dev/malote/internal/match"
	"github.com/malote-dev/malote/internal/store"
)

// Previews are work that a customer may ask for, and everybody's events wait
// beside it: a caller has one at a time, a project half of them, and who had a
// costly one pauses for some times as long as it may have taken.
const (
	previewsAtOnce   = 4 // others are asked to come again
	previewsOfOne    = 1
	previewsOfHalf   = previewsAtOnce / 2
	previewFree      = match.MaxCallCost / 16 // and less costs no pause
	previewPause     = 8 * time.Second        // after one that cost as much as one may
	previewMaxPauses = 10_000                 // callers remembered; where more pause, costly previews of others are not slowed
)

// previewSlots say who makes previews. The zero value is ready.
type previewSlots struct {
	mu     sync.Mutex
	all    int
	of     map[sender]int
	in     map[store.ID]int     // by project
	pauses map[sender]time.Time // until when
}

// take gives one to a caller, or says why not; done gives it back.
func (p *previewSlots) take(of sender, now time.Time) (done func(cost uint64, now time.Time), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil {
		p.of, p.in, p.pauses = map[sender]int{}, map[store.ID]int{}, map[sender]time.Time{}
	}
	switch until := p.pauses[of]; {
	case now.Before(until):
		return nil, kindTooMany.problem("the last preview of this caller was a costly one").
			fixed("Send it again in a few seconds; a simpler filter, or fewer events, is judged at once.").with("Retry-After", strconv.Itoa(1+seconds(until.Sub(now))))
	case p.of[of] >= previewsOfOne:
		return nil, kindTooMany.problem("a preview of this caller is being made at this moment; one is made at a time").with("Retry-After", "1")
	case p.all >= previewsAtOnce, p.in[of.project] >= previewsOfHalf:
		return nil, kindTooMany.problem("as many previews are being made at this moment as may be").with("Retry-After", "1")
	}
	p.all++
	p.of[of]++
	p.in[of.project]++
	return func(cost uint64, now time.Time) { p.give(of, cost, now) }, nil
}

func (p *previewSlots) give(of sender, cost uint64, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all--
	if p.of[of]--; p.of[of] == 0 {
		delete(p.of, of)
	}
	if p.in[of.project]--; p.in[of.project] == 0 {
		delete(p.in, of.project)
	}
	for other, until := range p.pauses {
		if !now.Before(until) {
			delete(p.pauses, other)
		}
	}
	if cost > previewFree && len(p.pauses) < previewMaxPauses {
		p.pauses[of] = now.Add(time.Duration(float64(previewPause) * float64(cost) / match.MaxCallCost))
	}
}
