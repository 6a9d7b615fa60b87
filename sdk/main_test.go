package sdk

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/malote-dev/malote/bench/rig"
)

// binary is the built malote command; set once before any test.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "malote-sdk-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if binary, err = rig.Link(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "leaked:", err)
			return 1
		}
	}
	return code
}

// startServer runs the binary on fresh data until the test ends.
func startServer(t *testing.T) *rig.Site {
	t.Helper()
	site, err := rig.NewSite(t.Context(), binary, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server, err := site.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(10 * time.Second); err != nil {
			t.Errorf("stopping the server: %v; the log ends with:\n%s", err, site.LogTail(2000))
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := server.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return site
}

// newProject makes a project of a dialect and a key for all of it.
func newProject(t *testing.T, site *rig.Site, dialect string) *rig.API {
	t.Helper()
	api, _, err := site.NewProject(t.Context(), t.Name()+" "+dialect, "development", dialect)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Client.CloseIdleConnections)
	return api
}

// language is one that has a library here.
type language struct {
	name    string
	missing func() string // what is not installed and how to install it; empty: all is there
	dir     string        // of the library
	unit    []string      // its own tests, run in dir
	tour    []string      // everything that its client can do, against a real server
	judge   []string      // gives verdicts of the requests on its standard input
	example func() (missing string, command func(addr string) []string)
}

func languages() []language {
	return []language{
		{
			name: "node", missing: missingNode, dir: "node", unit: []string{"node", "--test"},
			tour: []string{"node", "testdata/tour/tour.js"}, judge: []string{"node", "testdata/judge/judge.js"},
			example: func() (string, func(string) []string) {
				return missingModules(), func(string) []string { return []string{"node", "node/examples/express.js"} }
			},
		},
		{
			name: "python", missing: missing("python3", "python3"), dir: "python",
			unit: []string{"python3", "-W", "error", "-m", "unittest", "discover", "-s", "tests", "-t", "."},
			tour: []string{"python3", "testdata/tour/tour.py"}, judge: []string{"python3", "testdata/judge/judge.py"},
			example: func() (string, func(string) []string) {
				return missingFlask(), func(string) []string { return []string{flask(), "python/examples/flask_app.py"} }
			},
		},
		{
			name: "php", missing: missing("php", "php-cli"), dir: "php", unit: []string{"php", "tests/run.php"},
			tour: []string{"php", "testdata/tour/tour.php"}, judge: []string{"php", "testdata/judge/judge.php"},
			example: func() (string, func(string) []string) {
				return "", func(addr string) []string { return []string{"php", "-S", addr, "php/examples/receiver.php"} }
			},
		},
	}
}

func missing(program, apt string) func() string {
	return func() string {
		if _, err := exec.LookPath(program); err != nil {
			return program + " is not installed: apt-get install " + apt
		}
		return ""
	}
}

func missingNode() string {
	if why := missing("node", "nodejs npm")(); why != "" {
		return why
	}
	out, err := exec.Command("node", "-p", "process.versions.node.split('.')[0] >= 18").Output()
	if err != nil || strings.TrimSpace(string(out)) != "true" {
		return "node is older than 18: install Node.js 18 or later"
	}
	return ""
}

// missingModules says whether the libraries of testdata/node are there.
func missingModules() string {
	if why := missingNode(); why != "" {
		return why
	}
	for _, m := range []string{"express", "standardwebhooks", "svix", "stripe", "@octokit/webhooks-methods"} {
		if _, err := os.Stat(filepath.Join("testdata/node/node_modules", m)); err != nil {
			return m + " is not installed: npm ci --prefix sdk/testdata/node"
		}
	}
	return ""
}

// flask is an interpreter with Flask: of the receivers' own environment, or
// the one on the path.
var flask = sync.OnceValue(func() string {
	for _, p := range []string{"../acceptance/testdata/receivers/python/.venv/bin/python", "python3"} {
		if exec.Command(p, "-c", "import flask").Run() == nil {
			return p
		}
	}
	return ""
})

func missingFlask() string {
	if flask() == "" {
		return "Python 3 with Flask is not installed: python3 -m venv acceptance/testdata/receivers/python/.venv && " +
			"acceptance/testdata/receivers/python/.venv/bin/pip install -r acceptance/testdata/receivers/python/requirements.txt"
	}
	return ""
}

// need skips where something is not installed.
func need(t *testing.T, why string) {
	t.Helper()
	if why != "" {
		t.Skipf("MISSING PROGRAM: %s", why)
	}
}

// environ is the environment with the libraries in reach.
func environ(t *testing.T, more ...string) []string {
	t.Helper()
	abs := func(p string) string {
		a, err := filepath.Abs(p)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	return append(append(os.Environ(), "NODE_PATH="+abs("testdata/node/node_modules"), "PYTHONPATH="+abs("python"),
		"PYTHONDONTWRITEBYTECODE=1"), more...)
}

// listen runs a program until the test ends and waits until it listens on the
// address.
func listen(t *testing.T, argv, env []string, addr string) {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = env
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("%s said:\n%s", argv[0], text)
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("%v does not listen: %v", argv, err)
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%v ended: %v", argv, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
