package api

import (
	"net/netip"
	"sync"
	"time"
)

// linkPacer bounds how often pages that take no key ask the store: one address
// 20 times a second and 100 at once, and all together 500 times a second and
// 1,000 at once, so that no single caller keeps the others out. The zero value
// is ready.
type linkPacer struct {
	mu  sync.Mutex
	all bucket
	of  map[netip.Prefix]bucket
}

// bucket is how much was taken of a burst, at a time.
type bucket struct {
	spent float64
	at    time.Time
}

const (
	linkRate     = 20 // a second, of an address
	linkBurst    = 100
	linkRateAll  = 500
	linkBurstAll = 1000
	maxLinkers   = 10_000 // addresses remembered
)

// left is the bucket as it is now, at a rate a second.
func (b bucket) left(now time.Time, rate float64) bucket {
	if back := now.Sub(b.at).Seconds(); back > 0 {
		b.spent, b.at = max(0, b.spent-back*rate), now
	}
	return b
}

func (p *linkPacer) admit(address string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	from := network(address)
	own := p.of[from].left(now, linkRate)
	if p.all = p.all.left(now, linkRateAll); own.spent+1 > linkBurst || p.all.spent+1 > linkBurstAll {
		return false
	}
	if p.of == nil {
		p.of = map[netip.Prefix]bucket{}
	}
	if _, known := p.of[from]; !known && len(p.of) >= maxLinkers {
		for other, b := range p.of {
			if b.left(now, linkRate).spent == 0 {
				delete(p.of, other)
			}
		}
		if len(p.of) >= maxLinkers {
			return false
		}
	}
	own.spent++
	p.all.spent++
	p.of[from] = own
	return true
}

// network is what one caller is taken to have: an IPv4 address, or 64 bits of
// IPv6. Whatever is no address shares one.
func network(address string) netip.Prefix {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	prefix, _ := ip.Prefix(bits) // these lengths fit
	return prefix
}
