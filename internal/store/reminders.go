package store

import (
	"context"
	"time"
)

// Reminders are of what ends by itself, to announce it then: an old secret's
// overlap, a key. They are written with what they are of, and judged when they
// are due: it may have ended otherwise meanwhile.
const (
	remindSecret = 1
	remindKey    = 2
)

const (
	keyWarnShare   = 10 // a key is announced a tenth of its life before its end,
	keyWarnLongest = 7 * 24 * time.Hour
)

// remindOfSecrets notes when an endpoint's old secrets end.
func (b *batch) remindOfSecrets(k key, e *Endpoint) error {
	for _, s := range e.Secrets {
		if s.ExpiresAt.After(b.now) {
			if err := b.remind(s.ExpiresAt, remindSecret, k); err != nil {
				return err
			}
		}
	}
	return nil
}

// remindOfKey notes when to say that a key is about to end.
func (b *batch) remindOfKey(k key, made *Key) error {
	if made.ExpiresAt.IsZero() || made.ProjectID.IsZero() {
		return nil
	}
	life := made.ExpiresAt.Sub(b.now)
	return b.remind(made.ExpiresAt.Add(-min(life/keyWarnShare, keyWarnLongest)), remindKey, k)
}

func (b *batch) remind(at time.Time, kind int, subject key) error {
	return b.exec("INSERT INTO reminders VALUES (?,?,?) ON CONFLICT DO NOTHING", micros(at), kind, subject)
}

// Remind announces what by now has ended, or is about to, and was not announced
// before: at most limit of them, in one transaction. It returns how many it
// looked at; call again until fewer than limit.
func (db *DB) Remind(ctx context.Context, now time.Time, limit int) (int, error) {
	due := false
	if !db.Chief() {
		return 0, nil
	}
	err := db.read(ctx, false, func(c *conn) error {
		_, err := c.row(ctx, "SELECT EXISTS (SELECT 1 FROM reminders WHERE at<=?)", []any{micros(now)}, &due)
		return err
	})
	if err != nil || !due {
		return 0, err
	}
	n := 0
	err = db.lead(ctx, func(b *batch) error {
		n = 0
		type reminder struct {
			at      int64
			kind    int
			subject key
		}
		var rs []reminder
		err := b.rows("SELECT at, kind, subject FROM reminders WHERE at<=? ORDER BY at, kind, subject LIMIT ?", []any{micros(now), limit}, func(scan func(...any) error) (bool, error) {
			var r reminder
			err := scan(&r.at, &r.kind, &r.subject)
			rs = append(rs, r)
			return true, err
		})
		if err != nil {
			return err
		}
		for _, r := range rs {
			tell := b.announceExpired
			if r.kind == remindKey {
				tell = b.announceExpiring
			}
			if err := tell(r.subject, fromMicros(r.at), now); err != nil {
				return err
			}
			if err := b.exec("DELETE FROM reminders WHERE at=? AND kind=? AND subject=?", r.at, r.kind, r.subject); err != nil {
				return err
			}
		}
		n = len(rs)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// announceExpired tells that a secret of an endpoint ended at a time, if one did.
func (b *batch) announceExpired(endpoint key, at, _ time.Time) error {
	e, err := b.loadEndpoint(endpoint)
	if err != nil || e == nil {
		return err
	}
	for _, s := range e.Secrets {
		if s.ExpiresAt.Equal(at) {
			return b.announceEndpoint(EventSecretExpired, e, b.secretNews(e))
		}
	}
	return nil
}

// announceExpiring tells that a key is about to end, if it is still in force.
func (b *batch) announceExpiring(k key, _, now time.Time) error {
	var project key
	found, err := b.row("SELECT project FROM keys WHERE k=? AND revoked=0 AND expires>?", []any{k, micros(now)}, &project)
	if err != nil || !found {
		return err
	}
	return b.announceKeyRow(EventKeyExpiring, project, k)
}
