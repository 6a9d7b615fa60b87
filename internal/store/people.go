package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Role is what a person may do in the console.
type Role string

// The roles, each with the rights of those before it.
const (
	RoleViewer   Role = "viewer"   // look
	RoleOperator Role = "operator" // and act for consumers: endpoints, deliveries
	RoleOwner    Role = "owner"    // and for the server: projects, keys, people
)

// Roles lists them.
func Roles() []Role { return []Role{RoleViewer, RoleOperator, RoleOwner} }

// Person is somebody who signs in to the console.
type Person struct {
	ID         ID
	Email      string // in small letters
	Role       Role
	CreatedAt  time.Time
	DisabledAt time.Time // zero: not
}

// ConsoleSession is a browser that a person signed in with. Of its token only
// the hash is kept.
type ConsoleSession struct {
	ID         ID
	PersonID   ID
	Agent      string // what the browser says it is; not to be trusted
	CreatedAt  time.Time
	ExpiresAt  time.Time
	LastUsedAt time.Time // written with a delay
}

// Visitor is a person who is signed in, with one session.
type Visitor struct {
	Person  *Person
	Session *ConsoleSession
}

// Invitation is a one-time link that makes a person, or gives one who is there
// a new password and role. Of its token only the hash is kept.
type Invitation struct {
	ID        ID
	Email     string // empty: who has the link chooses
	Role      Role
	MadeBy    ID // person; zero: the server
	CreatedAt time.Time
	ExpiresAt time.Time
}

// ErrLastOwner says that without this person nobody could invite others.
var ErrLastOwner = errors.New("it is the last owner")

// Bounds of people, and of what belongs to one.
const (
	maxPeople      = 1000 // also invitations
	maxSessionsOf  = 50   // console sessions of one person
	consoleIdle    = 7 * 24 * time.Hour
	maxAgent       = 200 // bytes
	selectPerson   = "SELECT k, email, role, disabled FROM people WHERE "
	sessionInForce = "s.expires>? AND s.used>? AND p.disabled=0"
	selectSession  = "SELECT s.k, s.person, s.agent, s.expires, s.used FROM console_sessions s JOIN people p ON p.k=s.person WHERE "
	selectInvited  = "SELECT k, email, role, made_by, expires FROM invitations WHERE "
	enabledOwners  = "SELECT count(*) FROM people WHERE role='owner' AND disabled=0 AND k<>?"
)

// PersonActor is whoever makes a request by a page of the console.
func PersonActor(v *Visitor, request ID) Actor {
	return Actor{Kind: ActorPerson, ID: PersonName.Format(v.Person.ID), Prefix: v.Person.Email, Session: v.Session.ID, Request: request}
}

// notLastOwner refuses to take the role, or the entrance, from the only owner who
// has both. Errors: [ErrLastOwner].
func (b *batch) notLastOwner(k key, p *Person) error {
	if p.Role != RoleOwner || !p.DisabledAt.IsZero() {
		return nil
	}
	var others int
	_, err := b.row(enabledOwners, []any{k}, &others)
	if err == nil && others == 0 {
		err = ErrLastOwner
	}
	return err
}

func (db *DB) scanPerson(scan func(...any) error) (*Person, error) {
	var p Person
	var k key
	var disabled int64
	err := scan(&k, &p.Email, &p.Role, &disabled)
	p.ID, p.CreatedAt, p.DisabledAt = db.keys.id(k), keyTime(k), fromMicros(disabled)
	return &p, err
}

// People lists all, the first first.
func (db *DB) People(ctx context.Context) (out []*Person, err error) {
	err = db.read(ctx, false, func(c *conn) error {
		return c.rows(ctx, selectPerson+"k>0 ORDER BY k LIMIT ?", []any{maxPeople}, func(scan func(...any) error) (bool, error) {
			p, err := db.scanPerson(scan)
			out = append(out, p)
			return true, err
		})
	})
	return out, err
}

// PersonByEmail finds a person who is not disabled, and the hash of the
// password. Errors: [ErrNotFound].
func (db *DB) PersonByEmail(ctx context.Context, email string) (p *Person, password string, err error) {
	err = db.read(ctx, false, func(c *conn) error {
		return c.rows(ctx, "SELECT k, email, role, disabled, password FROM people WHERE email=? AND disabled=0", []any{plainEmail(email)}, func(scan func(...any) error) (_ bool, err error) {
			p, err = db.scanPerson(func(dest ...any) error { return scan(append(dest, &password)...) })
			return false, err
		})
	})
	if err == nil && p == nil {
		err = ErrNotFound
	}
	return p, password, err
}

