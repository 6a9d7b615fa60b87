package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFailedWriteEndsTheProcess puts a file that cannot be written to in the
// place of the write-ahead log: what a dying disk does.
func TestFailedWriteEndsTheProcess(t *testing.T) {
	t.Parallel()
	fatal := make(chan error, 100)
	s := newShelf(t, func(o *Options) { o.Fatal = func(err error) { fatal <- err } })
	w := s.send()
	before := s.db.Counters().Commits
	breakFile(t, filepath.Join(s.o.Dir, dbFile+"-wal"))
	if out, err := s.accept(`{}`); err == nil {
		t.Fatalf("acknowledged what could not be written: %+v", out)
	}
	select {
	case err := <-fatal:
		t.Log(err)
	case <-time.After(30 * time.Second):
		t.Fatal("the process goes on")
	}
	done := make(chan error, 1)
	s.db.Finish(&Outcome{Work: w, State: Delivered, Attempt: Attempt{Number: 1, At: time.Now(), Status: 200}}, func(err error) { done <- err })
	if err := <-done; err == nil {
		t.Error("an outcome was kept after a failed write")
	}
	if _, err := s.accept(`{}`); err == nil {
		t.Error("acknowledged after a failed write")
	}
	if h := s.db.Health(t.Context()); h.Err == nil {
		t.Error("healthy after a failed write")
	}
	if n := s.db.Counters().Commits; n != before {
		t.Errorf("%d commits after the failure", n-before)
	}
	if err := s.db.Close(); err == nil {
		t.Error("closed as if in order")
	}
	if len(fatal) > 0 {
		t.Errorf("fatal %d times", 1+len(fatal))
	}
	s.open() // as the next process does
	if !s.db.Unclean() {
		t.Error("the next start takes it for closed in order")
	}
	if got := s.due(); len(got) != 1 || got[0].ID != w.ID {
		t.Errorf("%v", got)
	}
}

// breakFile makes every write to an open file of this process fail.
func breakFile(t *testing.T, path string) {
	t.Helper()
	broken, err := os.Open(os.DevNull) // for reading
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = broken.Close() }()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range fds {
		fd, _ := strconv.Atoi(f.Name())
		if to, err := os.Readlink(fmt.Sprint("/proc/self/fd/", fd)); err == nil && to == path {
			if err := unix.Dup3(int(broken.Fd()), fd, unix.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	if n == 0 {
		t.Fatalf("%s is not open", path)
	}
}
