//go:build unix

package acceptance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/malote-dev/malote/bench/postgres"
	"github.com/malote-dev/malote/bench/rig"
)

// hush is the password of the database's user; nothing shows it.
const hush = "pintassilgo-azul"

// newPostgresSite is a site on a cluster of its own, whose user is nobody
// special: it may log in, and owns one database.
func newPostgresSite(t *testing.T) *rig.Site {
	t.Helper()
	c := newCluster(t)
	if err := c.Exec(t.Context(), "postgres", "CREATE ROLE shop LOGIN PASSWORD '"+hush+"'", "CREATE DATABASE webhooks OWNER shop"); err != nil {
		t.Fatal(err)
	}
	site, err := rig.NewSiteOn(t.Context(), binary, t.TempDir(), "postgres://shop:"+hush+"@"+c.Address()+"/webhooks")
	if err != nil {
		t.Fatal(err)
	}
	return site
}

func newCluster(t *testing.T) *postgres.Cluster {
	t.Helper()
	c, err := postgres.Start(t.Context(), postgres.Options{TCP: true, Fsync: true})
	if errors.Is(err, postgres.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// arrivals counts requests by their webhook-id. While it is held it answers none.
type arrivals struct {
	mu   sync.Mutex
	seen map[string]int
	held chan struct{} // closed: answers
	news chan struct{} // something arrived
}

func (a *arrivals) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	a.mu.Lock()
	a.seen[r.Header.Get("webhook-id")]++
	held := a.held
	a.mu.Unlock()
	select {
	case a.news <- struct{}{}:
	default:
	}
	select {
	case <-held:
	case <-r.Context().Done():
	}
}

// hold sets whether answers are given.
func (a *arrivals) hold(yes bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if yes {
		a.held = make(chan struct{})
	} else {
		close(a.held)
	}
}

func (a *arrivals) distinct() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.seen)
}

// await waits until so many different requests arrived.
func (a *arrivals) await(t *testing.T, n int) {
	t.Helper()
	for deadline := time.After(patience); a.distinct() < n; {
		select {
		case <-a.news:
		case <-deadline:
			t.Fatalf("%d of %d arrived", a.distinct(), n)
		}
	}
}

// TestPostgres: a server on PostgreSQL keeps and delivers, also what it had
// accepted when it was killed; the next one on the same machine goes on at once.
func TestPostgres(t *testing.T) {
	t.Parallel()
	site := newPostgresSite(t)
	got := &arrivals{seen: map[string]int{}, held: make(chan struct{}), news: make(chan struct{}, 1)}
	close(got.held)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	receiver := &http.Server{ReadHeaderTimeout: time.Second, Handler: got}
	go func() { _ = receiver.Serve(l) }()
	t.Cleanup(func() { receiver.Close() })

	server, err := site.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	if _, err := server.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	api := newProject(t, site, "development", "standard")
	newEndpoint(t, api, map[string]any{"consumer": "acme", "url": "http://" + l.Addr().String() + "/", "event_types": []string{"*"}})
	sendEvent(t, api, "invoice.paid", "acme", whenSent, `{"n":0}`)
	got.await(t, 1)

	rootKeyBeside(t, site)

	got.hold(true)
	var events []string
	for n := range 300 {
		events = append(events, sendEvent(t, api, "invoice.paid", "acme", whenSent, fmt.Sprintf(`{"n":%d}`, n+1)))
	}
	server.Kill()
	got.hold(false)
	api.Client.CloseIdleConnections()
	runServer(t, site)
	got.await(t, 1+len(events))
	for _, e := range events {
		awaitState(t, api, onlyDelivery(t, api, e), "delivered")
	}
	if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", server.Pid)); err == nil && bytes.Contains(line, []byte(hush)) {
		t.Error("the list of processes shows the password")
	}
	if log, err := os.ReadFile(site.LogFile()); err != nil || bytes.Contains(log, []byte(hush)) || !bytes.Contains(log, []byte("database webhooks at 127.0.0.1")) {
		t.Errorf("%v: the log shows a password, or no database:\n%s", err, log)
	}
}

// rootKeyBeside makes a root key while a server serves; it is in force at once.
func rootKeyBeside(t *testing.T, site *rig.Site) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, append([]string{"key", "root"}, site.Place()...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	api := &rig.API{URL: site.URL(), Key: strings.TrimSpace(string(out)), Client: &http.Client{}}
	defer api.Client.CloseIdleConnections()
	var page map[string]any
	if err := api.Do(t.Context(), http.MethodGet, "/v1/projects", nil, &page); err != nil {
		t.Error(err)
	}
}

func awaitState(t *testing.T, api *rig.API, id, state string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for d := getDelivery(t, api, id); d.State != state; d = getDelivery(t, api, id) {
		select {
		case <-ctx.Done():
			t.Fatalf("%s is %s", id, d.State)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestWrongDatabases: what cannot be served with is said in words, without the
// password.
func TestWrongDatabases(t *testing.T) {
	t.Parallel()
	site := newPostgresSite(t)
	good, err := os.ReadFile(site.URLFile())
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimSpace(string(good))
	for name, c := range map[string]struct {
		args  []string
		words []string
	}{
		"both":              {[]string{"--data", t.TempDir(), "--database", url}, []string{"--database and --data exclude each other"}},
		"twice":             {[]string{"--database", url, "--database-file", site.URLFile()}, []string{"--database and --database-file exclude each other"}},
		"no file":           {[]string{"--database-file", site.URLFile() + "x"}, []string{"--database-file", "no such file"}},
		"of another kind":   {[]string{"--database", strings.Replace(url, "postgres", "mysql", 1)}, []string{"--database: does not begin with postgres://"}},
		"no URL":            {[]string{"--database", "postgres://shop:" + hush + "/x@h"}, []string{"--database: it does not parse", "percent-encode"}},
		"nobody listens":    {[]string{"--database", "postgres://shop:" + hush + "@127.0.0.1:1/webhooks"}, []string{"database webhooks at 127.0.0.1:1", "cannot be reached", "connection refused"}},
		"an unknown user":   {[]string{"--database", strings.Replace(url, "shop", "nobody", 1)}, []string{"nobody", "--database"}},
		"unknown database":  {[]string{"--database", url + "2"}, []string{"database webhooks2", "does not exist", "CREATE DATABASE"}},
		"may make no table": {[]string{"--database", strings.Replace(url, "/webhooks", "/postgres", 1)}, []string{"database postgres", "permission denied", "OWNER"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := mustFail(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--master-key-file", site.MasterKeyFile()}, c.args...), c.words...)
			if strings.Contains(out, hush) {
				t.Errorf("the password is shown: %s", out)
			}
		})
	}
}
