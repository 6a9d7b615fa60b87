package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
)

// side is one of the two databases of a copy, held alone.
type side struct {
	engine
	lite *liteEngine // one of the two is set
	pg   *pgEngine
	db   *sql.DB
	size int // bytes written since SQLite's log was moved into the database
}

// openSide opens a database as a server does, but for what it does then. A
// source is not made where there is none.
func openSide(ctx context.Context, o *Options, source bool) (_ *side, err error) {
	if source {
		if err := somethingIn(ctx, o); err != nil {
			return nil, err
		}
	}
	own := Options{Dir: o.Dir, Database: o.Database, Logger: o.Logger, MinFree: -1, Lease: leaseFor, exclusive: true}
	if own.Logger == nil {
		own.Logger = slog.New(slog.DiscardHandler)
	}
	died := false
	if source && own.Database != "" {
		if died, err = settle(ctx, own); err != nil {
			return nil, err
		}
	}
	s := &side{}
	if s.engine, err = newEngine(&own); err != nil {
		return nil, err
	}
	if err := s.engine.open(ctx); err != nil {
		s.engine.release()
		return nil, err
	}
	switch e := s.engine.(type) {
	case *liteEngine:
		s.lite = e
		s.db, err = sql.Open("sqlite", dsn(e.path()))
	case *pgEngine:
		s.pg = e
		e.unclean = e.unclean || died
		s.db = stdlib.OpenDB(*e.onceConfig())
	}
	if err != nil {
		s.engine.release()
		return nil, err
	}
	s.db.SetMaxOpenConns(2)
	return s, nil
}

// somethingIn says of a place without a database that there is none.
func somethingIn(ctx context.Context, o *Options) error {
	if o.Database == "" {
		if _, err := os.Stat(filepath.Join(o.Dir, dbFile)); errors.Is(err, os.ErrNotExist) {
			return ErrNothing
		}
		return nil
	}
	e, err := newPostgres(o)
	if err != nil {
		return err
	}
	c := newPgConn(e.onceConfig())
	defer c.close()
	var there bool
	if _, err := c.row(ctx, "SELECT to_regclass('meta') IS NOT NULL", nil, &there); err != nil {
		return fmt.Errorf("%s: %w", e, whyNot(err))
	}
	if !there {
		return ErrNothing
	}
	return nil
}

// unclean reports whether the last server ended without closing it: attempts
// may have been under way.
func (s *side) unclean() bool {
	if s.pg != nil {
		return s.pg.unclean
	}
	return s.lite.lock.unclean
}

// hold gives signs of life while the copy goes on: a database in PostgreSQL
// is another's after a while without.
func (s *side) hold(ctx context.Context, lost context.CancelCauseFunc) (stop func()) {
	if s.pg == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for tick := time.NewTicker(leaseFor / leaseShare); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
			if err := s.renew(ctx, s.db); err != nil && ctx.Err() == nil {
				lost(err)
			}
		}
	}()
	return func() { cancel(); <-ended }
}

// execer is a database, or a transaction in it.
type execer interface {
	ExecContext(ctx context.Context, q string, args ...any) (sql.Result, error)
}

// transact writes, while the database is still this process's.
func (s *side) transact(ctx context.Context, f func(tx *sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if s.pg != nil {
		if err := s.renew(ctx, tx); err != nil {
			return err
		}
	}
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil || s.pg != nil {
		return err
	}
	if s.size++; s.size%16 != 0 {
		return nil
	}
	return s.moveLog(ctx)
}

// moveLog moves SQLite's log into the database.
func (s *side) moveLog(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

// identity of a database that is whole, as the mark of a copy says it: which
// one it is, and how far it had come.
func (s *side) identity(ctx context.Context) ([]byte, error) {
	sum := sha256.New()
	some := false
	err := s.each(ctx, "SELECT name, value FROM meta ORDER BY name", nil, func(scan func(...any) error) error {
		var name string
		var value []byte
		if err := scan(&name, &value); err != nil {
			return err
		}
		if name == metaCopying {
			return ErrCopying
		}
		some = some || name == "ids"
		writeValue(sum, name)
		writeValue(sum, value)
		return nil
	})
	if err != nil || !some {
		return nil, cmp.Or(err, ErrNothing)
	}
	own, err := s.own(ctx)
	return binary.BigEndian.AppendUint64(sum.Sum(nil), uint64(own.last)), err
}

// count counts the rows of a table.
func (s *side) count(ctx context.Context, t *table) (n int64, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT count(*) FROM "+t.name+t.own()).Scan(&n)
	return n, err
}

// each calls f with every row.
func (s *side) each(ctx context.Context, q string, args []any, f func(scan func(...any) error) error) error {
	rows, err := s.db.QueryContext(ctx, q, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// rows reads rows of a table in the forms of their kinds, until f returns false.
func (s *side) rows(ctx context.Context, t *table, rest string, args []any, f func(row []any) (more bool)) error {
	var names []string
	for _, c := range t.columns {
		names = append(names, c.name)
	}
	rows, err := s.db.QueryContext(ctx, "SELECT "+strings.Join(names, ", ")+" FROM "+t.name+rest, args...) //nolint:gosec // names of our own schema
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		row := make([]any, len(names))
		into := make([]any, len(names))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i, c := range t.columns {
			if row[i], err = c.kind.form(row[i]); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
		if !f(row) {
			return nil
		}
	}
	return rows.Err()
}

// form is a value as both databases take it.
func (k kind) form(v any) (any, error) {
	if v == nil {
		return nil, nil //nolint:nilnil // NULL
	}
	switch v := v.(type) {
	case int64:
		if k == ofNumber {
			return v, nil
		}
		if k == ofTruth {
			return v != 0, nil
		}
	case bool:
		if k == ofTruth {
			return v, nil
		}
	case string:
		if k == ofText {
			return v, nil
		}
		if k == ofBytes {
			return []byte(v), nil
		}
	case []byte:
		if k == ofText {
			return string(v), nil
		}
		if k == ofBytes {
			return append([]byte{}, v...), nil // an empty one is none that is NULL
		}
	}
	return nil, fmt.Errorf("a value of the kind %T is not what the column holds", v)
}

// mark is the place of an argument in a statement.
func (s *side) mark(n int) string {
	if s.pg != nil {
		return fmt.Sprintf("$%d", n)
	}
	return fmt.Sprintf("?%d", n)
}

func (s *side) marks(first, n int) string {
	var out []string
	for i := range n {
		out = append(out, s.mark(first+i))
	}
	return strings.Join(out, ", ")
}

// finish leaves a copy as its source was left.
func (s *side) finish(ctx context.Context, unclean bool) error {
	if s.pg != nil {
		s.pg.unclean = unclean
		return nil
	}
	if err := s.moveLog(ctx); err != nil {
		return err
	}
	if unclean {
		return s.lite.lock.mark(markMoving)
	}
	return s.lite.lock.mark(markClosed)
}
