package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// nodes puts the same load on one server and on two on one database, by turns.
func nodes(ctx context.Context, s *stage) error {
	sec := s.report.section("nodes")
	l := load{clients: s.o.clients, consumers: s.o.endpoints, duration: s.o.duration}
	var beds []*bed
	for n := range 2 {
		b, err := s.sharedBed(ctx, n+1)
		if err != nil {
			return err
		}
		defer b.close()
		if err := s.warm(ctx, b, l); err != nil {
			return err
		}
		beds = append(beds, b)
	}
	var pairs []pair
	for round := 1; round <= s.o.rounds; round++ {
		one, err := beds[0].onMalote(ctx, l, "settle")
		if err != nil {
			return fmt.Errorf("one server: %w", err)
		}
		sec.add(fmt.Sprintf("round %d, one server", round), one)
		two, err := beds[1].onMalote(ctx, l, "settle")
		if err != nil {
			return fmt.Errorf("two servers: %w", err)
		}
		sec.add(fmt.Sprintf("round %d, two servers", round), two)
		pairs = append(pairs, pair{one, two})
	}
	fmt.Println()
	sec.atLeast("delivered/s, two servers to one (median of rounds)", medianOf(pairs, pair.rate), "times", 0.9)
	sec.fact("CPU for each delivery, two servers to one (median of rounds)", medianOf(pairs, pair.cpu), "times")
	return nil
}

// sharedBed is a bed of n servers with the endpoints that share the load.
func (s *stage) sharedBed(ctx context.Context, n int) (*bed, error) {
	b, err := s.newBed(ctx)
	if err != nil {
		return nil, err
	}
	if err = b.share(ctx); err == nil {
		err = b.join(ctx, n-1)
	}
	if err != nil {
		b.close()
	}
	return b, err
}

// neighbours is what deliveries that wait for one dead endpoint cost a hundred
// healthy ones: with one server, and with several.
func neighbours(ctx context.Context, s *stage) error {
	for _, n := range s.o.servers {
		if err := s.besideBacklog(ctx, n); err != nil {
			return fmt.Errorf("servers: %d: %w", n, err)
		}
	}
	return nil
}

func (s *stage) besideBacklog(ctx context.Context, n int) error {
	sec := s.report.section(fmt.Sprintf("neighbours, servers: %d", n))
	b, err := s.sharedBed(ctx, n)
	if err != nil {
		return err
	}
	defer b.close()
	url, closer, err := deadURL(s.o.dead)
	if err != nil {
		return err
	}
	defer closer()
	if err := b.endpoint(ctx, "dead", url); err != nil {
		return err
	}
	l := load{clients: s.o.clients, consumers: s.o.endpoints, duration: s.o.duration}
	if err := s.warm(ctx, b, l); err != nil {
		return err
	}
	quiet := load{clients: 16, consumers: s.o.endpoints, duration: 8 * s.o.duration, rate: quietRate}
	alone, err := b.onMalote(ctx, quiet, "linger")
	if err != nil {
		return err
	}
	sec.add("neighbours alone, 50/s", alone)
	var empty pair
	filled := 0
	for _, size := range []int{0, s.o.backlog / 10, s.o.backlog} {
		if _, err := b.fill(ctx, size-filled, func(int) string { return "dead" }); err != nil {
			return err
		}
		filled = size
		if err := s.rested(ctx); err != nil {
			return err
		}
		now, err := b.loaded(ctx, sec, l, size)
		if err != nil {
			return err
		}
		if size == 0 {
			empty = now
			continue
		}
		sec.atMost(fmt.Sprintf("CPU for each delivery beside %d pending to none, each to its yardstick", size), now.cpu()/empty.cpu(), "times", 1.5)
		sec.atLeast(fmt.Sprintf("delivered/s beside %d pending to none, each to its yardstick", size), now.rate()/empty.rate(), "times", 1/1.5)
	}
	beside, err := b.onMalote(ctx, quiet, "linger")
	if err != nil {
		return err
	}
	sec.add(fmt.Sprintf("neighbours beside %d, 50/s", filled), beside)
	sec.atMost("neighbours' p99, POST to arrival, beside it to alone", beside.FromSendP99/alone.FromSendP99, "times", 2)
	return nil
}

// rested has the database write what filling it left: that is no part of what
// a backlog costs.
func (s *stage) rested(ctx context.Context) error {
	return s.cluster.Exec(ctx, "postgres", "CHECKPOINT")
}

// loaded is the median of rounds on the yardstick and on the bed, by turns.
func (b *bed) loaded(ctx context.Context, sec *section, l load, size int) (pair, error) {
	var y, m measurement
	var pairs []pair
	for range b.s.o.rounds {
		yardstick, err := b.s.onYardstick(ctx, l)
		if err != nil {
			return pair{}, err
		}
		malote, err := b.onMalote(ctx, l, "linger")
		if err != nil {
			return pair{}, err
		}
		sec.add(fmt.Sprintf("beside %d, yardstick", size), yardstick)
		sec.add(fmt.Sprintf("beside %d, malote", size), malote)
		pairs = append(pairs, pair{yardstick, malote})
	}
	y.DeliveredPerSec, y.CPUPer1000 = 1, 1
	m.DeliveredPerSec, m.CPUPer1000 = medianOf(pairs, pair.rate), medianOf(pairs, pair.cpu)
	return pair{&y, &m}, nil
}

// toldAfter is how long PostgreSQL's sessions may keep their counts to themselves.
const toldAfter = 11 * time.Second

// written says what an event costs the database under load: bytes of its log,
// and transactions, those that only read, too.
func (b *bed) written(ctx context.Context, sec *section, l load) error {
	l.duration *= 3
	lsn0, commits0, err := b.counters(ctx)
	if err != nil {
		return err
	}
	m, err := b.onMalote(ctx, l, "linger")
	if err != nil {
		return err
	}
	lsn1, commits1, err := b.counters(ctx)
	if err != nil {
		return err
	}
	sec.atMost("WAL for each delivered event", float64(lsn1-lsn0)/float64(m.Arrived)/1024, "KiB", 6)
	sec.atMost("transactions for each delivered event", float64(commits1-commits0)/float64(m.Arrived), "", 0.1)
	return nil
}

func (b *bed) counters(ctx context.Context) (lsn, commits int64, err error) {
	if !pause(ctx, toldAfter) {
		return 0, 0, ctx.Err()
	}
	conn, err := pgx.Connect(ctx, b.s.cluster.URL("postgres"))
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	err = conn.QueryRow(ctx, "SELECT (pg_current_wal_insert_lsn()-'0/0'::pg_lsn)::bigint, (SELECT sum(xact_commit+xact_rollback) FROM pg_stat_database)::bigint").Scan(&lsn, &commits)
	return lsn, commits, err
}
