package main

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// ledger is what the harness knows for sure: what it sent, what was
// acknowledged, what arrived. It lives outside the process under torture.
type ledger struct {
	mu         sync.Mutex
	events     []*entry // by number
	violations []string
	unknown    int // answers that never came
	rejected   int // 429 and 503
	repeated   int // keys posted again after their acknowledgement
}

// entry is one event in the ledger.
type entry struct {
	n        int
	key      string
	consumer int
	sum      [32]byte // of the data
	id       string   // as acknowledged; empty: not yet
	ackedAt  time.Time
	arrivals []arrival
}

// arrival is one request that a receiver took.
type arrival struct {
	endpoint int
	id       string // webhook-id
	life     int    // of the server, from 1; 0: not known
	at       time.Time
	until    time.Time // when it is answered
	answered int       // status; 0: connection cut
}

func (l *ledger) violate(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.violateLocked(format, args...)
}

func (l *ledger) violateLocked(format string, args ...any) {
	if len(l.violations) < 50 {
		l.violations = append(l.violations, fmt.Sprintf(format, args...))
	}
}

// open makes the next entry.
func (l *ledger) open(consumer int, keyPrefix string, data func(n int) []byte) (*entry, []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.events)
	d := data(n)
	e := &entry{n: n, key: fmt.Sprintf("%s-%d", keyPrefix, n), consumer: consumer, sum: sha256.Sum256(d)}
	l.events = append(l.events, e)
	return e, d
}

// ack notes an acknowledgement; every one for a key must name the same event.
func (l *ledger) ack(e *entry, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case id == "":
		l.violateLocked("event %d: a 2xx without an id", e.n)
	case e.id == "":
		e.id, e.ackedAt = id, time.Now()
	case e.id != id:
		l.violateLocked("event %d: key %s made two events, %s and %s", e.n, e.key, e.id, id)
	}
}

// arrive notes a request for event n whose data hashes to sum.
func (l *ledger) arrive(n int, sum [32]byte, a arrival) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < 0 || n >= len(l.events) {
		l.violateLocked("an event arrived that was never sent: %d at endpoint %d", n, a.endpoint)
		return
	}
	e := l.events[n]
	if e.sum != sum {
		l.violateLocked("event %d arrived altered at endpoint %d", n, a.endpoint)
	}
	if endpointConsumer(a.endpoint) != e.consumer {
		l.violateLocked("event %d of consumer %d arrived at endpoint %d of another", n, e.consumer, a.endpoint)
	}
	e.arrivals = append(e.arrivals, a)
}

// verdict is what is wrong, as one error.
func (l *ledger) verdict() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.violations) == 0 {
		return nil
	}
	return fmt.Errorf("%d violations:\n    %s", len(l.violations), strings.Join(l.violations, "\n    "))
}

// waiting counts the latest events that were acknowledged so long ago and have
// not arrived everywhere.
func (l *ledger) waiting(since time.Duration) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := time.Now().Add(-since)
	for _, e := range l.events[max(0, len(l.events)-5000):] {
		if e.id == "" || e.ackedAt.After(before) {
			continue
		}
		var seen [perConsumer]bool
		for _, a := range e.arrivals {
			seen[a.endpoint%perConsumer] = true
		}
		if slices.Contains(seen[:], false) {
			n++
		}
	}
	return n
}
