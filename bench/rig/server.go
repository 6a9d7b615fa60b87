package rig

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// Site is a database with its keys, and how to run the binary on it.
type Site struct {
	Binary  string
	Dir     string // holds data/, or database.url, master.key and server.log
	OnURL   bool   // the database is the one that database.url names
	Addr    string // host:port of the API
	RootKey string
	Args    []string // more arguments of serve
	Wrap    []string // a command that runs the server, as strace and its options
}

// Data is the data directory.
func (s *Site) Data() string { return filepath.Join(s.Dir, "data") }

// URL of the API.
func (s *Site) URL() string { return "http://" + s.Addr }

// LogFile is where the server's output goes.
func (s *Site) LogFile() string { return filepath.Join(s.Dir, "server.log") }

// URLFile names the database in PostgreSQL, where the site has one.
func (s *Site) URLFile() string { return filepath.Join(s.Dir, "database.url") }

// Place are the options that say where the database is.
func (s *Site) Place() []string {
	if s.OnURL {
		return []string{"--database-file", s.URLFile()}
	}
	return []string{"--data", s.Data()}
}

// MasterKeyFile holds the master key.
func (s *Site) MasterKeyFile() string { return filepath.Join(s.Dir, "master.key") }

var keyShape = regexp.MustCompile(`\bmlt_root_[0-9a-z]{20,}\b`)

// NewSite makes a data directory under dir with a master key and a root key,
// and chooses a free port for the API.
func NewSite(ctx context.Context, binary, dir string) (*Site, error) {
	s := &Site{Binary: binary, Dir: dir}
	if err := os.MkdirAll(s.Data(), 0o700); err != nil {
		return nil, err
	}
	return s, s.makeKeys(ctx)
}

// NewSiteOn is NewSite on a database in PostgreSQL.
func NewSiteOn(ctx context.Context, binary, dir, url string) (*Site, error) {
	s := &Site{Binary: binary, Dir: dir, OnURL: true}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.URLFile(), []byte(url+"\n"), 0o600); err != nil {
		return nil, err
	}
	return s, s.makeKeys(ctx)
}

// Beside is another server on the same database, with a directory of its own.
func (s *Site) Beside(dir string) (*Site, error) {
	other := *s
	other.Dir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for from, to := range map[string]string{s.URLFile(): other.URLFile(), s.MasterKeyFile(): other.MasterKeyFile()} {
		text, err := os.ReadFile(from)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(to, text, 0o600); err != nil {
			return nil, err
		}
	}
	var err error
	other.Addr, err = FreeAddr()
	return &other, err
}

func (s *Site) makeKeys(ctx context.Context) error {
	if err := depend(); err != nil {
		return err
	}
	var key [32]byte
	_, _ = rand.Read(key[:])
	text := base64.StdEncoding.EncodeToString(key[:]) + "\n"
	if err := os.WriteFile(s.MasterKeyFile(), []byte(text), 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, s.Binary, append([]string{"key", "root"}, s.Place()...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("malote key root: %w: %s", err, errs.Bytes())
	}
	if s.RootKey = keyShape.FindString(string(out)); s.RootKey == "" {
		return fmt.Errorf("malote key root printed no key: %q", out)
	}
	s.Addr, err = FreeAddr()
	return err
}

// FreeAddr is a loopback address whose port was free a moment ago. It lies
// below the ports that systems give to outgoing connections: one of those that
// dials a server while it is being restarted could be given the server's own
// port, and keep it.
func FreeAddr() (string, error) {
	const first, count = 20_000, 12_000
	var err error
	for range 100 {
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+mathrand.N(count))); err == nil {
			defer l.Close()
			return l.Addr().String(), nil
		}
	}
	return "", err
}

// Server is one life of the binary on a site.
type Server struct {
	Site *Site
	Pid  int // of the server itself, or of the wrapping command
	cmd  *exec.Cmd
	log  *os.File
	done chan struct{}
	err  error
}

// Start runs the server. It is not ready yet: see [Server.WaitReady].
func (s *Site) Start() (*Server, error) {
	log, err := os.OpenFile(s.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	line := append([]string{}, s.Wrap...)
	line = append(line, s.Binary, "serve")
	line = append(line, s.Place()...)
	line = append(line, "--listen", s.Addr, "--master-key-file", s.MasterKeyFile(), "--egress-allow", "127.0.0.0/8")
	line = append(line, s.Args...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		log.Close()
		return nil, fmt.Errorf("starting %s: %w", line[0], err)
	}
	v := &Server{Site: s, Pid: cmd.Process.Pid, cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		v.err = cmd.Wait()
		log.Close()
		close(v.done)
	}()
	return v, nil
}

// Done is closed when the process has ended.
func (v *Server) Done() <-chan struct{} { return v.done }

// ExitError is how the process ended; call it after [Server.Done].
func (v *Server) ExitError() error { return v.err }

// ErrExited says that the server ended before it was ready.
var ErrExited = errors.New("the server ended before it was ready")

// WaitReady waits for /readyz and returns how long it took.
func (v *Server) WaitReady(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if resp, err := client.Get(v.Site.URL() + "/readyz"); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return time.Since(start), nil
			}
		}
		select {
		case <-v.done:
			return 0, fmt.Errorf("%w (%s); the log ends with:\n%s", ErrExited, v.cmd.ProcessState, v.Site.LogTail(2000))
		case <-ctx.Done():
			return 0, fmt.Errorf("waiting for /readyz: %w; the log ends with:\n%s", ctx.Err(), v.Site.LogTail(2000))
		case <-tick.C:
		}
	}
}

// LogTail is the end of the server's log, at most n bytes.
func (s *Site) LogTail(n int) string {
	b, _ := os.ReadFile(s.LogFile())
	if len(b) > n {
		b = b[len(b)-n:]
	}
	return strings.TrimSpace(string(b))
}

// Signal sends a signal to the process that was started.
func (v *Server) Signal(sig syscall.Signal) error { return v.cmd.Process.Signal(sig) }

// Kill ends the process at once, as a crash would, and waits for its end.
func (v *Server) Kill() {
	_ = v.cmd.Process.Kill()
	<-v.done
}

// Stop asks the server to stop and waits for it; after the grace it is killed
// and that is an error.
func (v *Server) Stop(grace time.Duration) error {
	if err := v.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-v.done:
		return v.err
	case <-time.After(grace):
		v.Kill()
		return fmt.Errorf("still running %v after SIGTERM: killed", grace)
	}
}
