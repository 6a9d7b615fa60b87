package egress

import (
	"cmp"
	"errors"
	"strconv"
	"strings"
	"sync"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

const (
	defaultMethod = "POST"
	redacted      = "[redacted]"
	// oneWrite is how large a request may be to go out in one write that
	// cannot wait for the server: it fits any socket's send buffer.
	oneWrite   = 16 << 10
	keepBuffer = 32 << 10 // larger buffers are not kept for the next request
)

// exchange is the scratch space of one request and its answer.
type exchange struct {
	out     []byte // request head, then a small body
	headLen int
	shown   int // where the redacted fields begin in out
	in      reader
}

var exchanges = sync.Pool{New: func() any {
	return &exchange{out: make([]byte, 0, 4<<10), in: reader{buf: make([]byte, 4<<10)}}
}}

func newExchange() *exchange { return exchanges.Get().(*exchange) }

func (x *exchange) free() {
	if cap(x.out) > keepBuffer || len(x.in.buf) > keepBuffer {
		return
	}
	x.in.conn = nil
	exchanges.Put(x)
}

// render writes the request head, and a small body behind it, to out.
func (x *exchange) render(r *Request) *Error {
	method := cmp.Or(r.Method, defaultMethod)
	b := append(append(x.out[:0], method...), ' ')
	path := r.URL.EscapedPath()
	if path == "" || path[0] != '/' {
		b = append(b, '/')
	}
	b = append(b, path...)
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		b = append(b, '?')
		b = append(b, r.URL.RawQuery...)
	}
	targetEnd := len(b)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	hostAt := len(b)
	b = append(b, r.URL.Host...)
	hostEnd := len(b)
	b = append(b, "\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(r.Body)), 10)
	b = append(b, "\r\n"...)
	x.shown = len(b)
	x.out = b
	if !plain(b[len(method)+1:targetEnd]) || !plain(b[hostAt:hostEnd]) {
		x.out = append(append(b[:0], method...), "\r\n"...)
		x.shown, x.headLen = len(x.out), len(x.out)
		return &Error{Class: store.ClassBlocked, Detail: lang.Keep("the URL is not in canonical form")}
	}
	first := len(r.Fields) - r.Redact
	for i, f := range r.Fields {
		if i == first {
			x.shown = len(b)
		}
		if err := CheckField(f); err != nil {
			x.headLen = len(x.out)
			return &Error{Class: store.ClassRender, Detail: err.Error(), Err: err}
		}
		b = append(b, f.Name...)
		b = append(b, ": "...)
		b = append(b, f.Value...)
		b = append(b, "\r\n"...)
	}
	if r.Redact <= 0 {
		x.shown = len(b)
	}
	b = append(b, "\r\n"...)
	x.headLen = len(b)
	if len(b)+len(r.Body) <= oneWrite {
		b = append(b, r.Body...)
	}
	x.out = b
	return nil
}

// shownHead copies the head, with [redacted] for the values of the last
// Redact fields.
func (x *exchange) shownHead(r *Request) []byte {
	if x.shown >= x.headLen-2 {
		return append([]byte(nil), x.out[:x.headLen]...)
	}
	hidden := r.Fields[max(len(r.Fields)-r.Redact, 0):]
	size := x.shown + 2
	for _, f := range hidden {
		size += len(f.Name) + len(": "+redacted+"\r\n")
	}
	b := append(make([]byte, 0, size), x.out[:x.shown]...)
	for _, f := range hidden {
		b = append(b, f.Name...)
		b = append(b, ": "+redacted+"\r\n"...)
	}
	return append(b, "\r\n"...)
}

// plain reports printable ASCII without space.
func plain(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// CheckField says whether a header may be sent: its name is a token, its
// value has no control characters, and it is not one that frames the message,
// steers the connection, or that the client never sends. The error never
// repeats the value.
func CheckField(f webhook.Field) error {
	if !webhook.ValidHeaderName(f.Name) {
		return errors.New(lang.Keep("%.60q is not a header name: use letters, digits and hyphens", f.Name))
	}
	if webhook.ForbiddenHeader(f.Name) && !strings.EqualFold(f.Name, "Content-Type") { // which the dialect names
		return errors.New(lang.Keep("the header %s is set by the connection and cannot be sent", f.Name))
	}
	for i := range len(f.Value) {
		if c := f.Value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return errors.New(lang.Keep("the value of header %s has a control character", f.Name))
		}
	}
	return nil
}
