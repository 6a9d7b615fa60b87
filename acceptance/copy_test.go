//go:build unix

package acceptance

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/malote-dev/malote/bench/postgres"
	"github.com/malote-dev/malote/bench/rig"
)

// moved is a server's data on their way from one place to another.
type moved struct {
	*testing.T
	site    *rig.Site
	api     *rig.API
	project string
	got     *arrivals
	paused  endpoint
	events  []string
}

// TestCopy: what a server has in a directory is copied to PostgreSQL and back;
// every list and every body is the same there, and what was pending is sent.
func TestCopy(t *testing.T) {
	t.Parallel()
	empty := newEmptyDatabase(t)
	m := newMoved(t, newSite(t))
	from, before := "sqlite:"+m.site.Data(), filepath.Join(t.TempDir(), "before")

	server := m.serve()
	m.makeAll()
	want := m.everything()
	mustFail(t, []string{"copy", "--from", from, "--to-file", empty}, m.site.Data(), "in use by another malote process", "--from")
	m.stop(server)

	out, said := m.copy("--from", from, "--to-file", empty)
	for _, words := range []string{"events", "deliveries", "audit"} {
		if !strings.Contains(out, words) {
			t.Errorf("the copy says nothing of %s:\n%s", words, out)
		}
	}
	if strings.Contains(out+said, hush) || !strings.Contains(said, "same master key") {
		t.Errorf("%s", said)
	}
	mustFail(t, []string{"copy", "--from", from, "--to-file", empty}, "--to database copied", "holds other data", "fix:")
	if err := os.WriteFile(m.site.URLFile(), readFile(t, empty), 0o600); err != nil {
		t.Fatal(err)
	}
	m.site.OnURL = true
	server = m.serve()
	m.equal("in PostgreSQL", want)
	m.stop(server)

	var tables []struct {
		Table, SHA256 string
		Rows          int
	}
	if err := os.Rename(m.site.Data(), before); err != nil {
		t.Fatal(err)
	}
	out, _ = m.copy("--from-file", empty, "--to", from, "--json")
	if err := json.Unmarshal([]byte(out), &tables); err != nil || len(tables) < 25 || len(tables[0].SHA256) != 64 {
		t.Errorf("%v: %s", err, out)
	}
	m.site.OnURL = false
	server = m.serve()
	m.equal("and back", want)
	m.resume()
	m.stop(server)
}

// newEmptyDatabase makes a database that no server has used, and returns the
// file that holds its URL.
func newEmptyDatabase(t *testing.T) (file string) {
	t.Helper()
	return emptyDatabaseIn(t, newCluster(t))
}

func emptyDatabaseIn(t *testing.T, c *postgres.Cluster) (file string) {
	t.Helper()
	if err := c.Exec(t.Context(), "postgres", "CREATE ROLE shop LOGIN PASSWORD '"+hush+"'", "CREATE DATABASE copied OWNER shop"); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "database")
	if err := os.WriteFile(file, []byte("postgres://shop:"+hush+"@"+c.Address()+"/copied\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newMoved(t *testing.T, site *rig.Site) *moved {
	t.Helper()
	m := &moved{T: t, site: site, got: &arrivals{seen: map[string]int{}, held: make(chan struct{}), news: make(chan struct{}, 1)}}
	close(m.got.held)
	return m
}

func (m *moved) serve() *rig.Server {
	m.Helper()
	server, err := m.site.Start()
	if err != nil {
		m.Fatal(err)
	}
	m.Cleanup(server.Kill)
	if _, err := server.WaitReady(m.Context()); err != nil {
		m.Fatal(err)
	}
	return server
}

func (m *moved) stop(server *rig.Server) {
	m.Helper()
	m.api.Client.CloseIdleConnections()
	if err := server.Stop(patience); err != nil {
		m.Fatal(err)
	}
}

// copy runs the command, which has to succeed.
func (m *moved) copy(args ...string) (out, said string) {
	m.Helper()
	cmd := exec.CommandContext(m.Context(), binary, append([]string{"copy"}, args...)...)
	var errs strings.Builder
	cmd.Stderr = &errs
	b, err := cmd.Output()
	if err != nil {
		m.Fatalf("malote copy %v: %v\n%s", args, err, errs.String())
	}
	return string(b), errs.String()
}

// makeAll has deliveries made that arrive, that fail, that wait for a retry
// and that wait for a paused endpoint.
func (m *moved) makeAll() {
	m.Helper()
	mux := http.NewServeMux()
	mux.Handle("/ok", m.got)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "não", http.StatusServiceUnavailable) })
	receiver := httptest.NewServer(mux)
	m.Cleanup(receiver.Close)
	to := receiver.URL
	api, project, err := m.site.NewProject(m.Context(), "Lojão", "development", "standard")
	if err != nil {
		m.Fatal(err)
	}
	m.api, m.project = api, project
	put := func(path string, more map[string]any) endpoint {
		in := map[string]any{"consumer": "acme", "url": to + path, "event_types": []string{"*"}, "headers": map[string]string{"X-Key": "a<>"}}
		maps.Copy(in, more)
		return newEndpoint(m.T, api, in)
	}
	put("/ok", nil)
	put("/no", map[string]any{"event_types": []string{"invoice.late"}, "retry_schedule": []int{}})
	put("/later", map[string]any{"event_types": []string{"invoice.late"}, "retry_schedule": []int{18_000}})
	m.paused = put("/ok", map[string]any{"consumer": "paused", "description": "waits"})
	if err := api.Do(m.Context(), http.MethodPost, "/v1/endpoints/"+m.paused.ID+"/pause", nil, nil); err != nil {
		m.Fatal(err)
	}
	for i := range 30 {
		data := fmt.Sprintf(`{"n": %d,"s":"\u0000é%s", "big":12345678901234567890.10}`, i, strings.Repeat("x", i*100))
		of := "invoice.paid"
		if i%10 == 9 {
			of = "invoice.late"
		}
		m.events = append(m.events, m.send(of, "acme", data, fmt.Sprint("k", i)), m.send(of, "paused", data, ""))
	}
	m.got.await(m.T, 30)
	for i, e := range m.events {
		if i%2 == 1 {
			continue
		}
		m.ended(e)
	}
}

