// Package egress owns every outgoing connection: the guard that judges URLs
// and resolved addresses, the only dialer, and the HTTP/1.1 client on top of
// it. Nothing else in Malote dials out.
//
// The guard works twice. [Policy.CheckURL] judges a URL when somebody enters
// it; [Policy.CheckAddr] judges what its name resolved to each time a
// connection is made, and the judged address is the one that is dialled.
//
// The client sends each request exactly once, follows nothing, inflates
// nothing, and ends with one total deadline. docs/egress.md says what is
// refused and why.
package egress

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"net/url"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Error is a failed request: its class and the cause in words.
type Error struct {
	Class  store.Class
	Detail string
	// Ours is true where the fault is probably on this side (resolver down,
	// no route, no free ports or file descriptors, a stop): no endpoint is
	// blamed for it.
	Ours bool
	Err  error

	what lang.Kept // the address is, where that is why it is refused
}

func (e *Error) Error() string { return string(e.Class) + ": " + e.Detail }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Request is one request, already rendered.
type Request struct {
	Method  string          // empty: POST; not HEAD or CONNECT, whose answers are framed otherwise
	URL     *url.URL        // canonical, as [Policy.CheckURL] returned it
	Fields  []webhook.Field // in order, names as spelled; Host and Content-Length are added by the client, see [CheckField]
	Redact  int             // how many of the last Fields are shown as [redacted] in Response.RequestHead
	Body    []byte
	Connect time.Duration // limit of DNS, TCP and TLS together (0: 10 s)
	Total   time.Duration // limit of writing and reading once connected (0: 30 s)
	Whole   time.Duration // limit of both together (0: their sum)
	Until   time.Time     // nothing is written from then on, whatever held it up; zero: no limit
	MaxBody int           // bytes of the answer's body to keep after a failure status
	MaxOK   int           // bytes of it to keep after a 2xx
	// Identity is shown to a server that asks for a client certificate; nil:
	// there is none. Over plain http a request with one is refused.
	Identity *Identity
}

// Response is an answer, raw: nothing followed, nothing inflated.
//
// The status line decides: where one came, Status is set and Send's error is
// nil, even if headers or body were malformed, too long, or broke off. A 2xx
// is a delivery from that moment on.
type Response struct {
	Status      int    // 0 where no status line came
	RequestHead []byte // request line and headers exactly as sent, but for [Request.Redact]
	Head        []byte // status line and headers: as many bytes as are kept of the body, but from 4 to 16 KiB
	Body        []byte // at most MaxOK or MaxBody bytes, transfer coding removed
	Truncated   bool   // Head or Body is not all that the server sent or announced
	RetryAfter  string // the header's value, at most 256 bytes
	// Timings of the phases: DNS, Connect and TLS of a new connection, then
	// FirstByte from the start of writing to the answer's first byte. Total is
	// the whole of Send.
	Timings store.Timings
}

// Options of a client; zero fields mean the defaults.
type Options struct {
	Policy      Policy
	MaxIdle     int                                                           // idle connections in all (default 1,024; negative: none)
	MaxIdleHost int                                                           // for each host and port (default 64; negative: none)
	IdleTimeout time.Duration                                                 // default 60 s
	Resolver    *net.Resolver                                                 // default: pure Go
	Dial        func(ctx context.Context, a netip.AddrPort) (net.Conn, error) // tests with in-memory pipes; the guard still judges first
	RootCAs     *x509.CertPool                                                // default: the system's
}

const (
	defaultConnect = 10 * time.Second
	defaultTotal   = 30 * time.Second
)

// Client sends requests over guarded, pooled HTTP/1.1 connections. It is safe
// for concurrent use.
type Client struct {
	dialer *dialer
	pool   *pool
}

// New makes a client.
func New(o Options) *Client {
	return &Client{dialer: newDialer(&o), pool: newPool(&o)}
}

// Send does one request, exactly once: a request that reached a connection is
// never sent again. The Response is never nil (its RequestHead and Timings are
// always set); the error is an [*Error], nil where a status line came (but
// not for 101, which no request asked for). The end of ctx interrupts it at
// once, with [store.ClassCancelled] if no status line came before.
func (c *Client) Send(ctx context.Context, r *Request) (*Response, error) {
	start := time.Now()
	resp := &Response{}
	x := newExchange()
	defer x.free()
	err := c.send(ctx, r, x, resp)
	resp.Timings.Total = time.Since(start)
	if err != nil {
		return resp, err
	}
	return resp, nil
}

func (c *Client) send(ctx context.Context, r *Request, x *exchange, resp *Response) *Error {
	err := x.render(r)
	resp.RequestHead = x.shownHead(r)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return cancelled(ctx)
	}
	key := hostKey{tls: r.URL.Scheme == "https", host: r.URL.Host, identity: r.Identity}
	if r.Identity != nil && !key.tls {
		return &Error{Class: store.ClassBlocked, Detail: lang.Keep("the endpoint has a client certificate, which plain http cannot show; use https")}
	}
	cn := c.pool.get(key)
	if cn != nil {
		resp.Timings.Reused = true
	} else {
		if cn, err = c.dialer.connect(ctx, r, &resp.Timings); err != nil {
			return err
		}
	}
	keep, err := x.do(ctx, cn, r, resp)
	if keep {
		c.pool.put(cn)
	} else {
		cn.abort()
	}
	return err
}

func (r *Request) connectLimit() time.Duration {
	limit := r.Connect
	if limit <= 0 {
		limit = defaultConnect
	}
	if r.Whole > 0 {
		limit = min(limit, r.Whole)
	}
	return limit
}

// Idle is how many connections are kept open without a request.
func (c *Client) Idle() int { return c.pool.idle() }

// Close closes idle connections and keeps none from now on. Requests under
// way go on.
func (c *Client) Close() { c.pool.close() }
