package egress

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/malote-dev/malote/internal/store"
)

// inNamespace marks the process that runs inside.
const inNamespace = "MALOTE_EGRESS_NAMESPACE"

// TestNamespace runs the corpus with the client as it is, its own resolver
// and dialer included, in a network of its own where every address of IPv4
// and IPv6 is this machine and has canaries listening.
func TestNamespace(t *testing.T) {
	if os.Getenv(inNamespace) != "" {
		namespaceCorpus(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestNamespace$", "-test.v")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOSPC) {
		t.Skipf("NOT TESTED: this system permits no user and network namespaces (%v); the corpus ran only in process", err)
	}
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
}

// namespaceCorpus is the part inside.
func namespaceCorpus(t *testing.T) {
	makeNetwork(t)
	dns := newNameServerAt(t, "127.0.0.1:53")
	c := newCanaries(t)
	entries := corpus(t)
	reset := func() {
		publicNames(dns.setRecords)
		for _, n := range []string{"intranet", "postgres", "redis", "api.internal", "git.corp", "host.docker.internal", "metadata", "x.test", "metadata.goog"} {
			dns.setRecords(n, dnsRecords{A: []string{"10.0.0.1"}})
		}
	}
	reset()
	for _, e := range entries {
		c.deliver(t, dns, &e)
	}
	reset()
	reached := 0
	for _, e := range entries {
		if c.withoutGuard(dns, &e) {
			reached++
		}
	}
	t.Logf("%d of %d hostile entries reach a canary without the guard, 0 with it", reached, hostile(entries))
	if reached <= 50 {
		t.Errorf("only %d hostile entries reach a canary without the guard", reached)
	}
}

func hostile(entries []corpusEntry) (n int) {
	for _, e := range entries {
		if e.Expected != "allow" {
			n++
		}
	}
	return n
}

// canaries listen on every address.
type canaries struct {
	ca      *authority
	allowed []netip.Addr

	mu       sync.Mutex
	hits     []net.Addr
	requests []arrival
	redirect http.HandlerFunc
}

func newCanaries(t *testing.T) *canaries {
	c := &canaries{ca: newAuthority(t), allowed: addrs(publicLiterals)}
	cert := c.ca.leaf(t, nil, "*.example.com")
	srv := &http.Server{Handler: c, ErrorLog: log.New(&strings.Builder{}, "", 0)}
	var wg sync.WaitGroup
	for _, port := range []int{25, 80, 443, 3000, 3128, 5432, 6379, 6667, 8080, 8443} {
		l, err := net.Listen("tcp", fmt.Sprintf("[::]:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		l = &sorting{l, c}
		if port == 443 || port == 8443 {
			l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}})
		}
		wg.Go(func() { _ = srv.Serve(l) })
	}
	t.Cleanup(func() { _ = srv.Close(); wg.Wait() })
	return c
}

// sorting notes each connection to an address that is not allowed.
type sorting struct {
	net.Listener
	c *canaries
}

func (s *sorting) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err == nil {
		to := conn.LocalAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
		if !slices.Contains(s.c.allowed, to) {
			s.c.mu.Lock()
			s.c.hits = append(s.c.hits, conn.LocalAddr())
			s.c.mu.Unlock()
		}
	}
	return conn, err
}

func (c *canaries) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.requests = append(c.requests, arrival{r.Host, r.RequestURI, ""})
	redirect := c.redirect
	c.mu.Unlock()
	if redirect != nil {
		redirect(w, r)
	}
}

func (c *canaries) take() ([]net.Addr, []arrival) {
	c.mu.Lock()
	defer c.mu.Unlock()
	hits, requests := c.hits, c.requests
	c.hits, c.requests = nil, nil
	return hits, requests
}

