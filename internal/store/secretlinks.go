package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// SecretLink is a link that shows an endpoint's secret once. It holds no
// secret: it shows what is in force when it is opened. Of its token only the
// hash is kept.
type SecretLink struct {
	ID         ID
	EndpointID ID
	CreatedAt  time.Time
	ExpiresAt  time.Time
	RevokedAt  time.Time // zero: it was not
	OpenedAt   time.Time // zero: not yet
	OpenedFrom string    // address of whoever opened it, as the server saw it
}

// LinkState is what can be done with a link.
type LinkState string

// The states of links; all but LinkOpen are final.
const (
	LinkOpen    LinkState = "open"
	LinkOpened  LinkState = "opened"
	LinkRevoked LinkState = "revoked"
	LinkExpired LinkState = "expired"
)

// State at a time.
func (l *SecretLink) State(now time.Time) LinkState {
	switch {
	case !l.OpenedAt.IsZero():
		return LinkOpened
	case !l.RevokedAt.IsZero():
		return LinkRevoked
	case !now.Before(l.ExpiresAt):
		return LinkExpired
	}
	return LinkOpen
}

// How many links of an endpoint are kept that can not be opened any more, and
// for how long after they would have expired.
const (
	maxOverLinks = 50
	overLinksFor = 90 * 24 * time.Hour
)

// CreateSecretLinkOnce keeps a link by the SHA-256 of its token; ID and
// CreatedAt are set. cap limits the endpoint's links that are open, counted in
// the same transaction. Where it was done before under the same claim, that
// time's answer comes back.
// Errors: [ErrNotFound] (no such endpoint, or a foreign one), [ErrLimit], [ErrReused].
func (db *DB) CreateSecretLinkOnce(ctx context.Context, project ID, l *SecretLink, hash [32]byte, cap int, o *Once[SecretLink]) (before []byte, err error) {
	own := *l
	return created(ctx, db, o, l, &own, func(b *batch) error { return b.createSecretLink(project, &own, hash, cap) })
}

func (b *batch) createSecretLink(project ID, l *SecretLink, hash [32]byte, cap int) error {
	of, err := b.endpointOf(project, l.EndpointID)
	if err == nil {
		err = b.lockEndpoint(of.k)
	}
	if err != nil {
		return err
	}
	var n int
	_, err = b.row("SELECT count(*) FROM secret_links WHERE endpoint=? AND opened=0 AND revoked=0 AND expires>?", []any{of.k, b.us}, &n)
	if err != nil {
		return err
	}
	if n >= cap {
		return fmt.Errorf("%d open links for each endpoint: %w", cap, ErrLimit)
	}
	err = b.exec(`DELETE FROM secret_links WHERE k IN (SELECT k FROM secret_links WHERE endpoint=? AND (opened<>0 OR revoked<>0 OR expires<=?)
		ORDER BY k DESC LIMIT ? OFFSET ?)`, of.k, b.us, never, maxOverLinks)
	if err != nil {
		return err
	}
	k := b.key()
	l.ID, l.CreatedAt, l.ExpiresAt = b.db.keys.id(k), keyTime(k), kept(l.ExpiresAt)
	if err := b.exec("INSERT INTO secret_links VALUES (?,?,?,?,0,0,'')", k, of.k, hash[:], micros(l.ExpiresAt)); err != nil {
		return err
	}
	d := diff{{Field: "endpoint", After: EndpointName.Format(l.EndpointID)}}
	d.time("expires_at", time.Time{}, l.ExpiresAt)
	return b.note(of.project, ActionLinkCreate, LinkName.Format(l.ID), of.consumer, d...)
}

// ownedEndpoint is as much of an endpoint as rows about it need.
type ownedEndpoint struct {
	k, project key
	consumer   string
}

// endpointOf finds an endpoint of a project that is not deleted.
// Errors: [ErrNotFound], also for a foreign one.
func (b *batch) endpointOf(project, id ID) (o ownedEndpoint, err error) {
	k, ok := b.db.keys.key(id)
	p, okProject := b.db.keys.key(project)
	if !ok || !okProject {
		return o, ErrNotFound
	}
	o.k, o.project = k, p
	found, err := b.row("SELECT consumer FROM endpoints WHERE k=? AND project=? AND deleted_at=0", []any{k, p}, &o.consumer)
	if err == nil && !found {
		err = ErrNotFound
	}
	return o, err
}

const selectLink = "SELECT k, endpoint, expires, revoked, opened, opened_from FROM secret_links WHERE "

func (db *DB) scanLink(scan func(...any) error) (*SecretLink, error) {
	var l SecretLink
	var k, endpoint key
	var expires, revoked, opened int64
	err := scan(&k, &endpoint, &expires, &revoked, &opened, &l.OpenedFrom)
	l.ID, l.EndpointID, l.CreatedAt = db.keys.id(k), db.keys.id(endpoint), keyTime(k)
	l.ExpiresAt, l.RevokedAt, l.OpenedAt = fromMicros(expires), fromMicros(revoked), fromMicros(opened)
	return &l, err
}

func (db *DB) linkByHash(ctx context.Context, c *conn, hash [32]byte) (l *SecretLink, err error) {
	err = c.rows(ctx, selectLink+"hash=?", []any{hash[:]}, func(scan func(...any) error) (_ bool, err error) {
		l, err = db.scanLink(scan)
		return false, err
	})
	if err == nil && l == nil {
		err = ErrNotFound
	}
	return l, err
}

