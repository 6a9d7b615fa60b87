package store

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
	"time"

	"github.com/malote-dev/malote/internal/secret"
)

// Bounds of what is mailed.
const (
	mailsAnHour  = 12            // to one address of a project, digests among them
	digestFirst  = time.Hour     // after the first notice that was held back
	digestAgain  = 6 * time.Hour // after the digest before
	heldKept     = 50            // endpoints that a digest remembers
	heldShown    = 20            // of them, those that it names
	maxMails     = 50_000        // that wait for the relay; what is more is held back
	mailboxesFor = 30 * 24 * time.Hour
)

// Mail is one that is to be sent.
type Mail struct {
	ID      ID
	Mailbox ID
	Address string
	Token   secret.Text // lets whoever has it stop what is mailed to the address: see [DB.StopMails]
	Tries   int
	MadeAt  time.Time
	Notice  *Notice
}

// MailsReady is signalled when there may be something to do for
// [DB.TendMails] or [DB.Mails] before the time that they named.
func (db *DB) MailsReady() <-chan struct{} { return db.mailsReady }

func (db *DB) mailsChanged() {
	select {
	case db.mailsReady <- struct{}{}:
	default:
	}
}

// mailbox is an address that is written to.
type mailbox struct {
	k, project       key
	address          string
	sent             []int64
	held             int
	digest, digested int64
	stopped          int64
}

const selectMailbox = "SELECT k, project, address, sent, held, digest, digested, stopped FROM mailboxes"

func scanMailbox(scan func(...any) error, m *mailbox) error {
	var sent []byte
	err := scan(&m.k, &m.project, &m.address, &sent, &m.held, &m.digest, &m.digested, &m.stopped)
	m.sent = timesOf(sent)
	return err
}

// mailboxOf finds or makes the one of an address.
func (b *batch) mailboxOf(project key, address string) (*mailbox, error) {
	m := &mailbox{}
	err := b.rows(selectMailbox+" WHERE project=? AND address=?", []any{project, address}, func(scan func(...any) error) (bool, error) {
		return false, scanMailbox(scan, m)
	})
	if err != nil || m.k != 0 {
		return m, err
	}
	*m = mailbox{k: b.key(), project: project, address: address}
	return m, b.exec("INSERT INTO mailboxes VALUES (?,?,?,?,'',0,0,0,0)", m.k, project, address, b.us)
}

// full reports whether no more may be written to an address now.
func (m *mailbox) full(now int64) bool {
	m.sent = slices.DeleteFunc(m.sent, func(t int64) bool { return now-t >= microsPerHour })
	return len(m.sent) >= mailsAnHour
}

// post writes a mail, or holds its notice back for a digest.
func (b *batch) post(project, endpoint key, address string, n *Notice) error {
	m, err := b.mailboxOf(project, address)
	switch {
	case err != nil:
		return err
	case m.stopped != 0:
		b.suppressed++
		return nil
	case m.full(b.us) || b.db.mails.Load()+b.mailed >= maxMails:
		b.suppressed++
		return b.hold(m, endpoint, n)
	}
	return b.mail(m, n)
}

func (b *batch) mail(m *mailbox, n *Notice) error {
	facts, err := json.Marshal(n)
	if err != nil {
		return err
	}
	m.sent = append(m.sent, b.us)
	if err := b.exec("UPDATE mailboxes SET last=?, sent=? WHERE k=?", b.us, timesText(m.sent), m.k); err != nil {
		return err
	}
	b.mailed++
	b.after = append(b.after, b.db.mailsChanged)
	return b.exec("INSERT INTO mails VALUES (?,?,?,0,?)", b.key(), m.k, b.us, facts)
}

// hold keeps a notice back: a digest counts it, and names its endpoint.
func (b *batch) hold(m *mailbox, endpoint key, n *Notice) error {
	if m.digest == 0 {
		m.digest = b.us + digestFirst.Microseconds()
		if len(m.sent) > 0 { // then an hour is over since the first of them
			m.digest = min(m.digest, m.sent[0]+microsPerHour)
		}
		if m.digested != 0 {
			m.digest = max(m.digest, m.digested+digestAgain.Microseconds())
		}
	}
	if err := b.exec("UPDATE mailboxes SET held=held+1, digest=?, sent=? WHERE k=?", m.digest, timesText(m.sent), m.k); err != nil {
		return err
	}
	var known int
	if _, err := b.row("SELECT count(*) FROM held_notices WHERE mailbox=? AND endpoint<>?", []any{m.k, endpoint}, &known); err != nil || known >= heldKept {
		return err
	}
	facts, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return b.exec(`INSERT INTO held_notices VALUES (?,?,1,?,?) ON CONFLICT (mailbox, endpoint) DO UPDATE SET
		count=count+1, last=excluded.last, facts=excluded.facts`, m.k, endpoint, b.us, facts)
}

