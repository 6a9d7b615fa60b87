package store

import (
	"context"
	"time"
)

// ReplaysFilter narrows a list of replays; zero fields do not.
type ReplaysFilter struct {
	Consumer   string
	EndpointID ID
	State      ReplayState
	From       time.Time // made then or later
	Before     ID        // cursor: strictly older than this id
	Limit      int       // at most 250
}

// Replays lists a project's replays, newest first. A page looks at a bounded
// number of them: it may have fewer than Limit, or none, and still a Next.
func (db *DB) Replays(ctx context.Context, project ID, f ReplaysFilter) (p Page[*Replay], err error) {
	state := db.project(project)
	bounds := Filter{From: f.From, Before: f.Before, Limit: f.Limit}
	oldest, newest, ok := db.bounds(&bounds)
	if state == nil || !ok {
		return p, nil
	}
	where, args := "project=? AND k<? AND k>=?", []any{state.k, newest, oldest}
	switch {
	case f.State == ReplayRunning:
		where += " AND state='running'" // an index of its own: few run
	case f.Consumer != "":
		where, args = where+" AND consumer=?", append(args, f.Consumer)
	}
	walked := 0
	var last key
	err = db.read(ctx, true, func(c *conn) error {
		return c.rows(ctx, selectReplay+" WHERE "+where+" ORDER BY k DESC LIMIT ?", append(args, maxWalked+1), func(scan func(...any) error) (bool, error) {
			if walked == maxWalked || len(p.Items) == bounds.Limit {
				p.Next = db.keys.id(last)
				return false, nil
			}
			walked++
			r, err := db.scanReplay(scan)
			if err != nil {
				return false, err
			}
			if last = r.k; f.wants(r.Replay) {
				p.Items = append(p.Items, r.Replay)
			}
			return true, nil
		})
	})
	return p, err
}

func (f *ReplaysFilter) wants(r *Replay) bool {
	return (f.Consumer == "" || r.Consumer == f.Consumer) && (f.EndpointID.IsZero() || r.EndpointID == f.EndpointID) && (f.State == "" || r.State == f.State)
}
