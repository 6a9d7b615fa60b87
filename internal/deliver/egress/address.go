package egress

import "net/netip"

// special is a range that is not for the public internet.
type special struct {
	prefix netip.Prefix
	what   string
}

func ranges(list ...[2]string) []special {
	out := make([]special, len(list))
	for i, r := range list {
		out[i] = special{netip.MustParsePrefix(r[0]), r[1]}
	}
	return out
}

// never4 and never6 cannot be allowed: no receiver lives there, and what does
// live there hands out credentials.
var never4 = ranges(
	[2]string{"0.0.0.0/8", "an address of this machine (0.0.0.0/8)"},
	[2]string{"169.254.0.0/16", "a link-local address, where cloud metadata services live"},
	[2]string{"168.63.129.16/32", "the metadata address of Azure"},
	[2]string{"100.100.100.200/32", "the metadata address of Alibaba Cloud"},
	[2]string{"192.0.0.192/32", "the metadata address of Oracle Cloud"},
	[2]string{"224.0.0.0/4", "a multicast address"},
	[2]string{"255.255.255.255/32", "the broadcast address"},
)

var never6 = ranges(
	[2]string{"::/128", "an address of this machine (::)"},
	[2]string{"fe80::/10", "a link-local address"},
	[2]string{"ff00::/8", "a multicast address"},
	[2]string{"fd00:ec2::254/128", "the metadata address of AWS"},
	[2]string{"fd00:ec2::23/128", "the metadata address of AWS"},
	[2]string{"fd20:ce::254/128", "the metadata address of Google Cloud"},
	[2]string{"fd00:42::42/128", "the metadata address of Scaleway"},
)

// special4 are the ranges of the IANA special-purpose registry that are not
// globally reachable. IPv4 is a deny-list: what is left is all routed.
var special4 = ranges(
	[2]string{"10.0.0.0/8", "a private address"},
	[2]string{"172.16.0.0/12", "a private address"},
	[2]string{"192.168.0.0/16", "a private address"},
	[2]string{"127.0.0.0/8", "a loopback address"},
	[2]string{"100.64.0.0/10", "a shared address (carrier-grade NAT)"},
	[2]string{"192.0.0.0/24", "a reserved address (IETF protocols)"},
	[2]string{"192.0.2.0/24", "a documentation address"},
	[2]string{"198.51.100.0/24", "a documentation address"},
	[2]string{"203.0.113.0/24", "a documentation address"},
	[2]string{"192.88.99.0/24", "a reserved address (6to4 relay)"},
	[2]string{"198.18.0.0/15", "a benchmarking address"},
	[2]string{"240.0.0.0/4", "a reserved address"},
)

// IPv6 is an allow-list: global unicast, minus exceptions. A new special range
// outside it is refused before anybody has heard of it.
var global6 = netip.MustParsePrefix("2000::/3")

// special6 holds the exceptions inside global6, and names for the ranges
// outside that an operator may want to allow.
var special6 = ranges(
	[2]string{"::1/128", "a loopback address"},
	[2]string{"fc00::/7", "a private address"},
	[2]string{"fec0::/10", "a private address (site-local)"},
	[2]string{"64:ff9b::/96", "a NAT64 address"},
	[2]string{"64:ff9b:1::/48", "a NAT64 address (local use)"},
	[2]string{"::/96", "an IPv4-compatible address"},
	[2]string{"::ffff:0:0:0/96", "an IPv4-translated address"},
	[2]string{"100::/64", "a discard-only address"},
	[2]string{"5f00::/16", "a segment-routing identifier"},
	[2]string{"2001::/32", "a Teredo address"},
	[2]string{"2001::/23", "a reserved address (IETF protocols)"},
	[2]string{"2001:db8::/32", "a documentation address"},
	[2]string{"3fff::/20", "a documentation address"},
	[2]string{"2002::/16", "a 6to4 address"},
	[2]string{"3ffe::/16", "a reserved address (6bone)"},
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
