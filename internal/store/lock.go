package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

const lockFile = "malote.lock"

// What the lock file says: whether the database was closed in order. They are
// of one length and written over each other, so that none is ever half there.
var (
	markOpen   = []byte("in use; after a crash this line stays until the next start\n")
	markMoving = []byte("starting or stopping; the log may be gone in good order   \n")
	markClosed = []byte("closed in order                                           \n")
)

// How long a start waits for a process that is just ending, or for a child
// that has the lock between its fork and its exec.
const (
	lockTries = 20
	lockPause = 15 * time.Millisecond
)

// dirLock is the exclusive lock on a data directory. The system releases it
// when the process ends, however it ends.
type dirLock struct {
	f       *os.File
	unclean bool // the last process ended without closing
	served  bool // and while it served: its log must be there
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
	err = tryLock(f)
	for range lockTries {
		if !errors.Is(err, ErrLocked) {
			break
		}
		time.Sleep(lockPause)
		err = tryLock(f)
	}
	if err != nil {
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
	served := bytes.Equal(says, markOpen)
	return &dirLock{f: f, unclean: served || bytes.Equal(says, markMoving), served: served}, nil
}

// InUse reports whether another process holds a data directory. It changes
// nothing there.
func InUse(dir string) bool {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR, 0o600)
	if err != nil {
		return false
	}
	defer f.Close()
	if err := tryLock(f); err != nil {
		return errors.Is(err, ErrLocked)
	}
	unlock(f)
	return false
}

// begin checks the log that the process before left, and notes that from here
// on it may go in good order: SQLite removes it whenever the last connection
// closes, and a process may be killed right after that, too.
func (l *dirLock) begin(dir string) error {
	if err := l.checkLog(dir); err != nil {
		return err
	}
	if !l.unclean {
		return nil
	}
	return l.mark(markMoving)
}

// checkLog refuses a database whose write-ahead log went away after a crash:
// acknowledged events may have been in it.
func (l *dirLock) checkLog(dir string) error {
	path := filepath.Join(dir, dbFile)
	if !l.served {
		return nil
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return fmt.Errorf("%s-wal is missing although the last run was not closed in order: accepted events may be in it; put it back, or delete %s to go on without them", path, l.f.Name())
}

// mark writes what a crash from here on would leave behind.
func (l *dirLock) mark(says []byte) error {
	if _, err := l.f.WriteAt(says, 0); err != nil {
		return err
	}
	if err := l.f.Truncate(int64(len(says))); err != nil {
		return err
	}
	return l.f.Sync()
}

func (l *dirLock) release() {
	unlock(l.f) // a child that was just forked may still hold a copy of the file
	_ = l.f.Close()
}
