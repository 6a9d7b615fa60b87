//go:build unix

// Package postgres starts private PostgreSQL clusters for tests, benchmarks
// and the torture: each in a directory of its own, reached through a socket in
// it, and on a port of the loopback where that is asked for.
package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrMissing says that a program is not there, in the words of a test that
// skips for it.
var ErrMissing = errors.New("MISSING PROGRAM: initdb and postgres are not installed: apt-get install postgresql")

// Options of a cluster. Zero fields mean the defaults.
type Options struct {
	Fsync    bool     // as a real server; without, a crash of the machine loses the cluster
	TCP      bool     // listens on the loopback, too
	Settings []string // more of postgresql.conf, as in "max_connections=20"
}

// Cluster is a PostgreSQL server.
type Cluster struct {
	o    Options
	bin  string
	dir  string
	port int
	run  *syscall.SysProcAttr

	cmd   *exec.Cmd
	log   bytes.Buffer
	ended chan struct{}
}

const (
	name     = "malote" // of the superuser
	startFor = 60 * time.Second
	stopFor  = 60 * time.Second
)

// Start makes a cluster and starts it. Errors: [ErrMissing].
func Start(ctx context.Context, o Options) (_ *Cluster, err error) {
	c := &Cluster{o: o, run: &syscall.SysProcAttr{}}
	if c.bin, err = programs(); err != nil {
		return nil, err
	}
	if c.dir, err = os.MkdirTemp("", "pg"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(c.dir)
		}
	}()
	if err := c.own(); err != nil {
		return nil, err
	}
	if c.port, err = freePort(); err != nil {
		return nil, err
	}
	init := c.command(ctx, "initdb", "-D", c.data(), "-U", name, "-A", "trust", "-E", "UTF8",
		"--locale=C", "--locale-provider=icu", "--icu-locale=en-US", "--no-sync") // orders texts otherwise than by bytes, as most do
	if out, err := init.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	return c, c.Launch(ctx)
}

// programs finds the directory of the server's programs.
func programs() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // where Debian keeps them, outside of PATH
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		return filepath.Dir(slices.Max(found)), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", ErrMissing
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	return filepath.Dir(path), nil
}

// own gives the directory to another where this process is root's: the server
// refuses to run as root.
func (c *Cluster) own() error {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, as := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(as)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return err
		}
		c.run.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), NoSetGroups: true}
		return os.Chown(c.dir, int(uid), int(gid))
	}
	return errors.New("a server of PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

func (c *Cluster) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, program), args...)
	attr := *c.run
	cmd.SysProcAttr, cmd.Dir = &attr, c.dir
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
	return cmd
}

// settings of small clusters, of which several run beside each other.
func (c *Cluster) settings() []string {
	all := []string{
		"unix_socket_directories=" + c.dir, "port=" + strconv.Itoa(c.port), "listen_addresses=",
		"shared_buffers=32MB", "max_connections=200", "fsync=off", "full_page_writes=off", "autovacuum_naptime=10s",
	}
	if c.o.TCP {
		all = append(all, "listen_addresses=127.0.0.1")
	}
	if c.o.Fsync {
		all = append(all, "fsync=on", "full_page_writes=on")
	}
	return append(all, c.o.Settings...)
}

// Launch starts a cluster that was stopped, and waits until it answers.
func (c *Cluster) Launch(ctx context.Context) error {
	args := []string{"-D", c.data()}
	for _, s := range c.settings() {
		args = append(args, "-c", s)
	}
	c.cmd = c.command(context.WithoutCancel(ctx), "postgres", args...)
	dieWithParent(c.cmd.SysProcAttr)
	c.cmd.Stdout, c.cmd.Stderr = &c.log, &c.log
	if err := c.cmd.Start(); err != nil {
		return err
	}
	cmd, ended := c.cmd, make(chan struct{})
	c.ended = ended
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	for end := time.Now().Add(startFor); ; {
		err := c.try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("postgres ended: %s", c.log.String())
		case <-ctx.Done():
			return errors.Join(ctx.Err(), c.Stop(syscall.SIGQUIT))
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(end) {
			return errors.Join(fmt.Errorf("postgres does not answer: %w", err), c.Stop(syscall.SIGQUIT))
		}
	}
}

func (c *Cluster) try(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// URL of a database, through the socket.
func (c *Cluster) URL(database string) string {
	q := url.Values{"host": {c.dir}, "port": {strconv.Itoa(c.port)}, "user": {name}}
	return "postgres:///" + database + "?" + q.Encode()
}

// Address on the loopback, where the cluster listens there.
func (c *Cluster) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)) }

// LoopbackURL of a database, through an address of the loopback: its own, or a
// proxy's.
func (c *Cluster) LoopbackURL(database, address string) string {
	u := url.URL{Scheme: "postgres", User: url.User(name), Host: address, Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// Create makes a database, as a copy of another where that is given.
func (c *Cluster) Create(ctx context.Context, database, template string) error {
	q := "CREATE DATABASE " + pgx.Identifier{database}.Sanitize()
	if template != "" {
		q += " TEMPLATE " + pgx.Identifier{template}.Sanitize()
	}
	return c.Exec(ctx, "postgres", q)
}

// Exec runs statements in a database as its superuser.
func (c *Cluster) Exec(ctx context.Context, database string, statements ...string) error {
	conn, err := pgx.Connect(ctx, c.URL(database))
	if err != nil {
		return err
	}
	for _, q := range statements {
		if _, failed := conn.Exec(ctx, q); failed != nil {
			err = fmt.Errorf("%s: %w", q, failed)
			break
		}
	}
	return errors.Join(err, conn.Close(ctx))
}

// Run runs a program of PostgreSQL, such as pg_dump, in the cluster's directory
// and as its user. Errors hold what it said.
func (c *Cluster) Run(ctx context.Context, program string, args ...string) error {
	if out, err := c.command(ctx, program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, out)
	}
	return nil
}

// Pid of the server's first process.
func (c *Cluster) Pid() int { return c.cmd.Process.Pid }

// Stop ends the server: SIGINT is a fast stop, SIGQUIT an immediate one, and
// SIGKILL leaves its other processes to notice. The cluster stays.
func (c *Cluster) Stop(how syscall.Signal) error {
	if err := c.cmd.Process.Signal(how); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-c.ended:
		return nil
	case <-time.After(stopFor):
		return fmt.Errorf("postgres did not end after %s", how)
	}
}

// Close ends the server, and deletes the cluster.
func (c *Cluster) Close() error {
	return errors.Join(c.Stop(syscall.SIGQUIT), os.RemoveAll(c.dir))
}
