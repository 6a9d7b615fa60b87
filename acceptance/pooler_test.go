//go:build unix

package acceptance

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/malote-dev/malote/bench/postgres"
	"github.com/malote-dev/malote/bench/rig"
)

// TestBehindAPooler: a server behind PgBouncer in transaction mode accepts,
// delivers, and finds all of it again after it was killed.
func TestBehindAPooler(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	file := emptyDatabaseIn(t, c)
	p, err := c.StartPooler(t.Context(), "shop")
	if errors.Is(err, postgres.ErrNoPooler) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	url := strings.Replace(strings.TrimSpace(string(readFile(t, file))), c.Address(), p.Address(), 1) + "?sslmode=disable"
	if err := os.WriteFile(file, []byte(url+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	migrate(t, "--database-file", file)
	site, err := rig.NewSiteOn(t.Context(), binary, t.TempDir(), url)
	if err != nil {
		t.Fatal(err)
	}
	m := newMoved(t, site)
	server := m.serve()
	m.makeAll()
	want := m.everything()
	server.Kill()
	m.api.Client.CloseIdleConnections()
	server = m.serve()
	m.equalAfterCrash("after a crash", want)
	m.resume()
	m.stop(server)
	if log := string(readFile(t, site.LogFile())); !strings.Contains(log, "a pooler stands before the database") || strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("%s", log)
	}
}
