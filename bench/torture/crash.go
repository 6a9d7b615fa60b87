package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"time"

	"github.com/malote-dev/malote/bench/rig"
)

// ending is how a life of the server ended.
type ending int

const (
	killed  ending = iota // SIGKILL: what was in flight may be sent again
	stopped               // SIGTERM: nothing may
	fenced                // by itself: others had taken its place
)

// crash is one crash loop: the server lives many short lives under load.
type crash struct {
	h      *harness
	site   *rig.Site
	api    *rig.API
	ledger *ledger
	fleet  *fleet
	rnd    *rand.Rand
	ends   []ending // of life i+1
	atCall int      // kills that struck at a system call
	early  int      // kills before the server was ready
}

// crashLoop kills the server again and again under load and compares ledgers.
func crashLoop(ctx context.Context, h *harness) error {
	c := &crash{h: h, ledger: &ledger{}, rnd: rand.New(rand.NewPCG(h.o.seed, 0))}
	var err error
	if c.site, err = rig.NewSite(ctx, h.binary, filepath.Join(h.dir, "crash")); err != nil {
		return err
	}
	if c.fleet, err = newFleet(c.ledger, h.o.seed); err != nil {
		return err
	}
	defer c.fleet.close()
	server, err := c.setUp(ctx)
	if err != nil {
		return err
	}
	if !h.strace {
		fmt.Println("  SKIPPED kills at system calls: strace is not installed (apt-get install strace)")
	}
	l := startLoad(ctx, c.ledger, []*rig.API{c.api}, 10*time.Second, h.o.seed)
	if err := c.lives(ctx, server); err != nil {
		return err
	}
	final, err := c.begin(ctx, nil)
	if err != nil {
		return err
	}
	l.stop()
	c.fleet.healed.Store(true)
	if err := c.drain(ctx); err != nil {
		final.Kill()
		return err
	}
	return c.judge(ctx, final)
}

// setUp makes project and endpoints in the first life.
func (c *crash) setUp(ctx context.Context) (*rig.Server, error) {
	server, err := c.begin(ctx, nil)
	if err != nil {
		return nil, err
	}
	if c.api, _, err = c.site.NewProject(ctx, "torture", "development", "standard"); err != nil {
		server.Kill()
		return nil, err
	}
	if err := c.makeEndpoints(ctx); err != nil {
		server.Kill()
		return nil, err
	}
	return server, nil
}

func (c *crash) makeEndpoints(ctx context.Context) error {
	for e := range endpoints {
		in := map[string]any{
			"consumer": fmt.Sprintf("c%d", endpointConsumer(e)), "url": c.fleet.url(e),
			"event_types": []string{"torture.*"}, "secret": c.fleet.secret(e), "description": fmt.Sprint(e),
		}
		if err := c.api.Do(ctx, http.MethodPost, "/v1/endpoints", in, nil); err != nil {
			return err
		}
	}
	return nil
}

// begin starts the next life and waits until it is ready.
func (c *crash) begin(ctx context.Context, wrap []string) (*rig.Server, error) {
	c.fleet.life.Add(1)
	c.site.Wrap = wrap
	server, err := c.site.Start()
	if err != nil {
		return nil, err
	}
	ready, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if _, err := server.WaitReady(ready); err != nil {
		c.end(server)
		return nil, err
	}
	return server, nil
}

// end kills whatever is left of a life. Under strace that is its child; strace
// ends when the child is gone, with its port and its lock.
func (c *crash) end(server *rig.Server) {
	if len(c.site.Wrap) > 0 {
		rig.KillChildren(server.Pid)
		select {
		case <-server.Done():
			return
		case <-time.After(5 * time.Second):
		}
	}
	server.Kill()
}

// killAt are the system calls at which a kill may strike, and how late.
var killAt = []struct {
	name string
	most int
}{{"pwrite64", 60}, {"fsync,fdatasync", 16}, {"write", 60}, {"pread64", 40}, {"open,openat", 30}, {"ftruncate", 4}, {"unlink,unlinkat", 3}}

