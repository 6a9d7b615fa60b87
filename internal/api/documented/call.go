package documented

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// call is one request on its way through. It stands for the ResponseWriter
// between the mux and the resource.
type call struct {
	http.ResponseWriter
	d        *Door
	r        *http.Request
	route    *route
	contract *contract
	project  *store.Project
	dialect  *webhook.Dialect
	key      *store.Key     // nil: none in force
	address  *store.Address // of the secret in the path; nil: there is none
	claim    *store.Claim   // of an Idempotency-Key; nil: there is none
	before   []byte         // the answer to the same claim, where it was carried out before
	status   int
}

// style is how a company writes errors.
type style func(*fault) any

// fault is an answer that is not a success.
type fault struct {
	status  int
	err     string // what is wrong
	message string // more of it; may be empty
	header  map[string]string
	cause   error // for the log
}

func (f *fault) Error() string { return f.err + ": " + f.message }

func (f *fault) with(name, value string) *fault {
	f.header = map[string]string{name: value}
	return f
}

type errorOnly struct {
	Error string `json:"error"`
}

type errorDetailed struct {
	Error   string `json:"error"`
	Message string `json:"message,omitempty"`
}

// plain says everything in one member.
func plain(f *fault) any {
	if f.message != "" {
		return errorOnly{f.message}
	}
	return errorOnly{f.err}
}

// detailed has a second member for the details.
func detailed(f *fault) any {
	return errorDetailed{f.err, f.message}
}

func unauthorized() *fault {
	return (&fault{status: http.StatusUnauthorized, err: "Unauthorized"}).with("WWW-Authenticate", `Bearer realm="malote"`)
}

func internal() *fault {
	return &fault{status: http.StatusInternalServerError, err: "Internal server error", message: "Failed to process webhook"}
}

func invalid(message string) *fault {
	return &fault{status: http.StatusBadRequest, err: "Invalid request", message: message}
}

func unavailable(seconds string, cause error) *fault {
	f := &fault{status: http.StatusServiceUnavailable, err: "Service unavailable", message: "Try again later", cause: cause}
	return f.with("Retry-After", seconds)
}

// asFault finds the answer to any error.
func (c *call) asFault(err error) *fault {
	var f *fault
	var fields ingest.FieldErrors
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &fields):
		return invalid(c.contract.words(fields))
	case errors.Is(err, store.ErrEnded):
		return unauthorized()
	case errors.Is(err, store.ErrReused):
		return &fault{status: http.StatusConflict, err: "Conflict", message: "This Idempotency-Key was used with another request within the last 24 hours"}
	case errors.Is(err, store.ErrNotFound):
		return &fault{status: http.StatusNotFound, err: c.contract.missing}
	case errors.Is(err, store.ErrFull):
		return unavailable("30", err)
	case errors.Is(err, ingest.ErrDialect):
		return unavailable("60", err)
	case errors.Is(err, store.ErrBusy), errors.Is(err, store.ErrUnknown), errors.Is(err, store.ErrUnreachable), errors.Is(err, store.ErrClosed), errors.Is(err, ingest.ErrBusy), errors.Is(err, store.ErrStale),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return unavailable("1", err)
	}
	f = internal()
	f.cause = err
	return f
}

// names of the native API's fields where the contract has others.
var names = map[string]map[string]string{
	"placaflow":   {"event_types": "events"},
	"tarefa":      {"event_types": "events", "enabled": "isActive"},
	"gabinete360": {"url": "config.url", "secret": "config.secret"},
}

// words says what is wrong with fields, by the contract's names.
func (ct *contract) words(errs ingest.FieldErrors) string {
	parts := make([]string, len(errs))
	for i, e := range errs {
		path := strings.Split(strings.TrimPrefix(e.Pointer, "/"), "/")
		if own, ok := names[ct.name][path[0]]; ok {
			path[0] = own
		}
		parts[i] = strings.TrimSpace(strings.Join(path, ".") + " " + e.Detail.String())
	}
	return strings.Join(parts, "; ")
}

func (c *call) fail(err error) {
	f := c.asFault(err)
	if f.status >= http.StatusInternalServerError {
		level := slog.LevelError
		if f.status == http.StatusServiceUnavailable {
			level = slog.LevelWarn
		}
		// Never the path: it may hold a secret.
		c.d.log.Log(context.WithoutCancel(c.r.Context()), level, "request failed", "request_id", c.Header().Get("X-Request-Id"),
			"method", c.r.Method, "contract", c.contract.name, "status", f.status, "error", f.cause)
	}
	for name, value := range f.header {
		c.Header().Set(name, value)
	}
	c.status = f.status
	c.answer(c.contract.style(f))
}

