package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestImportFromTheShell: more than one batch, one that is refused by its line,
// and a repeat that keeps nothing twice.
func TestImportFromTheShell(t *testing.T) {
	t.Parallel()
	s := serve(t)
	key := s.project("standard")
	file := filepath.Join(t.TempDir(), "events.jsonl")
	var b strings.Builder
	for n := range importEvents + 20 {
		fmt.Fprintf(&b, `{"type":"paid","consumer":"acme","data":{"n":%d, "big":12345678901234567890}}`+"\n", n)
	}
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(b.String())
	for range 2 {
		if out, _ := s.malote(key, exitOK, "event", "import", "@"+file, "--idempotency-key", "first"); out != "Kept: 1020.\n" {
			t.Errorf("%s", out)
		}
	}
	if out, _ := s.malote(key, exitOK, "event", "list", "--limit", "0", "--json"); strings.Count(out, "\n") != importEvents+20 {
		t.Errorf("%d events are kept", strings.Count(out, "\n"))
	}
	write(`{"type":"paid","consumer":"acme","data":null}` + "\n\n" + `{"type":"not a type","consumer":"acme","data":1}` + "\n" + `{"type":"paid","consumer":"acme","data":2,"idempotency_key":"k","channels":["a"],"timestamp":"2026-01-31T09:30:00Z"}`)
	out, errOut := s.malote(key, exitUsage, "event", "import", "@"+file, "--json")
	if strings.Count(out, "\n") != 3 || !strings.Contains(errOut, "line 3: /type may hold only") || !strings.Contains(errOut, "1 of 3 events were refused") {
		t.Errorf("%s%s", out, errOut)
	}
	for _, wrong := range []string{"", `{"type":"paid","consumer":"acme"}`, `{"type":"paid","consumer":"acme","data":1} {}`, `{"tipe":"paid"}`, `[1]`, `{"type":"paid","consumer":"acme","data":1}` + "\n" + `{`} {
		write(wrong)
		if _, errOut := s.malote(key, exitUsage, "event", "import", "@"+file); !strings.Contains(errOut, "fix:") {
			t.Errorf("%q: %s", wrong, errOut)
		}
	}
}
