//go:build unix

package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/malote-dev/malote/bench/postgres"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// site is a store on a database of its own, behind a proxy.
type site struct {
	*testing.T
	cluster *postgres.Cluster
	base    string
	proxy   *postgres.Proxy
	o       store.Options
	db      *store.DB
	project store.ID
	fatal   chan error
}

// newSite is on the cluster that all tests share.
func newSite(t *testing.T) *site {
	t.Helper()
	c := sharedCluster(t)
	return siteOn(t, c)
}

func siteOn(t *testing.T, c *postgres.Cluster) *site {
	t.Helper()
	s := &site{T: t, cluster: c, base: strings.ToLower(t.Name()), fatal: make(chan error, 1)}
	var err error
	s.no(c.Create(t.Context(), s.base, ""))
	s.proxy, err = postgres.NewProxy(c.Address())
	s.no(err)
	t.Cleanup(func() { s.no(s.proxy.Close()) })
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	s.no(err)
	s.o = store.Options{
		Database: secret.Text(c.LoopbackURL(s.base, s.proxy.Address())), Keyring: ring,
		Fatal: func(err error) { s.fatal <- err },
	}
	s.db = s.open(s.o)
	t.Cleanup(func() { _ = s.db.Close() })
	p := &store.Project{Name: "p", Environment: store.Production, Dialect: "standard"}
	s.no(s.db.CreateProject(t.Context(), p))
	s.project = p.ID
	e := &store.Endpoint{
		ProjectID: p.ID, Consumer: "c", URL: "https://example.com/", EventTypes: []string{"*"}, Secrets: []store.SigningSecret{{Value: "whsec_1"}},
	}
	s.no(s.db.CreateEndpoint(t.Context(), e, 0))
	return s
}

func (s *site) open(o store.Options) *store.DB {
	s.Helper()
	db, err := store.Open(s.Context(), o)
	s.no(err)
	return db
}

func (s *site) no(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// endpoint is the only one.
func (s *site) endpoint() store.ID {
	s.Helper()
	es, err := s.db.Endpoints(s.Context(), s.project, "", store.ID{}, 1)
	s.no(err)
	return es[0].ID
}

func (s *site) accept(ctx context.Context, db *store.DB, key string) (store.Accepted, error) {
	subs, err := db.Subscriptions(ctx, s.project, "c")
	if err != nil {
		return store.Accepted{}, err
	}
	a := &store.Acceptance{
		Event:   &store.Event{ProjectID: s.project, Consumer: "c", Type: "x", Data: []byte(`{}`), Dialect: "standard/1", IdempotencyKey: key},
		Version: subs.Version, Endpoints: []store.ID{subs.Endpoints[0].EndpointID},
	}
	out, err := db.Accept(ctx, []*store.Acceptance{a})
	if err != nil {
		return store.Accepted{}, err
	}
	return out[0], out[0].Err
}

// traffic accepts events from several goroutines until it is stopped, and
// returns those that were acknowledged, by their idempotency key.
func (s *site) traffic() (stop func() map[string]store.ID) {
	var mu sync.Mutex
	kept := map[string]store.ID{}
	ctx, cancel := context.WithCancel(s.Context())
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				key := fmt.Sprint(i, "-", n)
				out, err := s.accept(context.WithoutCancel(ctx), s.db, key)
				if err != nil {
					continue // not acknowledged: the caller would try again
				}
				if out.Duplicate {
					s.Errorf("%s was kept before, and never sent twice", key)
				}
				mu.Lock()
				kept[key] = out.EventID
				mu.Unlock()
			}
		})
	}
	return func() map[string]store.ID {
		cancel()
		wg.Wait()
		return kept
	}
}

// whole checks that all that was acknowledged is there once, with its
// delivery, and returns how many events there are.
func (s *site) whole(kept map[string]store.ID) (events int) {
	s.Helper()
	there := map[string]store.ID{}
	f := store.Filter{}
	for {
		page, err := s.db.Events(s.Context(), s.project, f)
		s.no(err)
		for _, e := range page.Items {
			if _, twice := there[e.IdempotencyKey]; twice {
				s.Errorf("%s is there twice", e.IdempotencyKey)
			}
			there[e.IdempotencyKey] = e.ID
			if e.Deliveries != 1 {
				s.Errorf("%s has %d deliveries", e.IdempotencyKey, e.Deliveries)
			}
		}
		if f.Before = page.Next; page.Next.IsZero() {
			break
		}
	}
	for key, id := range kept {
		if there[key] != id {
			s.Errorf("%s was acknowledged as %s, and is %s", key, id, there[key])
		}
	}
	if pending := s.db.Health(s.Context()).Pending; pending != int64(len(there)) {
		s.Errorf("%d pending are counted of %d", pending, len(there))
	}
	return len(there)
}

