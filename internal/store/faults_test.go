package store

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/malote-dev/malote/internal/match"
	"github.com/malote-dev/malote/internal/secret"
)

// shelf is a store with a project and an endpoint, and a way past its rules.
type shelf struct {
	*testing.T
	db   *DB
	o    Options
	p    *Project
	e    *Endpoint
	logs *bytes.Buffer
}

func newShelf(t *testing.T, change ...func(*Options)) *shelf {
	t.Helper()
	s := &shelf{T: t, logs: &bytes.Buffer{}}
	s.o = Options{
		Dir: filepath.Join(t.TempDir(), "data"), Keyring: ringForTest(t), MinFree: -1,
		Logger: slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&s.o)
	}
	s.open()
	t.Cleanup(func() { _ = s.db.Close() })
	s.p = &Project{Name: "p", Environment: Production, Dialect: "standard"}
	s.no(s.db.CreateProject(t.Context(), s.p))
	s.e = s.endpoint("c")
	return s
}

func (s *shelf) open() {
	s.Helper()
	db, err := Open(s.Context(), s.o)
	s.no(err)
	s.db = db
}

func (s *shelf) no(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *shelf) endpoint(consumer string) *Endpoint {
	s.Helper()
	e := &Endpoint{
		ProjectID: s.p.ID, Consumer: consumer, URL: "https://example.com/", EventTypes: []string{"*"},
		Secrets: []SigningSecret{{Value: "whsec_CANARY"}}, Headers: []Header{{Name: "Authorization", Value: "HEADER-CANARY"}},
	}
	s.no(s.db.CreateEndpoint(s.Context(), e, 0))
	return e
}

func (s *shelf) accept(data string) (Accepted, error) {
	s.Helper()
	subs, err := s.db.Subscriptions(s.Context(), s.p.ID, "c")
	s.no(err)
	a := &Acceptance{Event: &Event{ProjectID: s.p.ID, Consumer: "c", Type: "x", Data: []byte(data), Dialect: "standard/1"}, Version: subs.Version}
	for _, sub := range subs.Endpoints {
		a.Endpoints = append(a.Endpoints, sub.EndpointID)
	}
	out, err := s.db.Accept(s.Context(), []*Acceptance{a})
	if err != nil {
		return Accepted{}, err
	}
	return out[0], out[0].Err
}

func (s *shelf) send() *Work {
	s.Helper()
	out, err := s.accept(`{}`)
	s.no(err)
	for _, w := range s.due() {
		if w.Event.ID == out.EventID {
			return w
		}
	}
	s.Fatal("not in the queue")
	return nil
}

func (s *shelf) due() []*Work {
	s.Helper()
	works, err := s.db.LoadDue(s.Context(), s.e.ID, Place{}, 1_000_000, 1<<30)
	s.no(err)
	return works
}

// sql runs a statement on the writer's connection.
func (s *shelf) sql(q string, args ...any) {
	s.Helper()
	s.no(s.db.write(s.Context(), func(b *batch) error { return b.exec(q, args...) }))
}

func TestLockedDirectory(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	_, err := Open(t.Context(), s.o)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), s.o.Dir) {
		t.Errorf("%v", err)
	}
	s.no(s.db.Close())
	s.open()
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.sql("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)")
	s.no(s.db.Close())
	_, err := Open(t.Context(), s.o)
	if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "99") {
		t.Errorf("%v", err)
	}
}

func TestWrongMasterKeyIsRefused(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.no(s.db.Close())
	right := s.o.Keyring
	s.o.Keyring = ringForTest(t)
	_, err := Open(t.Context(), s.o)
	if !errors.Is(err, secret.ErrUnknownKey) || !strings.Contains(err.Error(), "master key") {
		t.Errorf("%v", err)
	}
	s.o.Keyring = nil
	if _, err := Open(t.Context(), s.o); err == nil || !strings.Contains(err.Error(), "master key") {
		t.Errorf("%v", err)
	}
	s.o.Keyring = right
	s.open()
}

func TestFailedMigrationCanBeRunAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), dbFile)
	first, err := fs.ReadFile(migrations(), "00001_initial.sql")
	if err != nil {
		t.Fatal(err)
	}
	files := func(second string) fs.FS {
		return fstest.MapFS{"00001_initial.sql": {Data: first}, "99999_more.sql": {Data: []byte("-- +goose Up\n" + second)}}
	}
	if err := migrateTo(t.Context(), path, files("CREATE TABLE more (x);\nCREATE TABLE more (x);")); err == nil {
		t.Fatal("a broken migration passed")
	}
	for range 2 {
		if err := migrateTo(t.Context(), path, files("CREATE TABLE more (x);")); err != nil {
			t.Fatal(err)
		}
	}
	if err := migrateTo(t.Context(), path, migrations()); !errors.Is(err, ErrNewer) {
		t.Errorf("%v", err)
	}
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	_, _ = s.accept(`{}`)
	st, err := os.Stat(s.o.Dir)
	s.no(err)
	if st.Mode().Perm() != 0o700 {
		t.Errorf("directory %v", st.Mode())
	}
	files, err := os.ReadDir(s.o.Dir)
	s.no(err)
	for _, f := range files {
		if info, err := f.Info(); err == nil && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", f.Name(), info.Mode())
		}
	}
}

func TestSecretsAreInNoFileAndNoLog(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.no(s.db.CreateKey(t.Context(), &Key{ProjectID: s.p.ID, Prefix: "mk"}, [32]byte([]byte("the hash of a key, 32 bytes long"))))
	for range 50 {
		_, _ = s.accept(`{}`)
	}
	s.sql("UPDATE endpoints SET secrets=headers") // moved: it must not open, and nothing may tell what it is
	if _, err := s.db.Endpoint(t.Context(), s.p.ID, s.e.ID); !errors.Is(err, secret.ErrOpen) {
		t.Errorf("%v", err)
	}
	if es, err := s.db.Endpoints(t.Context(), s.p.ID, "", ID{}, 10); err != nil || len(es) != 1 || len(es[0].Secrets) != 0 {
		t.Errorf("%v %v", es, err)
	}
	for _, when := range []string{"open", "closed"} {
		if when == "closed" {
			s.no(s.db.Close())
		}
		files, err := os.ReadDir(s.o.Dir)
		s.no(err)
		for _, f := range files {
			data, err := os.ReadFile(filepath.Join(s.o.Dir, f.Name()))
			s.no(err)
			for _, canary := range []string{"whsec_CANARY", "HEADER-CANARY"} {
				if bytes.Contains(data, []byte(canary)) {
					t.Errorf("%s: %s holds %s", when, f.Name(), canary)
				}
			}
		}
	}
	if strings.Contains(s.logs.String(), "CANARY") {
		t.Error("a log line holds a secret")
	}
}

func TestSwappedSecretsDoNotOpen(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	other := s.endpoint("d")
	k, _ := s.db.keys.key(s.e.ID)
	from, _ := s.db.keys.key(other.ID)
	s.sql("UPDATE endpoints SET secrets=(SELECT secrets FROM endpoints WHERE k=?) WHERE k=?", from, k)
	if _, err := s.db.Lane(t.Context(), s.e.ID); !errors.Is(err, secret.ErrOpen) {
		t.Errorf("%v", err)
	}
	if _, err := s.db.Lane(t.Context(), other.ID); err != nil {
		t.Errorf("the other endpoint: %v", err)
	}
}

func TestDamagedRowsHoldNobodyUp(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	ops := s.endpoint(SystemConsumer)
	var works []*Work
	for range 6 {
		works = append(works, s.send())
	}
	event := func(i int) key { k, _ := s.db.keys.key(works[i].Event.ID); return k }
	s.sql("UPDATE events SET data=x'7b7c' WHERE k=?", event(0)) // a flipped bit
	s.sql("DELETE FROM events WHERE k=?", event(1))
	s.sql("UPDATE events SET data=x'' WHERE k=?", event(2))
	// Read in pages of one: a page of nothing but damage is not the end.
	first, err := s.db.LoadDue(t.Context(), s.e.ID, Place{}, 1, 1)
	s.no(err)
	if len(first) != 1 || first[0].ID != works[3].ID {
		t.Fatalf("%v", first)
	}
	if got := s.due(); len(got) != 3 {
		t.Errorf("%d works", len(got))
	}
	s.sql("UPDATE projects SET name=name") // past the quarantine's write
	for _, i := range []int{0, 2} {
		d, err := s.db.Delivery(t.Context(), s.p.ID, works[i].ID)
		if err != nil || d.State != Failed || d.Reason != reasonCorrupt {
			t.Errorf("%d: %+v %v", i, d, err)
		}
	}
	if n := s.db.Health(t.Context()).Pending; n != 3+3 { // and what is announced
		t.Errorf("%d pending", n)
	}
	told, err := s.db.LoadDue(t.Context(), ops.ID, Place{}, 10, 1<<20)
	if err != nil || len(told) != 3 || told[0].Event.Type != EventDeliveryFailed || !strings.Contains(string(told[0].Event.Data), reasonCorrupt) {
		t.Errorf("%d announced: %v", len(told), err)
	}
	if n := s.db.Counters().Ended[reasonCorrupt]; n != 3 {
		t.Errorf("%d counted", n)
	}
	if e, err := s.db.Event(t.Context(), s.p.ID, works[0].Event.ID); err == nil {
		t.Errorf("altered bytes were shown: %q", e.Data)
	}
}

