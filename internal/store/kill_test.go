package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// The child of TestKill is this test binary with these set.
const (
	childDir = "MALOTE_STORE_TEST_DIR"
	childKey = "MALOTE_STORE_TEST_KEY"
)

// child accepts and finishes until it is killed. It says what was acknowledged.
func child() {
	ring, err := secret.NewKeyring(os.Getenv(childKey))
	if err == nil {
		err = load1(context.Background(), os.Getenv(childDir), ring)
	}
	fmt.Println("error", err)
}

func load1(ctx context.Context, dir string, ring *secret.Keyring) error {
	db, err := store.Open(ctx, store.Options{Dir: dir, Keyring: ring})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(a ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(a...)
	}
	db.SetOwner(&finishing{db: db, say: say})
	p := &store.Project{Name: fmt.Sprint(time.Now().UnixNano()), Environment: store.Production, Dialect: "standard"}
	if err := db.CreateProject(ctx, p); err != nil {
		return err
	}
	for i := range 5 {
		e := &store.Endpoint{ProjectID: p.ID, Consumer: fmt.Sprint(i), URL: "https://example.com/", EventTypes: []string{"*"}, Secrets: []store.SigningSecret{{Value: "x"}}}
		if err := db.CreateEndpoint(ctx, e, 0); err != nil {
			return err
		}
	}
	say("project", p.ID)
	for i := range 8 {
		go func() {
			for n := i; ; n++ {
				uid := fmt.Sprint(n % 5)
				subs, err := db.Subscriptions(ctx, p.ID, uid)
				if err != nil {
					say("error", err)
					return
				}
				out, err := db.Accept(ctx, []*store.Acceptance{{
					Event:     &store.Event{ProjectID: p.ID, Consumer: uid, Type: "x", Data: fmt.Appendf(nil, `{"n":%d}`, n), Dialect: "standard/1"},
					Endpoints: []store.ID{subs.Endpoints[0].EndpointID}, Version: subs.Version,
				}})
				if err != nil {
					say("error", err)
					return
				}
				say("accepted", out[0].EventID)
			}
		}()
	}
	select {}
}

// finishing finishes two of three deliveries.
type finishing struct {
	db  *store.DB
	say func(...any)
	n   int
}

func (f *finishing) Accepted(works []*store.Work) {
	for _, w := range works {
		if f.n++; f.n%3 == 0 {
			continue
		}
		o := &store.Outcome{Work: w, State: store.Delivered, Attempt: store.Attempt{Number: 1, At: time.Now(), Status: 200}}
		if f.n%3 == 1 {
			o.State, o.Reason, o.Attempt.Status = store.Failed, "exhausted", 500
		}
		f.db.Finish(o, func(err error) {
			if err == nil {
				f.say("finished", w.ID, o.State)
			}
		})
	}
}
func (f *finishing) Missed()                                {}
func (f *finishing) Gained([]store.Shard, bool)             {}
func (f *finishing) Leave(_ []store.Shard, done func())     { done() }
func (f *finishing) QueueGrew(store.ID, store.Place)        {}
func (f *finishing) EndpointChanged(store.ID) int           { return 0 }
func (f *finishing) RecoveryAsked(store.ID)                 {}
func (f *finishing) DeliveryChanged(store.ID, store.ID) int { return 0 }

// TestKill kills a process in the middle of its work, again and again, and
// finds everything that it had acknowledged.
func TestKill(t *testing.T) {
	t.Parallel()
	dir, key := t.TempDir(), secret.NewMasterKey()
	ring, err := secret.NewKeyring(key)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 4 {
		project, accepted, finished := killed(t, dir, key, time.Duration(100+rand.IntN(200))*time.Millisecond)
		db, err := store.Open(t.Context(), store.Options{Dir: dir, Keyring: ring})
		if err != nil {
			t.Fatal(err)
		}
		if !db.Unclean() {
			t.Error("the store does not know that the last process was killed")
		}
		if len(accepted) == 0 {
			t.Fatal("killed before anything happened")
		}
		checkKilled(t, db, project, accepted, finished)
		t.Logf("round %d: %d accepted, %d finished", round, len(accepted), len(finished))
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	db, err := store.Open(t.Context(), store.Options{Dir: dir, Keyring: ring})
	if err != nil {
		t.Fatal(err)
	}
	if db.Unclean() {
		t.Error("closed in order, and the store says that it was not")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// killed runs the child for a while after its first words.
func killed(t *testing.T, dir, key string, after time.Duration) (project store.ID, accepted []store.ID, finished map[store.ID]store.State) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childKey+"="+key)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	finished = map[store.ID]store.State{}
	var timer *time.Timer
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 2 || words[0] == "error" {
			t.Fatal(lines.Text())
		}
		id, err := webhook.ParseUUID(words[1])
		if err != nil {
			break // cut off in the middle
		}
		switch words[0] {
		case "project":
			project = id
			timer = time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		case "accepted":
			accepted = append(accepted, id)
		case "finished":
			if len(words) == 3 {
				finished[id] = store.State(words[2])
			}
		}
	}
	if timer != nil {
		timer.Stop()
	}
	if err := cmd.Wait(); err == nil || errors.Is(err, os.ErrProcessDone) {
		t.Fatal("the child ended by itself")
	}
	return project, accepted, finished
}

