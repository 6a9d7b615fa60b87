package deliver

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// BenchmarkEndToEnd accepts 1 KiB events with 64 callers, for 100 endpoints
// behind one loopback receiver, and waits until each was delivered and
// written down. It reports CPU for all of it: store, engine, client and the
// receiver, which does next to nothing.
func BenchmarkEndToEnd(b *testing.B) {
	r := newBenchRig(b)
	data := []byte(`{"x":"` + strings.Repeat("x", 1010) + `"}`)
	before := cpu(b)
	b.ResetTimer()
	var next atomic.Int64
	var callers sync.WaitGroup
	for range 64 {
		callers.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				r.accept(b, r.eps[i%int64(len(r.eps))], data)
			}
		})
	}
	callers.Wait()
	accepted := b.Elapsed()
	for r.got.Load() < int64(b.N) || r.db.Counters().Finished < uint64(b.N) {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	used := cpu(b) - before
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric(float64(b.N)/accepted.Seconds(), "accepts/s")
	b.ReportMetric(used.Seconds()*1000/float64(b.N), "cpu-s/1000")
	b.ReportMetric(float64(r.db.Counters().Finished)/float64(r.db.Counters().Commits), "finishes/commit")
	r.close(b)
}

// BenchmarkDrain delivers what waited in the store, without accepting.
func BenchmarkDrain(b *testing.B) {
	r := newBenchRig(b)
	data := []byte(`{"x":"` + strings.Repeat("x", 1010) + `"}`)
	r.stop()
	<-r.ended
	for from := 0; from < b.N; from += 1000 {
		var items []*store.Acceptance
		for i := from; i < min(from+1000, b.N); i++ {
			items = append(items, r.acceptance(r.eps[i%len(r.eps)], data))
		}
		if _, err := r.db.Accept(context.Background(), items); err != nil {
			b.Fatal(err)
		}
	}
	r.engine()
	before := cpu(b)
	b.ResetTimer()
	r.run()
	for r.got.Load() < int64(b.N) || r.db.Counters().Finished < uint64(b.N) {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric((cpu(b)-before).Seconds()*1000/float64(b.N), "cpu-s/1000")
	r.close(b)
}

// BenchmarkLatency accepts 50 events a second, one at a time, and reports how
// long each takes from the call to its arrival.
func BenchmarkLatency(b *testing.B) {
	r := newBenchRig(b)
	data := []byte(`{"x":"` + strings.Repeat("x", 1010) + `"}`)
	var accepts, arrivals []time.Duration
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	b.ResetTimer()
	for i := range b.N {
		<-tick.C
		start := time.Now()
		r.accept(b, r.eps[i%len(r.eps)], data)
		accepts = append(accepts, time.Since(start))
		for r.got.Load() <= int64(i) {
			<-r.arrived
		}
		arrivals = append(arrivals, time.Since(start))
	}
	b.StopTimer()
	for name, ds := range map[string][]time.Duration{"accept": accepts, "arrival": arrivals} {
		slices.Sort(ds)
		b.ReportMetric(float64(ds[len(ds)/2].Microseconds())/1000, name+"-p50-ms")
		b.ReportMetric(float64(ds[len(ds)*99/100].Microseconds())/1000, name+"-p99-ms")
	}
	r.close(b)
}

// BenchmarkBacklog restarts with b.N deliveries pending for an endpoint that
// never answers (use -benchtime 1000000x), and reports how long a healthy
// neighbour's deliveries take beside it.
func BenchmarkBacklog(b *testing.B) {
	r := newBenchRig(b)
	data := []byte(`{"x":"` + strings.Repeat("x", 1010) + `"}`)
	hole, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	defer hole.Close()
	dead := r.endpoint("standard", "dead", func(e *store.Endpoint) { e.URL = fmt.Sprintf("http://%s/dead", hole.Addr()) })
	r.subs[0], err = r.db.Subscriptions(context.Background(), dead.ProjectID, dead.Consumer)
	must(b, err)
	r.stop()
	<-r.ended
	for from := 0; from < b.N; from += 1000 {
		items := make([]*store.Acceptance, min(1000, b.N-from))
		for i := range items {
			items[i] = r.acceptance(dead, data)
		}
		_, err := r.db.Accept(context.Background(), items)
		must(b, err)
	}
	runtime.GC()
	r.engine()
	b.ResetTimer()
	start := time.Now()
	r.run()
	var took []time.Duration
	var first time.Duration
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := range 500 {
		<-tick.C
		at := time.Now()
		r.accept(b, r.eps[i%len(r.eps)], data)
		for r.got.Load() <= int64(i) {
			<-r.arrived
		}
		took = append(took, time.Since(at))
		if i == 0 {
			first = time.Since(start)
		}
	}
	b.StopTimer()
	slices.Sort(took)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(first.Microseconds())/1000, "first-ms")
	b.ReportMetric(float64(took[250].Microseconds())/1000, "neighbour-p50-ms")
	b.ReportMetric(float64(took[495].Microseconds())/1000, "neighbour-p99-ms")
	b.ReportMetric(float64(m.HeapInuse)/(1<<20), "heap-MB")
	b.ReportMetric(float64(r.e.memory)/(1<<20), "held-MB")
	r.e.limits.Grace = time.Millisecond
	r.close(b)
}

