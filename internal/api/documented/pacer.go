package documented

import (
	"sync"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// pacer lets each endpoint have limit requests in any window of time. It
// remembers the times themselves: no window begins at a minute's start and
// lets twice as many pass.
type pacer struct {
	window time.Duration
	limit  int

	mu sync.Mutex
	at map[store.ID][]time.Time
}

// maxPaced endpoints are remembered; where more are busy at once, they wait.
const maxPaced = 10_000

// admit counts a request; where it is one too many it is not counted, and
// wait says when the next is admitted.
func (p *pacer) admit(id store.ID, now time.Time) (wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at == nil {
		p.at = map[store.ID][]time.Time{}
	}
	times := p.at[id]
	for len(times) > 0 && now.Sub(times[0]) >= p.window {
		times = times[1:]
	}
	if len(times) >= p.limit {
		return p.window - now.Sub(times[0]), false
	}
	if _, known := p.at[id]; !known && len(p.at) >= maxPaced && !p.makeRoom(now) {
		return p.window, false
	}
	p.at[id] = append(times, now)
	return 0, true
}

// makeRoom forgets endpoints that were quiet for a window.
func (p *pacer) makeRoom(now time.Time) bool {
	for id, times := range p.at {
		if now.Sub(times[len(times)-1]) >= p.window {
			delete(p.at, id)
		}
	}
	return len(p.at) < maxPaced
}
