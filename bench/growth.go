package main

import (
	"context"
	"fmt"
	"time"
)

// growth is the cost of an event beside more and more that is stored.
func growth(ctx context.Context, s *stage) error {
	sec := s.report.section("growth")
	b, err := s.newBed(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.share(ctx); err != nil {
		return err
	}
	l := load{clients: s.o.clients, consumers: s.o.endpoints, duration: s.o.duration}
	if err := s.warm(ctx, b, l); err != nil {
		return err
	}
	stored := 0
	var empty pair
	for i, size := range s.o.growth {
		if n := size - stored; n > 0 {
			if err := b.prefill(ctx, n); err != nil {
				return err
			}
			stored += n
		}
		y, err := s.onYardstick(ctx, l)
		if err != nil {
			return err
		}
		sec.add("yardstick", y)
		m, err := b.onMalote(ctx, l, "settle")
		if err != nil {
			return err
		}
		sec.add(fmt.Sprintf("beside %d stored", stored), m)
		stored += m.Accepted
		now := pair{y, m}
		if i == 0 {
			empty = now
			continue
		}
		sec.fact(fmt.Sprintf("CPU for each delivery at %d to at %d stored", size, s.o.growth[0]), m.CPUPer1000/empty.malote.CPUPer1000, "times")
		sec.fact(fmt.Sprintf("CPU for each delivery at %d to at %d, each to its yardstick", size, s.o.growth[0]), now.cpu()/empty.cpu(), "times")
		sec.fact(fmt.Sprintf("delivered/s at %d to at %d, each to its yardstick", size, s.o.growth[0]), now.rate()/empty.rate(), "times")
	}
	return nil
}

// prefill stores events with their deliveries and attempts, in slices so
// that the queue never holds them all.
func (b *bed) prefill(ctx context.Context, n int) error {
	start := time.Now()
	for done := 0; done < n; {
		size := min(20*batchSize, n-done)
		if _, err := b.fill(ctx, size, func(i int) string { return consumerName(i % b.s.o.endpoints) }); err != nil {
			return err
		}
		if err := b.settle(ctx, 2*time.Minute); err != nil {
			return err
		}
		done += size
	}
	fmt.Printf("%-26s %d events stored in %.1f s\n", "prefill", n, time.Since(start).Seconds())
	return nil
}
