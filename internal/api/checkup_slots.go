package api

import (
	"strconv"
	"sync"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// A check-up holds a connection of its caller for as long as its receiver
// takes, and sends three requests to wherever an endpoint points: few run at a
// time, and a caller may have only so many.
const (
	checkupsAtOnce = 16
	checkupsOfOne  = 2  // of a caller at a time
	checkupRate    = .2 // a second, of a caller
	checkupBurst   = 10
	checkupCallers = 10_000 // remembered
)

// checkupSlots say who makes check-ups. The zero value is ready.
type checkupSlots struct {
	mu    sync.Mutex
	all   int
	at    map[store.ID]bool // endpoints
	of    map[sender]int
	spent map[sender]bucket
}

// take gives one to a caller, or says why not; done gives it back.
func (p *checkupSlots) take(of sender, endpoint store.ID, now time.Time) (done func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil {
		p.at, p.of, p.spent = map[store.ID]bool{}, map[sender]int{}, map[sender]bucket{}
	}
	b := p.spent[of].left(now, checkupRate)
	switch {
	case p.at[endpoint]:
		return nil, kindTooMany.problem("a check-up of this endpoint is being made at this moment").with("Retry-After", "5")
	case p.all >= checkupsAtOnce, p.of[of] >= checkupsOfOne:
		return nil, kindTooMany.problem("as many check-ups are being made at this moment as may be").with("Retry-After", "5")
	case b.spent+1 > checkupBurst || !p.room(of, now):
		return nil, kindTooMany.problem("this caller had many check-ups in the last minute").with("Retry-After", strconv.Itoa(1+int(1/checkupRate)))
	}
	b.spent++
	b.at = now
	p.spent[of] = b
	p.all++
	p.of[of]++
	p.at[endpoint] = true
	return func() { p.give(of, endpoint) }, nil
}

// room reports whether a caller can be remembered.
func (p *checkupSlots) room(of sender, now time.Time) bool {
	if _, known := p.spent[of]; known || len(p.spent) < checkupCallers {
		return true
	}
	for other, b := range p.spent {
		if b.left(now, checkupRate).spent == 0 {
			delete(p.spent, other)
		}
	}
	return len(p.spent) < checkupCallers
}

func (p *checkupSlots) give(of sender, endpoint store.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all--
	if p.of[of]--; p.of[of] == 0 {
		delete(p.of, of)
	}
	delete(p.at, endpoint)
}
