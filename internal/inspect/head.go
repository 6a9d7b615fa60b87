package inspect

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

// maxHead bounds what a connection remembers, in bytes: a head as large as the
// server takes one, and what net/http reads ahead.
const maxHead = MaxHeaderBytes + 16<<10

// Listen has connections remember the heads of their requests. What it wraps
// speaks TLS already, where that is wanted.
func Listen(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

// Accept waits for a connection.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

type connKey struct{}

// ConnContext is of the [http.Server] that serves what [Listen] wrapped.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	if c, ok := c.(*conn); ok {
		return context.WithValue(ctx, connKey{}, c)
	}
	return ctx
}

// conn remembers what was read from the first byte of the next head on.
type conn struct {
	net.Conn

	mu    sync.Mutex
	skip  int64     // bytes of a body before that byte
	kept  []byte    // from it on
	first time.Time // when it came
	lost  bool      // where it is, is not known any more
}

// Read remembers what it reads.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.remember(p[:n], time.Now())
	}
	return n, err
}

// CloseWrite lets a sender read its answer before the connection is gone.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

func (c *conn) remember(b []byte, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost {
		return
	}
	gone := min(c.skip, int64(len(b)))
	c.skip -= gone
	if b = b[gone:]; len(b) == 0 {
		return
	}
	if len(c.kept) == 0 {
		c.first = now
	}
	if len(c.kept)+len(b) > maxHead {
		c.kept, c.lost = nil, true
		return
	}
	c.kept = append(c.kept, b...)
}

// head is what a connection knows of the request under way.
type head struct {
	lines []byte // header lines as they came; nil: they are not known
	first time.Time
	tls   string // version; empty: none
}

// headOf takes the head of a request, once. The next one begins behind the
// body, whose length must be known: where it is not, last is true, and the
// connection is not to be used again.
func headOf(r *http.Request) (h head, last bool) {
	c, ok := r.Context().Value(connKey{}).(*conn)
	if !ok {
		return head{first: time.Now()}, false
	}
	if t, ok := c.Conn.(*tls.Conn); ok {
		h.tls = tls.VersionName(t.ConnectionState().Version)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.first = c.first; h.first.IsZero() {
		h.first = time.Now()
	}
	end, size := endOfHead(c.kept)
	if c.lost || end < 0 || !bytes.HasPrefix(c.kept, []byte(r.Method+" "+r.RequestURI+" ")) {
		c.kept, c.lost = nil, true
		return h, true
	}
	_, lines, _ := bytes.Cut(c.kept[:end], []byte("\n"))
	h.lines = bytes.Clone(lines)
	if h.lines == nil {
		h.lines = []byte{}
	}
	if r.ContentLength < 0 {
		c.kept, c.lost = nil, true
		return h, true
	}
	next := int64(end+size) + r.ContentLength
	over := min(next, int64(len(c.kept)))
	c.skip = next - over
	c.kept = append(c.kept[:0:0], c.kept[over:]...)
	return h, false
}

// endOfHead finds the empty line behind a head, and how long it is; -1: it is
// not there. Lines may end in LF alone, as net/http takes them.
func endOfHead(b []byte) (at, size int) {
	for from := 0; ; {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return -1, 0
		}
		from += i + 1
		switch rest := b[from:]; {
		case bytes.HasPrefix(rest, []byte("\n")):
			return from, 1
		case bytes.HasPrefix(rest, []byte("\r\n")):
			return from, 2
		}
	}
}
