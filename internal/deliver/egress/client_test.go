package egress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

func oursOf(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Ours
}

func TestSendDelivers(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte("ok"))
	}
	c := loopbackClient(t)
	u := &url.URL{Scheme: "http", Host: s.plain.Addr().String(), Path: "/in", RawQuery: "x=1"}
	for i, size := range []int{0, 10, 1 << 10, oneWrite - 200, oneWrite, 100 << 10, 4 << 20} {
		body := strings.Repeat("x", size)
		r := post(u, body)
		r.MaxOK = 1
		resp, err := c.Send(context.Background(), r)
		if err != nil || resp.Status != 202 || string(resp.Body) != "o" || !resp.Truncated || resp.Timings.Reused != (i > 0) {
			t.Fatalf("%d bytes: %+v, %v", size, resp, err)
		}
		if got, _, _ := s.take(); len(got) != 1 || got[0] != (arrival{u.Host, "/in?x=1", body}) {
			t.Fatalf("%d bytes: something else came", size)
		}
		if tm := resp.Timings; tm.FirstByte <= 0 || tm.Total < tm.FirstByte || (tm.Connect > 0) == tm.Reused {
			t.Errorf("%+v", tm)
		}
	}
	if c.Idle() != 1 {
		t.Errorf("%d idle connections", c.Idle())
	}
}