func checkKilled(t *testing.T, db *store.DB, project store.ID, accepted []store.ID, finished map[store.ID]store.State) {
	t.Helper()
	ctx := t.Context()
	listed := map[store.ID]bool{}
	deliveries := map[store.ID]*store.Delivery{}
	pending := 0
	for f := (store.Filter{}); ; {
		p, err := db.Events(ctx, project, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range p.Items {
			listed[e.ID] = true
		}
		if f.Before = p.Next; p.Next.IsZero() {
			break
		}
	}
	for f := (store.Filter{}); ; {
		p, err := db.Deliveries(ctx, project, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range p.Items {
			deliveries[d.ID] = d
			if d.State == store.Pending {
				pending++
			}
		}
		if f.Before = p.Next; p.Next.IsZero() {
			break
		}
	}
	for _, id := range accepted {
		if !listed[id] {
			t.Fatalf("acknowledged event %s is not in the list", id)
		}
	}
	if len(deliveries) != len(listed) {
		t.Errorf("%d deliveries of %d events", len(deliveries), len(listed))
	}
	for id, state := range finished {
		if d := deliveries[id]; d == nil || d.State != state {
			t.Fatalf("finished delivery %s as %s is %+v", id, state, d)
		}
	}
	queued := 0
	ends, err := db.PendingEndpoints(ctx, store.ID{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range ends {
		works, err := db.LoadDue(ctx, e.EndpointID, store.Place{}, 1_000_000, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range works {
			if deliveries[w.ID] != nil {
				queued++
			}
		}
	}
	checkCounted(t, db, project, deliveries)
	if queued != pending {
		t.Errorf("%d in the queue, %d listed as pending", queued, pending)
	}
	var total int64
	for _, e := range ends {
		works, _ := db.LoadDue(ctx, e.EndpointID, store.Place{}, 1_000_000, 1<<30)
		total += int64(len(works))
	}
	if h := db.Health(ctx); h.Pending != total {
		t.Errorf("%d counted as pending, %d in the queue", h.Pending, total)
	}
}

// checkCounted compares the statistics with what they are made of.
func checkCounted(t *testing.T, db *store.DB, project store.ID, deliveries map[store.ID]*store.Delivery) {
	t.Helper()
	q := store.StatsQuery{From: time.Now().Add(-2 * time.Hour), Until: time.Now()}
	want, pending := map[store.State]int64{}, map[string]int{}
	byConsumer := map[string]int64{}
	for _, d := range deliveries {
		want[d.State]++
		switch d.State {
		case store.Pending:
			pending[d.Consumer]++
		default:
			byConsumer[d.Consumer]++
		}
	}
	s, err := db.Stats(t.Context(), project, q)
	if err != nil {
		t.Fatal(err)
	}
	if s.Total.Delivered != want[store.Delivered] || s.Total.Failed != want[store.Failed] || s.Total.Attempts != want[store.Delivered]+want[store.Failed] {
		t.Errorf("counted %+v, there are %v", s.Total, want)
	}
	for uid, n := range byConsumer {
		q.Consumer = uid
		s, err := db.Stats(t.Context(), project, q)
		if err != nil {
			t.Fatal(err)
		}
		if s.Total.Delivered+s.Total.Failed != n || s.Pending.Count != pending[uid] {
			t.Errorf("consumer %s: counted %+v, %d ended and %d pending", uid, s, n, pending[uid])
		}
	}
}
