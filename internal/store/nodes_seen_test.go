//go:build unix

package store_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// testLog keeps what is logged.
type testLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// count counts the lines that say all of this.
func (l *testLog) count(words ...string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
lines:
	for line := range strings.Lines(l.text.String()) {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue lines
			}
		}
		n++
	}
	return n
}

// nodes are the processes as one of them lists them, by the name that they have
// for their version.
func (m *member) nodes() map[string]store.Node {
	m.Helper()
	list, _, err := m.db.Nodes(m.Context())
	m.no(err)
	by := map[string]store.Node{}
	for _, n := range list {
		by[n.Version] = n
	}
	return by
}

// TestNodesAreSeen: everybody lists everybody, says once who came, who left and
// who died, and nothing while nothing happens.
func TestNodesAreSeen(t *testing.T) {
	t.Parallel()
	y := newYard(t, 3*time.Second)
	a, b, c := y.join("a"), y.join("b"), y.join("c")
	eventually(t, func() bool { return a.owned() == 86 && b.owned()+c.owned() == 170 })
	for _, m := range []*member{a, b, c} {
		by := m.nodes()
		shards := 0
		for name, n := range by {
			shards += n.Shards
			if n.Self != (name == m.name) || n.Chief != (name == "a") || n.State != store.NodeServing || n.Address != "127.0.0.1:1" ||
				n.StartedAt.IsZero() || n.SeenAt.Before(n.StartedAt) || !n.LeaseEnds.Equal(n.SeenAt.Add(3*time.Second)) {
				t.Errorf("%s sees %+v", m.name, n)
			}
		}
		if len(by) != 3 || shards != store.Shards {
			t.Errorf("%s sees %d processes with %d shards", m.name, len(by), shards)
		}
		eventually(t, func() bool { alive, free := m.db.NodesSeen(); return alive == 3 && free == 0 })
	}
	eventually(t, func() bool {
		return a.log.count("another process serves with the database") == 2 && a.log.count("shards moved", "owned=86") == 1
	})

	y.no(b.db.Retire(t.Context()))
	eventually(t, func() bool { n := a.nodes()["b"]; return n.State == store.NodeStopping && n.Shards == 0 })
	b.close()
	eventually(t, func() bool { return len(a.nodes()) == 2 && a.log.count("left in order", "processes=2") == 1 })

	y.settled(map[*member]int{a: 128, c: 128})
	c.silent, c.unclosed = true, true
	resume := c.proxy.Stall()
	defer resume()
	y.settled(map[*member]int{a: 256})
	eventually(t, func() bool {
		return len(a.nodes()) == 1 && a.log.count("level=WARN", "gave no sign of life", "shards=128") == 1 &&
			a.log.count("shards moved", "gained=128", "owned=256") == 1 && c.log.count("level=WARN", "the lease on the database ended") == 1
	})
	if n := a.log.count("a third one saw to it") + a.log.count("a new one has its place"); n > 0 {
		t.Errorf("a death was told of %d times more", n)
	}
	resume()
	select {
	case <-c.fatal:
	case <-time.After(time.Minute):
		t.Fatal("who lost its slot goes on")
	}
}

// TestOnlyNode: with a directory there is one process, which has everything.
func TestOnlyNode(t *testing.T) {
	t.Parallel()
	db, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), NoSecrets: true, MinFree: -1, Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	list, free, err := db.Nodes(t.Context())
	if err != nil || free != 0 || len(list) != 1 {
		t.Fatal(list, free, err)
	}
	if n := list[0]; n.Shards != store.Shards || !n.Self || !n.Chief || n.Version != "1" || n.State != store.NodeServing || !n.LeaseEnds.IsZero() {
		t.Errorf("%+v", n)
	}
	if alive, free := db.NodesSeen(); alive != 1 || free != 0 {
		t.Error(alive, free)
	}
}

// TestWhoSendsSaysWhatWaits: whichever process is asked, it says what the one
// says that sends; where that is silent, that it is not known.
func TestWhoSendsSaysWhatWaits(t *testing.T) {
	t.Parallel()
	y := newYard(t, 30*time.Second)
	a, b := y.join("a"), y.join("b")
	y.settled(map[*member]int{a: 128, b: 128})
	of := map[string]int{}
	for _, e := range y.all {
		owner := a
		if b.db.Owns(e) {
			owner = b
		}
		of[owner.name]++
		for _, m := range []*member{a, b} {
			if why, until := m.db.Waits(t.Context(), e, store.ID{}); why != owner.name+`, "é"` || until.UnixMilli() != 1_900_000_000_000 {
				t.Errorf("%s says %q until %v of an endpoint of %s", m.name, why, until, owner.name)
			}
			if why, until := m.db.Waits(t.Context(), e, e); why != owner.name+", it is: "+e.String() || !until.IsZero() {
				t.Errorf("%s says %q until %v of a delivery of %s", m.name, why, until, owner.name)
			}
		}
	}
	if of["a"] == 0 || of["b"] == 0 {
		t.Fatalf("the endpoints are of %v", of)
	}
	resume := b.proxy.Stall()
	defer resume()
	for _, e := range y.all {
		if a.db.Owns(e) {
			continue
		}
		if why, _ := a.db.Waits(t.Context(), e, store.ID{}); !strings.Contains(why, "not known here") {
			t.Errorf("nobody answers: %q", why)
		}
		break
	}
}
