package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/malote-dev/malote/webhook"
)

// site is a production server under test, with its root key.
type site struct {
	t         *testing.T
	dir, addr string
	keyFile   string
	root      string
	*process
}

// serve starts a server as docs/operations.md says.
func serve(t *testing.T, extra ...string) *site {
	t.Helper()
	return serveIn(t, nil, extra...)
}

// serveIn is serve, with more in the environment.
func serveIn(t *testing.T, environment []string, extra ...string) *site {
	t.Helper()
	s := &site{t: t, dir: filepath.Join(t.TempDir(), "data"), addr: freeAddr(t)}
	env := clean(t, environment...)
	code, master, errOut := once(t, env, "key", "master")
	if code != exitOK {
		t.Fatalf("key master: %d %s", code, errOut)
	}
	s.keyFile = filepath.Join(t.TempDir(), "master.key")
	if err := os.WriteFile(s.keyFile, []byte(master), 0o600); err != nil {
		t.Fatal(err)
	}
	code, root, errOut := once(t, env, "key", "root", "--data", s.dir)
	if code != exitOK {
		t.Fatalf("key root: %d %s", code, errOut)
	}
	s.root = strings.TrimSpace(root)
	s.process = start(t, env, append(s.args(), extra...)...)
	s.waitFor("ready")
	return s
}

func (s *site) args() []string {
	return []string{"serve", "--data", s.dir, "--listen", s.addr, "--master-key-file", s.keyFile,
		"--egress-allow", "127.0.0.0/8", "--log-format", "text", "--grace", "2s"}
}

// malote runs a command of the API; it must end with the code.
func (s *site) malote(key string, want int, args ...string) (stdout, stderr string) {
	s.t.Helper()
	code, out, errOut := once(s.t, clean(s.t, "MALOTE_URL=http://"+s.addr, "MALOTE_KEY="+key), args...)
	if code != want {
		s.t.Fatalf("malote %v: exit code %d, want %d\n%s%s", args, code, want, out, errOut)
	}
	return out, errOut
}

// object runs a command with --json and reads what it printed.
func (s *site) object(key string, args ...string) map[string]any {
	s.t.Helper()
	out, _ := s.malote(key, exitOK, append(args, "--json")...)
	var got map[string]any
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		s.t.Fatalf("malote %v: %v\n%s", args, err, out)
	}
	return got
}

func text(t *testing.T, from map[string]any, name string) string {
	t.Helper()
	s, ok := from[name].(string)
	if !ok || s == "" {
		t.Fatalf("no %s in %v", name, from)
	}
	return s
}

// project makes a development project and a key for all of it.
func (s *site) project(dialect string) (key string) {
	s.t.Helper()
	p := s.object(s.root, "project", "create", "shop "+dialect, "--environment", "development", "--dialect", dialect)
	return text(s.t, s.object(s.root, "key", "create", "--project", text(s.t, p, "id")), "key")
}

// attemptsAsJSON waits for the attempt of an event's delivery, which is kept
// after it arrived: one object a line, and nothing else.
func (s *site) attemptsAsJSON(key, event string) {
	s.t.Helper()
	delivery := s.object(key, "delivery", "list", "--event", event)
	out := ""
	for deadline := time.Now().Add(patience); out == "" && time.Now().Before(deadline); {
		out, _ = s.malote(key, exitOK, "delivery", "attempts", text(s.t, delivery, "id"), "--json")
	}
	var a struct{ Request struct{ Sent bool } }
	if err := json.Unmarshal([]byte(out), &a); err != nil || !strings.HasPrefix(out, "{") || !a.Request.Sent {
		s.t.Errorf("%v: %q", err, out)
	}
}

