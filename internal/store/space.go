package store

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	ballastFile = "ballast"
	ballastSize = 8 << 20
	spaceEvery  = 250 * time.Millisecond // how often the file system is asked
)

// space watches the disk. A full disk lets SQLite delete nothing, so events
// are refused while there is still room for what makes room: finishing
// deliveries and retention. Should it fill up all the same, a file that is
// there for nothing else is given up.
type space struct {
	dir     string
	minFree int64
	log     *slog.Logger
	free    func(dir string) (int64, error)

	mu      sync.Mutex
	asked   time.Time
	low     error
	ballast bool
}

func newSpace(dir string, minFree int64, log *slog.Logger) *space {
	s := &space{dir: dir, minFree: minFree, log: log, free: freeSpace}
	if st, err := os.Stat(filepath.Join(dir, ballastFile)); err == nil && st.Size() == ballastSize {
		s.ballast = true
	}
	return s
}

// refuses says why no event is taken in now; nil: they are.
func (s *space) refuses(now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.minFree < 0 || now.Sub(s.asked) < spaceEvery && now.After(s.asked) {
		return s.low
	}
	s.asked = now
	free, err := s.free(s.dir)
	if err != nil {
		s.log.Error("free space is unknown", "dir", s.dir, "error", err)
		return s.low
	}
	was := s.low
	switch {
	case free < s.minFree:
		s.low = fmt.Errorf("%d MiB are free in %s, %d MiB are kept for finishing what was accepted: %w", free>>20, s.dir, s.minFree>>20, ErrFull)
	case free >= s.minFree+ballastSize || s.ballast:
		s.low = nil
	}
	if (was == nil) != (s.low == nil) {
		s.log.Warn("free space", "dir", s.dir, "accepting", s.low == nil, "free_bytes", free)
	}
	if !s.ballast && free >= s.minFree+ballastSize {
		s.load()
	}
	return s.low
}

// load makes the ballast; s.mu is held.
func (s *space) load() {
	path := filepath.Join(s.dir, ballastFile)
	if err := os.WriteFile(path, make([]byte, ballastSize), 0o600); err != nil {
		_ = os.Remove(path)
		return
	}
	s.ballast = true
}

// emergency gives up the ballast, where there is one, and has events refused
// until there is room for it again.
func (s *space) emergency() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	had := s.ballast
	if s.minFree >= 0 {
		s.low = fmt.Errorf("the disk of %s is full: %w", s.dir, ErrFull)
	}
	s.ballast = false
	_ = os.Remove(filepath.Join(s.dir, ballastFile))
	return had
}
