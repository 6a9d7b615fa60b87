package mail

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// session is one connection to the relay.
type session struct {
	m      *Mailer
	client *gomail.Client
	smtp   *smtp.Client
	conn   net.Conn
	stop   func() bool
}

// refused is a relay's answer about one mail.
type refused struct {
	final bool // it will not be taken later either
	text  string
}

func (r *refused) Error() string { return r.text }

// mechanisms of authentication, the best first.
var (
	mechanisms = []gomail.SMTPAuthType{
		gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthCramMD5, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin,
	}
	mechanismsInClear = []gomail.SMTPAuthType{
		gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthCramMD5, gomail.SMTPAuthPlainNoEnc, gomail.SMTPAuthLoginNoEnc,
	}
)

// connect greets the relay, and says who we are, unless it is told to stop. Its
// errors hold no password.
func (m *Mailer) connect(stop context.Context) (*session, error) {
	s := &session{m: m}
	server := m.o.Server
	options := []gomail.Option{
		gomail.WithPort(int(server.Port)), gomail.WithTimeout(exchange), gomail.WithTLSConfig(m.o.Relay.Config()), gomail.WithoutSMTPUTF8(),
		gomail.WithDialContextFunc(func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := m.o.Relay.Dial(ctx)
			if err == nil {
				s.conn = c
				s.stop = context.AfterFunc(stop, func() { _ = c.Close() })
			}
			return c, err
		}),
		gomail.WithTLSPolicy(map[Security]gomail.TLSPolicy{
			StartTLS: gomail.TLSMandatory, TLS: gomail.NoTLS /* it is there already */, Insecure: gomail.NoTLS,
		}[server.Security]),
	}
	if name := m.heloName(); name != "" {
		options = append(options, gomail.WithHELO(name))
	}
	if server.User != "" {
		way := mechanisms
		if server.Security == Insecure {
			way = mechanismsInClear
		}
		options = append(options, gomail.WithUsername(server.User), gomail.WithPassword(server.Password.Reveal()), gomail.WithOpportunisticSMTPAuth(way...))
	}
	var err error
	if s.client, err = gomail.NewClient(server.Host, options...); err != nil {
		return nil, s.scrub(err)
	}
	s.smtp, err = s.client.DialToSMTPClientWithContext(stop)
	if s.conn != nil {
		s.stop()
	}
	if err != nil {
		if s.conn != nil {
			_ = s.conn.Close()
		}
		return nil, s.scrub(err)
	}
	// From here on a stop gives the mail that is under way a few seconds.
	s.stop = context.AfterFunc(stop, func() { time.AfterFunc(finishing, func() { _ = s.conn.Close() }) })
	return s, nil
}

// heloName is who we say we are: the host that people know us by.
func (m *Mailer) heloName() string {
	_, rest, _ := strings.Cut(m.o.PublicURL, "://")
	host, _, _ := strings.Cut(rest, "/")
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.ContainsAny(host, "[]") {
		return ""
	}
	return host
}

func (s *session) close() {
	s.stop()
	if err := s.client.CloseWithSMTPClient(s.smtp); err != nil {
		_ = s.conn.Close() // the relay went without a word
	}
}

// send hands one mail over. Errors: [*refused]; others are of the connection,
// or of what the relay holds against all mails.
func (s *session) send(msg *gomail.Msg) error {
	err := s.client.SendWithSMTPClient(s.smtp, msg)
	if err == nil || msg.IsDelivered() {
		return nil
	}
	var e *gomail.SendError
	if !errors.As(err, &e) && !errors.As(msg.SendError(), &e) {
		return s.scrub(err)
	}
	code := e.ErrorCode()
	final := code >= 500
	switch e.Reason {
	case gomail.ErrSMTPRcptTo:
		// That we may not send through this relay is not the mail's fault.
		if code == 530 || code == 0 {
			return s.scrub(err)
		}
		final = final && !strings.HasPrefix(e.EnhancedStatusCode(), "5.7.")
	case gomail.ErrSMTPData, gomail.ErrSMTPDataClose:
		if code == 0 {
			return s.scrub(err)
		}
	default:
		return s.scrub(err)
	}
	return &refused{final: final, text: s.scrub(err).Error()}
}

var addresses = regexp.MustCompile(`[^\s<>"',;:()]+@[^\s<>"',;:()]+`)

// scrub takes out of an error what must not be in a log: the password, however
// the relay repeats it, and addresses.
func (s *session) scrub(err error) error {
	text := err.Error()
	if p := s.m.o.Server.Password.Reveal(); p != "" {
		user := s.m.o.Server.User
		for _, form := range []string{p, base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + p)), base64.StdEncoding.EncodeToString([]byte(p))} {
			text = strings.ReplaceAll(text, form, "[redacted]")
		}
	}
	text = addresses.ReplaceAllString(text, "[address]")
	if r := []rune(text); len(r) > 300 {
		text = string(r[:300]) + "…"
	}
	return fmt.Errorf("%s", strings.Map(printable, text)) //nolint:err113 // what it wraps holds what was taken out
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return ' '
	}
	return r
}
