package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/malote-dev/malote/bench/postgres"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// BenchmarkAcceptFinishPostgres is BenchmarkAcceptFinish on a server with
// fsync; the CPU time is this process's and the server's.
func BenchmarkAcceptFinishPostgres(b *testing.B) {
	c, err := postgres.Start(b.Context(), postgres.Options{Fsync: true, Settings: []string{"shared_buffers=128MB"}})
	if errors.Is(err, postgres.ErrMissing) {
		b.Skip(err)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	if err := c.Create(b.Context(), "bench", ""); err != nil {
		b.Fatal(err)
	}
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	if err != nil {
		b.Fatal(err)
	}
	from := count(b, c)
	acceptFinish(b, store.Options{Database: secret.Text(c.URL("bench")), Keyring: ring}, func() time.Duration { return cpuTime() + serverTime(b, c) })
	to := count(b, c)
	b.ReportMetric((to.wal-from.wal)/float64(b.N), "wal-bytes/event")
	b.ReportMetric((to.commits-from.commits)/float64(b.N), "transactions/event")
}

type serverCounts struct{ wal, commits float64 }

func count(b *testing.B, c *postgres.Cluster) (n serverCounts) {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), c.URL("bench"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close(b.Context()) }()
	err = conn.QueryRow(b.Context(), "SELECT (pg_current_wal_lsn()-'0/0')::float8, (SELECT xact_commit::float8 FROM pg_stat_database WHERE datname='bench')").Scan(&n.wal, &n.commits)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

func serverTime(b *testing.B, c *postgres.Cluster) time.Duration {
	b.Helper()
	used, err := c.CPU()
	if err != nil {
		b.Fatal(err)
	}
	return used
}
