package store

import (
	"context"
	"slices"
)

// deliverySource picks the list that has the least beside what is wanted; nil
// where nothing can match.
func (db *DB) deliverySource(ctx context.Context, v *view, project key, f *Filter, oldest, newest key) (source, error) {
	var event, endpoint key
	var ok bool
	if !f.EventID.IsZero() {
		if event, ok = db.keys.key(f.EventID); !ok {
			return nil, nil
		}
	}
	if !f.EndpointID.IsZero() {
		if endpoint, ok = db.keys.key(f.EndpointID); !ok {
			return nil, nil
		}
	}
	// Of what is foreign there is no list, not even an empty page and a cursor
	// that would tell that there is something.
	if event != 0 {
		if own, err := v.owns(ctx, ownEvent, event, project, f.Consumer); err != nil || !own {
			return nil, err
		}
		return eventSource(ctx, v.c, event, oldest, newest)
	}
	if endpoint != 0 {
		if own, err := v.owns(ctx, ownEndpoint, endpoint, project, f.Consumer); err != nil || !own {
			return nil, err
		}
	}
	s := sourcing{view: v, project: project, endpoint: endpoint, f: f, oldest: oldest, newest: newest}
	if len(f.States) == 0 || slices.Contains(f.States, Delivered) { // there is no list of these alone
		return s.shortest(ctx, s.all())
	}
	m := &merged{}
	for _, state := range f.States {
		var src source
		var err error
		switch {
		case state == Pending:
			src, err = s.queues(ctx)
		case len(f.States) == 1:
			src, err = s.shortest(ctx, s.ended(state))
		default:
			src = newWalker(v.c, s.ended(state), oldest, newest) // written with the deliveries
		}
		if err != nil {
			return nil, err
		}
		m.sources = append(m.sources, src)
	}
	if len(m.sources) == 1 {
		return m.sources[0], nil
	}
	return m, nil
}

const (
	ownEvent    = "SELECT 1 FROM events WHERE k=?1 AND project=?2 AND (?3='' OR consumer IN (?3, '*'))"
	ownEndpoint = "SELECT 1 FROM endpoints WHERE k=?1 AND project=?2 AND (?3='' OR consumer=?3)"
)

// owns reports whether an object is a project's, and concerns a consumer
// where one is named.
func (v *view) owns(ctx context.Context, q string, k, project key, consumer string) (bool, error) {
	return v.c.row(ctx, q, []any{k, project, consumer}, new(int))
}

// sourcing is what the sources of a list of deliveries are picked by.
type sourcing struct {
	*view
	project, endpoint key
	f                 *Filter
	oldest, newest    key
}

// all is the list of all that is wanted, whatever its state.
func (s *sourcing) all() string {
	switch {
	case s.endpoint != 0:
		return term(listDeliveriesEndpoint, s.endpoint, "")
	case s.f.Consumer != "":
		return term(listDeliveriesConsumer, s.project, s.f.Consumer)
	}
	return term(listDeliveries, s.project, "")
}

// ended is the list of what failed or was cancelled.
func (s *sourcing) ended(state State) string {
	switch {
	case s.endpoint != 0:
		return term(listStateEndpoint, s.endpoint, string(state))
	case s.f.Consumer != "":
		return term(listStateConsumer, s.project, string(state)+" "+s.f.Consumer)
	}
	return term(listState, s.project, string(state))
}

// shortest is a list, or that of the type, whichever has less.
func (s *sourcing) shortest(ctx context.Context, list string) (source, error) {
	terms := []string{list}
	if ofType := term(listDeliveriesType, s.project, s.f.Type); s.f.Type != "" && !s.f.Own {
		if terms = append(terms, ofType); list[0] == listDeliveries {
			terms = terms[1:] // the project's has more, also where both are too long to compare
		}
	}
	return s.view.shortest(ctx, terms, s.oldest, s.newest)
}

// queues is what is pending.
func (s *sourcing) queues(ctx context.Context) (source, error) {
	switch {
	case s.endpoint != 0:
		return &queueSource{c: s.c, q: "SELECT k FROM queue WHERE endpoint=? AND endpoint>0 AND k<? AND k>=? ORDER BY k DESC LIMIT 250", of: s.endpoint, floor: s.oldest, at: s.newest}, nil
	case s.f.Consumer != "":
		return s.consumerQueue(ctx, s.project, s.f.Consumer, s.oldest, s.newest)
	}
	return &queueSource{c: s.c, q: "SELECT k FROM queue WHERE project=? AND project>0 AND k<? AND k>=? ORDER BY k DESC LIMIT 250", of: s.project, floor: s.oldest, at: s.newest}, nil
}

