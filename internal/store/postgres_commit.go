package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// settings bound what a process that hangs, or is cut off, holds on to.
func (e *pgEngine) settings() []string {
	out := []string{"idle_in_transaction_session_timeout='10s'", "statement_timeout='10s'"}
	if e.softly {
		out = append(out, "synchronous_commit=on")
	}
	return out
}

// byIndex has prepared statements walk indexes whatever the statistics say: the
// plan of a statement is kept, and one that was made while a table was nearly
// empty would read all of it when there are millions of rows, until somebody
// analyses the table. No statement is meant to do that.
var byIndex = []string{"enable_seqscan=off", "enable_hashjoin=off", "enable_mergejoin=off", "enable_memoize=off", "jit=off"}

// ofReader are settings for a session; none where a pooler gives it to others,
// too: there no plan is kept either.
func (e *pgEngine) ofReader() string {
	if e.pooled {
		return ""
	}
	return "SET " + strings.Join(byIndex, "; SET ")
}

// ofWriter are those, and the bounds.
func (e *pgEngine) ofWriter() string {
	if e.pooled {
		return ""
	}
	return e.ofReader() + "; SET " + strings.Join(e.settings(), "; SET ")
}

func (e *pgEngine) begin(c *conn, wary bool) error {
	if !e.pooled {
		return c.link.(*pgConn).beginTogether(wary)
	}
	var local []string
	for _, s := range e.settings() {
		local = append(local, "SET LOCAL "+s)
	}
	return c.link.(*pgConn).beginTogether(wary, local...)
}

func (e *pgEngine) rollback(c *conn) error {
	err := c.link.(*pgConn).end(context.Background(), "ROLLBACK")
	if lost := (*lostError)(nil); errors.As(err, &lost) {
		return nil // the server rolled back
	}
	return err
}

// mark also says that this process lives, and counts the commit.
func (e *pgEngine) mark(b *batch) error {
	if e.guest {
		return nil
	}
	b.dirty = true
	if b.w.owed-b.flushed+len(b.index) == 0 {
		b.indexed = b.db.keys.last // others see so that nothing is owed
	}
	b.c.link.(*pgConn).pipe.add(&waiting{
		text: markSlot, args: []any{b.db.pending.Load() + b.pending, b.indexed, b.db.keys.last, e.commits + 1, e.lease.Seconds(), e.token, e.place},
	})
	return nil
}

// renewal is early enough for a server that is slow for a while.
func (e *pgEngine) renewal() time.Time {
	if e.guest {
		return time.Time{}
	}
	return e.renewed.Add(e.lease / leaseShare)
}

func (e *pgEngine) commit(b *batch) error {
	c := b.c.link.(*pgConn)
	err := c.end(context.Background(), "COMMIT")
	switch {
	case !b.dirty:
	case err == nil:
		e.commits++
	case faultOf(err) == faultFenced:
		return errFenced
	case inDoubt(err):
		err = e.judge(b, c, err)
	}
	if err == nil && b.dirty {
		e.renew(b.began)
	}
	return err
}

// inDoubt reports whether a commit may have happened all the same.
func inDoubt(err error) bool {
	if lost := (*lostError)(nil); errors.As(err, &lost) {
		return lost.sent
	}
	var said *pgconn.PgError
	return errors.As(err, &said) && said.Code[:2] == "57" // a server that stops may have committed before
}

const (
	judgeLeast = 20 * time.Millisecond
	judgeMost  = 250 * time.Millisecond // everybody waits for it who writes
	judgeFor   = 3 * time.Second        // from then on nobody is kept waiting for it
)

// judge finds out what became of a commit whose answer was lost: the row of
// the slot says whether it was counted. It asks until somebody answers, or the
// store is closed; who waits for the commit is answered before, if that takes
// long. Each question counts two, so an odd number more than before says that
// the commit was.
func (e *pgEngine) judge(b *batch, c *pgConn, lost error) error {
	if e.guest {
		return lost
	}
	b.db.setTrouble(errors.Join(ErrBusy, lost))
	for wait, asked := judgeLeast, time.Now(); ; wait = min(2*wait, judgeMost) {
		c.drop()
		var commits int64
		found, err := c.row(context.Background(), judgeSlot, []any{e.place, e.token}, &commits)
		switch {
		case err == nil && !found:
			return errFenced
		case err == nil:
			there := (commits-e.commits)%2 == 1
			if e.commits = commits; there {
				return nil
			}
			return &lostError{err: lost}
		case b.w.isClosed():
			return errors.Join(err, lost)
		case time.Since(asked) > judgeFor:
			b.w.shed(lost)
		}
		time.Sleep(wait)
	}
}

// guestKey is where a guest's keys of a millisecond begin.
func guestKey() key { return 1 + rand.Int64N(slotKeys-1<<8) }

// sized remembers the size of the database: asking looks at every file.
type sized struct {
	mu    sync.Mutex
	at    time.Time
	bytes int64
}

const sizeFor = 30 * time.Second

func (e *pgEngine) size(ctx context.Context, db *DB) (int64, error) {
	s := &e.sized
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.at) < sizeFor {
		return s.bytes, nil
	}
	err := db.read(ctx, false, func(c *conn) error {
		_, err := c.row(ctx, "SELECT pg_database_size(current_database())", nil, &s.bytes)
		return err
	})
	if err == nil {
		s.at = time.Now()
	}
	return s.bytes, err
}

// findKeys asks for one row after the other: a range of days would read the
// index of all of them for each key.
const findKeys = `SELECT i.project, i.key, i.event, i.hash, i.deliveries, i.unreached, i.more
	FROM generate_series($3::bigint, $4::bigint) AS d(day), unnest($1::bigint[], $2::text[]) AS u(project, key),
	LATERAL (SELECT * FROM idempotency o WHERE o.day=d.day AND o.project=u.project AND o.key=u.key OFFSET 0) AS i ORDER BY i.day`

// claimKeys has the same keys be looked up by one process at a time. Mostly the
// unique index does that; but it is one for each day.
const (
	claimKeys = `SELECT pg_advisory_xact_lock(h) FROM (SELECT DISTINCT hashtextextended(u.key, u.project) AS h
		FROM unnest($1::bigint[], $2::text[]) AS u(project, key) ORDER BY h) AS hashes`
	aroundMidnight = time.Minute
)

// foresee looks all idempotency keys of a transaction up in one question.
func (e *pgEngine) foresee(b *batch, in *inbox) error {
	var projects []int64
	var keys []string
	for _, a := range in.accepts {
		for _, item := range a.items {
			p := b.db.project(item.Event.ProjectID)
			if p != nil && item.Event.IdempotencyKey != "" {
				projects, keys = append(projects, p.k), append(keys, item.Event.IdempotencyKey)
			}
		}
	}
	if len(keys) == 0 {
		return nil
	}
	b.foreseen = make(map[ownedKey]usedKey, len(keys))
	today, earliest := b.keyDays()
	if dayOf(b.now.Add(-aroundMidnight)) != dayOf(b.now.Add(aroundMidnight)) { // to others it may be another day
		if err := b.c.exec(context.Background(), claimKeys, projects, keys); err != nil {
			return err
		}
	}
	return b.rows(findKeys, []any{projects, keys, earliest, today}, func(scan func(...any) error) (bool, error) {
		var k ownedKey
		var u usedKey
		var hash []byte
		err := scan(&k.project, &k.key, &u.event, &hash, &u.deliveries, &u.unreached, &u.more)
		copy(u.hash[:], hash)
		b.foreseen[k] = u
		return true, err
	})
}
