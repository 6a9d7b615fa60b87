package store

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestListsSearch asks SQLite how it would carry out every statement
// that lists, searches and replays prepare: by an index, all of them.
func TestListsSearch(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	ctx := t.Context()
	e := s.endpoint("c")
	out, err := s.accept(`{}`)
	s.no(err)
	for _, f := range []Filter{
		{}, {EventID: out.EventID}, {EndpointID: e.ID}, {Consumer: "c"}, {Type: "x"}, {States: []State{Pending}}, {States: []State{Failed, Pending}}, {States: []State{Cancelled}, Consumer: "c", Type: "x"},
		{States: []State{Pending}, EndpointID: e.ID}, {States: []State{Pending}, Consumer: "c"}, {States: []State{Delivered}, EndpointID: e.ID, Type: "x"},
		{MinStatus: 500, MaxStatus: 599}, {NoAnswer: true}, {IdempotencyKey: "k"}, {Channel: "eu"}, {From: time.Now().Add(-time.Hour), Until: time.Now()},
	} {
		_, err := s.db.Deliveries(ctx, s.p.ID, f)
		s.no(err)
		_, err = s.db.Events(ctx, s.p.ID, f)
		s.no(err)
	}
	for _, f := range []EndpointFilter{{}, {Consumer: "c"}, {States: []EndpointState{Active}}, {States: []EndpointState{Paused, Disabled}}, {EventType: "x", Search: "y"}, {Before: e.ID}} {
		_, err := s.db.EndpointList(ctx, s.p.ID, f)
		s.no(err)
	}
	for _, f := range []ReplaysFilter{{}, {Consumer: "c"}, {EndpointID: e.ID}, {State: ReplayRunning}} {
		_, err := s.db.Replays(ctx, s.p.ID, f)
		s.no(err)
	}
	for _, r := range []*Replay{
		{Kind: ReplayRecover}, {Kind: ReplayRecover, ReplayFilter: ReplayFilter{Consumer: "c", States: []State{Pending, Failed}}},
		{Kind: ReplayRecover, ReplayFilter: ReplayFilter{EndpointID: e.ID, States: []State{Pending, Delivered}, EventTypes: []string{"x"}}},
		{Kind: ReplayRecover, ReplayFilter: ReplayFilter{States: []State{Pending}}}, {Kind: ReplayMissed, ReplayFilter: ReplayFilter{EndpointID: e.ID}},
	} {
		r.ProjectID = s.p.ID
		_, err := s.db.CreateReplay(ctx, r, nil)
		s.no(err)
		_, err = s.db.Replay(ctx, s.p.ID, r.ID)
		s.no(err)
	}
	_, err = s.db.Audit(ctx, s.p.ID, AuditFilter{})
	s.no(err)
	s.inspect()
	for _, q := range s.prepared() {
		for _, step := range s.plan(q) {
			if strings.Contains(step, "TEMP B-TREE") {
				t.Errorf("%s\n\tsorts in %s", step, q)
			}
			scan := strings.HasPrefix(step, "SCAN") || strings.Contains(step, "PRIMARY KEY (rowid<") || strings.Contains(step, "PRIMARY KEY (rowid>") // from row to row
			if scan && !slices.ContainsFunc(scansOfFew, func(few string) bool { return strings.Contains(step, few) }) {
				t.Errorf("%s\n\tin %s", step, q)
			}
		}
	}
}

// inspect reads inspectors and their requests in every way.
func (s *shelf) inspect() {
	s.Helper()
	i := &Inspector{ProjectID: s.p.ID, Token: NewInspectorToken(), Keep: time.Hour}
	_, err := s.db.CreateInspectorOnce(s.Context(), i, 1, nil)
	s.no(err)
	r := &InspectedRequest{InspectorID: i.ID}
	s.no(s.db.KeepInspected(s.Context(), r))
	_, err = s.db.Inspectors(s.Context(), s.p.ID, ID{}, 1)
	s.no(err)
	hash, _ := HashInspectorToken(i.Token.Reveal())
	_, err = s.db.InspectorByHash(s.Context(), hash, time.Now())
	s.no(err)
	for _, search := range []string{"", "x"} {
		_, err = s.db.InspectedRequests(s.Context(), s.p.ID, i.ID, InspectedFilter{Search: search, Limit: 1})
		s.no(err)
	}
	_, err = s.db.InspectedRequest(s.Context(), s.p.ID, i.ID, r.ID)
	s.no(err)
	_, err = s.db.NextInspected(s.Context(), s.p.ID, i.ID, ID{})
	s.no(err)
}

// scansOfFew are those that look at few rows by their nature.
var scansOfFew = []string{
	"SCAN j VIRTUAL TABLE", // json_each of the keys that were given
	"SCAN CONSTANT ROW",
	"SCAN (subquery", "SCAN blocks", "SCAN ready", // of what is counted up to a limit
	"replays_running", // the index has only those that run
}

// prepared are the statements of all readers.
func (s *shelf) prepared() (out []string) {
	conns := make([]*conn, readerCount)
	for i := range conns {
		c, err := s.db.readers.take(s.Context())
		s.no(err)
		conns[i] = c
		for q := range c.link.(*liteConn).stmts {
			if strings.HasPrefix(q, "SELECT") || strings.HasPrefix(q, "WITH") {
				out = append(out, q)
			}
		}
	}
	for _, c := range conns {
		s.db.readers.give(c)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

var placeholder = regexp.MustCompile(`\?(\d*)`)

// plan is what SQLite says of a statement.
func (s *shelf) plan(q string) (steps []string) {
	n := 0
	for _, m := range placeholder.FindAllStringSubmatch(q, -1) {
		if at, err := strconv.Atoi(m[1]); err == nil {
			n = max(n, at)
		} else {
			n++
		}
	}
	err := s.db.read(s.Context(), false, func(c *conn) error {
		rows, err := c.link.(*liteConn).c.QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+q, make([]any, n)...)
		if err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var a, b, c sql.NullInt64
			var step string
			if err := rows.Scan(&a, &b, &c, &step); err != nil {
				return err
			}
			steps = append(steps, step)
		}
		return rows.Err()
	})
	s.no(err)
	return steps
}

// TestATypeIsWalkedByItsOwnList: also where the lists are too long to compare.
func TestATypeIsWalkedByItsOwnList(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	project, _ := s.db.keys.key(s.p.ID)
	s.no(s.db.readLists(t.Context(), func(v *view) error {
		for _, states := range [][]State{nil, {Delivered}} {
			src, err := s.db.deliverySource(t.Context(), v, project, &Filter{Type: "x", States: states}, 0, never)
			if w, ok := src.(*walker); err != nil || !ok || w.term[0] != listDeliveriesType {
				t.Errorf("%v: %T %v", states, src, err)
			}
		}
		return nil
	}))
}
