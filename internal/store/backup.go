package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Backup writes a copy of the database, as of one moment, to a file that must
// not exist yet; events go on meanwhile. The copy is opened by putting it into
// an empty data directory as "malote.db". It holds secrets in their encrypted
// form: the master key is not in it.
func (db *DB) Backup(ctx context.Context, to string) error {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // before SQLite, which asks nobody for the mode
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	err = db.vacuumInto(ctx, to)
	if err != nil {
		return errors.Join(fmt.Errorf("backup to %s: %w", to, err), os.Remove(to))
	}
	if err := syncFile(to); err != nil {
		return err
	}
	return db.write(ctx, func(b *batch) error { return b.note(0, ActionServerBackup, "", "") })
}

func (db *DB) vacuumInto(ctx context.Context, to string) error {
	p, err := openPool(ctx, filepath.Join(db.o.Dir, dbFile), 1)
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

// syncFile makes sure that a file and its name are on the disk.
func syncFile(path string) error {
	for _, p := range []string{path, filepath.Dir(path)} {
		f, err := os.Open(p)
		if err != nil {
			return err
		}
		err = errors.Join(f.Sync(), f.Close())
		if err != nil {
			return err
		}
	}
	return nil
}
