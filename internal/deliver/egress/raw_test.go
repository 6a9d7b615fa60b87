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

// TestReset: cut before, in and after the status line.
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

// TestNeverEndingBody: the status counts, memory is bounded, and it is
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

// TestChunkOverhead: size lines and trailers are bounded, not only the data.
func TestChunkOverhead(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"1;" + strings.Repeat("x", 200) + "\r\ny\r\n", "0\r\n" + strings.Repeat("X-Trailer: y\r\n", 1<<10)} {
		raw := "HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat(unit, 1<<10)
		r := &slowly{strings.NewReader(raw), 4096}
		c := New(Options{Policy: Policy{Interfaces: noInterfaces}, Dial: func(context.Context, netip.AddrPort) (net.Conn, error) { return &bytesConn{in: r}, nil }})
		resp, err := c.Send(context.Background(), post(pipeURL, "{}"))
		left, _ := io.Copy(io.Discard, r.r)
		if err != nil || !resp.Truncated || left < int64(len(raw))-(80<<10) || c.Idle() != 0 {
			t.Errorf("%v, %d of %d bytes left", err, left, len(raw))
		}
		c.Close()
	}
}

// TestIdleLimitOfServer: a connection is not used beyond what the server
// said, and a long body is not waited for once enough of it is kept.
func TestIdleLimitOfServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := pipeClient(func(c net.Conn) {
			br := bufio.NewReader(c)
			for {
				if _, err := http.ReadRequest(br); err != nil {
					return
				}
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nContent-Length: 4\r\n\r\nok")
				time.Sleep(100 * time.Millisecond)
				_, _ = io.WriteString(c, "ok")
			}
		})
		defer c.Close()
		r := post(pipeURL, "")
		for i, wait := range []time.Duration{0, 3900 * time.Millisecond, 4100 * time.Millisecond} {
			time.Sleep(wait)
			if resp, err := c.Send(context.Background(), r); err != nil || resp.Timings.Reused != (i == 1) {
				t.Errorf("after %s: %+v, %v", wait, resp.Timings, err)
			}
		}
		stalls := pipeClient(func(c net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n"+strings.Repeat("x", 1500))
			_, _ = io.Copy(io.Discard, c)
		})
		start := time.Now()
		resp, err := stalls.Send(context.Background(), r)
		if took := time.Since(start); err != nil || len(resp.Body) != 1<<10 || !resp.Truncated || took > drainGrace {
			t.Errorf("%s, %v", took, err)
		}
		stalls.Close()
		time.Sleep(time.Minute)
	})
}

// TestEarlyAnswer: the server answers 413 and reads no further, with
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

// TestEarlyAnswerThenReset: the early answer is followed by a RST.
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

// TestSlowReader: the deadline covers the write.
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

// TestKeepAliveRace: the server closes idle connections at the worst
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

// TestDeadlines, in faked time: one deadline for the whole
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