// writes waits until an event is kept.
func (s *site) writes(within time.Duration) time.Duration {
	s.Helper()
	for start := time.Now(); ; {
		_, err := s.accept(s.Context(), s.db, "")
		if err == nil {
			return time.Since(start)
		}
		if time.Since(start) > within {
			s.Fatalf("no event was kept for %s: %v", within, err)
		}
	}
}

// TestCommitWithoutAnswer: connections are cut at every tenth commit, before
// the server gets it, after, or so that it gets it late. What is acknowledged is there; what is refused
// is not: only a caller that asks again may have it twice.
func TestCommitWithoutAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var cuts [4]atomic.Int64
	enough := make(chan struct{})
	s.proxy.OnCommit(func() postgres.Cut {
		if rand.IntN(10) != 0 {
			return postgres.CutNever
		}
		cut := postgres.Cut(1 + rand.IntN(3))
		if cuts[cut].Add(1); cuts[1].Load()+cuts[2].Load()+cuts[3].Load() == 90 {
			close(enough)
		}
		return cut
	})
	stop := s.traffic()
	select {
	case <-enough:
	case err := <-s.fatal:
		t.Fatal(err)
	case <-time.After(2 * time.Minute):
		t.Fatalf("%d, %d and %d cuts only", cuts[1].Load(), cuts[2].Load(), cuts[3].Load())
	}
	s.proxy.OnCommit(nil)
	kept := stop()
	n := s.whole(kept)
	t.Logf("%d commits cut before, %d after, %d late; %d acknowledged of %d", cuts[1].Load(), cuts[2].Load(), cuts[3].Load(), len(kept), n)
	if n != len(kept) {
		t.Errorf("%d events are there that were refused", n-len(kept))
	}
}

// TestTerminatedBackends: sessions end from outside, again and again.
func TestTerminatedBackends(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	stop := s.traffic()
	for range 30 {
		s.no(s.cluster.Exec(t.Context(), s.base,
			"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name='malote' AND datname=current_database() ORDER BY random() LIMIT 2", "SELECT pg_sleep(0.05)"))
	}
	kept := stop()
	s.whole(kept)
}