func (m *moved) send(eventType, consumer, data, once string) string {
	m.Helper()
	var made struct{ ID string }
	var header []string
	if once != "" {
		header = []string{"Idempotency-Key", once}
	}
	body := fmt.Sprintf(`{"type":%q,"consumer":%q,"data":%s}`, eventType, consumer, data)
	ans, err := m.api.Raw(m.Context(), http.MethodPost, "/v1/events", []byte(body), header...)
	if err != nil {
		m.Fatal(err)
	}
	mustDecode(m.T, ans, http.StatusAccepted, &made)
	return made.ID
}

// ended waits until each delivery of an event has had its attempt.
func (m *moved) ended(event string) {
	m.Helper()
	for _, d := range m.pages(m.api, "/v1/deliveries?event_id="+event) {
		awaitAttempt(m.T, m.api, d["id"].(string), 1)
	}
}

// pages reads all of a list, a few at a time.
func (m *moved) pages(api *rig.API, path string) (all []map[string]any) {
	m.Helper()
	next := ""
	for {
		var page struct {
			Data []map[string]any `json:"data"`
			Next *string          `json:"next_cursor"`
		}
		if err := api.Do(m.Context(), http.MethodGet, path+next, nil, &page); err != nil {
			m.Fatal(err)
		}
		all = append(all, page.Data...)
		if page.Next == nil {
			return all
		}
		join := "?"
		if strings.Contains(path, "?") {
			join = "&"
		}
		next = join + "cursor=" + url.QueryEscape(*page.Next)
	}
}

// used is when a key was used last: of this run, too.
var used = regexp.MustCompile(`"last_used_at":("[^"]*"|null)`)

// welcome is that a server which starts invites the first owner of its console.
var welcome = regexp.MustCompile(`\{"id":"aud_[a-z0-9]+","at":"[^"]+","actor":\{[^}]*\},"action":"person\.invite".*?\]\},?`)

// everything is what the API answers, body by body.
func (m *moved) everything() map[string]string {
	m.Helper()
	m.api.URL = m.site.URL()
	root := m.site.API(m.site.RootKey)
	defer root.Client.CloseIdleConnections()
	out := map[string]string{}
	ask := func(api *rig.API, path string) {
		ans, err := api.Raw(m.Context(), http.MethodGet, path, nil)
		if err != nil || ans.Status != http.StatusOK {
			m.Fatalf("%s: %v %+v", path, err, ans)
		}
		out[path] = used.ReplaceAllString(string(ans.Body), "")
		if path == "/v1/audit" {
			out[path] = welcome.ReplaceAllString(out[path], "")
		}
	}
	for _, path := range []string{"/v1/projects", "/v1/projects/" + m.project, "/v1/projects/" + m.project + "/keys", "/v1/keys", "/v1/audit"} {
		ask(root, path)
	}
	for _, path := range []string{
		"/v1/me", "/v1/consumers", "/v1/endpoints", "/v1/endpoints?state=paused", "/v1/event-types", "/v1/audit?limit=100", "/v1/stats?interval=day", "/v1/consumers/acme/stats?interval=day",
	} {
		ask(m.api, path)
	}
	for _, list := range []string{"/v1/events?limit=7", "/v1/events?consumer=paused", "/v1/deliveries?limit=9", "/v1/deliveries?state=failed&limit=4", "/v1/deliveries?state=pending&consumer=acme"} {
		b, err := json.Marshal(m.pages(m.api, list))
		if err != nil {
			m.Fatal(err)
		}
		out[list] = string(b)
	}
	for _, e := range m.pages(m.api, "/v1/endpoints") {
		ask(m.api, "/v1/endpoints/"+e["id"].(string))
	}
	for _, d := range m.pages(m.api, "/v1/deliveries") {
		ask(m.api, "/v1/deliveries/"+d["id"].(string))
		ask(m.api, "/v1/deliveries/"+d["id"].(string)+"/attempts")
	}
	for _, e := range m.events {
		ask(m.api, "/v1/events/"+e)
	}
	return out
}

