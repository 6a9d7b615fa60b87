package egress

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// rawServer answers with whatever bytes a test wants.
type rawServer struct {
	url      *url.URL
	requests atomic.Int32 // that came in whole
	conns    atomic.Int32
}

// rawConn is one connection at a rawServer.
type rawConn struct {
	*net.TCPConn
	br *bufio.Reader
	s  *rawServer
}

// request reads one request, nil at the connection's end.
func (c *rawConn) request() *http.Request {
	r, err := http.ReadRequest(c.br)
	if err != nil {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	c.s.requests.Add(1)
	return r
}

func (c *rawConn) say(text string) { _, _ = io.WriteString(c, text) }

// reset ends the connection with a RST.
func (c *rawConn) reset() { _ = c.SetLinger(0); _ = c.Close() }

func newRawServer(t testing.TB, serve func(c *rawConn)) *rawServer {
	t.Helper()
	l := listen(t)
	s := &rawServer{url: &url.URL{Scheme: "http", Host: l.Addr().String(), Path: "/in"}}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			wg.Go(func() {
				serve(&rawConn{c.(*net.TCPConn), bufio.NewReader(c), s})
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return s
}

// says answers each request of a connection with the same bytes, then closes
// it if told to.
func says(text string, closes bool) func(*rawConn) {
	return func(c *rawConn) {
		for c.request() != nil {
			c.say(text)
			if closes {
				return
			}
		}
	}
}

func loopbackClient(t testing.TB) *Client {
	c := New(Options{Policy: Policy{AllowLoopback: true}})
	t.Cleanup(c.Close)
	return c
}

func post(u *url.URL, body string) *Request {
	return &Request{
		URL: u, Fields: []webhook.Field{{Name: "Content-Type", Value: "application/json"}}, Body: []byte(body),
		Connect: testLimit, Total: testLimit, MaxBody: 64 << 10, MaxOK: 1 << 10,
	}
}

const ok200 = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// TestAnswers is what is made of an answer, byte by byte (E4 to E10, E13,
// E15, E19, E20).
func TestAnswers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100<<10)
	cases := []struct {
		name   string
		raw    string
		status int
		body   string
		cut    bool // Truncated
		keep   bool // the connection carries a second request
		class  store.Class
		detail string
		closes bool // the server closes after the answer
	}{
		{name: "plain", raw: ok200, status: 200, body: "ok", keep: true},
		{name: "no reason", raw: "HTTP/1.1 204\r\n\r\n", status: 204, keep: true},
		{name: "empty reason", raw: "HTTP/1.1 201 \r\nContent-Length: 0\r\n\r\n", status: 201, keep: true},
		{name: "bare line feeds", raw: "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", status: 200, body: "ok", keep: true},
		{name: "1.0", raw: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok"},
		{name: "1.0 keep-alive", raw: "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", keep: true},
		{name: "until close", raw: "HTTP/1.1 500 X\r\n\r\nboom", status: 500, body: "boom", closes: true},
		{name: "connection close", raw: "HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok"},
		{name: "chunked", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\no\r\n1\r\nk\r\n0\r\nX-T: 1\r\n\r\n", status: 200, body: "ok", keep: true},
		{name: "chunked, upper-case hex", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", status: 200, body: "0123456789", keep: true},
		{name: "chunked and length", raw: "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", status: 200, body: "ok"},
		{name: "chunk size malformed", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n", status: 200, cut: true},
		{name: "chunk size negative", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nok\r\n", status: 200, cut: true},
		{name: "chunk size overflows", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nok\r\n", status: 200, cut: true},
		{name: "chunk without line end", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokok\r\n0\r\n\r\n", status: 200, body: "ok", cut: true},
		{name: "gzip is not inflated", raw: "HTTP/1.1 400 X\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00", status: 400, body: "\x1f\x8b\x08\x00", keep: true},
		{name: "204 with body", raw: "HTTP/1.1 204 X\r\nContent-Length: 2\r\n\r\nok", status: 204},
		{name: "304", raw: "HTTP/1.1 304 X\r\nContent-Length: 200\r\n\r\n", status: 304, keep: true},
		{name: "body short", raw: "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok", status: 200, body: "ok", cut: true, closes: true},
		{name: "chunked short", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\nok", status: 200, body: "ok", cut: true, closes: true},
		{name: "headers short", raw: "HTTP/1.1 200 OK\r\nX-A: b\r\nX-", status: 200, cut: true, closes: true},
		{name: "body longer than told", raw: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nok", status: 200, body: "o"},
		{name: "two lengths", raw: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", closes: true},
		{name: "the same length twice", raw: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", keep: true},
		{name: "length with sign", raw: "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", status: 200, body: "ok", closes: true},
		{name: "length overflows", raw: "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok", status: 200, body: "ok", closes: true},
		{name: "folded header", raw: "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", closes: true},
		{name: "header without colon", raw: "HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", closes: true},
		{name: "interim answers", raw: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + ok200, status: 200, body: "ok", keep: true},
		{name: "redirect", raw: "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", status: 302, keep: true},
		{name: "inert", raw: "HTTP/1.1 500 \x1b[31m\r\nSet-Cookie: a=b\r\nX-Bad: \x80\x00\r\nContent-Length: 4\r\n\r\n\x00<b>", status: 500, body: "\x00<b>", keep: true},
		{name: "100 KB after 2xx", raw: "HTTP/1.1 200 OK\r\nContent-Length: 102400\r\n\r\n" + long, status: 200, body: long[:1<<10], cut: true},
		{name: "2 KB after 2xx is drained", raw: "HTTP/1.1 200 OK\r\nContent-Length: 2048\r\n\r\n" + long[:2<<10], status: 200, body: long[:1<<10], cut: true, keep: true},
		{name: "2 KB of chunks after 2xx are drained", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n" + long[:1<<10] + "\r\n400\r\n" + long[:1<<10] + "\r\n0\r\n\r\n", status: 200, body: long[:1<<10], cut: true, keep: true},
		{name: "exactly what is kept", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n" + long[:1<<10] + "\r\n0\r\n\r\n", status: 200, body: long[:1<<10], keep: true},
		{name: "100 KB after 500", raw: "HTTP/1.1 500 X\r\nContent-Length: 102400\r\n\r\n" + long, status: 500, body: long[:64<<10], cut: true, keep: true},
		{name: "20 KB of headers", raw: "HTTP/1.1 200 OK\r\nX-A: " + long[:20<<10] + "\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", cut: true, keep: true},
		{name: "100 KB of headers", raw: "HTTP/1.1 200 OK\r\nX-A: " + long + "\r\nContent-Length: 2\r\n\r\nok", status: 200, cut: true},
		{name: "10,000 headers", raw: "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: b\r\nX-B: c\r\n", 5000) + "\r\n", status: 200, cut: true},

		{name: "status 007", raw: "HTTP/1.1 007 X\r\n\r\n", class: store.ClassProtocol, detail: "malformed"},
		{name: "status 99", raw: "HTTP/1.1 99 X\r\n\r\n", class: store.ClassProtocol, detail: "malformed"},
		{name: "status 099", raw: "HTTP/1.1 099 X\r\n\r\n", class: store.ClassProtocol, detail: "malformed"},
		{name: "status 600", raw: "HTTP/1.1 600 X\r\n\r\n", class: store.ClassProtocol, detail: "malformed"},
		{name: "status 999", raw: "HTTP/1.1 999 X\r\n\r\n", class: store.ClassProtocol, detail: "malformed"},
		{name: "status 2000", raw: "HTTP/1.1 2000 X\r\n\r\n", class: store.ClassProtocol, detail: "malformed"},
		{name: "status 200OK", raw: "HTTP/1.1 200OK\r\n\r\n", class: store.ClassProtocol, detail: "malformed"},
		{name: "status +20", raw: "HTTP/1.1 +20 OK\r\n\r\n", class: store.ClassProtocol, detail: "malformed"},
		{name: "two spaces", raw: "HTTP/1.1  200 OK\r\n\r\n", class: store.ClassProtocol, detail: "malformed"},
		{name: "1.2", raw: "HTTP/1.2 200 OK\r\n\r\n", class: store.ClassProtocol, detail: "malformed"},
		{name: "lower case", raw: "http/1.1 200 OK\r\n\r\n", class: store.ClassProtocol, detail: "not HTTP"},
		{name: "HTTP/2 in words", raw: "HTTP/2 200\r\n\r\n", class: store.ClassProtocol, detail: "HTTP/2"},
		{name: "HTTP/2 settings", raw: "\x00\x00\x00\x04\x00\x00\x00\x00\x00", class: store.ClassProtocol, detail: "HTTP/2"},
		{name: "TLS alert", raw: "\x15\x03\x01\x00\x02\x02\x46", class: store.ClassProtocol, detail: "use https"},
		{name: "ssh", raw: "SSH-2.0-OpenSSH_9\r\n", class: store.ClassProtocol, detail: "SSH-2.0"},
		{name: "binary", raw: "\x00\xff\xfe\x01", class: store.ClassProtocol, detail: "not HTTP"},
		{name: "101", raw: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nwhatever", status: 101, class: store.ClassProtocol, detail: "101"},
		{name: "17 interim answers", raw: strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 17) + ok200, class: store.ClassProtocol, detail: "interim"},
		{name: "long interim answers", raw: strings.Repeat("HTTP/1.1 102 P\r\nX-A: "+long[:10<<10]+"\r\n\r\n", 10) + ok200, class: store.ClassProtocol, detail: "interim"},
		{name: "endless status line", raw: "HTTP/1.1 200 " + long, cut: true, class: store.ClassProtocol, detail: "malformed"},
		{name: "nothing", raw: "", class: store.ClassReset, detail: "closed the connection before answering", closes: true},
		{name: "half a status line", raw: "HTTP/1.1 2", class: store.ClassReset, detail: "middle of the status line", closes: true},
		{name: "only interim", raw: "HTTP/1.1 100 Continue\r\n\r\n", class: store.ClassReset, closes: true},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			s := newRawServer(t, says(k.raw, k.closes))
			c := loopbackClient(t)
			for try := int32(1); try <= 2; try++ {
				resp, err := c.Send(context.Background(), post(s.url, "{}"))
				if classOf(err) != k.class || resp.Status != k.status || string(resp.Body) != k.body || resp.Truncated != k.cut {
					t.Fatalf("status %d, truncated %v, %d bytes of body %.40q, error %v", resp.Status, resp.Truncated, len(resp.Body), resp.Body, err)
				}
				if err != nil && !strings.Contains(err.Error(), k.detail) {
					t.Errorf("%v does not say %q", err, k.detail)
				}
				if resp.Timings.Reused != (k.keep && try == 2) || resp.Timings.Total <= 0 || len(resp.RequestHead) == 0 {
					t.Errorf("try %d: timings %+v", try, resp.Timings)
				}
				if n := s.requests.Load(); n != try {
					t.Errorf("%d requests arrived after %d sends", n, try)
				}
				if k.class == "" && !bytes.HasPrefix([]byte(k.raw[strings.LastIndex(k.raw, "HTTP/1"):]), resp.Head) {
					t.Errorf("head %.60q", resp.Head)
				}
			}
		})
	}
}

// TestReset is E11: cut before, in and after the status line.
func TestReset(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, raw string
		status    int
		class     store.Class
	}{
		{"before any byte", "", 0, store.ClassReset},
		{"in the status line", "HTTP/1.1 20", 0, store.ClassReset},
		{"in the headers", "HTTP/1.1 200 OK\r\nX-", 200, ""},
		{"in the body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", 200, ""},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			got := make(chan struct{})
			s := newRawServer(t, func(c *rawConn) {
				if c.request() == nil {
					return
				}
				c.say(k.raw)
				if k.raw != "" {
					<-got // a RST would overtake the bytes
				}
				c.reset()
			})
			c := loopbackClient(t)
			c.dialer.dial = signalling(c.dialer.dial, got)
			resp, err := c.Send(context.Background(), post(s.url, "{}"))
			if resp.Status != k.status || classOf(err) != k.class || s.requests.Load() != 1 {
				t.Errorf("%d, %v", resp.Status, err)
			}
		})
	}
}

// signalling closes got once the first bytes have been read.
func signalling(dial func(context.Context, netip.AddrPort) (net.Conn, error), got chan struct{}) func(context.Context, netip.AddrPort) (net.Conn, error) {
	return func(ctx context.Context, a netip.AddrPort) (net.Conn, error) {
		c, err := dial(ctx, a)
		if err != nil {
			return nil, err
		}
		var once sync.Once
		return &readSignal{c, func() { once.Do(func() { close(got) }) }}, nil
	}
}

type readSignal struct {
	net.Conn
	after func()
}

func (c *readSignal) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.after()
	}
	return n, err
}

// TestNeverEndingBody is E4: the status counts, memory is bounded, and it is
// over long before the deadline.
func TestNeverEndingBody(t *testing.T) {
	t.Parallel()
	for _, head := range []string{"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n"} {
		s := newRawServer(t, func(c *rawConn) {
			c.request()
			c.say(head)
			for {
				if _, err := io.WriteString(c, "400\r\n"+strings.Repeat("x", 0x400)+"\r\n"); err != nil {
					return
				}
			}
		})
		c := loopbackClient(t)
		r := post(s.url, "{}")
		r.Total = time.Minute
		resp, err := c.Send(context.Background(), r)
		if err != nil || !resp.Truncated || len(resp.Body) > 64<<10 || c.Idle() != 0 || resp.Timings.Total > 5*time.Second {
			t.Errorf("%d bytes, %v, %+v", len(resp.Body), err, resp.Timings)
		}
	}
}

// TestEarlyAnswer is E27: the server answers 413 and reads no further, with
// and without closing.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	for _, closes := range []bool{true, false} {
		t.Run(fmt.Sprintf("closes %v", closes), func(t *testing.T) {
			t.Parallel()
			done := make(chan struct{})
			s := newRawServer(t, func(c *rawConn) {
				if _, err := http.ReadRequest(c.br); err != nil {
					return
				}
				c.say("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
				if closes {
					_ = c.CloseWrite()
				}
				<-done
			})
			defer close(done)
			c := loopbackClient(t)
			r := post(s.url, strings.Repeat("x", 32<<20))
			r.Total = 20 * time.Second
			resp, err := c.Send(context.Background(), r)
			if err != nil || resp.Status != 413 || string(resp.Body) != "big" || c.Idle() != 0 || resp.Timings.Total > 5*time.Second {
				t.Errorf("%d %q, %v, %s", resp.Status, resp.Body, err, resp.Timings.Total)
			}
		})
	}
}

// TestEarlyAnswerThenReset is the harsher E27: the answer is followed by a RST.
func TestEarlyAnswerThenReset(t *testing.T) {
	t.Parallel()
	got := make(chan struct{})
	s := newRawServer(t, func(c *rawConn) {
		if _, err := http.ReadRequest(c.br); err != nil {
			return
		}
		c.say("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
		<-got
		c.reset()
	})
	c := loopbackClient(t)
	c.dialer.dial = signalling(c.dialer.dial, got)
	resp, err := c.Send(context.Background(), post(s.url, strings.Repeat("x", 8<<20)))
	if err != nil || resp.Status != 413 {
		t.Errorf("%d, %v", resp.Status, err)
	}
}

// TestSlowReader is E3: the deadline covers the write.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	s := newRawServer(t, func(c *rawConn) {
		_ = c.SetReadBuffer(4096)
		<-done
	})
	defer close(done)
	c := loopbackClient(t)
	r := post(s.url, strings.Repeat("x", 16<<20))
	r.Total = 150 * time.Millisecond
	_, err := c.Send(context.Background(), r)
	if classOf(err) != store.ClassTimeout || !strings.Contains(err.Error(), "stopped reading") {
		t.Error(err)
	}
}

// TestKeepAliveRace is E12: the server closes idle connections at the worst
// moment. No request is sent twice; what fails is an attempt.
func TestKeepAliveRace(t *testing.T) {
	t.Parallel()
	s := newRawServer(t, says(ok200, true))
	c := loopbackClient(t)
	sent, failed := int32(0), int32(0)
	for range 300 {
		_, err := c.Send(context.Background(), post(s.url, "{}"))
		sent++
		if err != nil {
			failed++
			if classOf(err) != store.ClassReset || !strings.Contains(err.Error(), "kept-alive") {
				t.Fatal(err)
			}
		}
	}
	if arrived := s.requests.Load(); arrived != sent-failed {
		t.Errorf("%d arrived of %d sent, %d failed", arrived, sent, failed)
	}
	t.Logf("%d of %d hit the closing connection", failed, sent)
}

// TestUnaskedAnswer has bytes on an idle connection: it is not used again.
func TestUnaskedAnswer(t *testing.T) {
	t.Parallel()
	sent := make(chan struct{})
	s := newRawServer(t, func(c *rawConn) {
		for c.request() != nil {
			c.say(ok200)
			c.say("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")
			sent <- struct{}{}
		}
	})
	c := loopbackClient(t)
	for range 3 {
		resp, err := c.Send(context.Background(), post(s.url, "{}"))
		if err != nil || resp.Status != 200 || resp.Timings.Reused {
			t.Errorf("%+v, %v", resp, err)
		}
		<-sent
	}
}

// TestKeepAliveTimeout honours the server's own limit, less a margin.
func TestKeepAliveTimeout(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"timeout=5": 4 * time.Second, "timeout=5, max=100": 4 * time.Second, "max=3, timeout=1": 500 * time.Millisecond,
		`timeout="20"`: 19 * time.Second, "timeout=0": 0, "timeout=-1": 0, "timeout=999999999999999999999": 0, "": 0, "max=5": 0,
	} {
		if got := keepAliveTimeout([]byte(text)); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// pipeClient sends into in-memory connections, so that time can be faked.
func pipeClient(serve func(net.Conn)) *Client {
	return New(Options{
		Policy: Policy{AllowHTTP: true, Interfaces: noInterfaces},
		Dial: func(context.Context, netip.AddrPort) (net.Conn, error) {
			a, b := net.Pipe()
			go func() { serve(b); _ = b.Close() }()
			return a, nil
		},
	})
}

var pipeURL = &url.URL{Scheme: "http", Host: publicAddr, Path: "/in"}

// TestDeadlines is E1, E2 and E16 in faked time: one deadline for the whole
// exchange, exact to the boundary.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	read := func(c net.Conn) { _, _ = http.ReadRequest(bufio.NewReader(c)) }
	cases := []struct {
		name   string
		serve  func(net.Conn)
		took   time.Duration
		status int
		class  store.Class
	}{
		{"never answers", func(c net.Conn) { read(c); _, _ = io.Copy(io.Discard, c) }, 15 * time.Second, 0, store.ClassTimeout},
		{"never reads", func(c net.Conn) { time.Sleep(time.Hour) }, 15 * time.Second, 0, store.ClassTimeout},
		{"slow status line", func(c net.Conn) { read(c); drip(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") }, 15 * time.Second, 0, store.ClassTimeout},
		{"slow body", func(c net.Conn) {
			read(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
			drip(c, strings.Repeat("x", 100))
		}, 15 * time.Second, 200, ""},
		{"after 14.9 s", func(c net.Conn) { read(c); time.Sleep(14900 * time.Millisecond); _, _ = io.WriteString(c, ok200) }, 14900 * time.Millisecond, 200, ""},
		{"after 15.1 s", func(c net.Conn) { read(c); time.Sleep(15100 * time.Millisecond); _, _ = io.WriteString(c, ok200) }, 15 * time.Second, 0, store.ClassTimeout},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := pipeClient(k.serve)
				defer c.Close()
				r := post(pipeURL, "{}")
				r.Total = 15 * time.Second
				start := time.Now()
				resp, err := c.Send(context.Background(), r)
				if took := time.Since(start); took != k.took || resp.Status != k.status || classOf(err) != k.class || resp.Timings.Total != took {
					t.Errorf("%s, status %d, %v, %+v", took, resp.Status, err, resp.Timings)
				}
				time.Sleep(2 * time.Hour) // faked: the server's goroutine ends
			})
		})
	}
}

// drip writes a byte every five seconds.
func drip(c net.Conn, text string) {
	for i := range len(text) {
		if _, err := io.WriteString(c, text[i:i+1]); err != nil {
			return
		}
		time.Sleep(5 * time.Second)
	}
}

// TestCancel interrupts a running Send at once.
func TestCancel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := pipeClient(func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
		defer c.Close()
		r := post(pipeURL, "{}")
		r.Total = time.Hour
		start := time.Now()
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(7*time.Second, cancel)
		_, err := c.Send(ctx, r)
		if took := time.Since(start); took != 7*time.Second || classOf(err) != store.ClassCancelled || !oursOf(err) {
			t.Errorf("%s, %v", took, err)
		}
		if _, err = c.Send(ctx, r); classOf(err) != store.ClassCancelled {
			t.Error(err)
		}
	})
}
