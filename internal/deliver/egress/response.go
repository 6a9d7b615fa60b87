package egress

import (
	"bytes"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

const (
	maxHead       = 64 << 10 // status lines and headers of one answer, 1xx included
	maxKeptHead   = 16 << 10
	leastKeptHead = 4 << 10 // whatever is kept of the body
	maxInterim    = 16      // 1xx answers before the final one
	maxRetryAfter = 256
)

var errTooLong = errors.New("line or head too long")

// reader is a buffer over a connection that can hold on to what it has read
// from a mark on.
type reader struct {
	conn      net.Conn
	buf       []byte
	mark      int // kept by fill; the final head's start while heads are read
	r, w      int
	got       int // bytes that came in all
	firstByte time.Time
	held      bool // mark stands still
	h         head
}

func (x *reader) reset(c net.Conn) {
	*x = reader{conn: c, buf: x.buf, held: true}
}

func (x *reader) buffered() int { return x.w - x.r }

// fill reads once more; it makes room by dropping what is before the mark,
// then by growing up to the limit of a head.
func (x *reader) fill() error {
	if !x.held {
		if x.r == x.w {
			x.r, x.w = 0, 0
		}
		x.mark = x.r
	}
	if x.w == len(x.buf) {
		if x.mark > 0 {
			copy(x.buf, x.buf[x.mark:x.w])
			x.r, x.w, x.mark = x.r-x.mark, x.w-x.mark, 0
		} else if len(x.buf) < maxHead {
			x.buf = append(x.buf, make([]byte, len(x.buf))...)
		} else {
			return errTooLong
		}
	}
	n, err := x.conn.Read(x.buf[x.w:])
	if n > 0 {
		if x.got == 0 {
			x.firstByte = time.Now()
		}
		x.w += n
		x.got += n
		return nil
	}
	if err == nil {
		err = errors.New("read returned nothing")
	}
	return err
}

// line returns the next line without its end, valid until the next fill.
// It is at most limit bytes long.
func (x *reader) line(limit int) ([]byte, error) {
	seen := x.r
	for {
		if i := bytes.IndexByte(x.buf[seen:x.w], '\n'); i >= 0 {
			if seen+i-x.r > limit {
				return nil, errTooLong
			}
			line := x.buf[x.r : seen+i]
			x.r = seen + i + 1
			if n := len(line); n > 0 && line[n-1] == '\r' {
				line = line[:n-1]
			}
			return line, nil
		}
		if x.w-x.r > limit {
			return nil, errTooLong
		}
		done := x.w - x.r
		if err := x.fill(); err != nil {
			return nil, err
		}
		seen = x.r + done
	}
}

// head is the final status line and what its headers say about framing.
type head struct {
	status     int
	framing    framing
	length     int64 // of a fixed body
	keepAlive  bool
	broken     bool // the headers ended early or were too long: no body follows
	retryAfter string
	keepFor    time.Duration // of Keep-Alive: timeout=, less a margin

	minor      byte
	hasLength  bool
	chunked    bool
	coded      bool // some transfer coding
	connClose  bool
	connKeep   bool
	suspicious bool // malformed or contradictory: read to the end, do not reuse
}

// head reads up to the end of the final answer's headers. An error means
// that no final status line came; an [*Error] says that it was not HTTP.
func (x *reader) head() (*head, error) {
	budget := maxHead
	for interim := 0; ; interim++ {
		x.mark = x.r
		start := x.got - x.buffered()
		if x.buffered() == 0 {
			if err := x.fill(); err != nil {
				return nil, err
			}
		}
		if !looksHTTP(x.buf[x.r:x.w]) {
			return nil, x.notHTTP()
		}
		line, err := x.line(budget)
		if err == errTooLong || err != nil && !looksHTTP(x.buf[x.r:x.w]) {
			return nil, x.notHTTP()
		}
		if err != nil {
			return nil, err
		}
		h := &x.h
		*h = head{}
		if !h.parseStatus(line) {
			return nil, x.notHTTP()
		}
		err = x.fields(h, budget-(x.got-x.buffered()-start))
		if h.status >= 200 || h.status == 101 {
			if err != nil {
				h.broken = true
			}
			h.decide()
			return h, nil
		}
		budget -= x.got - x.buffered() - start
		if err == errTooLong || budget <= 0 || interim == maxInterim {
			return nil, &Error{Class: store.ClassProtocol, Detail: lang.Keep("the server sent too many interim (1xx) answers")}
		}
		if err != nil {
			return nil, err
		}
	}
}

// fields reads headers up to the empty line, within budget bytes.
func (x *reader) fields(h *head, budget int) error {
	start := x.got - x.buffered()
	for {
		left := budget - (x.got - x.buffered() - start)
		if left <= 0 {
			return errTooLong
		}
		line, err := x.line(left)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return nil
		}
		h.field(line)
	}
}

