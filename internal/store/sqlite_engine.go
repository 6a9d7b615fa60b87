package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// liteEngine is SQLite in a directory that this process alone uses.
type liteEngine struct {
	dir   string
	log   *slog.Logger
	lock  *dirLock
	space *space
	moves *checkpointer // nil: none yet
}

// newLite locks the directory. Errors: [ErrLocked].
func newLite(o *Options) (*liteEngine, error) {
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	return &liteEngine{dir: o.Dir, log: o.Logger, lock: lock, space: newSpace(o.Dir, o.MinFree, o.Logger)}, nil
}

func (e *liteEngine) path() string   { return filepath.Join(e.dir, dbFile) }
func (e *liteEngine) String() string { return e.dir }

func (e *liteEngine) open(ctx context.Context) error {
	if err := e.lock.begin(e.dir); err != nil {
		return err
	}
	if err := createFile(e.dir); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return migrate(ctx, e.path())
}

func (e *liteEngine) connect(ctx context.Context, n int, to purpose) (*pool, error) {
	if to == toRead {
		return openPool(ctx, e.path(), n, "query_only(1)")
	}
	return openPool(ctx, e.path(), n)
}

func (e *liteEngine) keymaker(secret []byte, last key) (*keymaker, error) {
	return newKeymaker(secret, last)
}

func (e *liteEngine) slot() int { return 0 }

func (e *liteEngine) state(ctx context.Context, c *conn) (s slotState, err error) {
	_, err = c.row(ctx, "SELECT last, pending, indexed FROM state WHERE id=1", nil, &s.last, &s.pending, &s.indexed)
	return s, err
}

func (e *liteEngine) foresee(*batch, *inbox) error { return nil }

func (e *liteEngine) shared() bool { return false }

func (e *liteEngine) bus() *bus { return nil }

func (e *liteEngine) outset(*batch) error { return nil }

func (e *liteEngine) agree(*batch) {}

func (e *liteEngine) verify(*batch) {}

func (e *liteEngine) seize(*batch) error { return nil }

func (e *liteEngine) alone() bool { return true }

func (e *liteEngine) apart() time.Duration { return time.Millisecond / 2 }

func (e *liteEngine) serve(context.Context) (unclean bool, err error) {
	if kind := unfitFileSystem(e.dir); kind != "" {
		e.log.Warn("the data directory is on a file system that may lose what it confirmed", "dir", e.dir, "file_system", kind)
	}
	if err := e.lock.mark(markOpen); err != nil {
		return false, fmt.Errorf("mark the data directory in use: %w", err)
	}
	e.moves.start()
	return e.lock.unclean, nil
}

func (e *liteEngine) begin(c *conn, _ bool) error {
	return c.exec(context.Background(), "BEGIN IMMEDIATE")
}

func (e *liteEngine) commit(b *batch) error { return b.c.exec(context.Background(), "COMMIT") }

func (e *liteEngine) rollback(c *conn) error {
	err := c.exec(context.Background(), "ROLLBACK")
	if err != nil && !strings.Contains(err.Error(), "no transaction is active") { // SQLite may have rolled back by itself
		return err
	}
	return nil
}

func (e *liteEngine) mark(b *batch) error {
	return b.exec("UPDATE state SET pending=?, indexed=?, last=? WHERE id=1", b.db.pending.Load()+b.pending, b.indexed, b.db.keys.last)
}

func (e *liteEngine) renewal() time.Time { return time.Time{} }

func (e *liteEngine) attach(ctx context.Context, _ *writer) (err error) {
	e.moves, err = newCheckpointer(ctx, e.path())
	return err
}

func (e *liteEngine) wrote(w *writer, size int) { e.moves.step(w, size) }

func (e *liteEngine) detach(w *writer, whole bool) error {
	e.moves.stop()
	if !whole {
		return nil
	}
	return e.moves.all(w.c)
}

func (e *liteEngine) room(now time.Time) error { return e.space.refuses(now) }

func (e *liteEngine) makeRoom() bool { return e.space.emergency() }

func (e *liteEngine) keep(_ context.Context, _ *DB, before time.Time) (key, error) {
	return timeKey(before), nil
}

const (
	shrinkPages = 1000 // that one transaction gives back
	sparePages  = 2000 // that are kept for what comes next
	spareShare  = 4    // and a quarter of the file
)

// giveBack gives what is over a share that the next events will need, or all
// of it where the disk is short.
func (e *liteEngine) giveBack(ctx context.Context, db *DB) error {
	for {
		var free, pages int
		err := db.tend(ctx, func(b *batch) error {
			if _, err := b.row("PRAGMA freelist_count", nil, &free); err != nil {
				return err
			}
			if _, err := b.row("PRAGMA page_count", nil, &pages); err != nil {
				return err
			}
			keep := max(sparePages, pages/spareShare)
			if e.room(b.now) != nil {
				keep = 0
			}
			if free -= keep; free <= 0 {
				return nil
			}
			free = min(free, shrinkPages)
			return b.exec("PRAGMA incremental_vacuum(" + strconv.Itoa(free) + ")")
		})
		if err != nil || free <= 0 {
			return err
		}
	}
}

func (e *liteEngine) size(context.Context, *DB) (n int64, err error) {
	for _, suffix := range []string{"", "-wal"} {
		if st, failed := os.Stat(e.path() + suffix); failed == nil {
			n += st.Size()
		} else if suffix == "" {
			err = failed
		}
	}
	return n, err
}

// backup writes a file that SQLite makes, of the owner alone.
func (e *liteEngine) backup(ctx context.Context, to string) error {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // before SQLite, which asks nobody for the mode
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err := e.vacuumInto(ctx, to); err != nil {
		return errors.Join(fmt.Errorf("backup to %s: %w", to, err), os.Remove(to))
	}
	return syncFile(to)
}

func (e *liteEngine) vacuumInto(ctx context.Context, to string) error {
	p, err := openPool(ctx, e.path(), 1)
	if err != nil {
		return err
	}
	defer p.close()
	c, err := p.take(ctx)
	if err != nil {
		return err
	}
	defer p.give(c)
	return c.exec(ctx, "VACUUM INTO ?", to)
}

func (e *liteEngine) closing() error { return e.lock.mark(markMoving) }

func (e *liteEngine) closed() error { return e.lock.mark(markClosed) }

func (e *liteEngine) release() {
	if e.moves != nil {
		e.moves.abandon()
	}
	e.lock.release()
}
