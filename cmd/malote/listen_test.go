package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/malote-dev/malote/webhook"
)

// TestListen passes a signed event on to a port of this machine, end to end:
// the receiver verifies it as a customer would, also after the server was away.
func TestListen(t *testing.T) {
	t.Parallel()
	inspect := freeAddr(t)
	s := serve(t, "--inspect-listen", inspect)
	key := s.project("standard")
	var secret atomic.Value
	events := make(chan string, 16)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		verify := webhook.Receiver{Dialect: webhook.Standard(), Secrets: []string{secret.Load().(string)}, Handle: func(_ context.Context, e *webhook.Event) error {
			events <- r.URL.Path + " " + e.Type
			return nil
		}}
		verify.ServeHTTP(w, r)
	}))
	t.Cleanup(receiver.Close)

	env := clean(t, "MALOTE_URL=http://"+s.addr, "MALOTE_KEY="+key)
	l := start(t, env, "listen", "--forward", receiver.URL+"/hook", "--endpoint-for", "acme", "--event-types", "task.*", "--print-secret", "--json")
	var begun listenStart
	if err := json.Unmarshal([]byte(l.waitFor("{")), &begun); err != nil || begun.Endpoint == "" || begun.Secret == "" || !strings.HasPrefix(begun.URL, "http://"+inspect+"/") {
		t.Fatalf("%+v %v", begun, err)
	}
	secret.Store(begun.Secret)
	send := func() {
		t.Helper()
		s.object(key, "event", "send", "task.created", "--consumer", "acme", "--data", `{"n": 1.0}`)
		var p passed
		if err := json.Unmarshal([]byte(l.waitFor(`"id"`)), &p); err != nil || p.Status != http.StatusOK || p.Method != http.MethodPost || p.Path != "/" {
			t.Errorf("%+v %v", p, err)
		}
		if got := <-events; got != "/hook task.created" {
			t.Error(got)
		}
	}
	send()
	shown, _ := s.malote(key, exitOK, "inspector", "requests", begun.Inspector)
	request := shown[strings.Index(shown, "req_"):][:len("req_")+26]
	if one, _ := s.malote(key, exitOK, "inspector", "show", begun.Inspector, request); !strings.Contains(one, "signature  verified") || !strings.Contains(one, `{"type":"task.created"`) {
		t.Errorf("%s", one)
	}
	raw, _ := s.malote(key, exitOK, "inspector", "show", begun.Inspector, request, "--raw")
	dir := t.TempDir()
	for name, text := range map[string]string{"request": raw, "secret": begun.Secret} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if said, _ := s.malote(key, exitOK, "verify", filepath.Join(dir, "request"), "--secret-file", filepath.Join(dir, "secret")); !strings.Contains(said, "verified") {
		t.Errorf("what was shown as it came does not verify: %s", said)
	}

	if code := s.signal(syscall.SIGTERM); code != exitOK {
		t.Fatal(code)
	}
	l.waitFor("The server does not answer")
	s.process = start(t, clean(t), append(s.args(), "--inspect-listen", inspect)...)
	s.waitFor("ready")
	send()

	if code := l.signal(syscall.SIGINT); code != exitOK {
		t.Errorf("Ctrl-C: exit code %d\n%s", code, l.output())
	}
	s.malote(key, exitNotFound, "inspector", "show", begun.Inspector)
	if out, _ := s.malote(key, exitOK, "endpoint", "list"); strings.Contains(out, begun.Endpoint) {
		t.Errorf("its endpoint is left: %s", out)
	}
}

// TestListenUnderServe: the address of an inspector that no delivery may go to
// is refused by the name of the option that asked for an endpoint.
func TestListenUnderServe(t *testing.T) {
	t.Parallel()
	s := serve(t, "--inspect-listen", "127.0.0.1:0", "--inspect-url", "http://10.1.2.3:8402")
	key := s.project("standard")
	_, errOut := s.malote(key, exitUsage, "listen", "--forward", "http://localhost:3000", "--endpoint-for", "acme")
	if !strings.Contains(errOut, "malote: --endpoint-for: ") || strings.Contains(errOut, "--url") || !strings.Contains(errOut, "--egress-allow") {
		t.Error(errOut)
	}
	if out, _ := s.malote(key, exitOK, "inspector", "list"); !strings.Contains(out, "None.") {
		t.Errorf("an inspector is left: %s", out)
	}
}

// TestListenToAnInspector that is there: from now on, with what stands behind
// its address, and to this machine alone.
func TestListenToAnInspector(t *testing.T) {
	t.Parallel()
	s := serve(t, "--inspect-listen", "127.0.0.1:0")
	key := s.project("standard")
	i := s.object(key, "inspector", "create", "--status", "202", "--header", "X-A: b", "--body", "thanks")
	post := func(path, body string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, text(t, i, "url")+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header["x-Odd"], req.Close = []string{"1"}, true
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got, err := io.ReadAll(resp.Body); err != nil || string(got) != "thanks" || resp.StatusCode != http.StatusAccepted || resp.Header.Get("X-A") != "b" {
			t.Errorf("%d %s %v", resp.StatusCode, got, err)
		}
	}
	post("/before", "")
	got := make(chan *http.Request, 1)
	body := make(chan []byte, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusTeapot)
		got <- r
		body <- b
	}))
	t.Cleanup(receiver.Close)
	env := clean(t, "MALOTE_URL=http://"+s.addr, "MALOTE_KEY="+key)
	l := start(t, env, "listen", "--forward", receiver.URL+"/hook?a=1", "--inspector", text(t, i, "id"))
	l.waitFor("Ctrl-C")
	post("/sub%2Fpath?b=2", "\x00\xff")
	if r, b := <-got, <-body; r.Method != http.MethodPut || r.RequestURI != "/hook/sub%2Fpath?a=1&b=2" || r.Header.Get("X-Odd") != "1" || !bytes.Equal(b, []byte("\x00\xff")) {
		t.Errorf("%s %s %v %q", r.Method, r.RequestURI, r.Header, b)
	}
	l.waitFor("PUT /sub%2Fpath?b=2 → 418 ")
	post("/%2e%2e/admin", "x")
	l.waitFor("leads out of the one")
	if code := l.signal(syscall.SIGINT); code != exitOK {
		t.Errorf("Ctrl-C: exit code %d\n%s", code, l.output())
	}
	s.malote(key, exitOK, "inspector", "show", text(t, i, "id"))

	for forward, want := range map[string]string{
		"http://192.0.2.1:1/": "pass --any", "http://[2001:db8::1]/": "pass --any", "localhost:3000": "is not the URL of a server", "ftp://localhost/": "is not the URL of a server",
		"http://:3000": "is not the URL of a server", "http://localhost:99999": "is not the URL of a server", "http://nothing.invalid/": "nothing.invalid: ",
	} { // before the server, which is none, is asked
		if code, _, errOut := malote("listen", "--forward", forward, "--url", "http://127.0.0.1:1", "--key", "k"); code != exitUsage || !strings.Contains(errOut, "--forward: ") || !strings.Contains(errOut, want) {
			t.Errorf("%s: %d %s", forward, code, errOut)
		}
	}
	s.malote(key, exitUsage, "listen", "--forward", "http://localhost:3000", "--print-secret")
	if out, _ := s.malote(key, exitOK, "inspector", "clear", text(t, i, "id")); !strings.Contains(out, "3 requests") {
		t.Error(out)
	}
	s.malote(key, exitOK, "inspector", "delete", text(t, i, "id"))
}
