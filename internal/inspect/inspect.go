package inspect

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// Limits of what is taken in.
const (
	MaxHeaderBytes = 64 << 10

	maxRead      = 32 << 20                // bytes of a body that are read; past them the connection ends
	maxUnder     = 512                     // requests under way
	maxDelayed   = 256                     // answers held back at once
	maxMemory    = 128 << 20               // bytes of bodies in memory
	perSecond    = 100                     // requests of one inspector
	bytesASecond = store.MaxInspectedBytes // of their bodies: what it keeps in all
)

// Store keeps what arrives.
type Store interface {
	// InspectorByHash finds the inspector of an address. Errors: [store.ErrNotFound].
	InspectorByHash(ctx context.Context, hash [32]byte, now time.Time) (*store.Inspector, error)
	// KeepInspected keeps a request, and sets its id. Errors: [store.ErrNotFound].
	KeepInspected(ctx context.Context, r *store.InspectedRequest) error
	// InspectedAnswered notes that the answer to a request was out.
	InspectedAnswered(id store.ID, at time.Time)
}

// Handler receives for inspectors.
type Handler struct {
	store   Store
	log     *slog.Logger
	under   chan struct{}
	delayed chan struct{}
	memory  atomic.Int64
	rates   rates
	stop    chan struct{} // closed: nothing is held back any more
	once    sync.Once

	kept, refused, bytes atomic.Uint64
}

// Counters since the start.
type Counters struct {
	Kept    uint64 // requests
	Refused uint64 // requests, for whatever reason
	Bytes   uint64 // of bodies that were kept
	Held    int    // answers that are held back now
}

// Counters says what came.
func (h *Handler) Counters() Counters {
	return Counters{Kept: h.kept.Load(), Refused: h.refused.Load(), Bytes: h.bytes.Load(), Held: len(h.delayed)}
}

// End has every answer that is held back go out at once: the server stops.
func (h *Handler) End() { h.once.Do(func() { close(h.stop) }) }

var _ http.Handler = (*Handler)(nil)

// New makes a handler. It is to be served by a server with [ConnContext], on
// what [Listen] wrapped.
func New(s Store, log *slog.Logger) *Handler {
	return &Handler{store: s, log: log, under: make(chan struct{}, maxUnder), delayed: make(chan struct{}, maxDelayed), stop: make(chan struct{})}
}

// ServeHTTP keeps a request and answers as its inspector says.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	guard(w.Header())
	head, last := headOf(r)
	if last {
		w.Header().Set("Connection", "close")
	}
	select {
	case h.under <- struct{}{}:
		defer func() { <-h.under }()
	default:
		h.refused.Add(1)
		busy(w, "too many requests are under way")
		return
	}
	if status, why := h.serve(w, r, &head); status != 0 {
		h.refused.Add(1)
		refuse(w, status, why)
	}
}

// guard keeps a browser from taking what is answered for a page of this
// server's, whatever it is.
func guard(h http.Header) {
	h.Set("Content-Security-Policy", "sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex")
}

// busy asks to come again.
func busy(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", "1")
	refuse(w, http.StatusServiceUnavailable, why)
}

func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "malote inspector: "+why+"\n")
}

// serve keeps a request, and then answers it; a status says that it was not
// kept, and why.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, head *head) (status int, why string) {
	token, path := splitPath(r)
	hash, ok := store.HashInspectorToken(token)
	if !ok {
		return http.StatusNotFound, "no inspector has this address"
	}
	i, err := h.store.InspectorByHash(r.Context(), hash, time.Now())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return http.StatusNotFound, "no inspector has this address: it may have ended"
	case err != nil:
		return h.failed(w, "look for an inspector", err)
	case !h.rates.admit(i.ID, 1, 0, time.Now()):
		w.Header().Set("Retry-After", "1")
		return http.StatusTooManyRequests, "more than " + strconv.Itoa(perSecond) + " requests a second"
	}
	kept := &store.InspectedRequest{InspectorID: i.ID, Method: r.Method, Path: path, Query: r.URL.RawQuery}
	describe(kept, r, head)
	if !h.read(kept, w, r, head) {
		w.Header().Set("Retry-After", "1")
		return http.StatusServiceUnavailable, "too much is being taken in at once"
	}
	defer h.memory.Add(-int64(cap(kept.Body)))
	if !h.rates.admit(i.ID, 0, len(kept.Body), time.Now()) {
		w.Header().Set("Retry-After", "1")
		return http.StatusTooManyRequests, "more than " + strconv.Itoa(bytesASecond>>20) + " MiB a second"
	}
	a := answerTo(i, r)
	kept.Status, kept.Delay, kept.Failed, kept.Ignored = a.status, a.delay, a.failed, a.ignored
	if a.delay > 0 {
		select {
		case h.delayed <- struct{}{}:
			defer func() { <-h.delayed }()
		default:
			w.Header().Set("Retry-After", "1")
			return http.StatusServiceUnavailable, "too many answers are being held back"
		}
	}
	// What waits to be written is bounded by what is under way: nobody leaves before.
	if err := h.store.KeepInspected(context.WithoutCancel(r.Context()), kept); errors.Is(err, store.ErrNotFound) {
		return http.StatusNotFound, "no inspector has this address: it may have ended"
	} else if err != nil {
		return h.failed(w, "keep a request", err)
	}
	h.kept.Add(1)
	h.bytes.Add(uint64(len(kept.Body)))
	h.answer(w, r, kept, &a)
	return 0, ""
}

