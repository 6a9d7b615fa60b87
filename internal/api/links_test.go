package api

import (
	"bufio"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// page checks what every page of a link has: nothing keeps, frames, indexes or
// runs it. It returns the text.
func (a *answer) page(status int) string {
	a.t.Helper()
	a.want(status)
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
		"X-Robots-Tag": "noindex, nofollow, noarchive", "X-Frame-Options": "DENY", "Content-Security-Policy": linkPolicy, "Vary": "Accept-Language",
	} {
		if got := a.header.Get(name); got != want {
			a.t.Errorf("%s: %s is %q, want %q", a.what, name, got, want)
		}
	}
	text := string(a.body)
	for _, alien := range []string{"<script", "<link", "<img", "<iframe", "src=", " style=", "http-equiv", "@import", "url("} {
		if strings.Contains(text, alien) {
			a.t.Errorf("%s: the page has %s", a.what, alien)
		}
	}
	if !strings.Contains(text, `<html lang="`+a.header.Get("Content-Language")+`">`) {
		a.t.Errorf("%s: the language is not said: %s", a.what, text)
	}
	return html.UnescapeString(text)
}

// TestOneTimeLink: made by an operator, looked at by programs, opened once by
// a person, and everybody after that is told so.
func TestOneTimeLink(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("connectvets", store.Production)
	made := st.do(key, "POST", "/v1/endpoints", `{"consumer":"acme","url":"https://clinica.example.com/hooks?token=t","event_types":["note.completed","note.failed"]}`).want(201)
	id, secret := made.text("id"), made.text("secret")
	link := st.do(key, "POST", "/v1/endpoints/"+id+"/secret-links", nil).want(201)
	path := link.text("path")
	if !regexp.MustCompile(`^/s/mlt_link_[0-9a-hjkmnp-tv-z]{39}$`).MatchString(path) || link.text("state") != "open" || link.object()["url"] != nil {
		t.Errorf("%s", link.body)
	}
	state := func() map[string]any {
		t.Helper()
		return st.do(key, "GET", "/v1/endpoints/"+id+"/secret-links", nil).want(200).object()["data"].([]any)[0].(map[string]any)
	}

	for range 3 { // mail scanners, previews in chats, and the person
		text := st.do("", "GET", path, nil).page(200)
		if !strings.Contains(text, "clinica.example.com") || !strings.Contains(text, `<form method="post"><button type="submit">Show the secret</button></form>`) {
			t.Errorf("%s", text)
		}
		if strings.Contains(text, secret) || strings.Contains(text, "token=t") || strings.Contains(text, "note.completed") {
			t.Errorf("it says too much before it is opened: %s", text)
		}
	}
	st.do("", "HEAD", path, nil).want(200)
	st.do("", "GET", path+"?utm_source=mail", nil).page(200)
	if s := state(); s["state"] != "open" || s["opened_at"] != nil {
		t.Errorf("%v", s)
	}
	if text := st.do("", "GET", path, nil, "Accept-Language", "pt-BR").page(200); !strings.Contains(text, "Mostrar o segredo") || !strings.Contains(text, "(produção)") {
		t.Errorf("%s", text)
	}

	opened := st.do("", "POST", path, nil)
	text := opened.page(200)
	for _, want := range []string{
		secret, "https://clinica.example.com/hooks?token=t", "note.completed, note.failed", "X-ConnectVets-Signature", "(production)",
		"X-ConnectVets-Signature: sha256=hex(HMAC-SHA256(secret, body))",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not on the page: %s", want, text)
		}
	}
	s := state()
	if s["state"] != "opened" || s["opened_at"] == nil || s["opened_from"] != "127.0.0.1" {
		t.Errorf("%v", s)
	}
	log := st.do(key, "GET", "/v1/audit?action=secret_link.open", nil).want(200)
	for _, want := range []string{`"kind":"link"`, link.text("id"), id, `"acme"`, "127.0.0.1", opened.header.Get("X-Request-Id")} {
		if !strings.Contains(string(log.body), want) {
			t.Errorf("the audit log lacks %s: %s", want, log.body)
		}
	}

	for _, method := range []string{"GET", "POST", "POST"} {
		text := st.do("", method, path, nil).page(410)
		if strings.Contains(text, secret) || !strings.Contains(text, "It was opened on 20") || !strings.Contains(text, "If that was not you") {
			t.Errorf("%s: %s", method, text)
		}
	}
	if text := st.do("", "POST", path, nil, "Accept-Language", "pt").page(410); !strings.Contains(text, "Se não foi você") {
		t.Errorf("%s", text)
	}
	st.do(key, "DELETE", "/v1/endpoints/"+id+"/secret-links/"+link.text("id"), nil).problem(kindConflict)
}

