//go:build unix

package store_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// nodes are two stores on one database, of which each knows by itself what is
// in memory only.
type nodes struct {
	*testing.T
	ctx     context.Context
	a, b    *store.DB
	told    *listener // of b
	project store.ID
	made    int
	url     secret.Text
}

func newNodes(t *testing.T) *nodes {
	t.Helper()
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	if err != nil {
		t.Fatal(err)
	}
	n := &nodes{T: t, ctx: t.Context(), told: &listener{changed: map[store.ID]bool{}}, url: newDatabase(t)}
	o := store.Options{Database: n.url, Keyring: ring, Mail: true, Fatal: func(err error) { t.Error(err) }}
	n.a, n.b = n.open(o), n.open(o)
	n.b.SetOwner(n.told)
	n.project = n.newProject(n.a, "p")
	n.eventually("b knows the project", func() bool { _, err := n.b.Project(n.ctx, n.project); return err == nil })
	return n
}

func (n *nodes) open(o store.Options) *store.DB {
	n.Helper()
	db, err := store.Open(n.ctx, o)
	n.no(err)
	n.Cleanup(func() { n.no(db.Close()) })
	return db
}

// due is the first delivery that is pending for an endpoint.
func (n *nodes) due(e *store.Endpoint) *store.Work {
	n.Helper()
	works, err := n.a.LoadDue(n.ctx, e.ID, store.Place{}, 1, 1<<20)
	n.no(err)
	if len(works) == 0 {
		n.Fatal("nothing is pending")
	}
	return works[0]
}

// by does something to the database that no node is told of, and reads a number.
func (n *nodes) by(do ...string) (number int) {
	n.Helper()
	c, err := pgx.Connect(n.ctx, n.url.Reveal())
	n.no(err)
	defer func() { n.no(c.Close(context.WithoutCancel(n.ctx))) }()
	for _, q := range append([]string{"SET session_replication_role=replica"}, do[:len(do)-1]...) {
		_, err := c.Exec(n.ctx, q)
		n.no(err)
	}
	n.no(c.QueryRow(n.ctx, do[len(do)-1]).Scan(&number))
	return number
}

func (n *nodes) no(err error) {
	n.Helper()
	if err != nil {
		n.Fatal(err)
	}
}

// is fails unless an error is the one that is wanted.
func (n *nodes) is(what string, err, want error) {
	n.Helper()
	if !errors.Is(err, want) {
		n.Errorf("%s: %v, want %v", what, err, want)
	}
}

// eventually waits for what another process is to know within a second: much
// longer, where the machine is busy.
func (n *nodes) eventually(what string, is func() bool) {
	n.Helper()
	limit := time.After(30 * time.Second)
	for again := time.NewTicker(5 * time.Millisecond); !is(); {
		select {
		case <-limit:
			n.Fatal("not in time:", what)
		case <-again.C:
		}
	}
}

func (n *nodes) newProject(db *store.DB, name string) store.ID {
	n.Helper()
	p := &store.Project{Name: name, Environment: store.Production, Dialect: "standard"}
	n.no(db.CreateProject(n.ctx, p))
	return p.ID
}

func (n *nodes) endpoint(db *store.DB, consumer string) *store.Endpoint {
	n.Helper()
	e := anEndpoint(n.project, consumer)
	n.no(db.CreateEndpoint(n.ctx, e, 0))
	return e
}

func anEndpoint(project store.ID, consumer string) *store.Endpoint {
	return &store.Endpoint{
		ProjectID: project, Consumer: consumer, URL: "https://example.com/", EventTypes: []string{"*"}, Secrets: []store.SigningSecret{{Value: "whsec_1"}},
	}
}

// key makes one on a, and returns it with its hash.
func (n *nodes) key(consumer string) (*store.Key, [32]byte) {
	n.Helper()
	n.made++
	hash := sha256.Sum256([]byte(fmt.Sprint("key", n.made)))
	k := &store.Key{ProjectID: n.project, Consumer: consumer, Prefix: "mlt_"}
	n.no(n.a.CreateKey(n.ctx, k, hash))
	return k, hash
}

