package acceptance

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/malote-dev/malote/bench/rig"
)

// binary is the built malote command; set once before any test.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "malote-acceptance-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if binary, err = rig.Link(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "leaked:", err)
			return 1
		}
	}
	return code
}

// startServer runs the binary on fresh data until the test ends.
func startServer(t *testing.T, args ...string) *rig.Site {
	t.Helper()
	site, err := rig.NewSite(t.Context(), binary, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	site.Args = args
	runServer(t, site)
	return site
}

// runServer starts a site and stops it when the test ends.
func runServer(t *testing.T, site *rig.Site) *rig.Server {
	t.Helper()
	server, err := site.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(patience); err != nil {
			t.Errorf("stopping the server: %v; the log ends with:\n%s", err, site.LogTail(2000))
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := server.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return server
}

// newProject makes a project and a key for all of it.
func newProject(t *testing.T, site *rig.Site, environment, dialect string) *rig.API {
	t.Helper()
	api, _, err := site.NewProject(t.Context(), t.Name()+" "+dialect, environment, dialect)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Client.CloseIdleConnections)
	return api
}

// endpoint as the API shows it.
type endpoint struct {
	ID     string `json:"id"`
	URL    string `json:"url"`
	Secret string `json:"secret"`
	State  string `json:"state"`
}

func newEndpoint(t *testing.T, api *rig.API, in map[string]any) endpoint {
	t.Helper()
	var e endpoint
	if err := api.Do(t.Context(), http.MethodPost, "/v1/endpoints", in, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// sendEvent posts an event whose data are the bytes given, and returns its id.
func sendEvent(t *testing.T, api *rig.API, eventType, consumer, timestamp, data string) string {
	t.Helper()
	body := fmt.Sprintf(`{"type":%q,"consumer":%q,"timestamp":%q,"data":%s}`, eventType, consumer, timestamp, data)
	ans, err := api.Raw(t.Context(), http.MethodPost, "/v1/events", []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	var made struct {
		ID         string `json:"id"`
		Deliveries int    `json:"deliveries"`
	}
	mustDecode(t, ans, http.StatusAccepted, &made)
	if made.Deliveries != 1 {
		t.Fatalf("%d deliveries made, want 1: %s", made.Deliveries, ans.Body)
	}
	return made.ID
}