func (m *moved) equal(where string, want map[string]string) {
	m.Helper()
	m.compare(where, want, m.everything())
}

// equalAfterCrash is [moved.equal] where the last seconds of how many events
// came may be missing, as docs/api.md says of these counts alone.
func (m *moved) equalAfterCrash(where string, want map[string]string) {
	m.Helper()
	got := m.everything()
	for _, answers := range []map[string]string{want, got} {
		for path, text := range answers {
			if strings.HasPrefix(path, "/v1/stats") {
				answers[path] = eventCounts.ReplaceAllString(text, `"events":0`)
			}
		}
	}
	m.compare(where, want, got)
}

var eventCounts = regexp.MustCompile(`"events":\d+`)

func (m *moved) compare(where string, want, got map[string]string) {
	m.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		m.Errorf("%s: (-before +after) %s", where, diff)
	}
	again := m.send("invoice.paid", "acme", `{"n": 0,"s":"\u0000é", "big":12345678901234567890.10}`, "k0")
	if again != m.events[0] {
		m.Errorf("%s: an idempotency key of before makes %s, not %s", where, again, m.events[0])
	}
}

// resume lets go what waited for the paused endpoint.
func (m *moved) resume() {
	m.Helper()
	before := m.got.distinct()
	if err := m.api.Do(m.Context(), http.MethodPost, "/v1/endpoints/"+m.paused.ID+"/resume", map[string]any{}, nil); err != nil {
		m.Fatal(err)
	}
	m.got.await(m.T, before+30)
}

// TestWrongCopies: each wrong use is said in words, with the option and the fix.
func TestWrongCopies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret := "postgres://shop:" + hush + "@127.0.0.1:1/x"
	for name, c := range map[string]struct {
		args  []string
		words []string
	}{
		"no source":        {[]string{"--to", secret}, []string{"--from is missing", "sqlite:DIR"}},
		"no target":        {[]string{"--from", "sqlite:" + dir}, []string{"--to is missing", "sqlite:DIR"}},
		"no kind":          {[]string{"--from", dir, "--to", secret}, []string{"--from: begins neither with sqlite:", "sqlite:DIR"}},
		"of another kind":  {[]string{"--from", "sqlite:" + dir, "--to", strings.Replace(secret, "postgres", "mysql", 1)}, []string{"--to: does not begin with postgres://"}},
		"no URL":           {[]string{"--from", "sqlite:" + dir, "--to", "postgres://shop:" + hush + "/x@h"}, []string{"--to: it does not parse", "percent-encode"}},
		"no directory":     {[]string{"--from", "sqlite:", "--to", secret}, []string{"--from sqlite:", "name it"}},
		"twice":            {[]string{"--from", "sqlite:" + dir, "--from-file", dir}, []string{"--from and --from-file exclude each other"}},
		"no file":          {[]string{"--from-file", dir + "/x", "--to", secret}, []string{"--from-file", "no such file"}},
		"two directories":  {[]string{"--from", "sqlite:" + dir, "--to", "sqlite:" + dir + "2"}, []string{"--from and --to are both directories", "fix:"}},
		"two databases":    {[]string{"--from", secret, "--to", secret}, []string{"--from and --to are both databases", "pg_dump"}},
		"nothing to copy":  {[]string{"--from", "sqlite:" + dir, "--to", secret}, []string{"--from " + dir + ": holds nothing"}},
		"nobody listens":   {[]string{"--from", secret, "--to", "sqlite:" + dir}, []string{"database x at 127.0.0.1:1", "cannot be reached", "host and port in --from"}},
		"a file as target": {[]string{"--from", secret, "--to", "sqlite:" + binary}, []string{"--to " + binary, "is a file"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := mustFail(t, append([]string{"copy"}, c.args...), c.words...)
			if strings.Contains(out, hush) {
				t.Errorf("the password is shown: %s", out)
			}
		})
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("a wrong copy leaves %v, %v", left, err)
	}
}