// TestFromTheShell walks the whole of the command line against a server: from
// a root key to a verified webhook, its attempts, and every exit code.
func TestFromTheShell(t *testing.T) {
	t.Parallel()
	s := serve(t)
	key := s.project("standard")

	events := make(chan *webhook.Event, 8)
	receiver := &webhook.Receiver{Handle: func(_ context.Context, e *webhook.Event) error {
		events <- e
		return nil
	}}
	srv := httptest.NewServer(receiver)
	t.Cleanup(srv.Close)

	endpoint := s.object(key, "endpoint", "create", "--consumer", "acme", "--to", srv.URL, "--event-types", "invoice.*",
		"--header", "X-Tenant: a,b", "--description", "books")
	id := text(t, endpoint, "id")
	receiver.Secrets = []string{text(t, endpoint, "secret")}

	data := `{"b":1,"a":1.0,"big":12345678901234567890,"e":"\u00e9"}`
	file := writeFile(t, "event.json", data)
	sent := s.object(key, "event", "send", "invoice.paid", "--consumer", "acme", "--data", "@"+file, "--idempotency-key", "k1")
	e := <-events
	if string(e.Data) != data || e.Type != "invoice.paid" || e.ID != text(t, sent, "id") || e.Header.Get("X-Tenant") != "a,b" {
		t.Errorf("arrived: %+v %s", e, e.Data)
	}
	again := s.object(key, "event", "send", "invoice.paid", "--consumer", "acme", "--data", data, "--idempotency-key", "k1")
	if text(t, again, "id") != text(t, sent, "id") || again["duplicate"] != true {
		t.Errorf("a repeat is kept twice: %v", again)
	}
	if out, _ := s.malote(key, exitOK, "event", "get", text(t, sent, "id"), "--data-only"); out != data {
		t.Errorf("data is %q, want %q", out, data)
	}

	s.attemptsAsJSON(key, text(t, sent, "id"))
	out, _ := s.malote(key, exitOK, "endpoint", "test", id)
	if tested := <-events; tested.Type != "test" || !strings.Contains(out, tested.ID) {
		t.Errorf("test: %+v\n%s", tested, out)
	}
	for _, l := range []struct {
		line  string
		wants []string
	}{
		{"event list", []string{text(t, sent, "id"), "invoice.paid", "acme"}},
		{"delivery list --consumer acme", []string{"delivered", "invoice.paid"}},
		{"stats", []string{"2 delivered, 0 failed", "100.00 % succeeded", "p95"}},
		{"stats --minutes 60 --buckets", []string{"events ", "MINUTE"}},
		{"stats --consumer acme --hours 2 --buckets", []string{"2 delivered", "HOUR", " ms"}},
		{"stats --endpoint " + id + " --days 2", []string{"2 delivered", "last success"}},
		{"delivery list --type nothing.like.it", []string{"None."}},
		{"endpoint list", []string{id, srv.URL, "invoice.*", "active"}},
		{"endpoint get " + id, []string{"books", "X-Tenant"}},
		{"consumer get acme", []string{"acme"}},
		{"consumer put acme --name Acme", []string{"Acme"}},
		{"endpoint pause " + id, []string{"paused"}},
		{"endpoint resume " + id, []string{"active"}},
		{"endpoint pause " + id, []string{"paused"}},
		{"event send invoice.paid --consumer acme --data {}", []string{"evt_"}},
		{"endpoint resume " + id + " --skip", []string{"active", "skipped", "1"}},
		{"endpoint update " + id + " --to " + srv.URL + "/v2 --rate-limit 7", []string{"/v2", "7 a minute"}},
	} {
		out, _ := s.malote(key, exitOK, strings.Fields(l.line)...)
		for _, want := range l.wants {
			if !strings.Contains(out, want) {
				t.Errorf("malote %s lacks %q:\n%s", l.line, want, out)
			}
		}
		if strings.Contains(out, receiver.Secrets[0]) {
			t.Errorf("malote %s shows the secret:\n%s", l.line, out)
		}
	}
	s.exitCodes(key, id, data)
	if code := s.signal(syscall.SIGTERM); code != exitOK {
		t.Errorf("SIGTERM: exit code %d\n%s", code, s.output())
	}
}

