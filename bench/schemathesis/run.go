package main

import (
	"bytes"
	"context"
	_ "embed" // the files beside this one
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/malote-dev/malote/bench/rig"
)

// What schemathesis is told of this server.
var (
	//go:embed hooks.py
	hooks []byte
	//go:embed schemathesis.toml
	config []byte
)

// Of which requests schemathesis tries: the given examples, all limits of the
// schemas, chance, and chains of requests.
const (
	allPhases   = "examples,coverage,fuzzing,stateful"
	limitPhases = "examples,coverage"
)

// fewest requests of a part: with less, something was not asked.
const fewest = 100

// part asks one document with one kind of key.
type part struct {
	name, document, key, phases string
}

// contracts that have an API of their own, described in a document of its own.
var contracts = []string{"gabinete360", "placaflow", "tarefa"}

// parts are the names of all parts. The native API is asked with each kind of
// key.
func parts() []string { return append([]string{"root", "project", "consumer"}, contracts...) }

// stage is a server, the keys of the parts, and somebody who receives.
type stage struct {
	dir, python string
	site        *rig.Site
	server      *rig.Server
	sink        *httptest.Server
	parts       []part
}

func run(ctx context.Context, o *options) (err error) {
	python, err := interpreter(ctx, o.python)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "malote-schemathesis-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s := &stage{dir: dir, python: python}
	if err := s.start(ctx, o); err != nil {
		return err
	}
	defer func() {
		s.sink.Close()
		err = errors.Join(err, s.server.Stop(time.Minute))
	}()
	if err := s.keys(ctx); err != nil {
		return err
	}
	errs := make([]error, len(s.parts))
	var wg sync.WaitGroup
	for i, p := range s.parts {
		if slices.Contains(o.parts, p.name) {
			wg.Go(func() { errs[i] = s.ask(ctx, o, p) })
		}
	}
	wg.Wait()
	var panicked error
	if strings.Contains(s.site.LogTail(1<<20), "panic in a handler") {
		panicked = fmt.Errorf("the log tells of a panic:\n%s", s.site.LogTail(4000))
	}
	if err := errors.Join(errors.Join(errs...), panicked); err != nil {
		return err
	}
	fmt.Println("every answer was as described")
	return nil
}

func (s *stage) start(ctx context.Context, o *options) (err error) {
	binary := o.binary
	if binary == "" {
		if binary, err = rig.Build(ctx, s.dir); err != nil {
			return err
		}
	}
	for name, text := range map[string][]byte{"hooks.py": hooks, "schemathesis.toml": config} {
		if err := os.WriteFile(filepath.Join(s.dir, name), text, 0o600); err != nil {
			return err
		}
	}
	if s.site, err = rig.NewSite(ctx, binary, filepath.Join(s.dir, "site")); err != nil {
		return err
	}
	s.site.Args = []string{"--egress-allow", "127.0.0.1/32", "--inspect-listen", "127.0.0.1:0"}
	if s.server, err = s.site.Start(); err != nil {
		return err
	}
	// Receivers answer everything that receivers answer.
	var asked atomic.Int64
	s.sink = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader([]int{200, 204, 302, 404, 410, 429, 500}[asked.Add(1)%7])
	}))
	ready, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, err = s.server.WaitReady(ready)
	return err
}

// keys makes projects, and for each part the key that it asks with.
func (s *stage) keys(ctx context.Context) error {
	const native = "/openapi.json"
	s.parts = []part{{"root", native, s.site.RootKey, allPhases}}
	add := func(name, project, document, phases string, key map[string]any) error {
		var made struct{ Key string }
		if err := s.site.API(s.site.RootKey).Do(ctx, http.MethodPost, "/v1/projects/"+project+"/keys", key, &made); err != nil {
			return err
		}
		s.parts = append(s.parts, part{name, document, made.Key, phases})
		return nil
	}
	_, project, err := s.site.NewProject(ctx, "native", "development", "standard")
	if err != nil {
		return err
	}
	if err := add("project", project, native, allPhases, map[string]any{"scopes": []string{"*"}}); err != nil {
		return err
	}
	if err := add("consumer", project, native, limitPhases, map[string]any{"scopes": []string{"*"}, "consumer": "acme"}); err != nil {
		return err
	}
	for _, dialect := range contracts {
		_, project, err := s.site.NewProject(ctx, dialect, "development", dialect)
		if err != nil {
			return err
		}
		key := map[string]any{"scopes": []string{"webhooks:read", "webhooks:write"}, "consumer": "123"}
		if err := add(dialect, project, "/openapi/"+dialect+".json", allPhases, key); err != nil {
			return err
		}
	}
	return nil
}

// ask runs schemathesis for one part.
func (s *stage) ask(ctx context.Context, o *options, p part) error {
	dir := filepath.Join(s.dir, p.name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	args := []string{
		"-m", "schemathesis.cli", "--config-file", filepath.Join(s.dir, "schemathesis.toml"), "run", s.site.URL() + p.document,
		"--phases", p.phases, "--max-examples", strconv.Itoa(o.cases), "--warnings", "off", "-H", "Authorization: Bearer " + p.key,
	}
	if o.seed == 0 {
		args = append(args, "--generation-deterministic")
	} else {
		args = append(args, "--seed", strconv.Itoa(o.seed), "--generation-database", "none")
	}
	cmd := exec.CommandContext(ctx, s.python, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SINK="+strings.TrimPrefix(s.sink.URL, "http://"), "SCHEMATHESIS_HOOKS="+filepath.Join(s.dir, "hooks.py"),
		"PYTHONDONTWRITEBYTECODE=1", "COLUMNS=200")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w:\n%s", p.name, err, out.Bytes())
	}
	n, err := generated(out.String())
	if err != nil {
		return fmt.Errorf("%s: %w:\n%s", p.name, err, out.Bytes())
	}
	fmt.Printf("%-12s %5d requests, %.0f s\n", p.name, n, time.Since(start).Seconds())
	return nil
}

// generated reads how many requests schemathesis made up.
func generated(report string) (int, error) {
	_, after, _ := strings.Cut(report, "Test cases:")
	count, _, _ := strings.Cut(strings.TrimSpace(after), " generated")
	n, err := strconv.Atoi(strings.ReplaceAll(count, ",", ""))
	if err != nil {
		return 0, errors.New("nothing was asked")
	}
	if n < fewest {
		return 0, fmt.Errorf("only %d requests were made up", n)
	}
	return n, nil
}
