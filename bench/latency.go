package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// quietRate is the load of the latency scenarios, events a second.
const quietRate = 50

// latency is the time from POST to 202 and to arrival on an idle machine.
func latency(ctx context.Context, s *stage) error {
	sec := s.report.section("latency")
	b, err := s.newBed(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.share(ctx); err != nil {
		return err
	}
	l := load{clients: 16, consumers: s.o.endpoints, duration: 4 * s.o.duration, rate: quietRate}
	first := l
	first.duration = time.Second
	if _, err := b.onMalote(ctx, first, ""); err != nil {
		return err
	}
	y, err := s.onYardstick(ctx, l)
	if err != nil {
		return err
	}
	sec.add("yardstick, 50/s", y)
	m, err := b.onMalote(ctx, l, "settle")
	if err != nil {
		return err
	}
	sec.add("malote, 50/s", m)
	sec.atMost("accept p99", m.AcceptP99, "ms", 10)
	sec.atMost("accept to arrival p50 (from the POST)", m.FromSendP50, "ms", s.target(5, 8))
	sec.atMost("accept to arrival p99 (from the POST)", m.FromSendP99, "ms", 20)
	return nil
}

const neighbour = "neighbour"

// neighbourBed is a server with one healthy endpoint whose arrivals are timed.
func (s *stage) neighbourBed(ctx context.Context) (*bed, error) {
	b, err := s.newBed(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.endpoint(ctx, consumerName(0), s.rx.URL+"/hook/"+neighbour); err != nil {
		b.close()
		return nil, err
	}
	_, err = b.quiet(ctx, time.Second)
	if err != nil {
		b.close()
	}
	return b, err
}

// quiet measures the healthy neighbour at a low rate.
func (b *bed) quiet(ctx context.Context, d time.Duration) (*measurement, error) {
	return b.onMalote(ctx, load{clients: 8, consumers: 1, duration: d, rate: quietRate}, "")
}

// slowNeighbour is what an endpoint that takes seconds to answer costs another.
func slowNeighbour(ctx context.Context, s *stage) error {
	sec := s.report.section("slow")
	b, err := s.neighbourBed(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.endpoint(ctx, "slow", fmt.Sprintf("%s/slow/%s", s.rx.URL, s.o.slowDelay)); err != nil {
		return err
	}
	before, err := b.quiet(ctx, 4*s.o.duration)
	if err != nil {
		return err
	}
	sec.add("neighbour alone", before)
	if _, err := b.fill(ctx, s.o.slow, func(int) string { return "slow" }); err != nil {
		return err
	}
	with, err := b.quiet(ctx, 4*s.o.duration)
	if err != nil {
		return err
	}
	sec.add(fmt.Sprintf("beside %d × %v", s.o.slow, s.o.slowDelay), with)
	sec.atMost("neighbour's p99, POST to arrival, with to without", with.FromSendP99/before.FromSendP99, "times", 2)
	return nil
}

// deadURL is where nobody answers: a port that refuses, or one that accepts
// in the kernel and never reads.
func deadURL(how string) (url string, closer func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	url = "http://" + l.Addr().String() + "/dead"
	switch how {
	case "refuse":
		return url, func() {}, l.Close()
	case "hang":
		return url, func() { l.Close() }, nil
	}
	l.Close()
	return "", nil, errors.New("unknown way to be dead")
}
