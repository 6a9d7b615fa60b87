//go:build unix

package store_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// BenchmarkBacklog: what a million deliveries that are pending for one dead
// endpoint cost the others. STORE_BACKLOG sets another number.
func BenchmarkBacklog(b *testing.B) {
	n := 1_000_000
	if s := os.Getenv("STORE_BACKLOG"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	if err != nil {
		b.Fatal(err)
	}
	o := store.Options{Dir: b.TempDir(), Keyring: ring}
	ctx := b.Context()
	db, err := store.Open(ctx, o)
	if err != nil {
		b.Fatal(err)
	}
	l := newLoad(b, db)
	dead, fine := l.endpoint(50), l.endpoint(70)
	start, cpu := time.Now(), cpuTime()
	l.backlog(dead, n)
	b.Logf("%d pending kept in %v, %v CPU each", n, time.Since(start).Round(time.Millisecond), (cpuTime()-cpu)/time.Duration(n))
	for i := range 100 {
		l.backlog(l.endpoint(i), 3)
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	start = time.Now()
	if db, err = store.Open(ctx, o); err != nil {
		b.Fatal(err)
	}
	b.Logf("opened in %v", time.Since(start).Round(100*time.Microsecond))
	defer func() { _ = db.Close() }()
	l.db = db

	each := func(name string, f func() error) {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	each("PendingEndpoints", func() error {
		_, err := db.PendingEndpoints(ctx, store.ID{}, 1000)
		return err
	})
	for name, id := range map[string]store.ID{"dead": dead, "fine": fine} {
		each("LoadDue/"+name, func() error {
			_, err := db.LoadDue(ctx, id, store.Place{}, 100, 1<<20)
			return err
		})
		each("ListPending/"+name, func() error {
			_, err := db.Deliveries(ctx, l.pid, store.Filter{EndpointID: id, States: []store.State{store.Pending}, Limit: 50})
			return err
		})
		each("List/"+name, func() error {
			_, err := db.Deliveries(ctx, l.pid, store.Filter{EndpointID: id, Limit: 50})
			return err
		})
	}
	each("ListPending/consumer", func() error {
		_, err := db.Deliveries(ctx, l.pid, store.Filter{Consumer: l.uids[70], States: []store.State{store.Pending}, Limit: 50})
		return err
	})
	each("ListPending/project", func() error {
		_, err := db.Deliveries(ctx, l.pid, store.Filter{States: []store.State{store.Pending}, Limit: 50})
		return err
	})
	each("ListFailed/none", func() error {
		_, err := db.Deliveries(ctx, l.pid, store.Filter{States: []store.State{store.Failed}, Limit: 50})
		return err
	})
	each("Events/type", func() error {
		_, err := db.Events(ctx, l.pid, store.Filter{Type: "task.created", Limit: 50})
		return err
	})
	each("Health", func() error { return db.Health(ctx).Err })
	each("Delete", func() error {
		start := time.Now()
		_, err := db.DeleteEndpoint(ctx, l.pid, dead)
		b.Logf("deleted in %v", time.Since(start))
		if err != nil {
			return nil //nolint:nilerr // gone in the first round
		}
		for db.Health(ctx).Pending > 300 {
			time.Sleep(10 * time.Millisecond)
		}
		b.Logf("all cancelled after %v", time.Since(start))
		return nil
	})
}

func (l *load) endpoint(i int) store.ID {
	subs, err := l.db.Subscriptions(l.b.Context(), l.pid, l.uids[i])
	if err != nil {
		l.b.Fatal(err)
	}
	return subs.Endpoints[0].EndpointID
}

func (l *load) backlog(endpoint store.ID, n int) {
	subs, err := l.db.Subscriptions(l.b.Context(), l.pid, l.uids[0])
	if err != nil {
		l.b.Fatal(err)
	}
	for n > 0 {
		items := make([]*store.Acceptance, min(n, 500))
		for i := range items {
			items[i] = &store.Acceptance{
				Event:     &store.Event{ProjectID: l.pid, Consumer: "x", Type: "task.created", Data: l.data, Dialect: "standard/1"},
				Endpoints: []store.ID{endpoint}, Version: subs.Version,
			}
		}
		if _, err := l.db.Accept(l.b.Context(), items); err != nil {
			l.b.Fatal(err)
		}
		n -= len(items)
	}
}