// TestRequestHead: what is shown is what was sent, but for redacted values.
func TestRequestHead(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	var mu sync.Mutex
	c := pipeClient(func(c net.Conn) {
		buf := make([]byte, 4096)
		n, _ := c.Read(buf)
		mu.Lock()
		got.Reset()
		got.Write(buf[:n])
		mu.Unlock()
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
	})
	defer c.Close()
	fields := []webhook.Field{{Name: "webhook-id", Value: "evt_1"}, {Name: "X-Sig", Value: "a=b"}, {Name: "Authorization", Value: "Bearer s3cret"}}
	for redact := range 4 {
		r := post(pipeURL, `{"a":1}`)
		r.Fields, r.Redact = fields, redact
		resp, err := c.Send(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		want := "POST /in HTTP/1.1\r\nHost: 93.184.215.14\r\nContent-Length: 7\r\n"
		shown := want
		for i, f := range fields {
			want += f.Name + ": " + f.Value + "\r\n"
			if i >= len(fields)-redact {
				f.Value = redacted
			}
			shown += f.Name + ": " + f.Value + "\r\n"
		}
		mu.Lock()
		if got.String() != want+"\r\n"+`{"a":1}` {
			t.Errorf("sent %q", got.String())
		}
		mu.Unlock()
		if string(resp.RequestHead) != shown+"\r\n" || cap(resp.RequestHead) > len(resp.RequestHead)+64 {
			t.Errorf("shown %q", resp.RequestHead)
		}
	}
}

// TestRequestHeadAlways: it is there whatever fails, and a secret is in no error.
func TestRequestHeadAlways(t *testing.T) {
	t.Parallel()
	c := New(Options{})
	defer c.Close()
	const secret = "s3cr\net"
	for _, r := range []*Request{
		{URL: &url.URL{Scheme: "http", Host: "127.0.0.1"}},
		{URL: &url.URL{Scheme: "http", Host: "a b"}},
		{URL: &url.URL{Scheme: "http", Host: "h\r\nX: y"}},
		{URL: &url.URL{Scheme: "http", Host: "h", RawQuery: "a b"}},
		{URL: &url.URL{Scheme: "ftp", Host: "h"}},
		{URL: &url.URL{Scheme: "http", Host: publicAddr, User: url.User("u")}},
		{URL: pipeURL, Fields: []webhook.Field{{Name: "X-A", Value: secret}}, Redact: 1},
		{URL: pipeURL, Fields: []webhook.Field{{Name: "Idempotency-Key", Value: "x"}}},
	} {
		resp, err := c.Send(context.Background(), r)
		if class := classOf(err); class != store.ClassBlocked && class != store.ClassRender {
			t.Errorf("%s: %v", r.URL, err)
		}
		if resp == nil || len(resp.RequestHead) == 0 || resp.Timings.Total <= 0 {
			t.Fatalf("%s: %+v", r.URL, resp)
		}
		if err != nil && strings.Contains(err.Error()+string(resp.RequestHead), "s3cr") {
			t.Errorf("the secret shows: %v %s", err, resp.RequestHead)
		}
	}
}

func TestCheckField(t *testing.T) {
	t.Parallel()
	for _, f := range []webhook.Field{
		{Name: ""}, {Name: "A B"}, {Name: "A:"}, {Name: "Ä"}, {Name: "A\r\n"}, {Name: "X", Value: "a\rb"}, {Name: "X", Value: "a\nb"},
		{Name: "X", Value: "a\x00"}, {Name: "X", Value: "\x7f"}, {Name: "host"}, {Name: "CONTENT-LENGTH"}, {Name: "transfer-encoding"},
		{Name: "Connection"}, {Name: "idempotency-key"}, {Name: "x-idempotency-key"}, {Name: "Accept-Encoding"}, {Name: "TE"}, {Name: "Expect"},
	} {
		if err := CheckField(f); err == nil {
			t.Errorf("%q: %q accepted", f.Name, f.Value)
		}
	}
	for _, f := range []webhook.Field{
		{Name: "webhook-signature", Value: "v1,abc="}, {Name: "X-Empty"}, {Name: "X-Tab", Value: "a\tb"}, {Name: "X-8bit", Value: "é"},
		{Name: strings.Repeat("x", 60), Value: "long"},
	} {
		if err := CheckField(f); err != nil {
			t.Errorf("%q: %v", f.Name, err)
		}
	}
}

// TestPoolCaps: idle connections are capped for each host and in all,
// the last used go out first, and time ends the rest.
func TestPoolCaps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(&Options{MaxIdle: 50, MaxIdleHost: 4})
		closed := 0
		add := func(host int) *conn {
			c := &countedConn{closed: &closed}
			cn := newConn(hostKey{host: fmt.Sprint(host)}, c, c)
			p.put(cn)
			return cn
		}
		last := [10]*conn{}
		for i := range 100 {
			last[i%10] = add(i % 10)
		}
		if p.idle() != 40 || closed != 60 {
			t.Fatalf("%d idle, %d closed", p.idle(), closed)
		}
		for i := 100; i < 10_000; i++ {
			add(i)
		}
		if p.idle() != 50 || p.get(hostKey{host: "5"}) != nil {
			t.Fatalf("%d idle", p.idle())
		}
		newest := add(7)
		if p.get(hostKey{host: "7"}) != newest || p.get(hostKey{tls: true, host: "9999"}) != nil {
			t.Fatal("the last used connection is not the first taken")
		}
		newest.keepFor = 3 * time.Second
		p.put(newest)
		time.Sleep(4 * time.Second)
		if p.get(newest.key) != nil {
			t.Error("used past the server's own limit")
		}
		time.Sleep(70 * time.Second)
		synctest.Wait()
		if p.idle() != 0 || len(p.hosts) != 0 || p.armed {
			t.Errorf("%d idle, %d hosts after the idle timeout", p.idle(), len(p.hosts))
		}
		add(1)
		p.close()
		add(2)
		if p.idle() != 0 {
			t.Error("kept after close")
		}
	})
}

// countedConn is a connection that only counts closing.
type countedConn struct {
	net.Conn
	closed *int
}

func (c *countedConn) Close() error { *c.closed++; return nil }

// TestConcurrentSends: arrivals are exactly the sends, and file descriptors
// come back.
func TestConcurrentSends(t *testing.T) {
	t.Parallel()
	s := newRawServer(t, says(ok200, false))
	c := New(Options{Policy: Policy{AllowLoopback: true}, MaxIdleHost: 8})
	defer c.Close()
	const workers, each = 32, 50
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			for range each {
				if resp, err := c.Send(ctx, post(s.url, `{"a":1}`)); err != nil || resp.Status != 200 {
					t.Errorf("%+v, %v", resp, err)
				}
			}
		})
	}
	wg.Wait()
	if n := s.requests.Load(); n != workers*each || c.Idle() > 8 {
		t.Errorf("%d arrived, %d idle", n, c.Idle())
	}
}

