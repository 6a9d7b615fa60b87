package store_test

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if os.Getenv(childDir) != "" {
		child()
		return
	}
	// Fewer than rapid's usual hundred runs: each step is a real commit. The flag
	// on the command line still decides.
	_ = flag.Set("rapid.checks", machineRuns)
	goleak.VerifyTestMain(withCluster{m})
}

// withCluster ends the cluster of the tests before leaks are looked for.
type withCluster struct{ *testing.M }

func (m withCluster) Run() int {
	defer stopCluster()
	return m.M.Run()
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, o store.Options) *store.DB {
		t.Helper()
		db, err := store.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return db
	})
}