func (h *Handler) failed(w http.ResponseWriter, doing string, err error) (int, string) {
	h.log.Warn("an inspector's request was not kept", "doing", doing, "error", err)
	w.Header().Set("Retry-After", "5")
	return http.StatusServiceUnavailable, "the request cannot be kept now"
}

// splitPath takes the token off the path; what is behind it stays as it was sent.
func splitPath(r *http.Request) (token, path string) {
	p, _, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(p, "/") { // as to a proxy
		p = r.URL.EscapedPath()
	}
	p = strings.TrimPrefix(p, "/")
	at := strings.IndexByte(p, '/')
	if at < 0 {
		return p, ""
	}
	return p[:at], p[at:]
}

// describe says what is known of a request before its body.
func describe(kept *store.InspectedRequest, r *http.Request, head *head) {
	kept.Host, kept.Remote, kept.Version, kept.TLS, kept.ContentType = r.Host, r.RemoteAddr, r.Proto, head.tls, r.Header.Get("Content-Type")
	kept.Received = head.first.UnixMicro()
	if kept.Head = head.lines; head.lines == nil {
		kept.Inexact, kept.Head = true, sorted(r)
	}
}

// sorted are the headers as net/http has them.
func sorted(r *http.Request) []byte {
	b := []byte("Host: " + r.Host + "\r\n")
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, v := range r.Header[name] {
			b = append(b, name+": "+v+"\r\n"...)
		}
	}
	return b
}

const firstRead = 4 << 10

// read reads the body; false: there is no memory for it.
func (h *Handler) read(kept *store.InspectedRequest, w http.ResponseWriter, r *http.Request, head *head) bool {
	b := make([]byte, 0, firstRead)
	h.memory.Add(firstRead)
	var past [8 << 10]byte // what is not kept is read into it
	for {
		into := b[len(b):cap(b)]
		if len(b) == store.MaxInspectedBody {
			into = past[:]
		}
		n, err := r.Body.Read(into)
		kept.BodyBytes += int64(n)
		if len(b) < store.MaxInspectedBody {
			b = b[:len(b)+n]
		}
		switch {
		case errors.Is(err, io.EOF):
		case err != nil, kept.BodyBytes > maxRead:
			kept.Incomplete = true
			kept.BodyBytes = max(kept.BodyBytes, r.ContentLength)
			w.Header().Set("Connection", "close")
		case len(b) < cap(b) || cap(b) == store.MaxInspectedBody:
			continue
		default:
			room := min(4*cap(b), store.MaxInspectedBody)
			if h.memory.Add(int64(room-cap(b))) > maxMemory {
				h.memory.Add(-int64(room))
				return false
			}
			b = append(make([]byte, 0, room), b...)
			continue
		}
		kept.Body, kept.Read = b, time.Since(head.first)
		return true
	}
}

// rates counts what inspectors got in the second under way. The zero value is
// ready.
type rates struct {
	mu     sync.Mutex
	second int64
	of     map[store.ID]*rate
}

type rate struct{ requests, bytes int }

// admit adds requests, or bytes of their bodies, and reports whether that is
// within bounds.
func (c *rates) admit(id store.ID, requests, bytes int, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := now.Unix(); s != c.second || c.of == nil {
		c.second, c.of = s, map[store.ID]*rate{}
	}
	r := c.of[id]
	if r == nil {
		r = &rate{}
		c.of[id] = r
	}
	r.requests += requests
	r.bytes += bytes
	return r.requests <= perSecond && r.bytes <= bytesASecond
}

// chance reports true so many times of a hundred.
func chance(percent int) bool { return percent > 0 && rand.IntN(100) < percent }
