package api

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// call is one request on its way through.
type call struct {
	s       *server
	w       http.ResponseWriter
	r       *http.Request
	route   *route
	id      store.ID // of the request; random
	start   time.Time
	key     *store.Key
	keyHash [32]byte
	portal  bool         // it is of a portal session's token
	access  uint64       // that was taken away before the key was looked up
	asked   *asked       // a page asks for its visitor; nil: a caller of the API
	status  int          // of the answer; 0: none yet
	claim   *store.Claim // of an Idempotency-Key; nil: none
	before  []byte       // the answer to the same claim, where it was carried out before
	refusal string       // why the answer is no success, for the log
	bytes   int64        // of the common budget for bodies, held until the end
}

// Values of headers that every answer shares; nobody changes them.
var (
	noStore = []string{"no-store"}
	noSniff = []string{"nosniff"}
	isTrue  = []string{"true"}
	isJSON  = []string{"application/json"}
	isFault = []string{"application/problem+json"}

	byLanguage = []string{"Accept-Language"}
)

// atOnce is how long after its request's head a body is taken to have come with it.
const atOnce = 250 * time.Microsecond

func (s *server) begin(rt *route, w http.ResponseWriter, r *http.Request) *call {
	c := &call{s: s, w: w, r: r, route: rt, start: time.Now(), status: rt.status}
	c.asked, _ = w.(*asked)
	binary.BigEndian.PutUint64(c.id[:8], rand.Uint64())
	binary.BigEndian.PutUint64(c.id[8:], rand.Uint64())
	h := w.Header()
	h["X-Request-Id"] = []string{requestID.Format(c.id)}
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	return c
}