func (n *nodes) session(k *store.Key, consumer string) (*store.PortalSession, [32]byte) {
	n.Helper()
	n.made++
	hash := sha256.Sum256([]byte(fmt.Sprint("session", n.made)))
	p := &store.PortalSession{ProjectID: n.project, Consumer: consumer, Access: store.PortalManage, MadeBy: k.ID, ExpiresAt: time.Now().Add(time.Hour)}
	_, err := n.a.CreatePortalSessionOnce(n.ctx, p, hash, 100, nil)
	n.no(err)
	return p, hash
}

// acceptance is an event as ingest matches it.
func (n *nodes) acceptance(db *store.DB, consumer string) *store.Acceptance {
	n.Helper()
	subs, err := db.Subscriptions(n.ctx, n.project, consumer)
	n.no(err)
	a := &store.Acceptance{
		Event:   &store.Event{ProjectID: n.project, Consumer: consumer, Type: "x", Data: []byte(`{}`), Dialect: "standard/1"},
		Version: subs.Version,
	}
	for _, e := range subs.Endpoints {
		a.Endpoints = append(a.Endpoints, e.EndpointID)
	}
	return a
}

func (n *nodes) accept(db *store.DB, a *store.Acceptance) store.Accepted {
	n.Helper()
	out, err := db.Accept(n.ctx, []*store.Acceptance{a})
	n.no(err)
	return out[0]
}

// listener is a store.Owner that remembers which endpoints changed.
type listener struct {
	mu      sync.Mutex
	changed map[store.ID]bool
}

func (l *listener) EndpointChanged(id store.ID) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed[id] = true
	return 0
}

func (l *listener) heardOf(id store.ID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed[id]
}

func (*listener) Accepted([]*store.Work)                   {}
func (l *listener) QueueGrew(store.ID, store.Place)        {}
func (l *listener) DeliveryChanged(store.ID, store.ID) int { return 0 }
func (l *listener) RecoveryAsked(store.ID)                 {}
func (*listener) Gained([]store.Shard, bool)               {}
func (*listener) Leave(_ []store.Shard, done func())       { done() }
func (*listener) Missed()                                  {}

// TestOtherNodesHear: whatever is changed on one node, a write on another
// right afterwards is made with it, and a read sees it soon.
func TestOtherNodesHear(t *testing.T) {
	t.Parallel()
	for name, test := range hearing {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newNodes(t))
		})
	}
}

