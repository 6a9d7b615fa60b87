package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// CreateKey keeps a key by the SHA-256 of its text; ID and CreatedAt are set.
// Errors: [ErrNotFound] (no such project), [ErrConflict] (the same text again).
func (db *DB) CreateKey(ctx context.Context, k *Key, hash [32]byte) error {
	_, err := db.CreateKeyOnce(ctx, k, hash, nil)
	return err
}

// CreateKeyOnce is [DB.CreateKey] for a caller that may repeat it; where it
// was done before, that time's answer comes back. Errors: also [ErrReused].
func (db *DB) CreateKeyOnce(ctx context.Context, k *Key, hash [32]byte, o *Once[Key]) (before []byte, err error) {
	scopes, err := json.Marshal(k.Scopes)
	if err != nil {
		return nil, err
	}
	var project key
	if !k.ProjectID.IsZero() {
		p, err := db.knownProject(ctx, k.ProjectID)
		if err != nil {
			return nil, fmt.Errorf("project: %w", err)
		}
		project = p.k
	}
	own := *k
	own.ExpiresAt = kept(k.ExpiresAt)
	return created(ctx, db, o, k, &own, func(b *batch) error {
		if project != 0 {
			if _, there, err := b.projectRow(own.ProjectID); err != nil || !there { // deleted just now
				return cmp.Or(err, fmt.Errorf("project: %w", ErrNotFound))
			}
		}
		row := b.key()
		own.ID, own.CreatedAt = db.keys.id(row), keyTime(row)
		err := b.exec("INSERT INTO keys VALUES (?,?,?,?,?,?,?,?,0,0)",
			row, project, k.Consumer, k.Name, k.Prefix, hash[:], scopes, micros(k.ExpiresAt))
		if faultOf(err) == faultUnique {
			return ErrConflict
		}
		if err != nil {
			return err
		}
		if err := b.announceKey(EventKeyCreated, &own); err != nil {
			return err
		}
		if err := b.remindOfKey(row, &own); err != nil {
			return err
		}
		return b.note(project, ActionKeyCreate, KeyName.Format(own.ID), own.Consumer, newKeyChanges(&own)...)
	})
}

// ErrEnded says that the key or the session of who asks has ended since the
// request began.
var ErrEnded = errors.New("the key or session that asks has ended")

// inForce refuses what is asked for with a key or a session that is not in
// force any more, also because its consumer was deleted, or its person is kept
// out. Errors: [ErrEnded].
func (b *batch) inForce(a Actor) error {
	var query string
	var id ID
	var err error
	var args []any
	switch a.Kind {
	case ActorKey, ActorRoot:
		id, err = KeyName.Parse(a.ID)
		args = []any{b.us}
		query = "SELECT 1 FROM keys WHERE revoked=0 AND (expires=0 OR expires>?) AND k=?"
	case ActorPortal:
		id, err = SessionName.Parse(a.ID)
		query, args = "SELECT 1 FROM portal_sessions s WHERE "+portalInForce+" AND s.k=?", []any{b.us, b.us}
	case ActorPerson:
		id = a.Session
		query = "SELECT 1 FROM console_sessions s JOIN people p ON p.k=s.person WHERE " + sessionInForce + " AND s.k=?"
		args = []any{b.us, micros(b.now.Add(-consoleIdle))}
	default:
		return nil
	}
	if err != nil {
		return err
	}
	k, _ := b.db.keys.key(id)
	var one int
	found, err := b.row(query, append(args, k), &one)
	if err == nil && !found {
		err = ErrEnded
	}
	return err
}

const selectKey = "SELECT k, project, consumer, name, prefix, scopes, expires, revoked, used, " +
	"coalesce((SELECT d.k FROM departed d WHERE d.project=keys.project AND d.consumer=keys.consumer), 0) FROM keys"

