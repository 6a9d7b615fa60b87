package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// InspectedRequest is one that arrived at an inspector.
type InspectedRequest struct {
	ID          ID
	InspectorID ID
	Method      string
	Path        string // behind the token, as it was sent; empty: nothing stood there
	Query       string // as it was sent, without the question mark
	Head        []byte // header lines in the order and case in which they were sent, each with its line end
	Body        []byte // at most [MaxInspectedBody]
	BodyBytes   int64  // its whole length, as far as it came
	InspectedFacts
	AnsweredAt time.Time // zero: not yet, or the sender was gone by then
}

// InspectedFacts are what is known of a request beside its bytes.
type InspectedFacts struct {
	Host        string        `json:"host"`
	Remote      string        `json:"remote"`            // IP address and port
	Version     string        `json:"version"`           // as in HTTP/1.1
	TLS         string        `json:"tls,omitempty"`     // as in TLS 1.3; empty: none
	ContentType string        `json:"type,omitempty"`    // as it was sent
	Inexact     bool          `json:"inexact,omitempty"` // Head is in alphabetical order, and names as Go spells them
	Incomplete  bool          `json:"incomplete,omitempty"`
	Length      int64         `json:"length"`          // BodyBytes
	Received    int64         `json:"received"`        // first byte, microseconds since 1970
	Read        time.Duration `json:"read"`            // from the first byte to the last
	Status      int           `json:"status"`          // that it was answered with
	Delay       time.Duration `json:"delay,omitempty"` // before the answer, on purpose
	Failed      bool          `json:"failed,omitempty"`
	Ignored     []string      `json:"ignored,omitempty"` // parameters of the address that were meant for the answer, and could not be used
}

// ReceivedAt is when its first byte came.
func (f *InspectedFacts) ReceivedAt() time.Time { return fromMicros(f.Received) }

// inspectedExtra is what a row takes beside the bytes of the request, about.
const inspectedExtra = 512

func (r *InspectedRequest) size() int64 {
	return int64(len(r.Path) + len(r.Query) + len(r.Head) + len(r.Body) + inspectedExtra)
}

// KeepInspected keeps a request; ID is set. What its inspector has too much of
// then goes. Errors: [ErrNotFound] (the inspector is gone), [ErrFull].
func (db *DB) KeepInspected(ctx context.Context, r *InspectedRequest) error {
	of, ok := db.keys.key(r.InspectorID)
	if !ok {
		return ErrNotFound
	}
	if err := db.engine.room(time.Now()); err != nil { // what is left is for what was accepted
		return err
	}
	r.Length = r.BodyBytes
	facts, err := json.Marshal(&r.InspectedFacts)
	if err != nil {
		return err
	}
	own := *r
	if err := db.tend(ctx, func(b *batch) error { return b.keepInspected(of, &own, string(facts)) }); err != nil {
		return err
	}
	r.ID = own.ID
	return nil
}

func (b *batch) keepInspected(of key, r *InspectedRequest, facts string) error {
	var last key
	var requests int
	var bytes, keep int64
	found, err := b.row("SELECT last, requests, bytes, keep FROM inspectors WHERE k=? AND (expires=0 OR expires>?) /*FOR UPDATE*/", []any{of, b.us}, &last, &requests, &bytes, &keep)
	if err != nil || !found {
		return notThere(err)
	}
	b.db.keys.after(last) // so who reads on from a key misses none, whichever process keeps them
	k := b.key()
	r.ID = b.db.keys.id(k)
	err = b.exec("INSERT INTO inspected VALUES (?,?,?,?,0,?,?,?,?,?,?)", k, of, b.us+keep, r.size(), facts, r.Method,
		notNil([]byte(r.Path)), notNil([]byte(r.Query)), notNil(r.Head), notNil(r.Body))
	if err != nil {
		return err
	}
	requests, bytes, err = b.trimInspected(of, requests+1, bytes+r.size())
	if err != nil {
		return err
	}
	b.after = append(b.after, func() { b.db.arrivals.tell(of) })
	return b.exec("UPDATE inspectors SET last=?, requests=?, bytes=? WHERE k=?", k, requests, bytes, of)
}

// trimSlice is how many of an inspector's oldest requests are looked at at
// once: as a rule one of them goes.
const trimSlice = 8