var hearing = map[string]func(*nodes){
	"project made": func(n *nodes) {
		p := n.newProject(n.a, "new")
		n.no(n.b.CreateEndpoint(n.ctx, anEndpoint(p, "c"), 0))
		_, err := n.b.Project(n.ctx, p)
		n.is("read", err, nil)
		err = n.b.CreateProject(n.ctx, &store.Project{Name: "new", Environment: store.Production, Dialect: "standard"})
		n.is("the same name", err, store.ErrConflict)
	},
	"project changed": func(n *nodes) {
		_, err := n.a.UpdateProject(n.ctx, n.project, func(p *store.Project) error { p.Host, p.Language = "hooks.example.com", "pt-BR"; return nil })
		n.no(err)
		p, err := n.b.UpdateProject(n.ctx, n.project, func(p *store.Project) error { p.BodyID = true; return nil })
		n.no(err)
		if p.Host != "hooks.example.com" || p.Language != "pt-BR" || !p.BodyID {
			n.Errorf("a change is lost: %+v", p)
		}
		err = n.b.CreateProject(n.ctx, &store.Project{Name: "other", Environment: store.Production, Dialect: "standard", Host: "hooks.example.com"})
		n.is("the same host", err, store.ErrHost)
		n.eventually("b finds the host", func() bool { _, err := n.b.ProjectByHost(n.ctx, "hooks.example.com"); return err == nil })
	},
	"host bound elsewhere": func(n *nodes) {
		other := n.newProject(n.a, "other")
		bind := func(id store.ID, host string) {
			_, err := n.a.UpdateProject(n.ctx, id, func(p *store.Project) error { p.Host = host; return nil })
			n.no(err)
		}
		bind(n.project, "one.example.com")
		n.eventually("b finds the host", func() bool { _, err := n.b.ProjectByHost(n.ctx, "one.example.com"); return err == nil })
		bind(n.project, "")
		bind(other, "one.example.com")
		n.eventually("b finds the other project", func() bool {
			p, err := n.b.ProjectByHost(n.ctx, "one.example.com")
			return err == nil && p.ID == other
		})
	},
	"project deleted": func(n *nodes) {
		_, hash := n.key("")
		_, err := n.b.KeyByHash(n.ctx, hash, time.Now())
		n.no(err)
		a := n.acceptance(n.b, "c")
		n.no(n.a.DeleteProject(n.ctx, n.project))
		n.is("event", n.accept(n.b, a).Err, store.ErrNotFound)
		n.is("endpoint", n.b.CreateEndpoint(n.ctx, anEndpoint(n.project, "c"), 0), store.ErrNotFound)
		_, err = n.b.KeyByHash(n.ctx, hash, time.Now())
		n.is("its key", err, store.ErrNotFound)
		_, err = n.b.Project(n.ctx, n.project)
		n.is("read", err, store.ErrNotFound)
	},
	"endpoint made": func(n *nodes) {
		a := n.acceptance(n.b, "c")
		e := n.endpoint(n.a, "c")
		n.is("event", n.accept(n.b, a).Err, store.ErrStale)
		if a = n.acceptance(n.b, "c"); !slices.Equal(a.Endpoints, []store.ID{e.ID}) {
			n.Errorf("matched with %v", a.Endpoints)
		}
		n.is("event", n.accept(n.b, a).Err, nil)
		n.is("one too many", n.b.CreateEndpoint(n.ctx, anEndpoint(n.project, "c"), 1), store.ErrLimit)
	},
	"endpoint changed": func(n *nodes) {
		e := n.endpoint(n.a, "c")
		n.eventually("b matches", func() bool { return len(n.acceptance(n.b, "c").Endpoints) == 1 })
		a := n.acceptance(n.b, "c")
		_, err := n.b.Lane(n.ctx, e.ID)
		n.no(err)
		_, _, err = n.a.UpdateEndpoint(n.ctx, n.project, e.ID, func(e *store.Endpoint) error {
			e.URL, e.Secrets = "https://other.example.com/", []store.SigningSecret{{Value: "whsec_2"}}
			return nil
		})
		n.no(err)
		n.is("event", n.accept(n.b, a).Err, store.ErrStale)
		l, err := n.b.Lane(n.ctx, e.ID) // the refused write learned it
		n.no(err)
		if l.Endpoint.URL != "https://other.example.com/" || l.Endpoint.Secrets[0].Value != "whsec_2" || !n.told.heardOf(e.ID) {
			n.Errorf("b would send to %s", l.Endpoint.URL)
		}
	},
	"secret rotated": func(n *nodes) {
		e := n.endpoint(n.a, "c")
		_, err := n.b.Lane(n.ctx, e.ID)
		n.no(err)
		_, _, err = n.a.UpdateEndpoint(n.ctx, n.project, e.ID, func(e *store.Endpoint) error {
			e.Secrets = []store.SigningSecret{{Value: "whsec_2"}}
			return nil
		})
		n.no(err)
		n.eventually("b signs with it", func() bool { // without a write
			l, err := n.b.Lane(n.ctx, e.ID)
			return err == nil && l.Endpoint.Secrets[0].Value == "whsec_2"
		})
	},
	"endpoint deleted": func(n *nodes) {
		e := n.endpoint(n.a, "c")
		a, again := n.acceptance(n.b, "c"), n.acceptance(n.b, "c")
		n.is("event", n.accept(n.b, a).Err, nil)
		work := n.due(e)
		_, err := n.a.DeleteEndpoint(n.ctx, n.project, e.ID)
		n.no(err)
		n.is("event", n.accept(n.b, again).Err, store.ErrStale)
		if due, err := n.b.LoadDue(n.ctx, e.ID, store.Place{}, 10, 1<<20); err != nil || len(due) > 0 {
			n.Errorf("b would send %d deliveries: %v", len(due), err)
		}
		n.is("retry", second(n.b.RetryDelivery(n.ctx, n.project, work.ID)), store.ErrConflict)
		n.eventually("it is cancelled", func() bool {
			d, err := n.b.Delivery(n.ctx, n.project, work.ID)
			return err == nil && d.State == store.Cancelled
		})
	},
	"endpoint disabled by a rule": func(n *nodes) {
		e := n.endpoint(n.a, "c")
		_, err := n.b.Lane(n.ctx, e.ID)
		n.no(err)
		a := n.acceptance(n.b, "c")
		n.is("event", n.accept(n.a, n.acceptance(n.a, "c")).Err, nil)
		work := n.due(e)
		done := make(chan error, 1)
		n.a.Finish(&store.Outcome{
			Work: work, State: store.Failed, Reason: "gone", Effect: store.Effect{Disable: "410"},
			Attempt: store.Attempt{Number: 1, At: time.Now(), Status: 410, Class: store.ClassStatus},
		}, func(err error) { done <- err })
		n.no(<-done)
		n.is("event", n.accept(n.b, a).Err, store.ErrStale)
		l, err := n.b.Lane(n.ctx, e.ID)
		n.no(err)
		if l.Endpoint.State != store.Disabled || !n.told.heardOf(e.ID) {
			n.Errorf("it is %s on b", l.Endpoint.State)
		}
	},
	"held deliveries skipped": func(n *nodes) {
		e := n.endpoint(n.a, "c")
		set := func(s store.EndpointState) func(*store.Endpoint) error {
			return func(e *store.Endpoint) error { e.State = s; return nil }
		}
		_, _, err := n.a.UpdateEndpoint(n.ctx, n.project, e.ID, set(store.Paused))
		n.no(err)
		n.is("event", n.accept(n.b, n.acceptance(n.b, "c")).Err, nil)
		held := n.due(e)
		_, skipped, _, err := n.a.ResumeSkipping(n.ctx, n.project, e.ID, set(store.Active))
		n.no(err)
		if skipped.Count != 1 {
			n.Errorf("%+v", skipped)
		}
		_, _, err = n.b.CancelDelivery(n.ctx, n.project, held.ID)
		n.is("cancel", err, store.ErrConflict)
		if due, err := n.b.LoadDue(n.ctx, e.ID, store.Place{}, 10, 1<<20); err != nil || len(due) > 0 {
			n.Errorf("b would send %d deliveries: %v", len(due), err)
		}
	},
	"event type validates": func(n *nodes) {
		n.no(n.a.CreateEventType(n.ctx, &store.EventType{ProjectID: n.project, Name: "x", Schema: []byte(`{}`)}))
		a := n.acceptance(n.b, "c")
		_, err := n.a.UpdateEventType(n.ctx, n.project, "x", func(t *store.EventType) error { t.Validate = true; return nil })
		n.no(err)
		n.is("event", n.accept(n.b, a).Err, store.ErrStale)
		subs, err := n.b.Subscriptions(n.ctx, n.project, "c")
		n.no(err)
		if subs.Rules == nil || !subs.Rules.Types["x"].Validate {
			n.Errorf("b does not validate: %+v", subs.Rules)
		}
	},
	"key revoked": func(n *nodes) {
		k, hash := n.key("")
		for _, db := range []*store.DB{n.a, n.b} {
			_, err := db.KeyByHash(n.ctx, hash, time.Now())
			n.no(err)
		}
		a := n.acceptance(n.b, "c")
		a.Access = n.b.Access()
		n.no(n.a.RevokeKey(n.ctx, n.project, k.ID))
		_, err := n.b.KeyInForce(n.ctx, hash, time.Now())
		n.is("read", err, store.ErrNotFound)
		as := store.WithActor(n.ctx, store.KeyActor(k, store.ID{1}))
		n.is("change", n.b.CreateEndpoint(as, anEndpoint(n.project, "c"), 0), store.ErrEnded)
		n.is("event", n.accept(n.b, a).Err, store.ErrStale)
		_, err = n.b.KeyByHash(n.ctx, hash, time.Now()) // what the sender of a stale event is asked for again
		n.is("again", err, store.ErrNotFound)
		// Matched with what is new, after its key was found.
		a = n.acceptance(n.b, "c")
		a.Access = n.b.Access() - 1
		n.is("event of a key that was found before", n.accept(n.b, a).Err, store.ErrStale)
	},
	"root key revoked": func(n *nodes) {
		keys, hashes := [2]*store.Key{{}, {}}, [2][32]byte{{1}, {2}}
		for i, k := range keys {
			n.no(n.a.CreateKey(n.ctx, k, hashes[i]))
			_, err := n.b.KeyByHash(n.ctx, hashes[i], time.Now())
			n.no(err)
		}
		n.no(n.a.RevokeRootKey(n.ctx, keys[0].ID, false))
		n.is("the last one", n.b.RevokeRootKey(n.ctx, keys[1].ID, false), store.ErrLastKey)
		_, err := n.b.KeyInForce(n.ctx, hashes[0], time.Now())
		n.is("read", err, store.ErrNotFound)
	},
	"portal session ended": func(n *nodes) {
		k, _ := n.key("")
		p, hash := n.session(k, "c")
		n.no(n.a.EndPortalSession(n.ctx, n.project, "c", p.ID))
		_, err := n.b.PortalSessionByHash(n.ctx, hash, time.Now())
		n.is("read", err, store.ErrNotFound)
		as := store.WithActor(n.ctx, store.KeyActor(&store.Key{ID: p.ID, ProjectID: n.project, Consumer: "c", Portal: p.Access}, store.ID{1}))
		n.is("change", n.b.CreateEndpoint(as, anEndpoint(n.project, "c"), 0), store.ErrEnded)
	},
	"consumer deleted": func(n *nodes) {
		n.endpoint(n.a, "c")
		k, hash := n.key("c")
		maker, _ := n.key("")
		_, token := n.session(maker, "c")
		_, err := n.b.KeyByHash(n.ctx, hash, time.Now())
		n.no(err)
		a := n.acceptance(n.b, "c")
		a.Access = n.b.Access()
		_, err = n.a.DeleteConsumer(n.ctx, n.project, "c")
		n.no(err)
		_, err = n.b.KeyInForce(n.ctx, hash, time.Now())
		n.is("key", err, store.ErrNotFound)
		_, err = n.b.PortalSessionByHash(n.ctx, token, time.Now())
		n.is("session", err, store.ErrNotFound)
		as := store.WithActor(n.ctx, store.KeyActor(k, store.ID{1}))
		n.is("change", n.b.CreateEndpoint(as, anEndpoint(n.project, "c"), 0), store.ErrEnded)
		n.is("event", n.accept(n.b, a).Err, store.ErrStale)
		_, err = n.b.KeyByHash(n.ctx, hash, time.Now())
		n.is("again", err, store.ErrNotFound)
	},
	"endpoint for operational events": func(n *nodes) {
		n.endpoint(n.b, "c") // nobody listens: b remembers
		ear := n.endpoint(n.a, store.SystemConsumer)
		n.endpoint(n.b, "c")
		page, err := n.b.Events(n.ctx, n.project, store.Filter{Consumer: store.SystemConsumer})
		n.no(err)
		if len(page.Items) != 1 || page.Items[0].Type != store.EventEndpointCreated || page.Items[0].Deliveries != 1 {
			n.Errorf("%s was told %+v", ear.ID, page.Items)
		}
	},
	"more than is remembered": func(n *nodes) {
		e := n.endpoint(n.a, "c")
		n.eventually("b has heard", func() bool { return n.told.heardOf(e.ID) || len(n.acceptance(n.b, "c").Endpoints) == 1 })
		_, err := n.b.Lane(n.ctx, e.ID)
		n.no(err)
		gone := n.newProject(n.a, "gone")
		n.no(n.b.CreateEndpoint(n.ctx, anEndpoint(gone, "c"), 0))
		n.by("UPDATE projects SET language='pt-BR', version=version+1 WHERE name='p'", "DELETE FROM projects WHERE name='gone'",
			"UPDATE endpoints SET url='https://other.example.com/'", "UPDATE configuration SET generation=generation+7 WHERE id=1", "SELECT 0")
		n.eventually("b has read everything again", func() bool {
			p, err := n.b.Project(n.ctx, n.project)
			n.no(err)
			l, err := n.b.Lane(n.ctx, e.ID)
			n.no(err)
			_, found := n.b.Project(n.ctx, gone)
			return p.Language == "pt-BR" && l.Endpoint.URL == "https://other.example.com/" && l.Project.Language == "pt-BR" && errors.Is(found, store.ErrNotFound)
		})
		if !n.told.heardOf(e.ID) {
			n.Error("the owner was not told of an endpoint that was in memory")
		}
		if left := n.by("UPDATE changes SET at=now()-interval '59 minutes'", "SELECT count(*) FROM changes"); left == 0 {
			n.Fatal("nothing is remembered")
		}
		n.no(second(n.a.Prune(n.ctx, time.Now().Add(-time.Hour), 10_000)))
		if n.by("SELECT count(*) FROM changes") == 0 {
			n.Error("what is younger than an hour is forgotten")
		}
		n.by("UPDATE changes SET at=now()-interval '61 minutes'", "SELECT 0")
		n.no(second(n.a.Prune(n.ctx, time.Now().Add(-time.Hour), 10_000)))
		if left := n.by("SELECT count(*) FROM changes"); left != 0 {
			n.Errorf("%d changes are remembered for longer than an hour", left)
		}
	},
	"dialect kept": func(n *nodes) {
		n.no(n.a.KeepDialects(n.ctx, store.KeptDialect{Ref: "x/1", Source: []byte("{}")}))
		<-n.b.DialectsKept()
	},
}

