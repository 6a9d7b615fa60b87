package store

import (
	"context"
	"errors"
	"time"
)

// Invite keeps an invitation by the SHA-256 of its token; ID and CreatedAt are
// set. Those that the same address had before end. Errors: [ErrLimit].
func (db *DB) Invite(ctx context.Context, i *Invitation, hash [32]byte) error {
	own := *i
	own.Email = plainEmail(own.Email)
	err := db.write(ctx, func(b *batch) error {
		var n int
		if _, err := b.row("SELECT (SELECT count(*) FROM people) + (SELECT count(*) FROM invitations)", nil, &n); err != nil {
			return err
		}
		if n >= maxPeople {
			return errInvited()
		}
		return b.invite(&own, hash)
	})
	if err == nil {
		*i = own
	}
	return err
}

// InviteOwner keeps an invitation for whoever has its link to be the first
// owner, in place of those that earlier starts made, unless there is an owner
// who can sign in: then made is false.
func (db *DB) InviteOwner(ctx context.Context, expires time.Time, hash [32]byte) (made bool, err error) {
	err = db.write(ctx, func(b *batch) error {
		var owners int
		if _, err := b.row(enabledOwners, []any{0}, &owners); err != nil {
			return err
		}
		if made = owners == 0; !made {
			return nil
		}
		return b.invite(&Invitation{Role: RoleOwner, ExpiresAt: expires}, hash)
	})
	return made, err
}

func (b *batch) invite(i *Invitation, hash [32]byte) error {
	if err := b.exec("DELETE FROM invitations WHERE email=?", i.Email); err != nil {
		return err
	}
	k := b.key()
	maker, _ := b.db.keys.key(i.MadeBy)
	i.ID, i.CreatedAt, i.ExpiresAt = b.db.keys.id(k), keyTime(k), kept(i.ExpiresAt)
	if err := b.exec("INSERT INTO invitations VALUES (?,?,?,?,?,?)", k, hash[:], i.Email, string(i.Role), maker, micros(i.ExpiresAt)); err != nil {
		return err
	}
	var d diff
	d.text("email", "", i.Email)
	d.text("role", "", string(i.Role))
	d.time("expires_at", time.Time{}, i.ExpiresAt)
	return b.note(0, ActionPersonInvite, InvitationName.Format(i.ID), "", d...)
}

func (db *DB) scanInvitation(scan func(...any) error) (*Invitation, error) {
	var i Invitation
	var k, maker key
	var expires int64
	err := scan(&k, &i.Email, &i.Role, &maker, &expires)
	i.ID, i.MadeBy, i.CreatedAt, i.ExpiresAt = db.keys.id(k), db.keys.id(maker), keyTime(k), fromMicros(expires)
	return &i, err
}

// Invitations lists those that can be used, newest first.
func (db *DB) Invitations(ctx context.Context) (out []*Invitation, err error) {
	err = db.read(ctx, false, func(c *conn) error {
		return c.rows(ctx, selectInvited+"expires>? ORDER BY k DESC LIMIT ?", []any{micros(time.Now()), maxPeople}, func(scan func(...any) error) (bool, error) {
			i, err := db.scanInvitation(scan)
			out = append(out, i)
			return true, err
		})
	})
	return out, err
}

// InvitationByHash finds one that can be used. Errors: [ErrNotFound].
func (db *DB) InvitationByHash(ctx context.Context, hash [32]byte) (i *Invitation, err error) {
	err = db.read(ctx, false, func(c *conn) error {
		i, err = db.invitationByHash(ctx, c, hash, micros(time.Now()))
		return err
	})
	return i, err
}

func (db *DB) invitationByHash(ctx context.Context, c *conn, hash [32]byte, us int64) (i *Invitation, err error) {
	err = c.rows(ctx, selectInvited+"hash=? AND expires>?", []any{hash[:], us}, func(scan func(...any) error) (_ bool, err error) {
		i, err = db.scanInvitation(scan)
		return false, err
	})
	if err == nil && i == nil {
		err = ErrNotFound
	}
	return i, err
}