// TestRefused: a port that nobody listens on.
func TestRefused(t *testing.T) {
	t.Parallel()
	l := listen(t)
	_ = l.Close()
	c := loopbackClient(t)
	resp, err := c.Send(context.Background(), post(&url.URL{Scheme: "http", Host: l.Addr().String()}, "{}"))
	if classOf(err) != store.ClassConnect || oursOf(err) || !strings.Contains(err.Error(), "refused") || resp.Timings.Total > testLimit {
		t.Error(err)
	}
}

// TestWhoseFault: what is wrong on this side blames no endpoint, unless
// another of its addresses failed by itself.
func TestWhoseFault(t *testing.T) {
	t.Parallel()
	cases := []struct {
		errs   []error // of one address each
		ours   bool
		detail string
	}{
		{[]error{syscall.ECONNREFUSED}, false, "connection refused"},
		{[]error{syscall.EHOSTUNREACH}, false, "no route to host"},
		{[]error{syscall.ETIMEDOUT}, false, "no connection within"},
		{[]error{syscall.ECONNRESET}, false, "reset"},
		{[]error{syscall.ENETUNREACH}, true, "no route"},
		{[]error{syscall.EMFILE}, true, "file descriptors"},
		{[]error{syscall.EADDRNOTAVAIL}, true, "no free port"},
		{[]error{syscall.EPERM}, true, "firewall"},
		{[]error{syscall.ENETUNREACH, syscall.ECONNREFUSED}, false, "connection refused: nothing listens on that port (2 addresses tried)"},
		{[]error{syscall.ECONNREFUSED, syscall.ENETUNREACH}, false, "connection refused"},
		{[]error{syscall.ENETUNREACH, syscall.ENETUNREACH}, true, "no route"},
	}
	for _, k := range cases {
		dns := newLookups(nil)
		dns.ask = func(context.Context, string) ([]netip.Addr, error) {
			return addrs([]string{"2606:4700::1", "1.1.1.1"})[:len(k.errs)], nil
		}
		c := New(Options{Policy: Policy{Interfaces: noInterfaces}, Dial: func(_ context.Context, a netip.AddrPort) (net.Conn, error) {
			i := len(k.errs) - 1
			if a.Addr().Is6() {
				i = 0
			}
			return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", k.errs[i])}
		}})
		c.dialer.names = dns
		_, err := c.Send(context.Background(), post(&url.URL{Scheme: "http", Host: "hooks.example.com"}, ""))
		if classOf(err) != store.ClassConnect || oursOf(err) != k.ours || !strings.Contains(err.Error(), k.detail) {
			t.Errorf("%v: %v", k.errs, err)
		}
		c.Close()
	}
}

// TestConnectLimit: no TCP answer ends at the connect limit.
func TestConnectLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{Policy: Policy{Interfaces: noInterfaces}, Dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		defer c.Close()
		r := post(pipeURL, "{}")
		r.Connect = time.Second
		start := time.Now()
		_, err := c.Send(context.Background(), r)
		if time.Since(start) != time.Second || classOf(err) != store.ClassConnect || !strings.Contains(err.Error(), "within 1s") {
			t.Errorf("%s, %v", time.Since(start), err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Millisecond, cancel)
		if _, err = c.Send(ctx, post(pipeURL, "{}")); classOf(err) != store.ClassCancelled {
			t.Error(err)
		}
	})
}

