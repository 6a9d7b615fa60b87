package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// scenarios by name.
var scenarios = map[string]func(context.Context, *stage) error{
	"throughput": throughput,
	"latency":    latency,
	"slow":       slowNeighbour,
	"backlog":    backlog,
	"growth":     growth,
	"lists":      lists,
	"nodes":      nodes,
	"neighbours": neighbours,
}

func run(ctx context.Context, o *options) error {
	s, err := newStage(ctx, o)
	if err != nil {
		return err
	}
	defer s.close()
	m := s.report.Machine
	fmt.Printf("%s, %d cores, Linux %s, %s\n", m.CPU, m.Cores, m.Kernel, m.Go)
	for _, name := range o.scenarios {
		if err := scenarios[name](ctx, s); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if o.json != "" {
		return s.report.write(o.json)
	}
	return nil
}

// throughput puts as much load on as the clients can, the yardstick and
// Malote by turns.
func throughput(ctx context.Context, s *stage) error {
	sec := s.report.section("throughput")
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
	var pairs, keyed []pair
	for round := 1; round <= s.o.rounds; round++ {
		y, err := s.onYardstick(ctx, l)
		if err != nil {
			return fmt.Errorf("yardstick: %w", err)
		}
		y.Round = round
		sec.add(fmt.Sprintf("round %d yardstick", round), y)
		m, err := b.profiled(ctx, l)
		if err != nil {
			return fmt.Errorf("malote: %w", err)
		}
		m.Round = round
		sec.add(fmt.Sprintf("round %d malote", round), m)
		pairs = append(pairs, pair{y, m})
		if !s.o.idempotency {
			continue
		}
		with := l
		with.idempotency = true
		if m, err = b.onMalote(ctx, with, "settle"); err != nil {
			return fmt.Errorf("malote with Idempotency-Key: %w", err)
		}
		m.Round = round
		sec.add(fmt.Sprintf("round %d malote, keys", round), m)
		keyed = append(keyed, pair{y, m})
	}
	fmt.Println()
	sec.atLeast("delivered/s, Malote to yardstick (median of rounds)", medianOf(pairs, pair.rate), "times", s.target(0.5, 0.25))
	sec.atMost("CPU for each delivery, Malote to yardstick (median of rounds)", medianOf(pairs, pair.cpu), "times", s.target(2.5, 6))
	sec.fact("delivered/s, Malote", medianOf(pairs, func(p pair) float64 { return p.malote.DeliveredPerSec }), "1/s")
	sec.fact("delivered/s, yardstick", medianOf(pairs, func(p pair) float64 { return p.yardstick.DeliveredPerSec }), "1/s")
	sec.fact("CPU seconds for 1,000 deliveries, Malote", medianOf(pairs, func(p pair) float64 { return p.malote.CPUPer1000 }), "s")
	sec.fact("CPU seconds for 1,000 deliveries, yardstick", medianOf(pairs, func(p pair) float64 { return p.yardstick.CPUPer1000 }), "s")
	if len(keyed) > 0 {
		sec.fact("with Idempotency-Key: delivered/s, Malote to yardstick", medianOf(keyed, pair.rate), "times")
		sec.fact("with Idempotency-Key: CPU, Malote to yardstick", medianOf(keyed, pair.cpu), "times")
	}
	if s.cluster != nil {
		return b.written(ctx, sec, l)
	}
	return nil
}

// target is the one that holds for the store that is measured.
func (s *stage) target(directory, postgres float64) float64 {
	if s.cluster != nil {
		return postgres
	}
	return directory
}

// warm opens connections and lets both servers grow their heaps.
func (s *stage) warm(ctx context.Context, b *bed, l load) error {
	l.duration = min(time.Second, l.duration)
	if _, err := s.onYardstick(ctx, l); err != nil {
		return fmt.Errorf("yardstick: %w", err)
	}
	if _, err := b.onMalote(ctx, l, "settle"); err != nil {
		return fmt.Errorf("malote: %w", err)
	}
	return nil
}

// pair is the two measurements of one round.
type pair struct{ yardstick, malote *measurement }

func (p pair) rate() float64 { return p.malote.DeliveredPerSec / p.yardstick.DeliveredPerSec }
func (p pair) cpu() float64  { return p.malote.CPUPer1000 / p.yardstick.CPUPer1000 }

func medianOf(pairs []pair, f func(pair) float64) float64 {
	var v []float64
	for _, p := range pairs {
		v = append(v, f(p))
	}
	return median(v)
}

// profiled measures, with perf watching the server if that was asked for.
func (b *bed) profiled(ctx context.Context, l load) (*measurement, error) {
	if b.s.o.perf == "" {
		return b.onMalote(ctx, l, "settle")
	}
	cmd := exec.CommandContext(ctx, "perf", "record", "-q", "-F", "499", "-g", "-o", b.s.o.perf, "-p", strconv.Itoa(b.server.Pid))
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("perf: %w", err)
	}
	m, err := b.onMalote(ctx, l, "settle")
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait()
	return m, err
}
