package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// PortalAccess is what a portal session may do with its consumer's endpoints.
type PortalAccess string

// The kinds of access.
const (
	PortalRead   PortalAccess = "read"   // look at them, and at what was sent to them
	PortalManage PortalAccess = "manage" // and change them, and send again
)

// Portal is how a project's customers see their pages.
type Portal struct {
	Name    string   `json:"name,omitempty"`    // of the company; empty: the project's
	Color   string   `json:"color,omitempty"`   // of the company, as in "#0b6148"; empty: this server's
	Logo    Logo     `json:"logo,omitempty"`    // of the company; none: its name stands there
	Origins []string `json:"origins,omitempty"` // of pages that may frame it, as in "https://app.example.com"; none: nobody may
}

// MaxPortalOrigins is how many origins may frame a project's portal.
const MaxPortalOrigins = 10

func (p *Portal) text() string {
	if p.Name == "" && p.Color == "" && len(p.Logo) == 0 && len(p.Origins) == 0 {
		return ""
	}
	b, _ := json.Marshal(p) // strings always encode
	return string(b)
}

// portalOf reads it; what does not decode is as by default.
func portalOf(text string) (p Portal) {
	if text != "" && json.Unmarshal([]byte(text), &p) != nil {
		return Portal{}
	}
	return p
}

// PortalSession lets whoever has its token look after one consumer's
// endpoints for a while. Of the token only the hash is kept.
type PortalSession struct {
	ID        ID
	ProjectID ID
	Consumer  string // uid
	Access    PortalAccess
	MadeBy    ID        // the key that it was made with, or the person who made it, and ends with
	ByPerson  bool      // MadeBy is a person
	Prefix    string    // the token's first characters, to recognise it by
	OpenedAt  time.Time // with its one-time link, in a browser; zero: not yet
	Link      [32]byte  // of a new one: hash of the token in that link; zero: it has none
	CreatedAt time.Time
	ExpiresAt time.Time
	// LastUsedAt is written with a delay of a second or so; zero: never used.
	LastUsedAt time.Time
	Since      time.Time // as of [Key]
}

// portalInForce says which sessions are: what they were made with must be, too.
const portalInForce = `s.expires>? AND (EXISTS (SELECT 1 FROM keys k WHERE k.k=s.made_by AND k.revoked=0 AND (k.expires=0 OR k.expires>?))
	OR EXISTS (SELECT 1 FROM people p WHERE p.k=s.made_by AND p.disabled=0 AND p.role<>'viewer'))`

// CreatePortalSessionOnce keeps a session by the SHA-256 of its token; ID and
// CreatedAt are set, and its consumer is created on first mention. cap limits
// the consumer's sessions in force, counted in the same transaction. It ends
// with its key at the latest. Where it was done before under the same claim,
// that time's answer comes back.
// Errors: [ErrNotFound] (no such project, or whoever makes it is not in force), [ErrLimit], [ErrReused].
func (db *DB) CreatePortalSessionOnce(ctx context.Context, s *PortalSession, hash [32]byte, cap int, o *Once[PortalSession]) (before []byte, err error) {
	p, err := db.knownProject(ctx, s.ProjectID)
	if err != nil {
		return nil, fmt.Errorf("project: %w", err)
	}
	own := *s
	return created(ctx, db, o, s, &own, func(b *batch) error { return b.createPortalSession(p.k, &own, hash, cap) })
}

