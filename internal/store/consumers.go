package store

import (
	"context"
	"errors"
	"strings"

	"github.com/malote-dev/malote/internal/match"
)

// PutConsumer creates a consumer, or changes the one that has this uid. change
// alters it, in the transaction: it returns at once. created says which.
// Errors: [ErrNotFound] (no such project), [ErrEnded].
func (db *DB) PutConsumer(ctx context.Context, project ID, uid string, change func(*Consumer)) (c *Consumer, created bool, err error) {
	p, err := db.knownProject(ctx, project)
	if err != nil {
		return nil, false, err
	}
	var now Consumer
	err = db.write(ctx, func(b *batch) error {
		made, k, err := b.mention(p.k, uid)
		if err != nil {
			return err
		}
		var was Consumer
		err = b.rows(selectConsumer+" WHERE k=?", []any{k}, func(scan func(...any) error) (bool, error) {
			return true, db.scanConsumer(scan, &was)
		})
		if err != nil {
			return err
		}
		now, created = was, made
		change(&now)
		now.ID, now.ProjectID, now.UID, now.CreatedAt = was.ID, project, uid, was.CreatedAt
		if err := b.exec("UPDATE consumers SET name=?, emails=?, language=? WHERE k=?", now.Name, emailsText(now.Emails), now.Language, k); err != nil {
			return err
		}
		b.heardAgain()
		return b.noteConsumer(p.k, made, &was, &now)
	})
	if err != nil {
		return nil, false, err
	}
	return &now, created, nil
}

// noteConsumer notes a consumer that is new, or what changed of one.
func (b *batch) noteConsumer(project key, made bool, was, now *Consumer) error {
	var d diff
	d.text("name", was.Name, now.Name)
	d.emails(was.Emails, now.Emails)
	d.text("language", was.Language, now.Language)
	action := ActionConsumerUpdate
	if made {
		action = ActionConsumerCreate
	} else if len(d) == 0 {
		return nil
	}
	return b.note(project, action, ConsumerName.Format(now.ID), now.UID, d...)
}

// mention makes a consumer where it is not there yet, and locks it.
func (b *batch) mention(project key, uid string) (created bool, k key, err error) {
	for { // others may make or delete it in between
		found, err := b.row("SELECT k FROM consumers WHERE project=? AND uid=? /*FOR UPDATE*/", []any{project, uid}, &k)
		if err != nil || found {
			return false, k, err
		}
		k = b.key()
		n, err := b.change("INSERT INTO consumers (k, project, uid, name) VALUES (?,?,?,'') ON CONFLICT DO NOTHING", k, project, uid)
		if err != nil || n > 0 {
			return true, k, err
		}
	}
}

const selectConsumer = "SELECT k, project, uid, name, emails, language FROM consumers"

func (db *DB) scanConsumer(scan func(...any) error, c *Consumer) error {
	var k, project key
	var emails string
	err := scan(&k, &project, &c.UID, &c.Name, &emails, &c.Language)
	c.ID, c.ProjectID, c.CreatedAt, c.Emails = db.keys.id(k), db.keys.id(project), keyTime(k), emailsOf(emails)
	return err
}

// Consumer reads one by uid. Errors: [ErrNotFound].
func (db *DB) Consumer(ctx context.Context, project ID, uid string) (*Consumer, error) {
	cs, err := db.selectConsumers(ctx, project, "uid=?", uid, 1)
	if err == nil && len(cs) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return cs[0], nil
}

// Consumers lists a project's consumers by uid, after the one given: those
// whose uid begins with prefix.
func (db *DB) Consumers(ctx context.Context, project ID, prefix, after string, limit int) ([]*Consumer, error) {
	if after < prefix {
		cs, err := db.selectConsumers(ctx, project, "uid>=?", prefix, limit)
		return withPrefix(cs, prefix), err
	}
	cs, err := db.selectConsumers(ctx, project, "uid>?", after, limit)
	return withPrefix(cs, prefix), err
}

// withPrefix is the beginning of a list by uid, as far as they have a prefix.
func withPrefix(cs []*Consumer, prefix string) []*Consumer {
	for i, c := range cs {
		if !strings.HasPrefix(c.UID, prefix) {
			return cs[:i]
		}
	}
	return cs
}

func (db *DB) selectConsumers(ctx context.Context, project ID, where, uid string, limit int) ([]*Consumer, error) {
	p, err := db.knownProject(ctx, project)
	if err != nil {
		return nil, err
	}
	var out []*Consumer
	err = db.read(ctx, false, func(c *conn) error {
		return c.rows(ctx, selectConsumer+" WHERE project=? AND "+where+" ORDER BY uid LIMIT ?", []any{p.k, uid, limit},
			func(scan func(...any) error) (bool, error) {
				co := &Consumer{}
				err := db.scanConsumer(scan, co)
				out = append(out, co)
				return true, err
			})
	})
	return out, err
}

