package store

import (
	"encoding/json"
	"math"
)

const (
	fanoutFirst = 1000 // deliveries that are made with the event
	fanoutSlice = 250  // deliveries of each transaction after that: others wait for it
	fanoutScan  = 4000 // endpoints that one transaction looks at
)

// match finds the endpoints of a project after one key and up to another that
// want a type, at most limit. next is where to go on, 0 at the end.
func (b *batch) match(project key, eventType string, after, bound key, limit int) (_ []target, next key, err error) {
	var targets []target
	scanned := 0
	err = b.rows("SELECT k, consumer, event_types FROM endpoints WHERE project=? AND deleted_at=0 AND k>? AND k<=? ORDER BY k LIMIT ?",
		[]any{project, after, bound, fanoutScan + 1}, func(scan func(...any) error) (bool, error) {
			var (
				t     target
				types []byte
			)
			if err := scan(&t.endpoint, &t.consumer, &types); err != nil {
				return false, err
			}
			if scanned == fanoutScan || len(targets) == limit {
				next = after
				return false, nil
			}
			scanned++
			after = t.endpoint
			if t.consumer == SystemConsumer {
				return true, nil
			}
			var patterns []string
			if err := json.Unmarshal(types, &patterns); err != nil {
				return true, nil //nolint:nilerr // such an endpoint matches nothing
			}
			if MatchType(patterns, eventType) {
				targets = append(targets, t)
			}
			return true, nil
		})
	return targets, next, err
}

// lastEndpoint bounds a broadcast: endpoints made later have greater keys.
func (b *batch) lastEndpoint() key { return b.db.keys.last }

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
	targets, next, err := b.match(project, e.Type, cursor, bound, fanoutSlice)
	if err != nil {
		return err
	}
	if n := len(targets); n > 0 {
		first := b.db.keys.next(b.now, n)
		if err := b.exec("INSERT INTO spans VALUES (?,?,?)", event, first, n); err != nil {
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
	if err := b.exec("DELETE FROM fanouts WHERE event=?", event); err != nil {
		return err
	}
	return b.unreachedBroadcast(event, e.Type)
}

// unreachedBroadcast says why a broadcast reached nobody, once it is known.
func (b *batch) unreachedBroadcast(event key, eventType string) error {
	return b.exec(`UPDATE events SET unreached=? WHERE k=? AND length(coalesce(targets,''))=0
		AND NOT EXISTS (SELECT 1 FROM spans WHERE event=?)`,
		"no endpoint subscribes to "+eventType, event, event)
}

// chores are what the writer does by itself, a slice with each commit, until
// it is done; the rows behind it survive a restart.
type chores struct {
	fanouts   int
	deletions int
	skips     int
}

func (c chores) any() bool { return c.fanouts > 0 || c.deletions > 0 || c.skips > 0 }

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