// TestIdleConnectionsEnd: a reader whose connection was ended from outside
// while nobody used it reads all the same, at once.
func TestIdleConnectionsEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.endpoint()
	for range 20 {
		for range 6 { // more than there are readers
			if _, err := s.db.Lane(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			if _, err := s.db.Traffic(t.Context(), []store.ID{e}); err != nil { // of one moment
				t.Fatal(err)
			}
		}
		s.no(s.cluster.Exec(t.Context(), s.base,
			"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name='malote' AND datname=current_database() AND state='idle'"))
		if _, err := s.db.Deliveries(t.Context(), s.project, store.Filter{Limit: 1}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestServerRestarts: the server stops in all ways under load, and the store
// writes again soon after it is back.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	c, err := postgres.Start(t.Context(), postgres.Options{TCP: true})
	if errors.Is(err, postgres.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	s := siteOn(t, c)
	stop := s.traffic()
	for _, how := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGQUIT} {
		s.no(s.cluster.Stop(how))
		if h := s.db.Health(t.Context()); h.Err == nil {
			if _, err := s.accept(t.Context(), s.db, ""); err == nil {
				t.Error("an event was kept by nobody")
			}
		}
		s.no(s.cluster.Launch(t.Context()))
		t.Logf("writes again after %s", s.writes(30*time.Second))
	}
	kept := stop()
	for range 3 {
		kept[""] = store.ID{} // those of writes have no key
	}
	delete(kept, "")
	s.wholeWithout("", kept)
}

// wholeWithout is whole where some events have no key.
func (s *site) wholeWithout(_ string, kept map[string]store.ID) {
	s.Helper()
	for key, id := range kept {
		e, err := s.db.Event(s.Context(), s.project, id)
		if err != nil || e.IdempotencyKey != key || e.Deliveries != 1 {
			s.Errorf("%s: %v, %v", key, e, err)
		}
	}
}

// TestAnotherProcessTakesOver: who was silent for longer than its lease writes
// nothing any more, and ends.
func TestAnotherProcessTakesOver(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.no(s.db.Close())
	s.o.Lease = 2 * time.Second
	s.db = s.open(s.o)
	e := s.endpoint()
	resume := s.proxy.Stall()
	defer resume()
	late := make(chan error, 1)
	go func() {
		_, err := s.accept(t.Context(), s.db, "on its way")
		late <- err
	}()
	o := s.o
	o.Database = secret.Text(s.cluster.URL(s.base)) // past the proxy
	other := s.open(o)                              // waits for nobody
	defer func() { s.no(other.Close()) }()
	if other.Owns(e) {
		t.Error("another process owns what is another's until its lease is over")
	} else {
		eventually(t, func() bool { return other.Owns(e) })
	}
	if _, err := s.accept(t.Context(), other, "other"); err != nil {
		t.Fatal(err)
	}
	resume()
	select {
	case err := <-s.fatal:
		t.Log(err)
	case <-time.After(time.Minute):
		t.Fatal("the process that lost the database goes on")
	}
	if _, err := s.accept(t.Context(), s.db, "late"); err == nil {
		t.Error("the process that lost the database kept an event")
	}
	if err := <-late; err == nil {
		t.Error("the process that lost the database kept what was on its way")
	}
	page, err := other.Events(t.Context(), s.project, store.Filter{})
	if err != nil || len(page.Items) != 1 || page.Items[0].IdempotencyKey != "other" {
		t.Errorf("%v, %v", page.Items, err)
	}
}

// TestTwoServe: while one serves, another start waits for nobody; a guest, such
// as who makes a root key, is let in.
func TestTwoServe(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	guest := s.open(store.Options{Database: s.o.Database, NoSecrets: true})
	if err := guest.CreateKey(t.Context(), &store.Key{Name: "root"}, [32]byte{1}); err != nil {
		t.Error(err)
	}
	s.no(guest.Close())
	other := s.open(s.o)
	defer func() { s.no(other.Close()) }()
	if _, err := s.accept(t.Context(), other, "other"); err != nil {
		t.Error(err)
	}
	s.writes(time.Minute)
	if k, err := s.db.KeyByHash(t.Context(), [32]byte{1}, time.Now()); err != nil || k.Name != "root" {
		t.Errorf("%v, %v", k, err)
	}
}

// TestStartsAtOnce: of many that start on an empty database one makes the
// schema, and all find it.
func TestStartsAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.no(s.cluster.Create(t.Context(), "empty", ""))
	url := secret.Text(s.cluster.URL("empty"))
	errs := make(chan error)
	for range 20 {
		go func() {
			db, err := store.Open(t.Context(), store.Options{Database: url, NoSecrets: true})
			if err == nil {
				err = db.Close()
			}
			errs <- err
		}()
	}
	for range 20 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// TestRolesThatDoNotWait: a role, or a database, may have durability off; events are kept
// durably all the same.
func TestRolesThatDoNotWait(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.no(s.db.Close())
	s.no(s.cluster.Exec(t.Context(), s.base,
		"ALTER DATABASE "+s.base+" SET synchronous_commit=off",
		`CREATE TABLE seen (how text)`,
		`CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$`,
		`CREATE TRIGGER see AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION see()`))
	var log strings.Builder
	s.o.Logger = logTo(&log)
	s.db = s.open(s.o)
	s.writes(time.Minute)
	s.no(s.cluster.Exec(t.Context(), s.base, `DO $$ BEGIN
		IF (SELECT count(*) FROM seen)=0 OR EXISTS (SELECT 1 FROM seen WHERE how<>'on') THEN RAISE 'not durable'; END IF; END $$`))
	s.no(s.db.Close())
	if !strings.Contains(log.String(), "synchronous_commit") {
		t.Errorf("the log does not say so: %s", log.String())
	}
}

// TestNewerSchema: a database that a newer version wrote is refused.
func TestNewerSchema(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.no(s.db.Close())
	s.no(s.cluster.Exec(t.Context(), s.base, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)"))
	if _, err := store.Open(t.Context(), s.o); !errors.Is(err, store.ErrNewer) {
		t.Errorf("%v", err)
	}
}

// TestPasswordsAreInNoError: what cannot be reached, or read, is said without
// the password.
func TestPasswordsAreInNoError(t *testing.T) {
	t.Parallel()
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{
		"postgres://u:hush-hush@127.0.0.1:1/x", "postgres://u:hush-hush@[::1/x", "postgres://u:hush-hush@h:port/x",
		"host=127.0.0.1 port=1 user=u password=hush-hush dbname=x", "host=127.0.0.1 port=x password='hush-hush", "u:hush-hush",
	} {
		_, err := store.Open(t.Context(), store.Options{Database: secret.Text(url), Keyring: ring})
		if err == nil {
			t.Errorf("opened %s", url)
			continue
		}
		if strings.Contains(fmt.Sprintf("%v %+v", err, err), "hush-hush") {
			t.Errorf("%v", err)
		}
		t.Log(err)
	}
}

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
