package ingest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/rawjson"
	"github.com/malote-dev/malote/internal/store"
)

// Limits of an event's fields.
const (
	MaxType     = 128 // characters of an event type
	MaxChannels = 10  // of an event
	MaxUID      = 128 // characters of a consumer's uid
	MaxKey      = 256 // characters of an idempotency key
	MaxErrors   = 20  // field errors in one answer
	MaxFuture   = 24 * time.Hour
	maxPattern  = MaxType
)

// earliest timestamp: what is older is a unit mistaken or a clock never set.
var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// FieldError names a field of the event, its problem and the fix.
type FieldError struct {
	Pointer string
	Detail  lang.Message
}

func (e *FieldError) Error() string { return e.Pointer + ": " + e.Detail.String() }

// FieldErrors are all that is wrong with one event.
type FieldErrors []*FieldError

func (es FieldErrors) Error() string {
	parts := make([]string, len(es))
	for i, e := range es {
		parts[i] = e.Error()
	}
	return strings.Join(parts, "; ")
}

// Unwrap gives the field errors one by one.
func (es FieldErrors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}

// Add names a field, its problem and the fix; what follows the first
// [MaxErrors] is dropped.
func (es *FieldErrors) Add(pointer string, detail lang.Format, args ...any) {
	es.AddText(pointer, lang.Text(detail, args...))
}

// AddText is Add of a text that is made already; an empty one says that
// nothing is wrong.
func (es *FieldErrors) AddText(pointer string, detail lang.Message) {
	if len(*es) < MaxErrors && !detail.IsZero() {
		*es = append(*es, &FieldError{pointer, detail})
	}
}

// CheckType returns what is wrong with an event type and the fix, or "".
func CheckType(s string) lang.Message {
	switch {
	case s == "":
		return lang.Text("is missing; name what happened, as in task.completed")
	case len(s) > MaxType:
		return lang.Text("has %d characters; use at most %d", len(s), MaxType)
	}
	for i := range len(s) {
		if !typeByte[s[i]] {
			return lang.Text("may hold only the characters a-z, A-Z, 0-9, _, . and -")
		}
	}
	return lang.Message{}
}

// CheckChannel returns what is wrong with the name of a channel and the fix,
// or nothing.
func CheckChannel(s string) lang.Message {
	if s == "" {
		return lang.Text("is empty; name a channel, as in store-7")
	}
	return CheckType(s)
}

// checkChannels judges the channels and puts them in order, each once.
func (r *Request) checkChannels(errs *FieldErrors) {
	if len(r.Channels) == 0 {
		r.Channels = nil
		return
	}
	if len(r.Channels) > MaxChannels {
		errs.Add("/channels", "has more than %d names; an event carries at most that many", MaxChannels)
		return
	}
	for n, c := range r.Channels {
		errs.AddText(fmt.Sprintf("/channels/%d", n), CheckChannel(c))
	}
	r.Channels = slices.Clone(r.Channels)
	slices.Sort(r.Channels)
	r.Channels = slices.Compact(r.Channels)
}

// CheckPattern returns what is wrong with one of an endpoint's event types (an
// exact name, a prefix with ".*", or "*") and the fix, or "".
func CheckPattern(s string) lang.Message {
	if s == "*" {
		return lang.Message{}
	}
	prefix, wild := strings.CutSuffix(s, ".*")
	if strings.Contains(prefix, "*") {
		return lang.Text(`may hold * only alone or at the end after a dot: "*", "task.*"`)
	}
	if wild && prefix == "" {
		return lang.Text(`has nothing before ".*"; for every event write "*"`)
	}
	return CheckType(prefix)
}

// CheckUID returns what is wrong with a consumer's uid and the fix, or "".
// A uid is visible ASCII, so that no two look alike and each fits a URL.
func CheckUID(s string) lang.Message {
	switch {
	case s == "":
		return lang.Text("is missing; send the uid of the consumer, your own id for that customer")
	case len(s) > MaxUID:
		return lang.Text("has %d characters; use at most %d", len(s), MaxUID)
	case s == "*" || s == "." || s == "..":
		return lang.Text("cannot be the uid of a consumer; use your own id for that customer")
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return lang.Text("may hold only visible ASCII characters without spaces; use an id rather than a name")
		}
	}
	return lang.Message{}
}

// CheckKey returns what is wrong with an idempotency key and the fix, or "".
func CheckKey(s string) lang.Message {
	switch {
	case s == "":
		return lang.Text("is empty; leave it out or send 1 to 256 characters")
	case len(s) > MaxKey:
		return lang.Text("has %d characters; use at most %d", len(s), MaxKey)
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return lang.Text("may hold only printable ASCII characters")
		}
	}
	return lang.Message{}
}

// typeByte marks the characters of event types.
var typeByte = func() (ok [256]bool) {
	for c := range ok {
		b := byte(c)
		ok[c] = 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '_' || b == '.' || b == '-'
	}
	return ok
}()

// check judges all that needs no store.
func (i *Ingester) check(r *Request, now time.Time) error {
	var errs FieldErrors
	errs.AddText("/type", CheckType(r.Type))
	i.checkConsumer(r, &errs)
	i.checkData(r, &errs)
	errs.AddText("/timestamp", checkTime(r.Timestamp, now))
	r.checkChannels(&errs)
	if r.IdempotencyKey != "" && !r.batchKey {
		errs.AddText("/idempotency_key", CheckKey(r.IdempotencyKey))
	}
	if len(errs) > 0 {
		return errs
	}
	return nil
}

func (i *Ingester) checkConsumer(r *Request, errs *FieldErrors) {
	switch {
	case r.Consumer == "*":
		if !r.Broadcast {
			errs.Add("/consumer", `"*" sends to every consumer of the project and needs a key with the scope events:broadcast; name one consumer`)
		}
	case r.Consumer == store.SystemConsumer:
		errs.Add("/consumer", "is reserved for the server's own events; name one of your consumers")
	default:
		errs.AddText("/consumer", CheckUID(r.Consumer))
	}
}

func (i *Ingester) checkData(r *Request, errs *FieldErrors) {
	switch {
	case r.Data == nil:
		errs.Add("/data", "is missing; send any JSON value, {} where there is nothing to say")
	case len(r.Data) > i.maxData:
		errs.Add("/data", "has %d bytes; the limit is %d: send a link to what is bigger", len(r.Data), i.maxData)
	case !r.checked:
		if err := rawjson.Check(r.Data, MaxDepth); err != nil {
			errs.Add("/data", "is not acceptable JSON: %s", wordsOf(err))
		}
	}
}

// wordsOf an error of [rawjson.Check].
func wordsOf(err error) lang.Message {
	var syntax *rawjson.SyntaxError
	if errors.As(err, &syntax) {
		return syntax.Words()
	}
	return lang.Recall(err.Error())
}

func checkTime(t, now time.Time) lang.Message {
	switch {
	case t.IsZero():
		return lang.Message{}
	case t.Before(earliest):
		return lang.Text("lies before the year 2000; send the time at which it happened, or leave it out for now")
	case t.After(now.Add(MaxFuture)):
		return lang.Text("lies more than a day in the future; send the time at which it happened, or leave it out for now")
	}
	return lang.Message{}
}
