//go:build unix

package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/malote-dev/malote/bench/postgres"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/internal/store/storetest"
)

// migrated is the database that others are copies of.
const migrated = "migrated"

// shared is the one cluster of this process's tests, with a database that has
// the schema.
var shared struct {
	once sync.Once
	c    *postgres.Cluster
	err  error

	mu    sync.Mutex
	bases int
}

func sharedCluster() (*postgres.Cluster, error) {
	shared.once.Do(func() {
		ctx := context.Background()
		if shared.c, shared.err = postgres.Start(ctx, postgres.Options{}); shared.err != nil {
			return
		}
		if shared.err = shared.c.Create(ctx, migrated, ""); shared.err != nil {
			return
		}
		var db *store.DB
		db, shared.err = store.Open(ctx, store.Options{Database: secret.Text(shared.c.URL(migrated)), NoSecrets: true})
		if shared.err == nil {
			shared.err = db.Close()
		}
	})
	return shared.c, shared.err
}

// stopCluster is for the end of the tests.
func stopCluster() {
	if shared.c != nil {
		if err := shared.c.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

// newDatabase makes an empty store's database, and returns its URL.
func newDatabase(tb testing.TB) secret.Text {
	tb.Helper()
	c, err := sharedCluster()
	if errors.Is(err, postgres.ErrMissing) {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	shared.mu.Lock()
	defer shared.mu.Unlock() // a database is copied by one at a time
	shared.bases++
	name := fmt.Sprint("store", shared.bases)
	if err := c.Create(tb.Context(), name, migrated); err != nil {
		tb.Fatal(err)
	}
	return secret.Text(c.URL(name))
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	of := map[string]secret.Text{} // databases by the directory that SQLite would use
	storetest.Run(t, func(t *testing.T, o store.Options) *store.DB {
		t.Helper()
		mu.Lock()
		url, ok := of[o.Dir]
		if !ok {
			url = newDatabase(t)
			of[o.Dir] = url
		}
		mu.Unlock()
		o.Database = url
		db, err := store.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return db
	})
}
