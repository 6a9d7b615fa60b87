package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		removeBinary()
		os.Exit(code)
	}))
}

// malote runs a command line in this process.
func malote(args ...string) (code int, stdout, stderr string) {
	var out, errOut bytes.Buffer
	code = run(args, strings.NewReader(""), &out, &errOut)
	return code, out.String(), errOut.String()
}

// TestDialectCheckSaysWhatToDo goes the way of docs/dialects.md.
func TestDialectCheckSaysWhatToDo(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "mine.json")
	shown := mustOutput(t, "dialect", "show", "tarefa", "--json")
	for _, c := range []struct {
		text, want string // "": no file
		code       int
	}{
		{"", "fix: name a file that is there", exitUsage},
		{shown, `fix: change "name" in the file`, exitUsage},
		{"{", "fix: compare it with", exitUsage},
		{strings.Replace(shown, `"name": "tarefa"`, `"name": "mine"`, 1), "mine/1 is right", exitOK},
	} {
		if c.text != "" {
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if code, out, errOut := malote("dialect", "check", file); code != c.code || !strings.Contains(out+errOut, c.want) {
			t.Errorf("%d %s%s, want %d %s", code, out, errOut, c.code, c.want)
		}
	}
}

// TestKeysOfCustomersSendNothing: what a key may do where nothing was asked for.
func TestKeysOfCustomersSendNothing(t *testing.T) {
	t.Parallel()
	for want, k := range map[string]keyCreateCmd{
		"*":            {},
		"events:write": {Consumer: "acme", Scopes: []string{"events:write"}},
		"endpoints:read,endpoints:write,deliveries:read,deliveries:write,events:read,event_types:read": {Consumer: "acme"},
	} {
		if got := strings.Join(k.scopes(), ","); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func model(t *testing.T) *kong.Node {
	t.Helper()
	k, err := newParser(&commands{}, &console{})
	if err != nil {
		t.Fatal(err)
	}
	return k.Model.Node
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"help"}, {"--help"}, {"help", "serve"}, {"serve", "--help"}, {"help", "exit-codes"}, {"help", "environment"}} {
		if code, out, errOut := malote(args...); code != exitOK || out == "" || errOut != "" {
			t.Errorf("malote %v: %d %q %q", args, code, out, errOut)
		}
	}
	if _, out, _ := malote("help", "environment"); !strings.Contains(out, "MALOTE_DATA") || !strings.Contains(out, "MALOTE_KEY") {
		t.Errorf("variables are missing:\n%s", out)
	}
	if code, _, errOut := malote("help", "nonsense"); code != exitUsage || !strings.Contains(errOut, "fix:") {
		t.Errorf("unknown topic: %d %q", code, errOut)
	}
}

// TestServeOptionsHaveVariables holds the promise that every option is also a
// variable, named alike.
func TestServeOptionsHaveVariables(t *testing.T) {
	t.Parallel()
	for _, f := range childNamed(model(t), "serve").Flags {
		if f.Name == "help" {
			continue
		}
		want := "MALOTE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if len(f.Envs) != 1 || f.Envs[0] != want {
			t.Errorf("--%s is set by %v, want %s", f.Name, f.Envs, want)
		}
		if f.Help == "" {
			t.Errorf("--%s has no help", f.Name)
		}
	}
}

func TestEveryCommandHasHelp(t *testing.T) {
	t.Parallel()
	for _, n := range model(t).Leaves(true) {
		if n.Help == "" {
			t.Errorf("%s has no help", n.FullPath())
		}
		for _, f := range n.Flags {
			if f.Help == "" {
				t.Errorf("%s --%s has no help", n.FullPath(), f.Name)
			}
		}
	}
}

func TestUsageErrorsNameTheOption(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key := strings.TrimSpace(mustOutput(t, "key", "master"))
	serve := []string{"serve", "--data", dir, "--master-key", key}
	cases := map[string]struct {
		args []string
		want string
	}{
		"unknown command":       {[]string{"srve"}, "srve"},
		"unknown flag":          {[]string{"serve", "--lsten", "x"}, "--lsten"},
		"bad retention":         {append(serve, "--retention", "soon"), "--retention"},
		"retention too short":   {append(serve, "--retention", "1s"), "--retention"},
		"bad range":             {append(serve, "--egress-allow", "10.0.0.1/8"), "--egress-allow"},
		"bad size":              {append(serve, "--max-data", "many"), "--max-data"},
		"bad listen":            {append(serve, "--listen", "nowhere"), "--listen"},
		"bad level":             {append(serve, "--log-level", "loud"), "--log-level"},
		"bad format":            {append(serve, "--log-format", "xml"), "--log-format"},
		"no data":               {[]string{"serve", "--master-key", key}, "--data"},
		"no master key":         {[]string{"serve", "--data", dir}, "malote key master"},
		"missing key file":      {[]string{"serve", "--data", dir, "--master-key-file", dir + "/not"}, "--master-key-file"},
		"missing configuration": {[]string{"serve", "--config", dir + "/not.yaml"}, "--config"},
		"missing dialects":      {append(serve, "--dialects", dir+"/not"), "--dialects"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, errOut := malote(c.args...)
			if code != exitUsage || out != "" {
				t.Errorf("code %d, stdout %q", code, out)
			}
			if !strings.Contains(errOut, c.want) || !strings.Contains(errOut, "fix:") || !strings.HasPrefix(errOut, "malote: ") {
				t.Errorf("does not name %q and a fix:\n%s", c.want, errOut)
			}
			if strings.Contains(errOut, key) {
				t.Errorf("shows the master key:\n%s", errOut)
			}
		})
	}
}

