package webhook

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"
)

// Receiver is an http.Handler that takes webhooks in: it limits the body,
// verifies the raw bytes, answers 401 where they do not verify, and hands the
// event over. An error of Handle answers 500, so that the sender tries again.
//
// It bounds memory, not time: give the http.Server timeouts.
type Receiver struct {
	Dialect *Dialect // nil: standard
	Secrets []string // those in force; any may match

	// SecretsFor replaces Secrets where they depend on the request.
	SecretsFor func(*http.Request) ([]string, error)

	// Handle takes the event. It should be quick: senders wait for the
	// answer. The same event may come more than once; Event.ID tells.
	Handle func(context.Context, *Event) error

	MaxBody int64            // bytes (default 1 MiB)
	Logger  *slog.Logger     // gets the cause of every refusal; nil: none
	Now     func() time.Time // nil: time.Now

	explained atomic.Int64 // when a refusal was last explained, Unix ms
}

// Searching the cause of a failure costs many times what refusing does; a
// flood of forged requests gets no more than ten searches a second.
const explainEvery = 100 // ms

const defaultMaxBody = 1 << 20

var _ http.Handler = (*Receiver)(nil)

// ServeHTTP takes one webhook in.
func (rc *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		answer(w, http.StatusMethodNotAllowed, `{"error":"Method not allowed"}`)
		return
	}
	body, status := rc.readBody(w, r)
	if status != 0 {
		answer(w, status, `{"error":"`+http.StatusText(status)+`"}`)
		return
	}
	d := rc.Dialect
	if d == nil {
		d = Standard()
	}
	secrets := rc.Secrets
	if rc.SecretsFor != nil {
		var err error
		if secrets, err = rc.SecretsFor(r); err != nil {
			rc.logger().ErrorContext(r.Context(), "webhook: no secrets", "error", err.Error())
			answer(w, http.StatusInternalServerError, `{"error":"Internal server error"}`)
			return
		}
	}
	if v := rc.verify(d, r.Header, body, secrets); !v.OK {
		rc.logger().WarnContext(r.Context(), "webhook: refused", "cause", string(v.Cause), "detail", v.Detail)
		answer(w, http.StatusUnauthorized, `{"error":"Invalid signature"}`)
		return
	}
	rc.hand(w, r, d, body)
}

func (rc *Receiver) readBody(w http.ResponseWriter, r *http.Request) ([]byte, int) {
	limit := rc.MaxBody
	if limit <= 0 {
		limit = defaultMaxBody
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, http.StatusRequestEntityTooLarge
	case err != nil:
		return nil, http.StatusBadRequest
	}
	return body, 0
}

func (rc *Receiver) verify(d *Dialect, h http.Header, body []byte, secrets []string) Verdict {
	now := time.Now()
	if rc.Now != nil {
		now = rc.Now()
	}
	v := d.verify(h, body, secrets, now, false)
	if v.OK || v.Cause != CauseMismatch && v.Cause != CauseMalformed || rc.Logger == nil {
		return v
	}
	last, ms := rc.explained.Load(), now.UnixMilli()
	if ms-last < explainEvery || !rc.explained.CompareAndSwap(last, ms) {
		return v
	}
	return d.verify(h, body, secrets, now, true)
}

func (rc *Receiver) hand(w http.ResponseWriter, r *http.Request, d *Dialect, body []byte) {
	e, err := d.ParseEvent(r.Header, body)
	if err != nil {
		rc.logger().WarnContext(r.Context(), "webhook: signed, but not in the dialect's envelope", "error", err.Error())
		answer(w, http.StatusBadRequest, `{"error":"Unexpected body"}`)
		return
	}
	if err := rc.Handle(r.Context(), e); err != nil {
		rc.logger().ErrorContext(r.Context(), "webhook: not handled", "event", e.ID, "error", err.Error())
		answer(w, http.StatusInternalServerError, `{"error":"Internal server error"}`)
		return
	}
	answer(w, http.StatusOK, `{"received":true}`)
}

// String and GoString keep the secrets out of logs.
func (rc *Receiver) String() string   { return "webhook.Receiver" }
func (rc *Receiver) GoString() string { return rc.String() }

func (rc *Receiver) logger() *slog.Logger {
	if rc.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return rc.Logger
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body+"\n")
}