func (s *site) exitCodes(key, endpoint, data string) {
	s.t.Helper()
	wrong := []struct {
		key  string
		code int
		args []string
		says string
	}{
		{key, exitUsage, []string{"event", "send", "x.y", "--consumer", "acme", "--data", "{"}, "--data"},
		{key, exitUsage, []string{"event", "send", "x.y", "--data", "{}"}, "--consumer"},
		{key, exitUsage, []string{"endpoint", "create", "--consumer", "acme", "--to", "ftp://x", "--event-types", "*"}, "--to: "},
		{key, exitUsage, []string{"endpoint", "create", "--consumer", "acme", "--to", "http://169.254.169.254/", "--event-types", "*"}, "--to: "},
		{key, exitUsage, []string{"endpoint", "create", "--consumer", "acme", "--to", "http://" + s.addr + "/v1/events", "--event-types", "*"}, "--to: "},
		{key, exitNotFound, []string{"event", "get", "evt_00000000000000000000000000"}, "fix:"},
		{key, exitNotFound, []string{"delivery", "retry", "dlv_00000000000000000000000000"}, "fix:"},
		{"", exitNotAllowed, []string{"endpoint", "list"}, "MALOTE_KEY"},
		{key + "x", exitNotAllowed, []string{"endpoint", "list"}, "MALOTE_KEY"},
		{key, exitNotAllowed, []string{"project", "list"}, "root"},
		{key, exitConflict, []string{"event", "send", "other.type", "--consumer", "acme", "--data", data, "--idempotency-key", "k1"}, "fix:"},
		{s.root, exitConflict, []string{"project", "create", "shop standard", "--environment", "development"}, "fix:"},
		{key, exitUnavailable, []string{"endpoint", "list", "--url", "http://127.0.0.1:1"}, "--url"},
		{key, exitUsage, []string{"endpoint", "list", "--url", "nowhere"}, "--url"},
		{key, exitUsage, []string{"stats", "--hours", "745"}, "--hours"},
		{key, exitUsage, []string{"stats", "--days", "401"}, "--days"},
		{key, exitUsage, []string{"stats", "--endpoint", "evt_00000000000000000000000000"}, "endpoint"},
		{key, exitNotFound, []string{"stats", "--consumer", "nobody"}, "fix:"},
	}
	for _, w := range wrong {
		_, errOut := s.malote(w.key, w.code, w.args...)
		if !strings.Contains(errOut, w.says) {
			s.t.Errorf("malote %v does not say %q:\n%s", w.args, w.says, errOut)
		}
		if w.key != "" && strings.Contains(errOut, w.key) {
			s.t.Errorf("malote %v shows the key:\n%s", w.args, errOut)
		}
	}
	out, _ := s.malote(key, exitOK, "endpoint", "delete", endpoint)
	if !strings.Contains(out, "Deleted") {
		s.t.Error(out)
	}
	s.malote(key, exitNotFound, "endpoint", "get", endpoint)
}

// TestReadableMasterKey: a master key that every user can read is spoken of,
// wherever it stands, and one that is kept is not.
func TestReadableMasterKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, nil, mode), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open, kept, conf := file("open", 0o644), file("kept", 0o640), file("conf", 0o604)
	for _, k := range []struct {
		files  []string
		config map[string]configValue
		want   []string
	}{
		{[]string{kept, filepath.Join(dir, "absent")}, nil, nil},
		{[]string{kept, open}, nil, []string{open}},
		{[]string{kept}, map[string]configValue{"data": {text: "x"}}, nil},
		{[]string{open}, map[string]configValue{"master-key": {text: "x"}}, []string{conf, open}},
	} {
		var out bytes.Buffer
		s := &serveCmd{MasterKeyFile: k.files}
		warnOfReaders(slog.New(slog.NewTextHandler(&out, nil)), s.keepers(&config{path: conf, values: k.config}))
		if n := strings.Count(out.String(), "\n"); n != len(k.want) {
			t.Errorf("%d lines, want %d: %s", n, len(k.want), out.String())
		}
		for _, path := range k.want {
			if !strings.Contains(out.String(), "file="+path) {
				t.Errorf("%s is not named: %s", path, out.String())
			}
		}
	}
}

