package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// attemptView is one HTTP request for a delivery and what came of it.
type attemptView struct {
	Number    int           `json:"number"`
	At        stamp         `json:"at"`
	Request   requestView   `json:"request"`
	Response  *responseView `json:"response"` // null: no answer came
	Error     *attemptError `json:"error"`    // null: it succeeded
	Timings   timingsView   `json:"timings"`
	NextDueAt *stamp        `json:"next_due_at,omitempty"` // of the attempt that follows the last one
}

// headerView is one header line, in the order and the spelling of the wire.
type headerView struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Raw   string `json:"raw,omitempty"` // base64; there where Value is not exact
}

// requestView is what was sent, or would have been, byte for byte but for
// values that are secret.
type requestView struct {
	Sent    bool         `json:"sent"` // false: nothing of it reached the receiver
	Line    string       `json:"line"`
	Headers []headerView `json:"headers"`
	contentView
}

type responseView struct {
	Status  int          `json:"status"`
	Line    string       `json:"line"`
	Headers []headerView `json:"headers"`
	contentView
	Truncated bool `json:"truncated"` // the answer was longer than what is kept
}

// contentView is a body: text, or base64 where it is not UTF-8.
type contentView struct {
	Body     *string `json:"body"`
	Encoding string  `json:"body_encoding"` // text, base64, or none where the body is not known any more
}

type attemptError struct {
	Class  string `json:"class"`
	Detail string `json:"detail" lang:"kept"`
}

// timingsView is in milliseconds; null: did not happen.
type timingsView struct {
	DNS       *float64 `json:"dns_ms"`
	Connect   *float64 `json:"connect_ms"`
	TLS       *float64 `json:"tls_ms"`
	FirstByte *float64 `json:"first_byte_ms"`
	Total     *float64 `json:"total_ms"`
	Reused    bool     `json:"reused_connection"`
}

type attemptsQuery struct {
	Limit  int    `query:"limit"`
	Cursor string `query:"cursor"`
}

// maxPageBytes of bodies on one page of attempts; at least one attempt is shown.
const maxPageBytes = 4 << 20

func (s *server) listAttempts(c *call, q *attemptsQuery) (list[attemptView], error) {
	d, err := s.delivery(c)
	if err != nil {
		return list[attemptView]{}, err
	}
	cursor, err := c.after(q.Cursor)
	if err != nil {
		return list[attemptView]{}, err
	}
	limit := limitOf(q.Limit)
	attempts, err := s.store.Attempts(c.r.Context(), c.key.ProjectID, d.ID, attemptNumber(cursor), limit+1)
	if err != nil {
		return list[attemptView]{}, err
	}
	body, err := s.deliveryBody(c.r.Context(), d)
	if err != nil {
		return list[attemptView]{}, err
	}
	out := list[attemptView]{Data: []attemptView{}}
	size := 0
	for i, a := range attempts {
		size += len(body) + len(a.ResponseBody)
		if i == limit || i > 0 && size > maxPageBytes {
			out.NextCursor = c.cursor(attemptCursor(attempts[i-1].Number))
			break
		}
		v := viewAttempt(a, body)
		if a.Number == d.Attempts && d.State == store.Pending {
			due := stamp(d.DueAt)
			v.NextDueAt = &due
		}
		out.Data = append(out.Data, v)
	}
	return out, nil
}

