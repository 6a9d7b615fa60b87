package store

import "context"

// deliverySource picks the list that has the least beside what is wanted; nil
// where nothing can match.
func (db *DB) deliverySource(ctx context.Context, c *conn, project key, f *Filter, oldest, newest key) (source, error) {
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
	switch {
	case event != 0:
		return eventSource(ctx, c, event, oldest, newest)
	case f.State == Pending && endpoint != 0:
		return &queueSource{c: c, q: "SELECT k FROM queue WHERE endpoint=? AND k<? AND k>=? ORDER BY k DESC LIMIT 250", of: endpoint, floor: oldest, at: newest}, nil
	case f.State == Pending && f.Consumer != "":
		return db.consumerQueue(ctx, c, project, f.Consumer, oldest, newest)
	case f.State == Pending:
		return &queueSource{c: c, q: "SELECT k FROM queue WHERE project=? AND k<? AND k>=? ORDER BY k DESC LIMIT 250", of: project, floor: oldest, at: newest}, nil
	}
	return shortest(ctx, c, deliveryTerms(project, endpoint, f), oldest, newest)
}

// deliveryTerms are the lists that each hold all that is wanted.
func deliveryTerms(project, endpoint key, f *Filter) (terms []string) {
	ended := f.State == Failed || f.State == Cancelled
	switch {
	case endpoint != 0 && ended:
		terms = append(terms, term(listStateEndpoint, endpoint, string(f.State)))
	case endpoint != 0:
		terms = append(terms, term(listDeliveriesEndpoint, endpoint, ""))
	case f.Consumer != "" && ended:
		terms = append(terms, term(listStateConsumer, project, string(f.State)+" "+f.Consumer))
	case f.Consumer != "":
		terms = append(terms, term(listDeliveriesConsumer, project, f.Consumer))
	case ended:
		terms = append(terms, term(listState, project, string(f.State)))
	}
	if f.Type != "" {
		terms = append(terms, term(listDeliveriesType, project, f.Type))
	}
	if len(terms) == 0 {
		terms = append(terms, term(listDeliveries, project, ""))
	}
	return terms
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

// merged gives the keys of several sources, newest first.
type merged struct {
	sources []source
	heads   []key // 0: ended
	primed  bool
}

func (m *merged) next(ctx context.Context) (key, error) {
	if !m.primed {
		m.heads = make([]key, len(m.sources))
		for i, s := range m.sources {
			k, err := s.next(ctx)
			if err != nil {
				return 0, err
			}
			m.heads[i] = k
		}
		m.primed = true
	}
	best := 0
	for i := range m.heads {
		if m.heads[i] > m.heads[best] {
			best = i
		}
	}
	if len(m.heads) == 0 || m.heads[best] == 0 {
		return 0, nil
	}
	k := m.heads[best]
	var err error
	m.heads[best], err = m.sources[best].next(ctx)
	return k, err
}

const maxMerged = 64 // endpoints of a consumer whose queues are merged

// consumerQueue walks what is pending for a consumer: the queues of its
// endpoints, or, where it has very many, all of its deliveries.
func (db *DB) consumerQueue(ctx context.Context, c *conn, project key, consumer string, oldest, newest key) (source, error) {
	m := &merged{}
	err := c.rows(ctx, "SELECT k FROM endpoints WHERE project=? AND consumer=? AND deleted_at=0 LIMIT ?", []any{project, consumer, maxMerged + 1},
		func(scan func(...any) error) (bool, error) {
			var k key
			err := scan(&k)
			m.sources = append(m.sources, &queueSource{
				c: c, q: "SELECT k FROM queue WHERE endpoint=? AND k<? AND k>=? ORDER BY k DESC LIMIT 250", of: k, floor: oldest, at: newest,
			})
			return true, err
		})
	if len(m.sources) > maxMerged {
		return newWalker(c, term(listDeliveriesConsumer, project, consumer), oldest, newest), err
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
