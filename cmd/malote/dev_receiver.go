package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/malote-dev/malote/webhook"
)

// maxTapped bounds what is remembered of one request.
const maxTapped = 1 << 20

const webhooksPath = "/webhooks/"

// arrival is one webhook as it came in, and the answer to it.
type arrival struct {
	at      time.Time
	dialect string
	head    []byte // request line and headers, the bytes on the wire
	body    []byte
	event   *webhook.Event  // nil where it was refused
	verdict webhook.Verdict // of a refused one: why
	status  int
	answer  string
}

// devReceiver is what a customer would write: an HTTP server of its own that
// verifies each webhook with the endpoint's secret. Beside that it remembers
// the bytes on the wire, to show them.
type devReceiver struct {
	server   *http.Server
	listener net.Listener
	mux      *http.ServeMux
	taps     sync.Map // remote address → *tap
	arrivals chan *arrival
	missed   atomic.Int64 // came faster than they could be printed
}

// newDevReceiver listens on an address, or where that is taken on any port.
func newDevReceiver(addr string) (*devReceiver, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		l, err = lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, err
	}
	r := &devReceiver{mux: http.NewServeMux(), arrivals: make(chan *arrival, 64)}
	r.listener = &tapListener{l, r}
	r.server = &http.Server{Handler: r.mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second}
	go func() { _ = r.server.Serve(r.listener) }()
	return r, nil
}

func (r *devReceiver) addr() string { return r.listener.Addr().String() }

// url of one dialect's endpoint.
func (r *devReceiver) url(dialect string) string {
	return "http://" + reachable(r.listener.Addr()) + webhooksPath + dialect
}

func (r *devReceiver) close() { _ = r.server.Close() }

// serve adds the endpoint of one dialect.
func (r *devReceiver) serve(d *webhook.Dialect, secret string) {
	r.mux.HandleFunc(webhooksPath+d.Name, func(w http.ResponseWriter, req *http.Request) {
		a := &arrival{at: time.Now(), dialect: d.Name}
		receiver := &webhook.Receiver{Dialect: d, Secrets: []string{secret}, Handle: func(_ context.Context, e *webhook.Event) error {
			a.event = e
			return nil
		}}
		seen := &seenAnswer{ResponseWriter: w, status: http.StatusOK}
		receiver.ServeHTTP(seen, req)
		a.status, a.answer = seen.status, strings.TrimSpace(seen.body.String())
		if t, ok := r.taps.Load(req.RemoteAddr); ok {
			if t, ok := t.(*tap); ok {
				a.head, a.body = t.take()
			}
		}
		if a.event == nil {
			a.verdict = d.Verify(req.Header, a.body, []string{secret}, a.at)
		}
		select {
		case r.arrivals <- a:
		default:
			r.missed.Add(1)
		}
	})
}

// seenAnswer remembers what a handler answered.
type seenAnswer struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (s *seenAnswer) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

func (s *seenAnswer) Write(b []byte) (int, error) {
	s.body.Write(b)
	return s.ResponseWriter.Write(b)
}

// tapListener hands out connections that remember what came in.
type tapListener struct {
	net.Listener
	r *devReceiver
}

func (l *tapListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	t := &tap{Conn: conn, r: l.r}
	l.r.taps.Store(conn.RemoteAddr().String(), t)
	return t, nil
}

type tap struct {
	net.Conn
	r    *devReceiver
	mu   sync.Mutex
	seen []byte
}

func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.mu.Lock()
	t.seen = append(t.seen, b[:min(n, maxTapped-min(maxTapped, len(t.seen)))]...)
	t.mu.Unlock()
	return n, err
}

func (t *tap) Close() error {
	t.r.taps.Delete(t.RemoteAddr().String())
	if err := t.Conn.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// take returns the request that was read and forgets it: the next one on the
// connection begins after the answer.
func (t *tap) take() (head, body []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	head, body, _ = bytes.Cut(t.seen, []byte("\r\n\r\n"))
	t.seen = nil
	return head, body
}
