package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestAForgottenPassword: whoever has the machine gets the owner in again.
func TestAForgottenPassword(t *testing.T) {
	t.Parallel()
	s := serve(t)
	if code := s.signal(syscall.SIGTERM); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, s.output())
	}
	code, link, said := once(t, clean(t), "person", "invite", "Ana@example.com", "--data", s.dir, "--public-url", "http://"+s.addr+"/")
	if code != exitOK || !strings.HasPrefix(link, "http://"+s.addr+"/welcome/") || !strings.Contains(said, "owner") {
		t.Fatalf("%d %s%s", code, link, said)
	}
	s.process = start(t, clean(t), s.args()...)
	s.waitFor("ready")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	browser := &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	link = strings.TrimSpace(link)
	page := func(r *http.Response, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.Status + "\n" + string(body)
	}
	if got := page(browser.Get(link)); !strings.Contains(got, "ana@example.com") {
		t.Fatalf("%s", got)
	}
	if got := page(browser.PostForm(link, url.Values{"password": {"four words in a row"}, "again": {"four words in a row"}})); !strings.HasPrefix(got, "303") {
		t.Fatalf("%s", got)
	}
	if got := page(browser.Get(link)); !strings.HasPrefix(got, "404") {
		t.Errorf("the link was good twice: %s", got)
	}
}

func TestWhoIsNotInvited(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		`"ana" is not a mail address`: {"ana", "--data", t.TempDir()},
		`--role "king"`:               {"ana@example.com", "--role", "king", "--data", t.TempDir()},
		"--data is missing":           {"ana@example.com"},
		"no such file or directory":   {"ana@example.com", "--data", filepath.Join(t.TempDir(), "none")},
	} {
		code, out, said := once(t, clean(t), append([]string{"person", "invite"}, args...)...)
		if code == exitOK || out != "" || !strings.Contains(said, name) {
			t.Errorf("%s: %d %s%s", name, code, out, said)
		}
	}
}
