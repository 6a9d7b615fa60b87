package dashboard_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/webhook"
)

// arrives sends a request to an inspector, as somebody out there does.
func (s *site) arrives(url string, header http.Header, body []byte) *http.Response {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, url, bytes.NewReader(body))
	s.no(err)
	r.Header = header.Clone()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(r)
	s.no(err)
	_, err = io.Copy(io.Discard, resp.Body)
	s.no(err)
	s.no(resp.Body.Close())
	return resp
}

var requestLink = regexp.MustCompile(`/requests/(req_[0-9a-z]+)"`)

// newest is the page of the newest request that an inspector's page lists.
func (v *visitor) newest(at string) (path string, page *seen) {
	v.s.Helper()
	m := requestLink.FindStringSubmatch(v.get(at).body)
	if m == nil {
		v.s.Fatalf("no request on %s", at)
	}
	path = at + "/requests/" + m[1]
	return path, v.get(path)
}

const inspectSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func signedTest(t *testing.T) (http.Header, []byte) {
	t.Helper()
	h, body, err := webhook.Standard().Sign(&webhook.Message{ID: webhook.NewID(), Type: "a.b", Time: time.Now(), Data: []byte(`{"name":"João"}`)}, webhook.Try{}, inspectSecret)
	if err != nil {
		t.Fatal(err)
	}
	return h, body
}

// inspected makes an inspector at which a webhook arrived, and a form with a
// file; text is put wherever a stranger may write.
func (s *site) inspected(c *client.Client, text string) (inspector string, requests []string) {
	s.Helper()
	i, err := c.CreateInspector(s.Context(), client.NewInspector{
		Name: plain(text, "Checkout"), Dialect: "standard", Secret: inspectSecret, Answer: &client.InspectorAnswer{Status: 202, Body: text, Headers: map[string]string{"X-Tea": "pot"}},
	})
	s.no(err)
	h, body := signedTest(s.T)
	h.Set("X-Hostile", oneLine(text))
	s.arrives(i.URL+"/orders?customer="+url.QueryEscape(cut(text, 2000)), h, append(body, '\n'))
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	s.no(w.SetBoundary("XX"))
	s.no(w.WriteField("note", text))
	part, err := w.CreateFormFile("file", cut(oneLine(text), 200)+".txt")
	s.no(err)
	_, err = io.WriteString(part, "hello\x00"+text)
	s.no(err)
	s.no(w.Close())
	s.arrives(i.URL+"/"+url.PathEscape(cut(text, 2000)), http.Header{"Content-Type": {w.FormDataContentType()}}, form.Bytes())
	for r, err := range c.InspectedRequests(s.Context(), i.ID, "") {
		s.no(err)
		requests = append([]string{r.ID}, requests...)
	}
	return i.ID, requests
}

// oneLine is a text as a header can hold it.
func oneLine(text string) string {
	return cut(strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, text)), 4000)
}

func cut(text string, most int) string { return strings.ToValidUTF8(text[:min(len(text), most)], "") }

