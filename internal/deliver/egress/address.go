package egress

import (
	"net/netip"

	"github.com/malote-dev/malote/internal/lang"
)

// special is a range that is not for the public internet.
type special struct {
	prefix netip.Prefix
	what   lang.Kept
}

type words struct {
	prefix string
	what   lang.Kept
}

func ranges(list ...words) []special {
	out := make([]special, len(list))
	for i, r := range list {
		out[i] = special{netip.MustParsePrefix(r.prefix), r.what}
	}
	return out
}

// never4 and never6 cannot be allowed: no receiver lives there, and what does
// live there hands out credentials.
var never4 = ranges(
	words{"0.0.0.0/8", "an address of this machine (0.0.0.0/8)"},
	words{"169.254.0.0/16", "a link-local address, where cloud metadata services live"},
	words{"168.63.129.16/32", "the metadata address of Azure"},
	words{"100.100.100.200/32", "the metadata address of Alibaba Cloud"},
	words{"192.0.0.192/32", "the metadata address of Oracle Cloud"},
	words{"224.0.0.0/4", "a multicast address"},
	words{"255.255.255.255/32", "the broadcast address"},
)

var never6 = ranges(
	words{"::/128", "an address of this machine (::)"},
	words{"fe80::/10", "a link-local address"},
	words{"ff00::/8", "a multicast address"},
	words{"fd00:ec2::254/128", "the metadata address of AWS"},
	words{"fd00:ec2::23/128", "the metadata address of AWS"},
	words{"fd20:ce::254/128", "the metadata address of Google Cloud"},
	words{"fd00:42::42/128", "the metadata address of Scaleway"},
)

// special4 are the ranges of the IANA special-purpose registry that are not
// globally reachable. IPv4 is a deny-list: what is left is all routed.
var special4 = ranges(
	words{"10.0.0.0/8", "a private address"},
	words{"172.16.0.0/12", "a private address"},
	words{"192.168.0.0/16", "a private address"},
	words{"127.0.0.0/8", "a loopback address"},
	words{"100.64.0.0/10", "a shared address (carrier-grade NAT)"},
	words{"192.0.0.0/24", "a reserved address (IETF protocols)"},
	words{"192.0.2.0/24", "a documentation address"},
	words{"198.51.100.0/24", "a documentation address"},
	words{"203.0.113.0/24", "a documentation address"},
	words{"192.88.99.0/24", "a reserved address (6to4 relay)"},
	words{"198.18.0.0/15", "a benchmarking address"},
	words{"240.0.0.0/4", "a reserved address"},
)

// IPv6 is an allow-list: global unicast, minus exceptions. A new special range
// outside it is refused before anybody has heard of it.
var global6 = netip.MustParsePrefix("2000::/3")

// special6 holds the exceptions inside global6, and names for the ranges
// outside that an operator may want to allow.
var special6 = ranges(
	words{"::1/128", "a loopback address"},
	words{"fc00::/7", "a private address"},
	words{"fec0::/10", "a private address (site-local)"},
	words{"64:ff9b::/96", "a NAT64 address"},
	words{"64:ff9b:1::/48", "a NAT64 address (local use)"},
	words{"::/96", "an IPv4-compatible address"},
	words{"::ffff:0:0:0/96", "an IPv4-translated address"},
	words{"100::/64", "a discard-only address"},
	words{"5f00::/16", "a segment-routing identifier"},
	words{"2001::/32", "a Teredo address"},
	words{"2001::/23", "a reserved address (IETF protocols)"},
	words{"2001:db8::/32", "a documentation address"},
	words{"3fff::/20", "a documentation address"},
	words{"2002::/16", "a 6to4 address"},
	words{"3ffe::/16", "a reserved address (6bone)"},
)

var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	nat64Local = netip.MustParsePrefix("64:ff9b:1::/48")
	compat     = netip.MustParsePrefix("::/96")
	translated = netip.MustParsePrefix("::ffff:0:0:0/96")
	sixToFour  = netip.MustParsePrefix("2002::/16")
	teredo     = netip.MustParsePrefix("2001::/32")
)

// neverAllowed judges an unmapped address by what no operator can lift, also
// where an IPv6 transition form carries such an IPv4 address.
func neverAllowed(a netip.Addr) *refusal {
	list := never6
	if a.Is4() {
		list = never4
	}
	for _, r := range list {
		if r.prefix.Contains(a) {
			return &refusal{what: r.what}
		}
	}
	if a.Is4() || a == netip.IPv6Loopback() {
		return nil
	}
	if inner, ok := inside(a); ok {
		return neverAllowed(inner)
	}
	return nil
}

// notPublic judges an unmapped address that nothing lifts.
func notPublic(a netip.Addr) *refusal {
	list := special6
	if a.Is4() {
		list = special4
	}
	for _, r := range list {
		if r.prefix.Contains(a) {
			return &refusal{what: r.what, allow: r.prefix}
		}
	}
	if a.Is4() {
		return neverAllowed(a)
	}
	if !global6.Contains(a) {
		return &refusal{what: "outside the public IPv6 space", allow: single(a)}
	}
	if isISATAP(a) {
		return &refusal{what: "an ISATAP address", allow: single(a)}
	}
	return nil
}

// inside returns the IPv4 address that a transition form carries.
func inside(a netip.Addr) (netip.Addr, bool) {
	switch {
	case nat64.Contains(a), nat64Local.Contains(a), compat.Contains(a), translated.Contains(a), isISATAP(a):
		return embedded4(a, 12), true
	case sixToFour.Contains(a):
		return embedded4(a, 2), true
	case teredo.Contains(a):
		b := a.As16()
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}), true
	}
	return netip.Addr{}, false
}

func embedded4(a netip.Addr, at int) netip.Addr {
	b := a.As16()
	return netip.AddrFrom4([4]byte(b[at : at+4]))
}

// isISATAP reports an interface identifier of RFC 5214, with the universal
// bit set or not.
func isISATAP(a netip.Addr) bool {
	b := a.As16()
	return b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}
