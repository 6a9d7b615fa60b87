package dashboard

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/webhook"
)

// letter is a webhook as a receiver gets it, and whether it is genuine.
type letter struct {
	Headers map[string]string `json:"headers"` // names in lower case
	Raw     string            `json:"raw"`
	Secret  string            `json:"secret"`
	genuine bool
}

// runners are how programs are run with a snippet: they read letters and write
// a list of truths.
var runners = map[string]struct {
	program, install, file, main string
	args                         []string
}{
	"Node.js": {"node", "nodejs", "verify.js", "\nconst letters = JSON.parse(require('node:fs').readFileSync(0));\nconsole.log(JSON.stringify(letters.map((l) => genuine(l.headers, Buffer.from(l.raw), l.secret))));\n", []string{"verify.js"}},
	"Python":  {"python3", "python3", "verify.py", "\n\nimport json\nimport sys\n\nprint(json.dumps([genuine(l[\"headers\"], l[\"raw\"].encode(\"utf-8\"), l[\"secret\"]) for l in json.load(sys.stdin)]))\n", []string{"verify.py"}},
	"PHP":     {"php", "php-cli", "verify.php", "\necho json_encode(array_map(fn ($l) => genuine($l['headers'], $l['raw'], $l['secret']), json_decode(file_get_contents('php://stdin'), true)));\n", []string{"verify.php"}},
	"Go":      {"go", "golang", "verify.go", "", []string{"run", "verify.go", "main.go"}},
}

const goMain = `package main

import (
	"encoding/json"
	"net/http"
	"os"
)

func main() {
	var letters []struct {
		Headers     map[string]string
		Raw, Secret string
	}
	if err := json.NewDecoder(os.Stdin).Decode(&letters); err != nil {
		panic(err)
	}
	var out []bool
	for _, l := range letters {
		h := http.Header{}
		for name, value := range l.Headers {
			h.Set(name, value)
		}
		out = append(out, genuine(h, []byte(l.Raw), l.Secret))
	}
	json.NewEncoder(os.Stdout).Encode(out)
}
`

// letters are a genuine one of a dialect, and others that are not.
func letters(t *testing.T, d *webhook.Dialect) []letter {
	t.Helper()
	secret, other := "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY="
	m := &webhook.Message{
		ID: webhook.NewID(), Type: "invoice.paid", Time: time.Now().UTC().Truncate(time.Millisecond), Data: []byte(`{"amount":"99.90","name":"Olá ✓ / \"x\""}`), Consumer: "1", Endpoint: webhook.NewID(), Delivery: webhook.NewID(),
	}
	write := func(at time.Time, secrets ...string) letter {
		h, body, err := d.Sign(m, webhook.Try{Number: 1, At: at}, secrets...)
		if err != nil {
			t.Fatal(err)
		}
		l := letter{Headers: map[string]string{}, Raw: string(body), Secret: secret}
		for name := range h {
			l.Headers[strings.ToLower(name)] = h.Get(name)
		}
		return l
	}
	now := time.Now()
	right := write(now, secret)
	right.genuine = true
	changed := func(change func(*letter)) letter {
		l := write(now, secret)
		change(&l)
		return l
	}
	carrier := strings.ToLower(d.Signature.Header)
	out := []letter{
		right, write(now, other),
		changed(func(l *letter) { l.Raw += "\n" }),
		changed(func(l *letter) { delete(l.Headers, carrier) }),
		changed(func(l *letter) { l.Headers[carrier] = "" }),
		changed(func(l *letter) { l.Headers[carrier] += "0" }),
		changed(func(l *letter) { l.Headers[carrier] = "ünïcödé" }),
	}
	if d.Signature.Timestamp != nil {
		out = append(out, write(now.Add(-10*time.Minute), secret), write(now.Add(10*time.Minute), secret))
	}
	if d.Signature.Rotation == webhook.RotateAll {
		both := write(now, other, secret)
		both.genuine = true
		out = append(out, both)
	}
	return out
}

// TestSnippetsRun runs the code that customers are shown, in four languages,
// for each dialect, against what the sender signs.
func TestSnippetsRun(t *testing.T) {
	t.Parallel()
	for _, d := range webhook.Builtin() {
		name := d.Name
		made, err := snippets(d)
		if err != nil || len(made) != 4 {
			t.Fatalf("%s: %d, %v", name, len(made), err)
		}
		for _, s := range made {
			t.Run(name+"/"+s.Language, func(t *testing.T) {
				t.Parallel()
				runSnippet(t, s, letters(t, d))
			})
		}
	}
}

func runSnippet(t *testing.T, s snippet, ls []letter) {
	t.Helper()
	r := runners[s.Language]
	program, err := exec.LookPath(r.program)
	if err != nil {
		t.Skipf("MISSING PROGRAM: %s is not installed: apt-get install %s", r.program, r.install)
	}
	dir := t.TempDir()
	files := map[string]string{r.file: s.Code + r.main}
	if s.Language == "Go" {
		files["main.go"] = goMain
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in, err := json.Marshal(ls)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), program, r.args...)
	var said bytes.Buffer
	c.Dir, c.Stdin, c.Stderr = dir, bytes.NewReader(in), &said
	text, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, said.String(), s.Code)
	}
	var got, want []bool
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v: %s %s", err, text, said.String())
	}
	for _, l := range ls {
		want = append(want, l.genuine)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v\n%s", got, want, s.Code)
	}
}

// TestSnippetsOfOthers: a dialect that signs in another way has none.
func TestSnippetsOfOthers(t *testing.T) {
	t.Parallel()
	other := *webhook.Builtin()[0]
	other.Signature.Message = "{body}{secret}"
	if made, err := snippets(&other); err != nil || made != nil {
		t.Errorf("%v, %v", made, err)
	}
	quoted := quoteFor("PHP")(`a'\`)
	if quoted != `'a\'\\'` || http.CanonicalHeaderKey("x") != "X" {
		t.Error(quoted)
	}
}
