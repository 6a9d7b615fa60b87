package dashboard

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// tries bound how often a password may be guessed: for one address of a
// network and one mail address few, for each of them alone more, so that
// nobody can keep a person out from elsewhere without effort.
type tries struct{ pair, person, network *pacer }

func newTries() tries {
	return tries{
		pair:    &pacer{burst: 10, every: 30 * time.Second, next: map[string]time.Time{}},
		person:  &pacer{burst: 100, every: 10 * time.Second, next: map[string]time.Time{}},
		network: &pacer{burst: 60, every: time.Second, next: map[string]time.Time{}},
	}
}

// admit takes one try, or says how long to wait.
func (t *tries) admit(from, email string, now time.Time) (wait time.Duration) {
	for _, one := range []struct {
		p    *pacer
		name string
	}{{t.network, from}, {t.pair, from + " " + email}, {t.person, email}} {
		if wait := one.p.admit(one.name, now); wait > 0 {
			return wait
		}
	}
	return 0
}

// succeeded forgets the tries of a pair: its person knew the password.
func (t *tries) succeeded(from, email string) { t.pair.forget(from + " " + email) }

// pacer admits so many at once of each name, and then one every so often.
type pacer struct {
	burst int
	every time.Duration

	mu   sync.Mutex
	next map[string]time.Time // when all that was taken is given back
}

const maxPaced = 10_000 // names remembered

func (p *pacer) admit(name string, now time.Time) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, known := p.next[name]
	if !known && len(p.next) >= maxPaced {
		for other, at := range p.next {
			if !at.After(now) {
				delete(p.next, other)
			}
		}
		if len(p.next) >= maxPaced {
			return p.every
		}
	}
	if at.Before(now) {
		at = now
	}
	if wait = at.Sub(now) - time.Duration(p.burst-1)*p.every; wait > 0 {
		return wait
	}
	p.next[name] = at.Add(p.every)
	return 0
}

func (p *pacer) forget(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.next, name)
}

// network is where a request came from: an IPv4 address, or 64 bits of IPv6.
// Behind a proxy it is the proxy's.
func network(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	ip = ip.Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	prefix, _ := ip.Prefix(bits) // these lengths fit
	return prefix.String()
}