// queueSource walks pending deliveries along an index, newest first.
type queueSource struct {
	c     *conn
	q     string
	of    key
	floor key
	at    key
	ready []key
	ended bool
}

func (s *queueSource) next(ctx context.Context) (key, error) {
	if len(s.ready) == 0 && !s.ended {
		err := s.c.rows(ctx, s.q, []any{s.of, s.at, s.floor}, func(scan func(...any) error) (bool, error) {
			err := scan(&s.at)
			s.ready = append(s.ready, s.at)
			return true, err
		})
		if err != nil {
			return 0, err
		}
		s.ended = len(s.ready) < 250
	}
	if len(s.ready) == 0 {
		return 0, nil
	}
	k := s.ready[0]
	s.ready = s.ready[1:]
	return k, nil
}

// merged gives the keys of several sources together, each once: newest first,
// or, where these give the oldest first, rising.
type merged struct {
	sources []source
	rising  bool
	heads   []key // 0: ended
}

func (m *merged) next(ctx context.Context) (next key, err error) {
	if m.heads == nil {
		m.heads = make([]key, len(m.sources))
		for i, s := range m.sources {
			if m.heads[i], err = s.next(ctx); err != nil {
				return 0, err
			}
		}
	}
	for _, k := range m.heads {
		if k != 0 && (next == 0 || (k < next) == m.rising) {
			next = k
		}
	}
	for i, k := range m.heads {
		if k == next && k != 0 {
			if m.heads[i], err = m.sources[i].next(ctx); err != nil {
				return 0, err
			}
		}
	}
	return next, nil
}

const maxMerged = 64 // endpoints of a consumer whose queues are merged

// consumerQueue walks what is pending for a consumer: the queues of its
// endpoints, or, where it has very many, all of its deliveries.
func (v *view) consumerQueue(ctx context.Context, project key, consumer string, oldest, newest key) (source, error) {
	m := &merged{}
	err := v.c.rows(ctx, "SELECT k FROM endpoints WHERE project=? AND consumer=? AND deleted_at=0 LIMIT ?", []any{project, consumer, maxMerged + 1},
		func(scan func(...any) error) (bool, error) {
			var k key
			err := scan(&k)
			m.sources = append(m.sources, &queueSource{
				c: v.c, q: "SELECT k FROM queue WHERE endpoint=? AND endpoint>0 AND k<? AND k>=? ORDER BY k DESC LIMIT 250", of: k, floor: oldest, at: newest,
			})
			return true, err
		})
	if len(m.sources) > maxMerged {
		return v.walk(term(listDeliveriesConsumer, project, consumer), oldest, newest), err
	}
	return m, err
}

// keyRun is a source of neighbouring keys.
type keyRun struct{ first, after key }

// eventSource gives the deliveries of one event: those that were made with it
// have the keys after its own, spans say which were made later.
func eventSource(ctx context.Context, c *conn, event, oldest, newest key) (source, error) {
	var n int64
	if _, err := c.row(ctx, "SELECT length(coalesce(targets,''))/8 FROM events WHERE k=?", []any{event}, &n); err != nil {
		return nil, err
	}
	runs := []keyRun{{event + 1, event + 1 + n}}
	err := c.rows(ctx, "SELECT first, count FROM spans WHERE event=? ORDER BY first", []any{event}, func(scan func(...any) error) (bool, error) {
		var first, count int64
		err := scan(&first, &count)
		runs = append(runs, keyRun{first, first + count})
		return true, err
	})
	return &runSource{runs: runs, oldest: oldest, at: newest}, err
}

type runSource struct {
	runs   []keyRun
	oldest key
	at     key
}

func (s *runSource) next(context.Context) (key, error) {
	for len(s.runs) > 0 {
		r := s.runs[len(s.runs)-1]
		k := min(r.after, s.at) - 1
		if k >= r.first && k >= s.oldest {
			s.at = k
			return k, nil
		}
		s.runs = s.runs[:len(s.runs)-1]
	}
	return 0, nil
}