// DeleteConsumer deletes a consumer with its endpoints; their pending
// deliveries are cancelled. Keys that act for it are revoked and its portal
// sessions ended: one of the same uid that is made later is another's. It
// returns how many attempts are in flight. Errors: [ErrNotFound].
func (db *DB) DeleteConsumer(ctx context.Context, project ID, uid string) (inFlight int, err error) {
	p, err := db.knownProject(ctx, project)
	if err != nil {
		return 0, err
	}
	var still flying
	err = db.write(ctx, func(b *batch) error {
		var k key
		found, err := b.row("SELECT k FROM consumers WHERE project=? AND uid=? /*FOR UPDATE*/", []any{p.k, uid}, &k)
		if err != nil {
			return err
		}
		if !found {
			return ErrNotFound
		}
		if err := b.exec("DELETE FROM consumers WHERE k=?", k); err != nil {
			return err
		}
		var endpoints []key
		err = b.rows("SELECT k FROM endpoints WHERE project=? AND consumer=? AND deleted_at=0", []any{p.k, uid},
			func(scan func(...any) error) (bool, error) {
				var k key
				err := scan(&k)
				endpoints = append(endpoints, k)
				return true, err
			})
		if err != nil {
			return err
		}
		for _, k := range endpoints {
			if err := b.lockEndpoint(k); err != nil {
				return err
			}
			if err := b.deleteEndpoint(project, k, "consumer deleted", &still); err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
		}
		var d diff
		d.number("endpoints", len(endpoints), 0)
		if err := b.endAccess(p.k, uid, &d); err != nil {
			return err
		}
		if err := b.depart(p.k, uid); err != nil {
			return err
		}
		if err := b.note(p.k, ActionConsumerDelete, ConsumerName.Format(db.keys.id(k)), uid, d...); err != nil {
			return err
		}
		return b.bump(project)
	})
	if err != nil {
		return 0, err
	}
	return still.inFlight(ctx), nil
}

// depart notes that a consumer is gone, for the next of its uid.
func (b *batch) depart(project key, uid string) error {
	return b.exec("INSERT INTO departed (project, consumer, k) VALUES (?,?,?) ON CONFLICT (project, consumer) DO UPDATE SET k=excluded.k",
		project, uid, b.key())
}

// endAccess ends what acts for a consumer.
func (b *batch) endAccess(project key, consumer string, d *diff) error {
	sessions, err := b.endPortalSessions(project, consumer)
	if err != nil {
		return err
	}
	if err := b.forgetAnswers(project, consumer); err != nil {
		return err
	}
	keys, err := b.revokeKeysOf(project, consumer)
	d.number("portal_sessions", sessions, 0)
	d.number("keys", keys, 0)
	return err
}

// Filters judges the filters of endpoints, each compiled once.
func (db *DB) Filters() *match.Engine { return db.filters }

// Subscriptions of a consumer, from memory where possible. An unknown
// consumer has none. Shared: read only. Errors: [ErrNotFound] (no such project).
func (db *DB) Subscriptions(ctx context.Context, project ID, consumer string) (*Subscriptions, error) {
	p, err := db.knownProject(ctx, project)
	if err != nil {
		return nil, err
	}
	of := consumerOf{project, consumer}
	if s, ok := db.cache.subscriptions.get(of); ok && s.Version == p.version {
		return s, nil
	}
	s := &Subscriptions{Project: p.Project}
	err = db.read(ctx, true, func(c *conn) error {
		var types int64
		var only bool
		_, err := c.row(ctx, "SELECT version, types_version, known_types_only FROM projects WHERE k=?", []any{p.k}, &s.Version, &types, &only)
		if err != nil {
			return err
		}
		if s.Rules, err = db.typeRules(ctx, c, p, types, only); err != nil {
			return err
		}
		return c.rows(ctx, "SELECT k, event_types, settings FROM endpoints WHERE project=? AND consumer=? AND deleted_at=0 ORDER BY k", []any{p.k, consumer},
			func(scan func(...any) error) (bool, error) {
				var k key
				var types []byte
				var settings string
				if err := scan(&k, &types, &settings); err != nil {
					return false, err
				}
				s.Endpoints = append(s.Endpoints, Subscription{db.keys.id(k), patterns(types), rulesOf(settings)})
				return true, nil
			})
	})
	if err != nil {
		return nil, err
	}
	if now := db.project(project); now != nil && now.version == s.Version {
		s.Project = now.Project
		db.cache.subscriptions.put(of, s) // a version that moved on is read again
	}
	return s, nil
}
