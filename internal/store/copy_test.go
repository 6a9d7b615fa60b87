//go:build unix

package store_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// copiedEvents take several transactions.
const copiedEvents = 700

// copied is a store that is filled, and copied to and fro.
type copied struct {
	*testing.T
	ring *secret.Keyring
}

func (c *copied) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c *copied) open(o store.Options) *store.DB {
	c.Helper()
	o.Keyring, o.MinFree = c.ring, -1
	db, err := store.Open(c.Context(), o)
	c.must(err)
	return db
}

// fill puts something of nearly everything into a store.
func (c *copied) fill(db *store.DB, events int) {
	c.Helper()
	ctx := c.Context()
	p := &store.Project{Name: "Lojão", Environment: store.Production, Dialect: "standard", Host: "api.example.com", KnownTypesOnly: true, Emails: []string{"a@example.com"}}
	c.must(db.CreateProject(ctx, p))
	c.must(db.CreateKey(ctx, &store.Key{ProjectID: p.ID, Name: "k", Prefix: "mlt_", Scopes: []string{"*"}}, sha256.Sum256([]byte("k"))))
	_, _, err := db.PutConsumer(ctx, p.ID, "gone", func(*store.Consumer) {})
	c.must(err)
	_, err = db.DeleteConsumer(ctx, p.ID, "gone")
	c.must(err)
	e := &store.Endpoint{
		ProjectID: p.ID, Consumer: "acme", URL: "https://example.com/hook", EventTypes: []string{"*"}, Secrets: []store.SigningSecret{{Value: "whsec_abc"}},
		Headers: []store.Header{{Name: "X-Key", Value: "ç<>"}},
	}
	c.must(db.CreateEndpoint(ctx, e, 0))
	i := &store.Inspector{ProjectID: p.ID, Token: store.NewInspectorToken(), Secret: "whsec_i", Keep: time.Hour, Answer: store.InspectorAnswer{Body: []byte{0, 255}}}
	_, err = db.CreateInspectorOnce(ctx, i, 1, nil)
	c.must(err)
	c.must(db.KeepInspected(ctx, &store.InspectedRequest{InspectorID: i.ID, Method: "POST", Path: "/\xff", Body: []byte{0, 255}}))
	subs, err := db.Subscriptions(ctx, p.ID, "acme")
	c.must(err)
	var all []*store.Acceptance
	for i := range events {
		data := fmt.Appendf(nil, `{"n": %d, "s":"\u0000é%s"}`, i, strings.Repeat("x", i%4000))
		a := &store.Acceptance{
			Event: &store.Event{
				ProjectID: p.ID, Consumer: "acme", Type: "a.b", Data: data, Dialect: "standard/1", Time: time.Now(), IdempotencyKey: fmt.Sprint("k", i%2, i), Channels: []string{"x"}[:i%2],
			},
			Endpoints: []store.ID{e.ID}, Version: subs.Version, RequestHash: sha256.Sum256(data),
		}
		all = append(all, a)
	}
	out, err := db.Accept(ctx, all)
	c.must(err)
	for _, o := range out {
		c.must(o.Err)
	}
	work, err := db.LoadDue(ctx, e.ID, store.Place{}, events/2, 1<<30)
	c.must(err)
	done := make(chan error, len(work))
	for i, w := range work {
		o := &store.Outcome{Work: w, State: store.Delivered, Attempt: store.Attempt{Number: 1, At: time.Now(), Status: 200, RequestHead: []byte("POST / HTTP/1.1\r\n\r\n"), ResponseBody: []byte{0, 255}}}
		switch i % 3 {
		case 1:
			o.State, o.Reason, o.Attempt.Status, o.Attempt.Class = store.Failed, "exhausted", 503, store.ClassStatus
		case 2:
			o.State, o.DueAt, o.Attempt.Status, o.Attempt.Class = store.Pending, time.Now().Add(time.Hour), 503, store.ClassStatus
		}
		db.Finish(o, func(err error) { done <- err })
	}
	for range work {
		c.must(<-done)
	}
}

