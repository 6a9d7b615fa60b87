package store

import (
	"context"
	"errors"
	"log/slog"

	"github.com/malote-dev/malote/internal/secret"
)

// Errors that callers tell apart. Whatever else comes back is a fault of the
// store itself.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("conflict")
	ErrLimit    = errors.New("limit reached")
	ErrStale    = errors.New("configuration changed meanwhile")
	ErrFull     = errors.New("no space left for new events")
	ErrLocked   = errors.New("data directory is in use by another process")
	ErrNewer    = errors.New("database was written by a newer version of malote")
	ErrClosed   = errors.New("store is closed")
)

// Options to open a store.
type Options struct {
	Dir     string // data directory, created if missing (0700)
	Keyring *secret.Keyring
	Logger  *slog.Logger
}

// DB is the store.
type DB struct {
	owner Owner
}

// Open opens or creates the database in a directory and migrates it.
// Errors: [ErrLocked], [ErrNewer], and others in words.
func Open(ctx context.Context, o Options) (*DB, error) { panic("not built") }

// Close stops the writer after what it was given, and closes the database.
func (db *DB) Close() error { panic("not built") }
