package acceptance

import (
	"bytes"
	"context"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/malote-dev/malote/bench/rig"
)

const schemathesisDir = "testdata/schemathesis"

// For longer runs:
//
//	go test ./acceptance -run TestSchemathesis -schemathesis 500 -schemathesis-seed 7 -timeout 2h
var (
	schemathesisCases = flag.Int("schemathesis", 8, "how many requests schemathesis makes up for each route, besides those at the limits")
	schemathesisSeed  = flag.Int("schemathesis-seed", 0, "where its chance begins; 0: always the same requests")
)

// schemathesis is the interpreter that has it: of its own environment, or the
// one on the path.
func schemathesis() string {
	for _, p := range []string{filepath.Join(schemathesisDir, ".venv/bin/python"), "python3"} {
		if exec.Command(p, "-c", "import schemathesis").Run() == nil {
			return p
		}
	}
	return ""
}

// TestSchemathesis sends what the descriptions of the APIs allow, and what
// they forbid, to the server: no answer is a 5xx, every one is as described,
// what is allowed is taken and what is forbidden refused. The native API is
// asked with each kind of key.
func TestSchemathesis(t *testing.T) {
	t.Parallel()
	python := schemathesis()
	if python == "" {
		t.Skip("MISSING PROGRAM: schemathesis is not installed: python3 -m venv acceptance/" + schemathesisDir + "/.venv && " +
			"acceptance/" + schemathesisDir + "/.venv/bin/pip install -r acceptance/" + schemathesisDir + "/requirements.txt")
	}
	// Receivers answer everything that receivers answer.
	var asked atomic.Int64
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader([]int{200, 204, 302, 404, 410, 429, 500}[asked.Add(1)%7])
	}))
	t.Cleanup(sink.Close)
	site := startServer(t, "--egress-allow", "127.0.0.1/32")
	const all, limits = "examples,coverage,fuzzing,stateful", "examples,coverage"
	type run struct{ name, document, key, phases string }
	runs := []run{{"root", "/openapi.json", site.RootKey, all}}
	project := func(dialect string) string {
		api, id, err := site.NewProject(t.Context(), "Schemathesis "+dialect, "development", dialect)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(api.Client.CloseIdleConnections)
		return id
	}
	native := project("standard")
	runs = append(runs, run{"project", "/openapi.json", newKey(t, site, native, map[string]any{"scopes": []string{"*"}}), all},
		run{"consumer", "/openapi.json", newKey(t, site, native, map[string]any{"scopes": []string{"*"}, "consumer": "acme"}), limits})
	for _, dialect := range []string{"gabinete360", "placaflow", "tarefa"} {
		key := newKey(t, site, project(dialect), map[string]any{"scopes": []string{"webhooks:read", "webhooks:write"}, "consumer": "123"})
		runs = append(runs, run{dialect, "/openapi/" + dialect + ".json", key, all})
	}
	t.Cleanup(func() { // after all runs
		if log := site.LogTail(1 << 20); strings.Contains(log, "panic in a handler") {
			t.Errorf("the log tells of a panic:\n%s", site.LogTail(4000))
		}
	})
	for _, r := range runs {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			schemathesisRun(t, python, site.URL()+r.document, r.key, r.phases, strings.TrimPrefix(sink.URL, "http://"))
		})
	}
}

func schemathesisRun(t *testing.T, python, document, key, phases, sink string) {
	t.Helper()
	config, err := filepath.Abs(schemathesisDir + "/schemathesis.toml")
	if err != nil {
		t.Fatal(err)
	}
	hooks, err := filepath.Abs(schemathesisDir + "/hooks.py")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(python, "/") {
		if python, err = filepath.Abs(python); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{
		"-m", "schemathesis.cli", "--config-file", config, "run", document, "--phases", phases,
		"--max-examples", strconv.Itoa(*schemathesisCases), "--warnings", "off", "-H", "Authorization: Bearer " + key,
	}
	if *schemathesisSeed == 0 {
		args = append(args, "--generation-deterministic")
	} else {
		args = append(args, "--seed", strconv.Itoa(*schemathesisSeed), "--generation-database", "none")
	}
	cmd := exec.CommandContext(t.Context(), python, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "SINK="+sink, "SCHEMATHESIS_HOOKS="+hooks, "PYTHONDONTWRITEBYTECODE=1", "COLUMNS=200")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("%v:\n%s", err, out.String())
	}
	text := out.String()
	at := strings.Index(text, "Test cases:")
	if at < 0 {
		t.Fatalf("nothing was asked:\n%s", text)
	}
	generated, _, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(text[at:], "Test cases:")), " generated")
	n, err := strconv.Atoi(strings.ReplaceAll(generated, ",", ""))
	if err != nil || n < 100 {
		t.Errorf("%q requests were made up", generated)
	}
	t.Logf("%s requests", generated)
}

// newKey makes a key of a project.
func newKey(t *testing.T, site *rig.Site, project string, in map[string]any) string {
	t.Helper()
	var made struct{ Key string }
	root := site.API(site.RootKey)
	defer root.Client.CloseIdleConnections()
	if err := root.Do(context.WithoutCancel(t.Context()), http.MethodPost, "/v1/projects/"+project+"/keys", in, &made); err != nil {
		t.Fatal(err)
	}
	return made.Key
}