// lives lets the server live and die until all kills are done.
func (c *crash) lives(ctx context.Context, server *rig.Server) error {
	terms := c.h.o.terms
	for kills := 0; kills < c.h.o.kills; {
		if ctx.Err() != nil {
			return fmt.Errorf("only %d of %d kills in the time: %w", kills, c.h.o.kills, context.Cause(ctx))
		}
		if left := c.h.o.kills - kills; terms > 0 && c.rnd.IntN(left+terms) < terms {
			terms--
			pause(ctx, time.Duration(50+c.rnd.IntN(250))*time.Millisecond)
			if err := server.Stop(40 * time.Second); err != nil {
				return fmt.Errorf("SIGTERM in life %d: %w", c.fleet.life.Load(), err)
			}
			c.ends = append(c.ends, stopped)
		} else {
			pause(ctx, time.Duration(c.rnd.IntN(400))*time.Millisecond)
			server.Kill()
			c.ends = append(c.ends, killed)
			kills++
		}
		n, next, err := c.next(ctx, c.h.o.kills-kills)
		if err != nil {
			return err
		}
		kills, server = kills+n, next
	}
	server.Kill()
	c.ends = append(c.ends, killed)
	return nil
}

// next begins lives until one is ready and under the plain load; those that
// were killed on the way, at a system call or before they were ready, count.
func (c *crash) next(ctx context.Context, left int) (kills int, _ *rig.Server, _ error) {
	for ; kills < left && ctx.Err() == nil; kills++ {
		switch c.rnd.IntN(6) {
		case 0, 1:
			if !c.h.strace {
				kills--
				continue
			}
			c.killAtCall(ctx)
		case 2:
			if err := c.killEarly(); err != nil {
				return kills, nil, err
			}
		default:
			server, err := c.begin(ctx, nil)
			return kills, server, err
		}
	}
	server, err := c.begin(ctx, nil)
	return kills, server, err
}

// killAtCall lives one life that a chosen system call ends. Where that call
// does not come often enough, a SIGKILL from outside ends it.
func (c *crash) killAtCall(ctx context.Context) {
	at := killAt[c.rnd.IntN(len(killAt))]
	when := 1 + c.rnd.IntN(at.most)
	wrap := []string{"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + at.name,
		"-e", "signal=none", "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", at.name, when)}
	server, err := c.begin(ctx, wrap)
	c.ends = append(c.ends, killed)
	if errors.Is(err, rig.ErrExited) {
		c.atCall++
		c.early++
		return
	}
	if err != nil {
		c.ledger.violate("under strace (%s, %d): %v", at.name, when, err)
		return
	}
	select {
	case <-server.Done():
		c.atCall++
	case <-time.After(2 * time.Second):
		c.end(server)
	}
}

// killEarly kills while the server starts, recovers and migrates.
func (c *crash) killEarly() error {
	c.fleet.life.Add(1)
	c.site.Wrap = nil
	server, err := c.site.Start()
	if err != nil {
		return err
	}
	select {
	case <-server.Done():
		return fmt.Errorf("ended by itself at start: %w; the log ends with:\n%s", server.ExitError(), c.site.LogTail(2000))
	case <-time.After(time.Duration(c.rnd.IntN(150)) * time.Millisecond):
	}
	server.Kill()
	c.ends = append(c.ends, killed)
	c.early++
	return nil
}

// drain waits until nothing is pending. Deliveries that wait for a later try
// are asked for now.
func (c *crash) drain(ctx context.Context) error {
	deadline := time.Now().Add(90 * time.Second)
	asked := map[string]time.Time{}
	for time.Now().Before(deadline) && ctx.Err() == nil {
		left := 0
		for d, err := range c.deliveries(ctx, "pending") {
			if err != nil {
				return err
			}
			left++
			waits := d.Attempts > 0 && time.Until(d.NextDueAt) > time.Second
			if !waits || time.Since(asked[d.ID]) < 3*time.Second {
				continue // on its way: asked for again now, it could be sent again
			}
			asked[d.ID] = time.Now()
			err := c.api.Do(ctx, http.MethodPost, "/v1/deliveries/"+d.ID+"/retry", nil, nil)
			var refused *rig.StatusError
			if err != nil && !errors.As(err, &refused) {
				return err
			}
		}
		if left == 0 {
			return nil
		}
		pause(ctx, 100*time.Millisecond)
	}
	return errors.New("deliveries are still pending 90 s after the last fault")
}
