package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

const (
	fallback     = 250 * time.Millisecond // head start of an address before the next is tried beside it
	maxAddrs     = 8                      // addresses tried for one connection
	ifacesMaxAge = 5 * time.Second        // of what is known of this machine's addresses
)

// dialer makes connections: it resolves once, judges every address, and
// dials the judged ones.
type dialer struct {
	judge  func(netip.AddrPort) error
	policy Policy
	names  *lookups
	dial   func(ctx context.Context, a netip.AddrPort) (net.Conn, error)
	tls    *tls.Config
}

func newDialer(o *Options) *dialer {
	d := &dialer{
		policy: o.Policy,
		dial:   o.Dial,
		names:  newLookups(o.Resolver),
		tls: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			RootCAs:            o.RootCAs,
			NextProtos:         []string{"http/1.1"},
			ClientSessionCache: tls.NewLRUClientSessionCache(256),
			VerifyConnection:   refuseWeakKey,
		},
	}
	if d.policy.Interfaces == nil {
		d.policy.Interfaces = cachedMachineAddrs()
	}
	d.judge = d.policy.CheckAddr
	if d.dial == nil {
		d.dial = d.dialTCP
	}
	return d
}

// cachedMachineAddrs asks the system at most every few seconds.
func cachedMachineAddrs() func() []netip.Addr {
	var mu sync.Mutex
	var at time.Time
	var addrs []netip.Addr
	return func() []netip.Addr {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); at.IsZero() || now.Sub(at) > ifacesMaxAge {
			addrs, at = machineAddrs(), now
		}
		return addrs
	}
}

// dialTCP connects; its Control hook judges once more what the system is
// about to connect to.
func (d *dialer) dialTCP(ctx context.Context, a netip.AddrPort) (net.Conn, error) {
	nd := net.Dialer{
		KeepAlive: -1, // idle connections are dropped long before a probe would go out
		Control: func(_, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil {
				return &Error{Class: store.ClassBlocked, Detail: lang.Keep("the address to connect to cannot be judged"), Err: err}
			}
			return d.judge(ap)
		},
	}
	c, err := nd.DialTCP(ctx, "tcp", netip.AddrPort{}, a)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// connect resolves, judges, dials and shakes hands within one limit.
func (d *dialer) connect(parent context.Context, r *Request, t *store.Timings) (*conn, *Error) {
	u, limit := r.URL, r.connectLimit()
	if r.Identity != nil {
		if err := r.Identity.inForce(time.Now()); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(parent, limit)
	defer cancel()
	host, port, err := hostPort(u)
	if err != nil {
		return nil, err
	}
	addrs, err := d.resolve(ctx, host, port, t)
	if err != nil {
		return nil, outcomeOf(parent, err)
	}
	for _, a := range addrs {
		if jerr := d.judge(a); jerr != nil {
			return nil, blockedName(host, a, jerr)
		}
	}
	start := time.Now()
	sock, derr := d.dialAny(ctx, addrs)
	t.Connect = time.Since(start)
	if derr != nil {
		return nil, outcomeOf(parent, connectError(derr, limit, len(addrs)))
	}
	key := hostKey{tls: u.Scheme == "https", host: u.Host, identity: r.Identity}
	if !key.tls {
		return newConn(key, sock, sock), nil
	}
	cfg := d.config(r.Identity)
	cfg.ServerName = host
	secure := tls.Client(sock, cfg)
	start = time.Now()
	herr := secure.HandshakeContext(ctx)
	t.TLS = time.Since(start)
	if herr != nil {
		_ = sock.Close()
		return nil, outcomeOf(parent, tlsError(herr, r.Identity, host, limit))
	}
	return newConn(key, secure, sock), nil
}

// config of a handshake.
func (d *dialer) config(id *Identity) *tls.Config {
	if id == nil {
		return d.tls.Clone()
	}
	return id.config(d.tls)
}

// outcomeOf replaces an error by the stop of the caller, if that is what it
// really is.
func outcomeOf(parent context.Context, err *Error) *Error {
	if err.Class != store.ClassBlocked && parent.Err() != nil {
		return cancelled(parent)
	}
	return err
}

// blockedName says which name led to a refused address.
func blockedName(host string, a netip.AddrPort, err error) *Error {
	var e *Error
	if !errors.As(err, &e) {
		return &Error{Class: store.ClassBlocked, Detail: lang.Keep("the address is refused"), Err: err}
	}
	text := a.Addr().String()
	if e.what != "" && host != text {
		return &Error{Class: store.ClassBlocked, Detail: lang.Keep("%s resolves to %s, %s; connections to it are refused", host, text, lang.Keep(e.what))}
	}
	return e
}

// hostPort splits what CheckURL returned and refuses what it never returns.
func hostPort(u *url.URL) (string, uint16, *Error) {
	host, text := u.Hostname(), u.Port()
	if u.Scheme != "https" && u.Scheme != "http" || host == "" || u.User != nil {
		return "", 0, &Error{Class: store.ClassBlocked, Detail: lang.Keep("the URL is not a plain http or https URL")}
	}
	switch {
	case text != "":
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return "", 0, &Error{Class: store.ClassBlocked, Detail: lang.Keep("the URL's port is not a port"), Err: err}
		}
		return host, uint16(n), nil
	case u.Scheme == "http":
		return host, 80, nil
	}
	return host, 443, nil
}

// dialAny connects to the first address that answers: in order, each with a
// short head start before the next is tried beside it (RFC 8305).
func (d *dialer) dialAny(ctx context.Context, addrs []netip.AddrPort) (net.Conn, error) {
	if len(addrs) == 1 {
		return d.dial(ctx, addrs[0])
	}
	addrs = interleave(addrs)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		conn net.Conn
		err  error
	}
	results := make(chan result)
	timer := time.NewTimer(0)
	defer timer.Stop()
	started, failed := 0, 0
	var first error
	for {
		select {
		case <-timer.C:
			if started == len(addrs) {
				continue
			}
			a := addrs[started]
			started++
			timer.Reset(fallback)
			go func() {
				conn, err := d.dial(ctx, a)
				select {
				case results <- result{conn, err}:
				case <-ctx.Done():
					if conn != nil {
						_ = conn.Close()
					}
				}
			}()
		case r := <-results:
			if r.err == nil {
				return r.conn, nil
			}
			failed++
			if first == nil || isOurs(first) && !isOurs(r.err) {
				first = r.err
			}
			if failed == len(addrs) {
				return nil, first
			}
			timer.Reset(0)
		case <-ctx.Done():
			if first != nil {
				return nil, first
			}
			return nil, ctx.Err()
		}
	}
}

// interleave alternates the families, the first one first, and bounds the list.
func interleave(addrs []netip.AddrPort) []netip.AddrPort {
	var a, b []netip.AddrPort
	for _, ap := range addrs {
		if ap.Addr().Is4() == addrs[0].Addr().Is4() {
			a = append(a, ap)
		} else {
			b = append(b, ap)
		}
	}
	out := make([]netip.AddrPort, 0, len(addrs))
	for i := range max(len(a), len(b)) {
		if i < len(a) {
			out = append(out, a[i])
		}
		if i < len(b) {
			out = append(out, b[i])
		}
	}
	return out[:min(len(out), maxAddrs)]
}

// refuseWeakKey closes what x509 leaves open: RSA below 2,048 bits, which no
// public authority signs any more.
func refuseWeakKey(s tls.ConnectionState) error {
	return weakKey(s.PeerCertificates[0])
}
