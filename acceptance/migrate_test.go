//go:build unix

package acceptance

import (
	"encoding/json"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// migrate runs the command, which has to succeed.
func migrate(t *testing.T, args ...string) (out, said string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"migrate"}, args...)...)
	var errs strings.Builder
	cmd.Stderr = &errs
	b, err := cmd.Output()
	if err != nil {
		t.Errorf("malote migrate %v: %v\n%s", args, err, errs.String())
	}
	return string(b), errs.String()
}

// TestMigrate: the command says what it would do, does it once, and nothing
// more; a server that serves goes on.
func TestMigrate(t *testing.T) {
	t.Parallel()
	file := newEmptyDatabase(t)
	out, said := migrate(t, "--database-file", file, "--status")
	if !strings.Contains(out, "to be run") || !strings.Contains(said, "schema 0") {
		t.Errorf("%s%s", out, said)
	}
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if out, _ := migrate(t, "--database-file", file); !strings.HasPrefix(out, "Schema ") {
				t.Errorf("%s", out)
			}
		})
	}
	wg.Wait()
	out, _ = migrate(t, "--database-file", file, "--status", "--json")
	var s struct {
		Has, Knows int
		Migrations []struct{ Applied bool }
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil || s.Has != s.Knows || len(s.Migrations) == 0 {
		t.Errorf("%v: %s", err, out)
	}
	if out, _ := migrate(t, "--database-file", file); !strings.Contains(out, "nothing to do") {
		t.Errorf("once more: %s", out)
	}

	site := startServer(t)
	if _, said := migrate(t, "--data", site.Data(), "--status"); !strings.Contains(said, "so has this version") {
		t.Errorf("beside a server: %s", said)
	}
	mustFail(t, []string{"migrate", "--data", site.Data()}, site.Data(), "in use by another malote process")
	mustFail(t, []string{"migrate"}, "--data is missing")
	sendNowhere(t, newProject(t, site, "development", "standard"))
}
