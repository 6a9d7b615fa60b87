package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/malote-dev/malote/bench/rig"
)

// producers is how many of them post at once.
const producers = 16

// producer posts events until it is told to stop; every event that it began
// it posts, with the same key, until it is acknowledged.
type load struct {
	ledger *ledger
	apis   []*rig.API // of servers on one database
	prefix string
	open   atomic.Bool // begin new events
	wg     sync.WaitGroup
}

// startLoad runs the producers until stop is called; stop waits until
// everything that was begun is acknowledged. An answer has to come within the
// patience; each try goes to any of the servers.
func startLoad(ctx context.Context, l *ledger, apis []*rig.API, patience time.Duration, seed uint64) *load {
	client := &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: producers}}
	p := &load{ledger: l, prefix: fmt.Sprintf("t%d", seed)}
	for _, api := range apis {
		p.apis = append(p.apis, &rig.API{URL: api.URL, Key: api.Key, Client: client})
	}
	p.open.Store(true)
	for i := range producers {
		rnd := rand.New(rand.NewPCG(seed, uint64(100+i)))
		p.wg.Go(func() { p.produce(ctx, rnd) })
	}
	return p
}

func (p *load) stop() {
	p.open.Store(false)
	p.wg.Wait()
}

func (p *load) produce(ctx context.Context, rnd *rand.Rand) {
	for p.open.Load() && ctx.Err() == nil {
		consumer := rnd.IntN(consumers)
		e, data := p.ledger.open(consumer, p.prefix, func(n int) []byte { return makeData(n, rnd) })
		body := fmt.Appendf(nil, `{"type":"torture.event","consumer":"c%d","data":%s}`, consumer, data)
		p.postUntilAcked(ctx, rnd, e, body)
		if rnd.IntN(20) == 0 { // the same key again: the same event must come back
			p.ledger.mu.Lock()
			p.ledger.repeated++
			p.ledger.mu.Unlock()
			p.postUntilAcked(ctx, rnd, e, body)
		}
		if !pause(ctx, time.Duration(rnd.IntN(6))*time.Millisecond) {
			return
		}
	}
}

// makeData is a JSON object of changing size whose bytes a careless encoder would change.
func makeData(n int, rnd *rand.Rand) []byte {
	size := 20 + rnd.IntN(400)
	if rnd.IntN(50) == 0 {
		size = 4000 + rnd.IntN(12000)
	}
	filler := strings.Repeat("cão ", size/5)
	return fmt.Appendf(nil, `{"z":1.0,"n":%d, "a":12345678901234567890,"u":"\u00e9\/","r":%d,"f":%q}`, n, rnd.Int64(), filler)
}

// postUntilAcked posts an event, again and again with the same key, until a
// 2xx comes.
func (p *load) postUntilAcked(ctx context.Context, rnd *rand.Rand, e *entry, body []byte) {
	for ctx.Err() == nil {
		ans, err := p.apis[rnd.IntN(len(p.apis))].Raw(ctx, http.MethodPost, "/v1/events", body, "Idempotency-Key", e.key)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED): // never sent
		case err != nil:
			p.ledger.mu.Lock()
			p.ledger.unknown++
			p.ledger.mu.Unlock()
		case ans.Status/100 == 2:
			var made struct {
				ID         string `json:"id"`
				Deliveries int    `json:"deliveries"`
			}
			if err := json.Unmarshal(ans.Body, &made); err != nil {
				p.ledger.violate("event %d: a 2xx that is not JSON: %q", e.n, ans.Body)
			}
			if made.Deliveries != perConsumer {
				p.ledger.violate("event %d: %d deliveries made, want %d", e.n, made.Deliveries, perConsumer)
			}
			p.ledger.ack(e, made.ID)
			return
		case ans.Status == http.StatusServiceUnavailable || ans.Status == http.StatusTooManyRequests:
			p.ledger.mu.Lock()
			p.ledger.rejected++
			p.ledger.mu.Unlock()
		default:
			p.ledger.violate("event %d: answer %d %.200s", e.n, ans.Status, ans.Body)
			return
		}
		pause(ctx, 10*time.Millisecond)
	}
}

// pause waits; false: ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
