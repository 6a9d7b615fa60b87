package inspect_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/malote-dev/malote/internal/inspect"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/internal/store/storetest"
	"github.com/malote-dev/malote/webhook"
)

// A connection that is closed after an answer waits for half a second, and
// ends by itself: about as long as goleak looks.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// patience is how long something may take on a busy machine.
const patience = time.Minute

// place is a listener of inspectors on a fresh store, with one inspector.
type place struct {
	*testing.T
	db        *store.DB
	addr      string
	inspector *store.Inspector
	after     store.ID
	tls       *tls.Config
}

func newPlace(t *testing.T, answer store.InspectorAnswer) *place {
	t.Helper()
	return listen(t, answer, nil)
}

func listen(t *testing.T, answer store.InspectorAnswer, config *tls.Config) *place {
	t.Helper()
	ring, err := secret.NewKeyring(secret.NewMasterKey())
	must(t, err)
	p := &place{T: t, tls: config}
	p.db, err = store.Open(t.Context(), store.Options{Dir: storetest.Fresh(t), Keyring: ring, MinFree: -1})
	must(t, err)
	t.Cleanup(func() { must(t, p.db.Close()) })
	project := &store.Project{Name: "p", Environment: store.Development, Dialect: "standard"}
	must(t, p.db.CreateProject(t.Context(), project))
	p.inspector = &store.Inspector{ProjectID: project.ID, Token: store.NewInspectorToken(), Keep: time.Hour, Answer: answer}
	_, err = p.db.CreateInspectorOnce(t.Context(), p.inspector, 10, nil)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p.addr = l.Addr().String()
	if config != nil {
		l = tls.NewListener(l, config)
	}
	s := &http.Server{
		Handler: inspect.New(p.db, slog.New(slog.DiscardHandler)), ConnContext: inspect.ConnContext, MaxHeaderBytes: inspect.MaxHeaderBytes,
		ReadHeaderTimeout: patience, ErrorLog: log.New(io.Discard, "", 0),
	}
	served := make(chan error)
	go func() { served <- s.Serve(inspect.Listen(l)) }()
	t.Cleanup(func() {
		must(t, s.Close())
		<-served
	})
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// at is the address of the inspector, with what stands behind it.
func (p *place) at(rest string) string { return "/" + p.inspector.Token.Reveal() + rest }

// dial connects.
func (p *place) dial() net.Conn {
	p.Helper()
	c, err := net.DialTimeout("tcp", p.addr, patience)
	must(p.T, err)
	must(p.T, c.SetDeadline(time.Now().Add(patience)))
	if p.tls != nil {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	p.Cleanup(func() { _ = c.Close() })
	return c
}

// raw sends bytes on a connection of its own, and reads the answer to a method.
func (p *place) raw(method, text string) *http.Response {
	p.Helper()
	c := p.dial()
	_, err := io.WriteString(c, text)
	must(p.T, err)
	return p.answer(bufio.NewReader(c), method)
}

// answer reads one.
func (p *place) answer(r *bufio.Reader, method string) *http.Response {
	p.Helper()
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	must(p.T, err)
	body, err := io.ReadAll(resp.Body)
	must(p.T, err)
	must(p.T, resp.Body.Close())
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if resp.Header.Get("Content-Security-Policy") != "sandbox" || resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header["Set-Cookie"] != nil {
		p.Errorf("%v", resp.Header)
	}
	return resp
}

// next is the next request that arrived.
func (p *place) next() *store.InspectedRequest {
	p.Helper()
	r, err := p.db.NextInspected(p.Context(), p.inspector.ProjectID, p.inspector.ID, p.after)
	must(p.T, err)
	p.after = r.ID
	return r
}

// nothing checks that nothing more arrived.
func (p *place) nothing() {
	p.Helper()
	i, err := p.db.Inspector(p.Context(), p.inspector.ProjectID, p.inspector.ID)
	must(p.T, err)
	if page, err := p.db.InspectedRequests(p.Context(), i.ProjectID, i.ID, store.InspectedFilter{Limit: 1}); err != nil || len(page.Items) > 0 && page.Items[0].ID != p.after {
		p.Error("something more arrived", err)
	}
}

func ok() store.InspectorAnswer { return store.InspectorAnswer{Status: 200} }

// TestHeadersAsTheyCame: in their order and spelling, also of requests that
// share a connection.
func TestHeadersAsTheyCame(t *testing.T) {
	t.Parallel()
	p := newPlace(t, ok())
	const head = "host: a.example\r\nX-b: 1\r\nx-B:   2\r\naccept: */*\r\nX-A: \xe1\r\n"
	for name, text := range map[string]string{
		"plain":        "GET " + p.at("") + " HTTP/1.1\r\n" + head + "\r\n",
		"with a body":  "POST " + p.at("") + " HTTP/1.1\r\n" + head + "Content-Length: 4\r\n\r\nbody",
		"chunked":      "POST " + p.at("") + " HTTP/1.1\r\n" + head + "transfer-encoding: chunked\r\n\r\n2\r\nbo\r\n2;x=y\r\ndy\r\n0\r\n\r\n",
		"HTTP/1.0":     "POST " + p.at("") + " HTTP/1.0\r\n" + head + "Content-Length: 4\r\n\r\nbody",
		"without CRs":  strings.ReplaceAll("GET "+p.at("")+" HTTP/1.1\r\n"+head+"\r\n", "\r\n", "\n"),
		"other method": "frob " + p.at("") + " HTTP/1.1\r\n" + head + "\r\n",
	} {
		method, rest, _ := strings.Cut(text, " ")
		if got := p.raw(method, text); got.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", name, got.StatusCode)
		}
		r := p.next()
		_, lines, _ := strings.Cut(rest, "\n")
		want, body, _ := strings.Cut(lines, "\r\n\r\n")
		if want += "\r\n"; name == "without CRs" {
			want, body = strings.TrimSuffix(lines, "\n"), ""
		}
		if name == "chunked" {
			body = "body"
		}
		if string(r.Head) != want || r.Inexact || r.Method != method || string(r.Body) != body || r.BodyBytes != int64(len(body)) || r.Incomplete {
			t.Errorf("%s: %+v\n%q\n%q", name, r, r.Head, want)
		}
		if r.Host != "a.example" || r.Status != 200 || r.Read < 0 || r.ReceivedAt().IsZero() || !strings.HasPrefix(r.Remote, "127.0.0.1:") {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestPipelined: many requests in one write, and with bodies that end within
// another read.
func TestPipelined(t *testing.T) {
	t.Parallel()
	p := newPlace(t, ok())
	c := p.dial()
	var text strings.Builder
	const many = 12
	for i := range many {
		body := strings.Repeat("x", i*1500)
		fmt.Fprintf(&text, "POST %s HTTP/1.1\r\nHost: h\r\nX-n: %d\r\nContent-length: %d\r\n\r\n%s", p.at(fmt.Sprint("/", i)), i, len(body), body)
	}
	var sending sync.WaitGroup
	sending.Go(func() { _, _ = io.WriteString(c, text.String()) })
	r := bufio.NewReader(c)
	for i := range many {
		if got := p.answer(r, "POST"); got.StatusCode != http.StatusOK {
			t.Fatal(got.StatusCode)
		}
		q := p.next()
		if want := fmt.Sprintf("Host: h\r\nX-n: %d\r\nContent-length: %d\r\n", i, i*1500); string(q.Head) != want || q.Inexact || q.Path != fmt.Sprint("/", i) || len(q.Body) != i*1500 {
			t.Errorf("%d: %q %q", i, q.Path, q.Head)
		}
	}
	sending.Wait()
}

// TestChunkedEndsTheConnection: where a body ends is not known from outside.
func TestChunkedEndsTheConnection(t *testing.T) {
	t.Parallel()
	p := newPlace(t, ok())
	got := p.raw("POST", "POST "+p.at("")+" HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	if !got.Close {
		t.Errorf("%v", got.Header)
	}
}

func TestPathAndQuery(t *testing.T) {
	t.Parallel()
	p := newPlace(t, ok())
	for rest, want := range map[string][2]string{
		"": {"", ""}, "/": {"/", ""}, "?": {"", ""}, "?a=1&a=%20+": {"", "a=1&a=%20+"}, "/x%2Fy/../z//": {"/x%2Fy/../z//", ""}, "/é?ü": {"/é", "ü"},
	} {
		p.raw("GET", "GET "+p.at(rest)+" HTTP/1.1\r\nHost: h\r\n\r\n")
		if r := p.next(); r.Path != want[0] || r.Query != want[1] {
			t.Errorf("%s: %q %q", rest, r.Path, r.Query)
		}
	}
	for _, path := range []string{"/", "/nothing", "/" + store.NewInspectorToken().Reveal(), "/" + strings.ToUpper(p.inspector.Token.Reveal()), "//" + p.inspector.Token.Reveal()} {
		if got := p.raw("OPTIONS", "OPTIONS "+path+" HTTP/1.1\r\nHost: h\r\n\r\n"); got.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.StatusCode)
		}
	}
	p.nothing()
}

// TestLargeBodies: the first MiB is kept, the rest counted.
func TestLargeBodies(t *testing.T) {
	t.Parallel()
	p := newPlace(t, ok())
	for _, n := range []int{store.MaxInspectedBody, store.MaxInspectedBody + 1, 5 << 20} {
		body := strings.Repeat("x", n)
		if got := p.raw("POST", fmt.Sprintf("POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", p.at(""), n, body)); got.StatusCode != http.StatusOK {
			t.Error(got.StatusCode)
		}
		if r := p.next(); r.BodyBytes != int64(n) || len(r.Body) != min(n, store.MaxInspectedBody) || r.Incomplete {
			t.Errorf("%d: %d bytes, %d kept, incomplete %v", n, r.BodyBytes, len(r.Body), r.Incomplete)
		}
	}
	huge := p.dial()
	_, err := fmt.Fprintf(huge, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n", p.at(""))
	must(t, err)
	var sending sync.WaitGroup
	sending.Go(func() {
		piece := bytes.Repeat([]byte("x"), 1<<20)
		for {
			if _, err := huge.Write(piece); err != nil {
				return
			}
		}
	})
	if r := p.next(); r.BodyBytes != 99999999999 || len(r.Body) != store.MaxInspectedBody || !r.Incomplete {
		t.Errorf("%d bytes, %d kept, incomplete %v", r.BodyBytes, len(r.Body), r.Incomplete)
	}
	_ = huge.Close()
	sending.Wait()
}

// TestBrokenBody: what came of a body is kept.
func TestBrokenBody(t *testing.T) {
	t.Parallel()
	p := newPlace(t, ok())
	c := p.dial()
	_, err := io.WriteString(c, "POST "+p.at("")+" HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf")
	must(t, err)
	must(t, c.(*net.TCPConn).CloseWrite())
	if r := p.next(); string(r.Body) != "half" || r.BodyBytes != 10 || !r.Incomplete {
		t.Errorf("%+v", r)
	}
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	p := newPlace(t, ok())
	c := p.dial()
	_, err := io.WriteString(c, "POST "+p.at("")+" HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	must(t, err)
	r := bufio.NewReader(c)
	if line, err := r.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatal(line, err)
	}
	_, err = r.ReadString('\n')
	must(t, err)
	_, err = io.WriteString(c, "bodyGET "+p.at("/second")+" HTTP/1.1\r\nHost: h\r\nx-Y: z\r\n\r\n")
	must(t, err)
	p.answer(r, "POST")
	p.answer(r, "GET")
	if q := p.next(); string(q.Body) != "body" || !strings.Contains(string(q.Head), "Expect: 100-continue\r\n") {
		t.Errorf("%+v", q)
	}
	if q := p.next(); string(q.Head) != "Host: h\r\nx-Y: z\r\n" {
		t.Errorf("%q", q.Head)
	}
}

// TestAnswers: as the inspector says, or the parameters of the address.
func TestAnswers(t *testing.T) {
	t.Parallel()
	p := newPlace(t, store.InspectorAnswer{
		Status: 202, Body: []byte("<script>alert(1)</script>"),
		Headers: []webhook.Field{{Name: "content-type", Value: "text/html"}, {Name: "x-Own", Value: "1"}, {Name: "Set-Cookie", Value: "a=b"}, {Name: "content-security-policy", Value: "default-src *"}},
	})
	for _, c := range []struct {
		method, rest string
		status       int
		body, kind   string
		ignored      string
	}{
		{"GET", "", 202, "<script>alert(1)</script>", "text/html", ""},
		{"HEAD", "", 202, "", "text/html", ""},
		{"POST", "?malote_status=503", 503, "<script>alert(1)</script>", "text/html", ""},
		{"POST", "?malote_body=hi%20you", 202, "hi you", "text/html", ""},
		{"POST", "?malote_status=204", 204, "", "text/html", ""},
		{"POST", "?malote_status=100&malote_body=", 202, "", "text/html", "malote_status"},
		{"POST", "?malote_status=x&malote_delay=31s&malote_fail=101", 202, "<script>alert(1)</script>", "text/html", "malote_delay malote_fail malote_status"},
		{"POST", "?malote_dealy=1s&malote_%0d%0aX-A:%20b=1&x=1;malote_fail=99", 202, "<script>alert(1)</script>", "text/html", "malote_???????b malote_dealy"},
		{"POST", "?malote_fail=100", 200, "", "", ""}, // it has no status of a failure
		{"POST", "?malote_delay=0.001", 202, "<script>alert(1)</script>", "text/html", ""},
		{"POST", "?malote_delay=1ms", 202, "<script>alert(1)</script>", "text/html", ""},
	} {
		got := p.raw(c.method, c.method+" "+p.at(c.rest)+" HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
		body, _ := io.ReadAll(got.Body)
		if got.StatusCode != c.status || string(body) != c.body || got.Header.Get("Content-Type") != c.kind {
			t.Errorf("%s %s: %d %q %v", c.method, c.rest, got.StatusCode, body, got.Header)
		}
		if c.kind != "" && got.Header.Get("X-Own") != "1" {
			t.Errorf("%v", got.Header)
		}
		var said []string
		for _, v := range got.Header[inspect.IgnoredHeader] {
			name, what, _ := strings.Cut(v, ": ")
			if said = append(said, name); what == "" {
				t.Errorf("%s: %q", c.rest, v)
			}
		}
		if strings.Join(said, " ") != c.ignored {
			t.Errorf("%s: %q are said to be passed over", c.rest, said)
		}
		if r := p.next(); r.Status != c.status || strings.Join(r.Ignored, " ") != c.ignored || r.Failed != strings.Contains(c.rest, "fail=100") {
			t.Errorf("%s: %+v", c.rest, r)
		}
	}
	for end := time.Now().Add(patience); ; { // nobody waits for what is noted then
		r, err := p.db.InspectedRequest(t.Context(), p.inspector.ProjectID, p.inspector.ID, p.after)
		must(t, err)
		if r.Delay != time.Millisecond || time.Now().After(end) {
			t.Fatalf("%+v", r)
		}
		if !r.AnsweredAt.IsZero() {
			break
		}
	}
}

// TestGoneWhileHeldBack: the request is there at once, its answer never.
func TestGoneWhileHeldBack(t *testing.T) {
	t.Parallel()
	p := newPlace(t, store.InspectorAnswer{Status: 200, Delay: 30 * time.Second})
	c := p.dial()
	_, err := io.WriteString(c, "GET "+p.at("")+" HTTP/1.1\r\nHost: h\r\n\r\n")
	must(t, err)
	if r := p.next(); r.Delay != 30*time.Second || !r.AnsweredAt.IsZero() {
		t.Errorf("%+v", r)
	}
	must(t, c.Close())
}

func TestRate(t *testing.T) {
	t.Parallel()
	p := newPlace(t, ok())
	c := p.dial()
	var sending sync.WaitGroup
	const many = 1000
	sending.Go(func() { _, _ = io.WriteString(c, strings.Repeat("GET "+p.at("")+" HTTP/1.1\r\nHost: h\r\n\r\n", many)) })
	r, refused := bufio.NewReader(c), 0
	for range many {
		switch got := p.answer(r, "GET"); {
		case got.StatusCode == http.StatusTooManyRequests && got.Header.Get("Retry-After") == "1":
			refused++
		case got.StatusCode != http.StatusOK:
			t.Fatal(got.StatusCode)
		}
	}
	sending.Wait()
	i, err := p.db.Inspector(t.Context(), p.inspector.ProjectID, p.inspector.ID)
	must(t, err)
	if i.Requests != min(many-refused, store.MaxInspected) {
		t.Errorf("%d refused, %d kept", refused, i.Requests)
	}
}

// TestTLS: heads are read inside of it.
func TestTLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	config := &tls.Config{Certificates: s.TLS.Certificates}
	s.Close()
	p := listen(t, ok(), config)
	if got := p.raw("GET", "GET "+p.at("")+" HTTP/1.1\r\nhOst: h\r\n\r\n"); got.StatusCode != http.StatusOK {
		t.Error(got.StatusCode)
	}
	if r := p.next(); r.TLS != "TLS 1.3" || string(r.Head) != "hOst: h\r\n" {
		t.Errorf("%+v", r)
	}
}

// TestWithoutMemory: a connection that remembers no heads has those of net/http.
func TestWithoutMemory(t *testing.T) {
	t.Parallel()
	p := newPlace(t, ok())
	h := inspect.New(p.db, slog.New(slog.DiscardHandler))
	r := httptest.NewRequestWithContext(t.Context(), "POST", p.at(""), strings.NewReader("x"))
	r.Header.Set("B", "1")
	r.Header.Set("A", "2")
	h.ServeHTTP(httptest.NewRecorder(), r)
	if got := p.next(); !got.Inexact || string(got.Head) != "Host: example.com\r\nA: 2\r\nB: 1\r\n" {
		t.Errorf("%+v", got)
	}
}
