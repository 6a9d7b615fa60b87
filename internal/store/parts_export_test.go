package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/malote-dev/malote/internal/secret"
)

// StatementsByKey are what events, deliveries and attempts are found by, as
// PostgreSQL reads them.
func StatementsByKey() map[string]string {
	out := map[string]string{}
	for name, q := range map[string]string{"final deliveries of a list": finalRows, "pending deliveries of a list": queueRows, "work": selectWork} {
		out[name] = postgresText(q)
	}
	return out
}

// Plans say how PostgreSQL carries out, for arguments that it does not know,
// every statement that connections of the store have prepared.
func (db *DB) Plans(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	err := db.tend(ctx, func(b *batch) error { return plansOf(ctx, b.c, out) })
	var all []*conn
	for range readerCount {
		c, failed := db.readers.take(ctx)
		if failed != nil {
			return nil, failed
		}
		all = append(all, c)
		if c.link.(*pgConn).c != nil {
			err = errors.Join(err, plansOf(ctx, c, out))
		}
	}
	for _, c := range all {
		db.readers.give(c)
	}
	return out, err
}

func plansOf(ctx context.Context, in *conn, out map[string]string) error {
	c := in.link.(*pgConn).c
	rows, err := c.Query(ctx, "SELECT name, statement, cardinality(parameter_types) FROM pg_prepared_statements WHERE statement !~* '^(BEGIN|COMMIT|ROLLBACK|SET)'", pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return err
	}
	type prepared struct {
		Name, Statement string
		Parameters      int
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[prepared])
	if err != nil {
		return err
	}
	for _, p := range all {
		call := "EXECUTE " + pgx.Identifier{p.Name}.Sanitize()
		if p.Parameters > 0 {
			call += "(" + strings.Repeat(",NULL", p.Parameters)[1:] + ")"
		}
		for _, q := range []string{"SET plan_cache_mode=force_generic_plan", "EXPLAIN (COSTS OFF) " + call, "RESET plan_cache_mode"} {
			rows, err := c.Query(ctx, q, pgx.QueryExecModeSimpleProtocol)
			if err != nil {
				return err
			}
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				return fmt.Errorf("%s: %w", p.Statement, err)
			}
			if len(lines) > 0 {
				out[p.Statement] = strings.Join(lines, "\n")
			}
		}
	}
	return nil
}

// MigrateTo brings a database up to a schema of before.
func MigrateTo(ctx context.Context, url secret.Text, version int64) error {
	e, err := newPostgres(&Options{Database: url})
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*e.config.Copy())
	defer func() { _ = db.Close() }()
	p, err := goose.NewProvider(goose.DialectPostgres, db, postgresMigrations(), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = p.UpTo(ctx, version)
	return err
}

// MakeParts makes the parts of the days between two times.
func MakeParts(ctx context.Context, url secret.Text, from, until time.Time) error {
	e, err := newPostgres(&Options{Database: url})
	if err != nil {
		return err
	}
	l, err := e.labourer(ctx)
	if err != nil {
		return err
	}
	defer l.close()
	all, err := l.parts(ctx)
	if err != nil {
		return err
	}
	return l.makeParts(ctx, all, keyDay(timeKey(from)), keyDay(timeKey(until)))
}
