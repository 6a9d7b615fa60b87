package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/malote-dev/malote/bench/postgres"
	"github.com/malote-dev/malote/bench/rig"
)

// attemptFor bounds an attempt, so that it fits into a short lease.
const attemptFor = time.Second

// fencedCode is how a process ends that may write no more.
const fencedCode = 70

// cluster is several servers on one database, each behind a proxy of its own.
type cluster struct {
	*crash
	server *postgres.Cluster
	lease  time.Duration
	nodes  []*node
	watch  *watch
	struck []*struck
	finals map[int64]final // as an earlier look saw them
	looks  int

	mu    sync.Mutex
	lives []life
}

// node is a place where one process after the other serves.
type node struct {
	number int
	site   *rig.Site
	proxy  *postgres.Proxy
	server *rig.Server
	life   int
}

// life is a process.
type life struct {
	node, pid int
	ended     time.Time // when it was ended, or found to have ended; zero: it serves
	how       ending
	pauses    []span
}

// span is a time during which something was not as it should be.
type span struct{ from, to time.Time }

// nodesTorture lets faults strike several servers on one PostgreSQL, and
// compares ledgers.
func nodesTorture(ctx context.Context, h *harness) error {
	c, err := newCluster(ctx, h)
	if c != nil {
		defer c.close()
	}
	if err != nil {
		return err
	}
	apis := make([]*rig.API, len(c.nodes))
	for i, n := range c.nodes {
		apis[i] = n.site.API(c.api.Key)
	}
	l := startLoad(ctx, c.ledger, apis, 3*time.Second, h.o.seed)
	err = c.strikeAll(ctx)
	if err == nil {
		err = c.raise(ctx)
	}
	if err != nil {
		return err
	}
	l.stop()
	c.fleet.healed.Store(true)
	if err := c.drain(ctx); err != nil {
		return err
	}
	return c.judgeNodes(ctx)
}

func newCluster(ctx context.Context, h *harness) (_ *cluster, err error) {
	c := &cluster{
		crash: &crash{h: h, ledger: &ledger{}, rnd: rand.New(rand.NewPCG(h.o.seed, 0))},
		lease: h.o.lease, finals: map[int64]final{},
	}
	if c.server, err = postgres.Start(ctx, postgres.Options{Fsync: true, TCP: true, Settings: []string{"shared_buffers=128MB"}}); err != nil {
		return nil, err
	}
	if err := c.server.Create(ctx, "torture", ""); err != nil {
		return c, err
	}
	if c.fleet, err = newFleet(c.ledger, h.o.seed); err != nil {
		return c, err
	}
	c.fleet.lifeOf = c.lifeOf
	dialects, err := c.dialect(ctx)
	if err != nil {
		return c, err
	}
	for i := range h.o.nodes {
		if err := c.addNode(ctx, i, dialects); err != nil {
			return c, err
		}
	}
	c.site = c.nodes[0].site
	if c.api, _, err = c.site.NewProject(ctx, "torture", "development", "torture"); err != nil {
		return c, err
	}
	if err := c.makeEndpoints(ctx); err != nil {
		return c, err
	}
	c.watch, err = newWatch(ctx, c)
	return c, err
}

func (c *cluster) close() {
	for _, n := range c.nodes {
		if n.server != nil {
			_ = n.server.Signal(syscall.SIGCONT)
			n.server.Kill()
		}
		if n.proxy != nil {
			_ = n.proxy.Close()
		}
	}
	if c.watch != nil {
		c.watch.stop()
	}
	if c.fleet != nil {
		c.fleet.close()
	}
	_ = c.server.Close()
}

