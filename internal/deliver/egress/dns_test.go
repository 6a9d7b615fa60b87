package egress

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer is a DNS server on the loopback interface, UDP and TCP. Names
// that it does not know do not exist.
type nameServer struct {
	addr string
	udp  net.PacketConn
	tcp  net.Listener
	wg   sync.WaitGroup

	mu      sync.Mutex
	names   map[string]func(q *dnsQuery) dnsReply
	queries map[string]int // A queries of a name so far
	conns   map[net.Conn]bool
}

// dnsQuery is what was asked.
type dnsQuery struct {
	n   int // how often the name's A records were asked for, this time included
	tcp bool
}

// dnsReply is what to answer.
type dnsReply struct {
	dnsRecords
	rcode     dnsmessage.RCode
	silent    bool
	truncated bool   // over UDP
	raw       []byte // instead of a message
	loop      bool   // a CNAME to itself
}

func newNameServer(t testing.TB) *nameServer { return newNameServerAt(t, "127.0.0.1:0") }

func newNameServerAt(t testing.TB, addr string) *nameServer {
	t.Helper()
	s := &nameServer{names: map[string]func(*dnsQuery) dnsReply{}, queries: map[string]int{}, conns: map[net.Conn]bool{}}
	for try := 0; ; try++ {
		udp, err := net.ListenPacket("udp", addr)
		if err != nil {
			t.Fatal(err)
		}
		s.addr, s.udp = udp.LocalAddr().String(), udp
		if s.tcp, err = net.Listen("tcp", s.addr); err == nil {
			break
		}
		_ = udp.Close() // another process has the port over TCP
		if try == 10 {
			t.Fatal(err)
		}
	}
	s.wg.Go(s.serveUDP)
	s.wg.Go(s.serveTCP)
	t.Cleanup(s.close)
	return s
}

func (s *nameServer) close() {
	_ = s.udp.Close()
	_ = s.tcp.Close()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// resolver asks only this server.
func (s *nameServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, s.addr)
	}}
}

func (s *nameServer) set(name string, reply func(q *dnsQuery) dnsReply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[strings.ToLower(name)] = reply
}

func (s *nameServer) setRecords(name string, r dnsRecords) {
	s.set(name, func(*dnsQuery) dnsReply { return dnsReply{dnsRecords: r} })
}

func (s *nameServer) serveUDP() {
	buf := make([]byte, 1<<12)
	for {
		n, from, err := s.udp.ReadFrom(buf)
		if err != nil {
			return
		}
		if out := s.answer(buf[:n], false); out != nil {
			_, _ = s.udp.WriteTo(out, from)
		}
	}
}

func (s *nameServer) serveTCP() {
	for {
		c, err := s.tcp.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		s.mu.Unlock()
		s.wg.Go(func() {
			defer c.Close()
			for {
				var size [2]byte
				if _, err := io.ReadFull(c, size[:]); err != nil {
					return
				}
				msg := make([]byte, binary.BigEndian.Uint16(size[:]))
				if _, err := io.ReadFull(c, msg); err != nil {
					return
				}
				out := s.answer(msg, true)
				_, _ = c.Write(binary.BigEndian.AppendUint16(nil, uint16(len(out))))
				_, _ = c.Write(out)
			}
		})
	}
}

func (s *nameServer) answer(msg []byte, tcp bool) []byte {
	var m dnsmessage.Message
	if m.Unpack(msg) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	s.mu.Lock()
	reply := s.names[name]
	if q.Type == dnsmessage.TypeA {
		s.queries[name]++
	}
	n := s.queries[name]
	s.mu.Unlock()
	out := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}, Questions: m.Questions}
	if reply == nil {
		out.RCode = dnsmessage.RCodeNameError
		b, _ := out.Pack()
		return b
	}
	r := reply(&dnsQuery{n: n, tcp: tcp})
	switch {
	case r.silent:
		return nil
	case r.raw != nil:
		return append(append([]byte{}, msg[:2]...), r.raw...)
	case r.truncated && !tcp:
		out.Truncated = true
		b, _ := out.Pack()
		return b
	}
	out.RCode = r.rcode
	out.Answers = r.resources(q)
	b, err := out.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

func (r *dnsReply) resources(q dnsmessage.Question) []dnsmessage.Resource {
	var out []dnsmessage.Resource
	owner := q.Name
	add := func(t dnsmessage.Type, body dnsmessage.ResourceBody) {
		out = append(out, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: owner, Type: t, Class: dnsmessage.ClassINET}, Body: body})
	}
	if r.loop {
		add(dnsmessage.TypeCNAME, &dnsmessage.CNAMEResource{CNAME: q.Name})
		return out
	}
	if r.CNAME != "" {
		target := dnsmessage.MustNewName(r.CNAME + ".")
		add(dnsmessage.TypeCNAME, &dnsmessage.CNAMEResource{CNAME: target})
		owner = target
	}
	switch q.Type {
	case dnsmessage.TypeA:
		for _, a := range r.A {
			add(dnsmessage.TypeA, &dnsmessage.AResource{A: netip.MustParseAddr(a).As4()})
		}
	case dnsmessage.TypeAAAA:
		for _, a := range r.AAAA {
			add(dnsmessage.TypeAAAA, &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(a).As16()})
		}
	}
	return out
}

// testLimit is for what must not take long on any machine.
const testLimit = 5 * time.Second
