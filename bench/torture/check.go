package main

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/malote-dev/malote/bench/rig"
)

// delivery as the API shows it.
type delivery struct {
	ID         string    `json:"id"`
	EventID    string    `json:"event_id"`
	EndpointID string    `json:"endpoint_id"`
	State      string    `json:"state"`
	Attempts   int       `json:"attempts"`
	NextDueAt  time.Time `json:"next_due_at"`
	FinishedAt time.Time `json:"finished_at"` // zero: it is pending
}

// deliveries walks the pages of a list.
func (c *crash) deliveries(ctx context.Context, state string) iter.Seq2[delivery, error] {
	return func(yield func(delivery, error) bool) {
		for cursor := ""; ; {
			path := "/v1/deliveries?limit=250"
			if state != "" {
				path += "&state=" + state
			}
			if cursor != "" {
				path += "&cursor=" + cursor
			}
			var page struct {
				Data []delivery `json:"data"`
				Next string     `json:"next_cursor"`
			}
			if err := c.api.Do(ctx, http.MethodGet, path, nil, &page); err != nil {
				yield(delivery{}, err)
				return
			}
			for _, d := range page.Data {
				if !yield(d, nil) {
					return
				}
			}
			if cursor = page.Next; cursor == "" {
				return
			}
		}
	}
}

// verdict is what the comparison found.
type verdict struct {
	events, acked, lost, doubled   int
	deliveries, arrivals, attempts int
	duplicates, worst              int // arrivals after an answered 200; most at one kill
	unexplained                    int // of them: no kill lies between
	unrecorded, interrupted        int // arrivals without an attempt row; and how many a kill excuses
}

// judge compares the ledgers with each other, with the API and with the database.
func (c *crash) judge(ctx context.Context, final *rig.Server) error {
	v, err := c.compare(ctx)
	if err != nil {
		final.Kill()
		return err
	}
	before := c.fleet.received.Load()
	if err := final.Stop(40 * time.Second); err != nil {
		return fmt.Errorf("last stop: %w", err)
	}
	c.ends = append(c.ends, stopped)
	if err := integrity(ctx, c.site.Data()); err != nil {
		c.ledger.violate("%v", err)
	}
	again, err := c.begin(ctx, nil)
	if err != nil {
		return err
	}
	pause(ctx, 500*time.Millisecond)
	if n := c.fleet.received.Load() - before; n != 0 {
		c.ledger.violate("%d deliveries were sent again after everything had been delivered", n)
	}
	if err := again.Stop(40 * time.Second); err != nil {
		return err
	}
	c.print(v)
	return c.ledger.verdict()
}

func (c *crash) print(v *verdict) {
	kills, stops := 0, 0
	for _, e := range c.ends {
		if e == killed {
			kills++
		} else {
			stops++
		}
	}
	bound := kills * inFlightLimit
	fmt.Printf("  lives ended: %d by kill -9 (%d at a chosen system call, %d before ready), %d by SIGTERM\n", kills, c.atCall, c.early, stops)
	fmt.Printf("  events acknowledged %d, answers that never came %d (all resolved by their key), refused and repeated %d, keys posted again %d\n",
		v.acked, c.ledger.unknown, c.ledger.rejected, c.ledger.repeated)
	fmt.Printf("  acknowledged events lost: %d; second events for one key: %d\n", v.lost, v.doubled)
	fmt.Printf("  deliveries %d, arrivals %d, attempt rows %d\n", v.deliveries, v.arrivals, v.attempts)
	fmt.Printf("  duplicates: %d (at most %d at one kill; limit %d in flight × %d kills = %d), without a kill between: %d\n",
		v.duplicates, v.worst, inFlightLimit, kills, bound, v.unexplained)
	fmt.Printf("  arrivals without an attempt row: %d, excused by a kill: %d\n", v.unrecorded, v.interrupted)
	if v.duplicates > bound {
		c.ledger.violate("more duplicates than could be in flight")
	}
}

// inFlightLimit is what the default limits let be in flight: 64 for each
// receiver's host and port, 16 for each endpoint.
const inFlightLimit = min(64*receivers, 16*endpoints, 512)

