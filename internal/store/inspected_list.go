package store

import (
	"bytes"
	"context"
)

// InspectedFilter narrows the requests of an inspector.
type InspectedFilter struct {
	Before ID     // a request; the page begins after it
	Search string // that stands in method, path, query, headers or body, whatever the case of its ASCII letters; empty: any
	Limit  int
}

// searchedBytes bounds what a page looks through; at least one request is.
const searchedBytes = 4 << 20

// InspectedRequests lists the requests of an inspector, newest first, without
// headers and bodies. A search looks at a bounded number of bytes: its page may
// have fewer than Limit, or none, and still a Next.
// Errors: [ErrNotFound], also for a foreign one.
func (db *DB) InspectedRequests(ctx context.Context, project, inspector ID, f InspectedFilter) (p Page[*InspectedRequest], err error) {
	before := key(never)
	if !f.Before.IsZero() {
		before, _ = db.keys.key(f.Before)
	}
	err = db.read(ctx, false, func(c *conn) error {
		of, err := db.ownInspector(ctx, c, project, inspector)
		if err != nil {
			return err
		}
		p, err = db.listInspected(ctx, c, of, before, &f)
		return err
	})
	return p, err
}

func (db *DB) listInspected(ctx context.Context, c *conn, of, before key, f *InspectedFilter) (p Page[*InspectedRequest], err error) {
	q, limit := selectInspected, f.Limit+1
	if f.Search != "" {
		q, limit = q+", head, body", MaxInspected+1
	}
	term := lower([]byte(f.Search))
	looked := 0
	var last ID
	err = c.rows(ctx, q+" FROM inspected WHERE inspector=? AND k<? ORDER BY k DESC LIMIT ?", []any{of, before, limit}, func(scan func(...any) error) (bool, error) {
		if len(p.Items) == f.Limit || looked >= searchedBytes {
			p.Next = last
			return false, nil
		}
		r, err := db.scanInspected(scan, f.Search != "")
		if err != nil {
			return false, err
		}
		last = r.ID
		looked += len(r.Head) + len(r.Body)
		if f.Search == "" || r.holds(term) {
			r.Head, r.Body = nil, nil
			p.Items = append(p.Items, r)
		}
		return true, nil
	})
	return p, err
}

// holds reports whether a term in small letters stands in a request.
func (r *InspectedRequest) holds(term []byte) bool {
	for _, part := range [][]byte{[]byte(r.Method), []byte(r.Path), []byte(r.Query), r.Head, r.Body} {
		if bytes.Contains(lower(part), term) {
			return true
		}
	}
	return false
}
