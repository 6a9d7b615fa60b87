package mail

import (
	"errors"
	netmail "net/mail"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// Security is how the connection to a relay is kept private.
type Security int

// The ways.
const (
	StartTLS Security = iota // begins in the clear and must turn to TLS
	TLS                      // from the first byte on
	Insecure                 // never
)

// Server is the relay that mails go through, as the operator named it.
type Server struct {
	Host     string
	Port     uint16
	Security Security
	User     string // empty: without authentication
	Password secret.Text
}

// Errors of [ParseServer]. None shows what it read: that may hold a password.
var (
	errNotURL   = errors.New("is not a URL")
	errScheme   = errors.New("does not begin with smtp://, smtps:// or smtp+insecure://")
	errHost     = errors.New("names no host")
	errPort     = errors.New("has a port that is no number from 1 to 65535")
	errMore     = errors.New("has more than a name, a password, a host and a port")
	errPassword = errors.New("has a name without a password, or a password without a name")
)

// ports that are meant where none is given.
var ports = map[Security]uint16{StartTLS: 587, TLS: 465, Insecure: 25}

// ParseServer reads smtp://user:password@host:port. smtps is TLS from the
// first byte on; smtp turns to TLS before anything else, unless the host is
// this machine; smtp+insecure never does. Reserved characters of name and
// password are percent-encoded.
func ParseServer(text secret.Text) (*Server, error) {
	u, err := url.Parse(text.Reveal())
	if err != nil {
		return nil, errNotURL
	}
	s := &Server{Host: strings.ToLower(u.Hostname())}
	switch strings.ToLower(u.Scheme) {
	case "smtp":
		if s.Security = StartTLS; isLoopback(s.Host) {
			s.Security = Insecure
		}
		s.Port = ports[StartTLS]
	case "smtps":
		s.Security, s.Port = TLS, ports[TLS]
	case "smtp+insecure":
		s.Security, s.Port = Insecure, ports[Insecure]
	default:
		return nil, errScheme
	}
	switch {
	case s.Host == "" || strings.ContainsAny(s.Host, "%/\\ "):
		return nil, errHost
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "":
		return nil, errMore
	}
	if text := u.Port(); text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return nil, errPort
		}
		s.Port = uint16(n)
	} else if strings.HasSuffix(u.Host, ":") {
		return nil, errPort
	}
	password, given := u.User.Password()
	if s.User, s.Password = u.User.Username(), secret.Text(password); given != (s.User != "") || given != (password != "") {
		return nil, errPassword
	}
	return s, nil
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// Relay is the way there.
func (s *Server) Relay() *egress.Relay { return egress.NewRelay(s.relay()) }

func (s *Server) relay() egress.RelayOptions {
	return egress.RelayOptions{Host: s.Host, Port: s.Port, TLS: s.Security == TLS}
}

// Sender is who mails are from.
type Sender struct {
	Name    string // may be empty
	Address string
}

// ParseSender reads "Name <address>", or an address alone. Errors: [ErrSender].
func ParseSender(text string) (Sender, error) {
	a, err := netmail.ParseAddress(text)
	if err != nil || !store.CheckEmail(a.Address).IsZero() {
		return Sender{}, ErrSender
	}
	return Sender{Name: a.Name, Address: a.Address}, nil
}

// ErrSender says that a text names nobody whom mails can be from.
var ErrSender = errors.New("is not a mail address")
