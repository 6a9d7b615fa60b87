package store

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// History in PostgreSQL is kept in parts, a day (UTC) each, by the time of its
// keys. They are made ahead, never by what accepts an event, and what has none
// is in the default one; retention drops them whole (parts_drop.go).

// partitioned are the tables in parts, with the column that decides.
var partitioned = []struct{ table, by string }{{"events", "k"}, {"deliveries", "k"}, {"attempts", "delivery"}}

const (
	partDay      = 24 * time.Hour
	partsAhead   = 4       // days beside today's that have a part
	partsCopied  = 400     // days that a copy makes parts for at most
	strayRows    = 20_000  // that one transaction moves out of the default part
	partLockFor  = "300ms" // as long as others may wait for a change of parts
	partCheckFor = "2s"    // and for the last look at one that is dropped
)

// part of a table: keys from lo on, below hi.
type part struct {
	table, name string
	lo, hi      key
}

// dayKey is the first key of a day; days count from 1970.
func dayKey(day int64) key { return timeKey(time.Unix(day*86400, 0)) }

func keyDay(k key) int64 { return k >> counterBits / partDay.Milliseconds() }

func partName(table string, day int64) string {
	return table + "_p" + time.Unix(day*86400, 0).UTC().Format("20060102")
}

const selectParts = `SELECT p.relname::text, c.relname::text, pg_get_expr(c.relpartbound, c.oid)
	FROM pg_inherits i JOIN pg_class p ON p.oid=i.inhparent JOIN pg_class c ON c.oid=i.inhrelid
	WHERE p.relkind='p' AND p.relnamespace=current_schema()::regnamespace ORDER BY p.relname, c.relname`

var partBound = regexp.MustCompile(`^FOR VALUES FROM \((?:MINVALUE|'(\d+)')\) TO \('(\d+)'\)$`)

// parts of all tables, without the default ones.
func (l *labourer) parts(ctx context.Context) (all []part, err error) {
	rows, err := l.c.Query(ctx, selectParts)
	if err != nil {
		return nil, err
	}
	var p part
	var bound string
	_, err = pgx.ForEachRow(rows, []any{&p.table, &p.name, &bound}, func() error {
		m := partBound.FindStringSubmatch(bound)
		if m == nil {
			return nil // the default one
		}
		p.lo, _ = strconv.ParseInt(m[1], 10, 64) // empty: 0
		if p.hi, err = strconv.ParseInt(m[2], 10, 64); err == nil {
			all = append(all, p)
		}
		return err
	})
	return all, err
}

// labourer does the heavy work on parts, on a connection of its own: nobody
// waits for it longer than partLockFor.
type labourer struct{ c *pgx.Conn }

func (e *pgEngine) labourer(ctx context.Context) (*labourer, error) {
	c, err := pgx.ConnectConfig(ctx, e.onceConfig())
	if err != nil {
		return nil, &lostError{err: err}
	}
	return &labourer{c}, nil
}

func (l *labourer) close() {
	ctx, cancel := context.WithTimeout(context.Background(), connectFor)
	defer cancel()
	_ = l.c.Close(ctx)
}

// transact runs f in a transaction that waits for no lock for long.
func (l *labourer) transact(ctx context.Context, f func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, l.c, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout='"+partLockFor+"'"); err != nil {
			return err
		}
		return f(tx)
	})
}

// makeParts makes those of some days that are not there, moving what is in the
// default one.
func (l *labourer) makeParts(ctx context.Context, all []part, first, last int64) error {
	for _, t := range partitioned {
		for day := first; day <= last; day++ {
			if covered(all, t.table, dayKey(day)) {
				continue
			}
			if err := l.makePart(ctx, t.table, t.by, day); err != nil {
				return fmt.Errorf("make %s: %w", partName(t.table, day), err)
			}
		}
	}
	return nil
}

func covered(all []part, table string, k key) bool {
	for _, p := range all {
		if p.table == table && p.lo <= k && k < p.hi {
			return true
		}
	}
	return false
}

// makePart makes one, of which nothing is in the default part, or little. To
// add one that exists keeps nobody from reading and writing the others.
func (l *labourer) makePart(ctx context.Context, table, by string, day int64) error {
	name, lo, hi := partName(table, day), dayKey(day), dayKey(day+1)
	in := fmt.Sprintf("%s>=%d AND %s<%d", by, lo, by, hi)
	return l.transact(ctx, func(tx pgx.Tx) error {
		var strays int
		q := fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s_default WHERE %s LIMIT %d) AS strays", table, in, strayRows+1)
		if err := tx.QueryRow(ctx, q).Scan(&strays); err != nil {
			return err
		}
		if strays > strayRows {
			return nil // they stay, and go row by row
		}
		for _, q := range []string{
			fmt.Sprintf("CREATE TABLE %s (LIKE %s INCLUDING ALL)", name, table),
			fmt.Sprintf("LOCK TABLE %s_default IN ACCESS EXCLUSIVE MODE", table),
			fmt.Sprintf("WITH moved AS (DELETE FROM %s_default WHERE %s RETURNING *) INSERT INTO %s SELECT * FROM moved", table, in, name),
			fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%d) TO (%d)", table, name, lo, hi),
		} {
			if _, err := tx.Exec(ctx, q); err != nil {
				return err
			}
		}
		return nil
	})
}

// isThere reports whether a part was made by another process meanwhile.
func isThere(err error) bool {
	var said *pgconn.PgError
	return errors.As(err, &said) && said.Code == "42P07"
}
