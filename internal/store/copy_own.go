package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// notCopied are the tables that are not copied row by row: each engine has its
// own. What of them both need is [counts].
var notCopied = []string{"goose_db_version", "state"}

// counts are what a database keeps beside its rows.
type counts struct{ pending, indexed, last int64 }

// own reads the counts of a side that nobody serves with.
func (s *side) own(ctx context.Context) (n counts, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT pending, indexed, last FROM state WHERE id=1").Scan(&n.pending, &n.indexed, &n.last)
	return n, err
}

func (s *side) setOwn(ctx context.Context, tx *sql.Tx, n counts) error {
	_, err := tx.ExecContext(ctx, fmt.Sprintf("UPDATE state SET pending=%d, indexed=%d, last=%d WHERE id=1", n.pending, n.indexed, n.last))
	return err
}

// end copies what the source counts, and takes the mark away.
func (c *copier) end(ctx context.Context) error {
	n, err := c.src.own(ctx)
	if err != nil {
		return err
	}
	return c.dst.transact(ctx, func(tx *sql.Tx) error {
		if err := c.dst.setOwn(ctx, tx, n); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM meta WHERE name='"+metaCopying+"'")
		return err
	})
}

// renew gives a sign of life in PostgreSQL.
func (s *side) renew(ctx context.Context, with execer) error {
	r, err := with.ExecContext(ctx, fmt.Sprintf("UPDATE state SET until=now()+make_interval(secs=>%d) WHERE id=1 AND token=%d", int(leaseFor.Seconds()), s.pg.token))
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, errFenced)
	}
	return nil
}

// close lets go of the database, which looks as if this had not been.
func (s *side) close() {
	if s.pg != nil {
		ctx, cancel := context.WithTimeout(context.Background(), connectFor)
		defer cancel()
		_, _ = s.db.ExecContext(ctx, fmt.Sprintf("UPDATE state SET open=%t, until=now() WHERE id=1 AND token=%d", s.pg.unclean, s.pg.token))
	}
	_ = s.db.Close()
	s.engine.release()
}
