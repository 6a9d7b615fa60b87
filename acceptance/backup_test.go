//go:build unix

package acceptance

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	_ "modernc.org/sqlite" // to take a backup as SQLite's own program does

	"github.com/malote-dev/malote/bench/rig"
)

// TestBackupOfPostgres: a dump that is taken while a server serves, and
// restored into a new database, is what was there then.
func TestBackupOfPostgres(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	file := emptyDatabaseIn(t, c)
	site, err := rig.NewSiteOn(t.Context(), binary, t.TempDir(), string(readFile(t, file)))
	if err != nil {
		t.Fatal(err)
	}
	restoredAfter(newMoved(t, site), func(m *moved) {
		if err := c.Run(t.Context(), "pg_dump", "-Fc", "-f", "backup", c.LoopbackURL("copied", c.Address())); err != nil {
			m.Fatal(err)
		}
	}, func(m *moved) {
		if err := c.Exec(t.Context(), "postgres", "CREATE DATABASE restored OWNER shop"); err != nil {
			m.Fatal(err)
		}
		if err := c.Run(t.Context(), "pg_restore", "--exit-on-error", "-d", c.LoopbackURL("restored", c.Address()), "backup"); err != nil {
			m.Fatal(err)
		}
		if err := os.WriteFile(site.URLFile(), []byte("postgres://shop:"+hush+"@"+c.Address()+"/restored\n"), 0o600); err != nil {
			m.Fatal(err)
		}
	})
}

// TestBackupOfADirectory: the same with SQLite's own means.
func TestBackupOfADirectory(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	backup := filepath.Join(t.TempDir(), "malote.db")
	restoredAfter(newMoved(t, site), func(m *moved) {
		db, err := sql.Open("sqlite", "file:"+filepath.Join(site.Data(), "malote.db")+"?_pragma=busy_timeout(5000)")
		if err != nil {
			m.Fatal(err)
		}
		defer db.Close()
		if _, err := db.ExecContext(m.Context(), "VACUUM INTO ?", backup); err != nil {
			m.Fatal(err)
		}
	}, func(m *moved) {
		if err := os.RemoveAll(site.Data()); err != nil {
			m.Fatal(err)
		}
		if err := os.Mkdir(site.Data(), 0o700); err != nil {
			m.Fatal(err)
		}
		if err := os.Rename(backup, filepath.Join(site.Data(), "malote.db")); err != nil {
			m.Fatal(err)
		}
	})
}

// restoredAfter loses what came after a backup: nothing else is missing, and no
// id is given out twice.
func restoredAfter(m *moved, backup, restore func(*moved)) {
	m.Helper()
	server := m.serve()
	m.makeAll()
	want := m.everything()
	backup(m)
	var lost []string
	for i := range 20 {
		lost = append(lost, m.send("invoice.paid", "paused", fmt.Sprintf(`{"lost":%d}`, i), ""))
	}
	server.Kill()
	m.api.Client.CloseIdleConnections()
	restore(m)
	server = m.serve()
	m.equalAfterCrash("restored", want)
	for _, id := range lost {
		ans, err := m.api.Raw(m.Context(), http.MethodGet, "/v1/events/"+id, nil)
		if err != nil || ans.Status != http.StatusNotFound {
			m.Errorf("%s came after the backup: %v %+v", id, err, ans)
		}
	}
	for i := range 50 {
		if id := m.send("invoice.paid", "paused", fmt.Sprintf(`{"new":%d}`, i), ""); slices.Contains(lost, id) {
			m.Errorf("%s was given out before", id)
		}
	}
	m.stop(server)
}
