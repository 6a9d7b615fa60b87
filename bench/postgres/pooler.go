//go:build unix

package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNoPooler says that the program is not there, in the words of a test that
// skips for it.
var ErrNoPooler = errors.New("MISSING PROGRAM: pgbouncer is not installed: apt-get install pgbouncer")

// Pooler is PgBouncer in transaction mode before a cluster.
type Pooler struct {
	cmd   *exec.Cmd
	ended chan struct{}
	port  int
}

// StartPooler starts one on the loopback. Whoever comes is let in, and is user at
// the server. The cluster has to listen on the loopback. Errors: [ErrNoPooler].
func (c *Cluster) StartPooler(ctx context.Context, user string) (*Pooler, error) {
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer" // where Debian keeps it, outside of many a PATH
		if _, err := os.Stat(program); err != nil {
			return nil, ErrNoPooler
		}
	}
	p := &Pooler{ended: make(chan struct{})}
	if p.port, err = freePort(); err != nil {
		return nil, err
	}
	config := fmt.Sprintf("[databases]\n* = host=127.0.0.1 port=%d user=%s\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port=%d\nunix_socket_dir=\nauth_type=any\npool_mode=transaction\n"+
		"default_pool_size=10\nmax_client_conn=100\nlogfile=\npidfile=\n", c.port, user, p.port)
	path := filepath.Join(c.dir, "pgbouncer.ini")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil { // its user is another
		return nil, err
	}
	p.cmd = c.command(context.WithoutCancel(ctx), "postgres")
	p.cmd.Path, p.cmd.Args = program, []string{program, path}
	dieWithParent(p.cmd.SysProcAttr)
	var log bytes.Buffer
	p.cmd.Stdout, p.cmd.Stderr = &log, &log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait()
	}()
	for end := time.Now().Add(startFor); ; {
		conn, err := pgx.Connect(ctx, c.LoopbackURL("postgres", p.Address()))
		if err == nil {
			return p, conn.Close(ctx)
		}
		select {
		case <-p.ended:
			return nil, fmt.Errorf("pgbouncer ended: %s", log.String())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(end) {
			return nil, errors.Join(fmt.Errorf("pgbouncer does not answer: %w", err), p.Close())
		}
	}
}

// Address on the loopback.
func (p *Pooler) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) }

// Close ends it.
func (p *Pooler) Close() error {
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.ended
	return nil
}
