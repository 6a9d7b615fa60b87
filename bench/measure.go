package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/malote-dev/malote/bench/rig"
)

// measurement is one load on one target, from the first event sent until
// every accepted one has arrived.
type measurement struct {
	Target      string  `json:"target"` // malote or yardstick
	Idempotency bool    `json:"idempotency_key,omitempty"`
	Round       int     `json:"round,omitempty"`
	Rate        float64 `json:"offered_per_s,omitempty"` // open loop; 0: closed

	Accepted        int     `json:"accepted"`
	Arrived         int     `json:"arrived"`
	Duplicates      int64   `json:"duplicates"`
	Errors          int     `json:"errors"`
	FirstError      string  `json:"first_error,omitempty"`
	AcceptedPerSec  float64 `json:"accepted_per_s"`
	DeliveredPerSec float64 `json:"delivered_per_s"`

	AcceptP50     float64 `json:"accept_p50_ms"`
	AcceptP99     float64 `json:"accept_p99_ms"`
	FromAcceptP50 float64 `json:"arrival_after_accept_p50_ms"` // arrival − 202; may be below 0
	FromAcceptP99 float64 `json:"arrival_after_accept_p99_ms"`
	FromSendP50   float64 `json:"arrival_after_send_p50_ms"` // arrival − POST
	FromSendP99   float64 `json:"arrival_after_send_p99_ms"`

	CPUPer1000 float64 `json:"cpu_s_per_1000"`
	RSSPeakMB  float64 `json:"rss_peak_mb"`

	SyncP50 float64 `json:"disk_sync_p50_ms,omitempty"` // of the disk, just before
	SyncP99 float64 `json:"disk_sync_p99_ms,omitempty"`
}

// load is what a measurement puts on a target.
type load struct {
	clients     int
	consumers   int
	duration    time.Duration
	rate        float64
	idempotency bool
}

// lingerFor is long enough for what was delivered to be kept, where more is
// pending than that.
const lingerFor = 500 * time.Millisecond

// onMalote measures the servers of a bed, with all they write counted in.
func (b *bed) onMalote(ctx context.Context, l load, name string) (*measurement, error) {
	p50, p99, err := b.s.syncTime()
	if err != nil {
		return nil, err
	}
	addrs, pids := b.servers()
	m, err := b.s.measure(ctx, l, addrs, b.api.Key, pids, func() error {
		switch name {
		case "settle":
			return b.settle(ctx, time.Minute)
		case "linger":
			pause(ctx, lingerFor)
		}
		return nil
	})
	if m != nil {
		m.Target, m.SyncP50, m.SyncP99 = "malote", p50, p99
	}
	return m, err
}

// onYardstick measures the yardstick.
func (s *stage) onYardstick(ctx context.Context, l load) (*measurement, error) {
	m, err := s.measure(ctx, l, []string{s.yardstick.Addr}, "none", []int{s.yardstick.Pid}, func() error { return nil })
	if m != nil {
		m.Target = "yardstick"
	}
	return m, err
}

// measure runs the client process against addresses and puts its times and
// the receiver's together.
func (s *stage) measure(ctx context.Context, l load, addrs []string, key string, pids []int, settle func() error) (*measurement, error) {
	if s.next > maxSeq/2 {
		if err := s.rx.Do(ctx, http.MethodPost, "/admin/reset", nil, nil); err != nil {
			return nil, err
		}
		s.next = 1
	}
	spec := loadSpec{
		Addrs: addrs, Key: key, Clients: l.clients, Consumers: l.consumers, First: s.next,
		Duration: l.duration, Rate: l.rate, Out: filepath.Join(s.dir, "times.bin"),
	}
	if l.idempotency {
		spec.Idempotency = fmt.Sprintf("bench-%d-", time.Now().UnixNano())
	}
	before, err := s.count(ctx)
	if err != nil {
		return nil, err
	}
	cpu0, err := s.cpu(pids)
	if err != nil {
		return nil, err
	}
	res, err := runLoader(spec)
	if err != nil {
		return nil, err
	}
	samples, err := readSamples(spec.Out)
	if err != nil {
		return nil, err
	}
	if len(samples) == 0 {
		return nil, fmt.Errorf("nothing was accepted: %s", res.FirstError)
	}
	after, err := s.awaitArrivals(ctx, before.Arrived+int64(len(samples)))
	if err != nil {
		return nil, err
	}
	if err := settle(); err != nil {
		return nil, err
	}
	cpu1, err := s.cpu(pids)
	if err != nil {
		return nil, err
	}
	var peak int64 // of all together, not at one time
	for _, pid := range pids {
		_, one, err := rig.Memory(pid)
		if err != nil {
			return nil, err
		}
		peak += one
	}
	last := s.next
	for _, x := range samples {
		last = max(last, int(x.seq)+1)
	}
	arrivals, err := s.arrivals(ctx, s.next, last)
	if err != nil {
		return nil, err
	}
	m := &measurement{
		Idempotency: l.idempotency, Rate: l.rate, Accepted: len(samples),
		Duplicates: after.Duplicates - before.Duplicates, Errors: res.Errors, FirstError: res.FirstError,
		RSSPeakMB: float64(peak) / (1 << 20),
	}
	m.fold(samples, arrivals, s.next)
	m.CPUPer1000 = (cpu1 - cpu0).Seconds() / float64(m.Arrived) * 1000
	s.next = last + res.Errors + l.clients
	return m, m.check()
}

