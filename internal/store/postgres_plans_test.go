//go:build unix

package store_test

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// TestPostgresPlans asks PostgreSQL how it would carry out the statements that
// connections have prepared, while its tables are nearly empty: such plans are
// kept, and there may be millions of rows soon after.
func TestPostgresPlans(t *testing.T) {
	t.Parallel()
	a := newAged(t)
	ctx := t.Context()
	a.accept(20, 5)
	second := &store.Endpoint{ProjectID: a.p.ID, Consumer: "other", URL: "https://example.com/hook", EventTypes: []string{"*"}, Secrets: []store.SigningSecret{{Value: "whsec_abc"}}}
	a.must(a.db.CreateEndpoint(ctx, second, 0))
	for i := range 10 {
		a.acceptKeyed(fmt.Sprint("key", i%7))
	}
	for range 7 {
		_, err := a.db.LoadQueues(ctx, []store.QueueRead{{Endpoint: a.e.ID, Limit: 8, MaxBytes: 1 << 20}, {Endpoint: second.ID, Limit: 8, MaxBytes: 1 << 20}})
		a.must(err)
		_, err = a.db.LoadDue(ctx, a.e.ID, store.Place{}, 8, 1<<20)
		a.must(err)
		_, err = a.db.PendingEndpoints(ctx, store.ID{}, 10)
		a.must(err)
		for _, f := range []store.Filter{
			{}, {EndpointID: a.e.ID}, {Consumer: "acme"}, {Type: "a.b"}, {States: []store.State{store.Pending}}, {States: []store.State{store.Failed, store.Pending}},
			{States: []store.State{store.Pending}, EndpointID: a.e.ID}, {MinStatus: 500, MaxStatus: 599}, {NoAnswer: true}, {IdempotencyKey: "key1"}, {From: time.Now().Add(-time.Hour), Until: time.Now()},
		} {
			_, err := a.db.Deliveries(ctx, a.p.ID, f)
			a.must(err)
			_, err = a.db.Events(ctx, a.p.ID, f)
			a.must(err)
		}
	}
	a.must(a.db.Flush(ctx))
	a.exec("VACUUM ANALYZE")
	plans, err := a.db.Plans(ctx)
	a.must(err)
	a.must(a.db.Close())
	seen := map[string]bool{"INTO events": false, "FROM idempotency o": false, "FROM queue w": false, "DELETE FROM queue": false}
	for q, plan := range plans {
		for _, m := range regexp.MustCompile(`(Seq Scan|Hash Join|Merge Join)(?: on (\w+))?`).FindAllStringSubmatch(plan, -1) {
			if !fewRows[m[2]] {
				t.Errorf("%s\n%s", q, plan)
				break
			}
		}
		for _, m := range queueScans.FindAllStringSubmatch(plan, -1) {
			if column := map[string]string{"project": "project"}[m[1]]; !strings.Contains(m[2], cmp.Or(column, "endpoint")) {
				t.Errorf("%s reads all of an index of the queue:\n%s", q, plan)
			}
		}
		for part, found := range seen {
			seen[part] = found || strings.Contains(q, part)
		}
		if strings.Contains(q, "FROM idempotency o") && !strings.Contains(plan, "(day = d.day) AND (project = u.project) AND (key = u.key)") {
			t.Errorf("keys are not found by all of theirs:\n%s", plan)
		}
	}
	for part, found := range seen {
		if !found {
			t.Errorf("no statement has %s", part)
		}
	}
}

// queueScans are of the queue's indexes that are not by k, and what for.
var queueScans = regexp.MustCompile(`(?:using|Scan on) queue_(?:due|by_(endpoint|project))\b.*(?:\n\s+Index Cond: (.*))?`)

// fewRows are tables that are small by their nature, or whose rows are all in
// memory.
var fewRows = map[string]bool{"nodes": true, "shards": true, "deletions": true, "skips": true, "projects": true, "goose_db_version": true}

func (a *aged) acceptKeyed(key string) {
	a.Helper()
	subs, err := a.db.Subscriptions(a.Context(), a.p.ID, "acme")
	a.must(err)
	out, err := a.db.Accept(a.Context(), []*store.Acceptance{{
		Event:     &store.Event{ProjectID: a.p.ID, Consumer: "acme", Type: "a.b", Data: []byte(`{}`), Dialect: "standard/1", Time: time.Now(), IdempotencyKey: key},
		Endpoints: []store.ID{a.e.ID}, Version: subs.Version, RequestHash: sha256.Sum256([]byte(key)),
	}})
	a.must(err)
	a.must(out[0].Err)
}
