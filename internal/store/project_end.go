package store

import (
	"context"
	"fmt"
)

// maxInProject is how many endpoints are counted that keep a project from being
// deleted.
const maxInProject = 1000

// HasEndpoints says that a project has endpoints: Number, or more.
type HasEndpoints struct {
	Number int
	More   bool
}

// Error says so.
func (e *HasEndpoints) Error() string { return fmt.Sprintf("the project has %d endpoints", e.Number) }

// DeleteProject deletes a project that has no endpoints: its keys and portal
// sessions end, and its inspectors, its name and its host name are free. What was sent, and its
// audit log, stay until they are pruned; the log is still read with the id.
// The server's own log notes it.
// Errors: [ErrNotFound], [*HasEndpoints].
func (db *DB) DeleteProject(ctx context.Context, id ID) error {
	return db.write(ctx, func(b *batch) error {
		k, there, err := b.projectRow(id)
		if err != nil {
			return err
		}
		if !there {
			return ErrNotFound
		}
		var n int
		if _, err := b.row("SELECT count(*) FROM (SELECT 1 FROM endpoints WHERE project=? AND deleted_at=0 LIMIT ?) AS found", []any{k, maxInProject + 1}, &n); err != nil {
			return err
		}
		if n > 0 {
			return &HasEndpoints{Number: min(n, maxInProject), More: n > maxInProject}
		}
		p := db.project(id)
		if p == nil {
			return ErrNotFound
		}
		if err := b.exec("DELETE FROM projects WHERE k=?", k); err != nil {
			return err
		}
		if err := b.exec("UPDATE keys SET revoked=? WHERE project=? AND revoked=0", b.us, k); err != nil {
			return err
		}
		if err := b.exec("UPDATE inspectors SET expires=? WHERE project=? AND (expires=0 OR expires>?)", b.us, k, b.us); err != nil {
			return err
		}
		b.changed(changedProject, k, func() { db.forgetProject(id) })
		b.heardAgain()
		if err := b.depart(k, ""); err != nil {
			return err
		}
		return b.note(0, ActionProjectDelete, ProjectName.Format(id), "", projectChanges(p.Project, &Project{})...)
	})
}

// projectRow finds a project's row and locks it, also where it was made or deleted in the
// transaction that is under way.
func (b *batch) projectRow(id ID) (k key, there bool, err error) {
	k, ok := b.db.keys.key(id)
	if !ok {
		return 0, false, nil
	}
	there, err = b.row("SELECT 1 FROM projects WHERE k=? /*FOR UPDATE*/", []any{k}, new(int))
	return k, there, err
}

func (db *DB) forgetProject(id ID) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if p := db.projects[id]; p != nil && db.hosts[p.Host] == id {
		delete(db.hosts, p.Host)
	}
	delete(db.projects, id)
}

// ProjectDeleted reports whether a project was deleted, and something of it
// is kept.
func (db *DB) ProjectDeleted(ctx context.Context, id ID) (was bool, err error) {
	k, ok := db.keys.key(id)
	if !ok {
		return false, nil
	}
	err = db.read(ctx, false, func(c *conn) error {
		was, err = c.row(ctx, "SELECT 1 FROM departed WHERE project=? AND consumer=''", []any{k}, new(int))
		return err
	})
	return was, err
}

// leftovers are rows of a deleted project that no time ends.
var leftovers = [...]string{
	"DELETE FROM consumers WHERE k IN (SELECT k FROM consumers WHERE project=? LIMIT ?)",
	"DELETE FROM event_types WHERE k IN (SELECT k FROM event_types WHERE project=? LIMIT ?)",
	"DELETE FROM keys WHERE k IN (SELECT k FROM keys WHERE project=? LIMIT ?)",
}

// pruneDeparted forgets consumers and projects that were deleted and of which
// no history is left.
func (b *batch) pruneDeparted(_ *pruneRound, cut key, limit int) (gone int, err error) {
	if gone, err = b.pruneLeftovers(limit); gone >= limit || err != nil {
		return gone, err
	}
	var oldest *key
	if _, err := b.row("SELECT min(k) FROM (SELECT min(k) AS k FROM events UNION ALL SELECT min(k) FROM deliveries) AS kept", nil, &oldest); err != nil {
		return gone, err
	}
	if oldest != nil {
		cut = min(cut, *oldest)
	}
	n, err := b.change(`DELETE FROM departed WHERE (project, consumer) IN
		(SELECT project, consumer FROM departed WHERE k<? AND (consumer<>'' OR NOT EXISTS (SELECT 1 FROM audit a WHERE a.project=departed.project)) ORDER BY k LIMIT ?)`, cut, limit-gone)
	return gone + n, err
}

// pruneLeftovers deletes what deleted projects left, as far as limit goes.
func (b *batch) pruneLeftovers(limit int) (gone int, err error) {
	var projects []key
	err = b.rows("SELECT project FROM departed WHERE consumer='' ORDER BY k LIMIT ?", []any{limit}, func(scan func(...any) error) (bool, error) {
		var k key
		err := scan(&k)
		projects = append(projects, k)
		return true, err
	})
	for _, p := range projects {
		for _, q := range leftovers {
			if gone >= limit || err != nil {
				return gone, err
			}
			var n int
			n, err = b.change(q, p, limit-gone)
			gone += n
		}
	}
	return gone, err
}
