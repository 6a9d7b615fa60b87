package acceptance

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/malote-dev/malote/bench/rig"
)

// language is one in which consumers are written.
type language struct {
	name    string
	missing func() string // what is not installed and how to install it; empty: all is there
	command func(t *testing.T) (argv, env []string, addr string)
}

// patience is how long a test waits for what another process does, on a
// machine that may be busy with much else.
const patience = 30 * time.Second

const receiverDir = "testdata/receivers"

func languages() []language {
	return []language{
		{"go", func() string { return "" }, goReceiver},
		{"node", missingNode, nodeReceiver},
		{"python", missingPython, pythonReceiver},
		{"php", missingPHP, phpReceiver},
	}
}

func goReceiver(t *testing.T) (argv, env []string, addr string) {
	t.Helper()
	out, err := builtReceiver()
	if err != nil {
		t.Fatal(err)
	}
	return []string{out}, nil, ""
}

// builtReceiver is the receiver in Go, built once beside the server.
var builtReceiver = sync.OnceValues(func() (string, error) {
	out := filepath.Join(filepath.Dir(binary), "receiver")
	if msg, err := exec.Command("go", "build", "-o", out, "./"+receiverDir+"/go").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, msg)
	}
	return out, nil
})

func missingNode() string {
	if _, err := exec.LookPath("node"); err != nil {
		return "node is not installed: install Node.js 20 or later (apt-get install nodejs npm)"
	}
	if _, err := os.Stat(filepath.Join(receiverDir, "node/node_modules/express")); err != nil {
		return "Express is not installed: npm ci --prefix acceptance/" + receiverDir + "/node"
	}
	return ""
}

func nodeReceiver(*testing.T) (argv, env []string, addr string) {
	return []string{"node", receiverDir + "/node/receiver.js"}, nil, ""
}

// python is the interpreter with Flask: the receivers' own environment, or
// the one on the path.
var python = sync.OnceValue(func() string {
	own := filepath.Join(receiverDir, "python/.venv/bin/python")
	for _, p := range []string{own, "python3"} {
		if exec.Command(p, "-c", "import flask").Run() == nil {
			return p
		}
	}
	return ""
})

func missingPython() string {
	if python() == "" {
		return "Python 3 with Flask is not installed: python3 -m venv acceptance/" + receiverDir + "/python/.venv && " +
			"acceptance/" + receiverDir + "/python/.venv/bin/pip install -r acceptance/" + receiverDir + "/python/requirements.txt"
	}
	return ""
}

func pythonReceiver(*testing.T) (argv, env []string, addr string) {
	return []string{python(), receiverDir + "/python/receiver.py"}, []string{"PYTHONDONTWRITEBYTECODE=1"}, ""
}

func missingPHP() string {
	if _, err := exec.LookPath("php"); err != nil {
		return "php is not installed: apt-get install php-cli"
	}
	return ""
}

func phpReceiver(t *testing.T) (argv, env []string, addr string) {
	t.Helper()
	addr, err := rig.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return []string{"php", "-S", addr, receiverDir + "/php/receiver.php"}, nil, addr
}

// delivered is one delivery as a receiver reports it.
type delivered struct {
	Path     string      `json:"path"`
	Headers  [][2]string `json:"headers"`
	Body     []byte      `json:"-"`
	Base64   string      `json:"body"`
	Verified bool        `json:"verified"`
	JSON     bool        `json:"json"`
}

func (d *delivered) header(name string) string {
	for _, h := range d.Headers {
		if strings.EqualFold(h[0], name) {
			return h[1]
		}
	}
	return ""
}

// receiver is a running one. What arrives is handed out by path.
type receiver struct {
	url     string
	secrets string // file
	mu      sync.Mutex
	known   map[string]string
	inbox   map[string]chan *delivered
}

// startReceiver runs a language's receiver until the test ends; it skips
// where the language is not installed.
func startReceiver(t *testing.T, l language) *receiver {
	t.Helper()
	if why := l.missing(); why != "" {
		t.Skipf("MISSING PROGRAM: %s", why)
	}
	r := &receiver{secrets: filepath.Join(t.TempDir(), "secrets.json"), known: map[string]string{}, inbox: map[string]chan *delivered{}}
	r.allow(t, "/none", "none")
	argv, env, addr := l.command(t)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(append(os.Environ(), "SECRETS="+r.secrets), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan struct{})
	listening := make(chan string, 1)
	go func() {
		defer close(lines)
		r.read(stdout, listening)
	}()
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Process.Kill()
		<-lines
		_ = cmd.Wait()
	})
	if addr == "" {
		select {
		case addr = <-listening:
		case <-time.After(patience):
			t.Fatalf("the %s receiver did not start: %s", l.name, stderr.String())
		}
	} else if err := awaitPort(addr); err != nil {
		t.Fatalf("the %s receiver did not start: %v: %s", l.name, err, stderr.String())
	}
	r.url = "http://" + addr
	return r
}

// awaitPort waits until somebody listens.
func awaitPort(addr string) error {
	deadline := time.Now().Add(patience)
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(deadline) {
			return err
		}
		<-time.After(10 * time.Millisecond)
	}
}

func (r *receiver) read(stdout io.Reader, listening chan<- string) {
	scan := bufio.NewScanner(stdout)
	scan.Buffer(nil, 4<<20)
	for scan.Scan() {
		var hello struct{ Listening string }
		var d delivered
		line := scan.Bytes()
		if json.Unmarshal(line, &hello) == nil && hello.Listening != "" {
			listening <- hello.Listening
			continue
		}
		if json.Unmarshal(line, &d) != nil || d.Path == "" {
			continue
		}
		d.Body, _ = base64.StdEncoding.DecodeString(d.Base64)
		r.box(d.Path) <- &d
	}
}

func (r *receiver) box(path string) chan *delivered {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inbox[path] == nil {
		r.inbox[path] = make(chan *delivered, 1000)
	}
	return r.inbox[path]
}

// allow tells the receiver a path's secret.
func (r *receiver) allow(t *testing.T, path, secret string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[path] = secret
	b, err := json.Marshal(maps.Clone(r.known))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.secrets+".new", b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(r.secrets+".new", r.secrets); err != nil {
		t.Fatal(err)
	}
}

// next waits for the next delivery on a path.
func (r *receiver) next(t *testing.T, path string) *delivered {
	t.Helper()
	select {
	case d := <-r.box(path):
		return d
	case <-time.After(patience):
		t.Fatalf("nothing arrived at %s%s", r.url, path)
		return nil
	}
}

func (d *delivered) String() string { return fmt.Sprintf("%s %v %q", d.Path, d.Headers, d.Body) }
