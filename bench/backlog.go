package main

import (
	"context"
	"fmt"
	"time"

	"github.com/malote-dev/malote/bench/rig"
)

// backlog is what a million deliveries that wait for one dead endpoint cost
// a start and a healthy neighbour.
func backlog(ctx context.Context, s *stage) error {
	sec := s.report.section("backlog")
	b, err := s.neighbourBed(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	url, closer, err := deadURL(s.o.dead)
	if err != nil {
		return err
	}
	defer closer()
	if err := b.endpoint(ctx, "dead", url); err != nil {
		return err
	}
	before, err := b.quiet(ctx, 4*s.o.duration)
	if err != nil {
		return err
	}
	sec.add("neighbour alone", before)
	rate, err := b.fill(ctx, s.o.backlog, func(int) string { return "dead" })
	if err != nil {
		return err
	}
	beside, err := b.quiet(ctx, 4*s.o.duration)
	if err != nil {
		return err
	}
	sec.add(fmt.Sprintf("beside %d, filled now", s.o.backlog), beside)
	start := time.Now()
	if err := b.server.Stop(60 * time.Second); err != nil {
		return err
	}
	stopped := time.Since(start)
	ready, err := b.start(ctx)
	if err != nil {
		return err
	}
	rssReady, _, err := rig.Memory(b.server.Pid)
	if err != nil {
		return err
	}
	after, err := b.quiet(ctx, 4*s.o.duration)
	if err != nil {
		return err
	}
	sec.add(fmt.Sprintf("beside %d, restarted", s.o.backlog), after)
	_, peak, err := rig.Memory(b.server.Pid)
	if err != nil {
		return err
	}
	b.server.Kill()
	recovered, err := b.start(ctx)
	if err != nil {
		return err
	}
	sec.fact("batch accept while the backlog was filled", rate, "events/s")
	sec.fact("stop with the backlog", stopped.Seconds(), "s")
	sec.atMost("ready after a restart", ready.Seconds(), "s", 2)
	sec.atMost("ready after kill -9", recovered.Seconds(), "s", 2)
	sec.fact("RSS when ready", float64(rssReady)/(1<<20), "MB")
	sec.atMost("RSS peak after the restart", float64(peak)/(1<<20), "MB", 200)
	sec.atMost("neighbour's p99, POST to arrival, filled to alone", beside.FromSendP99/before.FromSendP99, "times", 2)
	sec.atMost("neighbour's p99, POST to arrival, restarted to alone", after.FromSendP99/before.FromSendP99, "times", 2)
	return nil
}
