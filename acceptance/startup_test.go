package acceptance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to make a database that is newer than the binary

	"github.com/malote-dev/malote/bench/rig"
)

func quote(t *testing.T, s string) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// mustFail runs the binary and wants it to end with an error that holds every
// word, soon. It returns what the binary printed.
func mustFail(t *testing.T, args []string, words ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || ctx.Err() != nil || exit.ExitCode() <= 0 {
		t.Errorf("malote %s: ended with %v, want an exit code above 0\n%s", strings.Join(args, " "), err, out.Bytes())
	}
	for _, w := range words {
		if !strings.Contains(out.String(), w) {
			t.Errorf("malote %s: the error does not name %q:\n%s", strings.Join(args, " "), w, out.Bytes())
		}
	}
	if strings.Contains(out.String(), "goroutine ") {
		t.Errorf("malote %s: a stack trace instead of an error:\n%s", strings.Join(args, " "), out.Bytes())
	}
	return out.String()
}

// serveArgs are the arguments of serve on a site, at a port of their own.
func serveArgs(t *testing.T, s *rig.Site, more ...string) []string {
	t.Helper()
	addr, err := rig.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{"serve", "--data", s.Data(), "--listen", addr, "--master-key-file", s.MasterKeyFile()}, more...)
}

func newSite(t *testing.T) *rig.Site {
	t.Helper()
	s, err := rig.NewSite(t.Context(), binary, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSecondProcessOnTheSameDataIsRefused(t *testing.T) {
	t.Parallel()
	site := startServer(t)
	api := newProject(t, site, "development", "standard")
	mustFail(t, serveArgs(t, site), site.Data(), "process")
	sendNowhere(t, api)
}

// sendNowhere accepts an event that nobody subscribed to, and says so.
func sendNowhere(t *testing.T, api *rig.API) string {
	t.Helper()
	var made struct {
		ID         string `json:"id"`
		Deliveries int    `json:"deliveries"`
	}
	in := map[string]any{"type": "a", "consumer": "nobody", "data": strings.Repeat("x", 1000)}
	if err := api.Do(t.Context(), http.MethodPost, "/v1/events", in, &made); err != nil {
		t.Fatal(err)
	}
	if made.Deliveries != 0 {
		t.Errorf("%d deliveries to nobody", made.Deliveries)
	}
	return made.ID
}

func TestNewerDatabaseIsRefusedUntouched(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	files, err := filepath.Glob(filepath.Join(site.Data(), "*.db"))
	if err != nil || len(files) != 1 {
		t.Fatalf("databases: %v, %v", files, err)
	}
	db, err := sql.Open("sqlite", files[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before := hashFile(t, files[0])
	mustFail(t, serveArgs(t, site), "newer", site.Data())
	if hashFile(t, files[0]) != before {
		t.Error("the refused database was changed")
	}
}

// hashFile leaves out SQLite's change counter, which looking at the version
// may raise.
func hashFile(t *testing.T, path string) [32]byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clear(b[24:28])
	clear(b[92:96])
	return sha256.Sum256(b)
}

func TestWrongStartIsRefusedByName(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	mustFail(t, []string{"serve", "--data", site.Data()}, "master key", "malote key")
	mustFail(t, []string{"serve", "--master-key-file", site.MasterKeyFile()}, "--data")
	mustFail(t, serveArgs(t, site, "--listen", "nonsense"), "--listen", "nonsense")
	mustFail(t, serveArgs(t, site, "--egress-allow", "127.0.0.1/8x"), "--egress-allow", "127.0.0.1/8x")
	mustFail(t, serveArgs(t, site, "--colour", "red"), "--colour")
	mustFail(t, serveArgs(t, site, "--retention", "soon"), "--retention", "soon")
	mustFail(t, []string{"dance"}, "dance")

	other := filepath.Join(t.TempDir(), "other.key")
	if err := os.WriteFile(other, []byte("not a key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustFail(t, []string{"serve", "--data", site.Data(), "--master-key-file", other}, "--master-key")

	dialects := t.TempDir()
	if err := os.WriteFile(filepath.Join(dialects, "mine.json"), []byte("{\n  \"name\": \"mine\",\n  \"colour\": 1\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustFail(t, serveArgs(t, site, "--dialects", dialects), "mine.json:3", "colour")
}

func TestWrongMasterKeyIsRefused(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	func() {
		server, err := site.Start()
		if err != nil {
			t.Fatal(err)
		}
		defer server.Kill()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if _, err := server.WaitReady(ctx); err != nil {
			t.Fatal(err)
		}
		api := newProject(t, site, "development", "standard")
		newEndpoint(t, api, map[string]any{"consumer": "c", "url": "https://example.com/", "event_types": []string{"*"}})
	}()
	other := filepath.Join(t.TempDir(), "other.key")
	if err := os.WriteFile(other, []byte("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustFail(t, []string{"serve", "--data", site.Data(), "--listen", site.Addr, "--master-key-file", other}, "master key")
}

// TestFullDisk: what does not fit is refused with 503, what was acknowledged
// stays, and with room again the server accepts by itself. The disk fills up
// twice: by the server's own hand, and suddenly, by somebody else's.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "112m")
	site, err := rig.NewSite(t.Context(), binary, disk)
	if err != nil {
		t.Fatal(err)
	}
	runServer(t, site)
	api := newProject(t, site, "development", "standard")
	acked, refusal := fillDisk(t, api)
	checkRefusal(t, api, refusal)
	showAll(t, api, acked)
	resize(t, disk, "200m")
	acceptsAgain(t, api)
	acked = append(acked, sendNowhere(t, api))

	hog := filepath.Join(disk, "hog")
	if err := os.WriteFile(hog, make([]byte, 200<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	more, refusal := fillDisk(t, api)
	checkRefusal(t, api, refusal)
	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	acceptsAgain(t, api)
	showAll(t, api, append(acked, more...))
}

// smallDisk mounts one until the test ends.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("MISSING RIGHT: mounting a small tmpfs needs root")
	}
	disk := t.TempDir()
	if msg, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", disk).CombinedOutput(); err != nil {
		t.Skipf("MISSING RIGHT: mounting a small tmpfs: %v: %s", err, msg)
	}
	t.Cleanup(func() {
		if msg, err := exec.Command("umount", "-l", disk).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, msg)
		}
	})
	return disk
}

func resize(t *testing.T, disk, size string) {
	t.Helper()
	if msg, err := exec.Command("mount", "-o", "remount,size="+size, disk).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, msg)
	}
}

// checkRefusal wants a 503 that names the disk, and a server that is not ready.
func checkRefusal(t *testing.T, api *rig.API, refusal *rig.Answer) {
	t.Helper()
	refused(t, refusal, http.StatusServiceUnavailable, "space")
	if refusal.Header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	if ans, err := api.Raw(t.Context(), http.MethodGet, "/readyz", nil); err != nil || ans.Status != http.StatusServiceUnavailable {
		t.Errorf("ready on a full disk: %v %v", ans, err)
	}
}

// acceptsAgain waits until an event is accepted.
func acceptsAgain(t *testing.T, api *rig.API) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ans, err := api.Raw(t.Context(), http.MethodPost, "/v1/events", []byte(`{"type":"a","consumer":"nobody","data":1}`))
		if err == nil && ans.Status == http.StatusAccepted {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v after there was room again: %v %v", patience, ans, err)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// fillDisk posts events until one is refused.
func fillDisk(t *testing.T, api *rig.API) (acked []string, refusal *rig.Answer) {
	t.Helper()
	body := []byte(`{"type":"a","consumer":"nobody","data":"` + strings.Repeat("x", 100_000) + `"}`)
	for range 3000 {
		ans, err := api.Raw(t.Context(), http.MethodPost, "/v1/events", body)
		if err != nil {
			t.Fatal(err)
		}
		if ans.Status != http.StatusAccepted {
			return acked, ans
		}
		var made struct{ ID string }
		mustDecode(t, ans, http.StatusAccepted, &made)
		acked = append(acked, made.ID)
	}
	t.Fatal("300 MB fitted on a small disk")
	return nil, nil
}

func showAll(t *testing.T, api *rig.API, ids []string) {
	t.Helper()
	if len(ids) == 0 {
		t.Error("nothing was acknowledged at all")
	}
	for _, id := range ids {
		if err := api.Do(t.Context(), http.MethodGet, "/v1/events/"+id, nil, nil); err != nil {
			t.Fatal(fmt.Errorf("acknowledged and lost: %w", err))
		}
	}
}
