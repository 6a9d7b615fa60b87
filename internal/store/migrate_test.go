//go:build unix

package store_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// unmigrated is the URL of a database that has no schema.
func unmigrated(t *testing.T) secret.Text {
	t.Helper()
	c := sharedCluster(t)
	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.bases++
	name := fmt.Sprint("bare", shared.bases)
	if err := c.Create(t.Context(), name, ""); err != nil {
		t.Fatal(err)
	}
	return secret.Text(c.URL(name))
}

// TestTwentyMigrateOnce: of twenty that start at once each migration is run by
// one.
func TestTwentyMigrateOnce(t *testing.T) {
	t.Parallel()
	o := store.Options{Database: unmigrated(t)}
	s, err := store.SchemaOf(t.Context(), o)
	if err != nil || s.Has != 0 || s.Knows == 0 || len(s.Migrations) < 5 || s.Migrations[0].Applied {
		t.Fatalf("before: %+v, %v", s, err)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := store.Migrate(t.Context(), o); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	after, err := store.SchemaOf(t.Context(), o)
	if err != nil || after.Has != s.Knows || slices.ContainsFunc(after.Migrations, func(m store.Migration) bool { return !m.Applied }) {
		t.Errorf("after: %+v, %v", after, err)
	}
	c, err := pgx.Connect(t.Context(), o.Database.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(t.Context()) }()
	var runs, versions int
	if err := c.QueryRow(t.Context(), "SELECT count(*), count(DISTINCT version_id) FROM goose_db_version WHERE version_id>0").Scan(&runs, &versions); err != nil {
		t.Fatal(err)
	}
	if runs != len(s.Migrations) || versions != runs {
		t.Errorf("%d runs of %d migrations, there are %d", runs, versions, len(s.Migrations))
	}
}

// TestMigrateBesideAServer: in PostgreSQL the schema is looked at, and brought
// up, while a server serves; a directory is its server's alone.
func TestMigrateBesideAServer(t *testing.T) {
	t.Parallel()
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]store.Options{"PostgreSQL": {Database: newDatabase(t)}, "SQLite": {Dir: t.TempDir()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			served := o
			served.Keyring, served.MinFree = ring, -1
			db, err := store.Open(t.Context(), served)
			if err != nil {
				t.Fatal(err)
			}
			s, err := store.SchemaOf(t.Context(), o)
			if err != nil || s.Has != s.Knows {
				t.Errorf("%+v, %v", s, err)
			}
			_, err = store.Migrate(t.Context(), o)
			if o.Dir == "" && err != nil || o.Dir != "" && !errors.Is(err, store.ErrLocked) {
				t.Errorf("beside a server: %v", err)
			}
			if err := db.CreateProject(t.Context(), &store.Project{Name: "p", Environment: store.Production, Dialect: "standard"}); err != nil {
				t.Errorf("the server does not go on: %v", err)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
			if _, err := store.Migrate(t.Context(), o); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestStatusOfNothing: where there is no database, looking makes none.
func TestStatusOfNothing(t *testing.T) {
	t.Parallel()
	o := store.Options{Dir: t.TempDir()}
	if s, err := store.SchemaOf(t.Context(), o); err != nil || s.Has != 0 || s.Knows == 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if store.InUse(o.Dir) {
		t.Error("it is held")
	}
	if _, err := store.Migrate(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if s, err := store.SchemaOf(t.Context(), o); err != nil || s.Has != s.Knows {
		t.Errorf("%+v, %v", s, err)
	}
}