func (db *DB) scanKey(scan func(...any) error) (*Key, error) {
	var (
		k                       Key
		row, project, departed  key
		scopes                  []byte
		expires, revoked, used_ int64
	)
	if err := scan(&row, &project, &k.Consumer, &k.Name, &k.Prefix, &scopes, &expires, &revoked, &used_, &departed); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(scopes, &k.Scopes); err != nil {
		return nil, fmt.Errorf("scopes of key %s: %w", db.keys.id(row), err)
	}
	k.ID, k.ProjectID, k.CreatedAt = db.keys.id(row), db.keys.id(project), keyTime(row)
	k.Since = afterKey(departed)
	k.ExpiresAt, k.RevokedAt, k.LastUsedAt = fromMicros(expires), fromMicros(revoked), fromMicros(used_)
	return &k, nil
}

// KeyByHash finds a key in force at now, from memory where possible, and
// notes that it was used. Shared: read only.
// Errors: [ErrNotFound] (unknown, expired, revoked).
func (db *DB) KeyByHash(ctx context.Context, hash [32]byte, now time.Time) (*Key, error) {
	k, ok := db.cache.keys.get(hash)
	if !ok {
		var err error
		if k, err = db.readKey(ctx, hash); err != nil {
			return nil, err
		}
	}
	return db.usedKey(k, now)
}

// KeyInForce is [DB.KeyByHash] for whoever must see at once that another
// process revoked a key: where several write, it asks the database. Events are
// taken in without it: see [DB.Access].
func (db *DB) KeyInForce(ctx context.Context, hash [32]byte, now time.Time) (*Key, error) {
	if !db.engine.shared() {
		return db.KeyByHash(ctx, hash, now)
	}
	k, err := db.readKey(ctx, hash)
	if err != nil {
		return nil, err
	}
	return db.usedKey(k, now)
}

// Access counts how often access was taken away until now, by whichever
// process: it is read before a sender's key is looked up, and shown with what
// he sends. See [Acceptance].
func (db *DB) Access() uint64 { return db.cache.access.Load() }

// usedKey is a key that is in force, and notes that it was used.
func (db *DB) usedKey(k *Key, now time.Time) (*Key, error) {
	if !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) {
		return nil, ErrNotFound
	}
	if row, ok := db.keys.key(k.ID); ok && db.cache.use(row, now) {
		_ = db.w.addOp(&op{run: (*batch).touchKeys, done: make(chan struct{})})
	}
	return k, nil
}

// readKey reads a key that is not revoked, and keeps it in memory.
func (db *DB) readKey(ctx context.Context, hash [32]byte) (k *Key, err error) {
	pass := db.cache.pass()
	err = db.read(ctx, false, func(c *conn) error {
		return c.rows(ctx, selectKey+" WHERE hash=?", []any{hash[:]}, func(scan func(...any) error) (_ bool, err error) {
			k, err = db.scanKey(scan)
			return false, err
		})
	})
	if err != nil {
		return nil, err
	}
	if k == nil || !k.RevokedAt.IsZero() {
		return nil, ErrNotFound
	}
	db.cache.keep(pass, func() { db.cache.keys.put(hash, k) })
	return k, nil
}

// Keys lists a project's keys by id, after the one given; the zero project
// has the root keys.
func (db *DB) Keys(ctx context.Context, project, after ID, limit int) ([]*Key, error) {
	p, _ := db.keys.key(project)
	a, _ := db.keys.key(after)
	var out []*Key
	err := db.read(ctx, false, func(c *conn) error {
		return c.rows(ctx, selectKey+" WHERE project=? AND k>? ORDER BY k LIMIT ?", []any{p, a, limit}, func(scan func(...any) error) (bool, error) {
			k, err := db.scanKey(scan)
			out = append(out, k)
			return true, err
		})
	})
	return out, err
}

// Key reads one of a project (zero: a root key), whether it is in force or
// not. Errors: [ErrNotFound], also for a foreign one.
func (db *DB) Key(ctx context.Context, of, id ID) (k *Key, err error) {
	row, ok := db.keys.key(id)
	if !ok {
		return nil, ErrNotFound
	}
	err = db.read(ctx, false, func(c *conn) error {
		return c.rows(ctx, selectKey+" WHERE k=?", []any{row}, func(scan func(...any) error) (_ bool, err error) {
			k, err = db.scanKey(scan)
			return false, err
		})
	})
	if err == nil && (k == nil || k.ProjectID != of) {
		return nil, ErrNotFound
	}
	return k, err
}

