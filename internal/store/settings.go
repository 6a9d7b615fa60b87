package store

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/malote-dev/malote/internal/match"
	"github.com/malote-dev/malote/internal/secret"
)

// Limits of an endpoint's own settings.
const (
	// MaxChannels is how many channels an endpoint may choose.
	MaxChannels = 100
	// MaxConcurrency is how many attempts an endpoint may ask to have in
	// flight. Its host's limit and its fair share of all slots stay above it.
	MaxConcurrency = 64
	// MinTimeout and MaxTimeout bound how long an endpoint may have the answer
	// waited for, once connected. A slot is taken for as long.
	MinTimeout = time.Second
	MaxTimeout = time.Minute
	// MaxWaits, MinWait, MaxWait and MaxSchedule bound an endpoint's own
	// schedule: how many waits, how long each, how long all of them.
	MaxWaits    = 30
	MinWait     = time.Second
	MaxWait     = 7 * 24 * time.Hour
	MaxSchedule = 30 * 24 * time.Hour
)

// Settings are an endpoint's own choices; a zero field leaves it to the
// dialect, or chooses nothing.
type Settings struct {
	Channels    []string        `json:"channels,omitempty"`    // only events of one of these; empty: of any, or of none
	Filter      string          `json:"filter,omitempty"`      // only events that this CEL expression is true for
	Emails      []string        `json:"emails,omitzero"`       // who is told of its failures: nil: its consumer's; none at all: nobody
	Concurrency int             `json:"concurrency,omitempty"` // attempts in flight at most
	Timeout     time.Duration   `json:"timeout,omitempty"`     // for the answer, once connected
	Schedule    []time.Duration `json:"schedule,omitzero"`     // waits between attempts: one fewer than attempts; nil: the dialect's
	WireID      string          `json:"wire_id,omitempty"`     // what deliveries and the company's own API call it; empty: its id in the dialect's form
}

// AuthKind is how requests to an endpoint prove who they are from, beside
// their signature.
type AuthKind string

// The kinds of authentication.
const (
	AuthBasic  AuthKind = "basic"  // Username and Password (RFC 7617)
	AuthBearer AuthKind = "bearer" // Token (RFC 6750)
	AuthMTLS   AuthKind = "mtls"   // Certificate and PrivateKey, shown to the receiver in the TLS handshake
)

// Auth is what an endpoint's requests are authenticated with; the zero Auth
// is nothing.
type Auth struct {
	Kind        AuthKind
	Username    string
	Password    secret.Text
	Token       secret.Text
	Certificate string      // PEM, the chain, leaf first
	PrivateKey  secret.Text // PEM
}

type sealedAuth struct {
	Kind        AuthKind `json:"k"`
	Username    string   `json:"u,omitempty"`
	Password    string   `json:"p,omitempty"`
	Token       string   `json:"t,omitempty"`
	Certificate string   `json:"c,omitempty"`
	PrivateKey  string   `json:"s,omitempty"`
}

func (db *DB) sealAuth(e *Endpoint) []byte {
	if a := &e.Auth; a.Kind != "" {
		return seal(db.o.Keyring, []sealedAuth{{a.Kind, a.Username, a.Password.Reveal(), a.Token.Reveal(), a.Certificate, a.PrivateKey.Reveal()}},
			placeOf(e.ID, "auth"))
	}
	return nil
}

func (db *DB) openAuth(e *Endpoint, sealed []byte) error {
	values, err := unseal[sealedAuth](db.o.Keyring, sealed, placeOf(e.ID, "auth"))
	for _, v := range values {
		e.Auth = Auth{v.Kind, v.Username, secret.Text(v.Password), secret.Text(v.Token), v.Certificate, secret.Text(v.PrivateKey)}
	}
	return err
}

// settingsText is how settings are kept; without any, as nothing.
func settingsText(s *Settings) (string, error) {
	b, err := json.Marshal(s)
	if string(b) == "{}" {
		return "", err
	}
	return string(b), err
}

// rulesOf reads channels and filter from settings as they are kept; nil where
// there is neither. What does not decode asks for nothing: better one delivery
// too many.
func rulesOf(text string) *match.Rules {
	if text == "" {
		return nil
	}
	var s Settings
	if parseSettings(text, &s) != nil {
		return nil
	}
	return s.rules()
}

// rules are nil where there are neither channels nor a filter.
func (s *Settings) rules() *match.Rules {
	if len(s.Channels) == 0 && s.Filter == "" {
		return nil
	}
	return &match.Rules{Channels: s.Channels, Filter: s.Filter}
}

func parseSettings(text string, s *Settings) error {
	if text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), s); err != nil {
		return fmt.Errorf("the settings of an endpoint do not decode: %w", err)
	}
	return nil
}
