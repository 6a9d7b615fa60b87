package acceptance

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/bench/rig"
	"github.com/malote-dev/malote/webhook"
)

// TestReceiversOfTheGuide runs the programs of docs/verify.md as they stand
// there, and sends them genuine and broken deliveries.
func TestReceiversOfTheGuide(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/verify.md")
	if err != nil {
		t.Fatal(err)
	}
	node, err := filepath.Abs(receiverDir + "/node/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range languages() {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			if why := l.missing(); why != "" {
				t.Skipf("MISSING PROGRAM: %s", why)
			}
			block := map[string]string{"go": "go", "node": "js", "python": "python", "php": "php"}[l.name]
			file := filepath.Join(t.TempDir(), "receiver."+block)
			code := regexp.MustCompile("(?s)```" + block + "\n(.*?)```").FindSubmatch(doc)
			if code == nil {
				t.Fatal("it is not in the guide")
			}
			if err := os.WriteFile(file, code[1], 0o600); err != nil {
				t.Fatal(err)
			}
			addr, err := rig.FreeAddr()
			if err != nil {
				t.Fatal(err)
			}
			_, port, _ := net.SplitHostPort(addr)
			argv := map[string][]string{"node": {"node", file}, "python": {python(), file}, "php": {"php", "-S", addr, file}}[l.name]
			if l.name == "go" {
				program := filepath.Join(t.TempDir(), "receiver")
				if msg, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, file).CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, msg)
				}
				argv = []string{program}
			}
			runGuide(t, argv, addr, "PORT="+port, "WEBHOOK_SECRET="+guideSecret, "NODE_PATH="+node, "PYTHONDONTWRITEBYTECODE=1")
			tryGuide(t, "http://"+addr)
		})
	}
}

// TestGoOfThePortugueseGuide builds its program.
func TestGoOfThePortugueseGuide(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/pt-BR/guia-rapido.md")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile("(?s)```go\n(.*?)```").FindSubmatch(doc)
	if code == nil {
		t.Fatal("it is not in the guide")
	}
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, code[1], 0o600); err != nil {
		t.Fatal(err)
	}
	if msg, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(t.TempDir(), "receiver"), file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
}

// guideSecret is base64 behind whsec_ for standard, and a text for tarefa.
const guideSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func runGuide(t *testing.T, argv []string, addr string, env ...string) {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("it said: %s", said.String())
		}
	})
	if err := awaitPort(addr); err != nil {
		t.Fatalf("it does not listen: %v", err)
	}
}

func tryGuide(t *testing.T, url string) {
	t.Helper()
	catalog, err := webhook.NewCatalog()
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	send := func(path string, header http.Header, body string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	for name, path := range map[string]string{"standard": "/webhooks", "tarefa": "/tarefa"} {
		d, ok := catalog.Lookup(name)
		if !ok {
			t.Fatal(name)
		}
		id, _ := webhook.ParseUUID("0194758a-c938-7a11-8b22-c3d4e5f60701")
		sign := func(at time.Time, secret string) (http.Header, string) {
			header, body, err := d.Sign(&webhook.Message{ID: id, Type: "task.created", Time: at, Consumer: "42", Data: []byte(`{"título": 1.0}`)},
				webhook.Try{At: at}, secret)
			if err != nil {
				t.Fatal(err)
			}
			return header, string(body)
		}
		header, body := sign(time.Now(), guideSecret)
		if got := send(path, header, body); got != 200 {
			t.Errorf("%s: %d to a genuine one", name, got)
		}
		if got := send(path, header, strings.Replace(body, "1.0", "1", 1)); got != 401 {
			t.Errorf("%s: %d to another body", name, got)
		}
		foreign, body2 := sign(time.Now(), "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
		if got := send(path, foreign, body2); got != 401 {
			t.Errorf("%s: %d to another secret", name, got)
		}
		if got := send(path, http.Header{"Webhook-Id": {"x"}, "Content-Type": {"application/json"}}, body); got != 401 {
			t.Errorf("%s: %d to no signature", name, got)
		}
		if name == "standard" {
			old, body3 := sign(time.Now().Add(-6*time.Minute), guideSecret)
			if got := send(path, old, body3); got != 401 {
				t.Errorf("%d to a recorded one", got)
			}
			two := header.Clone()
			two.Set("webhook-signature", "v1,AAAA "+header.Get("webhook-signature"))
			if got := send(path, two, body); got != 200 {
				t.Errorf("%d to one of two signatures", got)
			}
			moved := header.Clone()
			moved.Set("webhook-id", "0194758a-c938-7a11-8b22-c3d4e5f60702")
			if got := send(path, moved, body); got != 401 {
				t.Errorf("%d to another id", got)
			}
		}
	}
}
