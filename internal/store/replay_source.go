package store

import (
	"context"
	"slices"
)

// source gives the keys that a replay looks at, oldest first, between two
// keys: of one endpoint or, where that is 0, of all of its scope.
func (r *replayRow) source(ctx context.Context, c *conn, endpoint, after, bound key) (source, error) {
	terms := r.terms(endpoint)
	if !r.waiting() || slices.Contains(r.States, Delivered) { // the lists of all deliveries have those that wait
		return newClimber(c, terms, after, bound), nil
	}
	up := &merged{rising: true}
	if len(terms) > 0 {
		up.sources = append(up.sources, newClimber(c, terms, after, bound))
	}
	climb := func(column string, of key) {
		up.sources = append(up.sources, &queueClimb{c: c, q: "SELECT k FROM queue WHERE " + column + "=? AND " + column + ">0 AND k>? AND k<? ORDER BY k LIMIT 256", of: of, at: after, bound: bound})
	}
	switch {
	case endpoint != 0:
		climb("endpoint", endpoint)
		return up, nil
	case r.Consumer == "":
		climb("project", r.project)
		return up, nil
	}
	var of []key
	err := c.rows(ctx, "SELECT k FROM endpoints WHERE project=? AND consumer=? AND deleted_at=0 LIMIT ?", []any{r.project, r.Consumer, maxMerged + 1},
		func(scan func(...any) error) (bool, error) {
			var k key
			err := scan(&k)
			of = append(of, k)
			return true, err
		})
	if len(of) > maxMerged {
		return newClimber(c, []string{term(listDeliveriesConsumer, r.project, r.Consumer)}, after, bound), err
	}
	for _, k := range of {
		climb("endpoint", k)
	}
	return up, err
}

// waiting reports whether a replay is of deliveries that wait for a retry.
func (r *replayRow) waiting() bool {
	return r.Kind == ReplayRecover && slices.Contains(r.States, Pending)
}

// queueClimb walks pending deliveries along an index, oldest first.
type queueClimb struct {
	c     *conn
	q     string
	of    key
	at    key // strictly after this
	bound key // strictly before this
	ready []key
	ended bool
}

func (s *queueClimb) next(ctx context.Context) (key, error) {
	if len(s.ready) == 0 && !s.ended {
		err := s.c.rows(ctx, s.q, []any{s.of, s.at, s.bound}, func(scan func(...any) error) (bool, error) {
			err := scan(&s.at)
			s.ready = append(s.ready, s.at)
			return true, err
		})
		if err != nil {
			return 0, err
		}
		s.ended = len(s.ready) < 256
	}
	if len(s.ready) == 0 {
		return 0, nil
	}
	k := s.ready[0]
	s.ready = s.ready[1:]
	return k, nil
}
