package store

import (
	"context"
	"slices"
	"strings"
)

// eventsSource picks the list of events that has the least beside what is
// wanted; nil where nothing can match.
func (db *DB) eventsSource(ctx context.Context, v *view, project key, f *Filter, oldest, newest key) (source, error) {
	switch {
	case !f.EventID.IsZero():
		k, ok := db.keys.key(f.EventID)
		if !ok || k < oldest || k >= newest {
			return nil, nil
		}
		if own, err := v.owns(ctx, ownEvent, k, project, f.Consumer); err != nil || !own {
			return nil, err
		}
		return &given{keys: []key{k}}, nil
	case f.IdempotencyKey != "":
		return db.keyedSource(ctx, v.c, project, f, oldest, newest)
	}
	var terms []string
	if f.Consumer != "" {
		terms = append(terms, term(listEventsConsumer, project, f.Consumer))
	}
	if f.Type != "" && !f.Own {
		terms = append(terms, term(listEventsType, project, f.Type))
	}
	if len(terms) == 0 {
		terms = append(terms, term(listEvents, project, ""))
	}
	return v.shortest(ctx, terms, oldest, newest)
}

const maxCompared = 64 // blocks by which lists are compared

// shortest walks the one of several lists that holds the least between two
// keys, as far as a few blocks of each tell.
func (v *view) shortest(ctx context.Context, terms []string, oldest, newest key) (source, error) {
	best, least := 0, maxCompared+1
	for i, t := range terms {
		if len(terms) == 1 {
			break
		}
		n := 0
		from := min(newest, never-blockSpan) + blockSpan
		_, err := v.c.row(ctx, "SELECT count(*) FROM (SELECT 1 FROM postings WHERE term=? AND last<? AND last>=? ORDER BY last DESC LIMIT ?) AS blocks",
			[]any{[]byte(t), from, oldest, maxCompared}, &n)
		if err != nil {
			return nil, err
		}
		if n < least {
			best, least = i, n
		}
	}
	return v.walk(terms[best], oldest, newest), nil
}

// given is a source of keys that are known, newest first.
type given struct{ keys []key }

func (g *given) next(context.Context) (key, error) {
	if len(g.keys) == 0 {
		return 0, nil
	}
	k := g.keys[0]
	g.keys = g.keys[1:]
	return k, nil
}

// ownKey is the idempotency key as a caller sent it: what ingest adds, to keep
// the keys of consumers and the events of a batch apart, follows a newline.
func ownKey(kept string) string {
	own, _, _ := strings.Cut(kept, "\n")
	return own
}

// maxKeyed is how many events with the same key are found in one day: a batch
// has up to a thousand.
const maxKeyed = 4096

// keyedSource finds the events that came with an idempotency key. Keys are
// kept by day for as long as the history is, so a look-up for each day finds
// them all, and what comes in costs nothing more for it.
func (db *DB) keyedSource(ctx context.Context, c *conn, project key, f *Filter, oldest, newest key) (source, error) {
	var first, last *int64
	if _, err := c.row(ctx, "SELECT (SELECT min(day) FROM idempotency), (SELECT max(day) FROM idempotency)", nil, &first, &last); err != nil || first == nil {
		return nil, err
	}
	// A day more at each end: a clock that was set back gives keys of later.
	from, until := max(*first, dayOf(keyTime(oldest))-1), min(*last, dayOf(keyTime(newest))+1)
	if oldest == 0 {
		from = *first
	}
	return &keyedDays{c: c, project: project, name: f.IdempotencyKey, consumer: f.Consumer, oldest: oldest, newest: newest, day: until, first: from}, nil
}

const keyedOf = `SELECT i.event FROM idempotency i JOIN events e ON e.k=i.event
	WHERE i.day=?1 AND i.project=?2 AND i.key>=?3 AND i.key<?4 AND (?5='' OR e.consumer=?5) LIMIT ?6`

// keyedDays goes from day to day, newest first.
type keyedDays struct {
	c              *conn
	project        key
	name           string
	consumer       string // whose they are; empty: anybody's
	oldest, newest key
	day, first     int64
	ready          []key
}

func (s *keyedDays) next(ctx context.Context) (key, error) {
	for len(s.ready) == 0 && s.day >= s.first {
		err := s.c.rows(ctx, keyedOf,
			[]any{s.day, s.project, s.name, s.name + "\v", s.consumer, maxKeyed}, func(scan func(...any) error) (bool, error) {
				var k key
				err := scan(&k)
				if k >= s.oldest && k < s.newest {
					s.ready = append(s.ready, k)
				}
				return true, err
			})
		if err != nil {
			return 0, err
		}
		slices.Sort(s.ready)
		s.day--
	}
	n := len(s.ready)
	if n == 0 {
		return 0, nil
	}
	k := s.ready[n-1]
	s.ready = s.ready[:n-1]
	return k, nil
}