// trimInspected deletes the oldest requests, until what is left is within
// bounds, and says how much that is.
func (b *batch) trimInspected(of key, requests int, bytes int64) (int, int64, error) {
	for requests > MaxInspected || bytes > MaxInspectedBytes {
		var gone key
		err := b.rows("SELECT k, size FROM inspected WHERE inspector=? ORDER BY k LIMIT ?", []any{of, trimSlice}, func(scan func(...any) error) (bool, error) {
			var size int64
			if requests <= MaxInspected && bytes <= MaxInspectedBytes {
				return false, nil
			}
			err := scan(&gone, &size)
			requests, bytes = requests-1, bytes-size
			return true, err
		})
		if err != nil || gone == 0 {
			return requests, bytes, err
		}
		if err := b.exec("DELETE FROM inspected WHERE inspector=? AND k<=?", of, gone); err != nil {
			return requests, bytes, err
		}
	}
	return requests, bytes, nil
}

// InspectedAnswered notes soon that a request's answer was out; nobody waits
// for it.
func (db *DB) InspectedAnswered(id ID, at time.Time) {
	k, ok := db.keys.key(id)
	if !ok {
		return
	}
	_ = db.w.addOp(&op{done: make(chan struct{}), run: func(b *batch) error { // a store that is closed keeps no more
		return b.exec("UPDATE inspected SET answered=? WHERE k=?", micros(at), k)
	}})
}

const selectInspected = "SELECT k, inspector, answered, facts, method, path, query"

// scanInspected reads what stands in the columns of selectInspected, and then
// head and body where the statement has them.
func (db *DB) scanInspected(scan func(...any) error, withBytes bool) (*InspectedRequest, error) {
	var r InspectedRequest
	var k, of key
	var answered int64
	var facts string
	var path, query []byte
	into := []any{&k, &of, &answered, &facts, &r.Method, &path, &query}
	if withBytes {
		into = append(into, &r.Head, &r.Body)
	}
	if err := scan(into...); err != nil {
		return nil, err
	}
	r.ID, r.InspectorID, r.Path, r.Query, r.AnsweredAt = db.keys.id(k), db.keys.id(of), string(path), string(query), fromMicros(answered)
	if err := json.Unmarshal([]byte(facts), &r.InspectedFacts); err != nil {
		return nil, fmt.Errorf("what is known of %s: %w", RequestName.Format(r.ID), err)
	}
	r.BodyBytes = r.Length
	return &r, nil
}

// ownInspector is the key of an inspector in force of a project.
// Errors: [ErrNotFound].
func (db *DB) ownInspector(ctx context.Context, c *conn, project, id ID) (key, error) {
	k, ok := db.keys.key(id)
	p, okProject := db.keys.key(project)
	if !ok || !okProject {
		return 0, ErrNotFound
	}
	found, err := c.row(ctx, "SELECT 1 FROM inspectors WHERE "+inspectorInForce, []any{k, p, micros(time.Now())}, new(int))
	if err == nil && !found {
		err = ErrNotFound
	}
	return k, err
}

// InspectedRequest reads one of an inspector.
// Errors: [ErrNotFound], also for a foreign one.
func (db *DB) InspectedRequest(ctx context.Context, project, inspector, id ID) (r *InspectedRequest, err error) {
	k, ok := db.keys.key(id)
	if !ok {
		return nil, ErrNotFound
	}
	err = db.read(ctx, false, func(c *conn) error {
		of, err := db.ownInspector(ctx, c, project, inspector)
		if err != nil {
			return err
		}
		if r, err = db.oneInspected(ctx, c, "inspector=? AND k=?", of, k); err == nil && r == nil {
			err = ErrNotFound
		}
		return err
	})
	return r, err
}

func (db *DB) oneInspected(ctx context.Context, c *conn, where string, args ...any) (r *InspectedRequest, err error) {
	err = c.rows(ctx, selectInspected+", head, body FROM inspected WHERE "+where, args, func(scan func(...any) error) (_ bool, err error) {
		r, err = db.scanInspected(scan, true)
		return false, err
	})
	return r, err
}

