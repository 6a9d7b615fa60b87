package deliver

import (
	"encoding/base64"
	"time"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// settings takes over what the endpoint chooses for itself.
func (e *Engine) settings(c *config) {
	s := &c.endpoint.Settings
	c.slots = orDefault(s.Concurrency, e.limits.PerEndpoint)
	c.timeout = s.Timeout
	if s.Schedule != nil {
		own := make(schedule, len(s.Schedule))
		for i, w := range s.Schedule {
			own[i] = webhook.Duration(w)
		}
		c.own = &own
	}
}

// waits is the schedule of a delivery in a dialect: the endpoint's own, or the
// dialect's. It is asked after each attempt, so that a change counts for what
// is pending already, from its next attempt on.
func (c *config) waits(d *webhook.Dialect) schedule {
	if c.own != nil {
		return *c.own
	}
	return d.Delivery.Schedule
}

// authenticate prepares what proves to the receiver who sends, beside the
// signature.
func (c *config) authenticate() {
	const name = "Authorization"
	switch a := &c.endpoint.Auth; a.Kind {
	case store.AuthBasic:
		pair := base64.StdEncoding.EncodeToString([]byte(a.Username + ":" + a.Password.Reveal()))
		c.headers = append(c.headers, webhook.Field{Name: name, Value: "Basic " + pair})
	case store.AuthBearer:
		c.headers = append(c.headers, webhook.Field{Name: name, Value: "Bearer " + a.Token.Reveal()})
	case store.AuthMTLS:
		c.identity, c.faulty = egress.NewIdentity(a.Certificate, a.PrivateKey.Reveal())
	}
}

// inherit keeps the identity of the configuration before, if it is the same:
// with it stay its connections and its TLS sessions.
func (c *config) inherit(before *config) {
	if was, is := &before.endpoint.Auth, &c.endpoint.Auth; before.identity != nil && *was == *is {
		c.identity = before.identity
	}
}

// hint names what of the endpoint's configuration may be behind a 401 or a
// 403, beside the signature; most endpoints have nothing of the kind.
func (c *config) hint(d *webhook.Dialect, now time.Time) (words string) {
	if until := c.overlap(now); !until.IsZero() {
		at := until.UTC().Format(time.RFC3339)
		if d.Signature.Rotation == webhook.RotateOldest {
			words = "; its secret is being rotated: the old one signs until " + at + ", then the new one"
		} else {
			words = "; its secret is being rotated: the old and the new one both sign until " + at
		}
	}
	switch c.endpoint.Auth.Kind {
	case store.AuthBasic:
		words += "; does it know this endpoint's user name and password?"
	case store.AuthBearer:
		words += "; does it know this endpoint's bearer token?"
	case store.AuthMTLS:
		words += "; does it accept this endpoint's client certificate?"
	}
	return words
}

// overlap is when the rotation that is under way ends; zero: none is.
func (c *config) overlap(now time.Time) (until time.Time) {
	for _, s := range c.endpoint.Secrets[min(1, len(c.endpoint.Secrets)):] {
		if now.Before(s.ExpiresAt) && s.ExpiresAt.After(until) {
			until = s.ExpiresAt
		}
	}
	return until
}