func second[T any](_ T, err error) error { return err }

// TestCommitsWaitForEachOther: between its look at the generation and its commit
// nobody changes the configuration; and who changes it lets nobody look before
// the change is there.
func TestCommitsWaitForEachOther(t *testing.T) {
	t.Parallel()
	n := newNodes(t)
	e := n.endpoint(n.a, "c")
	n.eventually("b matches", func() bool { return len(n.acceptance(n.b, "c").Endpoints) == 1 })
	committing := n.holding("pg_advisory_xact_lock_shared")
	n.is("an event beside one that is being committed", n.accept(n.b, n.acceptance(n.b, "c")).Err, nil)
	deleted := make(chan error, 1)
	go func() { deleted <- second(n.a.DeleteEndpoint(n.ctx, n.project, e.ID)) }()
	n.waits()
	select {
	case err := <-deleted:
		t.Error("the deletion did not wait for what was being committed:", err)
	default:
	}
	committing()
	n.no(<-deleted)

	e = n.endpoint(n.a, "d")
	n.eventually("b matches", func() bool { return len(n.acceptance(n.b, "d").Endpoints) == 1 })
	a := n.acceptance(n.b, "d")
	changing := n.holding("pg_advisory_xact_lock", "UPDATE configuration SET generation=generation+1 WHERE id=1", "INSERT INTO changes SELECT generation, 2, p.k FROM configuration, projects p WHERE id=1",
		"UPDATE projects SET version=version+1")
	taken := make(chan error, 1)
	go func() {
		out, err := n.b.Accept(n.ctx, []*store.Acceptance{a})
		taken <- errors.Join(err, out[0].Err)
	}()
	n.waits()
	changing()
	n.is("event", <-taken, store.ErrStale)
}

