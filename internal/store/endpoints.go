package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

const selectEndpoint = `SELECT k, project, consumer, url, description, event_types, headers, secrets, rate_limit,
	state, state_reason, state_since, failure_count, failed_at, updated_at, revision, name, path, settings, auth FROM endpoints`

// endpointRow is an endpoint with what only the store knows of it.
type endpointRow struct {
	*Endpoint
	k, project key
	revision   int64
	sealErr    error // why the secrets do not open
}

func (db *DB) scanEndpoint(scan func(...any) error) (*endpointRow, error) {
	var (
		r                        = &endpointRow{Endpoint: &Endpoint{}}
		e                        = r.Endpoint
		types, headers, secrets  []byte
		path, auth               []byte
		settings                 string
		since, failedAt, updated int64
	)
	err := scan(&r.k, &r.project, &e.Consumer, &e.URL, &e.Description, &types, &headers, &secrets, &e.RateLimit,
		&e.State, &e.StateReason, &since, &e.FailureCount, &failedAt, &updated, &r.revision, &e.Name, &path, &settings, &auth)
	if err != nil {
		return nil, err
	}
	e.ID, e.ProjectID, e.CreatedAt = db.keys.id(r.k), db.keys.id(r.project), keyTime(r.k)
	e.StateSince, e.FailedAt, e.UpdatedAt = fromMicros(since), fromMicros(failedAt), fromMicros(updated)
	e.EventTypes = patterns(types)
	r.sealErr = errors.Join(db.openHeaders(e, headers), db.openSecrets(e, secrets), db.openPath(e, path), db.openAuth(e, auth))
	return r, parseSettings(settings, &e.Settings)
}

// patterns reads event types; what does not decode matches nothing.
func patterns(types []byte) []string {
	var out []string
	if json.Unmarshal(types, &out) != nil {
		return nil
	}
	return out
}

func (db *DB) endpointRow(ctx context.Context, c *conn, k key) (r *endpointRow, err error) {
	err = c.rows(ctx, selectEndpoint+" WHERE k=? AND deleted_at=0", []any{k}, func(scan func(...any) error) (_ bool, err error) {
		r, err = db.scanEndpoint(scan)
		return false, err
	})
	return r, err
}

func (b *batch) loadEndpoint(k key) (*Endpoint, error) {
	r, err := b.db.endpointRow(context.Background(), b.c, k)
	if r == nil {
		return nil, err
	}
	return r.Endpoint, err
}

// CreateEndpoint keeps an endpoint; ID, times and State are set, and its
// consumer is created on first mention. cap limits the consumer's endpoints
// (0: none), counted in the same transaction. A State that is Paused stays.
// Errors: [ErrLimit], [ErrNotFound] (no such project), [ErrAddress], [ErrWireID].
func (db *DB) CreateEndpoint(ctx context.Context, e *Endpoint, cap int) error {
	_, err := db.CreateEndpointOnce(ctx, e, cap, nil)
	return err
}

// CreateEndpointOnce is [DB.CreateEndpoint] for a caller that may repeat it;
// where it was done before, that time's answer comes back, and e is as it was.
// Errors: also [ErrReused].
func (db *DB) CreateEndpointOnce(ctx context.Context, e *Endpoint, cap int, o *Once[Endpoint]) (before []byte, err error) {
	p, err := db.knownProject(ctx, e.ProjectID)
	if err != nil {
		return nil, fmt.Errorf("project: %w", err)
	}
	if len(e.Secrets) == 0 {
		return nil, errors.New("an endpoint needs a signing secret")
	}
	own := *cloneEndpoint(e)
	return created(ctx, db, o, e, &own, func(b *batch) error { return b.createEndpoint(p.k, &own, cap) })
}

