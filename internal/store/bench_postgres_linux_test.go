package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
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
	acceptFinish(b, store.Options{Database: secret.Text(c.URL("bench")), Keyring: ring}, func() time.Duration { return cpuTime() + serverTime(c.Pid()) })
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

// serverTime is what the processes of a server used, those that ended too.
func serverTime(postmaster int) (total time.Duration) {
	all, _ := os.ReadDir("/proc")
	for _, d := range all {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // from the third on
		number := func(i int) int { n, _ := strconv.Atoi(string(fields[i-3])); return n }
		ticks := 0
		switch {
		case pid == postmaster:
			ticks = number(14) + number(15) + number(16) + number(17)
		case number(4) == postmaster:
			ticks = number(14) + number(15)
		}
		total += time.Duration(ticks) * 10 * time.Millisecond
	}
	return total
}
