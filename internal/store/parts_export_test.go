package store

import (
	"context"
	"time"

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