func (b *batch) createEndpoint(project key, e *Endpoint, cap int) error {
	if _, there, err := b.projectRow(e.ProjectID); err != nil || !there { // deleted just now
		return cmp.Or(err, fmt.Errorf("project: %w", ErrNotFound))
	}
	if _, _, err := b.mention(project, e.Consumer); err != nil { // and so nobody else makes one for it
		return err
	}
	if cap > 0 {
		var n int
		_, err := b.row("SELECT count(*) FROM endpoints WHERE project=? AND consumer=? AND deleted_at=0", []any{project, e.Consumer}, &n)
		if err != nil {
			return err
		}
		if n >= cap {
			return fmt.Errorf("%d endpoints for each consumer: %w", cap, ErrLimit)
		}
	}
	if err := b.checkWireID(project, e); err != nil {
		return err
	}
	k := b.key()
	e.ID, e.CreatedAt, e.UpdatedAt, e.StateSince = b.db.keys.id(k), keyTime(k), b.now, b.now
	if e.State != Paused {
		e.State, e.StateReason = Active, ""
	}
	b.asKept(e)
	if err := b.insertEndpoint(project, k, e); err != nil {
		return err
	}
	if err := b.noteEndpoint(project, ActionEndpointCreate, e, endpointChanges(&Endpoint{}, e)); err != nil {
		return err
	}
	if e.Consumer == SystemConsumer {
		b.listened(project)
	}
	if err := b.announceCreated(e); err != nil {
		return err
	}
	return b.bump(e.ProjectID)
}

func (b *batch) insertEndpoint(project, k key, e *Endpoint) error {
	types, err := json.Marshal(e.EventTypes)
	if err != nil {
		return err
	}
	settings, err := settingsText(&e.Settings)
	if err != nil {
		return err
	}
	err = b.exec("INSERT INTO endpoints VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,1,0,?,?,?,?,?)",
		k, project, e.Consumer, e.URL, e.Description, types, b.db.sealHeaders(e), b.db.sealSecrets(e), e.RateLimit,
		string(e.State), e.StateReason, micros(e.StateSince), e.FailureCount, micros(e.FailedAt), micros(e.UpdatedAt),
		e.Name, b.db.sealPath(e), pathHash(e.PathSecret), settings, b.db.sealAuth(e))
	if faultOf(err) == faultUnique {
		return ErrAddress
	}
	return err
}

// Endpoint reads one of a project. Errors: [ErrNotFound], also for a foreign
// one; in words where its secrets do not decrypt.
func (db *DB) Endpoint(ctx context.Context, project, id ID) (*Endpoint, error) {
	r, err := db.findEndpoint(ctx, id)
	if err != nil {
		return nil, err
	}
	if r.ProjectID != project {
		return nil, ErrNotFound
	}
	return r.Endpoint, r.sealErr
}

func (db *DB) findEndpoint(ctx context.Context, id ID) (r *endpointRow, err error) {
	k, ok := db.keys.key(id)
	if !ok {
		return nil, ErrNotFound
	}
	err = db.read(ctx, false, func(c *conn) (err error) {
		r, err = db.endpointRow(ctx, c, k)
		return err
	})
	if err == nil && r == nil {
		err = ErrNotFound
	}
	return r, err
}

// Endpoints lists a project's endpoints by id, newest first, before the one
// given (zero: from the newest); consumer "" lists all. One whose secrets do
// not decrypt is listed without them.
func (db *DB) Endpoints(ctx context.Context, project ID, consumer string, before ID, limit int) ([]*Endpoint, error) {
	p, err := db.knownProject(ctx, project)
	if err != nil {
		return nil, err
	}
	from := key(never)
	if !before.IsZero() {
		var ok bool
		if from, ok = db.keys.key(before); !ok {
			return nil, nil
		}
	}
	where, args := " WHERE project=? AND deleted_at=0 AND k<?", []any{p.k, from}
	if consumer != "" {
		where, args = where+" AND consumer=?", append(args, consumer)
	}
	var out []*Endpoint
	err = db.read(ctx, false, func(c *conn) error {
		return c.rows(ctx, selectEndpoint+where+" ORDER BY k DESC LIMIT ?", append(args, limit), func(scan func(...any) error) (bool, error) {
			r, err := db.scanEndpoint(scan)
			if err != nil {
				return false, err
			}
			if r.sealErr != nil {
				db.log.Error("secrets of an endpoint do not decrypt", "endpoint", r.ID, "error", r.sealErr)
			}
			out = append(out, r.Endpoint)
			return true, nil
		})
	})
	return out, err
}

