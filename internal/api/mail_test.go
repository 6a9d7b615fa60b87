package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/lang"
)

func TestTryMail(t *testing.T) {
	t.Parallel()
	st := setup(t)
	var to string
	var in lang.Language
	var fails error
	st.server.testMail = func(_ context.Context, address string, l lang.Language) error { to, in = address, l; return fails }
	if m := st.do(st.root, "POST", "/v1/mail/test", `{"to":"ana@example.com","language":"pt-BR"}`).want(200).object(); m["sent"] != true || m["detail"] != "" {
		t.Errorf("%v", m)
	}
	if to != "ana@example.com" || in != lang.Portuguese {
		t.Error(to, in)
	}
	st.do(st.root, "POST", "/v1/mail/test", `{"to":"ana@example.com"}`).problem(kindTooMany)

	other := setup(t)
	fails = errors.New("535 5.7.8 wrong password")
	other.server.testMail = st.server.testMail
	if m := other.do(other.root, "POST", "/v1/mail/test", `{"to":"ana@example.com"}`).want(200).object(); m["sent"] != false || m["detail"] != fails.Error() {
		t.Errorf("%v", m)
	}
	other.do(other.root, "POST", "/v1/mail/test", `{"to":"ana"}`).problem(kindInvalid, "/to")
	other.do(other.root, "POST", "/v1/mail/test", `{"to":"ana@example.com","language":"fr"}`).problem(kindInvalid, "/language")
	other.do(other.root, "POST", "/v1/mail/test", `{}`).problem(kindInvalid, "/to")
	other.server.testMail = nil
	other.do(other.root, "POST", "/v1/mail/test", `{"to":"ana@example.com"}`).problem(kindConflict)
}

// TestMailboxPages: what a link in a mail leads to.
func TestMailboxPages(t *testing.T) {
	t.Parallel()
	st := setup(t)
	g := st.stage("standard")
	path := mailPath + g.ids[aMailbox]
	page := func(method, path, button string) string {
		t.Helper()
		a := st.do("", method, path, nil).want(200)
		body := string(a.body)
		if a.header.Get("Content-Type") != "text/html; charset=utf-8" || a.header.Get("Cache-Control") != "no-store" || a.header.Get("Referrer-Policy") != "no-referrer" ||
			!strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'none'") || a.header.Get("X-Robots-Tag") == "" {
			t.Errorf("%s %s: %v", method, path, a.header)
		}
		if !strings.Contains(body, "ti@acme.example") || !strings.Contains(body, `action="`+button+`"`) {
			t.Errorf("%s %s: %s", method, path, body)
		}
		return body
	}
	page("GET", path, path)
	page("GET", path, path) // looking changes nothing
	if body := page("POST", path, path+"/start"); !strings.Contains(body, "You get no more mails") {
		t.Error(body)
	}
	page("POST", path, path+"/start") // as often as a mail program asks
	page("GET", path, path+"/start")
	page("POST", path+"/start", path)
	for _, bad := range []string{"x", g.ids[aMailbox] + "A", strings.Repeat("A", 32), g.ids[aToken]} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if a := st.do("", method, mailPath+bad, nil); a.status != 404 || a.header.Get("Content-Type") != "text/html; charset=utf-8" {
				t.Errorf("%s %s: %d", method, bad, a.status)
			}
		}
	}
}
