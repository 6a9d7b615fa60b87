package deliver

import (
	"net"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// config is what an attempt needs to know of its endpoint. It is never
// changed, but for the signer that it keeps: a change of the endpoint makes a
// new one.
type config struct {
	endpoint *store.Endpoint
	project  *store.Project
	url      *url.URL
	host     *host
	rate     int
	breaks   bool
	slots    int           // attempts in flight at most
	timeout  time.Duration // the endpoint's own; 0: the dialect's
	longest  time.Duration // that an attempt takes, about
	own      *schedule     // the endpoint's own; nil: the dialect's
	identity *egress.Identity
	faulty   error // why the identity cannot be used
	secrets  []string
	headers  []webhook.Field // configured ones, and the one that authenticates: all of them secrets
	echoed   [][]byte        // forms of these that answers may hold
	signing  atomic.Pointer[signing]
}

// adopt makes a configuration that was read the lane's own.
func (e *Engine) adopt(l *lane, a *answer, now time.Time) {
	c := a.config
	before, known := l.last, l.last != nil
	l.last, l.config = c, c
	c.host = e.host(c.url)
	if known {
		c.inherit(before)
	}
	g := &l.gate
	g.breaks, g.rate.limit, g.slots = c.breaks, c.rate, c.slots
	active := c.endpoint.State == store.Active
	if !known && (!active || c.endpoint.StateSince.After(l.shard.crashed)) {
		l.suspects = 0 // nothing was being sent to it
	} else if !known && l.suspects > 0 {
		l.suspects = e.slotsBefore(l.shard, c)
	}
	if known && (active && !g.active || before.url.String() != c.url.String()) {
		g.reset()
	} else if !known && l.slow {
		g.window = 1 // what waited through a restart does not come all at once
	}
	if !known && a.failed >= breakerFailures {
		g.breaker.doubt(a.failed, now)
	}
	g.active = active
	l.clears = c.endpoint.FailureCount > 0 || !c.endpoint.FailedAt.IsZero()
	if c.rate == 0 {
		l.rated, g.rate = false, rate{} // nothing is noted now: seeded anew when there is a rate again
	} else if !l.rated {
		e.seed(l, a.sent, now)
	}
}

// slotsBefore is how many attempts may have been under way at once when the
// process before this one was killed. It may have been more than now where the
// endpoint was changed shortly before.
func (e *Engine) slotsBefore(s *shard, c *config) int {
	ep := c.endpoint
	if s.crashed.IsZero() || ep.UpdatedAt.Before(s.crashed.Add(-2*time.Minute)) || ep.UpdatedAt.Sub(ep.CreatedAt) < tick {
		return c.slots
	}
	return max(c.slots, e.limits.PerEndpoint, store.MaxConcurrency)
}

// seed starts an exact rate from what was sent before this process, or
// before the endpoint had a rate. The times are of the attempts' starts; the
// requests may have left later by as long as connecting may take.
func (e *Engine) seed(l *lane, sent []time.Time, now time.Time) {
	l.rated = true
	for _, t := range sent {
		if t = t.Add(maxConnect); t.After(now) {
			t = now
		}
		l.gate.rate.insert(t)
	}
	lost := len(l.held) - l.queue.len() // on their way, and not yet in the store
	if l.inherited || !l.shard.fed {
		// A process that was killed may have sent this much without a trace.
		lost += e.slotsBefore(l.shard, l.config)
	}
	for range min(lost, l.gate.rate.limit) {
		l.gate.rate.insert(now)
	}
}

// configure works out once what each attempt needs.
func (e *Engine) configure(known *store.Lane) *config {
	ep := known.Endpoint
	c := &config{endpoint: ep, project: known.Project, rate: ep.RateLimit}
	e.settings(c)
	d, ok := e.dialects(known.Project.Dialect)
	if ok {
		c.breaks = d.Delivery.Breaker
		if c.rate == 0 {
			c.rate = d.Limits.RatePerMinute
		}
		c.longest = c.lasts(d)
	}
	var err error
	if c.url, err = url.Parse(ep.URL); err != nil {
		c.url = &url.URL{} // the request fails and says why
	}
	for _, s := range ep.Secrets {
		c.secrets = append(c.secrets, s.Value.Reveal())
	}
	for _, h := range ep.Headers {
		c.headers = append(c.headers, webhook.Field{Name: h.Name, Value: h.Value.Reveal()})
	}
	c.authenticate()
	c.echoed = c.echoes(d)
	return c
}

// host finds what the endpoints behind one address share.
func (e *Engine) host(u *url.URL) *host {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	name := net.JoinHostPort(u.Hostname(), port)
	h := e.hosts[name]
	if h == nil {
		h = &host{name: name}
		e.hosts[name] = h
	}
	h.configs++
	return h
}

// letGo drops a lane's configuration: it is read again before the next
// attempt.
func (e *Engine) letGo(l *lane, now time.Time) {
	c := l.config
	if c == nil {
		return
	}
	l.config = nil
	c.host.configs--
	e.callUp(c.host, now)
	e.tidy(c.host)
}

// tidy forgets a host that nobody names any more.
func (e *Engine) tidy(h *host) {
	if h.configs == 0 && h.inFlight == 0 {
		delete(e.hosts, h.name)
	}
}
