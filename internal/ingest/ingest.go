// Package ingest accepts events: it validates, matches them with the
// endpoints that want them, and has the store keep event and deliveries in one
// commit. It never calls deliver.
package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/match"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Request is an event as a caller hands it in.
type Request struct {
	Project        store.ID
	Type           string    // 1 to 128 characters of a-z, A-Z, 0-9, _, . and -
	Consumer       string    // uid; "*": all, needs Broadcast
	Data           []byte    // raw JSON, kept as it is: repeated keys, order, escapes, numbers
	Timestamp      time.Time // zero: now; else from the year 2000 to a day from now
	Channels       []string  // at most 10 names of 1 to 128 characters as in types; order and repeats do not matter
	IdempotencyKey string    // at most 256 printable ASCII characters
	KeysOf         string    // whose idempotency keys: of a consumer that sends by itself; "" is the project
	Broadcast      bool      // the key has the scope events:broadcast
	// Access is what [store.DB.Access] said before the caller's key was looked
	// up; only with Recheck, which is then asked where it moved.
	Access uint64
	// Recheck, if not nil, is asked again before an event is matched a second
	// time, as the configuration that moved may have been the caller's key.
	Recheck func(context.Context) error

	checked  bool     // Data was checked when the body was read
	batchKey bool     // IdempotencyKey was derived from a checked one
	batch    [32]byte // of the whole batch, where batchKey
}

// Result of one request.
type Result struct {
	EventID    store.ID
	Deliveries int
	Unreached  string // why it reached nobody, in words
	Duplicate  bool   // the idempotency key was used before with the same request
	More       bool   // a broadcast goes on in the background
	Err        error  // FieldErrors, store.ErrConflict, ErrBusy, ErrDialect, what Recheck returned
}

// Errors of one request.
var (
	// ErrBusy: the configuration moved at each of several tries to match.
	ErrBusy = errors.New("the project's configuration keeps changing")
	// ErrDialect: the project's dialect is not loaded by this server.
	ErrDialect = errors.New("the project's dialect is not loaded")
	// ErrInactive: a test cannot be sent to a paused or disabled endpoint.
	ErrInactive = errors.New("the endpoint is not active")
)

// matchTries is how often an event is matched before it is given back.
const matchTries = 5

// Options of an Ingester.
type Options struct {
	Store    *store.DB
	Dialects func(name string) (*webhook.Dialect, bool)
	MaxData  int // bytes of data (default 256 KiB)
}

// Ingester accepts events.
type Ingester struct {
	store    *store.DB
	dialects func(name string) (*webhook.Dialect, bool)
	maxData  int
	schemas  schemas
}

// New makes one.
func New(o Options) *Ingester {
	if o.MaxData <= 0 {
		o.MaxData = 256 << 10
	}
	return &Ingester{store: o.Store, dialects: o.Dialects, maxData: o.MaxData}
}

// MaxData is the limit of an event's data in bytes.
func (i *Ingester) MaxData() int { return i.maxData }

