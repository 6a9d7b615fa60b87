//go:build unix

package store_test

import (
	"sync"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// TestArrivalsOfAnotherProcess: whoever waits at one process gets what another
// one keeps, and reading on from the last leaves none out, however the two
// write beside each other.
func TestArrivalsOfAnotherProcess(t *testing.T) {
	t.Parallel()
	n := newNodes(t)
	i := &store.Inspector{ProjectID: n.project, Token: store.NewInspectorToken(), Keep: time.Hour}
	_, err := n.a.CreateInspectorOnce(n.ctx, i, 10, nil)
	n.no(err)
	const each = 40
	var senders sync.WaitGroup
	for _, db := range []*store.DB{n.a, n.b} {
		for range 2 {
			senders.Go(func() {
				for range each {
					if err := db.KeepInspected(n.ctx, &store.InspectedRequest{InspectorID: i.ID}); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	seen := map[store.ID]bool{}
	var after store.ID
	for range 4 * each {
		r, err := n.a.NextInspected(n.ctx, n.project, i.ID, after)
		if err != nil || r == nil || seen[r.ID] {
			t.Fatalf("after %d: %v %v", len(seen), r, err)
		}
		after, seen[r.ID] = r.ID, true
	}
	senders.Wait()
	got, err := n.b.Inspector(n.ctx, n.project, i.ID)
	n.no(err)
	if got.Requests != 4*each {
		t.Errorf("%d are counted", got.Requests)
	}
	waiting := make(chan *store.InspectedRequest)
	go func() {
		r, err := n.b.NextInspected(n.ctx, n.project, i.ID, after)
		if err != nil {
			t.Error(err)
		}
		waiting <- r
	}()
	r := &store.InspectedRequest{InspectorID: i.ID}
	n.no(n.a.KeepInspected(n.ctx, r))
	if got := <-waiting; got == nil || got.ID != r.ID {
		t.Errorf("%v", got)
	}
}