func (c *crash) compare(ctx context.Context) (*verdict, error) {
	names, err := c.endpointNumbers(ctx)
	if err != nil {
		return nil, err
	}
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	v := &verdict{events: len(c.ledger.events)}
	byID := map[string]*entry{}
	for _, e := range c.ledger.events {
		if e.id == "" {
			c.ledger.violateLocked("event %d was never acknowledged", e.n)
			continue
		}
		v.acked++
		byID[e.id] = e
	}
	type place struct {
		id       string
		endpoint int
	}
	rows := map[place]delivery{}
	for d, err := range c.deliveries(ctx, "") {
		if err != nil {
			return nil, err
		}
		e, ok := byID[d.EventID]
		if !ok {
			c.ledger.violateLocked("delivery %s is of event %s, which nobody was told of", d.ID, d.EventID)
			v.doubled++
			continue
		}
		p := place{e.id, names[d.EndpointID]}
		if _, twice := rows[p]; twice {
			c.ledger.violateLocked("event %d has two deliveries for endpoint %d", e.n, p.endpoint)
		}
		rows[p] = d
		v.deliveries++
		v.attempts += d.Attempts
		if d.State != "delivered" {
			c.ledger.violateLocked("delivery %s of event %d ended %s", d.ID, e.n, d.State)
		}
	}
	perKill := map[int]int{}
	for _, e := range c.ledger.events {
		if e.id == "" {
			continue
		}
		for i := range perConsumer {
			endpoint := e.consumer*perConsumer + i
			d, ok := rows[place{e.id, endpoint}]
			if !ok {
				v.lost++
				c.ledger.violateLocked("event %d (%s) was acknowledged and has no delivery for endpoint %d", e.n, e.id, endpoint)
				continue
			}
			c.judgeDelivery(v, e, endpoint, d, perKill)
		}
	}
	for _, n := range perKill {
		v.worst = max(v.worst, n)
		if n > inFlightLimit {
			c.ledger.violateLocked("%d duplicates at one kill: more than were in flight", n)
		}
	}
	return v, nil
}

// judgeDelivery looks at the arrivals of one delivery, in order.
func (c *crash) judgeDelivery(v *verdict, e *entry, endpoint int, d delivery, perKill map[int]int) {
	var seen []arrival
	for _, a := range e.arrivals {
		if a.endpoint == endpoint {
			seen = append(seen, a)
		}
	}
	v.arrivals += len(seen)
	if len(seen) == 0 {
		v.lost++
		c.ledger.violateLocked("event %d (%s) was acknowledged and never arrived at endpoint %d", e.n, e.id, endpoint)
		return
	}
	interrupted := 0
	for i, a := range seen {
		if a.id != seen[0].id {
			c.ledger.violateLocked("event %d arrived with two webhook-ids, %s and %s", e.n, seen[0].id, a.id)
		}
		last := i == len(seen)-1 || seen[i+1].life != a.life
		if last && c.endOf(a.life) == killed {
			interrupted++
		}
		if i == 0 || seen[i-1].answered != http.StatusOK {
			continue
		}
		v.duplicates++
		kill := c.killBetween(seen[i-1].life, a.life)
		perKill[kill]++
		if kill == 0 {
			v.unexplained++
			c.ledger.violateLocked("event %d arrived again at endpoint %d after a 200, in lives %d and %d: no kill lies between",
				e.n, endpoint, seen[i-1].life, a.life)
		}
	}
	if missing := len(seen) - d.Attempts; missing > 0 {
		v.unrecorded += missing
		v.interrupted += min(missing, interrupted)
		if missing > interrupted {
			c.ledger.violateLocked("event %d at endpoint %d: %d arrivals, %d attempts, %d interrupted", e.n, endpoint, len(seen), d.Attempts, interrupted)
		}
	}
	if d.State == "delivered" && seen[len(seen)-1].answered != http.StatusOK {
		c.ledger.violateLocked("event %d at endpoint %d counts as delivered; its last answer was %d", e.n, endpoint, seen[len(seen)-1].answered)
	}
}

// endOf a life; the last one was stopped.
func (c *crash) endOf(life int) ending {
	if life < 1 || life > len(c.ends) {
		return stopped
	}
	return c.ends[life-1]
}

// killBetween finds a life in [from, until) that a kill ended; 0: none.
func (c *crash) killBetween(from, until int) int {
	for life := from; life < until; life++ {
		if c.endOf(life) == killed {
			return life
		}
	}
	return 0
}

// endpointNumbers maps the API's ids to the harness's numbers.
func (c *crash) endpointNumbers(ctx context.Context) (map[string]int, error) {
	var page struct {
		Data []struct {
			ID          string `json:"id"`
			Description string `json:"description"`
		} `json:"data"`
	}
	if err := c.api.Do(ctx, http.MethodGet, "/v1/endpoints?limit=250", nil, &page); err != nil {
		return nil, err
	}
	out := map[string]int{}
	for _, e := range page.Data {
		var n int
		if _, err := fmt.Sscan(e.Description, &n); err != nil {
			return nil, fmt.Errorf("endpoint %s: description %q", e.ID, e.Description)
		}
		out[e.ID] = n
	}
	if len(out) != endpoints {
		return nil, fmt.Errorf("%d endpoints, want %d", len(out), endpoints)
	}
	return out, nil
}