func TestDamagedPagesHoldNobodyUp(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	big := `"` + strings.Repeat("x", 20_000) + `"` // on pages of its own
	for range 3 {
		_, err := s.accept(big)
		s.no(err)
	}
	works := s.due()
	s.no(s.db.Close())
	path := filepath.Join(s.o.Dir, dbFile)
	data, err := os.ReadFile(path)
	s.no(err)
	// Bit rot in the middle payload: all of it, links between its pages too.
	at := bytes.Index(data, bytes.Repeat([]byte("x"), 4000))
	for range 2 {
		next := bytes.Index(data[at+4096:], bytes.Repeat([]byte("x"), 4000))
		at += 4096 + next
	}
	page := at / 4096 * 4096
	for i := range 4096 {
		data[page+i] = 0xff
	}
	s.no(os.WriteFile(path, data, 0o600))
	s.open()
	if got := s.due(); len(got) != 2 {
		t.Errorf("%d of %d works read", len(got), len(works))
	}
}

func TestDamagedHistoryIsShownAsSuch(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	w := s.send()
	done := make(chan error, 1)
	s.db.Finish(&Outcome{Work: w, State: Delivered, Attempt: Attempt{Number: 1, At: time.Now(), Status: 200}}, func(err error) { done <- err })
	s.no(<-done)
	k, _ := s.db.keys.key(w.ID)
	s.sql("UPDATE deliveries SET attempt=x'0909' WHERE k=?", k)
	as, err := s.db.Attempts(t.Context(), s.p.ID, w.ID, 0, 10)
	if err != nil || len(as) != 1 || as[0].Detail == "" || as[0].Number != 1 {
		t.Errorf("%+v %v", as, err)
	}
	_, err = s.db.Deliveries(t.Context(), s.p.ID, Filter{})
	s.no(err)
	s.sql("UPDATE postings SET data=x'ffffffffffffffffffffff'")
	if _, err := s.db.Deliveries(t.Context(), s.p.ID, Filter{}); err != nil {
		t.Errorf("a damaged block fails the list: %v", err)
	}
	s.sql("UPDATE endpoints SET event_types='{'")
	s.db.cache.subscriptions.clear()
	if subs, err := s.db.Subscriptions(t.Context(), s.p.ID, "c"); err != nil || match.Type(subs.Endpoints[0].EventTypes, "x") {
		t.Errorf("%+v %v", subs, err)
	}
}

