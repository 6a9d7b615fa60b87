package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// ErrReused says that an idempotency key belongs to another request.
var ErrReused = errors.New("idempotency key was used with another request")

// answerFor is how long a creation's answer is kept for repeats.
const answerFor = 24 * time.Hour

// Claim is an idempotency key of a caller, and what it is used for.
type Claim struct {
	Project  ID       // of the caller's key; zero: a root key
	Consumer string   // that the caller's key is bound to; empty: none
	Caller   ID       // of his key or portal session: another's use of the same key is his own
	Key      string   // 1 to 256 characters
	Request  [32]byte // hash of all that is asked for
}

// Once makes a creation that happens once: with the first commit its answer
// is kept, and a repeat within 24 hours gets that.
type Once[T any] struct {
	Claim
	// Answer to the creation of T. It is called inside of the transaction
	// and must not ask the store.
	Answer func(*T) ([]byte, error)
}

// KeptAnswer is what a claim was answered before; nil: nothing.
// Errors: [ErrReused].
func (db *DB) KeptAnswer(ctx context.Context, c Claim) (answer []byte, err error) {
	err = db.read(ctx, false, func(conn *conn) error {
		answer, err = db.keptAnswer(ctx, conn, c, time.Now())
		return err
	})
	return answer, err
}

func (db *DB) keptAnswer(ctx context.Context, conn *conn, c Claim, now time.Time) ([]byte, error) {
	project, ok := db.keys.key(c.Project)
	if !ok && !c.Project.IsZero() {
		return nil, ErrNotFound
	}
	var request, sealed []byte
	name := c.name()
	found, err := conn.row(ctx, "SELECT request, answer FROM answers WHERE project=? AND consumer=? AND key=? AND made>?",
		[]any{project, c.Consumer, name, micros(now.Add(-answerFor))}, &request, &sealed)
	switch {
	case err != nil || !found:
		return nil, err
	case string(request) != string(c.Request[:]):
		return nil, ErrReused
	}
	answer, err := db.o.Keyring.Open(sealed, answerPlace(project, c.Consumer, name))
	if err != nil {
		return nil, fmt.Errorf("a kept answer: %w", err)
	}
	return answer, nil
}

// HashRequest is a Claim's Request: method, path and body.
func HashRequest(method, path string, body []byte) [32]byte {
	return sha256.Sum256(append([]byte(method+" "+path+"\n"), body...))
}

// name of a claim among those of its project and consumer: the caller's own.
func (c Claim) name() string { return c.Caller.String() + "/" + c.Key }

func answerPlace(project key, consumer, name string) string {
	return "answers/" + strconv.FormatInt(project, 10) + "/" + strconv.Quote(consumer) + "/" + name
}

// created runs create, which fills own, in a transaction, and then sets one to
// it; unless that was done before under the same claim: then it gives the
// answer of that time.
func created[T any](ctx context.Context, db *DB, o *Once[T], one, own *T, create func(*batch) error) ([]byte, error) {
	before, err := once(ctx, db, o, own, create)
	if err == nil && before == nil {
		*one = *own
	}
	return before, err
}

// once runs do, which sets what its answer shows, in a transaction; unless
// that was done before under the same claim: then it gives the answer of that
// time.
func once[T any](ctx context.Context, db *DB, o *Once[T], shown *T, do func(*batch) error) (before []byte, err error) {
	err = db.write(ctx, func(b *batch) (err error) {
		if before = nil; o == nil {
			return do(b)
		}
		if err := b.claim("answer %s %q %s", o.Project, o.Consumer, o.name()); err != nil {
			return err
		}
		if before, err = db.keptAnswer(context.Background(), b.c, o.Claim, b.now); before != nil || err != nil {
			return err
		}
		if err := do(b); err != nil {
			return err
		}
		return b.keepAnswer(o.Claim, func() ([]byte, error) { return o.Answer(shown) })
	})
	if err != nil {
		return nil, err
	}
	return before, nil
}

func (b *batch) keepAnswer(c Claim, make func() ([]byte, error)) error {
	answer, err := make()
	if err != nil {
		return err
	}
	project, _ := b.db.keys.key(c.Project)
	sealed := b.db.o.Keyring.Seal(answer, answerPlace(project, c.Consumer, c.name()))
	return b.exec(`INSERT INTO answers VALUES (?,?,?,?,?,?) ON CONFLICT (project, consumer, key)
		DO UPDATE SET request=excluded.request, made=excluded.made, answer=excluded.answer`, project, c.Consumer, c.name(), c.Request[:], b.us, sealed)
}

// forgetAnswers deletes those to the keys and sessions of a consumer.
func (b *batch) forgetAnswers(project key, consumer string) error {
	return b.exec("DELETE FROM answers WHERE project=? AND consumer=?", project, consumer)
}

// pruneAnswers deletes those that no repeat gets any more.
func (b *batch) pruneAnswers(_ *pruneRound, _ key, limit int) (int, error) {
	return b.change(`DELETE FROM answers WHERE (project, consumer, key) IN
		(SELECT project, consumer, key FROM answers WHERE made<=? ORDER BY made LIMIT ?)`, micros(b.now.Add(-answerFor)), limit)
}

// resealAnswers encrypts with the first master key what an older one
// encrypted. There are few: they live for a day.
func (db *DB) resealAnswers(ctx context.Context) error {
	type row struct {
		project       key
		consumer, key string
		sealed        []byte
	}
	ring := db.o.Keyring
	return db.write(ctx, func(b *batch) error {
		var stale []row
		err := b.rows("SELECT project, consumer, key, answer FROM answers", nil, func(scan func(...any) error) (bool, error) {
			var r row
			err := scan(&r.project, &r.consumer, &r.key, &r.sealed)
			if err == nil && !ring.Current(r.sealed) {
				stale = append(stale, r)
			}
			return true, err
		})
		if err != nil {
			return err
		}
		for _, r := range stale {
			place := answerPlace(r.project, r.consumer, r.key)
			answer, err := ring.Open(r.sealed, place)
			if err != nil {
				return fmt.Errorf("a kept answer: %w", err)
			}
			err = b.exec("UPDATE answers SET answer=? WHERE project=? AND consumer=? AND key=?", ring.Seal(answer, place), r.project, r.consumer, r.key)
			if err != nil {
				return err
			}
		}
		return nil
	})
}