// answer writes JSON; nothing where the status has no body.
func (c *call) answer(out any) {
	if c.status == http.StatusNoContent {
		c.WriteHeader(c.status)
		return
	}
	b, err := api.Encode(out)
	if err != nil { // all answers are plain structs
		panic(err)
	}
	h := c.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	c.WriteHeader(c.status)
	_, _ = c.Write(b) // a caller that is gone is no error of ours
}

const maxBody = 64 << 10

// read decodes the request's body. Members that are not known are passed
// over, as clients send back what they were shown.
func (c *call) read(into any) error {
	body, err := c.body(maxBody)
	if err != nil {
		return err
	}
	return decode(body, into)
}

func decode(body []byte, into any) error {
	if !utf8.Valid(body) {
		return invalid("The body is not UTF-8")
	}
	var kind *json.UnmarshalTypeError
	switch err := json.Unmarshal(body, into); {
	case errors.As(err, &kind) && kind.Field != "":
		return invalid(misfit(body, into, kind))
	case errors.As(err, &kind):
		return invalid("The body must be a JSON object")
	case err != nil:
		return invalid("The body is not JSON")
	case string(bytes.TrimSpace(body)) == "null":
		return invalid("The body must be a JSON object")
	}
	return nil
}

// misfit says which member is of the wrong kind: encoding/json names no items
// of arrays and no members of maps.
func misfit(body []byte, into any, kind *json.UnmarshalTypeError) string {
	var sent any
	if json.Unmarshal(body, &sent) == nil {
		if path, want, got := firstMisfit(reflect.TypeOf(into).Elem(), sent, nil); path != nil {
			return strings.Join(path, ".") + " must be " + wanted(want.String()) + ", not " + got
		}
	}
	return kind.Field + " must be " + wanted(kind.Type.String()) + ", not " + kind.Value
}

// firstMisfit walks through a value beside the type that it should have. A nil
// path: it has it.
func firstMisfit(t reflect.Type, v any, at []string) (path []string, want reflect.Type, got string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	step := func(name string) []string { return append(slices.Clone(at), name) }
	switch v := v.(type) {
	case nil:
		return nil, nil, ""
	case map[string]any:
		switch t.Kind() {
		case reflect.Struct:
			for f := range t.Fields() {
				name := f.Tag.Get("json")
				if path, want, got = firstMisfit(f.Type, v[name], step(name)); path != nil {
					return path, want, got
				}
			}
			return nil, nil, ""
		case reflect.Map:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				if path, want, got = firstMisfit(t.Elem(), v[name], step(name)); path != nil {
					return path, want, got
				}
			}
			return nil, nil, ""
		}
		return at, t, "object"
	case []any:
		if t.Kind() != reflect.Slice {
			return at, t, "array"
		}
		for i, item := range v {
			if path, want, got = firstMisfit(t.Elem(), item, step(strconv.Itoa(i))); path != nil {
				return path, want, got
			}
		}
		return nil, nil, ""
	}
	if kind := reflect.TypeOf(v).Kind(); kind != reflect.Float64 {
		if kind == t.Kind() {
			return nil, nil, ""
		}
		return at, t, kind.String()
	}
	return at, t, "number" // no member is one
}

func wanted(goType string) string {
	switch {
	case strings.HasPrefix(goType, "["):
		return "an array of strings"
	case strings.HasPrefix(goType, "map"), strings.Contains(goType, "struct"), strings.Contains(goType, "."):
		return "an object"
	case goType == "bool":
		return "true or false"
	}
	return "a " + goType
}

func (c *call) body(limit int64) ([]byte, error) {
	if e := c.r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, &fault{status: http.StatusUnsupportedMediaType, err: "Unsupported encoding", message: "Send the body without Content-Encoding"}
	}
	b, err := io.ReadAll(http.MaxBytesReader(c.ResponseWriter, c.r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &fault{status: http.StatusRequestEntityTooLarge, err: "Payload too large", message: "The body has more than " + strconv.FormatInt(limit, 10) + " bytes"}
	case err != nil:
		return nil, invalid("The body could not be read")
	}
	return b, c.rejudge()
}

// millis is a time as the companies write it: UTC, milliseconds.
type millis time.Time

func (m millis) MarshalJSON() ([]byte, error) {
	if time.Time(m).IsZero() {
		return []byte("null"), nil
	}
	return []byte(`"` + time.Time(m).UTC().Format("2006-01-02T15:04:05.000Z07:00") + `"`), nil
}