// DeleteInspectedRequest deletes one of an inspector.
// Errors: [ErrNotFound], also for a foreign one.
func (db *DB) DeleteInspectedRequest(ctx context.Context, project, inspector, id ID) error {
	k, ok := db.keys.key(id)
	if !ok {
		return ErrNotFound
	}
	return db.write(ctx, func(b *batch) error {
		of, p, err := b.inspectorRow(project, inspector)
		if err != nil {
			return err
		}
		var size int64
		found, err := b.row("SELECT size FROM inspected WHERE k=? AND inspector=?", []any{k, of}, &size)
		if err != nil || !found {
			return notThere(err)
		}
		if err := b.exec("DELETE FROM inspected WHERE k=?", k); err != nil {
			return err
		}
		if err := b.exec("UPDATE inspectors SET requests=requests-1, bytes=bytes-? WHERE k=?", size, of); err != nil {
			return err
		}
		return b.note(p, ActionInspectorForget, InspectorName.Format(inspector), "", Change{Field: "request", Before: RequestName.Format(id)})
	})
}

// ClearInspector deletes all requests of one, and returns how many there were.
// Errors: [ErrNotFound], also for a foreign one.
func (db *DB) ClearInspector(ctx context.Context, project, inspector ID) (gone int, err error) {
	err = db.write(ctx, func(b *batch) error {
		of, p, err := b.inspectorRow(project, inspector)
		if err != nil {
			return err
		}
		if gone, err = b.change("DELETE FROM inspected WHERE inspector=?", of); err != nil {
			return err
		}
		if err := b.exec("UPDATE inspectors SET requests=0, bytes=0 WHERE k=?", of); err != nil {
			return err
		}
		return b.note(p, ActionInspectorClear, InspectorName.Format(inspector), "", Change{Field: "requests", Before: numberText(gone)})
	})
	if err != nil {
		return 0, err
	}
	return gone, nil
}

// NoteInspectorReplay notes in the audit log that a request of an inspector is
// sent to a URL, before it is. Errors: [ErrNotFound], also for a foreign one.
func (db *DB) NoteInspectorReplay(ctx context.Context, project, inspector, id ID, url string) error {
	return db.write(ctx, func(b *batch) error {
		_, p, err := b.inspectorRow(project, inspector)
		if err != nil {
			return err
		}
		d := diff{{Field: "request", After: RequestName.Format(id)}}
		d.url("url", "", url)
		return b.note(p, ActionInspectorReplay, InspectorName.Format(inspector), "", d...)
	})
}

// pruneInspected deletes requests whose time is over: those of one inspector,
// which are few, at once.
func (b *batch) pruneInspected(_ *pruneRound, _ key, limit int) (gone int, err error) {
	for gone < limit {
		var of key
		found, err := b.row("SELECT inspector FROM inspected WHERE until<=? ORDER BY until LIMIT 1", []any{b.us}, &of)
		if err != nil || !found {
			return gone, err
		}
		n, err := b.pruneInspectedOf(of)
		if gone += n; err != nil {
			return gone, err
		}
	}
	return gone, nil
}

func (b *batch) pruneInspectedOf(of key) (int, error) {
	if err := b.lock("SELECT 1 FROM inspectors WHERE k=?", of); err != nil { // who keeps requests does so, too
		return 0, err
	}
	var bytes int64
	err := b.rows("SELECT size FROM inspected WHERE inspector=? AND until<=?", []any{of, b.us}, func(scan func(...any) error) (bool, error) {
		var size int64
		err := scan(&size)
		bytes += size
		return true, err
	})
	if err != nil {
		return 0, err
	}
	n, err := b.change("DELETE FROM inspected WHERE inspector=? AND until<=?", of, b.us)
	if err != nil {
		return 0, err
	}
	return n, b.exec("UPDATE inspectors SET requests=requests-?, bytes=bytes-? WHERE k=?", n, bytes, of)
}

// pruneInspectors deletes inspectors that have ended, with their requests.
func (b *batch) pruneInspectors(_ *pruneRound, _ key, limit int) (gone int, err error) {
	var ended []key
	err = b.rows("SELECT k FROM inspectors WHERE expires>0 AND expires<=? ORDER BY expires LIMIT ?", []any{b.us, limit}, func(scan func(...any) error) (bool, error) {
		var k key
		err := scan(&k)
		ended = append(ended, k)
		return true, err
	})
	for _, k := range ended {
		if gone >= limit || err != nil {
			return gone, err
		}
		var n int
		if n, err = b.change("DELETE FROM inspected WHERE k IN (SELECT k FROM inspected WHERE inspector=? ORDER BY k LIMIT ?)", k, limit-gone); err != nil {
			return gone, err
		}
		if gone += n; gone >= limit {
			return gone, nil // what is left of it goes the next time
		}
		if err = b.exec("DELETE FROM inspectors WHERE k=?", k); err == nil {
			gone++
		}
	}
	return gone, err
}