// keptHead copies the final head, bounded. limit is what may be kept of the
// body: headers are no way around it.
func (x *reader) keptHead(resp *Response, limit int) []byte {
	b := x.buf[x.mark:x.r]
	if len(b) == 0 {
		b = x.buf[x.mark:x.w] // a status line that never ended
	}
	x.held = false
	if most := min(max(limit, leastKeptHead), maxKeptHead); len(b) > most {
		b, resp.Truncated = b[:most], true
	}
	return append([]byte(nil), b...)
}

// parseStatus accepts "HTTP/1.x NNN", then a space or nothing.
func (h *head) parseStatus(line []byte) bool {
	const want = "HTTP/1."
	if len(line) < 12 || string(line[:len(want)]) != want || line[7] != '0' && line[7] != '1' || line[8] != ' ' {
		return false
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return false
		}
		h.status = h.status*10 + int(c-'0')
	}
	h.minor = line[7]
	return h.status >= 100 && h.status <= 599 && (len(line) == 12 || line[12] == ' ')
}

// looksHTTP reports whether bytes without a line end could begin a status line.
func looksHTTP(b []byte) bool {
	const want = "HTTP/1."
	n := min(len(b), len(want))
	return string(b[:n]) == want[:n]
}

// notHTTP says what came instead of a status line.
func (x *reader) notHTTP() *Error {
	b := x.buf[x.mark:x.w]
	detail := lang.Keep("the answer is not HTTP/1.x: it begins with %q", b[:min(len(b), 40)])
	switch {
	case len(b) >= 2 && (b[0] == 0x15 || b[0] == 0x16) && b[1] == 3:
		detail = lang.Keep("the server speaks TLS on this port: use https")
	case bytes.HasPrefix(b, []byte("HTTP/2")), len(b) >= 5 && b[0] == 0 && b[3] == 4 && b[4] == 0:
		detail = lang.Keep("the server speaks HTTP/2 without being asked; HTTP/1.1 is needed")
	case looksHTTP(b):
		line, _, _ := bytes.Cut(b, []byte("\n"))
		detail = lang.Keep("the status line is malformed: %q", line[:min(len(line), 40)])
	}
	x.r = x.w
	return &Error{Class: store.ClassProtocol, Detail: detail}
}

// field takes in one header line.
func (h *head) field(line []byte) {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 || line[0] == ' ' || line[0] == '\t' || line[colon-1] == ' ' || line[colon-1] == '\t' {
		h.suspicious = true // folded or malformed
		return
	}
	name, value := line[:colon], bytes.Trim(line[colon+1:], " \t")
	switch {
	case is(name, "content-length"):
		n, ok := parseLength(value)
		if !ok || h.hasLength && n != h.length {
			h.suspicious = true
		}
		h.hasLength, h.length = true, n
	case is(name, "transfer-encoding"):
		h.coded = true
		last := value[bytes.LastIndexByte(value, ',')+1:]
		h.chunked = is(bytes.Trim(last, " \t"), "chunked")
	case is(name, "connection"):
		h.connClose = h.connClose || hasToken(value, "close")
		h.connKeep = h.connKeep || hasToken(value, "keep-alive")
	case is(name, "keep-alive"):
		h.keepFor = keepAliveTimeout(value)
	case is(name, "retry-after"):
		if h.retryAfter == "" {
			h.retryAfter = string(value[:min(len(value), maxRetryAfter)])
		}
	}
}

// decide settles framing and reuse (RFC 9112, sections 6.3 and 9.3).
func (h *head) decide() {
	h.keepAlive = !h.connClose && (h.minor == '1' || h.connKeep) && !h.suspicious && !h.broken
	switch {
	case h.status == 204 || h.status == 304 || h.status == 101:
		h.framing, h.length = fixed, 0
	case h.coded && h.chunked && !h.suspicious:
		h.framing, h.length = chunked, 0
		if h.hasLength || h.minor == '0' {
			h.keepAlive = false
		}
	case h.coded || h.suspicious || !h.hasLength:
		h.framing, h.length = untilClose, 0
	default:
		h.framing = fixed
	}
}

// is compares a name without regard to case; want is in lower case.
func is(name []byte, want string) bool {
	if len(name) != len(want) {
		return false
	}
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != want[i] {
			return false
		}
	}
	return true
}

func hasToken(list []byte, want string) bool {
	for len(list) > 0 {
		var item []byte
		item, list, _ = bytes.Cut(list, []byte{','})
		if is(bytes.Trim(item, " \t"), want) {
			return true
		}
	}
	return false
}

func parseLength(b []byte) (int64, bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(string(b), 10, 63)
	return n, err == nil
}

// keepAliveTimeout reads "timeout=5, max=100" and leaves a margin, so that
// the server does not close just as the next request is sent.
func keepAliveTimeout(b []byte) time.Duration {
	for len(b) > 0 {
		var item []byte
		item, b, _ = bytes.Cut(b, []byte{','})
		name, value, ok := bytes.Cut(bytes.Trim(item, " \t"), []byte{'='})
		if !ok || !is(name, "timeout") {
			continue
		}
		if n, ok := parseLength(bytes.Trim(value, ` "`)); ok && n > 0 && n < 3600 {
			d := time.Duration(n) * time.Second
			return max(d-time.Second, d/2)
		}
	}
	return 0
}