// holding is a transaction of somebody else, that commits when it is called.
func (n *nodes) holding(lock string, do ...string) (commit func()) {
	n.Helper()
	c, err := pgx.Connect(n.ctx, n.url.Reveal())
	n.no(err)
	n.Cleanup(func() { _ = c.Close(context.WithoutCancel(n.ctx)) })
	do = append([]string{"SET session_replication_role=replica", "BEGIN", fmt.Sprintf("SELECT %s(%d)", lock, store.ConfigurationLock)}, do...)
	for _, q := range do {
		_, err := c.Exec(n.ctx, q)
		n.no(err)
	}
	return func() {
		n.Helper()
		_, err := c.Exec(n.ctx, "COMMIT")
		n.no(err)
	}
}

// waits returns when somebody waits for a lock.
func (n *nodes) waits() {
	n.Helper()
	n.eventually("somebody waits", func() bool {
		return n.by("SELECT count(*) FROM pg_locks WHERE locktype='advisory' AND NOT granted AND database=(SELECT oid FROM pg_database WHERE datname=current_database())") > 0
	})
}

// takeIn takes an event in for an endpoint as the API does, once.
func (n *nodes) takeIn(endpoint store.ID, key [32]byte) bool {
	access := n.b.Access()
	if _, err := n.b.KeyByHash(n.ctx, key, time.Now()); err != nil {
		return false
	}
	a := n.acceptance(n.b, "c")
	a.Access = access
	return slices.Contains(a.Endpoints, endpoint) && n.accept(n.b, a).Err == nil
}

