package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/malote-dev/malote/webhook"
)

// pasted is the command that dev prints, taken apart as a shell would.
type pasted struct{ whole, url, key, body string }

var curlShape = regexp.MustCompile(`(?s)curl -X POST (\S+) \\\n\s+-H 'Authorization: Bearer ([^']+)' \\\n\s+-H 'Content-Type: application/json' \\\n\s+-d '(.*?)'\n`)

func curlIn(t *testing.T, output string) pasted {
	t.Helper()
	m := curlShape.FindStringSubmatch(output)
	if m == nil {
		t.Fatalf("no curl to paste in:\n%s", output)
	}
	return pasted{m[0], m[1], m[2], m[3]}
}

// run does what curl would.
func (c pasted) run(t *testing.T) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Content-Type", "application/json")
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s %v", resp.StatusCode, answer, err)
	}
}

// TestDevShowsTheFirstWebhook is the first minute of a new user, in every
// contract: one command, one verified webhook, one curl that works, and all of
// it again after a restart.
func TestDevShowsTheFirstWebhook(t *testing.T) {
	t.Parallel()
	for _, d := range webhook.Builtin() {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			env := clean(t)
			args := []string{"dev", "--dialect", d.Name, "--listen", freeAddr(t), "--receiver", "127.0.0.1:0"}
			p := start(t, env, args...)
			first := p.waitFor("Ctrl-C")
			for _, want := range []string{"✓", "POST /webhooks/" + d.Name + " HTTP/1.1", d.Signature.Header + ":", "200 OK", d.Ref()} {
				if !strings.Contains(first, want) {
					t.Errorf("%q is not shown:\n%s", want, first)
				}
			}
			curl := curlIn(t, first)
			curl.run(t)
			p.waitFor("✓")
			if code := p.signal(syscall.SIGINT); code != exitOK {
				t.Errorf("Ctrl-C: exit code %d\n%s", code, p.output())
			}

			p = start(t, env, args...)
			again := p.waitFor("Ctrl-C")
			if got := curlIn(t, again); got != curl {
				t.Errorf("the curl changed from\n%s\nto\n%s", curl.whole, got.whole)
			}
			if !strings.Contains(again, "✓") {
				t.Errorf("a restart shows no webhook:\n%s", again)
			}
			curl.run(t)
			p.waitFor("✓")
			if code := p.signal(syscall.SIGTERM); code != exitOK {
				t.Errorf("SIGTERM: exit code %d\n%s", code, p.output())
			}
		})
	}
}

// TestDevKeepsItsKeysToItself looks at the files and at what goes wrong.
func TestDevKeepsItsKeysToItself(t *testing.T) {
	t.Parallel()
	dir, addr := t.TempDir(), freeAddr(t)
	args := []string{"dev", "--data", dir, "--listen", addr, "--receiver", "127.0.0.1:0"}
	p := start(t, clean(t), args...)
	p.waitFor("Ctrl-C")
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", f, info.Mode())
		}
	}
	code, _, errOut := once(t, clean(t), "dev", "--data", dir, "--listen", freeAddr(t))
	if code != exitConflict || !strings.Contains(errOut, dir) || !strings.Contains(errOut, "in use") || !strings.Contains(errOut, "--data") {
		t.Errorf("same directory: %d %s", code, errOut)
	}
	code, _, errOut = once(t, clean(t), "dev", "--data", t.TempDir(), "--listen", addr)
	if code != exitConflict || !strings.Contains(errOut, "--listen "+addr) {
		t.Errorf("same port: %d %s", code, errOut)
	}
	code, _, errOut = once(t, clean(t), "dev", "--data", t.TempDir(), "--dialect", "trefa")
	if code != exitNotFound || !strings.Contains(errOut, "did you mean tarefa") {
		t.Errorf("unknown dialect: %d %s", code, errOut)
	}
	if code := p.signal(syscall.SIGINT); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// TestDevFindsAnotherReceiverPort takes the receiver's port away between two
// runs: the endpoint has to follow.
func TestDevFindsAnotherReceiverPort(t *testing.T) {
	t.Parallel()
	env := clean(t)
	args := []string{"dev", "--listen", freeAddr(t), "--receiver", freeAddr(t)}
	p := start(t, env, args...)
	first := p.waitFor("Ctrl-C")
	curl := curlIn(t, first)
	m := regexp.MustCompile(`http://(127\.0\.0\.1:\d+)/webhooks/standard`).FindStringSubmatch(first)
	if m == nil {
		t.Fatalf("no receiver in:\n%s", first)
	}
	p.signal(syscall.SIGINT)
	taken := listenOn(t, m[1])
	defer taken.Close()

	p = start(t, env, append(args, "--quiet")...)
	again := p.waitFor("Ctrl-C")
	if strings.Contains(again, "http://"+m[1]) {
		t.Fatalf("still %s:\n%s", m[0], again)
	}
	if strings.Contains(again, "✓") {
		t.Errorf("--quiet sends an event:\n%s", again)
	}
	if out := p.output(); !strings.Contains(out, "cannot listen on "+m[1]) {
		t.Errorf("nothing says that the port is taken:\n%s", out)
	}
	curl.run(t)
	p.waitFor("✓")
	p.signal(syscall.SIGINT)
}

// TestDevGoesWhereItIsSent: port 0 is any free port, also where the receiver
// stood somewhere before; the endpoint and what is printed follow.
func TestDevGoesWhereItIsSent(t *testing.T) {
	t.Parallel()
	env, before := clean(t), freeAddr(t)
	p := start(t, env, "dev", "--listen", "127.0.0.1:0", "--receiver", before)
	if first := p.waitFor("Ctrl-C"); !strings.Contains(first, "http://"+before+"/webhooks") {
		t.Fatalf("not at %s:\n%s", before, first)
	}
	p.signal(syscall.SIGINT)
	p = start(t, env, "dev", "--listen", "127.0.0.1:0", "--receiver", "127.0.0.1:0")
	again := p.waitFor("Ctrl-C")
	if strings.Contains(again, before) || !strings.Contains(again, "✓") || strings.Contains(p.output(), "cannot listen") {
		t.Errorf("still at %s, or nothing arrived:\n%s", before, p.output())
	}
	p.signal(syscall.SIGINT)
}

// TestDevLinksAreWhole: in development the server knows its own address, and
// the link to a customer's portal can be opened as it is.
func TestDevLinksAreWhole(t *testing.T) {
	t.Parallel()
	p := start(t, clean(t), "dev", "--quiet", "--listen", "127.0.0.1:0", "--receiver", "127.0.0.1:0")
	curl := curlIn(t, p.waitFor("Ctrl-C"))
	server := strings.TrimSuffix(curl.url, "/v1/events")
	_, port, _ := strings.Cut(strings.TrimPrefix(server, "http://"), ":")
	code, out, errOut := malote("portal", "create", "acme", "--json", "--url", server, "--key", curl.key)
	link := regexp.MustCompile(`"url": "(http://localhost:` + port + `/portal/open/\S+)"`).FindStringSubmatch(out)
	if code != exitOK || link == nil {
		t.Fatalf("%d %s%s", code, out, errOut)
	}
	resp, err := http.Get(link[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%d %v", resp.StatusCode, err)
	}
	p.signal(syscall.SIGINT)
}
