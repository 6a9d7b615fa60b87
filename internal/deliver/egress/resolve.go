package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

const (
	maxLookups = 256             // names looked up at a time
	lookupTry  = 2 * time.Second // one question; a lost packet gets a second one
	// resolverTrust is how long one answer from the resolver proves that it is
	// up, so that a name that gets none is the name's own fault.
	resolverTrust = 30 * time.Second
)

var errLookupsFull = errors.New("too many name lookups are running here")

// resolve returns the addresses of a host: itself if it is one, else all
// that DNS has now. Nothing is cached: what is judged is what is dialled.
func (d *dialer) resolve(ctx context.Context, host string, port uint16, t *store.Timings) ([]netip.AddrPort, *Error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(a.Unmap(), port)}, nil
	}
	if isLocalhost(host) {
		return d.localhost(port), nil
	}
	start := time.Now()
	found, err := d.names.find(ctx, host)
	t.DNS = time.Since(start)
	if err != nil {
		return nil, d.names.dnsError(err, host)
	}
	out := make([]netip.AddrPort, len(found))
	for i, a := range found {
		out[i] = netip.AddrPortFrom(a.Unmap(), port)
	}
	return out, nil
}

// localhost is the loopback addresses that the guard lets pass, or all of
// them, for it to refuse: also where one of them is this server's own.
func (d *dialer) localhost(port uint16) []netip.AddrPort {
	var all, passed []netip.AddrPort
	for _, a := range loopbackAddrs() {
		ap := netip.AddrPortFrom(a, port)
		all = append(all, ap)
		switch err := d.judge(ap); {
		case err == nil:
			passed = append(passed, ap)
		case isOwnAddress(err):
			return []netip.AddrPort{ap}
		}
	}
	if len(passed) == 0 {
		return all
	}
	return passed
}

// isOwnAddress reports whether an address was refused because it is the server's.
func isOwnAddress(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.what == ownAddress
}

// lookups asks DNS, for one name once at a time, and for a bounded number of
// names at a time.
type lookups struct {
	ask   func(ctx context.Context, name string) ([]netip.Addr, error)
	slots chan struct{}

	answered atomic.Int64 // Unix nanoseconds of the resolver's last answer

	mu      sync.Mutex
	running map[string]*lookup
}

// lookup is one that runs; everybody who asks meanwhile waits for it.
type lookup struct {
	waiters int
	cancel  context.CancelFunc
	done    chan struct{}
	addrs   []netip.Addr
	err     error
}

func newLookups(r *net.Resolver) *lookups {
	return &lookups{ask: asking(r), slots: make(chan struct{}, maxLookups), running: map[string]*lookup{}}
}

// asking returns a function that ends with its context, sockets included:
// net.Resolver leaves a question running in the background.
func asking(r *net.Resolver) func(context.Context, string) ([]netip.Addr, error) {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		var nd net.Dialer
		return nd.DialContext(ctx, network, address)
	}
	if r != nil && r.Dial != nil {
		dial = r.Dial
	}
	return func(ctx context.Context, name string) ([]netip.Addr, error) {
		one := net.Resolver{PreferGo: true, Dial: func(dctx context.Context, network, address string) (net.Conn, error) {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			c, err := dial(dctx, network, address)
			if err == nil {
				context.AfterFunc(ctx, func() { _ = c.Close() })
			}
			return c, err
		}}
		return one.LookupNetIP(ctx, "ip", name)
	}
}

// find asks for a name, as a rooted one, so that no search domain is tried.
func (l *lookups) find(ctx context.Context, name string) ([]netip.Addr, error) {
	if name[len(name)-1] != '.' {
		name += "."
	}
	l.mu.Lock()
	f := l.running[name]
	if f == nil {
		fctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		f = &lookup{cancel: cancel, done: make(chan struct{})}
		l.running[name] = f
		go l.run(fctx, name, f)
	}
	f.waiters++
	l.mu.Unlock()
	select {
	case <-f.done:
		return f.addrs, f.err
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.waiters--; f.waiters == 0 {
		f.cancel()
		if l.running[name] == f {
			delete(l.running, name)
		}
	}
	if len(l.slots) == cap(l.slots) {
		return nil, errLookupsFull
	}
	return nil, ctx.Err()
}

// run asks at most twice.
func (l *lookups) run(ctx context.Context, name string, f *lookup) {
	defer f.cancel()
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
		for try := 1; try <= 2; try++ {
			one, cancel := context.WithTimeout(ctx, lookupTry)
			f.addrs, f.err = l.ask(one, name)
			cancel()
			if f.err == nil && len(f.addrs) == 0 {
				f.err = &net.DNSError{Err: "no addresses", Name: name, IsNotFound: true}
			}
			if !isTimeout(f.err) || ctx.Err() != nil {
				break
			}
		}
	case <-ctx.Done():
		f.err = ctx.Err()
	}
	var de *net.DNSError
	if f.err == nil || errors.As(f.err, &de) && de.IsNotFound {
		l.answered.Store(time.Now().UnixNano())
	}
	l.mu.Lock()
	if l.running[name] == f {
		delete(l.running, name)
	}
	l.mu.Unlock()
	close(f.done)
}

// answering reports whether the resolver answered anything lately.
func (l *lookups) answering() bool {
	return time.Since(time.Unix(0, l.answered.Load())) < resolverTrust
}