// tendDigests makes those that are due.
func (b *batch) tendDigests(limit int) (int, error) {
	var boxes []*mailbox
	err := b.rows(selectMailbox+" WHERE digest>0 AND digest<=? ORDER BY digest LIMIT ?", []any{b.us, limit}, func(scan func(...any) error) (bool, error) {
		m := &mailbox{}
		boxes = append(boxes, m)
		return true, scanMailbox(scan, m)
	})
	if err != nil {
		return 0, err
	}
	for _, m := range boxes {
		if err := b.tendDigest(m); err != nil {
			return 0, err
		}
	}
	return len(boxes), nil
}

func (b *batch) tendDigest(m *mailbox) error {
	n := &Notice{Kind: NoticeDigest, At: b.now, Withheld: m.held}
	err := b.rows("SELECT count, facts FROM held_notices WHERE mailbox=? ORDER BY last DESC LIMIT ?", []any{m.k, heldShown}, func(scan func(...any) error) (bool, error) {
		var h HeldNotice
		var facts []byte
		if err := scan(&h.Count, &facts); err != nil {
			return false, err
		}
		if json.Unmarshal(facts, &h.Notice) == nil {
			n.Held = append(n.Held, h)
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	if p := b.db.project(b.db.keys.id(m.project)); p != nil && len(n.Held) > 0 && m.stopped == 0 && b.db.mails.Load()+b.mailed < maxMails {
		n.Project, n.Language, n.Because = p.Name, n.Held[0].Language, n.Held[0].Because
		m.full(b.us) // drops the times that are over
		if err := b.mail(m, n); err != nil {
			return err
		}
	}
	if err := b.exec("DELETE FROM held_notices WHERE mailbox=?", m.k); err != nil {
		return err
	}
	return b.exec("UPDATE mailboxes SET held=0, digest=0, digested=? WHERE k=?", b.us, m.k)
}

// TendMails makes mails of what is to be told, and reminders and digests that
// are due: at most limit of each, in one transaction. It reports whether there
// is more; call again then, after a while.
func (db *DB) TendMails(ctx context.Context, limit int) (more bool, err error) {
	if !db.Chief() {
		return false, nil
	}
	if due, err := db.untended(ctx); err != nil || due.IsZero() || due.After(time.Now()) {
		return false, err
	}
	err = db.lead(ctx, func(b *batch) error {
		more = false
		for _, tend := range []func(int) (int, error){b.tendIncidents, b.tendNotices, b.tendDigests} {
			n, err := tend(limit)
			if err != nil {
				return err
			}
			more = more || n == limit
		}
		return nil
	})
	return more && err == nil, err
}

// untended is when there is something to do for TendMails; zero: never.
func (db *DB) untended(ctx context.Context) (due time.Time, err error) {
	var at *int64
	err = db.read(ctx, true, func(c *conn) error {
		_, err := c.row(ctx, `SELECT min(at) FROM (SELECT 1 AS at WHERE EXISTS (SELECT 1 FROM notices)
			UNION ALL SELECT min(remind) FROM incidents WHERE remind>0 UNION ALL SELECT min(digest) FROM mailboxes WHERE digest>0) AS tasks`, nil, &at)
		return err
	})
	if at != nil {
		due = fromMicros(*at)
	}
	return due, err
}

// Mails reads mails that are due, the oldest first, and says when to ask again:
// zero, where only [DB.MailsReady] will say so.
func (db *DB) Mails(ctx context.Context, limit int) (due []*Mail, again time.Time, err error) {
	if !db.Chief() {
		return nil, again, nil
	}
	if again, err = db.untended(ctx); err != nil {
		return nil, again, err
	}
	now := time.Now()
	err = db.read(ctx, true, func(c *conn) error {
		err := c.rows(ctx, `SELECT m.k, m.mailbox, b.address, m.tries, m.facts FROM mails m JOIN mailboxes b ON b.k=m.mailbox
			WHERE m.due<=? ORDER BY m.due, m.k LIMIT ?`, []any{micros(now), limit}, func(scan func(...any) error) (bool, error) {
			var k, box key
			var facts []byte
			m := &Mail{Notice: &Notice{}}
			err := scan(&k, &box, &m.Address, &m.Tries, &facts)
			m.ID, m.Mailbox, m.MadeAt = db.keys.id(k), db.keys.id(box), keyTime(k)
			m.Token = db.mailToken(box)
			if json.Unmarshal(facts, m.Notice) != nil {
				m.Notice = &Notice{} // says nothing, and is given up
			}
			due = append(due, m)
			return true, err
		})
		if err != nil {
			return err
		}
		var next *int64
		if _, err := c.row(ctx, "SELECT min(due) FROM mails WHERE due>?", []any{micros(now)}, &next); err != nil || next == nil {
			return err
		}
		if at := fromMicros(*next); again.IsZero() || at.Before(again) {
			again = at
		}
		return nil
	})
	return due, again, err
}

// MailResult is what came of a mail.
type MailResult struct {
	ID    ID
	Again time.Time // when to try it once more; zero: it was taken, or is given up
}

// SettleMails keeps what came of mails, in one transaction.
func (db *DB) SettleMails(ctx context.Context, results []MailResult) error {
	if len(results) == 0 {
		return nil
	}
	return db.tend(ctx, func(b *batch) error {
		for _, r := range results {
			k, _ := db.keys.key(r.ID)
			if r.Again.IsZero() {
				n, err := b.change("DELETE FROM mails WHERE k=?", k)
				if err != nil {
					return err
				}
				b.mailed -= int64(n)
				continue
			}
			if err := b.exec("UPDATE mails SET due=?, tries=tries+1 WHERE k=?", micros(r.Again), k); err != nil {
				return err
			}
		}
		return nil
	})
}

// MailsQueued is how many mails wait to be sent.
func (db *DB) MailsQueued() int64 { return db.mails.Load() }

// Mailbox is an address that is written to.
type Mailbox struct {
	ID        ID
	Address   string
	Project   *Project
	StoppedAt time.Time // when its owner wanted no more mails; zero: it gets them
}

const mailCode = "stop mails"

// mailToken is of a mailbox: it holds nothing, and is known by its code.
func (db *DB) mailToken(box key) secret.Text {
	b := binary.BigEndian.AppendUint64(nil, uint64(box))
	return secret.Text(base64.RawURLEncoding.EncodeToString(append(b, db.o.Keyring.Code(b, mailCode)...)))
}

func (db *DB) mailboxOfToken(token secret.Text) (key, bool) {
	b, err := base64.RawURLEncoding.DecodeString(token.Reveal())
	if err != nil || len(b) != 8+secret.CodeSize || !db.o.Keyring.Coded(b[8:], b[:8], mailCode) {
		return 0, false
	}
	return key(binary.BigEndian.Uint64(b)), true
}

// Mailbox finds the one of a token. Errors: [ErrNotFound] (not a token, or
// nothing was mailed for long).
func (db *DB) Mailbox(ctx context.Context, token secret.Text) (*Mailbox, error) {
	k, ok := db.mailboxOfToken(token)
	if !ok {
		return nil, ErrNotFound
	}
	m := &mailbox{}
	err := db.read(ctx, false, func(c *conn) error {
		return c.rows(ctx, selectMailbox+" WHERE k=?", []any{k}, func(scan func(...any) error) (bool, error) { return false, scanMailbox(scan, m) })
	})
	if err != nil {
		return nil, err
	}
	return db.viewMailbox(m)
}

func (db *DB) viewMailbox(m *mailbox) (*Mailbox, error) {
	p := db.project(db.keys.id(m.project))
	if m.k == 0 || p == nil {
		return nil, ErrNotFound
	}
	return &Mailbox{ID: db.keys.id(m.k), Address: m.address, Project: p.Project, StoppedAt: fromMicros(m.stopped)}, nil
}

// StopMails ends what is mailed to the address of a token, or lets it begin
// again, as its owner wishes. Errors: [ErrNotFound].
func (db *DB) StopMails(ctx context.Context, token secret.Text, stop bool) (*Mailbox, error) {
	k, ok := db.mailboxOfToken(token)
	if !ok {
		return nil, ErrNotFound
	}
	var box *Mailbox
	err := db.write(ctx, func(b *batch) error {
		m := &mailbox{}
		if err := b.lock("SELECT 1 FROM mailboxes WHERE k=?", k); err != nil {
			return err
		}
		err := b.rows(selectMailbox+" WHERE k=?", []any{k}, func(scan func(...any) error) (bool, error) { return false, scanMailbox(scan, m) })
		if err != nil {
			return err
		}
		if (m.stopped != 0) != stop && m.k != 0 {
			if err := b.switchMailbox(m, stop); err != nil {
				return err
			}
		}
		box, err = db.viewMailbox(m)
		return err
	})
	if err != nil {
		return nil, err
	}
	return box, nil
}

func (b *batch) switchMailbox(m *mailbox, stop bool) error {
	action := ActionMailStart
	if m.stopped = 0; stop {
		m.stopped, action = b.us, ActionMailStop
		n, err := b.change("DELETE FROM mails WHERE mailbox=?", m.k)
		if err != nil {
			return err
		}
		b.mailed -= int64(n)
		if err := b.exec("DELETE FROM held_notices WHERE mailbox=?", m.k); err != nil {
			return err
		}
	}
	if err := b.exec("UPDATE mailboxes SET stopped=?, held=0, digest=0 WHERE k=?", m.stopped, m.k); err != nil {
		return err
	}
	b.actor = Actor{Kind: ActorLink, ID: MailboxName.Format(b.db.keys.id(m.k)), Request: b.actor.Request}
	return b.note(m.project, action, MailboxName.Format(b.db.keys.id(m.k)), "")
}

// pruneMailboxes deletes addresses that were not written to for long.
func (b *batch) pruneMailboxes(_ *pruneRound, _ key, limit int) (int, error) {
	return b.change(`DELETE FROM mailboxes WHERE k IN (SELECT k FROM mailboxes m WHERE stopped=0 AND last<? AND held=0
		AND NOT EXISTS (SELECT 1 FROM mails WHERE mailbox=m.k) ORDER BY last LIMIT ?)`, micros(b.now.Add(-mailboxesFor)), limit)
}
