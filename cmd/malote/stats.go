package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/malote-dev/malote/client"
)

type statsCmd struct {
	remote
	Endpoint string `placeholder:"ID" xor:"of" help:"Of this endpoint."`
	Consumer string `placeholder:"UID" xor:"of" help:"Of this customer; with neither, of the project."`
	Minutes  *int   `placeholder:"N" xor:"window" help:"Count the last N minutes, of the project (at most 120)."`
	Hours    *int   `placeholder:"N" xor:"window" help:"Count the last N hours (24; at most 744)."`
	Days     *int   `placeholder:"N" xor:"window" help:"Count the last N days, by the day in UTC (at most 400)."`
	Buckets  bool   `help:"Also each minute, hour or day in which something happened."`
}

// filter is what was asked for.
func (s *statsCmd) filter(now time.Time) (client.StatsFilter, error) {
	f := client.StatsFilter{Endpoint: s.Endpoint, Consumer: s.Consumer}
	if s.Endpoint != "" {
		if err := idOf("endpoint", s.Endpoint); err != nil {
			return f, err
		}
	}
	n, unit, most, name := s.Hours, time.Hour, 744, "--hours"
	switch {
	case s.Minutes != nil && (s.Endpoint != "" || s.Consumer != ""):
		return f, usage("--minutes: by the minute whole projects alone are counted", "leave out --endpoint and --consumer, or ask with --hours")
	case s.Minutes != nil:
		n, unit, most, name, f.Interval = s.Minutes, time.Minute, 120, "--minutes", "minute"
	case s.Days != nil:
		n, unit, most, name, f.Interval = s.Days, 24*time.Hour, 400, "--days", "day"
	}
	if n == nil {
		return f, nil
	}
	if *n < 1 || *n > most {
		return f, usage(fmt.Sprintf("%s %d: it takes a number from 1 to %d", name, *n, most), "ask for as many as there are")
	}
	f.From = now.UTC().Truncate(unit).Add(-time.Duration(*n-1) * unit) // the last of them has begun
	return f, nil
}

// Run counts what happened.
func (s *statsCmd) Run(c *console) error {
	f, err := s.filter(time.Now())
	if err != nil {
		return err
	}
	return ask(&s.remote, c, func(ctx context.Context, api *client.Client) (*client.Stats, error) {
		return api.Stats(ctx, f)
	}, func(st *client.Stats) { s.show(c, st) })
}

func (s *statsCmd) show(c *console, st *client.Stats) {
	pending := strconv.Itoa(st.Pending.Count)
	if st.Pending.More {
		pending = "more than " + pending
	}
	var failures []string
	for _, f := range st.Attempts.Failures {
		failures = append(failures, fmt.Sprintf("%s %d", f.Class, f.Count))
	}
	times := ""
	if t := st.Times; t != nil {
		times = fmt.Sprintf("mean %s, p50 %s, p95 %s, p99 %s", millis(t.Mean), millis(t.P50), millis(t.P95), millis(t.P99))
	}
	drains := ""
	if f := st.Forecast; f != nil && f.Seconds != nil {
		drains = fmt.Sprintf("in about %s, at %s a second", time.Duration(*f.Seconds)*time.Second, strconv.FormatFloat(*f.PerSecond, 'f', -1, 64))
		if st.Pending.More {
			drains = strings.Replace(drains, "in about", "not before", 1)
		}
	}
	events := ""
	if st.Events != nil {
		events = strconv.Itoa(*st.Events)
	}
	c.facts("from", stamp(st.From), "until", stamp(st.Until), "pending now", pending, "drains", drains, "events", events,
		"deliveries", fmt.Sprintf("%d delivered, %d failed, %d cancelled%s", st.Deliveries.Delivered, st.Deliveries.Failed, st.Deliveries.Cancelled, percent(st.Deliveries.SuccessRate)),
		"attempts", fmt.Sprintf("%d, %d failed%s", st.Attempts.Total, st.Attempts.Failed, percent(st.Attempts.SuccessRate)),
		"failures by cause", strings.Join(failures, ", "), "response times", times,
		"last success", stampOf(st.LastOK), "failed since", number(st.InARow))
	if !s.Buckets {
		return
	}
	fmt.Fprintln(c.out)
	t := newTable(c, strings.ToUpper(st.Interval), "DELIVERED", "FAILED", "CANCELLED", "ATTEMPTS", "FAILED", "MEAN", "P95")
	for i := range st.Buckets {
		b := &st.Buckets[i]
		if b.Attempts+b.Delivered+b.Failed+b.Cancelled > 0 {
			t.row(stamp(b.At), b.Delivered, b.Failed, b.Cancelled, b.Attempts, b.FailedAttempts, millisOf(b.Mean), millisOf(b.P95))
		}
	}
	_ = t.flush()
}

// percent writes a rate behind a count.
func percent(rate *float64) string {
	if rate == nil {
		return ""
	}
	return ": " + strconv.FormatFloat(*rate*100, 'f', 2, 64) + " % succeeded"
}

func millis(ms float64) string { return strconv.FormatFloat(ms, 'f', 1, 64) + " ms" }

func millisOf(ms *float64) string {
	if ms == nil {
		return ""
	}
	return millis(*ms)
}
