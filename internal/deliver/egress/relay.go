package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// RelayOptions name a mail relay.
type RelayOptions struct {
	Host     string
	Port     uint16
	TLS      bool          // from the first byte on; else the caller may begin it later, with [Relay.Config]
	Connect  time.Duration // limit of DNS, TCP and TLS together (0: 10 s)
	Resolver *net.Resolver // default: pure Go
	RootCAs  *x509.CertPool
	Dial     func(ctx context.Context, a netip.AddrPort) (net.Conn, error) // tests with in-memory pipes
}

// Relay dials the one host and port that the operator named to send mail
// through. He may name a private one: nothing that a customer enters comes
// near it, as it takes no address. What no operator can lift for webhooks
// (link-local and metadata addresses, multicast) is refused here, too.
type Relay struct {
	o      RelayOptions
	dialer *dialer
	at     atomic.Pointer[[]netip.AddrPort]
}

// NewRelay makes one; it does not connect.
func NewRelay(o RelayOptions) *Relay {
	if o.Connect <= 0 {
		o.Connect = defaultConnect
	}
	d := newDialer(&Options{Resolver: o.Resolver, RootCAs: o.RootCAs, Dial: o.Dial})
	d.judge = judgeRelay
	d.tls.NextProtos = nil
	d.tls.ServerName = o.Host
	r := &Relay{o: o, dialer: d}
	if a, err := netip.ParseAddr(o.Host); err == nil {
		r.at.Store(&[]netip.AddrPort{netip.AddrPortFrom(a.Unmap(), o.Port)})
	}
	return r
}

func judgeRelay(a netip.AddrPort) error {
	addr := a.Addr()
	why := &refusal{what: "an address with a zone"}
	if addr.IsValid() && addr.Zone() == "" {
		why = neverAllowed(addr.Unmap())
	}
	if why != nil {
		return blocked(a, why)
	}
	return nil
}

// Config is what TLS with the relay is made with. Change nothing in it.
func (r *Relay) Config() *tls.Config { return r.dialer.tls.Clone() }

// Addrs are where the relay is, as far as that is known: no webhook goes there.
func (r *Relay) Addrs() []netip.AddrPort {
	if at := r.at.Load(); at != nil {
		return *at
	}
	return nil
}

// Find resolves the relay's name, for [Relay.Addrs]. Errors: [*Error].
func (r *Relay) Find(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.o.Connect)
	defer cancel()
	if _, err := r.find(ctx); err != nil {
		return err
	}
	return nil
}

func (r *Relay) find(ctx context.Context) ([]netip.AddrPort, *Error) {
	addrs, err := r.dialer.resolve(ctx, r.o.Host, r.o.Port, &store.Timings{})
	if err != nil {
		return nil, err
	}
	r.at.Store(&addrs)
	return addrs, nil
}

// Dial connects. Errors: [*Error].
func (r *Relay) Dial(parent context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(parent, r.o.Connect)
	defer cancel()
	addrs, err := r.find(ctx)
	if err != nil {
		return nil, outcomeOf(parent, err)
	}
	for _, a := range addrs {
		if err := r.dialer.judge(a); err != nil {
			return nil, blockedName(r.o.Host, a, err)
		}
	}
	sock, derr := r.dialer.dialAny(ctx, addrs)
	if derr != nil {
		return nil, outcomeOf(parent, connectError(derr, r.o.Connect, len(addrs)))
	}
	if !r.o.TLS {
		return sock, nil
	}
	secure := tls.Client(sock, r.Config())
	if herr := secure.HandshakeContext(ctx); herr != nil {
		_ = sock.Close()
		return nil, outcomeOf(parent, tlsError(herr, nil, r.o.Host, r.o.Connect))
	}
	return secure, nil
}
