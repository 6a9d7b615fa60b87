package egress

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

// FuzzCheckURL: whatever creation accepts and delivery dials is public, and
// what goes on the wire is what was typed.
func FuzzCheckURL(f *testing.F) {
	for _, e := range corpus(f) {
		f.Add(e.URL, []byte{169, 254, 169, 254})
	}
	f.Add("https://[2606:4700::1]:8443/?a", netip.MustParseAddr("2002:7f00:1::").AsSlice())
	f.Add("http://0.%80", []byte{1})
	f.Add("http://a.example.com:99999/", netip.MustParseAddr("::ffff:10.0.0.1").AsSlice())
	f.Add("http://x.example.com//../a?b?c", []byte{8, 8, 8, 8})
	f.Add("http://faß.example.com/é?ü", []byte{1, 1, 1, 1})
	f.Fuzz(func(t *testing.T, raw string, resolved []byte) {
		p := Policy{AllowHTTP: true, Interfaces: noInterfaces}
		u, err := p.CheckURL(raw)
		if err != nil {
			var refused *URLError
			if !errors.As(err, &refused) || u != nil {
				t.Fatalf("%v, %v", u, err)
			}
			return
		}
		checkCanonical(t, &p, raw, u)
		d := newDialer(&Options{Policy: p})
		d.names.ask = func(context.Context, string) ([]netip.Addr, error) {
			a, ok := netip.AddrFromSlice(resolved)
			if !ok {
				a = netip.MustParseAddr(publicAddr)
			}
			return []netip.Addr{a}, nil
		}
		d.dial = func(_ context.Context, a netip.AddrPort) (net.Conn, error) {
			if !oraclePublic(a) {
				t.Fatalf("%q: %s was dialled", raw, a)
			}
			return nil, io.EOF
		}
		c := &Client{dialer: d, pool: newPool(&Options{})}
		if _, err := c.Send(context.Background(), &Request{URL: u}); err == nil {
			t.Fatal("sent without a connection")
		}
	})
}

// checkCanonical: the canonical form is its own, plain ASCII, and keeps path
// and query.
func checkCanonical(t *testing.T, p *Policy, raw string, u *url.URL) {
	again, err := p.CheckURL(u.String())
	if err != nil || again.String() != u.String() {
		t.Fatalf("%q: canonical form %q is not its own: %v, %v", raw, u, again, err)
	}
	x := newExchange()
	if err := x.render(&Request{URL: u}); err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	line, rest, _ := strings.Cut(string(x.out), "\r\n")
	target := strings.TrimSuffix(strings.TrimPrefix(line, "POST "), " HTTP/1.1")
	if want := targetOf(raw); isPlainTarget(want) && target != want {
		t.Fatalf("%q: target %q, want %q", raw, target, want)
	}
	host, _, _ := strings.Cut(strings.TrimPrefix(rest, "Host: "), "\r\n")
	if host != u.Host || host != strings.ToLower(host) {
		t.Fatalf("%q: Host %q", raw, host)
	}
	if strings.Count(string(x.out), "\r\n") != 4 {
		t.Fatalf("%q: head %q", raw, x.out)
	}
}

func isPlainTarget(s string) bool { return plain([]byte(s)) && !strings.ContainsAny(s, "\"<>^`{|}") }

// oraclePublic judges in another way than the guard: with the standard
// library's helpers and hand-written bytes.
func oraclePublic(a netip.AddrPort) bool {
	ip := a.Addr()
	if ip.Zone() != "" || !ip.IsValid() || ip.Is4In6() || ip.IsPrivate() || !ip.IsGlobalUnicast() || a.Port() == 0 || a.Port() == 25 || a.Port() == 6667 {
		return false
	}
	if ip.Is4() {
		b := ip.As4()
		switch {
		case b[0] == 0, b[0] == 127, b[0] >= 224,
			b[0] == 100 && b[1]&0xc0 == 64,
			b[0] == 192 && b[1] == 0 && (b[2] == 0 || b[2] == 2), b[0] == 192 && b[1] == 88 && b[2] == 99,
			b[0] == 198 && b[1]&0xfe == 18, b[0] == 198 && b[1] == 51 && b[2] == 100, b[0] == 203 && b[1] == 0 && b[2] == 113,
			b == [4]byte{168, 63, 129, 16}:
			return false
		}
		return true
	}
	b := ip.As16()
	first := uint16(b[0])<<8 | uint16(b[1])
	second := uint16(b[2])<<8 | uint16(b[3])
	switch {
	case first>>13 != 1, first == 0x2002, first == 0x3ffe, first == 0x3fff && second < 0x1000,
		first == 0x2001 && second < 0x200, first == 0x2001 && second == 0xdb8,
		b[10] == 0x5e && b[11] == 0xfe && b[9] == 0 && (b[8] == 0 || b[8] == 2):
		return false
	}
	return true
}

