package malote_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSkipsAreJudgedByTheirOwnWords holds .ci/tests to what CONTRIBUTING.md
// says of skips.
func TestSkipsAreJudgedByTheirOwnWords(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("MISSING PROGRAM: python3 is not installed: apt-get install python3")
	}
	run := func(test string, words ...string) string {
		lines := ""
		for _, w := range words {
			lines += `{"Action":"output","Package":"p","Test":"` + test + `","Output":"    x_test.go:1: ` + w + `\n"}` + "\n"
		}
		return lines
	}
	end := func(action, test string) string {
		return `{"Action":"` + action + `","Package":"p","Test":"` + test + `"}` + "\n"
	}
	cases := map[string]struct {
		events string
		ok     bool
		notes  string
		says   string
	}{
		"passed":            {run("A", "fine") + end("pass", "A"), true, "", ""},
		"permitted":         {run("A", "MISSING RIGHT: mount") + end("skip", "A"), true, "p A: MISSING RIGHT: mount\n", ""},
		"not tested":        {run("A", "NOT TESTED: no namespaces") + end("skip", "A"), true, "p A: NOT TESTED: no namespaces\n", ""},
		"a program":         {run("A", "MISSING PROGRAM: php") + end("skip", "A"), false, "", "p A: MISSING PROGRAM: php"},
		"without words":     {run("A", "later") + end("skip", "A"), false, "", "later"},
		"nothing said":      {end("skip", "A"), false, "", "p A"},
		"another's words":   {run("A", "MISSING RIGHT: x") + end("pass", "A") + run("B", "later") + end("skip", "B"), false, "", "p B"},
		"words twice":       {run("A", "MISSING RIGHT: x", "MISSING RIGHT: y") + end("skip", "A") + end("skip", "B"), false, "p A: MISSING RIGHT: x\n", "p B"},
		"both":              {run("A", "MISSING RIGHT: x", "MISSING PROGRAM: php") + end("skip", "A"), false, "", "php"},
		"said and passed":   {run("A", "MISSING PROGRAM: strace") + end("pass", "A"), false, "", "strace"},
		"no tests at all":   {`{"Action":"skip","Package":"p"}` + "\n", true, "", ""},
		"failed":            {run("A", "got 1, want 2") + end("fail", "A"), false, "", "got 1, want 2"},
		"does not build":    {`{"ImportPath":"p","Action":"build-output","Output":"x.go:1: undefined: y\n"}` + "\n" + `{"ImportPath":"p","Action":"build-fail"}` + "\n", false, "", "undefined: y"},
		"not JSON":          {"go: downloading x\n" + end("pass", "A"), true, "", "go: downloading x"},
		"died in the midst": {run("A", "panic: out of range") + `{"Action":"fail","Package":"p"}` + "\n", false, "", "out of range"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			notes := filepath.Join(t.TempDir(), "notes")
			cmd := exec.CommandContext(t.Context(), "python3", ".ci/tests", notes)
			cmd.Stdin = strings.NewReader(c.events)
			out, err := cmd.CombinedOutput()
			if (err == nil) != c.ok || !strings.Contains(string(out), c.says) {
				t.Errorf("%v:\n%s", err, out)
			}
			kept, err := os.ReadFile(notes)
			if err != nil || string(kept) != c.notes {
				t.Errorf("notes are %q, want %q (%v)", kept, c.notes, err)
			}
		})
	}
}
