package egress

import (
	"net"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	defaultMaxIdle     = 1024
	defaultMaxIdleHost = 64
	defaultIdleTimeout = 60 * time.Second
	sweepEvery         = 5 * time.Second
)

// hostKey is what a connection is good for.
type hostKey struct {
	tls  bool
	host string // as in the URL, with a port that is not the default
	// identity in whose name it was made: a connection of one is never used
	// for another, nor for none.
	identity *Identity
}

// conn is one connection. Between requests it holds no buffer and no
// goroutine.
type conn struct {
	net.Conn          // what requests are written to: TCP, or TLS over it
	sock     net.Conn // the transport below
	key      hostKey

	raw   syscall.RawConn // nil: an in-memory connection
	alive bool            // what look found
	look  func(fd uintptr)

	keepFor time.Duration // the server's own idle limit, less a margin; 0: it named none
	until   time.Time     // idle: not to be used from then on
	prev    *conn         // idle: neighbours in the order of being put back
	next    *conn
}

func newConn(key hostKey, c, sock net.Conn) *conn {
	key.host = strings.Clone(key.host)
	cn := &conn{Conn: c, sock: sock, key: key}
	if sc, ok := sock.(syscall.Conn); ok {
		cn.raw, _ = sc.SyscallConn()
	}
	cn.look = func(fd uintptr) { cn.alive = peekAlive(fd) }
	return cn
}

// fit reports whether the server has neither closed the idle connection nor
// sent anything on it.
func (c *conn) fit() bool {
	if c.raw == nil {
		return true
	}
	return c.raw.Control(c.look) == nil && c.alive
}

// abort drops the connection at once: no TLS farewell, which could wait for
// a server that does not read.
func (c *conn) abort() { _ = c.sock.Close() }

// pool keeps idle connections, the last used first.
type pool struct {
	maxIdle, maxHost int
	timeout          time.Duration

	mu     sync.Mutex
	hosts  map[hostKey][]*conn // the last used at the end
	oldest *conn               // of all, in the order of being put back
	newest *conn
	n      int
	closed bool
	timer  *time.Timer // the janitor; runs while something is idle
	armed  bool
}

func newPool(o *Options) *pool {
	p := &pool{maxIdle: o.MaxIdle, maxHost: o.MaxIdleHost, timeout: o.IdleTimeout, hosts: map[hostKey][]*conn{}}
	if p.maxIdle == 0 {
		p.maxIdle = defaultMaxIdle
	}
	if p.maxHost == 0 {
		p.maxHost = defaultMaxIdleHost
	}
	if p.timeout == 0 {
		p.timeout = defaultIdleTimeout
	}
	return p
}

// get takes a connection out that is fit for a request, nil if there is none.
func (p *pool) get(key hostKey) *conn {
	for {
		p.mu.Lock()
		list := p.hosts[key]
		if len(list) == 0 {
			p.mu.Unlock()
			return nil
		}
		cn := list[len(list)-1]
		list[len(list)-1] = nil
		p.hosts[key] = list[:len(list)-1]
		p.unlink(cn)
		p.mu.Unlock()
		if time.Now().Before(cn.until) && cn.fit() {
			return cn
		}
		_ = cn.Close()
	}
}

// put keeps a connection for the next request; what exceeds a limit goes,
// the longest idle first.
func (p *pool) put(cn *conn) {
	keep := p.timeout
	if cn.keepFor > 0 {
		keep = min(keep, cn.keepFor)
	}
	cn.until = time.Now().Add(keep)
	var drop *conn
	p.mu.Lock()
	switch {
	case p.closed || p.maxIdle < 0 || p.maxHost < 0:
		p.mu.Unlock()
		_ = cn.Close()
		return
	case len(p.hosts[cn.key]) >= p.maxHost:
		drop = p.hosts[cn.key][0]
	case p.n >= p.maxIdle:
		drop = p.oldest
	}
	if drop != nil {
		p.remove(drop)
	}
	p.hosts[cn.key] = append(p.hosts[cn.key], cn)
	p.link(cn)
	if !p.armed {
		p.arm()
	}
	p.mu.Unlock()
	if drop != nil {
		_ = drop.Close()
	}
}

func (p *pool) arm() {
	p.armed = true
	every := min(sweepEvery, p.timeout)
	if p.timer == nil {
		p.timer = time.AfterFunc(every, p.sweep)
		return
	}
	p.timer.Reset(every)
}

// sweep closes what has been idle for too long. It comes back as long as
// something is idle.
func (p *pool) sweep() {
	now := time.Now()
	var drop []*conn
	p.mu.Lock()
	p.armed = false
	if p.closed {
		p.mu.Unlock()
		return
	}
	for cn := p.oldest; cn != nil; {
		next := cn.next
		if !now.Before(cn.until) {
			p.remove(cn)
			drop = append(drop, cn)
		}
		cn = next
	}
	for key, list := range p.hosts {
		if len(list) == 0 {
			delete(p.hosts, key)
		}
	}
	if p.n > 0 || len(p.hosts) > 0 {
		p.arm()
	}
	p.mu.Unlock()
	for _, cn := range drop {
		_ = cn.Close()
	}
}

func (p *pool) idle() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	var drop []*conn
	for cn := p.oldest; cn != nil; cn = cn.next {
		drop = append(drop, cn)
	}
	p.hosts, p.oldest, p.newest, p.n = map[hostKey][]*conn{}, nil, nil, 0
	p.mu.Unlock()
	for _, cn := range drop {
		_ = cn.Close()
	}
}

// remove takes an idle connection out from anywhere.
func (p *pool) remove(cn *conn) {
	list := p.hosts[cn.key]
	for i, c := range list {
		if c == cn {
			copy(list[i:], list[i+1:])
			list[len(list)-1] = nil
			p.hosts[cn.key] = list[:len(list)-1]
			break
		}
	}
	p.unlink(cn)
}

func (p *pool) link(cn *conn) {
	cn.prev, cn.next = p.newest, nil
	if p.newest != nil {
		p.newest.next = cn
	} else {
		p.oldest = cn
	}
	p.newest = cn
	p.n++
}

func (p *pool) unlink(cn *conn) {
	if cn.prev != nil {
		cn.prev.next = cn.next
	} else {
		p.oldest = cn.next
	}
	if cn.next != nil {
		cn.next.prev = cn.prev
	} else {
		p.newest = cn.prev
	}
	cn.prev, cn.next = nil, nil
	p.n--
}