// Accept keeps events in one durable commit, or in several where they make
// thousands of deliveries: one result each, in order. The error is for all of
// them: then nothing was kept, or, where ctx ended first or the store does not know, the outcome is unknown.
func (i *Ingester) Accept(ctx context.Context, rs []Request) ([]Result, error) {
	now := time.Now()
	var budget match.Budget
	results := make([]Result, len(rs))
	todo := make([]int, 0, len(rs))
	for n := range rs {
		if err := i.check(&rs[n], now); err != nil {
			results[n].Err = err
			continue
		}
		todo = append(todo, n)
	}
	for try := 0; len(todo) > 0; try++ {
		if try == matchTries {
			for _, n := range todo {
				results[n].Err = ErrBusy
			}
			break
		}
		var err error
		if todo, err = i.acceptOnce(ctx, rs, results, todo, now, try > 0, &budget); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// acceptOnce matches and keeps the requests of todo; it returns those whose
// match was out of date.
func (i *Ingester) acceptOnce(ctx context.Context, rs []Request, results []Result, todo []int, now time.Time, again bool, budget *match.Budget) ([]int, error) {
	items := make([]*store.Acceptance, 0, len(todo))
	kept := make([]int, 0, len(todo))
	for _, n := range todo {
		if again && rs[n].Recheck != nil {
			rs[n].Access = i.store.Access()
			if err := rs[n].Recheck(ctx); err != nil {
				results[n].Err = err
				continue
			}
		}
		item, err := i.match(ctx, &rs[n], now, budget)
		if err != nil {
			results[n].Err = err
			continue
		}
		items = append(items, item)
		kept = append(kept, n)
	}
	stale := todo[:0]
	for len(items) > 0 {
		slice := items[:oneCommit(items)]
		accepted, err := i.store.Accept(ctx, slice)
		if err != nil {
			err = fmt.Errorf("keep events: %w", err)
			if !slices.ContainsFunc(results, func(r Result) bool { return !r.EventID.IsZero() }) {
				return nil, err
			}
			for _, n := range kept { // some are kept already: it is the rest that is not
				results[n].Err = err
			}
			break
		}
		for k, a := range accepted {
			if errors.Is(a.Err, store.ErrStale) {
				stale = append(stale, kept[k])
				continue
			}
			results[kept[k]] = Result{
				EventID: a.EventID, Deliveries: a.Deliveries, Unreached: a.Unreached,
				Duplicate: a.Duplicate, More: a.More, Err: a.Err,
			}
		}
		items, kept = items[len(slice):], kept[len(slice):]
	}
	return stale, nil
}

// How many deliveries the events of one commit may make, if they are more
// than one: everybody else's events wait for it, about 25 ms for a thousand.
const (
	commitDeliveries    = 5000
	broadcastDeliveries = 1000 // that the store makes with the event; the rest follows by itself
)

// oneCommit is how many of the items, from the first on, one commit takes.
func oneCommit(items []*store.Acceptance) int {
	total := 0
	for n, a := range items {
		made := len(a.Endpoints)
		if a.Broadcast {
			made = broadcastDeliveries
		}
		if total += made; total > commitDeliveries && n > 0 {
			return n
		}
	}
	return len(items)
}

// match finds who gets an event and makes what the store keeps.
func (i *Ingester) match(ctx context.Context, r *Request, now time.Time, budget *match.Budget) (*store.Acceptance, error) {
	subs, err := i.store.Subscriptions(ctx, r.Project, r.Consumer)
	if err != nil {
		return nil, fmt.Errorf("subscriptions: %w", err)
	}
	d, ok := i.dialects(subs.Project.Dialect)
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrDialect, subs.Project.Dialect)
	}
	if err := d.CheckEvent(r.Consumer, r.Data); err != nil {
		return nil, misfit(err)
	}
	if subs.Rules != nil {
		if err := i.judge(ctx, r, subs.Rules, d); err != nil {
			return nil, err
		}
	}
	at := r.Timestamp
	if at.IsZero() {
		at = now
	}
	a := &store.Acceptance{
		Event: &store.Event{
			ProjectID: r.Project, Consumer: r.Consumer, Type: r.Type, Time: at.UTC(), Data: r.Data, Channels: r.Channels,
			IdempotencyKey: r.keptKey(), Dialect: d.Ref(),
		},
		Version:   subs.Version,
		Access:    r.Access,
		Broadcast: r.Consumer == "*",
	}
	if r.IdempotencyKey != "" {
		a.RequestHash = r.hash()
	}
	if a.Broadcast {
		return a, nil
	}
	why := i.choose(ctx, a, subs, budget)
	if len(a.Endpoints) == 0 {
		a.Event.Unreached = unreached(r, len(subs.Endpoints), why)
	}
	return a, nil
}