// TestLinksThatDoNotOpen: each says why, and what to do; none says more.
func TestLinksThatDoNotOpen(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Production)
	endpoint := st.endpoint(key, "acme")
	at := "/v1/endpoints/" + endpoint + "/secret-links"
	revoked := st.do(key, "POST", at, nil).want(201)
	st.do(key, "DELETE", at+"/"+revoked.text("id"), nil).want(200)
	over := st.link(endpoint, time.Now().Add(-time.Minute))
	unknown, _, _ := newKey(keyPrefix + keyLink + "_")
	other, _, _ := NewKey(KeyDevelopment)
	gone := st.endpoint(key, "zeta")
	orphan := st.do(key, "POST", "/v1/endpoints/"+gone+"/secret-links", nil).want(201).text("path")
	st.do(key, "DELETE", "/v1/endpoints/"+gone, nil).want(200)
	for path, want := range map[string]struct {
		status int
		words  string
	}{
		revoked.text("path"): {410, "has taken it back"}, over: {410, "Its time ended on 20"}, orphan: {404, "No such link"},
		linkPath + unknown.Reveal(): {404, "No such link"}, linkPath + unknown.Reveal()[:40]: {404, "No such link"}, linkPath + "x": {404, "No such link"},
		linkPath + other.Reveal(): {404, "No such link"}, linkPath + strings.Repeat("a", 4000): {404, "No such link"}, linkPath + "%00": {404, "No such link"},
	} {
		for _, method := range []string{"GET", "POST"} {
			a := st.do("", method, path, nil)
			if text := a.page(want.status); !strings.Contains(text, want.words) || !strings.Contains(text, a.header.Get("X-Request-Id")) {
				t.Errorf("%s: %s", path, text)
			}
		}
	}
	st.do("", "PUT", over, nil).problem(kindMethod)
	for body, pointer := range map[string]string{`{"expires_in":299}`: "/expires_in", `{"expires_in":2592001}`: "/expires_in"} {
		st.do(key, "POST", at, body).problem(kindInvalid, pointer)
	}
	for _, body := range []string{`{"expires_in":300}`, `{"expires_in":2592000}`} {
		st.do(key, "POST", at, body).want(201)
	}
	for range maxLinks - 2 {
		st.do(key, "POST", at, nil).want(201)
	}
	st.do(key, "POST", at, nil).problem(kindConflict)
	if n := len(st.walk(key, at+"?limit=5")); n != maxLinks+2 {
		t.Errorf("%d are listed", n)
	}
	if strings.Contains(st.log.String(), "mlt_link_") {
		t.Error("the log has a token")
	}
}

// link keeps one that ends then, and returns its path.
func (st *site) link(endpoint string, end time.Time) string {
	st.t.Helper()
	id, err := endpointID.Parse(endpoint)
	if err != nil {
		st.t.Fatal(err)
	}
	e, err := st.db.Lane(st.t.Context(), id)
	if err != nil {
		st.t.Fatal(err)
	}
	text, _, hash := newKey(keyPrefix + keyLink + "_")
	if _, err := st.db.CreateSecretLinkOnce(st.t.Context(), e.Project.ID, &store.SecretLink{EndpointID: id, ExpiresAt: end}, hash, 100, nil); err != nil {
		st.t.Fatal(err)
	}
	return linkPath + text.Reveal()
}

// TestLinksOfEveryDialect: the page has what each contract's receiver needs,
// and a delivery that is signed with the secret on it verifies.
func TestLinksOfEveryDialect(t *testing.T) {
	t.Parallel()
	st := setup(t)
	forms := map[string]string{
		"standard":    "webhook-signature: v1,base64(HMAC-SHA256(base64-decoded secret without whsec_, webhook-id.timestamp.body))",
		"gabinete360": "x-argos-signature: hex(HMAC-SHA256(secret, body))", "connectvets": "X-ConnectVets-Signature: sha256=hex(HMAC-SHA256(secret, body))",
		"habilitar": "x-signature: hex(HMAC-SHA256(secret, body))", "placaflow": "X-Signature-256: hex(HMAC-SHA256(secret, body))",
		"tarefa": "X-Webhook-Signature: sha256=hex(HMAC-SHA256(secret, body))", "github": "X-Hub-Signature-256: sha256=hex(HMAC-SHA256(secret, body))",
		"stripe": "Stripe-Signature: t=timestamp,v1=hex(HMAC-SHA256(secret, timestamp.body))",
	}
	shown := regexp.MustCompile(`class="secret" tabindex="0">([^<]+)<`)
	for _, d := range webhook.Builtin() {
		_, key := st.project(d.Name, store.Development)
		id := st.endpoint(key, "7")
		path := st.do(key, "POST", "/v1/endpoints/"+id+"/secret-links", nil).want(201).text("path")
		text := st.do("", "POST", path, nil).page(200)
		if want := forms[d.Name]; want == "" || !strings.Contains(text, want) || !strings.Contains(text, d.Signature.Header) {
			t.Errorf("%s: want %q on the page: %s", d.Name, want, text)
		}
		m := shown.FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("%s: no secret on the page: %s", d.Name, text)
		}
		msg := &webhook.Message{Type: "a", Time: time.Now(), Data: []byte(`{"n":1}`), Consumer: "7"}
		header, body, err := d.Sign(msg, webhook.Try{}, m[1])
		if err != nil {
			t.Fatal(err)
		}
		e, err := endpointID.Parse(id)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := st.db.Lane(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		if v := d.Verify(header, body, []string{kept.Endpoint.Secrets[0].Value.Reveal()}, time.Now()); !v.OK {
			t.Errorf("%s: %v", d.Name, v)
		}
	}

	// A key pair's private half stays here.
	_, key := st.project("standard", store.Development)
	made := st.do(key, "POST", "/v1/endpoints", `{"consumer":"acme","url":"https://example.com/","event_types":["*"],"secret_type":"ed25519"}`).want(201)
	text := st.do("", "POST", st.do(key, "POST", "/v1/endpoints/"+made.text("id")+"/secret-links", nil).want(201).text("path"), nil).page(200)
	if !strings.Contains(text, made.text("public_key")) || strings.Contains(text, "whsk_") || !strings.Contains(text, "v1a,base64(Ed25519(webhook-id.timestamp.body))") {
		t.Errorf("%s", text)
	}
	// While a secret rotates where one signature fits, the new one is said to be new.
	_, key = st.project("connectvets", store.Development)
	id := st.endpoint(key, "acme")
	fresh := st.do(key, "PATCH", "/v1/endpoints/"+id, `{"secret":null}`).want(200).text("secret")
	text = st.do("", "POST", st.do(key, "POST", "/v1/endpoints/"+id+"/secret-links", nil).want(201).text("path"), nil).page(200)
	if !strings.Contains(text, fresh) || !strings.Contains(text, "Accept both until then") {
		t.Errorf("%s", text)
	}
}

