package store

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/malote-dev/malote/internal/match"
)

// EndpointFilter narrows a list of endpoints; zero fields do not.
type EndpointFilter struct {
	Consumer  string          // uid
	States    []EndpointState // none: all
	EventType string          // that they want, by name or pattern
	Search    string          // text within URL, name or description, whatever its case
	Before    ID              // cursor: strictly older than this id
	Limit     int             // at most 250
}

// maxEndpointsWalked is how many endpoints one page looks at.
const maxEndpointsWalked = 2000

// EndpointList is a page of a project's endpoints by id, newest first. One
// whose secrets do not decrypt is listed without them.
func (db *DB) EndpointList(ctx context.Context, project ID, f EndpointFilter) (p Page[*Endpoint], err error) {
	state := db.project(project)
	if state == nil {
		return p, nil
	}
	before := key(never)
	if !f.Before.IsZero() {
		var ok bool
		if before, ok = db.keys.key(f.Before); !ok {
			return p, nil
		}
	}
	if f.Limit <= 0 || f.Limit > maxPage {
		f.Limit = maxPage
	}
	err = db.read(ctx, true, func(c *conn) error {
		rows, end, err := endpointsWalked(ctx, c, state.k, &f, before)
		if err != nil {
			return err
		}
		rows = slices.DeleteFunc(rows, func(r endpointSketch) bool { return !f.wants(&r) })
		switch {
		case len(rows) > f.Limit:
			rows = rows[:f.Limit]
			p.Next = db.keys.id(rows[f.Limit-1].k)
		case end != 0:
			p.Next = db.keys.id(end)
		}
		for _, r := range rows {
			e, err := db.endpointRow(ctx, c, r.k)
			if err != nil {
				return err
			}
			if e.sealErr != nil {
				db.log.Error("secrets of an endpoint do not decrypt", "endpoint", e.ID, "error", e.sealErr)
			}
			p.Items = append(p.Items, e.Endpoint)
		}
		return nil
	})
	return p, err
}

// endpointSketch is what a list chooses endpoints by.
type endpointSketch struct {
	k                                    key
	consumer, state, url, name, describe string
	types                                []byte
}

func (f *EndpointFilter) wants(r *endpointSketch) bool {
	if f.Consumer != "" && r.consumer != f.Consumer ||
		len(f.States) > 0 && !slices.Contains(f.States, EndpointState(r.state)) ||
		f.EventType != "" && !match.Type(patterns(r.types), f.EventType) {
		return false
	}
	search := strings.ToLower(f.Search)
	return search == "" || strings.Contains(strings.ToLower(r.url), search) ||
		strings.Contains(strings.ToLower(r.name), search) || strings.Contains(strings.ToLower(r.describe), search)
}

// endpointsWalked are the endpoints older than a key that a page looks at,
// newest first, and where it stops; 0: it looks at all of them.
func endpointsWalked(ctx context.Context, c *conn, project key, f *EndpointFilter, before key) (rows []endpointSketch, end key, err error) {
	walk := maxEndpointsWalked
	if len(f.States) == 0 && f.EventType == "" && f.Search == "" {
		walk = f.Limit + 1 // all of them are wanted
	}
	read := func(where string, args ...any) error {
		n := 0
		err := c.rows(ctx, "SELECT k, consumer, state, url, name, description, event_types FROM endpoints WHERE "+where+
			" AND deleted_at=0 AND k<? ORDER BY k DESC LIMIT ?", append(args, before, walk), func(scan func(...any) error) (bool, error) {
			var r endpointSketch
			n++
			err := scan(&r.k, &r.consumer, &r.state, &r.url, &r.name, &r.describe, &r.types)
			rows = append(rows, r)
			return true, err
		})
		if n == walk {
			end = max(end, rows[len(rows)-1].k)
		}
		return err
	}
	switch {
	case f.Consumer != "":
		err = read("project=? AND consumer=?", project, f.Consumer)
	case len(f.States) > 0 && !slices.Contains(f.States, Active):
		for i, state := range f.States {
			if err == nil && !slices.Contains(f.States[:i], state) {
				err = read("project=? AND state=? AND state<>'active'", project, string(state))
			}
		}
		slices.SortFunc(rows, func(a, b endpointSketch) int { return cmp.Compare(b.k, a.k) })
		rows = slices.DeleteFunc(rows, func(r endpointSketch) bool { return r.k < end })
	default:
		err = read("project=?", project)
	}
	return rows, end, err
}
