package store

import (
	"context"
	"math"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/match"
)

const (
	fanoutFirst = 1000 // deliveries that are made with the event
	fanoutSlice = 250  // deliveries of each transaction after that: others wait for it
	fanoutScan  = 4000 // endpoints that one transaction looks at
)

// Bounds of the filters that one transaction judges, as everybody's events
// wait for it. Whoever is past one of them has the rest judged in later slices.
const (
	fanoutCost = 200_000               // units of package match
	fanoutTime = 10 * time.Millisecond // with compiling filters that are new
)

// filtering is what the filters of a transaction took so far.
type filtering struct {
	budget match.Budget
	took   time.Duration
}

func (f *filtering) full() bool { return f.budget.Spent() >= fanoutCost || f.took >= fanoutTime }

// matchable is an event as endpoints are matched with it.
func matchable(e *Event) *match.Event {
	return &match.Event{Type: e.Type, Consumer: e.Consumer, Time: e.Time, Channels: e.Channels, Data: e.Data}
}

// match finds the endpoints of a project after one key and up to another that
// want an event, at most limit, and why others do not. next is where to go
// on, 0 at the end.
func (b *batch) match(e *match.Event, project, after, bound key, limit int) (_ []target, next key, why match.Tally, err error) {
	var targets []target
	scanned := 0
	err = b.rows("SELECT k, consumer, event_types, settings FROM endpoints WHERE project=? AND deleted_at=0 AND k>? AND k<=? ORDER BY k LIMIT ?",
		[]any{project, after, bound, fanoutScan + 1}, func(scan func(...any) error) (bool, error) {
			var (
				t        target
				types    []byte
				settings string
			)
			if err := scan(&t.endpoint, &t.consumer, &types, &settings); err != nil {
				return false, err
			}
			if scanned == fanoutScan || len(targets) == limit {
				next = after
				return false, nil
			}
			v, judged := b.judge(e, t, types, settings)
			if !judged {
				next = t.endpoint - 1 // the last key before it: of an endpoint, or of nothing
				return false, nil
			}
			scanned++
			after = t.endpoint
			if why.Add(v); v == match.Wanted && t.consumer != SystemConsumer {
				targets = append(targets, t)
			}
			return true, nil
		})
	return targets, next, why, err
}

// judge decides about one endpoint; false: not in this transaction.
func (b *batch) judge(e *match.Event, t target, types []byte, settings string) (_ match.Verdict, judged bool) {
	if t.consumer == SystemConsumer || !match.Type(patterns(types), e.Type) {
		return match.OtherType, true
	}
	rules := rulesOf(settings)
	if rules == nil || rules.Filter == "" {
		v, _ := b.db.filters.Judge(context.Background(), e, rules, &b.filtering.budget, nil)
		return v, true
	}
	if b.filtering.full() {
		return match.Wanted, false
	}
	began := time.Now()
	v, _ := b.db.filters.Judge(context.Background(), e, rules, &b.filtering.budget, b.db.keys.id(t.endpoint))
	b.filtering.took += time.Since(began)
	return v, true
}

// lastEndpoint bounds a broadcast: endpoints made later have greater keys. Other
// processes' clocks may be ahead.
func (b *batch) lastEndpoint(project key) (key, error) {
	last := b.db.keys.last
	if !b.db.engine.shared() {
		return last, nil
	}
	var there *key
	_, err := b.row("SELECT max(k) FROM endpoints WHERE project=? AND deleted_at=0", []any{project}, &there)
	if there != nil {
		last = max(last, *there)
	}
	return last, err
}

// fanOut makes the next slice of the oldest broadcast that goes on.
func (b *batch) fanOut() error {
	var event, cursor, bound, project key
	found, err := b.row("SELECT f.event, f.cursor, f.bound FROM fanouts f ORDER BY f.event LIMIT 1", nil, &event, &cursor, &bound)
	if err != nil {
		return err
	}
	if !found {
		b.chores.fanouts = 0
		return nil
	}
	e, err := b.loadEvent(event, &project)
	if err != nil {
		return err
	}
	if e == nil { // quarantined: nothing can be sent of it
		b.chores.fanouts--
		return b.exec("DELETE FROM fanouts WHERE event=?", event)
	}
	b.filtering = filtering{} // each slice gets on, whatever was accepted with it
	targets, next, _, err := b.match(b.w.broadcastOf(event, e), project, cursor, bound, fanoutSlice)
	if err != nil {
		return err
	}
	if n := len(targets); n > 0 {
		first := b.db.keys.next(b.now, n)
		if err := b.exec("INSERT INTO spans (event, first, count, targets) VALUES (?,?,?,?)", event, first, n, targetList(targets)); err != nil {
			return err
		}
		if err := b.enqueue(project, event, e, first, targets); err != nil {
			return err
		}
		if err := b.indexNow(deliveryEntries(project, first, e.Type, targets)); err != nil {
			return err
		}
	}
	if next > 0 {
		return b.exec("UPDATE fanouts SET cursor=? WHERE event=?", next, event)
	}
	b.chores.fanouts--
	b.w.fanned.of, b.w.fanned.event = 0, nil
	if err := b.exec("DELETE FROM fanouts WHERE event=?", event); err != nil {
		return err
	}
	return b.unreachedBroadcast(event, e.Type)
}

// unreachedBroadcast says why a broadcast reached nobody, once it is known.
func (b *batch) unreachedBroadcast(event key, eventType string) error {
	return b.exec(`UPDATE events SET unreached=? WHERE k=? AND length(coalesce(targets,''))=0
		AND NOT EXISTS (SELECT 1 FROM spans WHERE event=?)`,
		lang.Keep("no endpoint wants %s: of each, the event types, the channels or the filter say so", eventType), event, event)
}

// unreachedBy says why nobody wants an event.
func unreachedBy(eventType string, why match.Tally) string {
	if why.Channels+why.Filters == 0 {
		return lang.Keep("no endpoint subscribes to %s", eventType)
	}
	return lang.Keep("no endpoint wants %s: not %d by their event types, %d by their channels, %d by their filters", eventType, why.Types, why.Channels, why.Filters)
}

// broadcastOf is the broadcast that goes on, its data read once for all slices.
func (w *writer) broadcastOf(k key, e *Event) *match.Event {
	if w.fanned.of != k {
		w.fanned.of, w.fanned.event = k, matchable(e)
	}
	w.fanned.event.Done()
	return w.fanned.event
}

// chores are what the writer does by itself, a slice with each commit, until
// it is done; the rows behind it survive a restart.
type chores struct {
	fanouts   int
	deletions int
	skips     int
}

func (c chores) any() bool { return c.fanouts > 0 || c.deletions > 0 || c.skips > 0 }

// add notes one more of a kind. Where another process is the chief, it finds it.
func (b *batch) addChore(to *int) {
	if b.db.Chief() {
		*to++
	}
}

func (b *batch) chore() error {
	if b.chores.fanouts > 0 {
		if err := b.fanOut(); err != nil {
			return err
		}
	}
	if b.chores.deletions > 0 {
		return b.cancelDeleted()
	}
	if b.chores.skips > 0 {
		return b.cancelSkipped()
	}
	return nil
}

const never = math.MaxInt64 // a key after all others
