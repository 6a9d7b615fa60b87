package storetest

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/malote-dev/malote/internal/store"
)

// Fresh is a data directory as the first [store.Open] leaves it, which goes
// with the test. The database in it is made once for all tests of a process:
// making it anew took a third of their time. The copies share the secret that
// ids are computed with, and nothing else. It lies in memory where there is
// room: what a disk keeps is for the tests that kill, and for the torture.
func Fresh(tb testing.TB) string {
	tb.Helper()
	db, err := made()
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	if memory := inMemory(); memory != "" {
		if dir, err = os.MkdirTemp(memory, "malote-test-"); err != nil { //nolint:usetesting // that is on the disk
			tb.Fatal(err)
		}
		tb.Cleanup(func() {
			if err := os.RemoveAll(dir); err != nil {
				tb.Error(err)
			}
		})
	}
	if err := os.WriteFile(filepath.Join(dir, dbFile), db, 0o600); err != nil {
		tb.Fatal(err)
	}
	return dir
}

const dbFile = "malote.db"

// made is a new database's file.
var made = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "malote-fresh-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	db, err := store.Open(context.Background(), store.Options{Dir: dir, NoSecrets: true})
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, dbFile))
})