// dump is what can be read of a store, secrets and all.
func (c *copied) dump(db *store.DB) (out []string) {
	c.Helper()
	ctx := c.Context()
	say := func(v any) { out = append(out, fmt.Sprintf("%+v", v)) }
	ps, err := db.Projects(ctx, store.ID{}, 100)
	c.must(err)
	for _, p := range ps {
		say(*p)
		keys, err := db.Keys(ctx, p.ID, store.ID{}, 100)
		c.must(err)
		for _, k := range keys {
			k.LastUsedAt = time.Time{}
			say(*k)
		}
		is, err := db.Inspectors(ctx, p.ID, store.ID{}, 100)
		c.must(err)
		for _, i := range is {
			say(*i)
			say(i.Token.Reveal() + i.Secret.Reveal())
			r, err := db.NextInspected(ctx, p.ID, i.ID, store.ID{})
			c.must(err)
			say(*r)
		}
		es, err := db.Endpoints(ctx, p.ID, "", store.ID{}, 100)
		c.must(err)
		for _, e := range es {
			say(*e)
			for _, s := range e.Secrets {
				say(s.Value.Reveal())
			}
			for _, h := range e.Headers {
				say(h.Value.Reveal())
			}
			work, err := db.LoadDue(ctx, e.ID, store.Place{}, 10_000, 1<<30)
			c.must(err)
			for _, w := range work {
				say([]any{w.ID, w.DueAt, w.Attempts, string(w.Event.Data)})
			}
		}
		f := store.Filter{Limit: 250}
		for {
			page, err := db.Deliveries(ctx, p.ID, f)
			c.must(err)
			for _, d := range page.Items {
				d.InFlight = 0
				say(*d)
				as, err := db.Attempts(ctx, p.ID, d.ID, 0, 10)
				c.must(err)
				for _, a := range as {
					say(*a)
				}
				e, err := db.Event(ctx, p.ID, d.EventID)
				c.must(err)
				say(*e)
			}
			if f.Before = page.Next; f.Before.IsZero() {
				break
			}
		}
		log, err := db.Audit(ctx, p.ID, store.AuditFilter{Limit: 100})
		c.must(err)
		for _, l := range log.Items {
			say(*l)
		}
		stats, err := db.Stats(ctx, p.ID, store.StatsQuery{From: time.Now().Add(-time.Hour), Until: time.Now()})
		c.must(err)
		say(stats.Total)
	}
	return out
}

// unfinished wants a copy that is not whole to be of no use.
func (c *copied) unfinished(o store.Options) {
	c.Helper()
	if _, err := store.Copy(c.Context(), o, store.Options{Dir: c.TempDir()}, nil); !errors.Is(err, store.ErrCopying) {
		c.Errorf("an unfinished copy is copied: %v", err)
	}
	o.Keyring = c.ring
	if _, err := store.Open(c.Context(), o); !errors.Is(err, store.ErrCopying) {
		c.Errorf("an unfinished copy opens: %v", err)
	}
}

// noStrays wants what was copied to be in the parts of its days.
func (c *copied) noStrays(o store.Options) {
	c.Helper()
	conn, err := pgx.Connect(c.Context(), o.Database.Reveal())
	c.must(err)
	var n int
	c.must(conn.QueryRow(c.Context(), "SELECT (SELECT count(*) FROM events_default)+(SELECT count(*) FROM deliveries_default)+(SELECT count(*) FROM attempts_default)").Scan(&n))
	c.must(conn.Close(c.Context()))
	if n != 0 {
		c.Errorf("%d rows are in no part", n)
	}
}

