package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/secret"
)

// crashed makes a data directory as a killed process leaves it.
func crashed(t *testing.T, ring *secret.Keyring) string {
	t.Helper()
	live, dead := t.TempDir(), filepath.Join(t.TempDir(), "dead")
	db, err := Open(t.Context(), Options{Dir: live, Keyring: ring})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := db.CreateProject(t.Context(), &Project{Name: "p", Environment: Development, Dialect: "standard"}); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dead, os.DirFS(live)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dead, dbFile+"-wal")); err != nil {
		t.Fatal(err)
	}
	return dead
}

func ringForTest(t *testing.T) *secret.Keyring {
	t.Helper()
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestALogThatWentAwayAfterACrashIsMissed(t *testing.T) {
	t.Parallel()
	ring := ringForTest(t)
	dir := crashed(t, ring)
	if err := os.Remove(filepath.Join(dir, dbFile+"-wal")); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Options{Dir: dir, Keyring: ring})
	if err == nil || !strings.Contains(err.Error(), "-wal is missing") {
		t.Fatalf("opened without the log: %v", err)
	}
}

// TestACrashWhileStartingAfterACrash: the start before died when SQLite had
// put the log into the database and removed it, in good order.
func TestACrashWhileStartingAfterACrash(t *testing.T) {
	t.Parallel()
	ring := ringForTest(t)
	dir := crashed(t, ring)
	lock, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.begin(dir); err != nil {
		t.Fatal(err)
	}
	if err := migrate(t.Context(), filepath.Join(dir, dbFile)); err != nil {
		t.Fatal(err)
	}
	lock.release()
	if _, err := os.Stat(filepath.Join(dir, dbFile+"-wal")); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the case is not the one that is meant: %v", err)
	}
	db, err := Open(t.Context(), Options{Dir: dir, Keyring: ring})
	if err != nil {
		t.Fatal(err)
	}
	if !db.Unclean() {
		t.Error("attempts may have been under way: that must be known")
	}
	projects, err := db.Projects(t.Context(), ID{}, 10)
	if err != nil || len(projects) != 1 {
		t.Errorf("%d projects, %v", len(projects), err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	lock, err = lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.release()
	if lock.unclean {
		t.Error("closed, and counts as crashed")
	}
}

// TestAFailedStartAfterACrashCanBeRepeated: it had opened the database and
// closed it again.
func TestAFailedStartAfterACrashCanBeRepeated(t *testing.T) {
	t.Parallel()
	ring := ringForTest(t)
	dir := crashed(t, ring)
	if _, err := Open(t.Context(), Options{Dir: dir, Keyring: ringForTest(t)}); err == nil {
		t.Fatal("opened with another master key")
	}
	db, err := Open(t.Context(), Options{Dir: dir, Keyring: ring})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
