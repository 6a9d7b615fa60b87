package deliver

import (
	"time"

	"github.com/malote-dev/malote/webhook"
)

// signing is a signer and how long it signs: decoding the secrets again for
// each attempt would cost as much as the signature.
type signing struct {
	dialect *webhook.Dialect
	signer  *webhook.Signer
	until   time.Time // the next secret runs out; zero: none does
}

// signer signs in a dialect with the secrets in force at now.
func (c *config) signer(d *webhook.Dialect, now time.Time) (*webhook.Signer, error) {
	if s := c.signing.Load(); s != nil && s.dialect == d && (s.until.IsZero() || now.Before(s.until)) {
		return s.signer, nil
	}
	secrets, until := c.inForce(now)
	signer, err := d.NewSigner(secrets)
	if err != nil {
		return nil, err
	}
	c.signing.Store(&signing{dialect: d, signer: signer, until: until})
	return signer, nil
}

// inForce lists the secrets that sign at now, newest first, and says when the
// next of them runs out.
func (c *config) inForce(now time.Time) (secrets []string, until time.Time) {
	for i, s := range c.endpoint.Secrets {
		if !s.ExpiresAt.IsZero() && !now.Before(s.ExpiresAt) {
			continue
		}
		secrets = append(secrets, c.secrets[i])
		if !s.ExpiresAt.IsZero() && (until.IsZero() || s.ExpiresAt.Before(until)) {
			until = s.ExpiresAt
		}
	}
	if len(secrets) == 0 && len(c.secrets) > 0 {
		return c.secrets[:1], time.Time{} // the newest never runs out
	}
	return secrets, until
}
