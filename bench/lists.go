package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/malote-dev/malote/bench/rig"
)

// readRate is how often somebody looks beside the load, calls a second: a
// dozen people with a page open.
const readRate = 20

// lists is how long lists, searches and statistics take beside what is
// stored, and what they cost accepting.
func lists(ctx context.Context, s *stage) error {
	sec := s.report.section("lists")
	b, err := s.listsBed(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	seen, err := b.look(ctx)
	if err != nil {
		return err
	}
	calls := callsOf(seen)
	if err := b.idlePages(ctx, sec, seen); err != nil {
		return err
	}
	if _, err := b.ask(ctx, calls, 2, 0); err != nil { // statements are prepared, files are open
		return err
	}
	idle, err := b.ask(ctx, calls, s.o.listCalls, 0)
	if err != nil {
		return err
	}
	sec.calls(fmt.Sprintf("idle, %d stored", s.o.lists), calls, idle)
	l := load{clients: s.o.clients, consumers: s.o.endpoints, duration: s.o.duration}
	first := l
	first.duration = min(time.Second, l.duration)
	if _, err := b.onMalote(ctx, first, ""); err != nil { // it cannot settle: some wait for a week
		return err
	}
	ratio, rate, err := b.costOfReading(ctx, sec, l, calls)
	if err != nil {
		return err
	}
	l.rate, l.duration = rate/3, time.Duration(s.o.listCalls*len(calls))*time.Second/readRate
	m, beside, err := b.beside(ctx, l, calls)
	if err != nil {
		return err
	}
	sec.add(fmt.Sprintf("%.0f/s, beside reading", l.rate), m)
	sec.calls(fmt.Sprintf("beside %.0f events/s", l.rate), calls, beside)
	_, p99 := percentiles(pooled(idle))
	_, p99beside := percentiles(pooled(beside))
	sec.atMost("all calls, p99, idle", p99, "ms", 20)
	sec.atMost("the slowest kind of call, p99, idle", worst(idle), "ms", 20)
	sec.atMost("all calls, p99, beside a third of what can be accepted", p99beside, "ms", 20)
	sec.fact("the slowest kind of call, p99, beside that", worst(beside), "ms")
	sec.atLeast(fmt.Sprintf("accepted/s with %d reads a second to without (median of rounds)", readRate), ratio, "times", 0.95)
	return nil
}

// costOfReading measures the highest rate without and with readers, by turns.
func (b *bed) costOfReading(ctx context.Context, sec *section, l load, calls []call) (ratio, rate float64, err error) {
	var ratios, rates []float64
	for round := 1; round <= b.s.o.rounds; round++ {
		alone, err := b.onMalote(ctx, l, "")
		if err != nil {
			return 0, 0, err
		}
		sec.add(fmt.Sprintf("round %d alone", round), alone)
		with, _, err := b.beside(ctx, l, calls)
		if err != nil {
			return 0, 0, err
		}
		sec.add(fmt.Sprintf("round %d beside reading", round), with)
		ratios = append(ratios, with.AcceptedPerSec/alone.AcceptedPerSec)
		rates = append(rates, alone.AcceptedPerSec)
	}
	return median(ratios), median(rates), nil
}

// beside measures a load while somebody reads.
func (b *bed) beside(ctx context.Context, l load, calls []call) (*measurement, [][]float64, error) {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	type result struct {
		took [][]float64
		err  error
	}
	done := make(chan result, 1)
	go func() {
		took, err := b.ask(reading, calls, 0, readRate)
		done <- result{took, err}
	}()
	m, err := b.onMalote(ctx, l, "")
	stop()
	r := <-done
	return m, r.took, errors.Join(err, r.err)
}

// ask makes the calls in turn, so many of each, or, where that is 0, at a rate
// until ctx ends; it returns how long each took, in milliseconds.
func (b *bed) ask(ctx context.Context, calls []call, times int, rate float64, header ...string) ([][]float64, error) {
	took := make([][]float64, len(calls))
	next := time.Now()
	for n := 0; times == 0 || n < times*len(calls); n++ {
		if rate > 0 {
			if !pause(ctx, time.Until(next)) {
				return took, nil
			}
			next = next.Add(time.Duration(float64(time.Second) / rate))
		}
		c := &calls[n%len(calls)]
		path := c.path()
		start := time.Now()
		ans, err := b.api.Raw(ctx, http.MethodGet, path, nil, header...)
		switch {
		case err != nil && times == 0 && ctx.Err() != nil:
			return took, nil //nolint:nilerr // the end of the time ended this call
		case err != nil:
			return nil, err
		case ans.Status != http.StatusOK:
			return nil, fmt.Errorf("%s: %d %.300s", path, ans.Status, ans.Body)
		}
		took[n%len(calls)] = append(took[n%len(calls)], ms(int64(time.Since(start))))
	}
	return took, nil
}

// Kinds of what is stored: most of one type and delivered, some that failed,
// a few that are hard to find.
const (
	refusing   = "refusing" // a consumer whose receiver answers 404
	waiting    = "waiting"  // the same, and it is tried again a week later
	everyKeyed = 100        // one event of so many has an idempotency key
	everyOther = 10         // or is of another type
	everyBad   = 200        // or is refused
	everyRare  = 20_000     // or is of a type that is rare
)

// kept is what a later run needs to use a filled store again.
type kept struct {
	RootKey, Key, Project string
	Stored                int
}

// listsBed is a server with as much in it as was asked for. With -dir it is
// kept, and used again by the next run.
func (s *stage) listsBed(ctx context.Context) (*bed, error) {
	dir := filepath.Join(s.dir, "lists")
	file := filepath.Join(dir, "kept.json")
	var k kept
	if text, err := os.ReadFile(file); err == nil && json.Unmarshal(text, &k) == nil && k.Stored == s.o.lists {
		return s.again(ctx, dir, &k)
	}
	b, err := s.bedIn(ctx, dir)
	if err != nil {
		return nil, err
	}
	if err := b.fillLists(ctx, s.o.lists); err != nil {
		b.close()
		return nil, err
	}
	text, err := json.Marshal(kept{b.site.RootKey, b.api.Key, b.project, s.o.lists})
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	return b, err
}

// again opens a bed that another run left, and leads its endpoints to the
// receiver of this one.
func (s *stage) again(ctx context.Context, dir string, k *kept) (*bed, error) {
	addr, err := rig.FreeAddr()
	if err != nil {
		return nil, err
	}
	b := &bed{s: s, site: &rig.Site{Binary: s.binary, Dir: dir, Addr: addr, RootKey: k.RootKey}, project: k.Project}
	b.api = b.site.API(k.Key)
	if _, err := b.start(ctx); err != nil {
		return nil, err
	}
	var page struct {
		Data []struct{ ID, Consumer string }
	}
	for cursor := ""; ; {
		var next struct {
			Next string `json:"next_cursor"`
		}
		ans, err := b.api.Raw(ctx, http.MethodGet, "/v1/endpoints?limit=250"+cursor, nil)
		if err == nil {
			err = errors.Join(json.Unmarshal(ans.Body, &page), json.Unmarshal(ans.Body, &next))
		}
		for i := 0; err == nil && i < len(page.Data); i++ {
			e := page.Data[i]
			err = b.api.Do(ctx, http.MethodPatch, "/v1/endpoints/"+e.ID, map[string]any{"url": s.receiverOf(e.Consumer)}, nil)
		}
		if err != nil {
			b.close()
			return nil, err
		}
		if next.Next == "" {
			return b, nil
		}
		cursor = "&cursor=" + next.Next
	}
}

// receiverOf is where a consumer's events go.
func (s *stage) receiverOf(consumer string) string {
	if consumer == refusing || consumer == waiting {
		return s.rx.URL + "/refuse"
	}
	return s.rx.URL + "/hook/" + consumer
}

// fillLists stores events with their deliveries and attempts, through the
// batch route, in slices so that the queue never holds them all.
func (b *bed) fillLists(ctx context.Context, n int) error {
	for i := range b.s.o.endpoints {
		if err := b.endpoint(ctx, consumerName(i), b.s.receiverOf(consumerName(i))); err != nil {
			return err
		}
	}
	for consumer, waits := range map[string][]int{refusing: {}, waiting: {7 * 24 * 3600}} {
		err := b.api.Do(ctx, http.MethodPost, "/v1/endpoints", map[string]any{
			"consumer": consumer, "url": b.s.receiverOf(consumer), "event_types": []string{"*"}, "retry_schedule": waits,
		}, nil)
		if err != nil {
			return err
		}
	}
	start := time.Now()
	for done := 0; done < n; {
		size := min(20*batchSize, n-done)
		for at := 0; at < size; at += batchSize {
			if err := b.postMixed(ctx, done+at, min(batchSize, size-at)); err != nil {
				return err
			}
		}
		if err := b.settle(ctx, 10*time.Minute); err != nil {
			return err
		}
		if done += size; done%500_000 == 0 {
			fmt.Printf("%-26s %d events stored in %.0f s\n", "prefill", done, time.Since(start).Seconds())
		}
	}
	if _, err := b.fill(ctx, min(1000, n/100), func(int) string { return waiting }); err != nil {
		return err
	}
	fmt.Printf("%-26s %d events stored in %.0f s\n", "prefill", n, time.Since(start).Seconds())
	return nil
}

// postMixed stores a batch of the kinds above, numbered from first.
func (b *bed) postMixed(ctx context.Context, first, n int) error {
	tmpl := newEventTemplate("bench.event")
	data := string(tmpl.body[tmpl.at-len(seqMark)-1 : len(tmpl.body)-1])
	body := []byte(`{"events":[`)
	for i := first; i < first+n; i++ {
		if i > first {
			body = append(body, ',')
		}
		kind, consumer, key := "bench.event", consumerName(i%b.s.o.endpoints), ""
		switch {
		case i%everyRare == everyRare/2:
			kind = "bench.rare"
		case i%everyOther == 0:
			kind = "bench.other"
		}
		if i%everyBad == everyBad/2 {
			consumer = refusing
		}
		if i%everyKeyed == 0 {
			key = fmt.Sprintf(`"idempotency_key":%q,`, keyOf(i))
		}
		body = fmt.Appendf(body, `{%s"type":%q,"consumer":%q,"data":%s}`, key, kind, consumer, data)
	}
	ans, err := b.api.Raw(ctx, http.MethodPost, "/v1/events/batch", append(body, `]}`...))
	if err != nil {
		return err
	}
	if ans.Status/100 != 2 {
		return fmt.Errorf("batch: %d %.300s", ans.Status, ans.Body)
	}
	return nil
}

func keyOf(i int) string { return fmt.Sprintf("lists-%d", i) }