// dialect is the standard one whose attempts and waits are short. It is made of
// what the binary has.
func (c *cluster) dialect(ctx context.Context) (dir string, err error) {
	text, err := exec.CommandContext(ctx, c.h.binary, "dialect", "show", "--json", "standard").Output()
	if err != nil {
		return "", fmt.Errorf("malote dialect show: %w", err)
	}
	var d map[string]any
	if err := json.Unmarshal(text, &d); err != nil {
		return "", fmt.Errorf("malote dialect show: %w", err)
	}
	d["name"] = "torture"
	rule, ok := d["delivery"].(map[string]any)
	if !ok {
		return "", errors.New("malote dialect show: the dialect has no rule of delivery")
	}
	rule["total_timeout"], rule["breaker"], rule["jitter"] = attemptFor.String(), false, 0
	rule["connect_timeout"], rule["response_timeout"] = attemptFor.String(), attemptFor.String()
	waits := make([]string, 30)
	for i := range waits {
		waits[i] = "1s"
	}
	rule["schedule"] = waits
	if text, err = json.Marshal(d); err != nil {
		return "", err
	}
	dir = filepath.Join(c.h.dir, "dialects")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "torture.json"), text, 0o600)
}

// addNode starts one more server, with a proxy of its own.
func (c *cluster) addNode(ctx context.Context, i int, dialects string) error {
	n := &node{number: i}
	c.nodes = append(c.nodes, n)
	var err error
	if n.proxy, err = postgres.NewProxy(c.server.Address()); err != nil {
		return err
	}
	q := url.Values{"application_name": {n.name()}}
	text := c.server.LoopbackURL("torture", n.proxy.Address()) + "&" + q.Encode()
	dir := filepath.Join(c.h.dir, n.name())
	if i == 0 {
		n.site, err = rig.NewSiteOn(ctx, c.h.binary, dir, text)
	} else if n.site, err = c.nodes[0].site.Beside(dir); err == nil {
		err = os.WriteFile(n.site.URLFile(), []byte(text+"\n"), 0o600)
	}
	if err != nil {
		return err
	}
	n.site.Args = []string{"--dialects", dialects, "--lease", c.lease.String()}
	return c.start(ctx, n)
}

// name by which PostgreSQL knows the sessions of a node.
func (n *node) name() string { return fmt.Sprintf("node-%d", n.number) }

// start begins the next life of a node.
func (c *cluster) start(ctx context.Context, n *node) error {
	server, err := n.site.Start()
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.lives = append(c.lives, life{node: n.number, pid: server.Pid})
	n.server, n.life = server, len(c.lives)
	c.mu.Unlock()
	ready, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	_, err = server.WaitReady(ready)
	return err
}

// ends notes that the life of a node is over.
func (c *cluster) ends(n *node, at time.Time, how ending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &c.lives[n.life-1]
	l.ended, l.how = at, how
}

// serving are the processes there are, by their id.
func (c *cluster) serving() (pids []int, lives map[int]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	lives = map[int]int{}
	for i, l := range c.lives {
		if l.ended.IsZero() {
			pids = append(pids, l.pid)
			lives[l.pid] = i + 1
		}
	}
	return pids, lives
}

// lifeOf is whose connection one is; 0: nobody knows.
func (c *cluster) lifeOf(conn net.Conn) int {
	pids, lives := c.serving()
	return lives[rig.Peer(conn, pids)]
}

// raise starts those again that ended by themselves. They may, where they lost
// their lease.
func (c *cluster) raise(ctx context.Context) error {
	for _, n := range c.nodes {
		select {
		case <-n.server.Done():
		default:
			continue
		}
		c.mu.Lock()
		over := !c.lives[n.life-1].ended.IsZero()
		c.mu.Unlock()
		if !over {
			c.foundEnded(n)
		}
		if err := c.start(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// foundEnded judges a process that ended by itself.
func (c *cluster) foundEnded(n *node) {
	now := time.Now()
	c.ends(n, now, fenced)
	var exit *exec.ExitError
	code := 0
	if errors.As(n.server.ExitError(), &exit) {
		code = exit.ExitCode()
	}
	switch {
	case code != fencedCode:
		c.ledger.violate("%s ended by itself with code %d; its log ends with:\n%s", n.name(), code, n.site.LogTail(1000))
	case !c.watch.lapsed(now.Add(-c.lease-15*time.Second), now):
		c.ledger.violate("%s gave up its place, and nobody's lease had ended; its log ends with:\n%s", n.name(), n.site.LogTail(1000))
	}
}