func mustOutput(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errOut := malote(args...)
	if code != exitOK {
		t.Fatalf("malote %v: %d %s", args, code, errOut)
	}
	return out
}

// TestFlagBeatsVariableBeatsFile runs serve's parsing alone.
func TestFlagBeatsVariableBeatsFile(t *testing.T) {
	file := writeFile(t, "malote.yaml", "retention: 1d\nlisten: 127.0.0.1:1\negress-allow: [10.0.0.0/8, 192.168.7.7]\ndata: /var/lib/malote\nin-flight: 7\n")
	t.Setenv("MALOTE_LISTEN", "127.0.0.1:2")
	t.Setenv("MALOTE_RETENTION", "2d")
	var g commands
	k, err := newParser(&g, &console{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Parse([]string{"serve", "--config", file, "--retention", "3d"}); err != nil {
		t.Fatal(err)
	}
	s := g.Serve
	if time.Duration(s.Retention) != 72*time.Hour || s.Listen != "127.0.0.1:2" || s.Data != "/var/lib/malote" || s.InFlight != 7 || s.PerHost != 64 {
		t.Errorf("%+v", s)
	}
	o, err := s.options()
	if err != nil || len(o.EgressAllow) != 2 || o.EgressAllow[1].String() != "192.168.7.7/32" {
		t.Errorf("egress-allow: %v, %v", o.EgressAllow, err)
	}
}

func TestConfigurationFromVariable(t *testing.T) {
	t.Setenv("MALOTE_CONFIG", writeFile(t, "malote.yaml", "listen: nowhere\ndata: d\nmaster-key: x\n"))
	code, _, errOut := malote("serve")
	if code != exitUsage || !strings.Contains(errOut, "malote.yaml:1") || !strings.Contains(errOut, "--listen") {
		t.Errorf("%d %s", code, errOut)
	}
}

func TestConfigurationFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ text, where, what string }{
		"unknown key":   {"data: x\nlsten: 1\n", ":2:", `"lsten"`},
		"twice":         {"data: x\ndata: y\n", ":2:", "twice"},
		"a list":        {"- data\n", ":1:", "not a list of options"},
		"a mapping":     {"data:\n  dir: x\n", ":1:", "wrong shape"},
		"nothing":       {"data:\n", ":1:", "wrong shape"},
		"not YAML":      {"data: [\n", "", "yaml"},
		"config itself": {"config: other.yaml\n", ":1:", `"config"`},
		"bad value":     {"data: x\nretention: soon\n", ":2", "--retention"},
		"bad range":     {"egress-allow: [10.0.0.0/8, x]\n", ":1", "--egress-allow"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := writeFile(t, "malote.yaml", c.text)
			code, _, errOut := malote("serve", "--config", file)
			if code != exitUsage || !strings.Contains(errOut, file+c.where) || !strings.Contains(errOut, c.what) {
				t.Errorf("%d %s", code, errOut)
			}
		})
	}
	if _, err := parseConfig("empty", nil, nil); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestValues(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]time.Duration{"30d": 720 * time.Hour, "1.5d": 36 * time.Hour, "90s": 90 * time.Second, "12h": 12 * time.Hour} {
		var s span
		if err := s.UnmarshalText([]byte(in)); err != nil || time.Duration(s) != want {
			t.Errorf("%s: %v, %v", in, time.Duration(s), err)
		}
	}
	for in, want := range map[string]int64{"1": 1, "2KiB": 2048, "3MiB": 3 << 20, "1GiB": 1 << 30, "7B": 7} {
		var s size
		if err := s.UnmarshalText([]byte(in)); err != nil || int64(s) != want {
			t.Errorf("%s: %v, %v", in, s, err)
		}
	}
	for _, bad := range []string{"", "d", "-1d", "NaNd", "1e99d", "-5s", "soon"} {
		if err := new(span).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("span %q is taken", bad)
		}
	}
	for in, want := range map[string]string{"2026-01-31": "2026-01-31T00:00:00Z", "2026-01-31T12:00:00-03:00": "2026-01-31T15:00:00Z"} {
		var m moment
		if err := m.UnmarshalText([]byte(in)); err != nil || m.UTC().Format(time.RFC3339) != want {
			t.Errorf("%s: %v, %v", in, m, err)
		}
	}
	for _, bad := range []string{"", "yesterday", "2026-13-01", "31/01/2026"} {
		if err := new(moment).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("moment %q is taken", bad)
		}
	}
	for _, bad := range []string{"", "KiB", "-1", "1TiB", "9999999999GiB"} {
		if err := new(size).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("size %q is taken", bad)
		}
	}
	for _, bad := range []string{"", "10.0.0.1/8", "10.0.0.0/33", "fe80::1%eth0", "host"} {
		if err := new(addresses).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("addresses %q are taken", bad)
		}
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	cases := map[string][]string{
		"":                        {"dev", "serve", "event", "completion"},
		"se":                      {"serve"},
		"dialect ":                {"list", "show", "check"},
		"serve --egress":          {"--egress-address", "--egress-allow", "--egress-https-only", "--egress-nat64"},
		"completion ":             {"bash", "zsh", "fish"},
		"key ro":                  {"root"},
		"serve --data x --listen": {"--listen"},
	}
	for line, want := range cases {
		_, out, _ := malote(append([]string{"__complete", "--"}, strings.Split(line, " ")...)...)
		var got []string
		for l := range strings.Lines(out) {
			word, _, _ := strings.Cut(strings.TrimSpace(l), "\t")
			got = append(got, word)
		}
		for _, w := range want {
			if !strings.Contains(" "+strings.Join(got, " ")+" ", " "+w+" ") {
				t.Errorf("%q: %v lacks %s", line, got, w)
			}
		}
		if strings.Contains(out, "__complete") {
			t.Errorf("%q offers what is hidden", line)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if out := mustOutput(t, "completion", shell); !strings.Contains(out, "__complete") {
			t.Errorf("%s: %s", shell, out)
		}
	}
}

