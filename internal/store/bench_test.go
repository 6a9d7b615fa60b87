//go:build unix

package store_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// finisher finishes what it is handed, as an engine with instant receivers.
type finisher struct {
	db      *store.DB
	pending sync.WaitGroup
	failed  atomic.Int64
}

func (f *finisher) Accepted(works []*store.Work) {
	for _, w := range works {
		f.pending.Add(1)
		f.db.Finish(&store.Outcome{
			Work: w, State: store.Delivered,
			Attempt: store.Attempt{
				Number: 1, At: time.Now(), Status: 200,
				RequestHead: benchHead, ResponseHead: benchAnswer, ResponseBody: []byte("ok"),
				Timings: store.Timings{FirstByte: time.Millisecond, Total: time.Millisecond, Reused: true},
			},
		}, func(err error) {
			if err != nil {
				f.failed.Add(1)
			}
			f.pending.Done()
		})
	}
}
func (f *finisher) Missed()                                {}
func (f *finisher) Gained([]store.Shard, bool)             {}
func (f *finisher) Leave(_ []store.Shard, done func())     { done() }
func (f *finisher) QueueGrew(store.ID, store.Place)        {}
func (f *finisher) EndpointChanged(store.ID) int           { return 0 }
func (f *finisher) RecoveryAsked(store.ID)                 {}
func (f *finisher) DeliveryChanged(store.ID, store.ID) int { return 0 }

var (
	benchHead   = make([]byte, 350)
	benchAnswer = make([]byte, 120)
)

func cpuTime() time.Duration {
	var r unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkAcceptFinish: 64 goroutines accept events of 1 KiB for 100
// endpoints of 100 consumers, each followed by its finish.
// STORE_FILL=1000000 stores that many events first; STORE_KEYS=1 gives each
// event an idempotency key.
func BenchmarkAcceptFinish(b *testing.B) {
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	acceptFinish(b, store.Options{Dir: dir, Keyring: ring}, cpuTime)
	st, _ := os.Stat(filepath.Join(dir, "malote.db-wal"))
	b.ReportMetric(float64(st.Size())/(1<<20), "wal-MiB")
}

// acceptFinish measures a store; cpu is what it and its database used.
func acceptFinish(b *testing.B, o store.Options, cpu func() time.Duration) {
	db, err := store.Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	fin := &finisher{db: db}
	db.SetOwner(fin)
	load := newLoad(b, db)
	if n := os.Getenv("STORE_FILL"); n != "" {
		var fill int
		_, _ = fmt.Sscan(n, &fill)
		load.run(fill)
		fin.pending.Wait()
	}
	before, used, wrote := db.Counters(), cpu(), written()
	b.ResetTimer()
	load.run(b.N)
	fin.pending.Wait()
	b.StopTimer()
	after := db.Counters()
	n := float64(b.N)
	b.ReportMetric(float64((cpu()-used).Microseconds())/n, "µs-cpu/event")
	b.ReportMetric(n/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(n/float64(after.Commits-before.Commits), "events/commit")
	b.ReportMetric(float64(written()-wrote)/n, "bytes-written/event")
	if fin.failed.Load() > 0 {
		b.Fatalf("%d finishes failed", fin.failed.Load())
	}
}

// written is what this process wrote, in bytes.
func written() int64 {
	data, _ := os.ReadFile("/proc/self/io")
	var rchar, wchar int64
	_, _ = fmt.Sscanf(string(data), "rchar: %d\nwchar: %d", &rchar, &wchar)
	return wchar
}

type load struct {
	b    testing.TB
	db   *store.DB
	uids []string
	pid  store.ID
	data []byte
}

func newLoad(b testing.TB, db *store.DB) *load {
	ctx := context.Background()
	p := &store.Project{Name: "bench", Environment: store.Production, Dialect: "standard"}
	if err := db.CreateProject(ctx, p); err != nil {
		b.Fatal(err)
	}
	l := &load{b: b, db: db, pid: p.ID, data: make([]byte, 1024)}
	for i := range 100 {
		e := &store.Endpoint{
			ProjectID: p.ID, Consumer: fmt.Sprintf("consumer_%d", i), URL: "http://127.0.0.1:1/", EventTypes: []string{"*"},
			Secrets: []store.SigningSecret{{Value: "whsec_x"}},
		}
		if err := db.CreateEndpoint(ctx, e, 0); err != nil {
			b.Fatal(err)
		}
		l.uids = append(l.uids, e.Consumer)
	}
	return l
}

func (l *load) run(n int) {
	var next atomic.Int64
	keyed := os.Getenv("STORE_KEYS") != ""
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for {
				i := int(next.Add(1))
				if i > n {
					return
				}
				uid := l.uids[i%len(l.uids)]
				s, err := l.db.Subscriptions(context.Background(), l.pid, uid)
				if err != nil {
					l.b.Error(err)
					return
				}
				a := &store.Acceptance{
					Event: &store.Event{
						ProjectID: l.pid, Consumer: uid, Type: "task.created", Time: time.Now(), Data: l.data, Dialect: "standard/1",
					},
					RequestHash: sha256.Sum256(nil), Endpoints: []store.ID{s.Endpoints[0].EndpointID}, Version: s.Version,
				}
				if keyed {
					a.Event.IdempotencyKey = uuid.NewString()
				}
				out, err := l.db.Accept(context.Background(), []*store.Acceptance{a})
				if err != nil || out[0].Err != nil {
					l.b.Error(err, out)
					return
				}
			}
		})
	}
	wg.Wait()
}
