package store

import (
	"context"
	"time"
)

// Recent asks for the newest events that could have reached a consumer.
type Recent struct {
	Consumer string    // uid
	Since    time.Time // zero: any
	Type     string    // empty: any
	Limit    int       // events, at most 250
	Bytes    int       // of data; the event that passes it is the last
}

// RecentEvents are a consumer's own events and those for all consumers, newest
// first, with their data; tests, which go to one endpoint, are left out. more
// says that there may be older ones: the search looks at a bounded number.
func (db *DB) RecentEvents(ctx context.Context, project ID, r Recent) (events []*Event, more bool, err error) {
	state := db.project(project)
	if state == nil {
		return nil, false, nil
	}
	err = db.readLists(ctx, func(v *view) error {
		src, err := db.recentSource(ctx, v, state.k, &r)
		if err != nil {
			return err
		}
		size := 0
		for range maxWalked {
			k, err := src.next(ctx)
			if err != nil || k == 0 {
				return err
			}
			if len(events) == min(r.Limit, maxPage) || size >= r.Bytes {
				more = true
				return nil
			}
			e, err := db.event(ctx, v.c, k)
			if err != nil {
				return err
			}
			if e == nil || e.Test || r.Type != "" && e.Type != r.Type || e.Consumer != r.Consumer && e.Consumer != "*" {
				continue
			}
			events = append(events, e)
			size += len(e.Data)
		}
		more = true
		return nil
	})
	return events, more, err
}

// recentSource joins the lists of a consumer and of all consumers. The
// server's own consumer gets no broadcasts.
func (db *DB) recentSource(ctx context.Context, v *view, project key, r *Recent) (source, error) {
	oldest := timeKey(r.Since)
	own, err := db.eventsSource(ctx, v, project, &Filter{Consumer: r.Consumer, Type: r.Type}, oldest, never)
	if err != nil || r.Consumer == SystemConsumer {
		return own, err
	}
	all, err := db.eventsSource(ctx, v, project, &Filter{Consumer: "*", Type: r.Type}, oldest, never)
	return &joined{of: [2]source{own, all}}, err
}

// joined gives the keys of two sources that have none in common, newest first.
type joined struct {
	of    [2]source
	at    [2]key // the next of each
	known [2]bool
}

func (j *joined) next(ctx context.Context) (key, error) {
	for i := range j.of {
		if j.known[i] {
			continue
		}
		k, err := j.of[i].next(ctx)
		if err != nil {
			return 0, err
		}
		j.at[i], j.known[i] = k, true
	}
	newest := 0
	if j.at[1] > j.at[0] {
		newest = 1
	}
	k := j.at[newest]
	j.known[newest] = k == 0
	return k, nil
}
