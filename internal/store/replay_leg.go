package store

import (
	"context"
	"errors"
	"time"
)

type legID struct{ replay, endpoint key }

// leg is a replay's way through one endpoint, as far as memory holds it.
type leg struct {
	legID
	cursor key // as the table has it
	read   key // up to here was read
	ahead  []key
	found  []candidate // read, and not in the queue yet
	ended  bool        // ahead is all
	full   bool        // there was no room: it waits until there is some
}

// load finds the next legs of a replay, those that memory holds and others.
func (r *replayer) load(row *replayRow, after key) (legs []*leg, err error) {
	if len(r.legs) > legsKept {
		clear(r.legs)
	}
	err = r.db.read(r.ctx, false, func(c *conn) error {
		return c.rows(r.ctx, "SELECT endpoint, cursor FROM replay_legs WHERE replay=? AND endpoint>? ORDER BY endpoint LIMIT ?", []any{row.k, after, legsAtOnce},
			func(scan func(...any) error) (bool, error) {
				id := legID{replay: row.k}
				var cursor key
				if err := scan(&id.endpoint, &cursor); err != nil {
					return false, err
				}
				l := r.legs[id]
				if l == nil || l.cursor != cursor {
					l = &leg{legID: id, cursor: cursor, read: cursor}
					r.legs[id] = l
				}
				legs = append(legs, l)
				return true, nil
			})
	})
	return legs, err
}

// discover finds the next endpoints of a replay, up to so many, that may have
// something for it.
func (r *replayer) discover(row *replayRow, most int) error {
	const looked = 256
	if err := r.db.flushAll(r.ctx); err != nil {
		return err
	}
	after, bound := row.span()
	next := key(never)
	var found []key
	err := r.db.read(r.ctx, true, func(c *conn) error {
		q, args := "SELECT k FROM endpoints WHERE project=? AND deleted_at=0 AND k>? ORDER BY k LIMIT ?", []any{row.project, row.next, looked}
		if row.Consumer != "" {
			q, args = "SELECT k FROM endpoints WHERE project=? AND consumer=? AND deleted_at=0 AND k>? ORDER BY k LIMIT ?", []any{row.project, row.Consumer, row.next, looked}
		}
		var all []key
		err := c.rows(r.ctx, q, args, func(scan func(...any) error) (bool, error) {
			var k key
			err := scan(&k)
			all = append(all, k)
			return true, err
		})
		if err != nil {
			return err
		}
		if len(all) == looked {
			next = all[looked-1]
		}
		for _, k := range all {
			first := key(0)
			src, err := row.source(r.ctx, c, k, after, bound)
			if err == nil {
				first, err = src.next(r.ctx)
			}
			if err != nil {
				return err
			}
			if first == 0 {
				continue
			}
			if found = append(found, k); len(found) == most {
				next = k
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.db.write(context.WithoutCancel(r.ctx), func(b *batch) error {
		n, err := b.change("UPDATE replays SET next=? WHERE k=? AND next=? AND state='running'", next, row.k, row.next)
		if err != nil || n == 0 {
			return err
		}
		for _, k := range found {
			if err := b.exec("INSERT INTO replay_legs VALUES (?,?,?)", row.k, k, after); err != nil {
				return err
			}
		}
		return nil
	})
}

// walk puts one slice of a leg into the queue, if there is room, and reports
// whether the leg moved.
func (r *replayer) walk(row *replayRow, l *leg) (moved bool, err error) {
	room, err := r.room(l.endpoint)
	if err != nil || room == 0 || l.full && room < legRoom {
		l.full = true
		return false, err
	}
	l.full = false
	if err := r.fill(row, l, min(room, sliceRows)); err != nil {
		return false, err
	}
	s := &slice{row: row, leg: l, most: min(room, sliceRows)}
	if err := r.db.tend(context.WithoutCancel(r.ctx), s.write); err != nil {
		return false, err
	}
	s.settle(r)
	r.rest(max(restLeast, sliceRest*s.took))
	return s.outcome != sliceWaits, nil
}

// room is how many deliveries may be put into an endpoint's queue. An active
// endpoint gets no more than it can soon send: what comes in new is never
// behind more than a window of a replay's deliveries. One that is paused or
// disabled holds them as it does all others.
func (r *replayer) room(endpoint key) (room int, err error) {
	err = r.db.read(r.ctx, false, func(c *conn) error {
		var state EndpointState
		var due int
		_, err := c.row(r.ctx, "SELECT state FROM endpoints WHERE k=? AND deleted_at=0", []any{endpoint}, &state)
		if err == nil && state == Active {
			_, err = c.row(r.ctx, "SELECT count(*) FROM (SELECT 1 FROM queue WHERE endpoint=? AND endpoint>0 AND due<=? LIMIT ?) AS ready",
				[]any{endpoint, time.Now().UnixMicro(), legWindow}, &due)
		}
		room = legWindow - due
		return err
	})
	return room, err
}

// fill reads until a leg has so many candidates, or has seen enough for once.
func (r *replayer) fill(row *replayRow, l *leg, want int) error {
	db := r.db
	if len(l.found) >= want {
		return nil
	}
	var e *Endpoint
	if row.Kind == ReplayMissed {
		found, err := db.findEndpoint(r.ctx, row.EndpointID)
		if errors.Is(err, ErrNotFound) {
			return nil // the slice says so
		}
		if err != nil {
			return err
		}
		e = found.Endpoint
	}
	for walked := 0; len(l.found) < want && walked < legWalked; {
		if len(l.ahead) == 0 && l.ended {
			return nil
		}
		if len(l.ahead) == 0 {
			if err := r.readAhead(row, l); err != nil {
				return err
			}
			continue
		}
		keys := l.ahead[:min(legChunk, len(l.ahead))]
		err := db.read(r.ctx, true, func(c *conn) error {
			var found []candidate
			var err error
			if e != nil {
				found, err = db.missed(r.ctx, c, row, e, keys)
			} else {
				found, err = db.over(r.ctx, c, row, l.endpoint, keys)
			}
			l.found = append(l.found, found...)
			return err
		})
		if err != nil {
			return err
		}
		walked += len(keys)
		l.read, l.ahead = keys[len(keys)-1], l.ahead[len(keys):]
	}
	return nil
}

// readAhead reads the next keys of a leg's lists. What comes into them later
// ended after the replay was made, and is none of it.
func (r *replayer) readAhead(row *replayRow, l *leg) error {
	if err := r.db.flushAll(r.ctx); err != nil {
		return err
	}
	_, bound := row.span()
	return r.db.read(r.ctx, true, func(c *conn) error {
		src, err := row.source(r.ctx, c, l.endpoint, l.read, bound)
		if err == nil {
			l.ahead, err = take(r.ctx, src, legAhead)
			l.ended = len(l.ahead) < legAhead
		}
		return err
	})
}