// TestInspectorByForms makes an inspector without a script and looks at what
// arrives: genuine, changed on the way, forms of both kinds, bytes.
func TestInspectorByForms(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	operator, viewer := s.invited(owner, "otto@example.com", "operator"), s.invited(owner, "vera@example.com", "viewer")
	project, c := s.project("shop")
	base := "/p/" + project.ID + "/inspect"
	if to := viewer.get("/inspect").header.Get("Location"); to != base {
		t.Errorf("/inspect leads to %q", to)
	}
	viewer.get(base).mentions(t, "There is none yet.")
	if p := viewer.post(base, "name", "x"); p.status != http.StatusForbidden {
		t.Errorf("a viewer made one: %d", p.status)
	}
	operator.post(base, "name", "kept as typed", "dialect", "nonsense", "expires_in", "3600").
		mentions(t, `role="alert"`, "<strong>Contract (dialect):</strong>", `aria-describedby="w-dialect"`, "is not a dialect", "kept as typed", `value="3600" selected`)
	p := operator.post(base, "once", "a form", "name", "checkout <b>", "dialect", "standard", "secret", inspectSecret, "expires_in", "86400")
	at := p.header.Get("Location")
	if p.status != http.StatusSeeOther || !strings.HasPrefix(at, base+"/ins_") {
		t.Fatalf("%d %s", p.status, p.body)
	}
	i, err := c.Inspector(t.Context(), strings.TrimPrefix(at, base+"/"))
	s.no(err)
	page := viewer.get(at)
	page.mentions(t, i.URL, "checkout &lt;b&gt;", "Nothing arrived yet")
	if strings.Contains(page.body, inspectSecret) || strings.Contains(page.body, `action="`+at+`/clear"`) {
		t.Error("the secret, or what is not for a viewer, is on the page")
	}

	h, body := signedTest(t)
	s.arrives(i.URL+"/a/b?x=1&y=%20z", h, body)
	first, shown := viewer.newest(at)
	shown.mentions(t, "It is genuine", "/a/b", "webhook-signature", "<code><bdi>x</bdi></code>", "João", "It ends without a line end.", "curl --include")
	if strings.Contains(shown.body, inspectSecret) || strings.Contains(shown.body, "secret 1</td><td><code>v1,") {
		t.Error("the secret, or what it makes, is on the page")
	}
	s.arrives(i.URL+"/a/b", h, append(body, '\n'))
	second, shown := viewer.newest(at)
	shown.mentions(t, "The body is not the one that was signed.", "a line end was added behind it", "It ends with a line end: LF.", " 7d 0a</code>")
	compare := at + "/compare?a=" + strings.TrimPrefix(first, at+"/requests/") + "&b=" + strings.TrimPrefix(second, at+"/requests/")
	viewer.get(compare).mentions(t, "differs", "It ends with a line end: LF.")
	viewer.get(at).mentions(t, `action="`+at+`/compare"`)

	viewer.get(at).mentions(t, `<th scope="col">Signature</th>`, ">valid</span>", ">not valid</span>", "the body was changed")
	s.arrives(i.URL, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, []byte("nome=Jo%C3%A3o+Silva&x=%zz"))
	_, shown = viewer.newest(at)
	shown.mentions(t, "João Silva", "%zz")
	s.arrives(i.URL, http.Header{"Content-Type": {"multipart/form-data; boundary=XX"}}, []byte("--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"<b>.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--XX--\r\n"))
	_, shown = viewer.newest(at)
	shown.mentions(t, "&lt;b&gt;.txt", "hello")
	s.arrives(i.URL+"/bytes", http.Header{}, []byte("\x00\xff\xfe"))
	last, shown := viewer.newest(at)
	shown.mentions(t, "It is no text in UTF-8.", "00 ff fe")

	s.arrives(i.URL, http.Header{"X-Latin": {"S\xe3o"}}, nil)
	_, shown = viewer.newest(at)
	shown.mentions(t, "S\uFFFDo", "not UTF-8; in base64: U&#43;Nv")

	viewer.get(at+"?search=Silva").mentions(t, "application/x-www-form-urlencoded")
	if p := viewer.get(at + "?search=nothing-has-this"); !strings.Contains(p.body, "Nothing of what is kept has this text.") {
		t.Error("a search that finds nothing does not say so")
	}
	if p := operator.post(last + "/delete"); p.header.Get("Location") != at+"?done=removed" {
		t.Errorf("%d %v", p.status, p.header)
	}
	operator.post(at + "/clear")
	viewer.get(at).mentions(t, "Nothing arrived yet")
	operator.post(at + "/delete")
	if p := viewer.get(at); p.status != http.StatusNotFound {
		t.Errorf("it is there still: %d", p.status)
	}
}

// TestInspectorAnswersByForm: what the form says is what a sender gets.
func TestInspectorAnswersByForm(t *testing.T) {
	t.Parallel()
	s := open(t)
	v := s.owner()
	project, c := s.project("shop")
	i, err := c.CreateInspector(t.Context(), client.NewInspector{Name: "x"})
	s.no(err)
	at := "/p/" + project.ID + "/inspect/" + i.ID
	if p := v.post(at, "of", "answer", "status", "418", "headers", "X-Tea: pot\r\nContent-Type: text/plain", "body", "short\r\nstout", "delay", "0", "fail_rate", "0", "fail_status", "500"); p.status != http.StatusSeeOther {
		t.Fatalf("%d %s", p.status, p.body)
	}
	v.get(at).mentions(t, `value="418"`, "X-Tea: pot", "short\nstout")
	resp := s.arrives(i.URL, http.Header{}, nil)
	if resp.StatusCode != http.StatusTeapot || resp.Header.Get("X-Tea") != "pot" || resp.ContentLength != int64(len("short\nstout")) {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	v.post(at, "of", "answer", "status", "99", "body", "kept as typed", "delay", "x", "headers", "Set-Cookie: a=b").mentions(t, `role="alert"`, "kept as typed", `value="99"`, `value="x"`, "Set-Cookie: a=b")
	p := v.post(at, "of", "answer", "status", "99", "headers", "Set-Cookie: a=b", "fail_rate", "101")
	p.mentions(t, "<strong>Status:</strong>", "<strong>Fails, of 100:</strong>", "<strong>Headers:</strong> <bdi>Set-Cookie: is not sent", `id="w-status"`, `id="w-fail_rate"`, `id="w-headers"`, "Correct what is marked")
	if strings.Contains(p.body, "/answer") || strings.Contains(p.body, "errors names") {
		t.Error("the page speaks of pointers")
	}
	v.post(at, "of", "answer", "status", "200", "headers", "no header").mentions(t, `role="alert"`, `id="w-headers">Line 1 of the headers is none.`)
	v.post(at, "name", "typed", "dialect", "standard", "secret", "whsec_???").mentions(t, "<strong>Secret to verify with:</strong>", `id="w-secret"`, `value="typed"`, `value="standard" selected`)
	v.header.Set("Accept-Language", "pt-BR")
	v.post(at, "of", "answer", "status", "99").mentions(t, "<strong>Código de status:</strong>", "Corrija o que está marcado")
	v.header.Del("Accept-Language")
	if p := v.post(at, "name", "renamed", "dialect", "tarefa", "secret", "whsec_abc123def456"); p.status != http.StatusSeeOther {
		t.Fatalf("%d %s", p.status, p.body)
	}
	v.get(at).mentions(t, "renamed", "tarefa", "There is one. Empty: it stays.")
	v.post(at, "name", "renamed", "dialect", "tarefa", "no_secret", "1")
	v.get(at).mentions(t, "no secret")
}

// TestInspectorReplays sends what arrived to another address, as it came.
func TestInspectorReplays(t *testing.T) {
	t.Parallel()
	s := open(t)
	v := s.owner()
	project, c := s.project("shop")
	i, err := c.CreateInspector(t.Context(), client.NewInspector{})
	s.no(err)
	h, body := signedTest(t)
	s.arrives(i.URL+"/x", h, body)
	at := "/p/" + project.ID + "/inspect/" + i.ID
	path, _ := v.newest(at)
	s.receiver.answers(http.StatusAccepted, nil, "<i>taken</i>")
	v.post(path+"/replay", "url", s.receiver.URL+"/elsewhere").mentions(t, "202 Accepted", "&lt;i&gt;taken")
	got := <-s.receiver.came
	if got.URL.Path != "/elsewhere" || got.Header.Get("webhook-signature") != h.Get("webhook-signature") {
		t.Errorf("%s %v", got.URL, got.Header)
	}
	v.post(path+"/replay", "url", "nonsense").mentions(t, `role="alert"`, "<strong>URL:</strong>", `id="w-url"`, `value="nonsense"`)
}

// TestInspectorLive: what arrives shows on the page that is open, by itself.
func TestInspectorLive(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	project, c := s.project("shop")
	i, err := c.CreateInspector(t.Context(), client.NewInspector{Name: "live", Dialect: "standard", Secret: inspectSecret})
	s.no(err)
	b := chromium(t, s.url)
	b.signedIn(owner)
	b.open("/p/" + project.ID + "/inspect/" + i.ID)
	h, body := signedTest(t)
	s.arrives(i.URL+"/while-open", h, body)
	b.waitFor(`document.querySelectorAll("#tail tbody tr").length === 1 && document.querySelector("#tail tbody .s-delivered").textContent === "valid" && document.querySelectorAll("#tail tbody td").length === document.querySelectorAll("#tail thead th").length`)
	s.arrives(i.URL+"/second", http.Header{"X-Hostile": {`<script>window.__ran=1</script>`}}, []byte(`<img src=x onerror="window.__ran=1">`))
	b.waitFor(`document.querySelectorAll("#tail tbody tr").length === 2 && document.querySelector("#tail tbody tr a.main").textContent.includes("/second")`)
	b.run(chromedp.Click(chromedp.CSS("#tail tbody tr a.main")))
	b.waitFor(`document.body.innerText.includes("X-Hostile")`)
	if ran := eval[int](b, `window.__ran || 0`); ran != 0 {
		t.Error("what arrived ran")
	}
	b.calm("a request")
	b.accessible("a request")
}