func TestCopyToAndFro(t *testing.T) {
	t.Parallel()
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	c := &copied{t, ring}
	c.must(err)
	lite, pg, back := store.Options{Dir: t.TempDir()}, store.Options{Database: unmigrated(t)}, store.Options{Dir: t.TempDir()}
	db := c.open(lite)
	c.fill(db, copiedEvents)
	if _, err := store.Copy(t.Context(), lite, pg, nil); !errors.Is(err, store.ErrLocked) {
		t.Errorf("while it is open: %v", err)
	}
	want := c.dump(db)
	c.must(db.Close())

	// It is interrupted several times, and goes on.
	for stops := 0; ; stops++ {
		ctx, cancel := context.WithCancel(t.Context())
		steps := 0
		tables, err := store.Copy(ctx, lite, pg, func(s store.CopyStep) {
			if s.Rows > s.Of {
				t.Errorf("%+v", s)
			}
			if steps++; steps > 3 && stops < 3 {
				cancel()
			}
		})
		cancel()
		if err == nil {
			if stops != 3 {
				t.Errorf("it was stopped %d times", stops)
			}
			if i := slices.IndexFunc(tables, func(t store.CopiedTable) bool { return t.Name == "events" }); i < 0 || tables[i].Rows < copiedEvents || len(tables) < 25 {
				t.Errorf("%+v", tables)
			}
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if stops == 0 {
			c.unfinished(pg)
		}
	}
	if _, err := store.Copy(t.Context(), lite, pg, nil); !errors.Is(err, store.ErrNotEmpty) {
		t.Errorf("once more: %v", err)
	}
	c.noStrays(pg)
	db = c.open(pg)
	if db.Unclean() {
		t.Error("a copy of what was closed in order looks as after a crash")
	}
	if diff := cmp.Diff(want, c.dump(db)); diff != "" {
		t.Errorf("in PostgreSQL: %s", diff)
	}
	c.must(db.Close())

	_, err = store.Copy(t.Context(), pg, back, nil)
	c.must(err)
	db = c.open(back)
	if diff := cmp.Diff(want, c.dump(db)); diff != "" {
		t.Errorf("and back: %s", diff)
	}
	ps, err := db.Projects(t.Context(), store.ID{}, 10)
	c.must(err)
	if _, _, err := db.PutConsumer(t.Context(), ps[0].ID, "new", func(*store.Consumer) {}); err != nil {
		t.Errorf("it takes no change: %v", err)
	}
	c.must(db.Close())
}

func TestCopyRefuses(t *testing.T) {
	t.Parallel()
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	c := &copied{t, ring}
	c.must(err)
	pg := store.Options{Database: unmigrated(t)}
	empty, used, other := store.Options{Dir: t.TempDir()}, store.Options{Dir: t.TempDir()}, store.Options{Dir: t.TempDir()}
	if _, err := store.Copy(t.Context(), empty, pg, nil); !errors.Is(err, store.ErrNothing) {
		t.Errorf("of nothing: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(empty.Dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("a source was made: %v, %v", left, err)
	}
	for _, o := range []store.Options{used, other} {
		db := c.open(o)
		c.must(db.CreateProject(t.Context(), &store.Project{Name: "p", Environment: store.Production, Dialect: "standard"}))
		c.must(db.Close())
	}
	if _, err := store.Copy(t.Context(), used, other, nil); err == nil || !strings.Contains(err.Error(), "SQLite to PostgreSQL or back") {
		t.Errorf("of one kind: %v", err)
	}
	_, err = store.Copy(t.Context(), used, pg, nil)
	c.must(err)
	if _, err := store.Copy(t.Context(), other, pg, nil); !errors.Is(err, store.ErrNotEmpty) {
		t.Errorf("over another's: %v", err)
	}
	if _, err := store.Copy(t.Context(), pg, used, nil); !errors.Is(err, store.ErrNotEmpty) {
		t.Errorf("back over what is there: %v", err)
	}
	if _, err := store.Copy(t.Context(), store.Options{Database: unmigrated(t)}, store.Options{Dir: t.TempDir()}, nil); !errors.Is(err, store.ErrNothing) {
		t.Errorf("of an empty database: %v", err)
	}
}

// TestCopyOfWhatChanged: a copy that was begun is no copy any more once a
// server has used what is copied.
func TestCopyOfWhatChanged(t *testing.T) {
	t.Parallel()
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	c := &copied{t, ring}
	c.must(err)
	from, to := store.Options{Dir: t.TempDir()}, store.Options{Database: unmigrated(t)}
	change := func(name string) {
		db := c.open(from)
		c.must(db.CreateProject(t.Context(), &store.Project{Name: name, Environment: store.Production, Dialect: "standard"}))
		c.must(db.Close())
	}
	change("one")
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := store.Copy(ctx, from, to, func(store.CopyStep) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	change("two")
	var side *store.SideError
	if _, err := store.Copy(t.Context(), from, to, nil); !errors.Is(err, store.ErrMoved) || !errors.As(err, &side) || !side.Source {
		t.Errorf("%v", err)
	}
}
