//go:build unix

package store_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// TestNodesAtOnce: what holds where one process writes holds where two write at
// once.
func TestNodesAtOnce(t *testing.T) {
	t.Parallel()
	for name, test := range racing {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newNodes(t))
		})
	}
}

// atOnce does something several times on both nodes at once; it returns how
// often it worked. All else must fail as it is said.
func (n *nodes) atOnce(times int, otherwise error, do func(db *store.DB, i int) error) (worked int) {
	n.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range times {
		for _, db := range []*store.DB{n.a, n.b} {
			wg.Go(func() {
				<-begin
				err := do(db, i)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					worked++
				case otherwise == nil || !errors.Is(err, otherwise):
					n.Errorf("%v, want %v", err, otherwise)
				}
			})
		}
	}
	close(begin)
	wg.Wait()
	return worked
}

// exactly fails unless so many worked.
func (n *nodes) exactly(want, worked int) {
	n.Helper()
	if worked != want {
		n.Errorf("%d worked, want %d", worked, want)
	}
}

// counted is a text that counts how often it was changed.
func counted(was string) string {
	n, _ := strconv.Atoi(was)
	return strconv.Itoa(n + 1)
}

var racing = map[string]func(*nodes){
	"endpoints of a consumer": func(n *nodes) {
		n.exactly(10, n.atOnce(10, store.ErrLimit, func(db *store.DB, _ int) error {
			return db.CreateEndpoint(n.ctx, anEndpoint(n.project, "c"), 10)
		}))
	},
	"portal sessions of a consumer": func(n *nodes) {
		k, _ := n.key("")
		n.exactly(5, n.atOnce(6, store.ErrLimit, func(db *store.DB, i int) error {
			p := &store.PortalSession{ProjectID: n.project, Consumer: "c", Access: store.PortalRead, MadeBy: k.ID, ExpiresAt: time.Now().Add(time.Hour)}
			return second(db.CreatePortalSessionOnce(n.ctx, p, sha256.Sum256(fmt.Appendf(nil, "%p %d", db, i)), 5, nil))
		}))
	},
	"links of an endpoint": func(n *nodes) {
		e := n.endpoint(n.a, "c")
		n.exactly(3, n.atOnce(4, store.ErrLimit, func(db *store.DB, i int) error {
			l := &store.SecretLink{EndpointID: e.ID, ExpiresAt: time.Now().Add(time.Hour)}
			return second(db.CreateSecretLinkOnce(n.ctx, n.project, l, sha256.Sum256(fmt.Appendf(nil, "%p %d", db, i)), 3, nil))
		}))
	},
	"a link is opened once": func(n *nodes) {
		e := n.endpoint(n.a, "c")
		hash := sha256.Sum256([]byte("link"))
		_, err := n.a.CreateSecretLinkOnce(n.ctx, n.project, &store.SecretLink{EndpointID: e.ID, ExpiresAt: time.Now().Add(time.Hour)}, hash, 3, nil)
		n.no(err)
		n.exactly(1, n.atOnce(3, store.ErrConflict, func(db *store.DB, _ int) error {
			_, _, err := db.OpenSecretLink(n.ctx, hash, "127.0.0.1")
			return err
		}))
	},
	"names of projects": func(n *nodes) {
		n.exactly(4, n.atOnce(4, store.ErrConflict, func(db *store.DB, i int) error {
			return db.CreateProject(n.ctx, &store.Project{Name: fmt.Sprint("same", i), Environment: store.Production, Dialect: "standard"})
		}))
	},
	"hosts of projects": func(n *nodes) {
		n.exactly(3, n.atOnce(3, store.ErrHost, func(db *store.DB, i int) error {
			p := &store.Project{Name: fmt.Sprintf("%p %d", db, i), Environment: store.Production, Dialect: "standard", Host: fmt.Sprintf("h%d.example.com", i)}
			return db.CreateProject(n.ctx, p)
		}))
	},
	"names of event types": func(n *nodes) {
		n.exactly(4, n.atOnce(4, store.ErrConflict, func(db *store.DB, i int) error {
			return db.CreateEventType(n.ctx, &store.EventType{ProjectID: n.project, Name: fmt.Sprint("same", i)})
		}))
	},
	"texts of keys": func(n *nodes) {
		n.exactly(4, n.atOnce(4, store.ErrConflict, func(db *store.DB, i int) error {
			return db.CreateKey(n.ctx, &store.Key{ProjectID: n.project}, sha256.Sum256(fmt.Append(nil, "same", i)))
		}))
	},
	"a creation that is repeated": func(n *nodes) {
		var mu sync.Mutex
		made := map[store.ID]bool{}
		n.exactly(8, n.atOnce(4, nil, func(db *store.DB, _ int) error {
			e := anEndpoint(n.project, "c")
			o := &store.Once[store.Endpoint]{Claim: store.Claim{Project: n.project, Key: "k"}, Answer: func(e *store.Endpoint) ([]byte, error) { return e.ID[:], nil }}
			before, err := db.CreateEndpointOnce(n.ctx, e, 0, o)
			mu.Lock()
			defer mu.Unlock()
			if id := e.ID; before != nil {
				made[store.ID(before)] = true
			} else {
				made[id] = true
			}
			return err
		}))
		es, err := n.a.Endpoints(n.ctx, n.project, "c", store.ID{}, 10)
		n.no(err)
		if len(made) != 1 || len(es) != 1 || !made[es[0].ID] {
			n.Errorf("%d endpoints, %d answers", len(es), len(made))
		}
	},
	"an event that is repeated": func(n *nodes) {
		n.endpoint(n.a, "c")
		n.eventually("b matches", func() bool { return len(n.acceptance(n.b, "c").Endpoints) == 1 })
		var mu sync.Mutex
		kept := map[string]map[store.ID]bool{}
		n.exactly(40, n.atOnce(20, nil, func(db *store.DB, i int) error {
			a := n.acceptance(db, "c")
			a.Event.IdempotencyKey = fmt.Sprint("k", i%10)
			out, err := db.Accept(n.ctx, []*store.Acceptance{a})
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if kept[a.Event.IdempotencyKey] == nil {
				kept[a.Event.IdempotencyKey] = map[store.ID]bool{}
			}
			kept[a.Event.IdempotencyKey][out[0].EventID] = true
			return out[0].Err
		}))
		for key, ids := range kept {
			if len(ids) != 1 {
				n.Errorf("%s was kept %d times", key, len(ids))
			}
		}
	},
	"changes of a project": func(n *nodes) {
		n.exactly(12, n.atOnce(6, nil, func(db *store.DB, _ int) error {
			return second(db.UpdateProject(n.ctx, n.project, func(p *store.Project) error { p.Language = counted(p.Language); return nil }))
		}))
		p, err := n.a.UpdateProject(n.ctx, n.project, func(*store.Project) error { return nil })
		n.no(err)
		if p.Language != "12" {
			n.Errorf("%s changes of 12 are there", p.Language)
		}
	},
	"changes of an endpoint": func(n *nodes) {
		e := n.endpoint(n.a, "c")
		n.exactly(12, n.atOnce(6, nil, func(db *store.DB, _ int) error {
			_, _, err := db.UpdateEndpoint(n.ctx, n.project, e.ID, func(e *store.Endpoint) error { e.Description = counted(e.Description); return nil })
			return err
		}))
		e, err := n.b.Endpoint(n.ctx, n.project, e.ID)
		n.no(err)
		if e.Description != "12" {
			n.Errorf("%s changes of 12 are there", e.Description)
		}
	},
	"changes of a consumer": func(n *nodes) {
		n.exactly(12, n.atOnce(6, nil, func(db *store.DB, _ int) error {
			_, _, err := db.PutConsumer(n.ctx, n.project, "c", func(c *store.Consumer) { c.Name = counted(c.Name) })
			return err
		}))
		c, err := n.b.Consumer(n.ctx, n.project, "c")
		n.no(err)
		if c.Name != "12" {
			n.Errorf("%s changes of 12 are there", c.Name)
		}
	},
	"changes of an event type": func(n *nodes) {
		n.no(n.a.CreateEventType(n.ctx, &store.EventType{ProjectID: n.project, Name: "x"}))
		n.exactly(12, n.atOnce(6, nil, func(db *store.DB, _ int) error {
			return second(db.UpdateEventType(n.ctx, n.project, "x", func(t *store.EventType) error { t.Description = counted(t.Description); return nil }))
		}))
		et, err := n.b.EventType(n.ctx, n.project, "x")
		n.no(err)
		if et.Description != "12" {
			n.Errorf("%s changes of 12 are there", et.Description)
		}
	},
	"the last root keys": func(n *nodes) {
		keys := map[*store.DB]*store.Key{n.a: {}, n.b: {}}
		for db, k := range keys {
			n.no(n.a.CreateKey(n.ctx, k, sha256.Sum256(fmt.Appendf(nil, "%p", db))))
		}
		n.exactly(1, n.atOnce(1, store.ErrLastKey, func(db *store.DB, _ int) error { return db.RevokeRootKey(n.ctx, keys[db].ID, false) }))
	},
	"a project that goes while an endpoint comes": func(n *nodes) {
		for i := range 5 {
			p := n.newProject(n.a, fmt.Sprint("short", i))
			worked := n.atOnce(1, nil, func(db *store.DB, _ int) error {
				if db == n.b {
					if err := db.CreateEndpoint(n.ctx, anEndpoint(p, "c"), 0); !errors.Is(err, store.ErrNotFound) {
						return err
					}
					return nil
				}
				var has *store.HasEndpoints
				if err := db.DeleteProject(n.ctx, p); !errors.As(err, &has) {
					return err
				}
				return nil
			})
			n.exactly(2, worked)
			_, there := n.a.Project(n.ctx, p)
			n.no(second(n.b.UpdateProject(n.ctx, n.project, func(*store.Project) error { return nil }))) // so b has heard
			es, err := n.b.Endpoints(n.ctx, p, "", store.ID{}, 10)
			if there == nil && len(es) != 1 || there != nil && !errors.Is(err, store.ErrNotFound) {
				n.Errorf("the project: %v; its endpoints: %d, %v", there, len(es), err)
			}
		}
	},
	"a storm of changes": func(n *nodes) {
		n.endpoint(n.a, "c")
		n.eventually("b matches", func() bool { return len(n.acceptance(n.b, "c").Endpoints) == 1 })
		other := n.newProject(n.a, "other")
		quiet := make(chan struct{})
		var changes int
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				select {
				case <-quiet:
					return
				default:
					n.no(n.a.CreateEndpoint(n.ctx, anEndpoint(other, "c"), 0))
					changes++
				}
			}
		})
		for range 100 {
			n.is("event", n.accept(n.b, n.acceptance(n.b, "c")).Err, nil)
		}
		for range 10 {
			n.no(n.b.CreateEndpoint(n.ctx, anEndpoint(other, "d"), 0))
		}
		close(quiet)
		wg.Wait()
		n.Logf("%d changes meanwhile", changes)
	},
}
