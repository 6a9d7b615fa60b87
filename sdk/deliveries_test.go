package sdk

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/malote-dev/malote/bench/rig"
	"github.com/malote-dev/malote/webhook"
)

// Secrets that sign in every dialect.
const (
	secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	other  = "whsec_c2VjcmV0LW9mLXNvbWVib2R5LWVsc2Utbm90"
)

const data = `{"invoice":"inv_42","note":"João & Cia \/ 日本","n":12345678901234567890.0,"a":[ 1, 2 ]}`

func newEndpoint(t *testing.T, api *rig.API, url, consumer, secret string) string {
	t.Helper()
	var e struct{ ID string }
	in := map[string]any{"consumer": consumer, "url": url, "event_types": []string{"*"}, "secret": secret}
	if err := api.Do(t.Context(), http.MethodPost, "/v1/endpoints", in, &e); err != nil {
		t.Fatal(err)
	}
	return e.ID
}

// outcome sends an event to a consumer and says how its first attempt ended.
func outcome(t *testing.T, api *rig.API, consumer string) string {
	t.Helper()
	ans, err := api.Raw(t.Context(), http.MethodPost, "/v1/events", fmt.Appendf(nil, `{"type":"invoice.paid","consumer":%q,"data":%s}`, consumer, data))
	if err != nil || ans.Status != http.StatusAccepted {
		t.Fatalf("%v %+v", err, ans)
	}
	id := strings.Split(string(ans.Body), `"`)[3]
	var page struct {
		Data []struct {
			Attempts   int
			State      string
			LastStatus *int `json:"last_status"`
		}
	}
	tick := time.NewTicker(15 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(15 * time.Second); ; {
		if err := api.Do(t.Context(), http.MethodGet, "/v1/deliveries?event_id="+id, nil, &page); err != nil {
			t.Fatal(err)
		}
		if len(page.Data) == 1 && page.Data[0].Attempts > 0 {
			if page.Data[0].LastStatus == nil {
				return page.Data[0].State + " without an answer"
			}
			return fmt.Sprintf("%s %d", page.Data[0].State, *page.Data[0].LastStatus)
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no attempt of %s", id)
		}
	}
}

// TestUnits runs each library's own tests.
func TestUnits(t *testing.T) {
	t.Parallel()
	for _, l := range languages() {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			need(t, l.missing())
			cmd := exec.CommandContext(t.Context(), l.unit[0], l.unit[1:]...)
			cmd.Dir, cmd.Env = l.dir, environ(t)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestTours lets each client do all that it can against the real server.
func TestTours(t *testing.T) {
	t.Parallel()
	site := startServer(t)
	for _, l := range languages() {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			need(t, l.missing())
			var bad atomic.Int32
			web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if body, err := io.ReadAll(r.Body); err != nil || len(body) == 0 || r.Header.Get("webhook-signature") == "" {
					bad.Add(1)
				}
			}))
			defer web.Close()
			api := newProject(t, site, "standard")
			cmd := exec.CommandContext(t.Context(), l.tour[0], l.tour[1:]...)
			cmd.Env = environ(t, "MALOTE_URL="+site.URL(), "MALOTE_KEY="+api.Key, "RECEIVER="+web.URL+"/webhooks")
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "all done") || bad.Load() > 0 {
				t.Errorf("%v, %d bad deliveries\n%s", err, bad.Load(), out)
			}
		})
	}
}

// TestExamples runs the examples as they stand and delivers to them in every
// dialect, with the right secret and with another one.
func TestExamples(t *testing.T) {
	t.Parallel()
	site := startServer(t)
	projects := map[string]*rig.API{}
	for _, d := range webhook.Builtin() {
		projects[d.Name] = newProject(t, site, d.Name)
	}
	for i, l := range languages() {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			need(t, l.missing())
			why, command := l.example()
			need(t, why)
			for _, d := range webhook.Builtin() {
				t.Run(d.Name, func(t *testing.T) {
					addr, err := rig.FreeAddr()
					if err != nil {
						t.Fatal(err)
					}
					_, port, _ := strings.Cut(addr, ":")
					listen(t, command(addr), environ(t, "PORT="+port, "DIALECT="+d.Name, "WEBHOOK_SECRET="+secret), addr)
					api := projects[d.Name]
					right, wrong := fmt.Sprint(10+i), fmt.Sprint(20+i) // consumers: tarefa's are numbers
					newEndpoint(t, api, "http://"+addr+"/webhooks", right, secret)
					newEndpoint(t, api, "http://"+addr+"/webhooks", wrong, other)
					if got := outcome(t, api, right); got != "delivered 204" {
						t.Errorf("with the secret: %s", got)
					}
					if got := outcome(t, api, wrong); !strings.HasSuffix(got, " 401") {
						t.Errorf("with another secret: %s", got)
					}
				})
			}
		})
	}
}

// TestLibrariesOfOthers delivers to receivers that verify with the libraries
// that the dialects' own companies publish.
func TestLibrariesOfOthers(t *testing.T) {
	t.Parallel()
	need(t, missingModules())
	site := startServer(t)
	addr, err := rig.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(addr, ":")
	listen(t, []string{"node", "testdata/node/libraries.mjs"}, environ(t, "PORT="+port, "SECRET="+secret), addr)
	for library, dialect := range map[string]string{"standardwebhooks": "standard", "svix": "standard", "octokit": "github", "stripe": "stripe"} {
		t.Run(library, func(t *testing.T) {
			t.Parallel()
			api := newProject(t, site, dialect)
			id := newEndpoint(t, api, "http://"+addr+"/"+library, "right", secret)
			newEndpoint(t, api, "http://"+addr+"/"+library, "wrong", other)
			if got := outcome(t, api, "right"); got != "delivered 200" {
				t.Errorf("with the secret: %s", got)
			}
			if got := outcome(t, api, "wrong"); !strings.HasSuffix(got, " 401") {
				t.Errorf("with another secret: %s", got)
			}
			// While it rotates, the receiver that knows the old secret only goes on.
			if err := api.Do(t.Context(), http.MethodPatch, "/v1/endpoints/"+id, map[string]any{"secret": other}, nil); err != nil {
				t.Fatal(err)
			}
			if got := outcome(t, api, "right"); got != "delivered 200" {
				t.Errorf("while the secret rotates: %s", got)
			}
		})
	}
}
