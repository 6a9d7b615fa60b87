package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// Limits of one connection to the API. A caller that trickles is cut off; the
// largest body that is taken passes in bodyTime over any usual line.
const (
	headerTime     = 10 * time.Second
	bodyTime       = 30 * time.Second
	answerTime     = 60 * time.Second
	idleTime       = 120 * time.Second
	closeTime      = 3 * time.Second
	maxHeaderBytes = 64 << 10
)

// listen opens the API's port. Errors: [*Problem].
func listen(ctx context.Context, addr string) (net.Listener, error) {
	return listenOn(ctx, "listen", addr)
}

// listenOn opens the port that an option names. Errors: [*Problem].
func listenOn(ctx context.Context, option, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		p := wrongOption(option, addr, "another process listens there", "stop that process, or choose another port with --"+option+", as in --"+option+" 127.0.0.1:8500")
		p.Kind, p.Err = KindInUse, err
		return nil, p
	default:
		p := wrongOption(option, addr, "cannot listen: "+err.Error(), "choose an address of this machine and a port above 1023, as in 127.0.0.1:8400")
		p.Err = err
		return nil, p
	}
}

// ownAddr is the listener's address as the egress guard knows it: an
// unspecified address means the port on any address of this machine.
func ownAddr(l net.Listener) netip.AddrPort {
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// newServer makes the API's door. Errors: [*Problem].
func newServer(h http.Handler, o Options, log *slog.Logger) (*http.Server, error) {
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       bodyTime,
		WriteTimeout:      answerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	if o.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(o.TLSCert, o.TLSKey)
		if err != nil {
			p := wrongOption("tls-cert", o.TLSCert, err.Error(), "pass a PEM certificate chain and its key")
			p.Err = err
			return nil, p
		}
		s.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	}
	return s, nil
}

// stoppingAnswer refuses what would change something while the server stops.
const stoppingAnswer = `{"type":"urn:malote:problem:unavailable","title":"The server cannot do this now","status":503,` +
	`"detail":"the server is stopping; nothing was kept","fix":"Try again, with the same Idempotency-Key."}` + "\n"

// whileStopping lets a server that stops be read, so that a balancer sees its
// /readyz, and takes nothing new in. Connections are closed after each answer.
func (a *App) whileStopping(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.stopping.Load() {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Connection", "close")
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, stoppingAnswer) // a caller that is gone is no error of ours
	})
}

// serve answers on a listener until ctx ends; then it takes no new requests,
// lets running ones end, and cuts those that take longer than closeTime.
func serve(ctx context.Context, s *http.Server, l net.Listener) error {
	served := make(chan error, 1)
	go func() {
		if s.TLSConfig != nil {
			served <- s.ServeTLS(l, "", "")
			return
		}
		served <- s.Serve(l)
	}()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	if s.Shutdown(limit) != nil {
		_ = s.Close() // what still runs then is a caller that trickles: it has no answer and will ask again
	}
	<-served //nolint:errcheck // http.ErrServerClosed
	return nil
}
