package main

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/malote-dev/malote/bench/postgres"
)

// struck is a fault that struck.
type struck struct {
	kind *nodeFault
	life int       // of the process that it struck; 0: all of them
	at   time.Time // when it began
	over time.Time // when it was gone: from then on all is to be well again
	calm bool      // nothing was left of those before it
}

// nodeFault is a kind of fault.
type nodeFault struct {
	name   string
	share  int // of the faults
	target func(lease time.Duration) time.Duration
	since  string // what the target counts from
	strike func(*cluster, context.Context, *node, *struck) error
	calm   time.Duration // what is measured after it
}

// sinceOver is when what was broken was there again.
const sinceOver = "its return"

func always(d time.Duration) func(time.Duration) time.Duration {
	return func(time.Duration) time.Duration { return d }
}

// afterLease is when what a silent process had goes on: the others look once a
// second, and what was under way may take a moment.
func afterLease(lease time.Duration) time.Duration { return lease + 2*time.Second }

var nodeFaults = []*nodeFault{
	{"kill -9", 5, afterLease, "the kill", (*cluster).killNode, 0},
	{"paused past its lease", 2, afterLease, "the pause", (*cluster).pauseNode, 0},
	{"SIGTERM", 4, always(time.Second), "the signal", (*cluster).termNode, 0},
	{"PostgreSQL restarted", 3, always(2 * time.Second), sinceOver, (*cluster).restartServer, 2500 * time.Millisecond},
	{"backends terminated", 4, always(2 * time.Second), "the fault", (*cluster).terminate, 0},
	{"commits cut", 4, always(2 * time.Second), "the fault", (*cluster).cutCommits, 0},
}

// looksEvery is after how many faults the database is looked at as a whole.
const looksEvery = 10

// strikeAll lets one fault after the other strike, until all have.
func (c *cluster) strikeAll(ctx context.Context) error {
	order := c.order(c.h.o.faults)
	pause(ctx, 2*time.Second) // what is measured before the first
	calm := true
	for i, f := range order {
		if ctx.Err() != nil {
			return fmt.Errorf("only %d of %d faults in the time: %w", i, len(order), context.Cause(ctx))
		}
		if err := c.raise(ctx); err != nil {
			return fmt.Errorf("before fault %d: %w", i+1, err)
		}
		n := c.nodes[c.rnd.IntN(len(c.nodes))]
		s := &struck{kind: f, at: time.Now(), calm: calm}
		c.struck = append(c.struck, s)
		if err := f.strike(c, ctx, n, s); err != nil {
			return fmt.Errorf("fault %d, %s: %w", i+1, f.name, err)
		}
		if s.over.IsZero() {
			s.over = time.Now()
		}
		pause(ctx, f.calm+time.Duration(100+c.rnd.IntN(300))*time.Millisecond)
		if (i+1)%looksEvery == 0 {
			if err := c.look(ctx); err != nil {
				return err
			}
		}
		if calm = c.rnd.IntN(rushed) > 0; calm {
			calm = c.settle(ctx)
		}
	}
	return nil
}

// rushed: one in so many faults strikes while those before it may still tell.
const rushed = 5

// settle waits until every event arrives soon after its acknowledgement.
func (c *cluster) settle(ctx context.Context) bool {
	for end := time.Now().Add(c.lease + 5*time.Second); time.Now().Before(end); {
		if c.ledger.waiting(500*time.Millisecond) == 0 {
			return true
		}
		if !pause(ctx, 50*time.Millisecond) {
			return false
		}
	}
	return false
}

// order is each kind as often as its share says, in an order by chance.
func (c *cluster) order(n int) (out []*nodeFault) {
	for len(out) < n {
		for _, f := range nodeFaults {
			for range f.share {
				out = append(out, f)
			}
		}
	}
	c.rnd.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out[:n]
}

func (c *cluster) some(least, more int) time.Duration {
	return time.Duration(least+c.rnd.IntN(more)) * time.Millisecond
}

func (c *cluster) killNode(ctx context.Context, n *node, s *struck) error {
	s.life = n.life
	n.server.Kill()
	c.ends(n, s.at, killed)
	pause(ctx, c.some(50, 1200))
	return c.start(ctx, n)
}

// pauseNode stops a process as a machine that hangs does, until others took its
// place. It may not go on.
func (c *cluster) pauseNode(ctx context.Context, n *node, s *struck) error {
	s.life = n.life
	if err := n.server.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	pause(ctx, c.lease+c.some(200, 2500))
	c.mu.Lock()
	l := &c.lives[n.life-1]
	l.pauses = append(l.pauses, span{s.at, time.Now()})
	c.mu.Unlock()
	if err := n.server.Signal(syscall.SIGCONT); err != nil {
		return err
	}
	select {
	case <-n.server.Done():
		return c.raise(ctx)
	case <-time.After(2 * time.Second): // nobody took its place
		return nil
	}
}

func (c *cluster) termNode(ctx context.Context, n *node, s *struck) error {
	s.life = n.life
	err := n.server.Stop(40 * time.Second)
	c.ends(n, time.Now(), stopped)
	if err != nil {
		return fmt.Errorf("it did not stop in order: %w; its log ends with:\n%s", err, n.site.LogTail(1000))
	}
	s.over = time.Now()
	pause(ctx, c.some(50, 1000))
	return c.start(ctx, n)
}

func (c *cluster) restartServer(ctx context.Context, _ *node, s *struck) error {
	if err := c.server.Stop(syscall.SIGQUIT); err != nil {
		return err
	}
	pause(ctx, c.some(0, 400))
	if err := c.server.Launch(ctx); err != nil {
		return err
	}
	s.over = time.Now()
	return nil
}

// terminate ends the sessions of a node, or of all.
func (c *cluster) terminate(ctx context.Context, n *node, _ *struck) error {
	name := n.name()
	if c.rnd.IntN(2) == 0 {
		name = "node-%"
	}
	return c.server.Exec(ctx, "torture", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '"+name+"'")
}

// cutCommits breaks connections at some commits of a node for a while: before
// PostgreSQL gets them, or before the node hears of it.
func (c *cluster) cutCommits(ctx context.Context, n *node, s *struck) error {
	every, first := 2+c.rnd.IntN(6), c.rnd.IntN(3)
	asked := 0
	n.proxy.OnCommit(func() postgres.Cut {
		c.mu.Lock()
		defer c.mu.Unlock()
		if asked++; asked%every != 0 {
			return postgres.CutNever
		}
		return postgres.Cut(1 + (first+asked/every)%3)
	})
	pause(ctx, c.some(300, 500))
	n.proxy.OnCommit(nil)
	s.over = time.Now()
	return nil
}