// end measures, and answers a panic.
func (c *call) end() {
	c.release()
	if v := recover(); v != nil {
		if v == http.ErrAbortHandler {
			panic(v)
		}
		c.s.log.Error("panic in a handler", "request_id", requestID.Format(c.id), "method", c.route.method, "route", c.route.pattern,
			"panic", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
		c.fail(kindInternal.problem("something unexpected went wrong; the log of the server says what"))
	}
	if ctx := context.WithoutCancel(c.r.Context()); c.s.log.Enabled(ctx, slog.LevelDebug) {
		c.s.log.LogAttrs(ctx, slog.LevelDebug, "request", slog.String("request_id", requestID.Format(c.id)), slog.String("method", c.route.method),
			slog.String("route", c.route.pattern), slog.Int("status", c.status), slog.String("detail", c.refusal), slog.Duration("took", time.Since(c.start)))
	}
	c.route.observe[min(max(c.status/100, 0), 5)].Observe(time.Since(c.start).Seconds())
}

// run is every request: who asks, may he, what does it do.
func (c *call) run() {
	err := c.s.authenticate(c)
	if err == nil && c.key != nil && c.route.method != http.MethodPut && c.route.method != http.MethodPost && !isText(c.r.URL.Path) {
		err = store.ErrNotFound // nothing is called so; what would be made is refused in its own words
	}
	if err == nil {
		c.sign()
		err = c.route.run(c)
	}
	if err != nil {
		c.fail(err)
	}
}

// isText reports whether a text is one to every database: UTF-8, without NUL.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// sign says in the request's context who asks, for the audit log. What is an
// event is its own record, and costs nothing more here.
func (c *call) sign() {
	if c.key == nil || c.route.method == http.MethodGet || c.route.safe || c.route.scope == eventsWrite {
		return
	}
	actor := store.KeyActor(c.key, c.id)
	if c.asked != nil {
		actor = store.PersonActor(c.asked.visitor, c.id)
	}
	c.r = c.r.WithContext(store.WithActor(c.r.Context(), actor))
}

// fail answers with a problem.
func (c *call) fail(err error) {
	p := c.refuse(err)
	l := c.language()
	if l != lang.English {
		p.speak(l)
	}
	c.w.Header()["Content-Language"] = []string{l.Tag()}
	c.w.Header()["Vary"] = byLanguage
	body, err := encode(p)
	if err != nil { // no member of a problem can fail
		body = []byte(`{"title":"The server failed","status":500}`)
	}
	c.write(isFault, body)
}

// refuse makes the problem of an error the outcome of the call: status,
// headers and log; only its words are not written yet.
func (c *call) refuse(err error) *problem {
	p := *c.asProblem(err) // a copy: some are shared
	p.Errors = slices.Clone(p.Errors)
	p.RequestID = requestID.Format(c.id)
	if p.Status >= 500 {
		level := slog.LevelError
		if p.Status == http.StatusServiceUnavailable {
			level = slog.LevelWarn
		}
		c.s.log.Log(context.WithoutCancel(c.r.Context()), level, "request failed", "request_id", p.RequestID,
			"method", c.route.method, "route", c.route.pattern, "status", p.Status, "detail", p.Detail, "error", p.cause)
	}
	c.refusal = p.Detail
	for name, value := range p.header {
		c.w.Header().Set(name, value)
	}
	c.status = p.Status
	return &p
}

// answer writes a success.
func (c *call) answer(out any) error {
	if c.route.speaks {
		if l := c.language(); l != lang.English {
			c.w.Header()["Content-Language"] = []string{l.Tag()}
			c.w.Header()["Vary"] = byLanguage
			out = inLanguage(out, l)
		}
	}
	body, err := encode(out)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	c.write(isJSON, body)
	return nil
}

func (c *call) write(contentType []string, body []byte) {
	c.release()
	h := c.w.Header()
	h["Content-Type"] = contentType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	c.w.WriteHeader(c.status)
	_, _ = c.w.Write(body) // a caller that is gone is no error of ours
}

// appender is an answer that writes itself, where bytes must stay as they are.
type appender interface {
	appendJSON(dst []byte) ([]byte, error)
}

// encode writes JSON with a newline behind it, for those who read it in a shell.
func encode(v any) ([]byte, error) {
	if a, ok := v.(appender); ok {
		b, err := a.appendJSON(make([]byte, 0, 128))
		return append(b, '\n'), err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// body reads the request's body, at most the route's limit. A caller may hold
// it back: his key is judged again once it is in. Only an event that came with
// its request's head is spared that.
func (c *call) body() ([]byte, error) {
	b, slow, err := c.readBody()
	if err != nil || c.key == nil || c.route.scope == eventsWrite && !slow {
		return b, err
	}
	if err := c.s.rejudge(c); err != nil {
		return nil, err
	}
	return b, nil
}

// readBody also reports whether the body took longer than one that is there.
func (c *call) readBody() (body []byte, slow bool, err error) {
	if e := c.r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, false, kindMedia.problem("the body is sent with Content-Encoding, which this server does not take off")
	}
	size := c.r.ContentLength
	if size > c.route.body {
		return nil, false, bodyTooLarge(c.route.body)
	}
	// Not before: net/http closes gently what was not read, so that the caller
	// gets to read the refusal, but only where the body is still its own.
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, c.route.body)
	b := make([]byte, 0, min(max(size, 512), firstRead))
	for {
		n, err := c.r.Body.Read(b[len(b):cap(b)])
		slow = slow || len(b) > 0 && n > 0 // a second piece
		b = b[:len(b)+n]
		switch {
		case errors.Is(err, io.EOF):
			return c.whole(b), slow || time.Since(c.start) > atOnce, nil
		case err != nil:
			return nil, false, unreadable(err)
		case len(b) == cap(b):
			if int64(len(b)) == size {
				return c.whole(b), slow || time.Since(c.start) > atOnce, nil
			}
			if b, err = c.grow(b, size); err != nil {
				return nil, false, err
			}
		}
	}
}

// grow makes room for more of a body, at most for its size where that is
// known; what is large is charged to the budget.
func (c *call) grow(b []byte, size int64) ([]byte, error) {
	if size < 0 {
		size = c.route.body + 1 // one more finds the limit
	}
	room := min(2*int64(cap(b)), size)
	if room > firstRead {
		if err := c.s.bodies.take(senderOf(c.key), room-c.bytes); err != nil {
			return nil, err
		}
		c.bytes = room
	}
	return append(make([]byte, 0, room), b...), nil
}

// release gives the budget for bodies back.
func (c *call) release() { c.hold(0) }

// whole is a body that was read; what it did not need goes back to the budget.
func (c *call) whole(b []byte) []byte {
	c.hold(int64(len(b)))
	return b
}

// hold keeps no more than so many bytes of the budget.
func (c *call) hold(n int64) {
	if n < c.bytes {
		c.s.bodies.give(senderOf(c.key), c.bytes-n)
		c.bytes = n
	}
}

func unreadable(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return kindTimeout.problem("the body did not arrive within the server's time limit").because(err)
	}
	return kindBody.problem("the body ends early or is not what its headers say").because(err)
}

// query reads the parameters into a struct with query tags.
func (c *call) query(into any) error {
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return kindShape.problem("the query is not well formed").fixed("Percent-encode the values of parameters, and join them with &.").because(err)
	}
	return decodeQuery(values, into)
}

// noQuery refuses parameters where none are known, so that a mistyped one is
// not ignored.
func noQuery(c *call) error {
	if c.r.URL.RawQuery == "" {
		return nil
	}
	return c.query(&none{})
}

// idempotencyKey reads the header; absent is "".
func (c *call) idempotencyKey() (string, error) {
	values := c.r.Header["Idempotency-Key"]
	switch len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return "", keyProblem(lang.Text("is given more than once; send it once"))
}

// noIdempotencyKey refuses the header where it would promise what is not kept.
func noIdempotencyKey(c *call) error {
	if _, given := c.r.Header["Idempotency-Key"]; given && c.r.Method == http.MethodPost {
		return keyProblem(lang.Text("is not known by this route: a repeat would do it again; read first whether it was done"))
	}
	return nil
}
