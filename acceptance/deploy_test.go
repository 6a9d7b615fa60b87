package acceptance

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const deployDir = "../deploy"

func deployed(t *testing.T, name string) string {
	t.Helper()
	return string(readFile(t, filepath.Join(deployDir, name)))
}

// documents are those of a file in YAML.
func documents(t *testing.T, text string) (out []map[string]any) {
	t.Helper()
	for d := yaml.NewDecoder(strings.NewReader(text)); ; {
		var m map[string]any
		if err := d.Decode(&m); err == io.EOF {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
}

// at walks into maps and lists.
func at(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, p := range path {
		switch p := p.(type) {
		case string:
			v = v.(map[string]any)[p]
		case int:
			v = v.([]any)[p]
		}
		if v == nil {
			t.Fatalf("%v is not there", path)
		}
	}
	return v
}

// TestManifestsAreTrue: the options that the files of deploy/ name are there,
// and the pod may do what the server does, and no more.
func TestManifestsAreTrue(t *testing.T) {
	t.Parallel()
	kinds := map[string]map[string]any{}
	for _, d := range documents(t, deployed(t, "kubernetes/malote.yaml")) {
		kinds[d["kind"].(string)] = d
	}
	for _, kind := range []string{"Namespace", "ConfigMap", "ServiceAccount", "Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"} {
		if kinds[kind] == nil {
			t.Errorf("there is no %s", kind)
		}
	}
	if n := at(t, kinds["Deployment"], "spec", "replicas").(int); n < 2 {
		t.Errorf("%d servers", n)
	}
	if kind := at(t, kinds["Deployment"], "spec", "strategy", "type"); kind != "RollingUpdate" {
		t.Errorf("servers are replaced by %v", kind)
	}
	pod := at(t, kinds["Deployment"], "spec", "template", "spec")
	server := at(t, pod, "containers", 0)
	args := at(t, server, "args").([]any)
	config := filepath.Join(t.TempDir(), "malote.yaml")
	text := at(t, kinds["ConfigMap"], "data", "malote.yaml").(string)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// All keys are read before the first file that is only there in the pod.
	mustFail(t, []string{args[0].(string), args[1].(string), config}, "/etc/malote/secret/", "no such file")

	for _, d := range documents(t, deployed(t, "kubernetes/secret.yaml")) {
		for _, name := range slices.Collect(keysOf(at(t, d, "stringData").(map[string]any))) {
			if !strings.Contains(text, "/etc/malote/secret/"+name) {
				t.Errorf("the configuration does not read %s of the secret", name)
			}
		}
	}
	if grace := at(t, pod, "terminationGracePeriodSeconds").(int); grace <= 30+at(t, server, "lifecycle", "preStop", "sleep", "seconds").(int) {
		t.Errorf("the pod is killed after %d s, before --grace is over", grace)
	}
	for _, probe := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
		if path := at(t, server, probe, "httpGet", "path"); path != "/healthz" && path != "/readyz" {
			t.Errorf("%s asks %v", probe, path)
		}
	}
}

func keysOf(m map[string]any) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// TestUnitIsTheDocumentedOne: deploy/malote.service is what
// docs/operations.md shows.
func TestUnitIsTheDocumentedOne(t *testing.T) {
	t.Parallel()
	_, unit, _ := strings.Cut(deployed(t, "malote.service"), "\n") // without the comment
	if !strings.Contains(string(readFile(t, "../docs/operations.md")), "```ini\n"+unit+"```") {
		t.Error("docs/operations.md shows another unit")
	}
}

// TestContainerfile: what it builds and runs is there, and its variables are
// options.
func TestContainerfile(t *testing.T) {
	t.Parallel()
	text := deployed(t, "Containerfile")
	for _, line := range []string{"CGO_ENABLED=0 go build", "./cmd/malote", "\nFROM scratch\n", "\nUSER 65532:65532\n", `CMD ["serve"]`} {
		if !strings.Contains(text, line) {
			t.Errorf("there is no %q", line)
		}
	}
	known, err := exec.CommandContext(t.Context(), binary, "help", "environment").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`MALOTE_[A-Z_]+`).FindAllString(text, -1) {
		if !bytes.Contains(known, []byte(name+" ")) {
			t.Errorf("no option reads %s", name)
		}
	}
	if want := "FROM docker.io/library/golang:" + goVersion(t) + "-"; !strings.Contains(text, want) {
		t.Errorf("it does not begin %s", want)
	}
}

// goVersion is the language's version that go.mod asks for, as in 1.26.
func goVersion(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(readFile(t, "../go.mod"))
	if m == nil {
		t.Fatal("go.mod names no version")
	}
	return string(m[1])
}

// series are names of metrics in an expression of Prometheus.
var series = regexp.MustCompile(`\b(?:malote|process|go)_[a-z0-9_]+`)

// TestAlertsAndDashboardNameWhatIsThere: every metric, label and value of a
// label that they look for is one that a server shows.
func TestAlertsAndDashboardNameWhatIsThere(t *testing.T) {
	t.Parallel()
	site := startServer(t, "--smtp-url", "smtp://127.0.0.1:1", "--mail-from", "a@example.com", "--public-url", "http://127.0.0.1")
	sendNowhere(t, newProject(t, site, "development", "standard"))
	shown := metricsOf(t, site.URL())
	var exprs []string
	for _, d := range documents(t, deployed(t, "prometheus/alerts.yaml")) {
		for _, g := range at(t, d, "groups").([]any) {
			for _, r := range at(t, g, "rules").([]any) {
				exprs = append(exprs, at(t, r, "expr").(string))
				if at(t, r, "annotations", "summary") == "" || at(t, r, "annotations", "fix") == "" {
					t.Errorf("%v says too little", at(t, r, "alert"))
				}
			}
		}
	}
	if len(exprs) < 10 {
		t.Errorf("%d alerts", len(exprs))
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(deployed(t, "grafana/malote.json")), &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("%s shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			exprs = append(exprs, target.Expr)
		}
	}
	for _, e := range exprs {
		for _, name := range series.FindAllString(e, -1) {
			if !strings.Contains(shown, "\n"+name+"{") && !strings.Contains(shown, "\n"+name+" ") {
				t.Errorf("no metric %s: %s", name, e)
			}
		}
		for _, label := range regexp.MustCompile(`(class|code|route|method|reason|result|state)(=~?|!=)"([^"]*)"`).FindAllStringSubmatch(e, -1) {
			if !regexp.MustCompile(label[1]+`="(?:`+label[3]+`)"`).MatchString(shown) && label[3] != "5xx" && label[3] != "corrupt" {
				t.Errorf("no series has %s: %s", label[0], e)
			}
		}
	}
}

func metricsOf(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return "\n" + string(b)
}
