package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/webhook"
)

// Inspector is a throw-away address of a project that keeps what arrives
// there, for people and tests to look at.
type Inspector struct {
	ID        ID
	ProjectID ID
	Name      string
	Token     secret.Text     // last part of its address; empty as [DB.InspectorByHash] gives it
	Answer    InspectorAnswer // to what arrives
	Dialect   string          // that requests are verified by; empty: they are not
	Secret    secret.Text     // to verify with; empty: none
	Keep      time.Duration   // requests are kept so long
	CreatedAt time.Time
	ExpiresAt time.Time // it ends then, with its requests; zero: it does not
	Requests  int       // that are kept
	Bytes     int64     // that these take, about
}

// InspectorAnswer is what a sender gets.
type InspectorAnswer struct {
	Status     int             `json:"status"`
	Headers    []webhook.Field `json:"headers,omitempty"`
	Body       []byte          `json:"body,omitempty"`
	Delay      time.Duration   `json:"delay,omitempty"`       // before it goes out
	FailRate   int             `json:"fail_rate,omitempty"`   // percent of requests that get FailStatus, and nothing else
	FailStatus int             `json:"fail_status,omitempty"` // where FailRate is not 0
}

// Bounds of what one inspector keeps: past them the oldest goes.
const (
	MaxInspected      = 500
	MaxInspectedBytes = 16 << 20
	MaxInspectedBody  = 1 << 20 // of the body of one request; the rest of it is not kept
)

// ForbiddenAnswerHeader reports whether no inspector sends a header, whatever
// its answer says. What frames the answer is the connection's. A proxy before
// the server acts on some of them, and sends a file of its own in place of the
// answer. A browser keeps others for all of the host, which is not one
// project's alone, or acts on them as if the host had said so: leads elsewhere
// by itself, asks for a password, loads what it was not asked for. Location is
// none of them: a sender that follows redirects is what people look for.
func ForbiddenAnswerHeader(name string) bool {
	name = strings.ToLower(name)
	for _, prefix := range []string{"attribution-reporting-", "proxy-", "sec-", "x-accel-", "x-reproxy-", "x-sendfile"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	switch name {
	case "connection", "content-length", "http2-settings", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
		"x-lighttpd-send-file", "x-lighttpd-send-tempfile", "x-litespeed-location",
		"accept-ch", "accept-ch-lifetime", "activate-storage-access", "alt-svc", "available-dictionary", "clear-site-data", "content-security-policy", "content-security-policy-report-only",
		"critical-ch", "delegate-ch", "document-policy", "expect-ct", "feature-policy", "nel", "origin-agent-cluster", "origin-trial", "permissions-policy", "public-key-pins", "public-key-pins-report-only",
		"refresh", "report-to", "reporting-endpoints", "service-worker", "service-worker-allowed", "set-cookie", "set-cookie2", "set-login", "speculation-rules", "strict-transport-security", "supports-loading-mode",
		"use-as-dictionary", "www-authenticate", "x-content-type-options":
		return true
	}
	return false
}

const tokenAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"

var tokenEncoding = base32.NewEncoding(tokenAlphabet).WithPadding(base32.NoPadding)

// NewInspectorToken makes what an inspector's address ends in: 160 random bits.
func NewInspectorToken() secret.Text {
	random := make([]byte, 20)
	rand.Read(random) // never fails
	return secret.Text(tokenEncoding.EncodeToString(random))
}

// HashInspectorToken is what an inspector is found by. It is false for what is
// no token: that is not looked for.
func HashInspectorToken(token string) (hash [32]byte, ok bool) {
	if random, err := tokenEncoding.DecodeString(token); err != nil || len(random) != 20 {
		return hash, false
	}
	return sha256.Sum256([]byte(token)), true
}

func inspectorPlace(id ID, column string) string { return "inspectors/" + id.String() + "/" + column }

func (db *DB) sealInspector(id ID, column string, text secret.Text) []byte {
	if text == "" {
		return nil
	}
	return db.o.Keyring.Seal([]byte(text.Reveal()), inspectorPlace(id, column))
}

func (db *DB) openInspector(id ID, column string, sealed []byte) (secret.Text, error) {
	if len(sealed) == 0 {
		return "", nil
	}
	place := inspectorPlace(id, column)
	plain, err := db.o.Keyring.Open(sealed, place)
	if err != nil {
		return "", fmt.Errorf("%s: %w", place, err)
	}
	return secret.Text(plain), nil
}

// CreateInspectorOnce keeps an inspector; ID and CreatedAt are set. cap limits
// those of the project. Where it was done before under the same claim, that
// time's answer comes back.
// Errors: [ErrNotFound] (no such project), [ErrLimit], [ErrReused].
func (db *DB) CreateInspectorOnce(ctx context.Context, i *Inspector, cap int, o *Once[Inspector]) (before []byte, err error) {
	p, err := db.knownProject(ctx, i.ProjectID)
	if err != nil {
		return nil, fmt.Errorf("project: %w", err)
	}
	own := *i
	return created(ctx, db, o, i, &own, func(b *batch) error { return b.createInspector(p.k, &own, cap) })
}

func (b *batch) createInspector(project key, i *Inspector, cap int) error {
	if _, there, err := b.projectRow(i.ProjectID); err != nil || !there {
		return notThere(err)
	}
	var n int
	_, err := b.row("SELECT count(*) FROM (SELECT 1 FROM inspectors WHERE project=? LIMIT ?) AS found", []any{project, cap}, &n)
	if err != nil {
		return err
	}
	if n >= cap {
		return fmt.Errorf("%d inspectors for each project: %w", cap, ErrLimit)
	}
	k := b.key()
	i.ID, i.CreatedAt, i.ExpiresAt = b.db.keys.id(k), keyTime(k), kept(i.ExpiresAt)
	answer, err := json.Marshal(&i.Answer)
	if err != nil {
		return err
	}
	hash, _ := HashInspectorToken(i.Token.Reveal())
	err = b.exec("INSERT INTO inspectors VALUES (?,?,?,?,?,?,?,?,?,?,0,0,0)", k, project, hash[:], b.db.sealInspector(i.ID, "token", i.Token), i.Name, string(answer),
		i.Dialect, b.db.sealInspector(i.ID, "secret", i.Secret), i.Keep.Microseconds(), micros(i.ExpiresAt))
	if err != nil {
		return err
	}
	return b.note(project, ActionInspectorCreate, InspectorName.Format(i.ID), "", inspectorChanges(&Inspector{}, i)...)
}

// notThere is the error of a row that was looked for and not found.
func notThere(err error) error {
	if err == nil {
		err = ErrNotFound
	}
	return err
}

const selectInspector = "SELECT k, project, token, name, answer, dialect, secret, keep, expires, requests, bytes FROM inspectors WHERE "

// scanInspector reads one, with its secrets where open says so.
func (db *DB) scanInspector(scan func(...any) error, open bool) (*Inspector, error) {
	var (
		i             Inspector
		k, project    key
		token, sealed []byte
		answer        string
		keep, expires int64
	)
	err := scan(&k, &project, &token, &i.Name, &answer, &i.Dialect, &sealed, &keep, &expires, &i.Requests, &i.Bytes)
	if err != nil {
		return nil, err
	}
	i.ID, i.ProjectID, i.CreatedAt, i.ExpiresAt = db.keys.id(k), db.keys.id(project), keyTime(k), fromMicros(expires)
	i.Keep = time.Duration(keep) * time.Microsecond
	if err := json.Unmarshal([]byte(answer), &i.Answer); err != nil {
		return nil, fmt.Errorf("the answer of %s: %w", InspectorName.Format(i.ID), err)
	}
	if !open {
		return &i, nil
	}
	if i.Token, err = db.openInspector(i.ID, "token", token); err != nil {
		return nil, err
	}
	i.Secret, err = db.openInspector(i.ID, "secret", sealed)
	return &i, err
}

// inspectors reads those of a query.
func (db *DB) inspectors(ctx context.Context, c *conn, open bool, where string, args ...any) (out []*Inspector, err error) {
	err = c.rows(ctx, selectInspector+where, args, func(scan func(...any) error) (bool, error) {
		i, err := db.scanInspector(scan, open)
		out = append(out, i)
		return true, err
	})
	return out, err
}

// Inspectors lists those of a project by id, newest first, before the one
// given (zero: from the newest).
func (db *DB) Inspectors(ctx context.Context, project, before ID, limit int) (out []*Inspector, err error) {
	p, _ := db.keys.key(project)
	from := key(never)
	if !before.IsZero() {
		from, _ = db.keys.key(before)
	}
	err = db.read(ctx, false, func(c *conn) error {
		out, err = db.inspectors(ctx, c, true, "project=? AND k<? AND (expires=0 OR expires>?) ORDER BY k DESC LIMIT ?", p, from, micros(time.Now()), limit)
		return err
	})
	return out, err
}

const inspectorInForce = "k=? AND project=? AND (expires=0 OR expires>?)"

// Inspector reads one. Errors: [ErrNotFound], also for a foreign one and one
// that has ended; in words where its secrets do not decrypt.
func (db *DB) Inspector(ctx context.Context, project, id ID) (i *Inspector, err error) {
	err = db.read(ctx, false, func(c *conn) error {
		i, err = db.inspector(ctx, c, project, id)
		return err
	})
	return i, err
}

func (db *DB) inspector(ctx context.Context, c *conn, project, id ID) (*Inspector, error) {
	k, ok := db.keys.key(id)
	p, okProject := db.keys.key(project)
	if !ok || !okProject {
		return nil, ErrNotFound
	}
	all, err := db.inspectors(ctx, c, true, inspectorInForce, k, p, micros(time.Now()))
	if err != nil || len(all) == 0 {
		return nil, notThere(err)
	}
	return all[0], nil
}

// InspectorByHash finds the one that an address leads to, without its secrets.
// Errors: [ErrNotFound] (unknown, or it has ended).
func (db *DB) InspectorByHash(ctx context.Context, hash [32]byte, now time.Time) (i *Inspector, err error) {
	err = db.read(ctx, false, func(c *conn) error {
		all, err := db.inspectors(ctx, c, false, "hash=? AND (expires=0 OR expires>?)", hash[:], micros(now))
		if err != nil || len(all) == 0 {
			return notThere(err)
		}
		i = all[0]
		return nil
	})
	return i, err
}

// inspectorRow locks the row of one, so that what it counts stays right.
// Errors: [ErrNotFound], as of [DB.Inspector].
func (b *batch) inspectorRow(project, id ID) (k, p key, err error) {
	k, ok := b.db.keys.key(id)
	p, okProject := b.db.keys.key(project)
	if !ok || !okProject {
		return 0, 0, ErrNotFound
	}
	found, err := b.row("SELECT 1 FROM inspectors WHERE "+inspectorInForce+" /*FOR UPDATE*/", []any{k, p, b.us}, new(int))
	if err == nil && !found {
		err = ErrNotFound
	}
	return k, p, err
}

// UpdateInspector changes one as change says, which may fail; its token, id
// and project stay. Errors: [ErrNotFound], as of [DB.Inspector].
func (db *DB) UpdateInspector(ctx context.Context, project, id ID, change func(*Inspector) error) (i *Inspector, err error) {
	err = db.write(ctx, func(b *batch) error {
		k, p, err := b.inspectorRow(project, id)
		if err != nil {
			return err
		}
		was, err := db.inspector(context.Background(), b.c, project, id)
		if err != nil {
			return err
		}
		now := *was
		if err := change(&now); err != nil {
			return err
		}
		now.ExpiresAt = kept(now.ExpiresAt)
		d := inspectorChanges(was, &now)
		if i = &now; len(d) == 0 {
			return nil
		}
		answer, err := json.Marshal(&now.Answer)
		if err != nil {
			return err
		}
		err = b.exec("UPDATE inspectors SET name=?, answer=?, dialect=?, secret=?, keep=?, expires=? WHERE k=?",
			now.Name, string(answer), now.Dialect, db.sealInspector(id, "secret", now.Secret), now.Keep.Microseconds(), micros(now.ExpiresAt), k)
		if err != nil {
			return err
		}
		return b.note(p, ActionInspectorUpdate, InspectorName.Format(id), "", d...)
	})
	if err != nil {
		return nil, err
	}
	return i, nil
}

// DeleteInspector deletes one with its requests.
// Errors: [ErrNotFound], as of [DB.Inspector].
func (db *DB) DeleteInspector(ctx context.Context, project, id ID) error {
	return db.write(ctx, func(b *batch) error {
		k, p, err := b.inspectorRow(project, id)
		if err != nil {
			return err
		}
		if err := b.exec("DELETE FROM inspected WHERE inspector=?", k); err != nil { // at most [MaxInspected]
			return err
		}
		if err := b.exec("DELETE FROM inspectors WHERE k=?", k); err != nil {
			return err
		}
		b.after = append(b.after, func() { db.arrivals.tell(k) })
		return b.note(p, ActionInspectorDelete, InspectorName.Format(id), "")
	})
}

func inspectorChanges(was, i *Inspector) (d diff) {
	d.text("name", was.Name, i.Name)
	d.text("dialect", was.Dialect, i.Dialect)
	d.hidden("secret", was.Secret.Reveal(), i.Secret.Reveal())
	d.text("retention", durationText(was.Keep), durationText(i.Keep))
	d.time("expires_at", was.ExpiresAt, i.ExpiresAt)
	d.answer(&was.Answer, &i.Answer)
	return d
}

func (d *diff) answer(was, a *InspectorAnswer) {
	d.number("answer/status", was.Status, a.Status)
	d.hidden("answer/headers", fieldsText(was.Headers), fieldsText(a.Headers))
	d.hidden("answer/body", string(was.Body), string(a.Body))
	d.text("answer/delay", durationText(was.Delay), durationText(a.Delay))
	d.number("answer/fail_rate", was.FailRate, a.FailRate)
	d.number("answer/fail_status", was.FailStatus, a.FailStatus)
}

func fieldsText(fields []webhook.Field) (out string) {
	for _, f := range fields {
		out += f.Name + ": " + f.Value + "\n"
	}
	return out
}

// resealInspectors encrypts with the first master key what an older one
// encrypted.
func (db *DB) resealInspectors(ctx context.Context) error {
	for after := key(0); ; {
		var all []*Inspector
		err := db.write(ctx, func(b *batch) (err error) {
			if all, err = db.inspectors(context.Background(), b.c, true, "k>? ORDER BY k LIMIT ? /*FOR UPDATE*/", after, resealSlice); err != nil {
				return err
			}
			for _, i := range all {
				if err := b.resealInspector(i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(all) < resealSlice {
			return err
		}
		after, _ = db.keys.key(all[len(all)-1].ID)
	}
}

func (b *batch) resealInspector(i *Inspector) error {
	k, _ := b.db.keys.key(i.ID)
	var token, sealed []byte
	if _, err := b.row("SELECT token, secret FROM inspectors WHERE k=?", []any{k}, &token, &sealed); err != nil {
		return err
	}
	if b.db.o.Keyring.Current(token) && (len(sealed) == 0 || b.db.o.Keyring.Current(sealed)) {
		return nil
	}
	return b.exec("UPDATE inspectors SET token=?, secret=? WHERE k=?", b.db.sealInspector(i.ID, "token", i.Token), b.db.sealInspector(i.ID, "secret", i.Secret), k)
}