// TestNothingAfterTheAnswer: while one node deletes an endpoint, or revokes a
// key, another takes in events as fast as it can. Once the change is answered,
// none is taken in any more with what was before.
func TestNothingAfterTheAnswer(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*nodes, *store.Endpoint, *store.Key) error{
		"endpoint deleted": func(n *nodes, e *store.Endpoint, _ *store.Key) error {
			return second(n.a.DeleteEndpoint(n.ctx, n.project, e.ID))
		},
		"key revoked": func(n *nodes, _ *store.Endpoint, k *store.Key) error { return n.a.RevokeKey(n.ctx, n.project, k.ID) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNodes(t)
			e := n.endpoint(n.a, "c")
			k, hash := n.key("")
			_, err := n.b.KeyByHash(n.ctx, hash, time.Now())
			n.no(err)
			var answered, accepted, refused atomic.Int64
			var wg sync.WaitGroup
			many := make(chan struct{})
			for range 8 {
				wg.Go(func() {
					for after := 0; after < 25; {
						over := answered.Load() != 0
						if over {
							after++
						}
						switch took := n.takeIn(e.ID, hash); {
						case !took:
							refused.Add(1)
						case over:
							t.Error("an event was accepted after the answer")
						case accepted.Add(1) == 400:
							close(many)
						}
					}
				})
			}
			<-many
			n.no(end(n, e, k))
			answered.Store(1)
			wg.Wait()
			t.Logf("%d accepted, %d refused", accepted.Load(), refused.Load())
			if strings.HasPrefix(name, "endpoint") { // nothing of it is left behind
				n.eventually("all is cancelled", func() bool {
					p, err := n.b.Deliveries(n.ctx, n.project, store.Filter{EndpointID: e.ID, States: []store.State{store.Pending}})
					return err == nil && len(p.Items) == 0
				})
			}
		})
	}
}
