//go:build unix

package acceptance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestOrderUnderKills: an endpoint that takes one request at a time gets its
// events in the order in which they were accepted, by whatever server, and
// whatever becomes of the servers that accept and send them. What was under way
// when one was killed comes again; nothing that comes for the first time comes
// before what was accepted before.
func TestOrderUnderKills(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 4)
	f.settle()
	const endpoints, rounds = 12, 30
	f.endpoints("o", endpoints, map[string]any{"concurrency": 1})
	order := map[string]int{}
	n := 0
	send := func(rounds int, servers ...int) {
		for range rounds {
			for i := range endpoints {
				order[f.send(servers[(n+i)%len(servers)], fmt.Sprint("o", i))] = n
			}
			n++
		}
	}
	send(rounds, 0, 1, 2, 3)
	send(1, 2)
	f.servers[2].Kill() // and with it all that it did not tell yet
	send(rounds, 0, 1, 3)
	send(1, 1)
	f.servers[1].Kill()
	send(rounds, 0, 3)
	f.await("/o", endpoints*n, lease+patience)
	for i := range endpoints {
		f.inOrder(fmt.Sprint("/o", i), order)
	}
}

// inOrder fails where a delivery came for the first time before one whose event
// was accepted before its own.
func (f *fleet) inOrder(path string, order map[string]int) {
	f.Helper()
	type first struct {
		n  int
		at time.Time
	}
	var all []first
	f.inbox.mu.Lock()
	for of, at := range f.inbox.came {
		p, id, _ := strings.Cut(of, " ")
		if n, known := order[id]; p == path && known {
			all = append(all, first{n, at[0]})
		}
	}
	f.inbox.mu.Unlock()
	if len(all) == 0 {
		f.Fatalf("%s: nothing came under an id that was given", path)
	}
	slices.SortFunc(all, func(a, b first) int { return a.at.Compare(b.at) })
	for i := 1; i < len(all); i++ {
		if all[i].n < all[i-1].n {
			f.Errorf("%s: event %d came after event %d", path, all[i].n, all[i-1].n)
		}
	}
}
