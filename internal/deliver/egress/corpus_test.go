package egress

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/malote-dev/malote/internal/store"
)

// corpusEntry is one URL of testdata/ssrf-corpus.json.
type corpusEntry struct {
	URL      string `json:"url"`
	Why      string `json:"why"`
	Expected string `json:"expected"`
	Category string `json:"category"`
	Setup    struct {
		DNS           *dnsRecords       `json:"dns"`
		DNSAtDelivery *dnsRecords       `json:"dns_at_delivery"`
		Redirect      []any             `json:"redirect"` // status, location
		Env           map[string]string `json:"env"`
		OwnAddresses  []string          `json:"own_addresses"`
	} `json:"setup"`
}

// dnsRecords is what the suite's DNS server answers for a name.
type dnsRecords struct {
	A     []string
	AAAA  []string
	CNAME string
}

const (
	corpusSize = 204
	publicAddr = "93.184.215.14"
)

// publicLiterals are the addresses of the corpus that may be dialled.
var publicLiterals = []string{
	publicAddr, "172.15.255.255", "100.128.0.1", "169.253.255.255", "192.169.0.1", "198.20.0.1", "223.255.255.1",
	"11.0.0.1", "168.63.129.17", "2606:4700:4700::1111", "2001:4860:4860::8888", "8.8.8.8",
}

