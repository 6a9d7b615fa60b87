package app

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/netutil"

	"github.com/malote-dev/malote/internal/inspect"
	"github.com/malote-dev/malote/internal/store"
)

// Limits of what inspectors receive on. An answer may be held back for half a
// minute after a body that took as long.
const (
	inspectConnections = 1024
	inspectTime        = 90 * time.Second
)

// receiver is what inspectors receive on. It shares no listener with the API
// or the pages: what it answers is a stranger's.
type receiver struct {
	listener net.Listener
	server   *http.Server
	tls      *tls.Config
	begins   string // what addresses begin with
}

// listenInspect takes the port, where there is to be one. Errors: [*Problem].
func listenInspect(ctx context.Context, o *Options) (*receiver, error) {
	if o.InspectListen == "" {
		return nil, nil //nolint:nilnil // nobody receives
	}
	l, err := listenOn(ctx, "inspect-listen", o.InspectListen)
	if host, _, e := net.SplitHostPort(o.InspectListen); e == nil && err != nil && o.InspectAny {
		l, err = listenOn(ctx, "inspect-listen", net.JoinHostPort(host, "0"))
	}
	if err != nil {
		return nil, err
	}
	r := &receiver{listener: l, begins: o.InspectURL}
	if r.begins != "" {
		return r, nil
	}
	scheme := "http://"
	if o.TLSCert != "" {
		scheme = "https://"
	}
	host, port, err := net.SplitHostPort(l.Addr().String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // not localhost, whose cookies are the console's
	}
	r.begins = scheme + net.JoinHostPort(host, port)
	return r, nil
}

// url is what the addresses of inspectors begin with; empty: nobody receives.
func (r *receiver) url() string {
	if r == nil {
		return ""
	}
	return r.begins
}

// prepare makes the server. Errors: [*Problem].
func (r *receiver) prepare(db *store.DB, o Options, log *slog.Logger, metrics prometheus.Registerer) (err error) {
	if r == nil {
		return nil
	}
	h := inspect.New(db, log)
	if r.server, err = newServer(h, o, log); err != nil {
		return err
	}
	r.server.RegisterOnShutdown(h.End)
	metrics.MustRegister(
		counter("malote_inspector_requests_kept_total", "Requests that arrived at inspectors and were kept.", func() uint64 { return h.Counters().Kept }),
		counter("malote_inspector_requests_refused_total", "Requests that inspectors refused: no such address, too many, or too much at once.", func() uint64 { return h.Counters().Refused }),
		counter("malote_inspector_bytes_kept_total", "Bytes of bodies that inspectors kept.", func() uint64 { return h.Counters().Bytes }),
		gauge("malote_inspector_answers_held", "Answers of inspectors that are held back now.", func() float64 { return float64(h.Counters().Held) }),
	)
	r.tls, r.server.TLSConfig = r.server.TLSConfig, nil // the listener's: heads are read inside of it
	r.server.ConnContext, r.server.MaxHeaderBytes, r.server.WriteTimeout = inspect.ConnContext, inspect.MaxHeaderBytes, inspectTime
	return nil
}

// limited is the listener as it is served: with TLS where the API has it, and
// so many connections.
func (r *receiver) limited() net.Listener {
	l := netutil.LimitListener(r.listener, inspectConnections)
	if r.tls != nil {
		l = tls.NewListener(l, r.tls)
	}
	return inspect.Listen(l)
}

// InspectURL is what the addresses of inspectors begin with; empty: nobody
// receives for them.
func (a *App) InspectURL() string { return a.receiver.url() }

// InspectAddr is where inspectors receive; nil: nobody does.
func (a *App) InspectAddr() net.Addr {
	if a.receiver == nil {
		return nil
	}
	return a.receiver.listener.Addr()
}