func (b *batch) createPortalSession(project key, s *PortalSession, hash [32]byte, cap int) error {
	maker, _ := b.db.keys.key(s.MadeBy)
	var end int64
	if _, _, err := b.mention(project, s.Consumer); err != nil { // and so nobody else makes one for it
		return err
	}
	found, err := b.row("SELECT expires FROM keys WHERE k=? AND revoked=0 AND (expires=0 OR expires>?) /*FOR SHARE*/", []any{maker, b.us}, &end)
	if err == nil && !found {
		found, err = b.row("SELECT 0 FROM people WHERE k=? AND disabled=0 AND role<>'viewer' /*FOR SHARE*/", []any{maker}, &end)
		s.ByPerson = found
	}
	switch {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("key: %w", ErrNotFound)
	case end != 0 && micros(s.ExpiresAt) > end:
		s.ExpiresAt = fromMicros(end)
	}
	var n int
	_, err = b.row("SELECT count(*) FROM portal_sessions s WHERE s.project=? AND s.consumer=? AND "+portalInForce,
		[]any{project, s.Consumer, b.us, b.us}, &n)
	if err != nil {
		return err
	}
	if n >= cap {
		return fmt.Errorf("%d portal sessions for each consumer: %w", cap, ErrLimit)
	}
	k := b.key()
	s.ID, s.CreatedAt, s.ExpiresAt = b.db.keys.id(k), keyTime(k), kept(s.ExpiresAt)
	var door []byte
	if s.Link != [32]byte{} {
		door = s.Link[:]
	}
	err = b.exec("INSERT INTO portal_sessions (k, project, consumer, access, made_by, prefix, hash, expires, used, door) VALUES (?,?,?,?,?,?,?,?,0,?)",
		k, project, s.Consumer, string(s.Access), maker, s.Prefix, hash[:], micros(s.ExpiresAt), door)
	if err != nil {
		return err
	}
	var d diff
	d.text("access", "", string(s.Access))
	d.text("prefix", "", s.Prefix)
	d.time("expires_at", time.Time{}, s.ExpiresAt)
	return b.note(project, ActionPortalCreate, SessionName.Format(s.ID), s.Consumer, d...)
}

const selectPortal = "SELECT s.k, s.project, s.consumer, s.access, s.made_by, s.prefix, s.expires, s.used, s.opened, (SELECT count(*) FROM people p WHERE p.k=s.made_by), " +
	"coalesce((SELECT d.k FROM departed d WHERE d.project=s.project AND d.consumer=s.consumer), 0) FROM portal_sessions s WHERE "

func (db *DB) scanPortal(scan func(...any) error) (*PortalSession, error) {
	var (
		s                   PortalSession
		row, project, maker key
		expires, used       int64
		opened              int64
		departed            key
	)
	var people int64
	err := scan(&row, &project, &s.Consumer, &s.Access, &maker, &s.Prefix, &expires, &used, &opened, &people, &departed)
	s.ByPerson = people > 0
	s.ID, s.ProjectID, s.MadeBy, s.CreatedAt = db.keys.id(row), db.keys.id(project), db.keys.id(maker), keyTime(row)
	s.ExpiresAt, s.LastUsedAt, s.OpenedAt, s.Since = fromMicros(expires), fromMicros(used), fromMicros(opened), afterKey(departed)
	return &s, err
}

// PortalSessionByHash finds a session in force at now by its token, or by that
// in the cookie of the browser that opened it, and notes that it was used. It always asks the database: an end counts at once, whoever made it.
// Errors: [ErrNotFound] (unknown, over, ended, or its key or consumer is gone).
func (db *DB) PortalSessionByHash(ctx context.Context, hash [32]byte, now time.Time) (s *PortalSession, err error) {
	err = db.read(ctx, false, func(c *conn) error {
		return c.rows(ctx, selectPortal+"(s.hash=? OR s.door=? AND s.opened>0) AND "+portalInForce, []any{hash[:], hash[:], micros(now), micros(now)}, func(scan func(...any) error) (_ bool, err error) {
			s, err = db.scanPortal(scan)
			return false, err
		})
	})
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, ErrNotFound
	}
	if row, ok := db.keys.key(s.ID); ok && db.cache.use(row, now) {
		_ = db.w.addOp(&op{run: (*batch).touchKeys, done: make(chan struct{})})
	}
	return s, nil
}

// PortalDoor finds the session in force that a one-time link opens.
// Errors: [ErrNotFound] (unknown, opened before, or over).
func (db *DB) PortalDoor(ctx context.Context, link [32]byte, now time.Time) (s *PortalSession, err error) {
	err = db.read(ctx, false, func(c *conn) error {
		s, err = db.portalDoor(ctx, c, link, micros(now))
		return err
	})
	return s, err
}

func (db *DB) portalDoor(ctx context.Context, c *conn, link [32]byte, now int64) (s *PortalSession, err error) {
	err = c.rows(ctx, selectPortal+"s.door=? AND s.opened=0 AND "+portalInForce, []any{link[:], now, now}, func(scan func(...any) error) (_ bool, err error) {
		s, err = db.scanPortal(scan)
		return false, err
	})
	if err == nil && s == nil {
		err = ErrNotFound
	}
	return s, err
}