// TestFullDisk makes the database too big for its disk: SQLite answers as it
// does without space.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	w := s.send()
	var kept int
	limit := func(pages int) { // outside of any transaction
		s.no(s.db.w.c.exec(context.Background(), "PRAGMA max_page_count="+strconv.Itoa(pages)))
	}
	stop := pauseWriter(s)
	limit(1)
	stop()
	big := `"` + strings.Repeat("x", 100_000) + `"`
	var err error
	for range 50 {
		if _, err = s.accept(big); err != nil {
			break
		}
		kept++
	}
	if !errors.Is(err, ErrFull) {
		t.Fatalf("%v after %d events", err, kept)
	}
	if h := s.db.Health(t.Context()); !errors.Is(h.Err, ErrFull) {
		t.Errorf("health %v", h.Err)
	}
	// An outcome is not lost: it waits for space.
	done := make(chan error, 1)
	body := bytes.Repeat([]byte("x"), 60_000)
	s.db.Finish(&Outcome{Work: w, State: Failed, Attempt: Attempt{Number: 1, At: time.Now(), Status: 500, ResponseBody: body}}, func(err error) { done <- err })
	select {
	case err := <-done:
		t.Errorf("done came while the disk was full: %v", err)
	case <-time.After(2 * retryAfter):
	}
	stop = pauseWriter(s)
	limit(1 << 30)
	stop()
	s.no(<-done)
	if d, err := s.db.Delivery(t.Context(), s.p.ID, w.ID); err != nil || d.State != Failed {
		t.Errorf("%+v %v", d, err)
	}
	if _, err := s.accept(big); err != nil {
		t.Errorf("after there was space again: %v", err)
	}
	if h := s.db.Health(t.Context()); h.Err != nil {
		t.Errorf("health %v", h.Err)
	}
	if got := s.due(); len(got) != kept+1 {
		t.Errorf("%d pending, %d were acknowledged", len(got), kept+1)
	}
}

// pauseWriter holds the writer outside of a transaction until stop is called.
func pauseWriter(s *shelf) (stop func()) {
	held, release := make(chan struct{}), make(chan struct{})
	go func() {
		_ = s.db.write(context.Background(), func(b *batch) error {
			b.after = append(b.after, func() { close(held); <-release })
			return nil
		})
	}()
	<-held
	return func() { close(release) }
}

func TestLowSpaceRefusesEventsOnly(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	w := s.send()
	var free atomic.Int64
	free.Store(1 << 40)
	s.db.engine.(*liteEngine).space.mu.Lock()
	s.db.engine.(*liteEngine).space.minFree = 64 << 20
	s.db.engine.(*liteEngine).space.free = func(string) (int64, error) { return free.Load(), nil }
	s.db.engine.(*liteEngine).space.mu.Unlock()
	if _, err := s.accept(`{}`); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(s.o.Dir, ballastFile)
	if st, err := os.Stat(ballast); err != nil || st.Size() != ballastSize {
		t.Errorf("no ballast: %v", err)
	}
	ask := func() { // forget the last answer
		s.db.engine.(*liteEngine).space.mu.Lock()
		s.db.engine.(*liteEngine).space.asked = time.Time{}
		s.db.engine.(*liteEngine).space.mu.Unlock()
	}
	free.Store(1 << 20)
	ask()
	if _, err := s.accept(`{}`); !errors.Is(err, ErrFull) {
		t.Errorf("%v", err)
	}
	if h := s.db.Health(t.Context()); !errors.Is(h.Err, ErrFull) {
		t.Errorf("health %v", h.Err)
	}
	done := make(chan error, 1)
	s.db.Finish(&Outcome{Work: w, State: Delivered, Attempt: Attempt{Number: 1, At: time.Now(), Status: 200}}, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Errorf("a finish was refused: %v", err)
	}
	if !s.db.engine.(*liteEngine).space.emergency() || s.db.engine.(*liteEngine).space.emergency() {
		t.Error("the ballast is given up once")
	}
	if _, err := os.Stat(ballast); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the ballast is still there: %v", err)
	}
	free.Store(1 << 40)
	ask()
	if _, err := s.accept(`{}`); err != nil {
		t.Errorf("space is back: %v", err)
	}
	if _, err := os.Stat(ballast); err != nil {
		t.Errorf("the ballast was not made again: %v", err)
	}
}

func TestAnotherProcessHoldsTheDatabase(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	w := s.send()
	p, err := openPool(t.Context(), filepath.Join(s.o.Dir, dbFile), 1)
	s.no(err)
	defer p.close()
	c, err := p.take(t.Context())
	s.no(err)
	stop := pauseWriter(s)
	s.no(s.db.w.c.exec(context.Background(), "PRAGMA busy_timeout=50"))
	s.no(c.exec(t.Context(), "BEGIN IMMEDIATE"))
	stop()
	done := make(chan error, 1)
	s.db.Finish(&Outcome{Work: w, State: Delivered, Attempt: Attempt{Number: 1, At: time.Now(), Status: 200}}, func(err error) { done <- err })
	if _, err := s.accept(`{}`); !errors.Is(err, ErrBusy) {
		t.Errorf("%v", err)
	}
	s.no(c.exec(t.Context(), "ROLLBACK"))
	p.give(c)
	s.no(<-done)
	if _, err := s.accept(`{}`); err != nil {
		t.Errorf("%v", err)
	}
}

