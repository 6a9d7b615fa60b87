package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/malote-dev/malote/client"
)

// endpointSettings are options of create and update: what an endpoint chooses
// for itself. Those that are not given leave things as they are.
type endpointSettings struct {
	Channels      []string       `placeholder:"NAME" help:"Only events on one of these channels; repeat it for more; an empty one is none."`
	Filter        *string        `placeholder:"CEL" help:"Only events that this is true for, as in 'data.amount > 100': itself, @FILE, or - for standard input; an empty one is none."`
	RetrySchedule *retrySchedule `placeholder:"TIMES" help:"Waits before each further attempt, as in 1m,5m,1h; 'none' is one attempt, 'default' the dialect's."`
	Timeout       *span          `placeholder:"TIME" help:"How long an answer may take, once connected, as in 10s; 0: the dialect's."`
	Concurrency   *int           `placeholder:"N" help:"Attempts in flight at once; 0: the server's."`
	AuthBasic     *string        `placeholder:"USER:PASSWORD" help:"Send a user name and a password: themselves, @FILE, or -."`
	AuthBearer    *string        `placeholder:"TOKEN" help:"Send a bearer token: itself, @FILE, or -."`
	ClientCert    *string        `placeholder:"FILE" help:"Show this client certificate (mTLS): PEM, the leaf first; with --client-key."`
	ClientKey     *string        `placeholder:"FILE" help:"Its private key: PEM, not encrypted."`
}

// retrySchedule is the waits between attempts in seconds; nil: the dialect's.
type retrySchedule []int

func (w *retrySchedule) UnmarshalText(text []byte) error {
	switch in := string(text); in {
	case "default":
		*w = nil
		return nil
	case "none":
		*w = retrySchedule{}
		return nil
	default:
		for part := range strings.SplitSeq(in, ",") {
			var s span
			if err := s.UnmarshalText([]byte(strings.TrimSpace(part))); err != nil {
				return err
			}
			if time.Duration(s)%time.Second != 0 {
				return fmt.Errorf("%q is not whole seconds: write for example 90s or 1m", part)
			}
			*w = append(*w, s.seconds())
		}
		return nil
	}
}

// noAuth reports whether an empty value was given in place of a user name, a
// token or a certificate, and none that is filled.
func (s *endpointSettings) noAuth() bool {
	empty := false
	for _, given := range []*string{s.AuthBasic, s.AuthBearer, s.ClientCert, s.ClientKey} {
		if given != nil && *given != "" {
			return false
		}
		empty = empty || given != nil
	}
	return empty
}

// auth is what was given; nil: nothing.
func (s *endpointSettings) auth(c *console) (*client.EndpointAuth, error) {
	given := 0
	for _, is := range []bool{s.AuthBasic != nil, s.AuthBearer != nil, s.ClientCert != nil || s.ClientKey != nil} {
		if is {
			given++
		}
	}
	if given > 1 {
		return nil, usage("--auth-basic, --auth-bearer and --client-cert exclude each other", "pass one of them")
	}
	switch {
	case s.AuthBasic != nil:
		text, err := c.secretOf("auth-basic", *s.AuthBasic)
		if err != nil {
			return nil, err
		}
		user, password, ok := strings.Cut(text, ":")
		if !ok {
			return nil, usage("--auth-basic: there is no colon in it", "write USER:PASSWORD; either may be empty")
		}
		return &client.EndpointAuth{Type: "basic", Username: user, Password: password}, nil
	case s.AuthBearer != nil:
		text, err := c.secretOf("auth-bearer", *s.AuthBearer)
		return &client.EndpointAuth{Type: "bearer", Token: text}, err
	case given == 0:
		return nil, nil //nolint:nilnil // nothing was given
	case s.ClientCert == nil || s.ClientKey == nil:
		return nil, usage("--client-cert and --client-key go together", "name both files")
	}
	a := &client.EndpointAuth{Type: "mtls"}
	for flag, f := range map[string]struct {
		name string
		into *string
	}{"client-cert": {*s.ClientCert, &a.Certificate}, "client-key": {*s.ClientKey, &a.PrivateKey}} {
		b, err := os.ReadFile(f.name)
		if err != nil {
			return nil, usage("--"+flag+": "+err.Error(), "name a file that can be read")
		}
		*f.into = string(b)
	}
	return a, nil
}

