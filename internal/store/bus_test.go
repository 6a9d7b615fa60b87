//go:build unix

package store_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/malote-dev/malote/bench/postgres"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

const busPatience = 30 * time.Second // on a busy machine

// ear is a bus and what it hears.
type ear struct {
	*store.Bus
	t     *testing.T
	heard chan store.Heard
	log   *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newEar(t *testing.T, url secret.Text, slot int, echoes time.Duration) *ear {
	t.Helper()
	e := &ear{t: t, heard: make(chan store.Heard, 100_000), log: &lockedBuffer{}}
	var err error
	if e.Bus, err = store.NewBus(url, slot, e.log, echoes, e.heard); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	e.hears("missed", every) // from now on it hears all
	return e
}

// hears waits for a message of a kind, or of any.
func (e *ear) hears(kind string, is func(store.Heard) bool) store.Heard {
	e.t.Helper()
	for late := time.After(busPatience); ; {
		select {
		case h := <-e.heard:
			if (kind == "" || h.Kind == kind) && is(h) {
				return h
			}
		case <-late:
			e.t.Fatalf("never heard %q; the log says:\n%s", kind, e.log)
		}
	}
}

func every(store.Heard) bool { return true }

// TestBus: what is told to a slot or to all arrives there, once and not at who
// tells it, however much it is.
func TestBus(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	a, b, c := newEar(t, url, 3, busPatience), newEar(t, url, 40, busPatience), newEar(t, url, 62, busPatience)
	for range 1000 {
		a.Grew(40, 7, 900)
	}
	a.Grew(40, 7, 800)
	const many = 5000
	for n := range int64(many) {
		a.Delivery(store.ToAll, 1<<62-n, 1<<61+n)
	}
	for _, e := range []*ear{b, c} {
		seen, grew := map[int64]bool{}, e == c // that one went to the other alone
		for len(seen) < many || !grew {
			h := e.hears("", every)
			switch at := 1<<62 - h.A; {
			case h.Kind == "g":
				grew = grew || h == store.Heard{Slot: 3, Kind: "g", A: 7, Due: 800}
			case h.Kind != "d" || at < 0 || at >= many || h.B != 1<<61+at || seen[at]:
				t.Fatalf("heard %+v", h)
			default:
				seen[at] = true
			}
		}
	}
	b.Grew(store.ToAll, 9, 9)
	a.hears("g", func(h store.Heard) bool { return h.A == 9 && h.Slot == 40 })
	c.hears("g", func(h store.Heard) bool { return h.A == 9 })
	for _, e := range []*ear{a, b, c} {
		for len(e.heard) > 0 {
			if h := <-e.heard; h.Kind != "g" || e == a && h.A == 7 || e == b && h.A == 9 || e == c && h.A == 7 {
				t.Errorf("heard %+v beside", h)
			}
		}
		if s := e.log.String(); s != "" {
			t.Error(s)
		}
	}
}

// TestBusIsBounded: what there is no room for is not told, but that there was
// something is.
func TestBusIsBounded(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	a, b := newEar(t, url, 1, busPatience), newEar(t, url, 2, busPatience)
	for n := range int64(300_000) { // faster than they can be told
		a.Delivery(store.ToAll, n, n)
	}
	b.hears("missed", every)
}

// proxied is a way to a database that can be cut.
func proxied(t *testing.T, url secret.Text) (*postgres.Proxy, secret.Text) {
	t.Helper()
	c := sharedCluster(t)
	proxy, err := postgres.NewProxy(c.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	return proxy, secret.Text(c.LoopbackURL(nameIn(url), proxy.Address()))
}

// TestBusOutlivesItsConnections, and says that something may have been missed.
func TestBusOutlivesItsConnections(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	proxy, through := proxied(t, url)
	a, b := newEar(t, through, 1, busPatience), newEar(t, through, 2, busPatience)
	for i := range 3 {
		proxy.Break()
		b.hears("missed", every)
		a.Grew(2, 5, int64(i))
		b.hears("g", func(h store.Heard) bool { return h.Due == int64(i) })
	}
	if n := strings.Count(b.log.String(), "\n"); n > 3 {
		t.Errorf("said too often:\n%s", b.log)
	}
}

// TestBusIgnoresStrangers: what does not parse harms nobody, and is said once.
func TestBusIgnoresStrangers(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	a, b := newEar(t, url, 1, busPatience), newEar(t, url, 2, busPatience)
	c := sharedCluster(t)
	for _, text := range []string{"", "hello", "1.", "1.1,", "1.1,g.", "1.1,gg.1", "1.1,g.zzzzzzzzzzzzzzzzzz", "1.1,g.1.2.3.4.5.6", "1.1,x.1", "2.1,g.1", "1.99999999,g.1"} {
		if err := c.Exec(t.Context(), nameIn(url), "NOTIFY malote, '"+text+"'"); err != nil {
			t.Fatal(err)
		}
	}
	a.Grew(2, 77, 77)
	b.hears("g", func(h store.Heard) bool { return h.A == 77 })
	if n := strings.Count(b.log.String(), "is ignored"); n != 1 {
		t.Errorf("said %d times:\n%s", n, b.log)
	}
}

// TestBusBehindAPooler: where what is told does not arrive, that is said once,
// and everything is looked at now and then.
func TestBusBehindAPooler(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	proxy, through := proxied(t, url)
	proxy.Deafen(true)
	a := newEar(t, through, 1, 200*time.Millisecond)
	for range busLooks {
		a.hears("missed", every)
	}
	b := newEar(t, url, 2, busPatience)
	a.Grew(2, 6, 6) // it speaks all the same
	b.hears("g", every)
	if n := strings.Count(a.log.String(), "do not arrive"); n != 1 || strings.Count(a.log.String(), "\n") != 1 {
		t.Errorf("said:\n%s", a.log)
	}
	proxy.Deafen(false)
	b.Grew(1, 8, 8)
	for range 1000 {
		select {
		case h := <-a.heard:
			if h.A == 8 {
				return
			}
		case <-time.After(10 * time.Millisecond):
			b.Grew(1, 8, 8)
		}
	}
	t.Error("it never heard again")
}

const busLooks = 15 // more than one round of trying

// nameIn is the database of a URL.
func nameIn(url secret.Text) string {
	name := url.Reveal()
	name = name[strings.LastIndex(name, "/")+1:]
	name, _, _ = strings.Cut(name, "?")
	return name
}
