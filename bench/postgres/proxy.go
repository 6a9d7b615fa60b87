//go:build unix

package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// Cut is what a [Proxy] does to a commit.
type Cut int

// The cuts.
const (
	CutNever  Cut = iota
	CutBefore     // the server does not see the commit, and what came with it
	CutAfter      // the server gets it, the client sees no answer
	CutLate       // the same, but the client knows before the server has begun
)

// Proxy stands before a server, and breaks connections at the worst moments.
type Proxy struct {
	listener net.Listener
	server   string

	mu    sync.Mutex
	cut   func() Cut // asked at each commit; nil: never
	conns map[net.Conn]bool
	stall chan struct{} // nothing passes until it is closed; nil: all does
	deaf  bool
	wg    sync.WaitGroup
}

// NewProxy listens on the loopback for a server at an address.
func NewProxy(server string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, server: server, conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	return p, nil
}

// Address that clients dial.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// OnCommit sets what is asked at each commit, from any goroutine; nil: nothing.
func (p *Proxy) OnCommit(cut func() Cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
}

// Break ends all connections that there are.
func (p *Proxy) Break() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// Stall lets nothing pass any more, without a word to either side, until the
// returned function is called.
func (p *Proxy) Stall() (resume func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stall := make(chan struct{})
	p.stall = stall
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.stall = nil
		close(stall)
	})
}

// Deafen sets whether connections made from now on get no notifications, as
// behind a pooler that gives a connection to others between transactions.
func (p *Proxy) Deafen(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = yes
}

// Close ends the proxy and its connections.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.Break()
	p.wg.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		answers := p.answers
		if p.deaf {
			answers = p.deafAnswers
		}
		p.mu.Unlock()
		end := sync.OnceFunc(func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, c := range []net.Conn{client, server} {
				_ = c.Close()
				delete(p.conns, c)
			}
		})
		p.wg.Go(func() { defer end(); answers(client, server) })
		p.wg.Go(func() { defer end(); _ = p.requests(client, server) })
	}
}

// wait holds what passes while the proxy is stalled.
func (p *Proxy) wait() {
	p.mu.Lock()
	stall := p.stall
	p.mu.Unlock()
	if stall != nil {
		<-stall
	}
}

func (p *Proxy) answers(client, server net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		p.wait()
		if n > 0 {
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// deafAnswers passes on all but notifications. The client does not ask for TLS.
func (p *Proxy) deafAnswers(client, server net.Conn) {
	for {
		message, err := readMessage(server, false)
		p.wait()
		if err != nil {
			return
		}
		if message[0] == 'A' {
			continue
		}
		if _, err := client.Write(message); err != nil {
			return
		}
	}
}

// maxMessage bounds what is read of a message at once.
const maxMessage = 1 << 30

var errMessage = errors.New("not a message of PostgreSQL's protocol")

// late is how long after the client a server sees a commit that is late.
const late = 50 * time.Millisecond

// requests passes on what the client sends: what asks for one answer at once.
func (p *Proxy) requests(client, server net.Conn) error {
	commits := map[string]bool{} // names of statements that commit
	var together []byte
	cut := CutNever
	for first := true; ; first = false {
		message, err := readMessage(client, first)
		if err != nil {
			return err
		}
		p.wait()
		if !first && cut == CutNever && isCommit(message, commits) {
			cut = p.asked()
		}
		together = append(together, message...)
		if !first && strings.IndexByte("PBDEC", message[0]) >= 0 {
			continue // more belongs to it
		}
		switch cut {
		case CutBefore:
			return nil
		case CutAfter:
			_ = client.Close()
		case CutLate:
			_ = client.Close()
			time.Sleep(late)
		}
		if _, err := server.Write(together); err != nil {
			return err
		}
		if cut != CutNever {
			_, _ = io.Copy(io.Discard, server) // it commits before it sees that nobody is there
			return nil
		}
		together = together[:0]
	}
}

// isCommit reports whether a message runs a commit, and learns the names of
// statements that do.
func isCommit(message []byte, commits map[string]bool) bool {
	parts := bytes.SplitN(message[5:], []byte{0}, 3)
	switch message[0] {
	case 'Q':
		return string(parts[0]) == "COMMIT"
	case 'P': // name, text
		if len(parts) > 1 {
			commits[string(parts[0])] = string(parts[1]) == "COMMIT"
		}
	case 'B': // portal, name
		return len(parts) > 1 && commits[string(parts[1])]
	}
	return false
}

// readMessage reads one: a letter, which the first one lacks, a length, a text.
func readMessage(from io.Reader, first bool) ([]byte, error) {
	head := make([]byte, 5)
	if first {
		head = head[:4]
	}
	if _, err := io.ReadFull(from, head); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[len(head)-4:])
	if n < 4 || n > maxMessage {
		return nil, errMessage
	}
	message := make([]byte, len(head)+int(n)-4)
	copy(message, head)
	_, err := io.ReadFull(from, message[len(head):])
	return message, err
}

func (p *Proxy) asked() Cut {
	p.mu.Lock()
	cut := p.cut
	p.mu.Unlock()
	if cut == nil {
		return CutNever
	}
	return cut()
}
