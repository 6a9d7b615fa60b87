package egress

import (
	"context"
	"net"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

const (
	// writeGrace is how long a write may go on after the answer came.
	writeGrace = 50 * time.Millisecond
	// drainGrace and drainMost bound what is read only to keep a connection.
	drainGrace = 200 * time.Millisecond
	drainMost  = 64 << 10
)

// past is a deadline that interrupts at once.
var past = time.Unix(1, 0)

// do writes the request and reads the answer into resp, under one deadline.
// keep tells whether the connection can carry another request.
func (x *exchange) do(ctx context.Context, cn *conn, r *Request, resp *Response) (keep bool, err *Error) {
	total := r.Total
	if total <= 0 {
		total = defaultTotal
	}
	if t := &resp.Timings; r.Whole > 0 {
		total = max(min(total, r.Whole-t.DNS-t.Connect-t.TLS), time.Millisecond)
	}
	start := time.Now()
	if !r.Until.IsZero() && !start.Before(r.Until) {
		return true, &Error{Class: store.ClassCancelled, Detail: lang.Keep("held up on this side for so long that it may not be sent any more"), Ours: true}
	}
	deadline := start.Add(total)
	if derr := cn.SetDeadline(deadline); derr != nil {
		return false, readError(derr, r.Identity, total, resp.Timings.Reused, false, 0)
	}
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, func() { _ = cn.SetDeadline(past) })
		defer func() {
			if !stop() {
				keep = false // the deadline may be set late, into the next request
			}
		}()
	}
	x.in.reset(cn)
	sent := x.write(cn, r.Body)
	if !sent.ok {
		// What the server said before it stopped reading is still readable.
		_ = cn.SetReadDeadline(earlier(deadline, time.Now().Add(time.Second)))
	}
	h, herr := x.in.head()
	if !x.in.firstByte.IsZero() {
		resp.Timings.FirstByte = x.in.firstByte.Sub(start)
	}
	if herr == nil && h.status != 101 {
		keep = x.answer(cn, r, resp, h, deadline)
	} else if herr == nil {
		resp.Status, resp.Head = h.status, x.in.keptHead(resp, r.MaxBody)
		err = &Error{Class: store.ClassProtocol, Detail: lang.Keep("the server answered 101 Switching Protocols, which nobody asked for")}
	} else {
		err = x.failure(ctx, herr, total, r, resp, &sent)
	}
	return sent.finish(cn, err == nil) && keep, err
}

// failure names why no status line came.
func (x *exchange) failure(ctx context.Context, herr error, total time.Duration, r *Request, resp *Response, w *writing) *Error {
	if ctx.Err() != nil {
		return cancelled(ctx)
	}
	if e, ok := herr.(*Error); ok {
		resp.Head = x.in.keptHead(resp, r.MaxBody)
		return e
	}
	if w.err != nil && !isTimeout(w.err) && isTimeout(herr) {
		herr = w.err
	}
	return readError(herr, r.Identity, total, resp.Timings.Reused, w.done(), x.in.got)
}

// answer takes over head and body. The status is known: nothing that happens
// here is an error.
func (x *exchange) answer(cn *conn, r *Request, resp *Response, h *head, deadline time.Time) (keep bool) {
	resp.Status = h.status
	resp.RetryAfter = h.retryAfter
	limit := r.MaxBody
	if h.status/100 == 2 {
		limit = r.MaxOK
	}
	resp.Head = x.in.keptHead(resp, limit)
	if h.broken {
		resp.Truncated = true
		return false
	}
	b := body{in: &x.in, framing: h.framing, left: h.length}
	reuse := h.keepAlive && h.framing != untilClose
	kept, end := b.keep(limit)
	resp.Body = kept
	switch end {
	case bodyBroken:
		resp.Truncated = true
		return false
	case bodyMore:
		most := 0
		if reuse && !(b.framing == fixed && b.left > drainMost) {
			most = drainMost
		}
		_ = cn.SetReadDeadline(earlier(deadline, time.Now().Add(drainGrace)))
		more, ended := b.drain(most)
		resp.Truncated = resp.Truncated || more || !ended
		reuse = reuse && ended
	}
	cn.keepFor = h.keepFor
	return reuse && x.in.buffered() == 0
}

// writing is a write that may still go on.
type writing struct {
	ok      bool // has not failed so far
	err     error
	running chan error // nil: it has ended
}

// write sends what render made. A small request goes out in one write; a
// larger one from a goroutine, so that an early answer is seen.
func (x *exchange) write(cn *conn, body []byte) writing {
	if len(x.out) > x.headLen || len(body) == 0 {
		_, err := cn.Write(x.out)
		return writing{ok: err == nil, err: err}
	}
	running := make(chan error, 1)
	go func() {
		bufs := net.Buffers{x.out, body}
		if cn.Conn == cn.sock {
			_, err := bufs.WriteTo(cn.sock)
			running <- err
			return
		}
		_, err := cn.Write(x.out)
		if err == nil {
			_, err = cn.Write(body)
		}
		running <- err
	}()
	return writing{ok: true, running: running}
}

// done reports whether the whole request was written.
func (w *writing) done() bool {
	if w.running != nil {
		select {
		case w.err = <-w.running:
			w.running, w.ok = nil, w.err == nil
		default:
			return false
		}
	}
	return w.ok
}

// finish waits for the writer, interrupting it at once or, with grace, if it
// takes long after the answer. It reports whether the whole request was written.
func (w *writing) finish(cn *conn, grace bool) bool {
	if w.done() || w.running == nil {
		return w.ok
	}
	if grace {
		timer := time.NewTimer(writeGrace)
		defer timer.Stop()
		select {
		case w.err = <-w.running:
			return w.err == nil
		case <-timer.C:
		}
	}
	_ = cn.SetWriteDeadline(past)
	w.err = <-w.running
	return w.err == nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