// TestReadyAgainByItself: who asks whether the store is ready sends nothing
// until it is.
func TestReadyAgainByItself(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	p, err := openPool(t.Context(), filepath.Join(s.o.Dir, dbFile), 1)
	s.no(err)
	defer p.close()
	c, err := p.take(t.Context())
	s.no(err)
	stop := pauseWriter(s)
	s.no(s.db.w.c.exec(context.Background(), "PRAGMA busy_timeout=50"))
	s.no(c.exec(t.Context(), "BEGIN IMMEDIATE"))
	stop()
	if _, err := s.accept(`{}`); !errors.Is(err, ErrBusy) || s.db.Health(t.Context()).Err == nil {
		t.Errorf("%v", err)
	}
	s.no(c.exec(t.Context(), "ROLLBACK"))
	p.give(c)
	for start := time.Now(); s.db.Health(t.Context()).Err != nil; runtime.Gosched() {
		if time.Since(start) > 30*time.Second {
			t.Fatal("not ready, though the lock is gone")
		}
	}
}

func TestIdempotencyKeysEnd(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	a := func() *Acceptance {
		return &Acceptance{Event: &Event{ProjectID: s.p.ID, Consumer: "*", Type: "x", Data: []byte(`{}`), IdempotencyKey: "k"}, Broadcast: true}
	}
	keep := func() Accepted {
		out, err := s.db.Accept(t.Context(), []*Acceptance{a()})
		s.no(err)
		s.no(out[0].Err)
		return out[0]
	}
	first := keep()
	s.sql("UPDATE idempotency SET day=day-2")
	if again := keep(); again.EventID != first.EventID {
		t.Error("forgotten after two days")
	}
	s.sql("UPDATE idempotency SET day=day-1")
	if again := keep(); again.EventID == first.EventID {
		t.Error("known after three days and more")
	}
	s.sql("DELETE FROM idempotency WHERE day=?", dayOf(time.Now()))
	// Events are found by their keys for as long as the history is kept.
	if n, err := s.db.Prune(t.Context(), time.Now().Add(-4*24*time.Hour), 100); n != 0 || err != nil {
		t.Errorf("%d rows went: %v", n, err)
	}
	if n, err := s.db.Prune(t.Context(), time.Now().Add(-2*24*time.Hour), 100); n != 1 || err != nil {
		t.Errorf("%d rows went: %v", n, err)
	}
}

func TestRetentionLeavesBroadcastsThatGoOn(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	_, err := s.db.DeleteEndpoint(t.Context(), s.p.ID, s.e.ID)
	s.no(err)
	out, err := s.accept(`{}`)
	s.no(err)
	k, _ := s.db.keys.key(out.EventID)
	s.sql("INSERT INTO fanouts VALUES (?,0,0)", k) // nobody reached so far, and it goes on
	_, err = s.db.Prune(t.Context(), time.Now().Add(time.Hour), 1000)
	s.no(err)
	if _, err := s.db.Event(t.Context(), s.p.ID, out.EventID); err != nil {
		t.Error(err)
	}
	s.sql("DELETE FROM fanouts")
	_, err = s.db.Prune(t.Context(), time.Now().Add(time.Hour), 1000)
	s.no(err)
	if _, err := s.db.Event(t.Context(), s.p.ID, out.EventID); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	if f := faultOf(errors.New("x")); f != faultOther {
		t.Error(f)
	}
	for _, c := range []struct {
		a, b  string
		older bool
	}{{"3.51.2", "3.51.3", true}, {"3.51.3", "3.51.3", false}, {"3.53.4", "3.51.3", false}, {"3.9.0", "3.51.3", true}, {"4.0", "3.51.3", false}, {"3.51", "3.51.3", true}} {
		if olderVersion(c.a, c.b) != c.older {
			t.Errorf("%s older than %s: %v", c.a, c.b, !c.older)
		}
	}
	if olderVersion(SQLiteVersion(), minSQLite) {
		t.Errorf("this SQLite is %s", SQLiteVersion())
	}
}
