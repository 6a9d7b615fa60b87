package egress

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/store"
)

func prefixes(list ...string) (out []netip.Prefix) {
	for _, p := range list {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func ports(list ...string) (out []netip.AddrPort) {
	for _, a := range list {
		out = append(out, netip.MustParseAddrPort(a))
	}
	return out
}

// TestCheckAddr is the policy at delivery; refused is a part of the reason,
// empty where the address passes.
func TestCheckAddr(t *testing.T) {
	t.Parallel()
	machine := func() []netip.Addr { return addrs([]string{"198.35.26.96", "10.1.2.3", "127.0.0.1", "::1"}) }
	strict := Policy{Interfaces: machine}
	dev := Policy{Interfaces: machine, AllowLoopback: true, Own: ports("127.0.0.1:8400")}
	any := Policy{Interfaces: machine, Allow: prefixes("0.0.0.0/0", "::/0"), Own: ports("0.0.0.0:8400", "[::1]:9000", "10.9.9.9:0")}
	ten := Policy{Interfaces: machine, Allow: prefixes("10.0.0.0/8", "fd00::/8", "198.35.26.96/32")}
	mapped := Policy{Interfaces: machine, Allow: prefixes("::ffff:10.0.0.0/104")}
	nat := Policy{Interfaces: machine, NAT64: true, Own: ports("10.9.9.9:80"), Allow: prefixes("10.9.0.0/16")}
	cases := []struct {
		name    string
		p       *Policy
		addr    string
		refused string
	}{
		{"strict", &strict, "8.8.8.8:443", ""},
		{"strict", &strict, "8.8.8.8:80", ""},
		{"strict", &strict, "8.8.8.8:8443", ""},
		{"strict", &strict, "8.8.8.8:0", "port 0"},
		{"strict", &strict, "8.8.8.8:25", "port 25"},
		{"strict", &strict, "8.8.8.8:6667", "port 6667"},
		{"strict", &strict, "[::ffff:8.8.8.8]:443", ""},
		{"strict", &strict, "[::ffff:10.0.0.1]:443", "private"},
		{"strict", &strict, "[2606:4700:4700::1111]:443", ""},
		{"strict", &strict, "[2606:4700:4700::1111%eth0]:443", "zone"},
		{"strict", &strict, "[4000::1]:443", "outside the public IPv6 space"},
		{"strict", &strict, "[1::1]:443", "outside the public IPv6 space"},
		{"strict", &strict, "[e000::1]:443", "outside the public IPv6 space"},
		{"strict", &strict, "[fe80::1]:443", "link-local"},
		{"strict", &strict, "[ff02::1]:443", "multicast"},
		{"strict", &strict, "[::]:443", "this machine"},
		{"strict", &strict, "[::5]:443", "this machine"},
		{"strict", &strict, "255.255.255.255:443", "broadcast"},
		{"strict", &strict, "127.0.0.1:443", "loopback"},
		{"strict", &strict, "198.35.26.96:443", "this server's machine"},
		{"strict", &strict, "[64:ff9b::808:808]:443", "NAT64"},

		{"dev", &dev, "127.0.0.1:3000", ""},
		{"dev", &dev, "127.0.0.1:25", ""},
		{"dev", &dev, "[::1]:8400", ""},
		{"dev", &dev, "127.0.0.1:8400", "this server's own"},
		{"dev", &dev, "[::ffff:127.0.0.1]:8400", "this server's own"},
		{"dev", &dev, "10.0.0.1:80", "private"},

		{"any", &any, "10.0.0.1:25", ""},
		{"any", &any, "127.0.0.1:80", ""},
		{"any", &any, "198.35.26.96:22", ""},
		{"any", &any, "203.0.113.1:443", ""},
		{"any", &any, "[4000::1]:443", ""},
		{"any", &any, "127.0.0.1:8400", "this server's own"},
		{"any", &any, "127.5.5.5:8400", "this server's own"},
		{"any", &any, "[::1]:8400", "this server's own"},
		{"any", &any, "10.1.2.3:8400", "this server's own"},
		{"any", &any, "198.35.26.96:8400", "this server's own"},
		{"any", &any, "8.8.8.8:8400", ""},
		{"any", &any, "[::1]:9000", "this server's own"},
		{"any", &any, "127.0.0.1:9000", ""},
		{"any", &any, "10.9.9.9:1234", "this server's own"},
		{"any", &any, "169.254.169.254:80", "link-local"},
		{"any", &any, "[::ffff:169.254.169.254]:80", "link-local"},
		{"any", &any, "168.63.129.16:80", "metadata"},
		{"any", &any, "100.100.100.200:80", "metadata"},
		{"any", &any, "192.0.0.192:80", "metadata"},
		{"any", &any, "[fd00:ec2::254]:80", "metadata"},
		{"any", &any, "[fe80::1]:80", "link-local"},
		{"any", &any, "0.0.0.0:80", "this machine"},
		{"any", &any, "0.1.2.3:80", "this machine"},
		{"any", &any, "[::]:80", "this machine"},
		{"any", &any, "224.0.0.1:80", "multicast"},
		{"any", &any, "[64:ff9b::a9fe:a9fe]:80", "link-local"},
		{"any", &any, "[64:ff9b:1::a9fe:a9fe]:80", "link-local"},
		{"any", &any, "[2002:a9fe:a9fe::1]:80", "link-local"},
		{"any", &any, "[2001:0:1:1:1:1:5601:5601]:80", "link-local"}, // Teredo, inverted
		{"any", &any, "[::ffff:0:169.254.169.254]:80", "link-local"},
		{"any", &any, "[::a9fe:a9fe]:80", "link-local"},
		{"any", &any, "[fd00::5efe:a9fe:a9fe]:80", "link-local"},

		{"ten", &ten, "10.2.3.4:5432", ""},
		{"ten", &ten, "[::ffff:10.2.3.4]:80", ""},
		{"ten", &ten, "[fd00::1]:80", ""},
		{"ten", &ten, "198.35.26.96:443", ""},
		{"ten", &ten, "192.168.0.1:80", "private"},
		{"ten", &ten, "8.8.8.8:25", "port 25"},
		{"mapped", &mapped, "10.2.3.4:80", ""},
		{"mapped", &mapped, "11.2.3.4:25", "port 25"},

		{"nat", &nat, "[64:ff9b::808:808]:443", ""},
		{"nat", &nat, "[64:ff9b::808:808]:25", "port 25"},
		{"nat", &nat, "[64:ff9b::a00:1]:443", "private"},
		{"nat", &nat, "[64:ff9b::a09:1]:443", ""},
		{"nat", &nat, "[64:ff9b::a09:909]:80", "this server's own"},
		{"nat", &nat, "[64:ff9b::7f00:1]:443", "loopback"},
		{"nat", &nat, "[64:ff9b::a9fe:a9fe]:80", "link-local"},
		{"nat", &nat, "[64:ff9b:1::808:808]:443", "NAT64"},
	}
	for _, k := range cases {
		err := k.p.CheckAddr(netip.MustParseAddrPort(k.addr))
		if (err == nil) != (k.refused == "") || err != nil && !strings.Contains(err.Error(), k.refused) {
			t.Errorf("%s, %s: %v, want %q", k.name, k.addr, err, k.refused)
		}
	}
	if err := strict.CheckAddr(netip.AddrPort{}); err == nil {
		t.Error("the zero address passes")
	}
}

// TestCheckURL is the policy at creation: the canonical form, or the whole
// refusal.
func TestCheckURL(t *testing.T) {
	t.Parallel()
	strict := Policy{Interfaces: noInterfaces}
	plain := Policy{Interfaces: noInterfaces, AllowHTTP: true}
	dev := Policy{Interfaces: noInterfaces, AllowHTTP: true, AllowLoopback: true, Own: ports("127.0.0.1:8400", "[::1]:8400")}
	one := Policy{Interfaces: noInterfaces, AllowHTTP: true, AllowLoopback: true, Own: ports("127.0.0.1:8400")} // nothing of it is on ::1
	ten := Policy{Interfaces: noInterfaces, AllowHTTP: true, Allow: prefixes("10.0.0.0/8", "127.0.0.0/8")}
	const public = "use a public https URL such as https://hooks.example.com/in"
	cases := []struct {
		p    *Policy
		raw  string
		want string // canonical form, or the error
	}{
		{&strict, "https://Hooks.Example.COM.:443", "https://hooks.example.com/"},
		{&strict, "https://hooks.example.com:0443/a?", "https://hooks.example.com/a?"},
		{&strict, "https://hooks.example.com?q=1", "https://hooks.example.com/?q=1"},
		{&strict, "https://hooks.example.com/a%2Fb/../c//d;e='(x)'?a=b&c[]=%zz", "https://hooks.example.com/a%2Fb/../c//d;e='(x)'?a=b&c[]=%zz"},
		{&strict, `https://hooks.example.com/{id}|"x"%2f?<é>`, "https://hooks.example.com/%7Bid%7D%7C%22x%22%2f?%3C%C3%A9%3E"},
		{&strict, "https://bücher.example.com/ü", "https://xn--bcher-kva.example.com/%C3%BC"},
		{&strict, "https://r3---sn-x.example.com/", "https://r3---sn-x.example.com/"},
		{&strict, "https://[2606:4700:4700:0::1111]:8443", "https://[2606:4700:4700::1111]:8443/"},
		{&plain, "http://[::ffff:8.8.8.8]:80/", "http://8.8.8.8/"},
		{&plain, "http://8.8.8.8./", "http://8.8.8.8/"},
		{&strict, "http://hooks.example.com/", "the URL is http; use https, which keeps the payload from being read on the way"},
		{&strict, "https://hooks.example.com:/", `the URL has an empty port; remove the ":" or add the port`},
		{&strict, "https://10.0.0.1/", "host 10.0.0.1 is a private address; use a public https URL, or have the operator allow it with --egress-allow 10.0.0.0/8"},
		{&strict, "https://169.254.169.254/", "host 169.254.169.254 is a link-local address, where cloud metadata services live; use a public https URL; this address cannot be allowed"},
		{&strict, "https://hooks.example.com:25/", "port 25 is not one that webhooks are sent to; use 443, 80, or one from 1024 to 65535"},
		{&strict, "https://u:p@hooks.example.com/", "the URL has a user name or password; send credentials in a header of the endpoint, such as Authorization"},
		{&strict, "https://2130706433/", `host "2130706433" ends in a number but is not an IPv4 address of the form 1.2.3.4; ` + public},
		{&strict, "https://my_host.example.com/", `host "my_host.example.com" is not a valid host name; check the spelling`},
		{&strict, "hooks.example.com/in", "the URL has no scheme; " + public},
		{&strict, "https://exa\u200bmple.com/", "the URL has an invisible or control character (U+200B); remove it"},
		{&strict, "https://hooks.example.com/\xff", "the URL is not valid UTF-8; percent-encode bytes that are not ASCII"},
		{&strict, "https://hooks.example.com/%zz", `the URL cannot be read: "%zz" is no percent-encoding; ` + public},
		{&strict, "https://" + strings.Repeat("a", 2050), "the URL is longer than 2048 bytes; shorten it"},
		{&strict, "https://hooks.example.com/" + strings.Repeat("é", 1000), "the URL is longer than 2048 bytes once encoded; shorten it"},
		{&strict, "https://localhost/", "host localhost is a loopback address; use a public https URL, or have the operator allow it with --egress-allow 127.0.0.0/8"},
		{&strict, "https://api.internal/", "host api.internal is an internal name; use a public https URL, or have the operator allow the range it resolves to with --egress-allow"},

		{&dev, "http://localhost:3000/in", "http://localhost:3000/in"},
		{&dev, "http://app.localhost:1/", "http://app.localhost:1/"},
		{&dev, "http://127.0.0.1:25/", "http://127.0.0.1:25/"},
		{&dev, "http://[::1]:3000/", "http://[::1]:3000/"},
		{&dev, "http://127.0.0.1:8400/v1/events", "host 127.0.0.1 is this server's own address; use a public https URL; this address cannot be allowed"},
		{&dev, "http://localhost:8400/", "host localhost is this server's own address; use a public https URL; this address cannot be allowed"},
		{&one, "http://localhost:8400/", "host localhost is this server's own address; use a public https URL; this address cannot be allowed"},
		{&one, "http://localhost:8401/", "http://localhost:8401/"},
		{&dev, "http://10.0.0.1/", "host 10.0.0.1 is a private address; use a public https URL, or have the operator allow it with --egress-allow 10.0.0.0/8"},

		{&ten, "http://10.2.3.4:99/", "http://10.2.3.4:99/"},
		{&ten, "http://127.0.0.1:9999/in", "http://127.0.0.1:9999/in"},
		{&ten, "http://localhost:9999/in", "http://localhost:9999/in"},
		{&ten, "http://billing.internal:99/", "http://billing.internal:99/"},
		{&ten, "http://billing:8080/", "http://billing:8080/"},
		{&ten, "http://hooks.example.com:25/", "port 25 is not one that webhooks are sent to; use 443, 80, or one from 1024 to 65535"},
		{&ten, "http://x.onion/", "host x.onion is under a name that public DNS does not have; " + public},
		{&ten, "http://metadata.google.internal/", "host metadata.google.internal is a cloud metadata service; " + public},
		{&ten, "http://192.168.0.1/", "host 192.168.0.1 is a private address; use a public https URL, or have the operator allow it with --egress-allow 192.168.0.0/16"},
	}
	for _, k := range cases {
		u, err := k.p.CheckURL(k.raw)
		var got string
		if err != nil {
			got = err.Error()
		} else {
			got = u.String()
		}
		if got != k.want {
			t.Errorf("%.80q:\n got %s\nwant %s", k.raw, got, k.want)
		}
	}
}

// TestTables: no range is lost between the tables, and none is public.
func TestTables(t *testing.T) {
	t.Parallel()
	for _, r := range append(append([]special{}, special4...), special6...) {
		if r.prefix != r.prefix.Masked() || notPublic(r.prefix.Addr()) == nil {
			t.Errorf("%s (%s)", r.prefix, r.what)
		}
	}
	for _, r := range append(append([]special{}, never4...), never6...) {
		if r.prefix != r.prefix.Masked() || neverAllowed(r.prefix.Addr()) == nil || notPublic(r.prefix.Addr()) == nil {
			t.Errorf("%s (%s)", r.prefix, r.what)
		}
	}
	if got := machineAddrs(); len(got) == 0 {
		t.Error("this machine has no address")
	}
}

// TestLocalhostIsNotCalled: a name that leads to the server's own listener is
// blocked, and not tried at the other loopback address, where nothing listens.
func TestLocalhostIsNotCalled(t *testing.T) {
	t.Parallel()
	c := New(Options{Policy: Policy{Interfaces: noInterfaces, AllowHTTP: true, AllowLoopback: true, Own: ports("127.0.0.1:8400")}})
	defer c.Close()
	_, err := c.Send(t.Context(), &Request{URL: &url.URL{Scheme: "http", Host: "app.localhost:8400", Path: "/"}, Method: "POST"})
	var e *Error
	if !errors.As(err, &e) || e.Class != store.ClassBlocked || !strings.Contains(e.Detail, "this server's own address") {
		t.Errorf("%v", err)
	}
}
