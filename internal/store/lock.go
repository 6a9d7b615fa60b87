package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const lockFile = "malote.lock"

// What the lock file says: whether the database was closed in order.
var (
	markOpen   = []byte("in use; after a crash this line stays until the next start\n")
	markClosed = []byte("closed in order\n")
)

// dirLock is the exclusive lock on a data directory. The system releases it
// when the process ends, however it ends.
type dirLock struct {
	f       *os.File
	unclean bool // the last process ended without closing
}

// lockDir makes the directory, where missing, and locks it. Errors: [ErrLocked].
func lockDir(dir string) (*dirLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := tryLock(f); err != nil {
		_ = f.Close()
		if errors.Is(err, ErrLocked) {
			return nil, fmt.Errorf("%s: %w", dir, ErrLocked)
		}
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	says, err := io.ReadAll(io.LimitReader(f, 1<<10))
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	return &dirLock{f: f, unclean: bytes.Equal(says, markOpen)}, nil
}

// checkLog refuses a database whose write-ahead log went away after a crash:
// acknowledged events may have been in it.
func (l *dirLock) checkLog(dir string) error {
	path := filepath.Join(dir, dbFile)
	if !l.unclean {
		return nil
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return fmt.Errorf("%s-wal is missing although the last run was not closed in order: accepted events may be in it; put it back, or delete %s to go on without them", path, l.f.Name())
}

// mark writes what a crash from here on would leave behind.
func (l *dirLock) mark(says []byte) error {
	if err := l.f.Truncate(0); err != nil {
		return err
	}
	if _, err := l.f.WriteAt(says, 0); err != nil {
		return err
	}
	return l.f.Sync()
}

func (l *dirLock) release() { _ = l.f.Close() }
