package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/pressly/goose/v3"
)

// apart are the migrations after which a server of the version before cannot
// go on, and why: it is stopped before they are run. Beside all others it may
// serve.
var apart = map[int64]string{
	19: "a server of the version before cannot share the database",
	20: "a server of the version before tells the others nothing of what it changes",
}

// Migration is a step of the schema.
type Migration struct {
	Version int64  `json:"version"`
	Name    string `json:"name"`
	Applied bool   `json:"applied"`
	// Apart says why servers of the version before have to be stopped first;
	// empty: they may go on.
	Apart string `json:"apart,omitempty"`
}

// Schema is what a database has, and what this binary knows.
type Schema struct {
	Has        int64       `json:"has"` // 0: nothing
	Knows      int64       `json:"knows"`
	Migrations []Migration `json:"migrations"`
}

// SchemaOf says what a database has, and changes nothing, also while a server
// uses it. Errors: [ErrUnreachable], [ErrNoAccess].
func SchemaOf(ctx context.Context, o Options) (Schema, error) {
	if o.Database == "" {
		has, err := liteSchema(ctx, o.Dir)
		if err != nil {
			return Schema{}, err
		}
		return schemaOf(migrations(), has, "a directory is its server's alone")
	}
	e, err := newPostgres(&o)
	if err != nil {
		return Schema{}, err
	}
	c := newPgConn(e.onceConfig())
	defer c.close()
	has, err := versionIn(ctx, c)
	if err != nil {
		return Schema{}, fmt.Errorf("%s: %w", e, whyNot(err))
	}
	return schemaOf(postgresMigrations(), has, "")
}

// Migrate brings the schema of a database up to this binary's and takes
// nothing else: servers in PostgreSQL may go on meanwhile, but see
// [Migration]. Of several at once one migrates, the others wait for it.
// It returns what there was before. Errors: [ErrLocked], [ErrNewer],
// [ErrUnreachable], [ErrNoAccess].
func Migrate(ctx context.Context, o Options) (before Schema, err error) {
	if before, err = SchemaOf(ctx, o); err != nil {
		return before, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.NoSecrets, o.MinFree = true, -1 // a guest in PostgreSQL: it holds nothing
	e, err := newEngine(&o)
	if err != nil {
		return before, err
	}
	defer e.release()
	return before, e.open(ctx)
}

// schemaOf is what a database has of some migrations; alone says why all of
// them are apart.
func schemaOf(files fs.FS, has int64, alone string) (Schema, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return Schema{}, err
	}
	s := Schema{Has: has}
	for _, name := range names {
		if s.Knows, err = goose.NumericComponent(name); err != nil {
			return Schema{}, err
		}
		_, word, _ := strings.Cut(strings.TrimSuffix(name, ".sql"), "_")
		s.Migrations = append(s.Migrations, Migration{s.Knows, word, s.Knows <= has, cmp.Or(alone, apart[s.Knows])})
	}
	return s, nil
}

// versionIn is the schema of a database in PostgreSQL; 0: none.
func versionIn(ctx context.Context, c *pgConn) (has int64, err error) {
	var there bool
	if _, err := c.row(ctx, "SELECT to_regclass('goose_db_version') IS NOT NULL", nil, &there); err != nil || !there {
		return 0, err
	}
	_, err = c.row(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied", nil, &has)
	return has, err
}

// liteSchema reads the schema of a directory. Where nobody holds it, it is
// held meanwhile: the last connection to SQLite moves its log away.
func liteSchema(ctx context.Context, dir string) (has int64, err error) {
	path := filepath.Join(dir, dbFile)
	if info, err := os.Stat(path); errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 {
		return 0, nil
	}
	lock, err := lockDir(dir)
	switch {
	case err == nil:
		defer lock.release()
		if err := lock.begin(dir); err != nil {
			return 0, err
		}
	case !errors.Is(err, ErrLocked):
		return 0, err
	}
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		return 0, err
	}
	defer func() { _ = db.Close() }()
	var tables int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name='goose_db_version'").Scan(&tables); err != nil || tables == 0 {
		return 0, err
	}
	err = db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&has)
	return has, err
}