// TestLinkURL: a server that knows its own address gives whole links.
func TestLinkURL(t *testing.T) {
	t.Parallel()
	st := setup(t)
	st.server.public = "https://hooks.example.com"
	_, key := st.project("standard", store.Development)
	link := st.do(key, "POST", "/v1/endpoints/"+st.endpoint(key, "acme")+"/secret-links", nil).want(201)
	if link.text("url") != "https://hooks.example.com"+link.text("path") {
		t.Errorf("%s", link.body)
	}
}

// spend sets how many links this machine asked for just now, for an hour.
func (st *site) spend(n float64) {
	p := &st.server.links
	p.mu.Lock()
	defer p.mu.Unlock()
	p.of = map[netip.Prefix]bucket{network("127.0.0.1"): {spent: n, at: time.Now().Add(time.Hour)}}
}

// TestLinksAreThrottled: whatever number of links are asked for, the store is
// asked so many times; who asks often keeps nobody else out.
func TestLinksAreThrottled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p linkPacer
		count := func(n int, from string) (passed int) {
			for range n {
				if p.admit(from, time.Now()) {
					passed++
				}
			}
			return passed
		}
		var got []int
		for _, wait := range []time.Duration{0, 0, time.Second / 10, time.Second, time.Hour} {
			time.Sleep(wait)
			got = append(got, count(1000, "192.0.2.1"))
		}
		if want := []int{100, 0, 2, 20, 100}; !slices.Equal(got, want) {
			t.Errorf("%v passed, want %v", got, want)
		}
		if n := count(1000, "192.0.2.2"); n != 100 {
			t.Errorf("another address: %d passed, want 100", n)
		}
		if a, b := count(1000, "2001:db8::1"), count(1000, "2001:db8::2"); a != 100 || b != 0 {
			t.Errorf("two addresses of one network: %d and %d passed, want 100 and 0", a, b)
		}
		if a, b := count(1000, "x"), count(1000, "y"); a != 100 || b != 0 {
			t.Errorf("what is no address: %d and %d passed, want 100 and 0", a, b)
		}
		all := 0
		for i := range 20 {
			all += count(100, fmt.Sprintf("198.51.100.%d", i))
		}
		if all != linkBurstAll-400 {
			t.Errorf("all together: %d passed, want %d", all, linkBurstAll-400)
		}
		time.Sleep(time.Hour)
		p.admit("192.0.2.1", time.Now())
		for i := range maxLinkers + 10 {
			p.of[netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)] = bucket{}
		}
		if !p.admit("192.0.2.3", time.Now()) || len(p.of) != 2 {
			t.Errorf("%d addresses are remembered, want 2", len(p.of))
		}
	})
	st := setup(t)
	_, key := st.project("standard", store.Development)
	path := st.do(key, "POST", "/v1/endpoints/"+st.endpoint(key, "acme")+"/secret-links", nil).want(201).text("path")
	st.spend(linkBurst)
	a := st.do("", "POST", path, nil)
	if text := a.page(429); a.header.Get("Retry-After") != "1" || !strings.Contains(text, "Wait a few seconds") {
		t.Errorf("%v %s", a.header, text)
	}
	st.do("", "GET", linkPath+"mlt_link_x", nil).page(404) // costs nothing
	st.spend(0)
	for _, body := range []string{"", "a=1"} { // announced, and not sent
		conn := st.dial()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\n%s", path, body)
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
			resp.Body.Close()
			if resp.StatusCode < 400 {
				t.Errorf("half a request opened it: %d", resp.StatusCode)
			}
		}
	}
	st.do("", "POST", path, nil).page(200) // and is still to be opened
}
