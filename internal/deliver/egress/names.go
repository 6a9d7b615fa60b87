package egress

import (
	"slices"
	"strings"
)

// internalSuffixes end names that only exist inside a network. An operator
// who allows an internal range needs them; the address guard still judges
// what they resolve to.
var internalSuffixes = []string{
	"local", "internal", "intranet", "private", "lan", "corp", "home", "mail",
	"localdomain", "home.arpa", "svc", "docker",
}

// neverSuffixes end names that no webhook receiver has (RFC 6761, RFC 7686,
// RFC 9476).
var neverSuffixes = []string{"test", "invalid", "onion", "alt", "arpa"}

// metadataNames are what cloud providers call their metadata services.
var metadataNames = []string{
	"metadata", "metadata.goog", "metadata.google.internal", "metadata.tencentyun.com",
	"instance-data", "instance-data.ec2.internal", "metadata.azure.com", "metadata.azure.internal",
	"metadata.packet.net", "metadata.platformequinix.com", "rancher-metadata",
}

// localNames are what hosts files call this machine.
var localNames = []string{"localhost", "localhost6", "localhost4", "ip6-localhost", "ip6-loopback", "localhost.localdomain", "localhost6.localdomain6", "localhost4.localdomain4"}

// isLocalhost reports a name of the loopback address (RFC 6761: also every
// name below localhost).
func isLocalhost(name string) bool {
	return slices.Contains(localNames, name) || strings.HasSuffix(name, ".localhost")
}

func hasSuffix(name string, suffixes []string) bool {
	return slices.ContainsFunc(suffixes, func(s string) bool {
		return name == s || strings.HasSuffix(name, "."+s)
	})
}

// isInternal reports a name that public DNS does not have.
func isInternal(name string) bool {
	return !strings.Contains(name, ".") || hasSuffix(name, internalSuffixes)
}

// endsInNumber is the WHATWG URL rule: such a host is an IPv4 address or
// nothing, because some resolvers read 2130706433 and 0x7f.1 as one.
func endsInNumber(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" {
		return false
	}
	digits := strings.TrimPrefix(strings.TrimPrefix(last, "0x"), "0X")
	hex := len(digits) != len(last)
	for i := range len(digits) {
		c := digits[i]
		if c >= '0' && c <= '9' {
			continue
		}
		if hex && (c|0x20 >= 'a' && c|0x20 <= 'f') {
			continue
		}
		return false
	}
	return true
}

// publicPort reports whether a public destination may have the port: 80, 443,
// and those from 1024 that the Fetch standard does not call bad.
func publicPort(port uint16) bool {
	switch port {
	case 80, 443:
		return true
	case 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6679, 6697, 10080:
		return false
	}
	return port >= 1024 && (port < 6665 || port > 6669)
}