// TestOneProcessForADirectory starts what must not start beside a server.
func TestOneProcessForADirectory(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for name, args := range map[string][]string{
		"serve":    {"serve", "--data", s.dir, "--listen", freeAddr(t), "--master-key-file", s.keyFile},
		"key root": {"key", "root", "--data", s.dir},
		"person":   {"person", "invite", "ana@example.com", "--data", s.dir},
	} {
		code, out, errOut := once(t, clean(t), args...)
		if code != exitConflict || out != "" || !strings.Contains(errOut, "in use by another malote process") {
			t.Errorf("%s: %d %s%s", name, code, out, errOut)
		}
	}
	code, _, errOut := once(t, clean(t), "serve", "--data", t.TempDir(), "--listen", s.addr, "--master-key-file", s.keyFile)
	if code != exitConflict || !strings.Contains(errOut, "--listen "+s.addr) {
		t.Errorf("same port: %d %s", code, errOut)
	}
}

// TestServeAfterServe keeps what was there.
func TestServeAfterServe(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.project("tarefa")
	if code := s.signal(syscall.SIGTERM); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, s.output())
	}
	s.process = start(t, clean(t), s.args()...)
	s.waitFor("ready")
	if out, _ := s.malote(s.root, exitOK, "project", "list"); !strings.Contains(out, "shop tarefa") {
		t.Errorf("the project is gone:\n%s", out)
	}
}

// TestSecondSignalEndsAtOnce has a receiver that never answers: the first
// signal waits for it, the second does not.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, "--grace", "1h")
	key := s.project("standard")
	asked, release := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-release
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { close(release) })
	s.malote(key, exitOK, "endpoint", "create", "--consumer", "acme", "--to", srv.URL, "--event-types", "*")
	s.malote(key, exitOK, "event", "send", "a.b", "--consumer", "acme", "--data", "1")
	<-asked
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.waitFor("stopping")
	tick := time.NewTicker(2 * sameSignal)
	defer tick.Stop()
	for {
		select {
		case <-s.exited:
			if code := s.cmd.ProcessState.ExitCode(); code != exitFailure || !strings.Contains(s.output(), "second signal") {
				t.Errorf("exit code %d\n%s", code, s.output())
			}
			return
		case <-tick.C:
			_ = s.cmd.Process.Signal(syscall.SIGTERM) // until one counts as the second
		}
	}
}

// TestMasterKeyIsReplaced goes from one master key to the next as
// docs/operations.md says, and delivers with each.
func TestMasterKeyIsReplaced(t *testing.T) {
	t.Parallel()
	s := serve(t)
	key := s.project("standard")
	events := make(chan *webhook.Event, 8)
	receiver := &webhook.Receiver{Handle: func(_ context.Context, e *webhook.Event) error {
		events <- e
		return nil
	}}
	srv := httptest.NewServer(receiver)
	t.Cleanup(srv.Close)
	endpoint := s.object(key, "endpoint", "create", "--consumer", "acme", "--to", srv.URL, "--event-types", "*")
	receiver.Secrets = []string{text(t, endpoint, "secret")}

	before, err := os.ReadFile(s.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	_, next, _ := once(t, clean(t), "key", "master")
	for _, step := range []struct{ keys, says string }{
		{next + string(before), "the others may go"},
		{next, "ready"},
	} {
		s.signal(syscall.SIGTERM)
		if err := os.WriteFile(s.keyFile, []byte(step.keys), 0o600); err != nil {
			t.Fatal(err)
		}
		s.process = start(t, clean(t), s.args()...)
		s.waitFor(step.says)
		s.malote(key, exitOK, "event", "send", "a.b", "--consumer", "acme", "--data", "{}")
		<-events
	}
	s.signal(syscall.SIGTERM)
	if err := os.WriteFile(s.keyFile, before, 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errOut := once(t, clean(t), s.args()...)
	if code != exitUsage || !strings.Contains(errOut, "--master-key") {
		t.Errorf("the old key alone: %d %s", code, errOut)
	}
}