type benchRig struct {
	*rig
	eps     []*store.Endpoint
	subs    []*store.Subscriptions
	got     atomic.Int64
	arrived chan struct{}
	ln      net.Listener
	client  *egress.Client
	serving sync.WaitGroup
}

func newBenchRig(b *testing.B) *benchRig {
	r := &benchRig{rig: newRig(b), arrived: make(chan struct{}, 1)}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	r.ln = ln
	r.serving.Go(func() { r.serve(ln) })
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	must(b, err)
	r.db, err = store.Open(context.Background(), store.Options{Dir: b.TempDir(), Keyring: ring, Logger: slog.New(slog.DiscardHandler)})
	must(b, err)
	r.engine()
	for i := range 100 {
		ep := r.endpoint("standard", fmt.Sprint(i), func(e *store.Endpoint) { e.URL = fmt.Sprintf("http://%s/%d", ln.Addr(), i) })
		s, err := r.db.Subscriptions(context.Background(), ep.ProjectID, ep.Consumer)
		must(b, err)
		r.eps, r.subs = append(r.eps, ep), append(r.subs, s)
	}
	for i, ep := range r.eps {
		r.subs[i], err = r.db.Subscriptions(context.Background(), ep.ProjectID, ep.Consumer)
		must(b, err)
	}
	r.run()
	return r
}

func (r *benchRig) engine() {
	r.client = egress.New(egress.Options{Policy: egress.Policy{AllowLoopback: true, AllowHTTP: true}})
	r.e = New(Options{Store: r.db, Dialects: r.catalog.Lookup, Sender: r.client})
	r.db.SetOwner(r.e)
}

func (r *benchRig) acceptance(ep *store.Endpoint, data []byte) *store.Acceptance {
	return &store.Acceptance{
		Event: &store.Event{
			ProjectID: ep.ProjectID, Consumer: ep.Consumer, Type: "task.created", Time: time.Now(), Data: data, Dialect: "standard/1",
		},
		Endpoints: []store.ID{ep.ID}, Version: r.subs[0].Version,
	}
}

func (r *benchRig) accept(b *testing.B, ep *store.Endpoint, data []byte) {
	out, err := r.db.Accept(context.Background(), []*store.Acceptance{r.acceptance(ep, data)})
	if err != nil || out[0].Err != nil {
		b.Error(err, out)
	}
}

func (r *benchRig) close(b *testing.B) {
	r.halt()
	r.client.Close()
	must(b, r.ln.Close())
	r.serving.Wait()
}

// serve answers every POST with 200, reading no more than it has to.
func (r *benchRig) serve(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		r.serving.Go(func() {
			defer c.Close()
			in := bufio.NewReaderSize(c, 4096)
			for {
				length := 0
				for {
					line, err := in.ReadSlice('\n')
					if err != nil {
						return
					}
					if len(line) == 2 {
						break
					}
					if name, value, ok := strings.Cut(string(line), ":"); ok && strings.EqualFold(name, "content-length") {
						length, _ = strconv.Atoi(strings.TrimSpace(value))
					}
				}
				if _, err := in.Discard(length); err != nil {
					return
				}
				r.got.Add(1)
				select {
				case r.arrived <- struct{}{}:
				default:
				}
				if _, err := c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")); err != nil {
					return
				}
			}
		})
	}
}

// cpu is what this process used so far.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
