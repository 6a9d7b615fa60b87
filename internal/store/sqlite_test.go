package store_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
