// Package egress owns every outgoing connection: the guard that judges URLs
// and resolved addresses, the only dialer, and the HTTP/1.1 client on top of
// it. Nothing else in Malote dials out.
package egress

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"time"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// Policy says where connections may go. The zero value is the strictest.
type Policy struct {
	Allow         []netip.Prefix   // operator's exceptions; cannot lift link-local, metadata, own addresses
	AllowLoopback bool             // malote dev
	AllowHTTP     bool             // plain http URLs pass CheckURL
	Own           []netip.AddrPort // this server's own listeners, never dialled; an unspecified address means the port on any own address
	NAT64         bool             // decode 64:ff9b::/96 and judge the IPv4 inside, else refuse
}

// URLError says why a URL is refused at creation, and what to do.
type URLError struct{ Reason, Fix string }

func (e *URLError) Error() string { return e.Reason + "; " + e.Fix }

// CheckURL judges a URL at creation and returns its canonical form (IDNA
// mapped to xn--). Errors: [*URLError].
func (p *Policy) CheckURL(raw string) (*url.URL, error) { panic("not built") }

// CheckAddr judges a resolved address and port. Errors: [*Error] with ClassBlocked.
func (p *Policy) CheckAddr(a netip.AddrPort) error { panic("not built") }

// Error is a failed request: its class and the cause in words.
type Error struct {
	Class  store.Class
	Detail string
	// NotOurs is false where the fault is probably on this side (resolver
	// down, no route, no free ports): no endpoint is blamed for it.
	NotOurs bool
	Err     error
}

func (e *Error) Error() string { return string(e.Class) + ": " + e.Detail }
func (e *Error) Unwrap() error { return e.Err }

// Request is one POST, already rendered.
type Request struct {
	URL     *url.URL
	Fields  []webhook.Field // in order, names as spelled; Host and Content-Length are added by the client
	Redact  int             // how many of the last Fields are shown as [redacted] in Response.RequestHead
	Body    []byte
	Connect time.Duration // limit of DNS, TCP and TLS together
	Total   time.Duration // limit of writing and reading once connected
	MaxBody int           // bytes of the answer's body to keep after a failure status
	MaxOK   int           // bytes of it to keep after a 2xx
}

// Response is an answer, raw: nothing followed, nothing inflated.
type Response struct {
	Status      int // 0 where no status line came
	RequestHead []byte
	Head        []byte // status line and headers, at most 16 KiB kept
	Body        []byte
	Truncated   bool
	RetryAfter  string // the header's value
	Timings     store.Timings
}

// Options of a client; zero fields mean the defaults.
type Options struct {
	Policy      Policy
	MaxIdle     int                                                           // idle connections in all (default 1,024)
	MaxIdleHost int                                                           // for each host and port (default 64)
	IdleTimeout time.Duration                                                 // default 60 s
	Resolver    *net.Resolver                                                 // default: pure Go
	Dial        func(ctx context.Context, a netip.AddrPort) (net.Conn, error) // tests with in-memory pipes; the guard still judges first
}

// Client sends requests over guarded, pooled HTTP/1.1 connections.
type Client struct{}

// New makes a client.
func New(o Options) *Client { panic("not built") }

// Send does one request, exactly once: a request that reached a connection is
// never sent again. The Response is never nil (its RequestHead and Timings are
// always set); the error is an [*Error], nil where a status line came.
func (c *Client) Send(ctx context.Context, r *Request) (*Response, error) { panic("not built") }

// Close closes idle connections.
func (c *Client) Close() {}
