package match

import (
	"errors"
	"regexp"
	"strings"

	"github.com/malote-dev/malote/internal/lang"
)

// Why says why a filter could not be judged for an event, by what [Filter.Judge]
// gave: a text to be kept, with a name of the event's data at most. It is for who
// may read the event.
func Why(p Problem, err error) string {
	switch {
	case p == NotAcceptable:
		return lang.Keep("it is not accepted any more")
	case p == Unreadable:
		return lang.Keep("the event's data cannot be read")
	case errors.Is(err, errLongSubject):
		return lang.Keep("a text is too long for matches")
	case errors.Is(err, errLongSum):
		return lang.Keep("what + makes is too long")
	case errors.Is(err, errSpent), errors.Is(err, errSlow):
		return lang.Keep("the filters of this event, or of this call, take too long together")
	case p == TooCostly, p == TooSlow:
		return lang.Keep("it takes too long for this event")
	case err == nil || errors.Is(err, errNoBoolean):
		return lang.Keep("what comes of it is neither true nor false")
	}
	text := err.Error()
	for _, known := range unjudged {
		if args := known.form.FindStringSubmatch(text); args != nil {
			return known.words(shorten(args[1]))
		}
	}
	return lang.Keep("a value is of a kind that the filter does not take")
}

// unjudged are the library's messages, with what is said in their stead.
var unjudged = []struct {
	form  *regexp.Regexp // with one group
	words func(string) string
}{
	{regexp.MustCompile(`(?s)^no such (?:key|attribute(?:\(s\))?): (.*)`), func(name string) string { return lang.Keep("it has no field %s", name) }},
	{regexp.MustCompile(`^index out of bounds: (-?\d+)`), func(index string) string { return lang.Keep("an array has no item %s, counted from 0", index) }},
	{regexp.MustCompile(`^no such overload: ([a-zA-Z]+)`), func(name string) string {
		return lang.Keep("%s does not work with values of the kind that is there", name)
	}},
	{regexp.MustCompile(`^no such overload: (\S+)`), func(name string) string {
		return lang.Keep("%s does not work with values of the kind that is there", strings.Trim(name, "_@"))
	}},
	{regexp.MustCompile(`^type conversion error from .* to '(?:google\.protobuf\.)?(\w+)'`), func(name string) string {
		return lang.Keep("a value cannot be converted with %s", strings.ToLower(name))
	}},
	{regexp.MustCompile(`^invalid RFC 3339 (timestamp)`), func(name string) string { return lang.Keep("a value cannot be converted with %s", name) }},
	{regexp.MustCompile(`(overflow)`), func(string) string { return lang.Keep("a number or a time becomes too large") }},
	{regexp.MustCompile(`(by zero)`), func(string) string { return lang.Keep("it divides by zero") }},
	{regexp.MustCompile(`(time zone)`), func(string) string { return lang.Keep("there is no time zone of that name") }},
	{regexp.MustCompile(`(expected iterable)`), func(string) string { return lang.Keep("a value has no items to go through") }},
}