// choose names the endpoints that want an event, and counts why others do
// not. The event's data is read only where a filter asks for it.
func (i *Ingester) choose(ctx context.Context, a *store.Acceptance, subs *store.Subscriptions, budget *match.Budget) (why match.Tally) {
	var of *match.Event
	for n := range subs.Endpoints {
		s := &subs.Endpoints[n]
		if !match.Type(s.EventTypes, a.Event.Type) {
			why.Add(match.OtherType)
			continue
		}
		if s.Rules != nil {
			if of == nil {
				e := a.Event
				of = &match.Event{Type: e.Type, Consumer: e.Consumer, Time: e.Time, Channels: e.Channels, Data: e.Data}
			}
			if v, _ := i.store.Filters().Judge(ctx, of, s.Rules, budget, s.EndpointID); v != match.Wanted {
				why.Add(v)
				continue
			}
		}
		a.Endpoints = append(a.Endpoints, s.EndpointID)
	}
	if of != nil {
		of.Done()
	}
	return why
}

func unreached(r *Request, endpoints int, why match.Tally) string {
	switch {
	case endpoints == 0:
		return lang.Keep("consumer %s has no endpoints", r.Consumer)
	case endpoints == 1 && why.Channels == 1:
		return lang.Keep("the only endpoint of consumer %s wants %s on other channels", r.Consumer, r.Type)
	case endpoints == 1 && why.Filters == 1:
		return lang.Keep("the filter of the only endpoint of consumer %s is false for this event", r.Consumer)
	case endpoints == 1:
		return lang.Keep("the only endpoint of consumer %s does not want %s", r.Consumer, r.Type)
	case why.Types == endpoints:
		return lang.Keep("none of the %d endpoints of consumer %s wants %s", endpoints, r.Consumer, r.Type)
	}
	return lang.Keep("none of the %d endpoints of consumer %s wants this event: not %d by their event types, %d by their channels, %d by their filters",
		endpoints, r.Consumer, why.Types, why.Channels, why.Filters)
}

// misfit turns what the dialect refuses into a field error.
func misfit(err error) error {
	var data *webhook.DataError
	if errors.As(err, &data) {
		return FieldErrors{{Pointer: data.Field, Detail: lang.Recall(data.Reason)}}
	}
	return fmt.Errorf("dialect: %w", err)
}

// hash covers what the caller sent, each part with its length, so that no two
// different requests share one. An absent timestamp is its own value: a
// repeat without one is the same request.
func (r *Request) hash() [32]byte {
	b := make([]byte, 0, 64+len(r.Type)+len(r.Consumer)+len(r.Data))
	part := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	part(r.Type)
	part(r.Consumer)
	b = binary.AppendUvarint(b, uint64(len(r.Data)))
	b = append(b, r.Data...)
	if !r.Timestamp.IsZero() {
		b = binary.AppendVarint(append(b, 1), r.Timestamp.UnixNano())
	}
	if r.batchKey {
		b = append(append(b, 2), r.batch[:]...)
	}
	if len(r.Channels) > 0 { // as before channels existed, where there are none
		b = binary.AppendUvarint(append(b, 3), uint64(len(r.Channels)))
		for _, c := range r.Channels {
			part(c)
		}
	}
	return sha256.Sum256(b)
}

// BatchKey gives the events of a batch that carry no key of their own one
// each, made of the batch's key, the position, and bound to the whole body:
// repeating the batch keeps nothing twice.
func BatchKey(items []Item, key string, body []byte) {
	sum := sha256.Sum256(body)
	for n := range items {
		r := &items[n].Request
		if items[n].Err == nil && r.IdempotencyKey == "" {
			// A newline cannot be part of a caller's key.
			r.IdempotencyKey = key + "\n" + strconv.Itoa(n)
			r.batchKey, r.batch = true, sum
		}
	}
}

// keptKey is the idempotency key as the store knows it. A consumer's keys are
// apart from the project's and from other consumers', so that none can take a
// key before the one whose event then would be refused.
func (r *Request) keptKey() string {
	if r.IdempotencyKey == "" || r.KeysOf == "" {
		return r.IdempotencyKey
	}
	return r.IdempotencyKey + "\n@" + r.KeysOf
}

// OwnKey is the idempotency key as its caller sent it; of a batch's event, the
// batch's.
func OwnKey(kept string) string {
	key, _, _ := strings.Cut(kept, "\n")
	return key
}