// FuzzAddr: guard and oracle agree on every address.
func FuzzAddr(f *testing.F) {
	for _, a := range publicLiterals {
		f.Add(netip.MustParseAddr(a).AsSlice(), uint16(443))
	}
	for _, list := range [][]special{never4, never6, special4, special6} {
		for _, r := range list {
			f.Add(r.prefix.Addr().AsSlice(), uint16(80))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, port uint16) {
		a, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		p := Policy{Interfaces: noInterfaces}
		ap := netip.AddrPortFrom(a, port)
		passed := p.CheckAddr(ap) == nil
		if passed && !oraclePublic(netip.AddrPortFrom(a.Unmap(), port)) {
			t.Fatalf("%s passed", ap)
		}
		if !passed && port == 443 && oraclePublic(netip.AddrPortFrom(a.Unmap(), port)) {
			t.Fatalf("%s refused", ap)
		}
	})
}

// bytesConn is a connection that has said all that it will say.
type bytesConn struct {
	net.Conn
	in io.Reader
}

func (c *bytesConn) Read(b []byte) (int, error)       { return c.in.Read(b) }
func (c *bytesConn) Write(b []byte) (int, error)      { return len(b), nil }
func (c *bytesConn) SetDeadline(time.Time) error      { return nil }
func (c *bytesConn) SetReadDeadline(time.Time) error  { return nil }
func (c *bytesConn) SetWriteDeadline(time.Time) error { return nil }
func (c *bytesConn) Close() error                     { return nil }

// slowly gives n bytes at a time.
type slowly struct {
	r io.Reader
	n int
}

func (s *slowly) Read(b []byte) (int, error) { return s.r.Read(b[:min(len(b), s.n)]) }

// FuzzAnswer: no answer makes the client panic, hold much memory, or report
// what was not said; how the bytes are cut makes no difference.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		ok200, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "HTTP/1.0 500\n\nboom",
		"HTTP/1.1 100 C\r\n\r\n" + ok200, "HTTP/1.1 101 S\r\n\r\n", "HTTP/1.1 007 X\r\n\r\n", "\x15\x03\x01\x00\x02\x02\x46", "HTTP/1.1 2",
		"HTTP/1.1 204 X\r\nKeep-Alive: timeout=5\r\nRetry-After: 120\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\nContent-Length: 7\r\n\r\n2;x\r\nok\r\n0\r\nA: b\r\n\r\nrest",
	} {
		f.Add([]byte(s), uint8(200))
	}
	f.Fuzz(func(t *testing.T, raw []byte, cut uint8) {
		whole, wholeErr := exchangeBytes(t, raw, len(raw)+1)
		sliced, slicedErr := exchangeBytes(t, raw, int(cut)+1)
		if classOf(wholeErr) != classOf(slicedErr) || whole.Status != sliced.Status || !bytes.Equal(whole.Body, sliced.Body) || whole.RetryAfter != sliced.RetryAfter {
			t.Fatalf("cut at %d: %+v, %v; whole: %+v, %v", cut, sliced, slicedErr, whole, wholeErr)
		}
	})
}

func exchangeBytes(t *testing.T, raw []byte, cut int) (*Response, error) {
	cn := &bytesConn{in: &slowly{bytes.NewReader(raw), cut}}
	c := New(Options{Policy: Policy{Interfaces: noInterfaces}, Dial: func(context.Context, netip.AddrPort) (net.Conn, error) { return cn, nil }})
	defer c.Close()
	resp, err := c.Send(context.Background(), &Request{URL: pipeURL, MaxBody: 4096, MaxOK: 16})
	switch {
	case (err == nil) != (resp.Status >= 200 || resp.Status > 101):
		t.Fatalf("%d, %v", resp.Status, err)
	case len(resp.Head) > maxKeptHead, len(resp.Body) > 4096, resp.Status/100 == 2 && len(resp.Body) > 16, cap(resp.Body) > 3*4096, len(resp.RetryAfter) > maxRetryAfter:
		t.Fatalf("%d bytes of head, %d of body", len(resp.Head), len(resp.Body))
	case !bytes.Contains(raw, resp.Head):
		t.Fatalf("head %q was not said", resp.Head)
	}
	return resp, err
}