// RevokeKey ends a key of a project (zero: a root key) at once, however often
// it is called. Errors: [ErrNotFound], also for a foreign one.
func (db *DB) RevokeKey(ctx context.Context, of, id ID) error {
	return db.revokeKey(ctx, of, id, func(*batch) error { return nil })
}

// RevokeRootKey ends a root key at once. The last one that is in force only
// where last says so: without one, nobody can make projects and keys until one
// is made at the server's own machine. Errors: [ErrNotFound], [ErrLastKey].
func (db *DB) RevokeRootKey(ctx context.Context, id ID, last bool) error {
	k, _ := db.keys.key(id)
	return db.revokeKey(ctx, ID{}, id, func(b *batch) error {
		var others bool
		if last {
			return nil
		}
		if err := b.claim("root keys"); err != nil {
			return err
		}
		_, err := b.row("SELECT EXISTS (SELECT 1 FROM keys WHERE project=0 AND k<>? AND revoked=0 AND (expires=0 OR expires>?))", []any{k, b.us}, &others)
		if err == nil && !others {
			err = ErrLastKey
		}
		return err
	})
}

// revokeKey ends a key that is there, of that project and in force, if check
// lets it.
func (db *DB) revokeKey(ctx context.Context, of, id ID, check func(*batch) error) error {
	k, ok := db.keys.key(id)
	if !ok {
		return ErrNotFound
	}
	return db.write(ctx, func(b *batch) error {
		var project key
		var consumer string
		var revoked int64
		found, err := b.row("SELECT project, consumer, revoked FROM keys WHERE k=? /*FOR UPDATE*/", []any{k}, &project, &consumer, &revoked)
		if err != nil {
			return err
		}
		if !found || db.keys.id(project) != of {
			return ErrNotFound
		}
		if revoked != 0 {
			return nil
		}
		if err := check(b); err != nil {
			return err
		}
		if err := b.exec("UPDATE keys SET revoked=? WHERE k=?", b.us, k); err != nil {
			return err
		}
		if err := b.note(project, ActionKeyRevoke, KeyName.Format(id), consumer); err != nil {
			return err
		}
		if err := b.announceKeyRow(EventKeyRevoked, project, k); err != nil {
			return err
		}
		b.changed(changedKey, k, nil)
		if project == 0 {
			return nil
		}
		return b.bump(db.keys.id(project))
	})
}

// revokeKeysOf ends the keys that act for a consumer, and returns how many.
func (b *batch) revokeKeysOf(project key, consumer string) (int, error) {
	var keys []key
	err := b.rows("SELECT k FROM keys WHERE project=? AND consumer=? AND revoked=0", []any{project, consumer}, func(scan func(...any) error) (bool, error) {
		var k key
		err := scan(&k)
		keys = append(keys, k)
		return true, err
	})
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	for _, k := range keys {
		if err := b.announceKeyRow(EventKeyRevoked, project, k); err != nil {
			return 0, err
		}
		b.changed(changedKey, k, nil)
	}
	return len(keys), b.exec("UPDATE keys SET revoked=? WHERE project=? AND consumer=? AND revoked=0", b.us, project, consumer)
}

// touchKeys writes when keys and sessions were used last.
func (b *batch) touchKeys() error {
	b.touched = b.db.cache.takeUsed()
	for k, at := range b.touched {
		n, err := b.change("UPDATE keys SET used=?1 WHERE k=?2 AND used<?1", at, k)
		if err == nil && n == 0 {
			n, err = b.change("UPDATE portal_sessions SET used=?1 WHERE k=?2 AND used<?1", at, k)
		}
		if err == nil && n == 0 {
			_, err = b.change("UPDATE console_sessions SET used=?1 WHERE k=?2 AND used<?1", at, k)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