// TestWholeLimit: connecting and answering share a limit.
func TestWholeLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		took := 4 * time.Second
		c := New(Options{Policy: Policy{Interfaces: noInterfaces}, Dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
			select {
			case <-time.After(took):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			a, b := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, b); _ = b.Close() }()
			return a, nil
		}})
		defer c.Close()
		r := post(pipeURL, "{}")
		r.Connect, r.Total, r.Whole = 5*time.Second, 8*time.Second, 10*time.Second
		resp, err := c.Send(context.Background(), r)
		if resp.Timings.Total != 10*time.Second || classOf(err) != store.ClassTimeout {
			t.Errorf("%s, %v", resp.Timings.Total, err)
		}
		took, r.Whole = time.Minute, 3*time.Second
		if resp, err = c.Send(context.Background(), r); resp.Timings.Total != 3*time.Second || classOf(err) != store.ClassConnect {
			t.Errorf("%s, %v", resp.Timings.Total, err)
		}
	})
}

// TestHappyEyeballs: a family that answers nothing costs at most 300 ms.
func TestHappyEyeballs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var opened []*countedConn
		closed := 0
		hole := netip.MustParseAddr("2606:4700::1")
		d := &dialer{dial: func(ctx context.Context, a netip.AddrPort) (net.Conn, error) {
			switch {
			case a.Addr() == hole:
				<-ctx.Done()
				return nil, ctx.Err()
			case a.Port() == 81:
				return nil, fmt.Errorf("refused by %s", a)
			}
			time.Sleep(10 * time.Millisecond)
			c := &countedConn{closed: &closed}
			opened = append(opened, c)
			return c, nil
		}}
		list := func(port uint16, texts ...string) (out []netip.AddrPort) {
			for _, a := range texts {
				out = append(out, netip.AddrPortFrom(netip.MustParseAddr(a), port))
			}
			return out
		}
		start := time.Now()
		conn, err := d.dialAny(context.Background(), list(80, hole.String(), hole.String(), "1.1.1.1", "1.0.0.1"))
		if took := time.Since(start); err != nil || conn != opened[0] || took > 300*time.Millisecond {
			t.Errorf("%v, %s", err, took)
		}
		start = time.Now()
		if _, err := d.dialAny(context.Background(), list(81, "1.1.1.1", "1.0.0.1", "2606:4700::2")); err == nil || time.Since(start) != 0 {
			t.Errorf("all refused: %v after %s", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		if _, err := d.dialAny(ctx, list(80, hole.String(), hole.String())); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if many := interleave(list(1, strings.Split(strings.TrimSuffix(strings.Repeat("1.1.1.1,", 64), ","), ",")...)); len(many) != maxAddrs {
			t.Errorf("%d addresses tried", len(many))
		}
	})
}

// TestNeverSentAgain counts arrivals where the server takes a request and
// drops the connection without a word: a client that resends hides that.
func TestNeverSentAgain(t *testing.T) {
	t.Parallel()
	s := newRawServer(t, func(c *rawConn) {
		if c.request() == nil {
			return
		}
		c.say(ok200)
		c.request() // taken, never answered
	})
	c := loopbackClient(t)
	for i := range int32(20) {
		resp, err := c.Send(context.Background(), post(s.url, "{}"))
		if wantErr := i%2 == 1; (classOf(err) == store.ClassReset) != wantErr || resp.Timings.Reused != wantErr {
			t.Fatalf("%d: %v", i, err)
		}
		if n := s.requests.Load(); n != i+1 {
			t.Fatalf("%d arrived after %d sends", n, i+1)
		}
	}
}

// TestStandardServer keeps the client honest against net/http's server with
// chunked answers and a closing one.
func TestStandardServer(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/close" {
			w.Header().Set("Connection", "close")
		}
		for range 5 {
			_, _ = io.WriteString(w, strings.Repeat("y", 300))
			w.(http.Flusher).Flush()
		}
	}))
	defer srv.Close()
	c := loopbackClient(t)
	for _, path := range []string{"/", "/", "/close", "/"} {
		u, _ := url.Parse(srv.URL + path)
		r := post(u, "{}")
		r.MaxOK = 4096
		resp, err := c.Send(context.Background(), r)
		if err != nil || len(resp.Body) != 1500 || resp.Truncated {
			t.Errorf("%s: %d bytes, %v", path, len(resp.Body), err)
		}
	}
	if c.Idle() != 1 {
		t.Errorf("%d idle", c.Idle())
	}
}
