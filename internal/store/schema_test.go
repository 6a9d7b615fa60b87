//go:build unix

package store_test

import (
	"context"
	"database/sql"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/malote-dev/malote/internal/store"
)

// ofOneEngine are the tables and columns that the other has no use for.
var ofOneEngine = map[string][]string{
	"goose_db_version": nil, // of the migrations; nil: the whole table
	"sqlite_sequence":  nil,
	"sqlite_stat1":     nil,
	"configuration":    nil, // of PostgreSQL, as several processes write there
	"changes":          nil,
	"nodes":            nil, // of PostgreSQL
	"shards":           nil,
	"state":            nil, // its like, of SQLite
}

// TestSchemasAgree: a migration of one engine has its twin in the other. What
// PostgreSQL calls a table and its columns, SQLite does, too.
func TestSchemasAgree(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(sqliteColumns(t), postgresColumns(t)); diff != "" {
		t.Errorf("(-SQLite +PostgreSQL) %s", diff)
	}
}

// columns collects names of tables and columns.
type columns map[string][]string

func (c columns) add(table, column string) {
	if of, known := ofOneEngine[table]; known && (of == nil || slices.Contains(of, column)) {
		return
	}
	c[table] = append(c[table], column)
}

func (c columns) sorted() columns {
	for t := range maps.Keys(c) {
		slices.Sort(c[t])
	}
	return c
}

func sqliteColumns(t *testing.T) columns {
	dir := t.TempDir()
	db, err := store.Open(t.Context(), store.Options{Dir: dir, NoSecrets: true, MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	lite, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "malote.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer lite.Close()
	rows, err := lite.QueryContext(t.Context(), "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type='table'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := columns{}
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			t.Fatal(err)
		}
		out.add(table, column)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out.sorted()
}

func postgresColumns(t *testing.T) columns {
	url := newDatabase(t)
	ctx := context.Background()
	c, err := pgx.Connect(ctx, url.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	rows, err := c.Query(ctx, "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema='public' AND NOT (SELECT relispartition FROM pg_class WHERE oid=format('public.%I', table_name)::regclass)")
	if err != nil {
		t.Fatal(err)
	}
	out := columns{}
	var table, column string
	if _, err := pgx.ForEachRow(rows, []any{&table, &column}, func() error { out.add(table, column); return nil }); err != nil {
		t.Fatal(err)
	}
	return out.sorted()
}
