package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver
)

//go:embed migrations/*.sql migrations/postgres/*.sql
var migrationFiles embed.FS

// migrations are this binary's, for SQLite.
func migrations() fs.FS { return migrationsIn("migrations") }

func postgresMigrations() fs.FS { return migrationsIn("migrations/postgres") }

func migrationsIn(dir string) fs.FS {
	sub, err := fs.Sub(migrationFiles, dir)
	if err != nil {
		panic(err) // the directory is embedded
	}
	return sub
}

const (
	dbFile = "malote.db"

	// minSQLite is the first version without the WAL-reset bug
	// (https://sqlite.org/wal.html#walresetbug).
	minSQLite = "3.51.3"

	cacheKiB     = 8 << 10
	busyMillis   = 5000
	walSizeLimit = 64 << 20
	readerCount  = 3
)

var busyPragma = fmt.Sprintf("PRAGMA busy_timeout=%d", busyMillis)

// firstPragmas shape a database that is being made. Not for other
// connections: the second writes, and would wait for the writer.
var firstPragmas = []string{"page_size(4096)", "auto_vacuum(INCREMENTAL)"}

// dsn names a database file with the settings of every connection. No mmap:
// an I/O error under it would kill the process without a word.
func dsn(path string, pragmas ...string) string {
	v := url.Values{}
	for _, p := range slices.Concat([]string{fmt.Sprintf("busy_timeout(%d)", busyMillis)}, pragmas, []string{
		"journal_mode(WAL)", "synchronous(FULL)", "fullfsync(1)", "checkpoint_fullfsync(1)",
		fmt.Sprintf("cache_size(-%d)", cacheKiB), "mmap_size(0)", "temp_store(MEMORY)",
		"trusted_schema(0)", "wal_autocheckpoint(0)", fmt.Sprintf("journal_size_limit(%d)", walSizeLimit),
	}) {
		v.Add("_pragma", p)
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + v.Encode()
}

// createFile makes the database file before SQLite does, so that it and what
// SQLite puts beside it are the owner's alone.
func createFile(dir string) error {
	path := filepath.Join(dir, dbFile)
	if _, err := os.Stat(path); err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if st, err := os.Stat(path + "-wal"); err == nil && st.Size() > 0 {
		return fmt.Errorf("%s is missing, but its write-ahead log %s-wal is there: put the database back, or move the log away to start empty", path, path)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// migrate brings the schema up to this binary's. Each migration is one
// transaction: a kill leaves it to be run again.
func migrate(ctx context.Context, path string) error { return migrateTo(ctx, path, migrations()) }

func migrateTo(ctx context.Context, path string, files fs.FS) error {
	db, err := sql.Open("sqlite", dsn(path, firstPragmas...))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)

	var version string
	if err := db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	if olderVersion(version, minSQLite) {
		return fmt.Errorf("SQLite %s can corrupt a database in WAL mode; %s or newer is needed", version, minSQLite)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	has, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version of %s: %w", path, err)
	}
	knows := p.ListSources()[len(p.ListSources())-1].Version
	if has > knows {
		return fmt.Errorf("%s has schema %d, this binary knows up to %d: %w", path, has, knows, ErrNewer)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate %s from schema %d: %w", path, has, err)
	}
	return nil
}

func olderVersion(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		x, _ := strconv.Atoi(as[i])
		y, _ := strconv.Atoi(bs[i])
		if x != y {
			return x < y
		}
	}
	return len(as) < len(bs)
}

// liteConn is a connection to SQLite with its prepared statements.
// database/sql's own transactions are left out: they cost more than the
// statements in them.
type liteConn struct {
	c     *sql.Conn
	stmts map[string]*sql.Stmt
}

func (c *liteConn) prepare(ctx context.Context, q string) (*sql.Stmt, error) {
	if s := c.stmts[q]; s != nil {
		return s, nil
	}
	s, err := c.c.PrepareContext(ctx, q)
	if err != nil {
		return nil, err
	}
	c.stmts[q] = s
	return s, nil
}

func (c *liteConn) exec(ctx context.Context, q string, args ...any) error {
	s, err := c.prepare(ctx, q)
	if err != nil {
		return err
	}
	_, err = s.ExecContext(ctx, args...)
	return err
}

func (c *liteConn) change(ctx context.Context, q string, args ...any) (int, error) {
	s, err := c.prepare(ctx, q)
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	return int(n), err
}

func (c *liteConn) likely(ctx context.Context, q string, args ...any) (bool, error) {
	n, err := c.change(ctx, q, args...)
	return n > 0, err
}

func (c *liteConn) together(bool) {}
func (c *liteConn) bulk(bool)     {}

func (c *liteConn) row(ctx context.Context, q string, args []any, dest ...any) (found bool, err error) {
	s, err := c.prepare(ctx, q)
	if err != nil {
		return false, err
	}
	err = s.QueryRowContext(ctx, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func (c *liteConn) rows(ctx context.Context, q string, args []any, scan func(scan func(...any) error) (more bool, err error)) error {
	s, err := c.prepare(ctx, q)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		more, err := scan(rows.Scan)
		if err != nil || !more {
			return err
		}
	}
	return rows.Err()
}

func (c *liteConn) close() {
	for _, s := range c.stmts {
		_ = s.Close()
	}
	_ = c.c.Close()
}

// openPool opens connections to one file.
func openPool(ctx context.Context, path string, n int, pragmas ...string) (*pool, error) {
	db, err := sql.Open("sqlite", dsn(path, pragmas...))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(n)
	p := newPool(n, func() { _ = db.Close() })
	for range n {
		c, err := db.Conn(ctx)
		if err != nil {
			p.close()
			return nil, err
		}
		p.add(&liteConn{c: c, stmts: map[string]*sql.Stmt{}})
	}
	return p, nil
}
