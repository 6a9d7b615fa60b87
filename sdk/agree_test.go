package sdk

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/webhook"
)

// odd is what is put into requests to break them.
var odd = []string{
	" ", ",", "=", "==", "v1", "v1,", "v1=", "v1a,", "t=", "t=5", "sha256=", "whsec_", "whsk_", "whpk_", "_", "A", "0", "1", "9", "+", "/", "-", ".", "\"", "\\",
	"\t", "\n", "\r\n", "\x00", "\x7f", "é", "ß", "K", "\u0085", "\u00a0", "\u2028", "\ufeff",
}

// mutate changes a text in one to three places.
func mutate(r *rand.Rand, s string) string {
	for range 1 + r.IntN(3) {
		i, o := r.IntN(len(s)+1), odd[r.IntN(len(odd))]
		switch r.IntN(7) {
		case 0:
			s = s[:i] + o + s[i:]
		case 1:
			s = s[:i]
		case 2:
			s = s[i:]
		case 3:
			s += o
		case 4:
			s = o + s
		case 5:
			s = s[:i] + s[min(i+1, len(s)):]
		case 6:
			s = strings.ToUpper(s)
		}
	}
	return strings.ToValidUTF8(s, "?")
}

// asHeader keeps what an HTTP server would let through.
func asHeader(s string) string {
	return strings.Map(func(c rune) rune {
		if c != '\t' && (c < ' ' || c > '~') {
			return -1
		}
		return c
	}, s)
}

// broken makes requests that nobody thought of: vectors with a body, a secret
// or a header changed at random.
func broken(t *testing.T, n int) []vector {
	t.Helper()
	vectors, r := readVectors(t), rand.New(rand.NewPCG(1, 2))
	out := make([]vector, n)
	for i := range out {
		v := vectors[r.IntN(len(vectors))]
		v.Headers, v.Secrets = slices.Clone(v.Headers), slices.Clone(v.Secrets)
		switch {
		case i%4 == 0:
			v.Body = []byte(mutate(r, string(v.Body)))
		case i%4 == 1 && len(v.Secrets) > 0:
			v.Secrets[0] = mutate(r, v.Secrets[0])
		case i%4 == 2 && len(v.Headers) > 0:
			h := &v.Headers[r.IntN(len(v.Headers))]
			h[1] = asHeader(mutate(r, h[1]))
		case len(v.Headers) > 0: // the signature's own
			h := &v.Headers[len(v.Headers)-1]
			h[1] = asHeader(mutate(r, h[1]))
		}
		out[i] = v
	}
	return out
}

var agree = flag.Int("agree", 1000, "how many broken requests all languages judge")

// TestLanguagesAgree judges broken requests in Go and in each language: no
// verdict may differ.
func TestLanguagesAgree(t *testing.T) {
	t.Parallel()
	catalog, err := webhook.NewCatalog()
	if err != nil {
		t.Fatal(err)
	}
	requests := broken(t, *agree)
	want := make([]string, len(requests))
	var in []map[string]any
	for i, v := range requests {
		var name string
		var d *webhook.Dialect
		if json.Unmarshal(v.Dialect, &name) == nil {
			d, _ = catalog.Lookup(name)
		} else if d, err = webhook.ParseDialect(v.Name, v.Dialect); err != nil {
			t.Fatal(err)
		}
		h := http.Header{}
		for _, p := range v.Headers {
			h.Add(p[0], p[1])
		}
		got := d.Verify(h, v.Body, v.Secrets, time.Unix(v.Now, 0))
		want[i] = fmt.Sprintf("%s %s", got.Cause, got.Proof)
		in = append(in, map[string]any{"dialect": v.Dialect, "headers": v.Headers, "body": v.Body, "secrets": v.Secrets, "now": v.Now})
	}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range languages() {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			need(t, l.missing())
			cmd := exec.CommandContext(t.Context(), l.judge[0], l.judge[1:]...)
			cmd.Env, cmd.Stdin = environ(t), bytes.NewReader(text)
			out, err := cmd.CombinedOutput()
			got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
			if err != nil || len(got) != len(want) {
				t.Fatalf("%v, %d verdicts of %d; the last: %s", err, len(got), len(want), got[len(got)-1])
			}
			differ := 0
			for i := range want {
				if got[i] != want[i] {
					if differ++; differ <= 5 {
						t.Errorf("%s: Go says %q, %s %q\n%q %q %.300q", requests[i].Name, want[i], l.name, got[i], requests[i].Headers, requests[i].Secrets, requests[i].Body)
					}
				}
			}
			if differ > 5 {
				t.Errorf("and %d more", differ-5)
			}
		})
	}
}