// OpenPortalSession uses a one-time link up, and puts the token of a cookie in
// its place: of many who open one at once, one does.
// Errors: [ErrNotFound], as of [DB.PortalDoor].
func (db *DB) OpenPortalSession(ctx context.Context, link, cookie [32]byte) (s *PortalSession, err error) {
	err = db.write(ctx, func(b *batch) (err error) {
		if err := b.lock("SELECT 1 FROM portal_sessions WHERE door=?", link[:]); err != nil {
			return err
		}
		if s, err = db.portalDoor(context.Background(), b.c, link, b.us); err != nil {
			return err
		}
		k, _ := db.keys.key(s.ID)
		project, _ := db.keys.key(s.ProjectID)
		if err := b.exec("UPDATE portal_sessions SET door=?, opened=? WHERE k=?", cookie[:], b.us, k); err != nil {
			return err
		}
		s.OpenedAt = fromMicros(b.us)
		b.actor = Actor{Kind: ActorPortal, ID: SessionName.Format(s.ID), Prefix: s.Prefix, Request: b.actor.Request}
		return b.note(project, ActionPortalOpen, SessionName.Format(s.ID), s.Consumer)
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// PortalSessions lists those of a consumer that are in force, by id, after the
// one given. Errors: [ErrNotFound] (no such project or consumer).
func (db *DB) PortalSessions(ctx context.Context, project ID, consumer string, after ID, limit int) (out []*PortalSession, err error) {
	if _, err := db.Consumer(ctx, project, consumer); err != nil {
		return nil, err
	}
	p, _ := db.keys.key(project)
	a, _ := db.keys.key(after)
	now := micros(time.Now())
	err = db.read(ctx, false, func(c *conn) error {
		return c.rows(ctx, selectPortal+"s.project=? AND s.consumer=? AND s.k>? AND "+portalInForce+" ORDER BY s.k LIMIT ?",
			[]any{p, consumer, a, now, now, limit}, func(scan func(...any) error) (bool, error) {
				s, err := db.scanPortal(scan)
				out = append(out, s)
				return true, err
			})
	})
	return out, err
}

// EndPortalSession ends one of a consumer at once. Errors: [ErrNotFound], also
// for a foreign one and one that was ended before.
func (db *DB) EndPortalSession(ctx context.Context, project ID, consumer string, id ID) error {
	p, k := db.project(project), key(0)
	if p != nil {
		k, _ = db.keys.key(id)
	}
	if k == 0 {
		return ErrNotFound
	}
	return db.write(ctx, func(b *batch) error {
		n, err := b.change("DELETE FROM portal_sessions WHERE k=? AND project=? AND consumer=?", k, p.k, consumer)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		b.changed(changedAccess, k, nil)
		return b.note(p.k, ActionPortalEnd, SessionName.Format(id), consumer)
	})
}

// EndPortalSessions ends all of a consumer at once and returns how many were
// in force. Errors: [ErrNotFound] (no such project or consumer).
func (db *DB) EndPortalSessions(ctx context.Context, project ID, consumer string) (int, error) {
	p, err := db.knownProject(ctx, project)
	if err != nil {
		return 0, err
	}
	ended := 0
	err = db.write(ctx, func(b *batch) error {
		var k key
		found, err := b.row("SELECT k FROM consumers WHERE project=? AND uid=?", []any{p.k, consumer}, &k)
		if err != nil {
			return err
		}
		if !found {
			return ErrNotFound
		}
		if ended, err = b.endPortalSessions(p.k, consumer); err != nil || ended == 0 {
			return err
		}
		return b.note(p.k, ActionPortalEnd, ConsumerName.Format(db.keys.id(k)), consumer, Change{Field: "portal_sessions", Before: numberText(ended)})
	})
	if err != nil {
		return 0, err
	}
	return ended, nil
}

// endPortalSessions ends all of a consumer; n were in force.
func (b *batch) endPortalSessions(project key, consumer string) (n int, err error) {
	_, err = b.row("SELECT count(*) FROM portal_sessions s WHERE s.project=? AND s.consumer=? AND "+portalInForce,
		[]any{project, consumer, b.us, b.us}, &n)
	if err != nil {
		return 0, err
	}
	if n > 0 {
		b.changed(changedAccess, 0, nil)
	}
	return n, b.exec("DELETE FROM portal_sessions WHERE project=? AND consumer=?", project, consumer)
}

// prunePortal deletes sessions that are over.
func (b *batch) prunePortal(_ *pruneRound, _ key, limit int) (int, error) {
	return b.change("DELETE FROM portal_sessions WHERE k IN (SELECT k FROM portal_sessions WHERE expires<=? ORDER BY expires LIMIT ?)", b.us, limit)
}
