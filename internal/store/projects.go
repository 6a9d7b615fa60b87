package store

import (
	"context"
	"errors"
	"fmt"
)

// projectState is a project in memory, with its configuration's version. All
// projects are held: they are few.
type projectState struct {
	*Project
	k       key
	version int64
}

func (db *DB) project(id ID) *projectState {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return db.projects[id]
}

func (db *DB) setProject(p *projectState) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if was := db.projects[p.ID]; was != nil && db.hosts[was.Host] == p.ID {
		delete(db.hosts, was.Host)
	}
	db.projects[p.ID] = p
	if p.Host != "" {
		db.hosts[p.Host] = p.ID
	}
}

// CreateProject keeps a project; ID and CreatedAt are set. Errors: [ErrConflict] (same name and environment), [ErrHost].
func (db *DB) CreateProject(ctx context.Context, p *Project) error {
	_, err := db.CreateProjectOnce(ctx, p, nil)
	return err
}

// CreateProjectOnce is [DB.CreateProject] for a caller that may repeat it;
// where it was done before, that time's answer comes back. Errors: also
// [ErrReused].
func (db *DB) CreateProjectOnce(ctx context.Context, p *Project, o *Once[Project]) (before []byte, err error) {
	kept := *p
	return created(ctx, db, o, p, &kept, func(b *batch) error {
		k := b.key()
		kept.ID, kept.CreatedAt = db.keys.id(k), keyTime(k)
		err := b.exec("INSERT INTO projects (k, name, environment, dialect, body_id, version, host, known_types_only, emails, language, portal) VALUES (?,?,?,?,?,1,?,?,?,?,?)",
			k, kept.Name, string(kept.Environment), kept.Dialect, kept.BodyID, kept.Host, kept.KnownTypesOnly, emailsText(kept.Emails), kept.Language, kept.Portal.text())
		if faultOf(err) == faultUnique {
			return b.taken(&kept)
		}
		if err != nil {
			return err
		}
		b.changed(changedProject, k, func() {
			own := kept
			db.setProject(&projectState{Project: &own, k: k, version: 1})
		})
		return b.note(k, ActionProjectCreate, ProjectName.Format(kept.ID), "", projectChanges(&Project{}, &kept)...)
	})
}

// taken says which of a project's unique values another has.
func (b *batch) taken(p *Project) error {
	if owner, ok := b.db.hostOf(p.Host); ok && owner != p.ID {
		return fmt.Errorf("%s is bound to another project: %w", p.Host, ErrHost)
	}
	return fmt.Errorf("a %s project named %q exists: %w", p.Environment, p.Name, ErrConflict)
}

func (db *DB) hostOf(host string) (ID, bool) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	id, ok := db.hosts[host]
	return id, ok
}

// UpdateProject reads, lets change alter, and keeps. ID and CreatedAt stay.
// Errors: [ErrNotFound], [ErrConflict] (same name and environment), [ErrHost], and
// whatever change returns.
func (db *DB) UpdateProject(ctx context.Context, id ID, change func(*Project) error) (*Project, error) {
	for {
		was, err := db.knownProject(ctx, id)
		if err != nil {
			return nil, err
		}
		p := *was.Project
		if err := change(&p); err != nil {
			return nil, err
		}
		p.ID, p.CreatedAt = was.ID, was.CreatedAt
		err = db.write(ctx, func(b *batch) error {
			var version int64
			there, err := b.row("SELECT version FROM projects WHERE k=?", []any{was.k}, &version)
			switch {
			case err != nil:
				return err
			case !there:
				return ErrNotFound
			case version != was.version: // also by what this same transaction did before
				return ErrStale
			}
			err = b.exec("UPDATE projects SET name=?, environment=?, dialect=?, body_id=?, host=?, known_types_only=?, emails=?, language=?, portal=? WHERE k=?",
				p.Name, string(p.Environment), p.Dialect, p.BodyID, p.Host, p.KnownTypesOnly, emailsText(p.Emails), p.Language, p.Portal.text(), was.k)
			if faultOf(err) == faultUnique {
				return b.taken(&p)
			}
			if err != nil {
				return err
			}
			b.changed(changedProject, was.k, func() {
				own := p
				db.setProject(&projectState{Project: &own, k: was.k, version: db.project(id).version})
			})
			b.heardAgain()
			if d := projectChanges(was.Project, &p); len(d) > 0 {
				if err := b.note(was.k, ActionProjectUpdate, ProjectName.Format(id), "", d...); err != nil {
					return err
				}
			}
			return b.bump(id)
		})
		if errors.Is(err, ErrStale) {
			continue
		}
		return &p, err
	}
}

// Projects lists projects by id, after the one given.
func (db *DB) Projects(ctx context.Context, after ID, limit int) ([]*Project, error) {
	k, ok := db.keys.key(after)
	if !ok && !after.IsZero() {
		return nil, nil
	}
	var out []*Project
	err := db.read(ctx, false, func(c *conn) error {
		return c.rows(ctx, selectProject+" WHERE k>? ORDER BY k LIMIT ?", []any{k, limit}, func(scan func(...any) error) (bool, error) {
			p, err := db.scanProject(scan)
			if err == nil {
				out = append(out, p.Project)
			}
			return true, err
		})
	})
	return out, err
}

const selectProject = "SELECT k, name, environment, dialect, body_id, version, host, known_types_only, emails, language, portal FROM projects"

func (db *DB) scanProject(scan func(...any) error) (*projectState, error) {
	p := &projectState{Project: &Project{}}
	var emails, portal string
	err := scan(&p.k, &p.Name, &p.Environment, &p.Dialect, &p.BodyID, &p.version, &p.Host, &p.KnownTypesOnly, &emails, &p.Language, &portal)
	p.Emails, p.Portal = emailsOf(emails), portalOf(portal)
	p.ID, p.CreatedAt = db.keys.id(p.k), keyTime(p.k)
	return p, err
}

// Project reads one. Errors: [ErrNotFound].
func (db *DB) Project(ctx context.Context, id ID) (*Project, error) {
	p, err := db.knownProject(ctx, id)
	if err != nil {
		return nil, err
	}
	out := *p.Project
	return &out, nil
}

// bump raises the version of a project's configuration: acceptances that were
// matched before are stale. Errors: [ErrNotFound] (it was deleted just now).
func (b *batch) bump(project ID) error {
	k, ok := b.db.keys.key(project)
	if !ok {
		return ErrNotFound
	}
	b.changed(changedVersion, k, func() {
		if p := b.db.project(project); p != nil {
			next := *p
			next.version++
			b.db.setProject(&next)
		}
	})
	n, err := b.change("UPDATE projects SET version=version+1 WHERE k=?", k)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return err
}

// projectsInto reads projects into a map.
func (db *DB) projectsInto(m *map[key]*projectState) func(func(...any) error) (bool, error) {
	*m = map[key]*projectState{}
	return func(scan func(...any) error) (bool, error) {
		p, err := db.scanProject(scan)
		(*m)[p.k] = p
		return true, err
	}
}