// plainEmail is an address as it is kept: nobody tells people apart by the
// case of theirs.
func plainEmail(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// person reads one in a transaction, with the hash of the password.
func (b *batch) person(id ID) (k key, p *Person, password string, err error) {
	k, ok := b.db.keys.key(id)
	if !ok {
		return 0, nil, "", ErrNotFound
	}
	p = &Person{ID: id, CreatedAt: keyTime(k)}
	var disabled int64
	found, err := b.row("SELECT email, role, disabled, password FROM people WHERE k=?", []any{k}, &p.Email, &p.Role, &disabled, &password)
	if err == nil && !found {
		err = ErrNotFound
	}
	p.DisabledAt = fromMicros(disabled)
	return k, p, password, err
}

// StartConsoleSession signs a person in whose password was judged by the hash
// given, and keeps the session by the SHA-256 of its token; ID and CreatedAt
// are set. The oldest sessions of a person who has too many end.
// Errors: [ErrNotFound] (gone or disabled, or the password is another by now).
func (db *DB) StartConsoleSession(ctx context.Context, s *ConsoleSession, password string, hash [32]byte) error {
	own := *s
	if own.Agent = strings.ToValidUTF8(strings.ReplaceAll(own.Agent, "\x00", ""), "\uFFFD"); len(own.Agent) > maxAgent {
		own.Agent = strings.ToValidUTF8(own.Agent[:maxAgent], "")
	}
	err := db.write(ctx, func(b *batch) error {
		person, p, now, err := b.person(own.PersonID)
		switch {
		case err != nil:
			return err
		case now != password || !p.DisabledAt.IsZero():
			return ErrNotFound
		}
		err = b.exec("DELETE FROM console_sessions WHERE k IN (SELECT k FROM console_sessions WHERE person=? ORDER BY k DESC LIMIT ? OFFSET ?)",
			person, maxPeople, maxSessionsOf-1)
		if err != nil {
			return err
		}
		k := b.key()
		own.ID, own.CreatedAt, own.ExpiresAt, own.LastUsedAt = db.keys.id(k), keyTime(k), kept(own.ExpiresAt), fromMicros(b.us)
		if err := b.exec("INSERT INTO console_sessions VALUES (?,?,?,?,?,?)", k, person, hash[:], own.Agent, micros(own.ExpiresAt), b.us); err != nil {
			return err
		}
		b.actor = PersonActor(&Visitor{p, &own}, b.actor.Request)
		return b.note(0, ActionPersonSignIn, SignInName.Format(own.ID), "")
	})
	if err == nil {
		*s = own
	}
	return err
}

func (db *DB) scanSession(scan func(...any) error) (*ConsoleSession, error) {
	var s ConsoleSession
	var k, person key
	var expires, used int64
	err := scan(&k, &person, &s.Agent, &expires, &used)
	s.ID, s.PersonID, s.CreatedAt = db.keys.id(k), db.keys.id(person), keyTime(k)
	s.ExpiresAt, s.LastUsedAt = fromMicros(expires), fromMicros(used)
	return &s, err
}

// VisitorByHash finds who is signed in with a session in force at now, and
// notes that it was used. It always asks the database: an end counts at once.
// Errors: [ErrNotFound] (unknown, over, ended, unused for a week, or the person is disabled).
func (db *DB) VisitorByHash(ctx context.Context, hash [32]byte, now time.Time) (*Visitor, error) {
	v := &Visitor{}
	err := db.read(ctx, false, func(c *conn) error {
		err := c.rows(ctx, selectSession+"s.hash=? AND "+sessionInForce, []any{hash[:], micros(now), micros(now.Add(-consoleIdle))}, func(scan func(...any) error) (_ bool, err error) {
			v.Session, err = db.scanSession(scan)
			return false, err
		})
		if err != nil || v.Session == nil {
			return err
		}
		person, _ := db.keys.key(v.Session.PersonID)
		return c.rows(ctx, selectPerson+"k=?", []any{person}, func(scan func(...any) error) (_ bool, err error) {
			v.Person, err = db.scanPerson(scan)
			return false, err
		})
	})
	if err != nil {
		return nil, err
	}
	if v.Person == nil {
		return nil, ErrNotFound
	}
	if row, ok := db.keys.key(v.Session.ID); ok && db.cache.use(row, now) {
		_ = db.w.addOp(&op{run: (*batch).touchKeys, done: make(chan struct{})})
	}
	return v, nil
}

// ConsoleSessions lists those of a person that are in force, newest first.
func (db *DB) ConsoleSessions(ctx context.Context, person ID) (out []*ConsoleSession, err error) {
	k, _ := db.keys.key(person)
	now := time.Now()
	err = db.read(ctx, false, func(c *conn) error {
		return c.rows(ctx, selectSession+"s.person=? AND "+sessionInForce+" ORDER BY s.k DESC LIMIT ?", []any{k, micros(now), micros(now.Add(-consoleIdle)), maxSessionsOf},
			func(scan func(...any) error) (bool, error) {
				s, err := db.scanSession(scan)
				out = append(out, s)
				return true, err
			})
	})
	return out, err
}

// EndConsoleSession ends one of a person at once. Errors: [ErrNotFound], also
// for another person's.
func (db *DB) EndConsoleSession(ctx context.Context, person, id ID) error {
	of, _ := db.keys.key(person)
	k, ok := db.keys.key(id)
	if !ok {
		return ErrNotFound
	}
	return db.write(ctx, func(b *batch) error {
		n, err := b.change("DELETE FROM console_sessions WHERE k=? AND person=?", k, of)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		return b.note(0, ActionPersonSignOut, SignInName.Format(id), "")
	})
}

// SetPassword gives a person the hash of a new password in place of the one
// that was judged, and ends all sessions but one (zero: all).
// Errors: [ErrNotFound] (gone, or the password is another by now).
func (db *DB) SetPassword(ctx context.Context, person ID, before, after string, but ID) error {
	return db.write(ctx, func(b *batch) error {
		k, p, now, err := b.person(person)
		switch {
		case err != nil:
			return err
		case now != before:
			return ErrNotFound
		}
		if err := b.exec("UPDATE people SET password=? WHERE k=?", after, k); err != nil {
			return err
		}
		stays, _ := db.keys.key(but)
		if err := b.exec("DELETE FROM console_sessions WHERE person=? AND k<>?", k, stays); err != nil {
			return err
		}
		return b.note(0, ActionPersonUpdate, PersonName.Format(p.ID), "", Change{Field: "password", Before: redacted(before), After: redacted(after)})
	})
}

// ChangePerson gives a person a role, and lets in or keeps out. Whoever is
// kept out has no session any more; of whoever is, or is no owner, the
// invitations end, those to the person and those that the person made. Errors: [ErrNotFound], [ErrLastOwner].
func (db *DB) ChangePerson(ctx context.Context, id ID, role Role, disabled bool) (*Person, error) {
	var out *Person
	err := db.write(ctx, func(b *batch) error {
		k, p, _, err := b.person(id)
		if err != nil {
			return err
		}
		var d diff
		d.text("role", string(p.Role), string(role))
		d.truth("disabled", !p.DisabledAt.IsZero(), disabled)
		if out = p; len(d) == 0 {
			return nil
		}
		if disabled || role != RoleOwner {
			if err := b.notLastOwner(k, p); err != nil {
				return err
			}
			if err := b.exec("DELETE FROM invitations WHERE email=? OR made_by=?", p.Email, k); err != nil {
				return err
			}
		}
		if p.Role = role; !disabled {
			p.DisabledAt = time.Time{}
		} else if p.DisabledAt.IsZero() {
			p.DisabledAt = fromMicros(b.us)
		}
		if err := b.exec("UPDATE people SET role=?, disabled=? WHERE k=?", string(role), micros(p.DisabledAt), k); err != nil {
			return err
		}
		if disabled {
			if err := b.exec("DELETE FROM console_sessions WHERE person=?", k); err != nil {
				return err
			}
		}
		return b.note(0, ActionPersonUpdate, PersonName.Format(id), "", d...)
	})
	return out, err
}

// pruneConsole deletes sessions and invitations that are over.
func (b *batch) pruneConsole(_ *pruneRound, _ key, limit int) (int, error) {
	n, err := b.change("DELETE FROM console_sessions WHERE k IN (SELECT k FROM console_sessions WHERE expires<=? ORDER BY expires LIMIT ?)", b.us, limit)
	if err != nil || n >= limit {
		return n, err
	}
	m, err := b.change("DELETE FROM invitations WHERE k IN (SELECT k FROM invitations WHERE expires<=? ORDER BY expires LIMIT ?)", b.us, limit-n)
	return n + m, err
}

// errInvited is a limit in words.
func errInvited() error { return fmt.Errorf("%d people and invitations: %w", maxPeople, ErrLimit) }
