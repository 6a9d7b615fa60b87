package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/malote-dev/malote/internal/match"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/internal/store/storetest"
	"github.com/malote-dev/malote/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fixture struct {
	t       testing.TB
	db      *store.DB
	in      *Ingester
	project store.ID
}

func setup(tb testing.TB, dialect string) *fixture {
	tb.Helper()
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	if err != nil {
		tb.Fatal(err)
	}
	db, err := store.Open(tb.Context(), store.Options{Dir: storetest.Fresh(tb), Keyring: ring, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	catalog, err := webhook.NewCatalog()
	if err != nil {
		tb.Fatal(err)
	}
	p := &store.Project{Name: "p", Environment: store.Development, Dialect: dialect}
	if err := db.CreateProject(tb.Context(), p); err != nil {
		tb.Fatal(err)
	}
	return &fixture{t: tb, db: db, in: New(Options{Store: db, Dialects: catalog.Lookup, MaxData: 1000}), project: p.ID}
}

func (f *fixture) endpoint(consumer string, types ...string) *store.Endpoint {
	f.t.Helper()
	e := &store.Endpoint{
		ProjectID: f.project, Consumer: consumer, URL: "https://example.com/", EventTypes: types,
		Secrets: []store.SigningSecret{{Value: "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz", CreatedAt: time.Now()}},
	}
	if err := f.db.CreateEndpoint(f.t.Context(), e, 0); err != nil {
		f.t.Fatal(err)
	}
	return e
}

func (f *fixture) accept(rs ...Request) []Result {
	f.t.Helper()
	for i := range rs {
		rs[i].Project = f.project
	}
	out, err := f.in.Accept(f.t.Context(), rs)
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

func TestAcceptRules(t *testing.T) {
	t.Parallel()
	f := setup(t, "gabinete360")
	f.endpoint("c", "*")
	ok := Request{Type: "a", Consumer: "c", Data: []byte(`{"title":"x"}`)}
	with := func(change func(*Request)) Request {
		r := ok
		change(&r)
		return r
	}
	at := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	cases := []struct {
		name string
		r    Request
		want string // "": kept
	}{
		{"plain", ok, ""},
		{"longest type", with(func(r *Request) { r.Type = strings.Repeat("t", MaxType) }), ""},
		{"type too long", with(func(r *Request) { r.Type = strings.Repeat("t", MaxType+1) }), "/type: has 129"},
		{"type with a slash", with(func(r *Request) { r.Type = "a/b" }), "/type: may hold"},
		{"longest uid", with(func(r *Request) { r.Consumer = strings.Repeat("u", MaxUID) }), ""},
		{"uid too long", with(func(r *Request) { r.Consumer = strings.Repeat("u", MaxUID+1) }), "/consumer: has 129"},
		{"uid with a space", with(func(r *Request) { r.Consumer = "a b" }), "/consumer: may hold"},
		{"no consumer", with(func(r *Request) { r.Consumer = "" }), "/consumer: is missing"},
		{"all without the scope", with(func(r *Request) { r.Consumer = "*" }), "/consumer: \"*\" sends to every consumer"},
		{"all", with(func(r *Request) { r.Consumer, r.Broadcast = "*", true }), ""},
		{"the server's own", with(func(r *Request) { r.Consumer = store.SystemConsumer }), "/consumer: is reserved"},
		{"no data", with(func(r *Request) { r.Data = nil }), "/data: is missing"},
		{"data that is not JSON", with(func(r *Request) { r.Data = []byte(`{"a":}`) }), "/data: is not acceptable JSON: line 1, column 6"},
		{"data with more behind", with(func(r *Request) { r.Data = []byte(`{},"type":"b"`) }), "/data: is not acceptable JSON"},
		{"deepest", with(func(r *Request) { r.Data = []byte(`{"d":` + at[1:len(at)-1] + `}`) }), ""},
		{"too deep", with(func(r *Request) { r.Data = []byte(`{"d":` + at + `}`) }), "nests deeper"},
		{"longest data", with(func(r *Request) { r.Data = fmt.Appendf(nil, `{"x":"%s"}`, strings.Repeat("x", 992)) }), ""},
		{"data too long", with(func(r *Request) { r.Data = fmt.Appendf(nil, `{"x":"%s"}`, strings.Repeat("x", 993)) }), "/data: has 1001 bytes; the limit is 1000"},
		{"before 2000", with(func(r *Request) { r.Timestamp = earliest.Add(-1) }), "/timestamp: lies before"},
		{"2000", with(func(r *Request) { r.Timestamp = earliest }), ""},
		{"tomorrow", with(func(r *Request) { r.Timestamp = time.Now().Add(MaxFuture) }), ""},
		{"after tomorrow", with(func(r *Request) { r.Timestamp = time.Now().Add(MaxFuture + time.Minute) }), "/timestamp: lies more than a day"},
		{"longest key", with(func(r *Request) { r.IdempotencyKey = strings.Repeat("k", MaxKey) }), ""},
		{"key too long", with(func(r *Request) { r.IdempotencyKey = strings.Repeat("k", MaxKey+1) }), "/idempotency_key: has 257"},
		{"key with a newline", with(func(r *Request) { r.IdempotencyKey = "k\n1" }), "/idempotency_key: may hold"},
		{"reserved name in a flat envelope", with(func(r *Request) { r.Data = []byte(`{"eventType":"x"}`) }), "/data/eventType: "},
		{"no object in a flat envelope", with(func(r *Request) { r.Data = []byte(`[]`) }), "/data: the envelope is flat"},
		{"most channels", with(func(r *Request) { r.Channels = channelNames(MaxChannels) }), ""},
		{"too many channels", with(func(r *Request) { r.Channels = channelNames(MaxChannels + 1) }), "/channels: has more than 10 names"},
		{"longest channel", with(func(r *Request) { r.Channels = []string{strings.Repeat("c", MaxType)} }), ""},
		{"channel too long", with(func(r *Request) { r.Channels = []string{"a", strings.Repeat("c", MaxType+1)} }), "/channels/1: has 129"},
		{"channel with a space", with(func(r *Request) { r.Channels = []string{"a b"} }), "/channels/0: may hold"},
		{"empty channel", with(func(r *Request) { r.Channels = []string{""} }), "/channels/0: is empty"},
		{"all at once", Request{Type: "a b", Data: []byte(`x`), Timestamp: time.Unix(0, 0)}, "/type: may hold"},
	}
	for _, c := range cases {
		r := f.accept(c.r)[0]
		switch {
		case c.want == "" && (r.Err != nil || r.EventID.IsZero()):
			t.Errorf("%s: %v", c.name, r.Err)
		case c.want != "" && (r.Err == nil || !strings.Contains(r.Err.Error(), c.want) || !r.EventID.IsZero()):
			t.Errorf("%s: %v, want %q", c.name, r.Err, c.want)
		}
		var fields FieldErrors
		if r.Err != nil && (!errors.As(r.Err, &fields) || c.name == "all at once" && len(fields) != 4) {
			t.Errorf("%s: %#v", c.name, r.Err)
		}
	}
}

func TestMatching(t *testing.T) {
	t.Parallel()
	f := setup(t, "standard")
	f.endpoint("c", "task.*")
	f.endpoint("c", "task.created", "user")
	f.endpoint("d", "*")
	rs := f.accept(
		Request{Type: "task.created", Consumer: "c", Data: []byte(`1`)},
		Request{Type: "user", Consumer: "c", Data: []byte(`1`)},
		Request{Type: "userx", Consumer: "c", Data: []byte(`1`)},
		Request{Type: "bad type", Consumer: "c", Data: []byte(`1`)},
		Request{Type: "x", Consumer: "d", Data: []byte(`1`)},
		Request{Type: "x", Consumer: "e", Data: []byte(`1`)},
		Request{Type: "task.created", Consumer: "*", Broadcast: true, Data: []byte(`1`)},
	)
	got := ""
	for _, r := range rs {
		got += fmt.Sprintf("%d %v %q; ", r.Deliveries, r.Err != nil, r.Unreached)
	}
	want := `2 false ""; 1 false ""; 0 false "none of the 2 endpoints of consumer c wants userx"; 0 true ""; 1 false ""; 0 false "consumer e has no endpoints"; 3 false ""; `
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	e, err := f.db.Event(t.Context(), f.project, rs[2].EventID)
	if err != nil || e.Unreached == "" || e.Dialect != "standard/1" || e.Time.IsZero() {
		t.Errorf("%+v %v", e, err)
	}
}

// TestConfigurationMoves: an endpoint that is there when the event is
// accepted gets it, also where the match was made before; endpoints come and
// events go at the same time.
func TestConfigurationMoves(t *testing.T) {
	t.Parallel()
	f := setup(t, "standard")
	made := make(chan struct{})
	go func() {
		defer close(made)
		for range 30 {
			f.endpoint("c", "*")
		}
	}()
	last, busy := 0, 0
	for range 2000 {
		r := f.accept(Request{Type: "a", Consumer: "c", Data: []byte(`1`)})[0]
		if errors.Is(r.Err, ErrBusy) {
			busy++
			continue
		}
		if r.Err != nil || r.Deliveries < last {
			t.Fatalf("%+v after %d deliveries", r, last)
		}
		if last = r.Deliveries; last == 30 {
			break
		}
	}
	<-made
	if r := f.accept(Request{Type: "a", Consumer: "c", Data: []byte(`1`)})[0]; r.Deliveries != 30 || r.Err != nil {
		t.Errorf("%+v", r)
	}
	if busy > 5 {
		t.Errorf("%d events found no quiet moment", busy)
	}
}

// TestRecheck: a caller whose key is gone is not matched a second time.
func TestRecheck(t *testing.T) {
	t.Parallel()
	f := setup(t, "standard")
	gone := errors.New("revoked")
	stale := &Request{Project: f.project, Type: "a", Consumer: "c", Data: []byte(`1`), Recheck: func(context.Context) error { return gone }}
	results := make([]Result, 1)
	todo, err := f.in.acceptOnce(t.Context(), []Request{*stale}, results, []int{0}, time.Now(), true, &match.Budget{})
	if err != nil || len(todo) != 0 || !errors.Is(results[0].Err, gone) {
		t.Errorf("%v %v %v", todo, err, results)
	}
}

// TestAccessTakenAway: a caller whose key was looked up before some key ended
// is asked again, and what he sends is kept if his is in force.
func TestAccessTakenAway(t *testing.T) {
	t.Parallel()
	f := setup(t, "standard")
	found := f.in.store.Access()
	k := &store.Key{ProjectID: f.project}
	if err := f.in.store.CreateKey(t.Context(), k, [32]byte{1}); err != nil {
		t.Fatal(err)
	}
	if err := f.in.store.RevokeKey(t.Context(), f.project, k.ID); err != nil {
		t.Fatal(err)
	}
	gone, asked := errors.New("revoked"), 0
	of := func(access uint64, answer error) Request {
		return Request{Project: f.project, Type: "a", Consumer: "c", Data: []byte(`1`), Access: access, Recheck: func(context.Context) error { asked++; return answer }}
	}
	rs, err := f.in.Accept(t.Context(), []Request{of(found, gone), of(found, nil), of(f.in.store.Access(), gone)})
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(rs[0].Err, gone) || rs[1].Err != nil || rs[2].Err != nil || asked != 2 {
		t.Errorf("%v, asked %d times", rs, asked)
	}
}

func TestHashTellsRequestsApart(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	rs := []Request{
		{Type: "a", Consumer: "b", Data: []byte("1")},
		{Type: "a", Consumer: "c", Data: []byte("1")},
		{Type: "ab", Consumer: "", Data: []byte("1")},
		{Type: "", Consumer: "ab", Data: []byte("1")},
		{Type: "a", Consumer: "b1", Data: nil},
		{Type: "a", Consumer: "b", Data: []byte(" 1")},
		{Type: "a", Consumer: "b", Data: []byte("1"), Timestamp: at},
		{Type: "a", Consumer: "b", Data: []byte("1"), Timestamp: at.Add(1)},
		{Type: "a", Consumer: "b", Data: []byte("1"), Channels: []string{"x"}},
		{Type: "a", Consumer: "b", Data: []byte("1"), Channels: []string{"x", "y"}},
		{Type: "a", Consumer: "b", Data: []byte("1"), Channels: []string{"xy"}},
		{Type: "a", Consumer: "b", Data: []byte("1"), batchKey: true},
		{Type: "a", Consumer: "b", Data: []byte("1"), batchKey: true, batch: [32]byte{1}},
	}
	seen := map[[32]byte]int{}
	for n := range rs {
		h := rs[n].hash()
		if other, twice := seen[h]; twice {
			t.Errorf("%d and %d have one hash", other, n)
		}
		seen[h] = n
	}
	same := Request{Type: "a", Consumer: "b", Data: []byte("1"), Timestamp: at.In(time.FixedZone("x", 3600))}
	if same.hash() != rs[6].hash() {
		t.Error("the same moment in another zone is another request")
	}
}

func TestTestEvent(t *testing.T) {
	t.Parallel()
	f := setup(t, "tarefa")
	e, other := f.endpoint("7", "task.created"), f.endpoint("7", "*")
	r, err := f.in.Test(t.Context(), f.project, e.ID)
	if err != nil || r.Deliveries != 1 {
		t.Fatal(r, err)
	}
	ev, err := f.db.Event(t.Context(), f.project, r.EventID)
	if err != nil || !ev.Test || ev.Type != "test" || ev.Consumer != "7" || !strings.Contains(string(ev.Data), `"testId":"test_`) {
		t.Errorf("%s %+v %v", ev.Data, ev, err)
	}
	if work, err := f.db.LoadDue(t.Context(), other.ID, store.Place{}, 9, 1<<20); err != nil || len(work) != 0 {
		t.Errorf("%v %v", work, err)
	}
	if _, err := f.in.Test(t.Context(), f.project, store.ID{1}); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	if _, err := f.in.Test(t.Context(), store.ID{1}, e.ID); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	_, _, err = f.db.UpdateEndpoint(t.Context(), f.project, e.ID, func(e *store.Endpoint) error { e.State = store.Paused; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.in.Test(t.Context(), f.project, e.ID); !errors.Is(err, ErrInactive) {
		t.Error(err)
	}
}

func TestUnknownDialectAndProject(t *testing.T) {
	t.Parallel()
	f := setup(t, "standard")
	r := Request{Type: "a", Consumer: "c", Data: []byte(`1`)}
	none := New(Options{Store: f.db, Dialects: func(string) (*webhook.Dialect, bool) { return nil, false }})
	r.Project = f.project
	if out, err := none.Accept(t.Context(), []Request{r}); err != nil || !errors.Is(out[0].Err, ErrDialect) {
		t.Error(out, err)
	}
	r.Project = store.ID{9}
	if out, err := f.in.Accept(t.Context(), []Request{r}); err != nil || !errors.Is(out[0].Err, store.ErrNotFound) {
		t.Error(out, err)
	}
}

func BenchmarkDecodeCheckMatch(b *testing.B) {
	f := setup(b, "standard")
	for range 3 {
		f.endpoint("acme", "task.*")
	}
	f.in.maxData = 256 << 10
	body := []byte(`{"type":"task.completed","consumer":"acme","data":{"items":[`)
	for i := 0; len(body) < 960; i++ {
		body = fmt.Appendf(body, `{"id":%d,"name":"item number %d","price":12.50,"tags":["a","b"]},`, i, i)
	}
	body = append(body[:len(body)-1], `]}}`...)
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		r, err := Decode(body)
		if err != nil {
			b.Fatal(err)
		}
		r.Project = f.project
		if err := f.in.check(&r, now); err != nil {
			b.Fatal(err)
		}
		if a, err := f.in.match(b.Context(), &r, now, &match.Budget{}); err != nil || len(a.Endpoints) != 3 {
			b.Fatal(err)
		}
	}
}

// TestWideBatchesAreSeveralCommits: a batch that makes many deliveries does
// not hold up everybody else for as long as that takes.
func TestWideBatchesAreSeveralCommits(t *testing.T) {
	t.Parallel()
	f := setup(t, "standard")
	var wg sync.WaitGroup
	for range 300 {
		wg.Go(func() { f.endpoint("wide", "*") })
	}
	wg.Wait()
	batch := func(consumer string, n int) []Request {
		rs := make([]Request, n)
		for i := range rs {
			rs[i] = Request{Type: "a", Consumer: consumer, Data: []byte(`1`), Broadcast: true}
		}
		return rs
	}
	for _, k := range []struct {
		consumer         string
		n, each, commits int
	}{{"nobody", 1000, 0, 1}, {"wide", 16, 300, 1}, {"wide", 40, 300, 3}, {"*", 12, 300, 3}} {
		requests := batch(k.consumer, k.n)
		before := f.db.Counters().Commits
		for _, r := range f.accept(requests...) {
			if r.Err != nil || r.Deliveries != k.each {
				t.Fatalf("%s: %+v", k.consumer, r)
			}
		}
		// The store's own chores commit as well, the more the longer this takes.
		if n := int(f.db.Counters().Commits - before); n < k.commits {
			t.Errorf("%d events to %s: %d commits, want %d", k.n, k.consumer, n, k.commits)
		}
		var items []*store.Acceptance
		for i := range requests {
			requests[i].Project = f.project
			item, err := f.in.match(t.Context(), &requests[i], time.Now(), &match.Budget{})
			if err != nil {
				t.Fatal(err)
			}
			items = append(items, item)
		}
		slices := 0
		for ; len(items) > 0; slices++ {
			items = items[oneCommit(items):]
		}
		if slices != k.commits {
			t.Errorf("%d events to %s are kept in %d slices, want %d", k.n, k.consumer, slices, k.commits)
		}
	}
}

// TestWhatWasKeptStaysKept: where the store fails between two commits of a
// batch, each event's result says what became of it.
func TestWhatWasKeptStaysKept(t *testing.T) {
	t.Parallel()
	f := setup(t, "standard")
	r := Request{Project: f.project, Type: "a", Consumer: "c", Data: []byte(`1`)}
	first := f.accept(r)[0]
	if _, err := f.db.Subscriptions(t.Context(), f.project, "c"); err != nil { // known from here on without a read
		t.Fatal(err)
	}
	if err := f.db.Close(); err != nil {
		t.Fatal(err)
	}
	results := []Result{first, {}}
	todo, err := f.in.acceptOnce(t.Context(), []Request{r, r}, results, []int{1}, time.Now(), false, &match.Budget{})
	if err != nil || len(todo) != 0 || results[0] != first || !errors.Is(results[1].Err, store.ErrClosed) {
		t.Errorf("%v %v %+v", todo, err, results)
	}
	results = make([]Result, 2)
	if _, err := f.in.acceptOnce(t.Context(), []Request{r, r}, results, []int{0, 1}, time.Now(), false, &match.Budget{}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("%v %+v", err, results)
	}
}