// deliveryBody renders what every attempt of a delivery sends: the body is a
// function of the event and of the dialect's revision that it pins. It is nil
// where the event's data or that revision is gone.
func (s *server) deliveryBody(ctx context.Context, d *store.Delivery) ([]byte, error) {
	e, err := s.store.Event(ctx, d.ProjectID, d.EventID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	dialect, ok := s.dialects(e.Dialect)
	if !ok {
		return nil, nil
	}
	wireID, err := s.wireID(ctx, d)
	if err != nil {
		return nil, err
	}
	body, err := dialect.AppendBody(nil, &webhook.Message{
		ID: e.ID, Type: e.Type, Time: e.Time, Data: e.Data, Endpoint: d.EndpointID, WireID: wireID, Delivery: d.ID,
		Consumer: d.Consumer, BodyID: e.BodyID, Test: e.Test,
	})
	if err != nil {
		return nil, nil //nolint:nilerr // the attempt itself says that it could not be rendered
	}
	return body, nil
}

// wireID is what the endpoint of a delivery is called on the wire; empty where
// that is its own id, or the endpoint is gone.
func (s *server) wireID(ctx context.Context, d *store.Delivery) (string, error) {
	l, err := s.store.Lane(ctx, d.EndpointID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "", nil
	case err != nil:
		return "", err
	}
	return l.Endpoint.Settings.WireID, nil
}

func viewAttempt(a *store.Attempt, body []byte) attemptView {
	v := attemptView{Number: a.Number, At: stamp(a.At), Timings: viewTimings(&a.Timings)}
	v.Request.Line, v.Request.Headers = splitHead(a.RequestHead)
	v.Request.contentView = viewContent(body)
	v.Request.Sent = sent(a)
	if a.Status != 0 {
		v.Response = &responseView{Status: a.Status, Truncated: a.Truncated}
		v.Response.Line, v.Response.Headers = splitHead(a.ResponseHead)
		if a.ResponseBody == nil {
			a.ResponseBody = []byte{}
		}
		v.Response.contentView = viewContent(a.ResponseBody)
	}
	if a.Class != "" {
		v.Error = &attemptError{Class: string(a.Class), Detail: a.Detail}
	}
	return v
}

// sent tells whether any of the request may have reached the receiver.
func sent(a *store.Attempt) bool {
	switch a.Class {
	case store.ClassDNS, store.ClassConnect, store.ClassBlocked, store.ClassRender:
		return false
	case store.ClassTLS: // a connection that stood before was a handshake that succeeded
		return a.Timings.Reused
	}
	return true
}

// Encodings of bodies.
const (
	encodedText   = "text"
	encodedBase64 = "base64"
)

func viewContent(b []byte) contentView {
	switch {
	case b == nil:
		return contentView{Encoding: "none"}
	case utf8.Valid(b):
		s := string(b)
		return contentView{Body: &s, Encoding: encodedText}
	}
	s := base64.StdEncoding.EncodeToString(b)
	return contentView{Body: &s, Encoding: encodedBase64}
}

// splitHead reads a request or answer as it stood on the wire: its first line
// and its header lines. Bytes that are not UTF-8 become U+FFFD.
func splitHead(head []byte) (line string, headers []headerView) {
	first, rest, _ := bytes.Cut(head, []byte("\n"))
	headers = []headerView{}
	for _, f := range headFields(rest) {
		headers = append(headers, viewHeader(f.Name, f.Value))
	}
	return shown(strings.TrimSuffix(string(first), "\r")), headers
}

// viewHeader shows a header; what of its value is no text it gives exactly, too.
func viewHeader(name, value string) headerView {
	v := headerView{Name: shown(name), Value: shown(value)}
	if !utf8.ValidString(value) {
		v.Raw = base64.StdEncoding.EncodeToString([]byte(value))
	}
	return v
}

// headFields are header lines, byte for byte. One that is folded, which begins
// with white space, goes on the one before it, with a space between: so
// receivers read it.
func headFields(head []byte) (out []webhook.Field) {
	for l := range strings.Lines(string(head)) {
		l = strings.TrimRight(l, "\r\n")
		switch name, value, _ := strings.Cut(l, ":"); {
		case l == "":
		case (l[0] == ' ' || l[0] == '\t') && len(out) > 0:
			last := &out[len(out)-1]
			last.Value = strings.TrimSpace(last.Value + " " + strings.Trim(l, " \t"))
		default:
			out = append(out, webhook.Field{Name: name, Value: strings.Trim(value, " \t")})
		}
	}
	return out
}

func viewTimings(t *store.Timings) timingsView {
	ms := func(d time.Duration) *float64 {
		if d == 0 {
			return nil
		}
		v := float64(d.Microseconds()) / 1000
		return &v
	}
	return timingsView{DNS: ms(t.DNS), Connect: ms(t.Connect), TLS: ms(t.TLS), FirstByte: ms(t.FirstByte), Total: ms(t.Total), Reused: t.Reused}
}

// An attempt's cursor is its number, in the place of an id.
func attemptCursor(n int) (id store.ID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func attemptNumber(id store.ID) int { return int(binary.BigEndian.Uint64(id[8:])) }