// given are the values of an option that may be repeated, without those that
// are empty: one empty value alone takes all away.
func given(values []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
}

// filter is the one that was given; nil: none was.
func (s *endpointSettings) filter(c *console) (*string, error) {
	if s.Filter == nil {
		return nil, nil //nolint:nilnil // nothing was given
	}
	b, err := c.input("--filter", *s.Filter)
	text := strings.TrimSpace(string(b))
	return &text, err
}

// create puts the settings into a new endpoint.
func (s *endpointSettings) create(c *console, e *client.NewEndpoint) (err error) {
	filter, err := s.filter(c)
	if err != nil {
		return err
	}
	if e.Auth, err = s.auth(c); err != nil {
		return err
	}
	e.Channels = given(s.Channels)
	if filter != nil {
		e.Filter = *filter
	}
	if s.RetrySchedule != nil {
		e.RetrySchedule = *s.RetrySchedule
	}
	if s.Timeout != nil {
		e.Timeout = s.Timeout.seconds()
	}
	if s.Concurrency != nil {
		e.Concurrency = *s.Concurrency
	}
	return nil
}

// change puts those that were given into a change.
func (s *endpointSettings) change(c *console, ch *client.EndpointChange) error {
	filter, err := s.filter(c)
	if err != nil {
		return err
	}
	if s.noAuth() {
		ch.Auth = client.Null[client.EndpointAuth]()
	} else {
		auth, err := s.auth(c)
		if err != nil {
			return err
		}
		setIf(&ch.Auth, auth)
	}
	if s.Channels != nil {
		ch.Channels = client.Set(append([]string{}, given(s.Channels)...))
	}
	if filter != nil {
		ch.Filter = client.Set(*filter)
	}
	switch {
	case s.RetrySchedule == nil:
	case *s.RetrySchedule == nil:
		ch.RetrySchedule = client.Null[[]int]()
	default:
		ch.RetrySchedule = client.Set([]int(*s.RetrySchedule))
	}
	if s.Timeout != nil {
		ch.Timeout = client.Set(s.Timeout.seconds())
	}
	if s.Concurrency != nil {
		ch.Concurrency = client.Set(*s.Concurrency)
	}
	return nil
}

// settingsOf shows an endpoint's own choices, as names and values.
func settingsOf(e *client.Endpoint) []string {
	schedule, timeout, concurrency := "", "", ""
	switch {
	case e.RetrySchedule == nil:
	case len(e.RetrySchedule) == 0:
		schedule = "one attempt, no retries"
	default:
		var each []string
		for _, w := range e.RetrySchedule {
			each = append(each, shortSpan(time.Duration(w)*time.Second))
		}
		schedule = strings.Join(each, ", ")
	}
	if e.Timeout != nil {
		timeout = shortSpan(time.Duration(*e.Timeout) * time.Second)
	}
	if e.Concurrency != nil {
		concurrency = fmt.Sprintf("%d at once", *e.Concurrency)
	}
	return []string{
		"channels", strings.Join(e.Channels, ", "), "filter", e.Filter, "retries after", schedule, "timeout", timeout,
		"concurrency", concurrency, "sends", authOf(e),
	}
}

func authOf(e *client.Endpoint) string {
	switch {
	case e.Auth == nil:
		return ""
	case e.Certificate != nil:
		return fmt.Sprintf("client certificate %s, until %s", e.Certificate.Subject, stamp(e.Certificate.ExpiresAt))
	case e.Auth.Type == "basic":
		return fmt.Sprintf("user name %q and a password", e.Auth.Username)
	}
	return "a bearer token"
}

// shortSpan is a duration without the zeros that time.Duration prints.
func shortSpan(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
