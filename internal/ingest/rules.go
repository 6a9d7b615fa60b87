package ingest

import (
	"fmt"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/rawjson"
	"github.com/malote-dev/malote/internal/store"
)

// Limits of an event's fields.
const (
	MaxType    = 128 // characters of an event type
	MaxUID     = 128 // characters of a consumer's uid
	MaxKey     = 256 // characters of an idempotency key
	MaxErrors  = 20  // field errors in one answer
	MaxFuture  = 24 * time.Hour
	maxPattern = MaxType
)

// earliest timestamp: what is older is a unit mistaken or a clock never set.
var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// FieldError names a field of the event, its problem and the fix.
type FieldError struct{ Pointer, Detail string }

func (e *FieldError) Error() string { return e.Pointer + ": " + e.Detail }

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

func (es *FieldErrors) add(pointer, detail string) {
	if len(*es) < MaxErrors {
		*es = append(*es, &FieldError{pointer, detail})
	}
}

// CheckType returns what is wrong with an event type and the fix, or "".
func CheckType(s string) string {
	switch {
	case s == "":
		return "is missing; name what happened, as in task.completed"
	case len(s) > MaxType:
		return fmt.Sprintf("has %d characters; use at most %d", len(s), MaxType)
	}
	for i := range len(s) {
		if !typeByte[s[i]] {
			return "may hold only the characters a-z, A-Z, 0-9, _, . and -"
		}
	}
	return ""
}

// CheckPattern returns what is wrong with one of an endpoint's event types (an
// exact name, a prefix with ".*", or "*") and the fix, or "".
func CheckPattern(s string) string {
	if s == "*" {
		return ""
	}
	prefix, wild := strings.CutSuffix(s, ".*")
	if strings.Contains(prefix, "*") {
		return `may hold * only alone or at the end after a dot: "*", "task.*"`
	}
	if wild && prefix == "" {
		return `has nothing before ".*"; for every event write "*"`
	}
	return CheckType(prefix)
}

// CheckUID returns what is wrong with a consumer's uid and the fix, or "".
// A uid is visible ASCII, so that no two look alike and each fits a URL.
func CheckUID(s string) string {
	switch {
	case s == "":
		return "is missing; send the uid of the consumer, your own id for that customer"
	case len(s) > MaxUID:
		return fmt.Sprintf("has %d characters; use at most %d", len(s), MaxUID)
	case s == "*" || s == "." || s == "..":
		return "cannot be the uid of a consumer; use your own id for that customer"
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return "may hold only visible ASCII characters without spaces; use an id rather than a name"
		}
	}
	return ""
}

// CheckKey returns what is wrong with an idempotency key and the fix, or "".
func CheckKey(s string) string {
	switch {
	case s == "":
		return "is empty; leave it out or send 1 to 256 characters"
	case len(s) > MaxKey:
		return fmt.Sprintf("has %d characters; use at most %d", len(s), MaxKey)
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return "may hold only printable ASCII characters"
		}
	}
	return ""
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
	if d := CheckType(r.Type); d != "" {
		errs.add("/type", d)
	}
	i.checkConsumer(r, &errs)
	i.checkData(r, &errs)
	if d := checkTime(r.Timestamp, now); d != "" {
		errs.add("/timestamp", d)
	}
	if r.IdempotencyKey != "" && !r.batchKey {
		if d := CheckKey(r.IdempotencyKey); d != "" {
			errs.add("/idempotency_key", d)
		}
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
			errs.add("/consumer", `"*" sends to every consumer of the project and needs a key with the scope events:broadcast; name one consumer`)
		}
	case r.Consumer == store.SystemConsumer:
		errs.add("/consumer", "is reserved for the server's own events; name one of your consumers")
	default:
		if d := CheckUID(r.Consumer); d != "" {
			errs.add("/consumer", d)
		}
	}
}

func (i *Ingester) checkData(r *Request, errs *FieldErrors) {
	switch {
	case r.Data == nil:
		errs.add("/data", "is missing; send any JSON value, {} where there is nothing to say")
	case len(r.Data) > i.maxData:
		errs.add("/data", fmt.Sprintf("has %d bytes; the limit is %d: send a link to what is bigger", len(r.Data), i.maxData))
	case !r.checked:
		if err := rawjson.Check(r.Data, MaxDepth); err != nil {
			errs.add("/data", "is not acceptable JSON: "+err.Error())
		}
	}
}

func checkTime(t, now time.Time) string {
	switch {
	case t.IsZero():
		return ""
	case t.Before(earliest):
		return "lies before the year 2000; send the time at which it happened, or leave it out for now"
	case t.After(now.Add(MaxFuture)):
		return "lies more than a day in the future; send the time at which it happened, or leave it out for now"
	}
	return ""
}