// check says whether every accepted event arrived, and once.
func (m *measurement) check() error {
	switch {
	case m.Arrived != m.Accepted:
		return fmt.Errorf("accepted %d events, %d of them arrived", m.Accepted, m.Arrived)
	case m.Duplicates != 0:
		return fmt.Errorf("%d events arrived more than once", m.Duplicates)
	}
	return nil
}

// fold computes rates and percentiles. arrivals[0] is of the event numbered first.
func (m *measurement) fold(samples []sample, arrivals []int64, first int) {
	var accept, fromAccept, fromSend []float64
	start, lastAccept, lastArrival := samples[0].sent, int64(0), int64(0)
	firstAccept := samples[0].accepted
	for _, x := range samples {
		start, firstAccept = min(start, x.sent), min(firstAccept, x.accepted)
		lastAccept = max(lastAccept, x.accepted)
		accept = append(accept, ms(x.accepted-x.sent))
		at := arrivals[int(x.seq)-first]
		if at == 0 {
			continue
		}
		m.Arrived++
		lastArrival = max(lastArrival, at)
		fromAccept = append(fromAccept, ms(at-x.accepted))
		fromSend = append(fromSend, ms(at-x.sent))
	}
	m.AcceptedPerSec = perSecond(len(samples), lastAccept-start)
	m.DeliveredPerSec = perSecond(m.Arrived, lastArrival-firstAccept)
	m.AcceptP50, m.AcceptP99 = percentiles(accept)
	m.FromAcceptP50, m.FromAcceptP99 = percentiles(fromAccept)
	m.FromSendP50, m.FromSendP99 = percentiles(fromSend)
}

func ms(ns int64) float64 { return float64(ns) / 1e6 }

func perSecond(n int, ns int64) float64 {
	if ns <= 0 {
		return 0
	}
	return float64(n) / (float64(ns) / 1e9)
}

// percentiles sorts v and returns its median and 99th percentile.
func percentiles(v []float64) (p50, p99 float64) {
	if len(v) == 0 {
		return 0, 0
	}
	slices.Sort(v)
	return v[(len(v)-1)*50/100], v[(len(v)-1)*99/100]
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

func readSamples(path string) ([]sample, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	out := make([]sample, 0, len(b)/24)
	for ; len(b) >= 24; b = b[24:] {
		out = append(out, sample{
			int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:])), int64(binary.LittleEndian.Uint64(b[16:])),
		})
	}
	return out, nil
}

func (s *stage) count(ctx context.Context) (c receiverCount, err error) {
	return c, s.rx.Do(ctx, http.MethodGet, "/admin/count", nil, &c)
}

// arrivalLimit is how long the receiver may go without a new arrival before
// what is missing counts as missing.
const arrivalLimit = 15 * time.Second

// awaitArrivals waits until want numbered events have arrived, or no more come.
func (s *stage) awaitArrivals(ctx context.Context, want int64) (receiverCount, error) {
	last, since := int64(-1), time.Now()
	for {
		c, err := s.count(ctx)
		if err != nil {
			return c, err
		}
		if c.Arrived >= want || time.Since(since) > arrivalLimit {
			return c, nil
		}
		if c.Arrived != last {
			last, since = c.Arrived, time.Now()
		}
		if !pause(ctx, 10*time.Millisecond) {
			return c, ctx.Err()
		}
	}
}

func (s *stage) arrivals(ctx context.Context, from, until int) ([]int64, error) {
	ans, err := s.rx.Raw(ctx, http.MethodGet, fmt.Sprintf("/admin/arrivals?from=%d&until=%d", from, until), nil)
	if err != nil {
		return nil, err
	}
	if ans.Status != http.StatusOK || len(ans.Body) != 8*(until-from) {
		return nil, fmt.Errorf("the receiver's arrivals: %d, %d bytes", ans.Status, len(ans.Body))
	}
	out := make([]int64, until-from)
	for i := range out {
		out[i] = int64(binary.LittleEndian.Uint64(ans.Body[8*i:]))
	}
	return out, nil
}