// deliver runs one entry: as creation and delivery would, and once more
// without creation.
func (c *canaries) deliver(t *testing.T, dns *nameServer, e *corpusEntry) {
	policy := Policy{AllowHTTP: true, Interfaces: func() []netip.Addr { return addrs(e.Setup.OwnAddresses) }}
	c.redirect = redirectTo(e.Setup.Redirect)
	for k := range e.Setup.Env {
		t.Setenv(k, "http://127.0.0.1:3128")
		defer os.Unsetenv(k)
	}
	send := func(u *url.URL) (*Response, error) {
		client := New(Options{Policy: policy, RootCAs: c.ca.pool})
		defer client.Close()
		return client.Send(context.Background(), &Request{URL: u, Body: []byte("{}"), Connect: testLimit, Total: testLimit})
	}
	u, err := policy.CheckURL(e.URL)
	if (err != nil) != (e.Expected == "reject at create") {
		t.Errorf("%q: %v", e.URL, err)
		return
	}
	if err != nil {
		if u, err = url.Parse(e.URL); err != nil {
			return
		}
	}
	for _, r := range []*dnsRecords{e.Setup.DNS, e.Setup.DNSAtDelivery} {
		if r != nil {
			dns.setRecords(u.Hostname(), *r)
		}
	}
	resp, err := send(u)
	hits, requests := c.take()
	if len(hits) > 0 {
		t.Errorf("HIT: %q reached %v (%s)", e.URL, hits, e.Why)
	}
	switch {
	case e.Expected == "allow":
		if err != nil || resp.Status != 200 || len(requests) != 1 || requests[0] != (arrival{u.Host, targetOf(e.URL), ""}) {
			t.Errorf("%q: %v, %v", e.URL, err, requests)
		}
	case e.Category == "redirect":
		if err != nil || resp.Status/100 != 3 || len(requests) != 1 {
			t.Errorf("%q: %d, %v, %v", e.URL, resp.Status, err, requests)
		}
	case e.Expected == "reject at delivery" && classOf(err) != store.ClassBlocked:
		t.Errorf("%q: %v", e.URL, err)
	}
}

// withoutGuard reports whether an entry would reach a canary.
func (c *canaries) withoutGuard(dns *nameServer, e *corpusEntry) bool {
	u, err := url.Parse(e.URL)
	if err != nil || e.Expected == "allow" {
		return false
	}
	for _, r := range []*dnsRecords{e.Setup.DNS, e.Setup.DNSAtDelivery} {
		if r != nil {
			dns.setRecords(u.Hostname(), *r)
		}
	}
	client := New(Options{RootCAs: c.ca.pool})
	defer client.Close()
	client.dialer.judge = func(netip.AddrPort) error { return nil }
	_, _ = client.Send(context.Background(), &Request{URL: u, Connect: testLimit, Total: testLimit})
	hits, _ := c.take()
	return len(hits) > 0
}

// makeNetwork brings lo up, makes every address local to it, and lets
// /etc/resolv.conf name the suite's DNS server.
func makeNetwork(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	conf := filepath.Join(t.TempDir(), "resolv.conf")
	must(os.WriteFile(conf, []byte("nameserver 127.0.0.1\n"), 0o600))
	must(unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""))
	target, err := filepath.EvalSymlinks("/etc/resolv.conf")
	must(err)
	must(unix.Mount(conf, target, "", unix.MS_BIND, ""))

	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	must(err)
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	must(err)
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	must(unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo))
	must(localRoute(unix.AF_INET))
	must(localRoute(unix.AF_INET6))
}

// localRoute is "ip route add local default dev lo".
func localRoute(family uint8) error {
	iface, err := net.InterfaceByName("lo")
	if err != nil {
		return err
	}
	b := binary.NativeEndian.AppendUint32(nil, 0) // length, set below
	b = binary.NativeEndian.AppendUint16(b, unix.RTM_NEWROUTE)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE)
	b = append(b, make([]byte, 8)...) // sequence, port
	b = append(b, family, 0, 0, 0, unix.RT_TABLE_LOCAL, unix.RTPROT_BOOT, unix.RT_SCOPE_HOST, unix.RTN_LOCAL, 0, 0, 0, 0)
	b = binary.NativeEndian.AppendUint16(b, 8)
	b = binary.NativeEndian.AppendUint16(b, unix.RTA_OIF)
	b = binary.NativeEndian.AppendUint32(b, uint32(iface.Index))
	binary.NativeEndian.PutUint32(b, uint32(len(b)))

	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	reply := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, reply, 0)
	if err != nil || n < 20 {
		return fmt.Errorf("netlink: %d bytes, %w", n, err)
	}
	if code := int32(binary.NativeEndian.Uint32(reply[16:])); code != 0 {
		return syscall.Errno(-code)
	}
	return nil
}