func corpus(t testing.TB) []corpusEntry {
	t.Helper()
	b, err := os.ReadFile("testdata/ssrf-corpus.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []corpusEntry
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != corpusSize {
		t.Fatalf("%d entries, want %d", len(list), corpusSize)
	}
	return list
}

// publicNames are the names of the corpus that resolve to a public address.
func publicNames(set func(string, dnsRecords)) {
	for _, n := range []string{"hooks.example.com", "redir.example.com", "xn--bcher-kva.example.com", "xn--r8jz45g.example.com", "a-b--c.example.com", "metadata.example.com"} {
		set(n, dnsRecords{A: []string{publicAddr}})
	}
}

func TestCorpusAtCreation(t *testing.T) {
	t.Parallel()
	p := &Policy{AllowHTTP: true}
	for _, e := range corpus(t) {
		u, err := p.CheckURL(e.URL)
		if e.Expected == "reject at create" {
			var refused *URLError
			if !errors.As(err, &refused) || refused.Reason.IsZero() || refused.Fix.IsZero() {
				t.Errorf("%q: %v, %v (%s)", e.URL, u, err, e.Why)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v (%s)", e.URL, err, e.Why)
			continue
		}
		again, err := p.CheckURL(u.String())
		if err != nil || again.String() != u.String() {
			t.Errorf("%q: canonical form %s is not its own: %v, %v", e.URL, u, again, err)
		}
	}
}

// TestCorpusAtDelivery delivers to what creation lets pass, with the suite's
// DNS server and a network of which every dial is recorded.
func TestCorpusAtDelivery(t *testing.T) {
	dns := newNameServer(t)
	publicNames(dns.setRecords)
	s := newSink(t, publicLiterals...)
	for _, e := range corpus(t) {
		if e.Expected == "reject at create" {
			continue
		}
		t.Run(strings.ReplaceAll(e.URL[:min(len(e.URL), 60)], "/", "_"), func(t *testing.T) {
			deliverEntry(t, dns, s, &e)
		})
	}
}

func deliverEntry(t *testing.T, dns *nameServer, s *sink, e *corpusEntry) {
	policy := Policy{AllowHTTP: true, Interfaces: func() []netip.Addr { return addrs(e.Setup.OwnAddresses) }}
	u, err := policy.CheckURL(e.URL)
	if err != nil {
		t.Fatal(err)
	}
	if e.Setup.DNS != nil {
		dns.setRecords(u.Hostname(), *e.Setup.DNS)
	}
	if e.Setup.DNSAtDelivery != nil {
		before := New(Options{Policy: policy, Resolver: dns.resolver(), Dial: s.dial(false)})
		if _, err := before.Send(context.Background(), &Request{URL: u}); err != nil {
			t.Fatalf("before the flip: %v", err)
		}
		before.Close()
		s.take()
		dns.setRecords(u.Hostname(), *e.Setup.DNSAtDelivery)
	}
	proxy := setProxyEnv(t, e.Setup.Env)
	s.answer = redirectTo(e.Setup.Redirect)
	c := New(Options{Policy: policy, Resolver: dns.resolver(), Dial: s.dial(u.Scheme == "https"), RootCAs: s.ca.pool})
	defer c.Close()
	resp, err := c.Send(context.Background(), &Request{URL: u, Body: []byte("{}"), Connect: testLimit, Total: testLimit})
	requests, hits, dialled := s.take()
	if len(hits) > 0 {
		t.Fatalf("HIT: %v was dialled", hits)
	}
	if n := proxy.Load(); n > 0 {
		t.Fatalf("the proxy saw %d connections", n)
	}
	switch {
	case e.Expected == "allow":
		want := arrival{host: u.Host, target: targetOf(e.URL), body: "{}"}
		if err != nil || resp.Status != 200 || len(requests) != 1 || requests[0] != want {
			t.Fatalf("arrived %+v, want %+v; %+v, %v", requests, want, resp, err)
		}
	case e.Category == "redirect":
		if err != nil || resp.Status/100 != 3 || len(requests) != 1 || dialled != 1 {
			t.Fatalf("status %d, %d requests, %d dials, %v", resp.Status, len(requests), dialled, err)
		}
	default:
		if classOf(err) != store.ClassBlocked || dialled != 0 || len(requests) != 0 {
			t.Fatalf("%v, %d dials, want %s and none", err, dialled, store.ClassBlocked)
		}
	}
}

// TestCorpusGuardAlone sends what creation refuses as well: the guard at
// delivery must hold without the one at creation.
func TestCorpusGuardAlone(t *testing.T) {
	t.Parallel()
	dns := newNameServer(t)
	publicNames(dns.setRecords)
	for _, n := range []string{"intranet", "postgres", "redis", "api.internal", "git.corp", "host.docker.internal", "metadata", "metadata.goog", "x.test"} {
		dns.setRecords(n, dnsRecords{A: []string{"10.0.0.1"}})
	}
	s := newSink(t, publicLiterals...)
	c := New(Options{Policy: Policy{Interfaces: noInterfaces}, Resolver: dns.resolver(), Dial: s.dial(false)})
	defer c.Close()
	tried := 0
	for _, e := range corpus(t) {
		u, err := url.Parse(e.URL)
		if e.Expected != "reject at create" || err != nil {
			continue
		}
		tried++
		_, err = c.Send(context.Background(), &Request{URL: u, Connect: testLimit, Total: testLimit})
		if _, hits, _ := s.take(); len(hits) > 0 {
			t.Errorf("HIT: %q dialled %v (%s); %v", e.URL, hits, e.Why, err)
		}
	}
	if tried < 100 {
		t.Errorf("only %d entries were tried", tried)
	}
}

// TestCorpusBites turns the guard off: if hostile entries did not reach the
// canary then, the tests above would prove nothing.
func TestCorpusBites(t *testing.T) {
	t.Parallel()
	dns := newNameServer(t)
	publicNames(dns.setRecords)
	s := newSink(t, publicLiterals...)
	c := New(Options{Resolver: dns.resolver(), Dial: s.dial(false)})
	defer c.Close()
	c.dialer.judge = func(netip.AddrPort) error { return nil }
	reached := 0
	for _, e := range corpus(t) {
		u, err := url.Parse(e.URL)
		if e.Expected == "allow" || err != nil {
			continue
		}
		if e.Setup.DNS != nil {
			dns.setRecords(u.Hostname(), *e.Setup.DNS)
		}
		_, _ = c.Send(context.Background(), &Request{URL: u, Connect: testLimit, Total: testLimit})
		if _, hits, _ := s.take(); len(hits) > 0 {
			reached++
		}
	}
	t.Logf("%d hostile entries reach a canary without the guard", reached)
	if reached <= 50 {
		t.Errorf("only %d hostile entries reach a canary without the guard", reached)
	}
}

// TestRebindingAlternates has a name that is public and the metadata address
// by turns: the judged address is the dialled one.
func TestRebindingAlternates(t *testing.T) {
	t.Parallel()
	dns := newNameServer(t)
	dns.set("turns.example.com", func(q *dnsQuery) dnsReply {
		if q.n%2 == 0 {
			return dnsReply{dnsRecords: dnsRecords{A: []string{"169.254.169.254"}}}
		}
		return dnsReply{dnsRecords: dnsRecords{A: []string{publicAddr}}}
	})
	s := newSink(t, publicAddr)
	c := New(Options{Policy: Policy{Interfaces: noInterfaces}, Resolver: dns.resolver(), Dial: s.dial(false), MaxIdle: -1})
	defer c.Close()
	u := &url.URL{Scheme: "http", Host: "turns.example.com", Path: "/"}
	delivered, blocked := 0, 0
	for range 400 {
		switch _, err := c.Send(context.Background(), &Request{URL: u, Connect: testLimit, Total: testLimit}); {
		case err == nil:
			delivered++
		case classOf(err) == store.ClassBlocked:
			blocked++
		default:
			t.Fatal(err)
		}
	}
	if requests, hits, _ := s.take(); len(hits) > 0 || len(requests) != delivered || delivered < 100 || blocked < 100 {
		t.Errorf("delivered %d (%d arrived), blocked %d, hits %v", delivered, len(requests), blocked, hits)
	}
}

func addrs(list []string) (out []netip.Addr) {
	for _, a := range list {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func noInterfaces() []netip.Addr { return nil }

func classOf(err error) store.Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return ""
}

// targetOf is path and query as somebody typed them.
func targetOf(raw string) string {
	_, rest, _ := strings.Cut(raw, "://")
	at := strings.IndexAny(rest, "/?")
	if at < 0 {
		return "/"
	}
	return strings.TrimSuffix("/", rest[at:at+1]) + rest[at:]
}

func redirectTo(setup []any) http.HandlerFunc {
	if setup == nil {
		return nil
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", setup[1].(string))
		w.WriteHeader(int(setup[0].(float64)))
	}
}

// setProxyEnv points proxy variables to a listener and counts its connections.
func setProxyEnv(t *testing.T, env map[string]string) *atomic.Int32 {
	var n atomic.Int32
	if len(env) == 0 {
		return &n
	}
	l := listen(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n.Add(1)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	for k := range env {
		t.Setenv(k, "http://"+l.Addr().String())
	}
	return &n
}
