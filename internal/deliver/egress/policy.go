package egress

import (
	"net"
	"net/netip"
	"slices"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// Policy says where connections may go. The zero value is the strictest.
type Policy struct {
	// Allow holds the operator's exceptions. They lift private, loopback and
	// reserved ranges for any port, and let internal names pass CheckURL.
	// They never lift what [Policy.CheckAddr] calls never allowed.
	Allow         []netip.Prefix
	AllowLoopback bool             // malote dev
	AllowHTTP     bool             // plain http URLs pass CheckURL
	Own           []netip.AddrPort // this server's own listeners, never dialled; an unspecified address means the port on any own address, port 0 every port of the address
	// Relay is the operator's mail relay: never dialled for a webhook, whatever
	// is allowed. Nil: there is none.
	Relay *Relay
	NAT64 bool // decode 64:ff9b::/96 and judge the IPv4 inside, else refuse

	// Interfaces lists the addresses of this machine: a public one among them
	// is refused like a private one, because services bound to it may trust
	// the firewall that such a connection does not pass. Nil: asked of the
	// system.
	Interfaces func() []netip.Addr
}

// refusal says why an address is refused.
type refusal struct {
	what  lang.Kept    // as in "a private address"
	allow netip.Prefix // the range an operator would have to allow; invalid: nothing lifts it
	bad   bool         // the port is the reason, not what
	port  uint16
}

// ownAddress is why a server does not call itself.
const ownAddress lang.Kept = "this server's own address"

// CheckAddr judges a resolved address and port. Never allowed are link-local
// and cloud metadata addresses, the unspecified address, multicast and
// broadcast (also inside an IPv6 transition form), addresses with a zone, and
// the server's own listeners. Everything else that is not public needs
// Policy.Allow. Errors: [*Error] with ClassBlocked.
func (p *Policy) CheckAddr(a netip.AddrPort) error {
	if why := p.judge(a); why != nil {
		return blocked(a, why)
	}
	return nil
}

func blocked(a netip.AddrPort, why *refusal) *Error {
	if why.bad {
		return &Error{Class: store.ClassBlocked, Detail: lang.Keep("port %d is not one that webhooks are sent to", why.port)}
	}
	return &Error{Class: store.ClassBlocked, Detail: lang.Keep("%s is %s; connections to it are refused", a.Addr(), lang.Keep(why.what)), what: why.what}
}

// judge returns nil where a connection may go to a.
func (p *Policy) judge(a netip.AddrPort) *refusal {
	if a.Port() == 0 {
		return badPort(0)
	}
	addr := a.Addr()
	if !addr.IsValid() || addr.Zone() != "" {
		return &refusal{what: "an address with a zone"}
	}
	addr = addr.Unmap()
	if why := neverAllowed(addr); why != nil {
		return why
	}
	if p.isOwn(addr, a.Port()) {
		return &refusal{what: ownAddress}
	}
	if p.Relay != nil && slices.Contains(p.Relay.Addrs(), netip.AddrPortFrom(addr, a.Port())) {
		return &refusal{what: "this server's mail relay"}
	}
	if p.lifted(addr) {
		return nil
	}
	judged := addr
	if p.NAT64 && nat64.Contains(addr) {
		judged = embedded4(addr, 12)
		if p.isOwn(judged, a.Port()) {
			return &refusal{what: ownAddress}
		}
		if p.lifted(judged) {
			return nil
		}
	}
	if why := notPublic(judged); why != nil {
		return why
	}
	if p.onThisMachine(judged) {
		return &refusal{what: "an address of this server's machine", allow: single(judged)}
	}
	if !publicPort(a.Port()) {
		return badPort(a.Port())
	}
	return nil
}

func badPort(port uint16) *refusal {
	return &refusal{bad: true, port: port}
}

// lifted reports whether the operator allows an address that is not public.
func (p *Policy) lifted(addr netip.Addr) bool {
	if p.AllowLoopback && addr.IsLoopback() {
		return true
	}
	for _, pre := range p.Allow {
		if pre.Contains(addr) {
			return true
		}
		// 10.0.0.0/8 written as ::ffff:10.0.0.0/104
		if pre.Addr().Is4In6() && addr.Is4() && pre.Contains(netip.AddrFrom16(addr.As16())) {
			return true
		}
	}
	return false
}

// isOwn reports whether a connection would reach one of the server's listeners.
func (p *Policy) isOwn(addr netip.Addr, port uint16) bool {
	for _, own := range p.Own {
		if own.Port() != port && own.Port() != 0 {
			continue
		}
		o := own.Addr().Unmap().WithZone("")
		if o == addr {
			return true
		}
		if o.IsUnspecified() && (addr.IsLoopback() || p.onThisMachine(addr)) {
			return true
		}
	}
	return false
}

func (p *Policy) onThisMachine(addr netip.Addr) bool {
	list := p.Interfaces
	if list == nil {
		list = machineAddrs
	}
	return slices.Contains(list(), addr)
}

// machineAddrs asks the system for the addresses of its interfaces.
func machineAddrs() []netip.Addr {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	out := make([]netip.Addr, 0, len(all))
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(n.IP); ok {
				out = append(out, addr.Unmap())
			}
		}
	}
	return out
}

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }
