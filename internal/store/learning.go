package store

import (
	"context"
	"time"
)

// news is what other processes changed, read in one moment.
type news struct {
	generation int64
	whole      bool // more than is remembered of: everything is read again
	changes    []changed
	projects   map[key]*projectState
	deletions  map[key]string
	skips      map[key]key
	incidents  map[key]*incident
	last       key // that was given out by anybody
}

// moved reports whether the configuration is not of a generation any more.
func (db *DB) moved(ctx context.Context, c *conn, known int64) (bool, error) {
	var now int64
	err := db.generationInto(ctx, c, &now)
	return now != known, err
}

func (db *DB) generationInto(ctx context.Context, c *conn, g *int64) error {
	_, err := c.row(ctx, "SELECT generation FROM configuration WHERE id=?", []any{rowConfiguration}, g)
	return err
}

// news is what changed since a generation.
func (db *DB) news(ctx context.Context, c *conn, known int64) (*news, error) {
	n := &news{}
	if err := db.generationInto(ctx, c, &n.generation); err != nil {
		return nil, err
	}
	first := n.generation + 1
	if _, err := c.row(ctx, "SELECT max(last) FROM nodes", nil, &n.last); err != nil {
		return nil, err
	}
	err := c.rows(ctx, "SELECT min(generation), kind, k FROM changes WHERE generation>? GROUP BY kind, k ORDER BY min(generation), kind, k", []any{known},
		func(scan func(...any) error) (bool, error) {
			var g int64
			var one changed
			err := scan(&g, &one.kind, &one.k)
			n.changes, first = append(n.changes, one), min(first, g)
			return true, err
		})
	if err != nil {
		return nil, err
	}
	if n.whole = first != known+1; n.whole { // this process was away for longer than is remembered
		n.changes = nil
	}
	return n, db.facts(ctx, c, n)
}

// facts reads the rows that tell what changed things are now.
func (db *DB) facts(ctx context.Context, c *conn, n *news) error {
	var of struct{ projects, deletions, skips, incidents keyList }
	for _, one := range n.changes {
		switch one.kind {
		case changedProject, changedVersion:
			of.projects = append(of.projects, one.k)
		case changedDeletion:
			of.deletions = append(of.deletions, one.k)
		case changedSkip:
			of.skips = append(of.skips, one.k)
		case changedIncident:
			of.incidents = append(of.incidents, one.k)
		default:
		}
	}
	var err error
	read := func(of keyList, q, k string, scan func(func(...any) error) (bool, error)) {
		switch {
		case err != nil || len(of) == 0 && !n.whole:
		case n.whole:
			err = c.rows(ctx, q, nil, scan)
		default:
			err = c.rows(ctx, q+" WHERE "+k+" IN (SELECT value FROM json_each(?) j)", []any{of}, scan)
		}
	}
	read(of.projects, selectProject, "k", db.projectsInto(&n.projects))
	read(of.deletions, selectDeletion, "endpoint", deletionsInto(&n.deletions))
	read(of.skips, selectSkip, "endpoint", skipsInto(&n.skips))
	if db.o.Mail {
		read(of.incidents, selectIncident, "endpoint", incidentsInto(&n.incidents))
	}
	return err
}

// apply takes news over. Of the writer's goroutine: what it does in a
// transaction is all of one generation.
func (db *DB) apply(n *news) {
	if n.whole {
		db.everything(n)
	}
	for i := range n.changes {
		n.set(db, &n.changes[i])
	}
	for i := range n.changes {
		db.forget(&n.changes[i])
	}
	if db.nodes != nil {
		db.nodes.follow(n.last) // so what comes after a change has greater keys than what came before it
	}
	db.w.generation = n.generation
	db.generation.Store(n.generation)
}

// set takes over what the rows of a change say.
func (n *news) set(db *DB, c *changed) {
	switch c.kind {
	case changedProject, changedVersion:
		if p := n.projects[c.k]; p != nil {
			db.setProject(p)
		} else {
			db.forgetProject(db.keys.id(c.k))
		}
	case changedDeletion:
		db.setDeleting(c.k, n.deletions[c.k])
	case changedSkip:
		db.setSkipping(c.k, n.skips[c.k])
	case changedIncident:
		if in := n.incidents[c.k]; in != nil {
			db.w.incidents[c.k] = in
		} else {
			delete(db.w.incidents, c.k)
		}
	default: // forget says it all
	}
}