// SecretLinks lists an endpoint's links by id, newest first, before the one
// given (zero: from the newest), also those that can not be opened any more.
// Errors: [ErrNotFound] (no such endpoint, or a foreign one).
func (db *DB) SecretLinks(ctx context.Context, project, endpoint, before ID, limit int) (out []*SecretLink, err error) {
	if _, err := db.Endpoint(ctx, project, endpoint); err != nil {
		return nil, err
	}
	k, _ := db.keys.key(endpoint)
	from := key(never)
	if !before.IsZero() {
		from, _ = db.keys.key(before)
	}
	err = db.read(ctx, false, func(c *conn) error {
		return c.rows(ctx, selectLink+"endpoint=? AND k<? ORDER BY k DESC LIMIT ?", []any{k, from, limit}, func(scan func(...any) error) (bool, error) {
			l, err := db.scanLink(scan)
			out = append(out, l)
			return true, err
		})
	})
	return out, err
}

// RevokeSecretLink ends a link of an endpoint at once.
// Errors: [ErrNotFound], also for a foreign one; [ErrConflict] (it is not open any more).
func (db *DB) RevokeSecretLink(ctx context.Context, project, endpoint, id ID) error {
	k, ok := db.keys.key(id)
	if !ok {
		return ErrNotFound
	}
	return db.write(ctx, func(b *batch) error {
		of, err := b.endpointOf(project, endpoint)
		if err != nil {
			return err
		}
		var there bool
		if _, err := b.row("SELECT true FROM secret_links WHERE k=? AND endpoint=?", []any{k, of.k}, &there); err != nil {
			return err
		}
		if !there {
			return ErrNotFound
		}
		n, err := b.change("UPDATE secret_links SET revoked=? WHERE k=? AND opened=0 AND revoked=0 AND expires>?", b.us, k, b.us)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrConflict
		}
		return b.note(of.project, ActionLinkRevoke, LinkName.Format(id), of.consumer)
	})
}

// SecretLinkByHash finds a link, whatever its state, and the endpoint that it
// is of. Errors: [ErrNotFound] (unknown, or its endpoint is gone); in words
// where the endpoint's secrets do not decrypt.
func (db *DB) SecretLinkByHash(ctx context.Context, hash [32]byte) (l *SecretLink, of *Lane, err error) {
	err = db.read(ctx, false, func(c *conn) error {
		l, err = db.linkByHash(ctx, c, hash)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	of, err = db.Lane(ctx, l.EndpointID)
	return l, of, err
}

// OpenSecretLink marks a link as opened, by somebody at an address, and
// returns it with the endpoint as it is in that moment: whoever calls shows
// the secret, and nobody after him. The mark is durable before the return.
// Errors: [ErrConflict] (it is not open: the link says why), [ErrNotFound]
// (unknown, or its endpoint is gone); in words where the endpoint's secrets do
// not decrypt: then it stays open.
func (db *DB) OpenSecretLink(ctx context.Context, hash [32]byte, from string) (*SecretLink, *Lane, error) {
	var l *SecretLink
	var of *Lane
	err := db.write(ctx, func(b *batch) (err error) {
		if err := b.lock("SELECT 1 FROM secret_links WHERE hash=?", hash[:]); err != nil {
			return err
		}
		if l, err = db.linkByHash(context.Background(), b.c, hash); err != nil {
			return err
		}
		if l.State(b.now) != LinkOpen {
			return ErrConflict
		}
		of, err = b.openLink(l, from)
		return err
	})
	switch {
	case errors.Is(err, ErrConflict):
		return l, nil, err
	case err != nil:
		return nil, nil, err
	}
	return l, of, nil
}

func (b *batch) openLink(l *SecretLink, from string) (*Lane, error) {
	db := b.db
	k, _ := db.keys.key(l.ID)
	endpoint, _ := db.keys.key(l.EndpointID)
	r, err := db.endpointRow(context.Background(), b.c, endpoint)
	switch {
	case err != nil:
		return nil, err
	case r == nil:
		return nil, ErrNotFound
	case r.sealErr != nil:
		return nil, r.sealErr
	}
	p := db.project(r.ProjectID)
	if p == nil {
		return nil, ErrNotFound
	}
	if err := b.exec("UPDATE secret_links SET opened=?, opened_from=? WHERE k=?", b.us, from, k); err != nil {
		return nil, err
	}
	l.OpenedAt, l.OpenedFrom = fromMicros(b.us), from
	if err := b.announceLink(l, r.Endpoint); err != nil {
		return nil, err
	}
	b.actor = Actor{Kind: ActorLink, ID: LinkName.Format(l.ID), Request: b.actor.Request}
	return &Lane{Endpoint: r.Endpoint, Project: p.Project}, b.note(r.project, ActionLinkOpen, LinkName.Format(l.ID), r.Consumer,
		Change{Field: "endpoint", After: EndpointName.Format(l.EndpointID)}, Change{Field: "opened_from", After: from})
}

// pruneLinks deletes links that are over for long.
func (b *batch) pruneLinks(_ *pruneRound, _ key, limit int) (int, error) {
	return b.change("DELETE FROM secret_links WHERE k IN (SELECT k FROM secret_links WHERE expires<=? ORDER BY expires LIMIT ?)",
		micros(b.now.Add(-overLinksFor)), limit)
}
