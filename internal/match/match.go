// Package match decides who gets an event: event types, channels and filters
// of endpoints against the event. It reads no store and sends nothing. It is
// the only package that knows the expression language of filters (CEL).
package match

import (
	"slices"
	"strings"
)

// Type reports whether an event type is one of the patterns: an exact name, a
// prefix with ".*" ("task.*" matches task.created and task.a.b), or "*".
func Type(patterns []string, eventType string) bool {
	for _, p := range patterns {
		if p == eventType || p == "*" {
			return true
		}
		if prefix, ok := strings.CutSuffix(p, "*"); ok && strings.HasSuffix(prefix, ".") &&
			len(eventType) > len(prefix) && strings.HasPrefix(eventType, prefix) {
			return true
		}
	}
	return false
}

// Channel reports whether an endpoint on the channels wants gets an event that
// carries the channels has: with none wanted it gets every event, otherwise
// those that carry at least one of them.
func Channel(wants, has []string) bool {
	return len(wants) == 0 || slices.ContainsFunc(wants, func(c string) bool { return slices.Contains(has, c) })
}

// Rules are what an endpoint asks of an event beyond its type.
type Rules struct {
	Channels []string // at least one of them; empty: any, or none
	Filter   string   // an expression that is to be true; empty: none
}

// Verdict says whether an endpoint gets an event, and if not, why.
type Verdict byte

// The verdicts.
const (
	Wanted Verdict = iota
	OtherType
	OtherChannel
	FilteredOut // the filter is false
)

// String is the verdict as the API says it.
func (v Verdict) String() string {
	return [...]string{"wanted", "event_type", "channel", "filter"}[v]
}

// Problem says why a filter could not be judged. The event is then delivered:
// a filter keeps back only what it is false for.
type Problem byte

// The problems.
const (
	NoProblem     Problem = iota
	MissingField          // a field, key or item that the event does not have
	WrongKind             // a value of a kind that the operation does not take
	TooCostly             // the limit of this filter, or of all filters for this event, or for this call
	TooSlow               // it took longer than [MaxTime]
	Unreadable            // the event's data, by this package
	NotAcceptable         // the filter itself does not compile any more
)

var problemNames = [...]string{"", "missing_field", "wrong_kind", "too_costly", "too_slow", "unreadable_data", "not_acceptable"}

// String is the problem as metrics and logs say it.
func (p Problem) String() string { return problemNames[p] }

// Problems are all names of problems.
func Problems() []string { return problemNames[1:] }

// Tally counts why endpoints did not get an event.
type Tally struct{ Types, Channels, Filters int }

// Add counts one.
func (t *Tally) Add(v Verdict) {
	switch v {
	case OtherType:
		t.Types++
	case OtherChannel:
		t.Channels++
	case FilteredOut:
		t.Filters++
	}
}
