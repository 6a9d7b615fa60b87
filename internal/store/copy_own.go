package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// notCopied are the tables that are not copied row by row: each engine has its
// own. What of them both need is [counts].
var notCopied = []string{"goose_db_version", "state", "counted"}

// counts are what a database keeps beside its rows.
type counts struct {
	pending, indexed, last int64
	counted                ledgerMark
}

// own reads the counts of a side that nobody serves with. One in PostgreSQL was
// settled: nothing is left to be done for any slot.
func (s *side) own(ctx context.Context) (n counts, err error) {
	if s.pg != nil {
		err = s.db.QueryRowContext(ctx, "SELECT sum(pending)::bigint, max(last) FROM nodes").Scan(&n.pending, &n.last)
		n.indexed, n.counted = n.last, ledgerMark{done: n.last, upto: n.last}
		return n, err
	}
	err = s.db.QueryRowContext(ctx, "SELECT pending, indexed, last, done, upto, cursor FROM state, counted WHERE id=1 AND slot=0").
		Scan(&n.pending, &n.indexed, &n.last, &n.counted.done, &n.counted.upto, &n.counted.cursor)
	return n, err
}

// setOwn writes the counts; in PostgreSQL as those of the first slot.
func (s *side) setOwn(ctx context.Context, tx *sql.Tx, n counts) error {
	qs := []string{fmt.Sprintf("UPDATE state SET pending=%d, indexed=%d, last=%d WHERE id=1", n.pending, n.indexed, n.last), "DELETE FROM counted",
		fmt.Sprintf("INSERT INTO counted VALUES (0, %d, %d, %d)", n.counted.done, n.counted.upto, n.counted.cursor)}
	if s.pg != nil {
		qs = []string{
			fmt.Sprintf("UPDATE nodes SET pending=CASE WHEN slot=0 THEN %d ELSE 0 END, indexed=CASE WHEN slot=0 THEN %d ELSE %d END, last=%d", n.pending, n.indexed, n.last, n.last),
			fmt.Sprintf("UPDATE counted SET done=%d, upto=%d, cursor=CASE WHEN slot=0 THEN %d ELSE 0 END", n.counted.done, n.counted.upto, n.counted.cursor),
		}
	}
	for _, q := range qs {
		if _, err := tx.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// settle does for a database in PostgreSQL what processes that died, or had no
// time at their end, left to others. It reports whether one died.
func settle(ctx context.Context, o Options) (died bool, err error) {
	o.NoSecrets, o.exclusive = true, true
	db, err := Open(ctx, o)
	if err != nil {
		return false, err
	}
	died = db.unclean
	db.nodes.adoptions.Wait()
	return died, db.Close()
}

// makeParts makes the parts that the history falls into, in PostgreSQL, of the
// last days that there are.
func (c *copier) makeParts(ctx context.Context) error {
	if c.dst.pg == nil {
		return nil
	}
	var first, last sql.NullInt64
	err := c.src.db.QueryRowContext(ctx, "SELECT min(first), max(last) FROM (SELECT min(k) AS first, max(k) AS last FROM events UNION ALL SELECT min(k), max(k) FROM deliveries) AS ends").Scan(&first, &last)
	if err != nil || !first.Valid {
		return err
	}
	l, err := c.dst.pg.labourer(ctx)
	if err != nil {
		return err
	}
	defer l.close()
	all, err := l.parts(ctx)
	if err != nil {
		return err
	}
	return l.makeParts(ctx, all, max(keyDay(first.Int64), keyDay(last.Int64)-partsCopied), keyDay(last.Int64))
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
	r, err := with.ExecContext(ctx, fmt.Sprintf("UPDATE nodes SET until=now()+make_interval(secs=>%d) WHERE slot=%d AND token=%d", int(leaseFor.Seconds()), s.pg.place, s.pg.token))
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
		_, _ = s.db.ExecContext(ctx, fmt.Sprintf("UPDATE nodes SET open=false WHERE slot=%d AND token=%d", s.pg.place, s.pg.token))
		if s.pg.unclean {
			_, _ = s.db.ExecContext(ctx, "UPDATE shards SET died=true")
		}
	}
	_ = s.db.Close()
	s.engine.release()
}
