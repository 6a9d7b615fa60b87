//go:build unix

package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
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
// the schema, and with those that tests are done with: emptying one is much
// faster than making one.
var shared struct {
	once sync.Once
	c    *postgres.Cluster
	err  error

	mu    sync.Mutex
	bases int
	done  []string
}

// guards make, in the database that has the schema, what fails a transaction
// that changes what processes hold in memory, and does not say so.
var guards = []string{
	"CREATE SCHEMA guards",
	`CREATE FUNCTION guards.told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF NOT EXISTS (SELECT 1 FROM public.changes WHERE xmin=pg_current_xact_id()::xid) THEN
			RAISE EXCEPTION '% of % was told to nobody', TG_OP, TG_TABLE_NAME;
		END IF;
		RETURN NULL;
	END $$`,
	guard("projects", "INSERT OR UPDATE OR DELETE", ""),
	guard("keys", "UPDATE", "OLD.revoked<>NEW.revoked"),
	guard("endpoints", "INSERT", ""),
	guard("endpoints", "UPDATE", `(OLD.url, OLD.event_types, OLD.rate_limit, OLD.state, OLD.deleted_at, OLD.settings, OLD.name)
		IS DISTINCT FROM (NEW.url, NEW.event_types, NEW.rate_limit, NEW.state, NEW.deleted_at, NEW.settings, NEW.name)
		OR OLD.revision<>NEW.revision AND (OLD.headers, OLD.secrets, OLD.path, OLD.auth) IS DISTINCT FROM (NEW.headers, NEW.secrets, NEW.path, NEW.auth)`),
	guard("event_types", "INSERT OR UPDATE", ""),
	guard("deletions", "INSERT OR UPDATE OR DELETE", ""),
	guard("skips", "INSERT OR UPDATE OR DELETE", ""),
	guard("consumers", "UPDATE", "OLD.emails<>NEW.emails"),
	guard("portal_sessions", "DELETE", "OLD.expires>extract(epoch FROM now())*1000000"),
	guard("dialects", "INSERT OR UPDATE", ""),
}

func guard(table, of, when string) string {
	if when != "" {
		when = " WHEN (" + when + ")"
	}
	return fmt.Sprintf("CREATE CONSTRAINT TRIGGER told_%s AFTER %s ON %s DEFERRABLE INITIALLY DEFERRED FOR EACH ROW%s EXECUTE FUNCTION guards.told()",
		strings.ToLower(of[:6]), of, table, when)
}

// resets make, in the database that has the schema, what empties its copies.
var resets = []string{
	"CREATE SCHEMA pristine",
	`DO $$ DECLARE t text; filled boolean; BEGIN
		FOR t IN SELECT tablename FROM pg_tables WHERE schemaname='public' LOOP
			EXECUTE format('SELECT EXISTS (SELECT 1 FROM public.%I)', t) INTO filled;
			IF filled THEN EXECUTE format('CREATE TABLE pristine.%I AS TABLE public.%I', t, t); END IF;
		END LOOP;
	END $$`,
	`CREATE FUNCTION pristine.reset() RETURNS void LANGUAGE plpgsql AS $$ DECLARE t text; size bigint; BEGIN
		FOR t, size IN SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relnamespace='public'::regnamespace AND relkind='r' LOOP
			CONTINUE WHEN size=0;
			EXECUTE format(CASE WHEN size<100000 THEN 'DELETE FROM public.%I' ELSE 'TRUNCATE public.%I' END, t);
		END LOOP;
		FOR t IN SELECT tablename FROM pg_tables WHERE schemaname='pristine' LOOP
			EXECUTE format('INSERT INTO public.%I SELECT * FROM pristine.%I', t, t);
		END LOOP;
	END $$`,
}

// sharedCluster is the one of all tests that need none of their own; without
// PostgreSQL the test is skipped, and says so.
func sharedCluster(tb testing.TB) *postgres.Cluster {
	tb.Helper()
	shared.once.Do(func() {
		ctx := context.Background()
		if shared.c, shared.err = postgres.Start(ctx, postgres.Options{TCP: true}); shared.err != nil {
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
		if shared.err == nil {
			shared.err = shared.c.Exec(ctx, migrated, slices.Concat(guards, resets)...)
		}
	})
	if errors.Is(shared.err, postgres.ErrMissing) {
		tb.Skip(shared.err)
	}
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	return shared.c
}

// stopCluster is for the end of the tests.
func stopCluster() {
	if shared.c != nil {
		if err := shared.c.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

// newDatabase makes an empty store's database, and returns its URL. The store
// is closed by the test, or by a cleanup that comes after this call.
func newDatabase(tb testing.TB) secret.Text {
	tb.Helper()
	c := sharedCluster(tb)
	name, err := emptyDatabase(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		shared.mu.Lock()
		defer shared.mu.Unlock()
		shared.done = append(shared.done, name)
	})
	return secret.Text(c.URL(name))
}

func emptyDatabase(ctx context.Context, c *postgres.Cluster) (name string, err error) {
	shared.mu.Lock()
	if n := len(shared.done); n > 0 {
		name, shared.done = shared.done[n-1], shared.done[:n-1]
		shared.mu.Unlock()
		return name, c.Exec(ctx, name, "SET session_replication_role=replica", "SELECT pristine.reset()") // without triggers
	}
	defer shared.mu.Unlock() // a database is copied by one at a time
	shared.bases++
	name = fmt.Sprint("store", shared.bases)
	return name, c.Create(ctx, name, migrated)
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