// everything makes a change of each thing that is in memory or in the rows.
func (db *DB) everything(n *news) {
	all := func(kind changeKind, k key) { n.changes = append(n.changes, changed{kind: kind, k: k}) }
	db.mu.RLock()
	for _, p := range db.projects {
		all(changedProject, p.k)
		all(changedEars, p.k)
	}
	for k := range db.deleting {
		all(changedDeletion, k)
	}
	for k := range db.skipping {
		all(changedSkip, k)
	}
	db.mu.RUnlock()
	for k := range n.projects {
		all(changedProject, k)
	}
	for k := range n.deletions {
		all(changedDeletion, k)
	}
	for k := range n.skips {
		all(changedSkip, k)
	}
	for k := range db.w.incidents {
		all(changedIncident, k)
	}
	for k := range n.incidents {
		all(changedIncident, k)
	}
	for _, id := range db.cache.lanes.all() {
		k, _ := db.keys.key(id)
		all(changedEndpoint, k)
	}
	all(changedEmails, 0)
	all(changedDialects, 0)
	db.cache.forget(db.cache.keys.clear)
}

// lookEvery is how often an idle process looks whether the configuration moved.
const lookEvery = time.Second

// lookSoon has the writer look now.
func (w *writer) lookSoon() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookAt = time.Now()
	w.rouse(true)
}

// look learns what others changed, where it is time. Nothing is lost where it
// fails: a transaction that was made with what is old fails, too.
func (w *writer) look(now time.Time) {
	if !w.lookDue(now) {
		return
	}
	moved, err := w.db.moved(context.Background(), w.c, w.generation)
	if err == nil && moved {
		err = w.learn()
	}
	if err != nil {
		w.db.log.Debug("whether the configuration moved is not known", "error", err)
	}
}

// lookDue reports whether it is time, and sets when it is next.
func (w *writer) lookDue(now time.Time) bool {
	if w.failed != nil || !w.db.engine.shared() {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	due := !now.Before(w.lookAt)
	if due {
		w.lookAt = now.Add(lookEvery)
	}
	return due
}

// learn reads what others changed, and takes it over.
func (w *writer) learn() error {
	ctx := context.Background()
	if err := w.c.exec(ctx, "BEGIN"); err != nil {
		return err
	}
	n, err := w.db.news(ctx, w.c, w.generation)
	if e := w.c.exec(ctx, "COMMIT"); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	w.db.apply(n)
	return nil
}

// catchUp makes sure that what others changed before the call is known.
func (db *DB) catchUp(ctx context.Context) error {
	if !db.engine.shared() {
		return nil
	}
	var moved bool
	err := db.read(ctx, false, func(c *conn) (err error) {
		moved, err = db.moved(ctx, c, db.generation.Load())
		return err
	})
	if err != nil || !moved {
		return err
	}
	db.w.lookSoon()
	return db.tend(ctx, func(*batch) error { return nil }) // the writer looks before it
}

// knownProject is the project of that id. One that another process made just
// now is known, too. Errors: [ErrNotFound].
func (db *DB) knownProject(ctx context.Context, id ID) (*projectState, error) {
	if p := db.project(id); p != nil {
		return p, nil
	}
	if _, ok := db.keys.key(id); !ok {
		return nil, ErrNotFound
	}
	if err := db.catchUp(ctx); err != nil {
		return nil, err
	}
	if p := db.project(id); p != nil {
		return p, nil
	}
	return nil, ErrNotFound
}

// changesFor is how long it is remembered what changed. Who was away for longer
// reads everything again.
const changesFor = time.Hour

func (b *batch) pruneChanges(_ *pruneRound, _ key, limit int) (int, error) {
	if !b.db.engine.shared() {
		return 0, nil
	}
	return b.change("DELETE FROM changes WHERE generation IN (SELECT generation FROM changes WHERE at<now()-make_interval(secs=>?) ORDER BY generation LIMIT ?)",
		changesFor.Seconds(), limit)
}