func TestDialects(t *testing.T) {
	t.Parallel()
	list := mustOutput(t, "dialect", "list")
	for _, name := range []string{"standard/1", "gabinete360/1", "connectvets/1", "habilitar/1", "placaflow/1", "tarefa/1", "github/1", "stripe/1"} {
		if !strings.Contains(list, name) {
			t.Errorf("%s is not listed:\n%s", name, list)
		}
	}
	show := mustOutput(t, "dialect", "show", "tarefa")
	for _, want := range []string{"X-Webhook-Signature", "sha256=", "1m, 5m, 15m, 1h (exact)", "100 deliveries a minute", "10 for each consumer", "tarefa/1"} {
		if !strings.Contains(show, want) {
			t.Errorf("%q is not shown:\n%s", want, show)
		}
	}
	if show := mustOutput(t, "dialect", "show", "github"); !strings.Contains(show, "1: at once, then never again by itself") {
		t.Errorf("the one attempt is not shown:\n%s", show)
	}
	if show := mustOutput(t, "dialect", "show", "stripe"); !strings.Contains(show, "Stripe-Signature: t=<unix>,v1=<hmac-sha256") {
		t.Errorf("the timestamp in the signature is not shown:\n%s", show)
	}
	own := strings.Replace(mustOutput(t, "dialect", "show", "tarefa", "--json"), `"tarefa"`, `"nossa"`, 1)
	if !json.Valid([]byte(own)) {
		t.Fatalf("not JSON:\n%s", own)
	}
	file := writeFile(t, "nossa.json", own)
	if out := mustOutput(t, "dialect", "check", file); out != "nossa/1 is right\n" {
		t.Error(out)
	}
	if out := mustOutput(t, "dialect", "list", "--dialects", filepath.Dir(file)); !strings.Contains(out, "nossa/1") {
		t.Errorf("the own dialect is not listed:\n%s", out)
	}
	wrong := writeFile(t, "wrong.json", strings.Replace(own, `"envelope"`, `"envelop"`, 1))
	code, _, errOut := malote("dialect", "check", wrong)
	if code != exitUsage || !strings.Contains(errOut, "wrong.json:") || !strings.Contains(errOut, "envelop") {
		t.Errorf("%d %s", code, errOut)
	}
	if code, _, errOut := malote("dialect", "show", "trefa"); code != exitNotFound || !strings.Contains(errOut, "did you mean tarefa") {
		t.Errorf("%d %s", code, errOut)
	}
}

// TestDocsNameEveryCommand holds docs/cli.md and docs/operations.md to what
// there is.
func TestDocsNameEveryCommand(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for word := range strings.SplitSeq(string(text), "`") {
		documented[strings.TrimSpace(strings.TrimRight(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ "))] = true
	}
	for _, n := range model(t).Leaves(true) {
		if !documented[n.FullPath()] {
			t.Errorf("docs/cli.md does not name `%s`", n.FullPath())
		}
		if n.Parent.Type == kong.ApplicationNode {
			continue
		}
		for _, f := range n.Flags {
			shared := []string{"help", "url", "key", "json", "dialects", "data"}
			if !slices.Contains(shared, f.Name) && !strings.Contains(string(text), "--"+f.Name) {
				t.Errorf("docs/cli.md does not name --%s of %s", f.Name, n.FullPath())
			}
		}
	}
}