// RevokeInvitation ends one at once. Errors: [ErrNotFound].
func (db *DB) RevokeInvitation(ctx context.Context, id ID) error {
	k, ok := db.keys.key(id)
	if !ok {
		return ErrNotFound
	}
	return db.write(ctx, func(b *batch) error {
		n, err := b.change("DELETE FROM invitations WHERE k=?", k)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		return b.note(0, ActionPersonUninvite, InvitationName.Format(id), "")
	})
}

// TakeInvitation uses an invitation up: its person is made with the hash of a
// password or, where the address is a person's already, gets it with the
// invitation's role, can sign in again, and has no session any more. email is
// for an invitation that names none.
// Errors: [ErrNotFound] (unknown, used, over, or revoked), [ErrLastOwner].
func (db *DB) TakeInvitation(ctx context.Context, hash [32]byte, email, password string) (p *Person, err error) {
	err = db.write(ctx, func(b *batch) error {
		i, err := db.invitationByHash(context.Background(), b.c, hash, b.us)
		if err != nil {
			return err
		}
		if i.Email == "" {
			i.Email = plainEmail(email)
		}
		k, _ := db.keys.key(i.ID)
		if err := b.exec("DELETE FROM invitations WHERE k=?", k); err != nil {
			return err
		}
		b.actor = Actor{Kind: ActorLink, ID: InvitationName.Format(i.ID), Request: b.actor.Request}
		p, err = b.welcome(i, password)
		return err
	})
	return p, err
}

// TakeInvitationOf takes the newest invitation for an address that somebody else
// vouched for, and makes the person, who has no password. Errors: [ErrNotFound],
// [ErrLastOwner].
func (db *DB) TakeInvitationOf(ctx context.Context, email string) (p *Person, err error) {
	err = db.write(ctx, func(b *batch) error {
		var i *Invitation
		err := b.rows(selectInvited+"email=? AND expires>? ORDER BY k DESC LIMIT 1", []any{plainEmail(email), b.us}, func(scan func(...any) error) (_ bool, err error) {
			i, err = db.scanInvitation(scan)
			return false, err
		})
		if err == nil && i == nil {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		k, _ := db.keys.key(i.ID)
		if err := b.exec("DELETE FROM invitations WHERE k=?", k); err != nil {
			return err
		}
		b.actor = Actor{Kind: ActorLink, ID: InvitationName.Format(i.ID), Request: b.actor.Request}
		p, err = b.welcome(i, "")
		return err
	})
	return p, err
}

func (b *batch) welcome(i *Invitation, password string) (*Person, error) {
	var k key
	found, err := b.row("SELECT k FROM people WHERE email=?", []any{i.Email}, &k)
	if err != nil {
		return nil, err
	}
	if !found {
		k = b.key()
		p := &Person{ID: b.db.keys.id(k), Email: i.Email, Role: i.Role, CreatedAt: keyTime(k)}
		if err := b.exec("INSERT INTO people VALUES (?,?,?,?,0)", k, p.Email, password, string(p.Role)); err != nil {
			return nil, err
		}
		var d diff
		d.text("email", "", p.Email)
		d.text("role", "", string(p.Role))
		return p, b.note(0, ActionPersonCreate, PersonName.Format(p.ID), "", d...)
	}
	_, p, was, err := b.person(b.db.keys.id(k))
	if err != nil {
		return nil, err
	}
	if i.Role != RoleOwner {
		if err := b.notLastOwner(k, p); err != nil {
			return nil, err
		}
	}
	var d diff
	d.text("role", string(p.Role), string(i.Role))
	d.truth("disabled", !p.DisabledAt.IsZero(), false)
	d.hidden("password", was, password)
	p.Role, p.DisabledAt = i.Role, time.Time{}
	err = errors.Join(
		b.exec("UPDATE people SET password=?, role=?, disabled=0 WHERE k=?", password, string(i.Role), k),
		b.exec("DELETE FROM console_sessions WHERE person=?", k),
		b.note(0, ActionPersonUpdate, PersonName.Format(p.ID), "", d...),
	)
	return p, err
}