// UpdateEndpoint reads, lets change alter, and keeps, as if in one
// transaction: change may be called again where the endpoint moved meanwhile.
// ID, project, consumer and CreatedAt stay. It returns what was kept and how
// many attempts with the old configuration are still in flight. An endpoint
// that is made active again starts with a failure count of zero.
// Errors: [ErrNotFound], and whatever change returns.
func (db *DB) UpdateEndpoint(ctx context.Context, project, id ID, change func(*Endpoint) error) (_ *Endpoint, inFlight int, err error) {
	e, inFlight, _, err := db.update(ctx, project, id, change, nil, nil)
	return e, inFlight, err
}

// UpdateEndpointOnce is [DB.UpdateEndpoint] for a caller that may repeat it;
// where it was done before, that time's answer comes back, and nothing is
// changed. Errors: also [ErrReused].
func (db *DB) UpdateEndpointOnce(ctx context.Context, project, id ID, change func(*Endpoint) error, o *Once[Endpoint]) (_ *Endpoint, before []byte, err error) {
	e, _, before, err := db.update(ctx, project, id, change, nil, o)
	return e, before, err
}

// update is UpdateEndpoint; first, if given, is called in the same
// transaction before the row is written, with what it is now and what it will
// be; what it returns is noted beside what changed.
func (db *DB) update(ctx context.Context, project, id ID, change func(*Endpoint) error, first func(b *batch, was *endpointRow, e *Endpoint) (diff, error),
	o *Once[Endpoint]) (_ *Endpoint, inFlight int, before []byte, err error) {
	for {
		was, err := db.findEndpoint(ctx, id)
		if err != nil {
			return nil, 0, nil, err
		}
		if was.ProjectID != project {
			return nil, 0, nil, ErrNotFound
		}
		e := cloneEndpoint(was.Endpoint)
		if err := change(e); err != nil {
			return nil, 0, nil, err
		}
		e.ID, e.ProjectID, e.Consumer, e.CreatedAt = was.ID, was.ProjectID, was.Consumer, was.CreatedAt
		if len(e.Secrets) == 0 {
			return nil, 0, nil, errors.Join(errors.New("an endpoint needs a signing secret"), was.sealErr)
		}
		var n flying
		before, err = once(ctx, db, o, e, func(b *batch) error {
			var more diff
			if err := b.lockEndpoint(was.k); err != nil {
				return err
			}
			if first != nil {
				var err error
				if more, err = first(b, was, e); err != nil {
					return err
				}
			}
			if err := b.updateEndpoint(was, e, &n); err != nil {
				return err
			}
			d := endpointChanges(was.Endpoint, e)
			if err := b.announceChange(was.Endpoint, e, d); err != nil {
				return err
			}
			if err := b.remindOfSecrets(was.k, e); err != nil {
				return err
			}
			if e.State == Active && was.State != Active {
				if err := b.resumeIncident(was.k); err != nil {
					return err
				}
			}
			if !slices.Equal(e.Settings.Emails, was.Settings.Emails) {
				b.heardAgain()
			}
			return b.noteEndpoint(was.project, endpointAction(d, e.State), e, append(d, more...))
		})
		switch {
		case errors.Is(err, ErrStale):
			continue
		case err != nil:
			return nil, 0, nil, err
		}
		return e, n.inFlight(ctx), before, nil
	}
}

// asKept makes an endpoint's times as they read when they come back. A secret
// without a time is of now.
func (b *batch) asKept(e *Endpoint) {
	e.FailedAt = kept(e.FailedAt)
	for i := range e.Secrets {
		s := &e.Secrets[i]
		if s.CreatedAt.IsZero() {
			s.CreatedAt = b.now
		}
		s.CreatedAt, s.ExpiresAt = kept(s.CreatedAt), kept(s.ExpiresAt)
	}
}

