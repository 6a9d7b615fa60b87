package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// Backup writes a copy of the database, as of one moment, to a file that must
// not exist yet; events go on meanwhile. The copy is opened by putting it into
// an empty data directory as "malote.db". It holds secrets in their encrypted
// form: the master key is not in it.
func (db *DB) Backup(ctx context.Context, to string) error {
	if err := db.engine.backup(ctx, to); err != nil {
		return err
	}
	return db.write(ctx, func(b *batch) error { return b.note(0, ActionServerBackup, "", "") })
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
