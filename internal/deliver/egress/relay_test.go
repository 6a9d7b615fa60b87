package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/store"
)

// echo listens on loopback and closes what connects.
func echo(t *testing.T, config *tls.Config) netip.AddrPort {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr).AddrPort()
	if config != nil {
		l = tls.NewListener(l, config)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("220 ready\r\n"))
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	return addr
}

func greeting(t *testing.T, c net.Conn, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, 16)
	n, _ := c.Read(b)
	return string(b[:n])
}

// TestRelayIsReached although it is private, by address and by name, and over TLS.
func TestRelayIsReached(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	plain := echo(t, nil)
	secure := echo(t, &tls.Config{Certificates: []tls.Certificate{ca.leaf(t, nil, "relay.internal")}})
	dns := newNameServer(t)
	dns.setRecords("relay.internal", dnsRecords{A: []string{"127.0.0.1"}})
	for name, o := range map[string]RelayOptions{
		"by address": {Host: "127.0.0.1", Port: plain.Port()},
		"localhost":  {Host: "localhost", Port: plain.Port()},
		"by name":    {Host: "relay.internal", Port: plain.Port(), Resolver: dns.resolver()},
		"over TLS":   {Host: "relay.internal", Port: secure.Port(), TLS: true, RootCAs: ca.pool, Resolver: dns.resolver()},
	} {
		c, err := NewRelay(o).Dial(t.Context())
		if got := greeting(t, c, err); got != "220 ready\r\n" {
			t.Errorf("%s: %q", name, got)
		}
	}
	r := NewRelay(RelayOptions{Host: "relay.internal", Port: secure.Port(), TLS: true, Resolver: dns.resolver()})
	var e *Error
	if _, err := r.Dial(t.Context()); !errors.As(err, &e) || e.Class != store.ClassTLS {
		t.Errorf("a certificate of nobody known: %v", err)
	}
	if c := r.Config(); c.ServerName != "relay.internal" || c.MinVersion < tls.VersionTLS12 || c.InsecureSkipVerify {
		t.Errorf("%+v", c)
	}
}

// TestRelayIsNotEverywhere: what no operator lifts is refused, after the name
// was resolved.
func TestRelayIsNotEverywhere(t *testing.T) {
	t.Parallel()
	dns := newNameServer(t)
	dns.setRecords("metadata.internal", dnsRecords{A: []string{"169.254.169.254"}})
	for _, host := range []string{"169.254.169.254", "metadata.internal", "0.0.0.0", "fe80::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "224.0.0.1"} {
		r := NewRelay(RelayOptions{Host: host, Port: 25, Resolver: dns.resolver(), Dial: func(context.Context, netip.AddrPort) (net.Conn, error) {
			t.Errorf("%s is dialled", host)
			return nil, errors.New("no")
		}})
		var e *Error
		if _, err := r.Dial(t.Context()); !errors.As(err, &e) || e.Class != store.ClassBlocked {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// TestNoWebhookReachesTheRelay, also where the operator allows its range.
func TestNoWebhookReachesTheRelay(t *testing.T) {
	t.Parallel()
	dns := newNameServer(t)
	dns.setRecords("relay.internal", dnsRecords{A: []string{"10.0.0.5", "10.0.0.6"}})
	relay := NewRelay(RelayOptions{Host: "relay.internal", Port: 2525, Resolver: dns.resolver()})
	if err := relay.Find(t.Context()); err != nil {
		t.Fatal(err)
	}
	literal := NewRelay(RelayOptions{Host: "10.0.0.7", Port: 2525})
	allow := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct {
		relay *Relay
		addr  string
		open  bool
	}{
		{relay, "10.0.0.5:2525", false}, {relay, "10.0.0.6:2525", false}, {relay, "[::ffff:10.0.0.5]:2525", false}, {relay, "10.0.0.5:443", true}, {relay, "10.0.0.7:2525", true},
		{literal, "10.0.0.7:2525", false}, {literal, "10.0.0.5:2525", true}, {nil, "10.0.0.5:2525", true},
	} {
		p := Policy{Allow: allow, Relay: c.relay, Interfaces: noInterfaces}
		err := p.CheckAddr(netip.MustParseAddrPort(c.addr))
		if (err == nil) != c.open || err != nil && !strings.Contains(err.Error(), "mail relay") {
			t.Errorf("%s: %v", c.addr, err)
		}
	}
	var e *Error
	c := New(Options{Policy: Policy{Allow: allow, AllowHTTP: true, Relay: relay, Interfaces: noInterfaces}, Resolver: dns.resolver()})
	defer c.Close()
	u, err := (&Policy{Allow: allow, AllowHTTP: true}).CheckURL("http://relay.internal:2525/")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Send(t.Context(), &Request{URL: u}); !errors.As(err, &e) || e.Class != store.ClassBlocked {
		t.Errorf("a webhook to the relay: %v", err)
	}
}
