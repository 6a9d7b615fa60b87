package egress

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/malote-dev/malote/internal/store"
)

// TestDNS: names that do not resolve are an error of their own,
// and a resolver that is down is nobody's fault but ours.
func TestDNS(t *testing.T) {
	t.Parallel()
	dns := newNameServer(t)
	reply := func(name string, r dnsReply) { dns.set(name, func(*dnsQuery) dnsReply { return r }) }
	reply("servfail.example.com", dnsReply{rcode: dnsmessage.RCodeServerFailure})
	reply("refused.example.com", dnsReply{rcode: dnsmessage.RCodeRefused})
	reply("silent.example.com", dnsReply{silent: true})
	reply("garbage.example.com", dnsReply{raw: []byte("\x81\x80garbage")})
	reply("loop.example.com", dnsReply{loop: true})
	reply("empty.example.com", dnsReply{})
	many := make([]string, 64)
	for i := range many {
		many[i] = fmt.Sprintf("93.184.215.%d", i+1)
	}
	reply("many.example.com", dnsReply{dnsRecords: dnsRecords{A: many}})
	reply("cut.example.com", dnsReply{truncated: true, dnsRecords: dnsRecords{A: many}})
	reply("hidden.example.com", dnsReply{truncated: true, dnsRecords: dnsRecords{A: append(slices.Clip(many), "10.0.0.1")}})
	reply("six.example.com", dnsReply{dnsRecords: dnsRecords{AAAA: []string{"2606:4700:4700::1111"}}})
	s := newSink(t, append(many, "2606:4700:4700::1111")...)
	c := New(Options{Policy: Policy{Interfaces: noInterfaces}, Resolver: dns.resolver(), Dial: s.dial(false)})
	t.Cleanup(c.Close)
	cases := []struct {
		name, detail string
		class        store.Class
		slow         bool
	}{
		{"nowhere.example.com", "does not exist", store.ClassDNS, false},
		{"empty.example.com", "has no address", store.ClassDNS, false},
		{"servfail.example.com", "answer with an error", store.ClassDNS, false},
		{"refused.example.com", "answer with an error", store.ClassDNS, false},
		{"silent.example.com", "no answer from DNS", store.ClassDNS, true},
		{"garbage.example.com", "DNS", store.ClassDNS, true},
		{"loop.example.com", "", store.ClassDNS, false},
		{"many.example.com", "", "", false},
		{"cut.example.com", "", "", false},
		{"hidden.example.com", "10.0.0.1, a private address", store.ClassBlocked, false},
		{"six.example.com", "", "", false},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := post(&url.URL{Scheme: "http", Host: k.name, Path: "/"}, "{}")
			r.Connect = testLimit
			if k.slow {
				r.Connect = 300 * time.Millisecond
			}
			resp, err := c.Send(context.Background(), r)
			if classOf(err) != k.class || err != nil && !strings.Contains(err.Error(), k.detail) || resp.Timings.Total > testLimit {
				t.Errorf("%v, want %s %q", err, k.class, k.detail)
			}
			if k.class == "" && resp.Timings.DNS <= 0 {
				t.Errorf("%+v", resp.Timings)
			}
		})
	}
}

// TestResolverDown: whose fault it is that a name gets no answer.
func TestResolverDown(t *testing.T) {
	t.Parallel()
	dns := newNameServer(t)
	dns.setRecords("up.example.com", dnsRecords{A: []string{publicAddr}})
	dns.set("silent.example.com", func(*dnsQuery) dnsReply { return dnsReply{silent: true} })
	s := newSink(t, publicAddr)
	send := func(c *Client, host string) error {
		r := post(&url.URL{Scheme: "http", Host: host, Path: "/"}, "{}")
		if strings.HasPrefix(host, "silent") {
			r.Connect = 100 * time.Millisecond
		}
		_, err := c.Send(context.Background(), r)
		return err
	}
	c := New(Options{Policy: Policy{Interfaces: noInterfaces}, Resolver: dns.resolver(), Dial: s.dial(false)})
	defer c.Close()
	if err := send(c, "silent.example.com"); !oursOf(err) {
		t.Errorf("a resolver that never answered: %v", err)
	}
	if err := send(c, "up.example.com"); err != nil {
		t.Fatal(err)
	}
	if err := send(c, "silent.example.com"); classOf(err) != store.ClassDNS || oursOf(err) {
		t.Errorf("a resolver that answers for others: %v", err)
	}
	l := listen(t)
	_ = l.Close()
	down := New(Options{Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, l.Addr().String())
	}}})
	defer down.Close()
	if err := send(down, "up.example.com"); classOf(err) != store.ClassDNS || !oursOf(err) {
		t.Errorf("no resolver at all: %v", err)
	}
}

// TestLookupsBounded: lookups that hang do not pile up.
func TestLookupsBounded(t *testing.T) {
	t.Parallel()
	dns := newNameServer(t)
	s := newSink(t)
	c := New(Options{Resolver: dns.resolver(), Dial: s.dial(false)})
	defer c.Close()
	for range maxLookups {
		c.dialer.names.slots <- struct{}{}
	}
	r := post(&url.URL{Scheme: "http", Host: "hooks.example.com"}, "{}")
	r.Connect = 20 * time.Millisecond
	if _, err := c.Send(context.Background(), r); classOf(err) != store.ClassDNS || !oursOf(err) {
		t.Error(err)
	}
}

// TestRootedNames: no search domain is tried.
func TestRootedNames(t *testing.T) {
	t.Parallel()
	l := newLookups(nil)
	var asked string
	l.ask = func(_ context.Context, name string) ([]netip.Addr, error) {
		asked = name
		return addrs([]string{publicAddr}), nil
	}
	for _, name := range []string{"billing", "billing."} {
		if _, err := l.find(context.Background(), name); err != nil || asked != "billing." {
			t.Errorf("%q was asked, %v", asked, err)
		}
	}
	if len(l.running) != 0 || len(l.slots) != 0 {
		t.Error("something is left")
	}
}