// cloneEndpoint copies what change may alter in place.
func cloneEndpoint(e *Endpoint) *Endpoint {
	c := *e
	c.EventTypes = append([]string(nil), e.EventTypes...)
	c.Headers = append([]Header(nil), e.Headers...)
	c.Secrets = append([]SigningSecret(nil), e.Secrets...)
	c.Settings.Emails = slices.Clone(e.Settings.Emails)
	c.Settings.Channels = append([]string(nil), e.Settings.Channels...)
	c.Settings.Schedule = slices.Clone(e.Settings.Schedule) // none at all is not the same as no wait
	return &c
}

func (b *batch) updateEndpoint(was *endpointRow, e *Endpoint, inFlight *flying) error {
	if e.State != was.State {
		e.StateSince = b.now
		if e.State == Active {
			e.StateReason = ""
			if e.FailureCount == was.FailureCount {
				e.FailureCount = 0
			}
		}
	}
	b.asKept(e)
	if e.UpdatedAt = was.UpdatedAt; e.StateReason != was.StateReason || len(endpointChanges(was.Endpoint, e)) > 0 {
		e.UpdatedAt = b.now
	}
	types, err := json.Marshal(e.EventTypes)
	if err != nil {
		return err
	}
	settings, err := settingsText(&e.Settings)
	if err != nil {
		return err
	}
	n, err := b.change(`UPDATE endpoints SET url=?, description=?, event_types=?, headers=?, secrets=?, rate_limit=?, state=?, state_reason=?,
		state_since=?, failure_count=?, failed_at=?, updated_at=?, name=?, path=?, path_hash=?, settings=?, auth=?, revision=revision+1 WHERE k=? AND revision=? AND deleted_at=0`,
		e.URL, e.Description, types, b.db.sealHeaders(e), b.db.sealSecrets(e), e.RateLimit, string(e.State), e.StateReason,
		micros(e.StateSince), e.FailureCount, micros(e.FailedAt), micros(e.UpdatedAt), e.Name, b.db.sealPath(e), pathHash(e.PathSecret), settings, b.db.sealAuth(e), was.k, was.revision)
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrStale
	}
	b.endpointChanged(was.k, inFlight)
	return b.bump(e.ProjectID)
}

// DeleteEndpoint deletes; pending deliveries are cancelled, many of them in
// the background: nothing of it is sent after the return but what is in
// flight. Errors: [ErrNotFound].
func (db *DB) DeleteEndpoint(ctx context.Context, project, id ID) (inFlight int, err error) {
	k, ok := db.keys.key(id)
	if !ok {
		return 0, ErrNotFound
	}
	var n flying
	err = db.write(ctx, func(b *batch) error {
		if err := b.lockEndpoint(k); err != nil {
			return err
		}
		e, err := b.loadEndpoint(k)
		if err != nil {
			return err
		}
		if e == nil || e.ProjectID != project {
			return ErrNotFound
		}
		if err := b.deleteEndpoint(project, k, reasonDeleted, &n); err != nil {
			return err
		}
		of, _ := db.keys.key(project)
		if err := b.noteEndpoint(of, ActionEndpointDelete, e, diff{{Field: "url", Before: hostOf(e.URL)}}); err != nil {
			return err
		}
		return b.bump(project)
	})
	if err != nil {
		return 0, err
	}
	return n.inFlight(ctx), nil
}

// Lane reads an endpoint with its decrypted secrets and its project, from
// memory where possible. Shared: read only. Errors: [ErrNotFound]; in words
// where the secrets do not decrypt.
func (db *DB) Lane(ctx context.Context, endpoint ID) (*Lane, error) {
	if l, ok := db.cache.lanes.get(endpoint); ok {
		return l, nil
	}
	pass := db.cache.pass()
	r, err := db.findEndpoint(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	if r.sealErr != nil {
		return nil, r.sealErr
	}
	p, err := db.knownProject(ctx, r.ProjectID)
	if err != nil {
		return nil, err
	}
	l := &Lane{Endpoint: r.Endpoint, Project: p.Project}
	db.cache.keep(pass, func() { db.cache.lanes.put(endpoint, l) })
	return l, nil
}
