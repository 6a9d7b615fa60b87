package egress

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// cancelled is the end of the caller's context.
func cancelled(ctx context.Context) *Error {
	return &Error{Class: store.ClassCancelled, Detail: lang.Keep("stopped on this side before an answer came"), Ours: true, Err: context.Cause(ctx)}
}

// dnsError names the cause of a failed lookup.
func (l *lookups) dnsError(err error, host string) *Error {
	e := &Error{Class: store.ClassDNS, Err: err}
	var de *net.DNSError
	switch {
	case errors.Is(err, errLookupsFull):
		e.Detail, e.Ours = lang.Keep("too many name lookups are running here"), true
	case errors.As(err, &de) && de.IsNotFound:
		e.Detail = lang.Keep("%s does not exist or has no address (NXDOMAIN): check the host name", host)
	case isTimeout(err):
		e.Detail, e.Ours = lang.Keep("no answer from DNS for %s in time", host), !l.answering()
	case isOurs(err) || containsAny(err.Error(), "connection refused", "network is unreachable", "too many open files"):
		// net.DNSError keeps only the text of what it wraps.
		e.Detail, e.Ours = lang.Keep("this server's resolver cannot be reached"), true
	case errors.As(err, &de):
		e.Detail = lang.Keep("DNS failed for %s (%s): the domain's name servers answer with an error", host, dnsWords(de.Err))
	default:
		e.Detail = lang.Keep("the lookup of %s failed: %s", host, err.Error())
	}
	return e
}

// oursErrnos are faults of this machine or its network.
var oursErrnos = []struct {
	errno syscall.Errno
	text  lang.Kept
}{
	{syscall.EMFILE, "this server has no file descriptors left"},
	{syscall.ENFILE, "this server has no file descriptors left"},
	{syscall.EADDRNOTAVAIL, "this server has no free port for the connection, or no address of that family"},
	{syscall.ENETUNREACH, "this server has no route to the address"},
	{syscall.ENETDOWN, "this server's network is down"},
	{syscall.ENOBUFS, "this server has no memory for the connection"},
	{syscall.ENOMEM, "this server has no memory for the connection"},
	{syscall.EACCES, "this server's firewall does not let the connection out"},
	{syscall.EPERM, "this server's firewall does not let the connection out"},
}

func isOurs(err error) bool {
	for _, o := range oursErrnos {
		if errors.Is(err, o.errno) {
			return true
		}
	}
	return false
}

// connectError names why no TCP connection came about.
func connectError(err error, limit time.Duration, addrs int) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	e := &Error{Class: store.ClassConnect, Err: err}
	for _, o := range oursErrnos {
		if errors.Is(err, o.errno) {
			e.Detail, e.Ours = lang.Keep(o.text), true
			return e
		}
	}
	switch {
	case isTimeout(err):
		e.Detail = lang.Keep("no connection within %s: the server does not answer, or a firewall drops the packets", limit)
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Detail = lang.Keep("connection refused: nothing listens on that port")
	case errors.Is(err, syscall.EHOSTUNREACH):
		e.Detail = lang.Keep("the host cannot be reached (no route to host)")
	case errors.Is(err, syscall.ECONNRESET):
		e.Detail = lang.Keep("the connection was reset while it was made")
	default:
		e.Detail = lang.Keep("no connection: %s", err.Error())
	}
	if addrs > 1 {
		e.Detail = lang.Keep("%s (%d addresses tried)", e.Detail, min(addrs, maxAddrs))
	}
	return e
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT) ||
		errors.As(err, &ne) && ne.Timeout()
}

// readError names why no status line came on a connection that stood.
// sent tells whether the whole request was written, got how many bytes came.
func readError(err error, id *Identity, total time.Duration, reused, sent bool, got int) *Error {
	e := &Error{Err: err}
	var remote *net.OpError
	switch {
	case errors.As(err, &remote) && remote.Op == "remote error":
		e.Class, e.Detail = store.ClassTLS, alertDetail(remote.Err.Error(), id)
		return e
	case isTimeout(err):
		e.Class = store.ClassTimeout
		switch {
		case !sent:
			e.Detail = lang.Keep("the server stopped reading: the request could not be sent within %s", total)
		case got > 0:
			e.Detail = lang.Keep("no whole status line within %s", total)
		default:
			e.Detail = lang.Keep("no answer within %s", total)
		}
		return e
	}
	e.Class = store.ClassReset
	switch {
	case got > 0:
		e.Detail = lang.Keep("the connection was cut in the middle of the status line")
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe):
		e.Detail = lang.Keep("the server closed the connection before answering")
	case errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE):
		e.Detail = lang.Keep("the server reset the connection before answering")
	default:
		e.Detail = lang.Keep("the connection broke before an answer: %s", err.Error())
	}
	if reused {
		e.Detail = lang.Keep("%s (a kept-alive connection: it may have closed it for being idle just as the request was sent)", e.Detail)
	}
	return e
}
