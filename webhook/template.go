package webhook

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// hole is what stands in a template between braces.
type hole uint8

const (
	holeNone hole = iota // literal text
	holeID
	holeType
	holeTime
	holeEndpoint
	holeConsumer
	holeData
	holeSplice // data without its braces, in a flat envelope
	holeDelivery
	holeRequest
	holeTest
	holeAttempt
	holeNow
	holePrevious
	holeBody
	holeBodySHA256
	holeTimestamp
	holeHeader
	holeSecret
)

var holeNames = [...]string{
	holeID: "id", holeType: "type", holeTime: "time", holeEndpoint: "endpoint", holeConsumer: "consumer",
	holeData: "data", holeDelivery: "delivery", holeRequest: "request", holeTest: "test",
	holeAttempt: "attempt", holeNow: "now", holePrevious: "previous", holeBody: "body",
	holeBodySHA256: "body_sha256", holeTimestamp: "timestamp", holeHeader: "header", holeSecret: "secret",
}

// What may stand where. A body holds nothing that changes between attempts.
var (
	bodyHoles   = []hole{holeID, holeType, holeTime, holeEndpoint, holeConsumer, holeData}
	headerHoles = []hole{
		holeID, holeType, holeTime, holeEndpoint, holeConsumer, holeDelivery, holeRequest,
		holeAttempt, holeNow, holePrevious,
	}
	messageHoles = []hole{holeBody, holeBodySHA256, holeTimestamp, holeHeader, holeSecret}
	testHoles    = []hole{holeTest}
)

// part of a template: literal text, or a hole.
type part struct {
	hole   hole
	lit    string     // literal text; of holeHeader: the header's name
	format TimeFormat // of a time
	number bool       // consumer as a number
	json   bool       // stands inside a JSON string: escape
	comma  bool       // of holeSplice: something stands before it
}

// parseTemplate splits "text {hole} text"; "{{" is a brace.
func parseTemplate(s string, allowed []hole) ([]part, error) {
	var parts []part
	var lit strings.Builder
	for s != "" {
		i := strings.IndexByte(s, '{')
		if i < 0 {
			lit.WriteString(s)
			break
		}
		lit.WriteString(s[:i])
		s = s[i+1:]
		if strings.HasPrefix(s, "{") {
			lit.WriteByte('{')
			s = s[1:]
			continue
		}
		name, rest, ok := strings.Cut(s, "}")
		if !ok {
			return nil, fmt.Errorf("the hole {%s has no closing brace; a literal brace is written {{", s)
		}
		p, err := parseHole(name, allowed)
		if err != nil {
			return nil, err
		}
		if lit.Len() > 0 {
			parts = append(parts, part{lit: lit.String()})
			lit.Reset()
		}
		parts = append(parts, p)
		s = rest
	}
	if lit.Len() > 0 {
		parts = append(parts, part{lit: lit.String()})
	}
	return parts, nil
}

func parseHole(text string, allowed []hole) (part, error) {
	name, arg, hasArg := strings.Cut(text, ":")
	i := slices.IndexFunc(allowed, func(h hole) bool { return holeNames[h] == name })
	if i < 0 {
		var known []string
		for _, h := range allowed {
			known = append(known, "{"+holeNames[h]+"}")
		}
		return part{}, fmt.Errorf("unknown hole {%s}; here may stand %s", text, strings.Join(known, ", "))
	}
	p := part{hole: allowed[i]}
	switch p.hole {
	case holeTime, holeNow, holePrevious:
		p.format = TimeFormat(arg)
		if !p.format.known() {
			return part{}, fmt.Errorf("{%s} needs a format: {%s:rfc3339}, {%s:rfc3339_millis}, {%s:unix} or {%s:unix_millis}",
				text, name, name, name, name)
		}
	case holeConsumer:
		if p.number = arg == "number"; hasArg && !p.number {
			return part{}, fmt.Errorf("{%s} is neither {consumer} nor {consumer:number}", text)
		}
	case holeHeader:
		if p.lit = arg; !ValidHeaderName(arg) {
			return part{}, fmt.Errorf("{%s} needs a header's name: {header:webhook-id}", text)
		}
	default:
		if hasArg {
			return part{}, fmt.Errorf("{%s} takes no format; write {%s}", text, name)
		}
	}
	return p, nil
}

// bare says that the part is a JSON number where it is a whole value.
func (p *part) bare() bool {
	return p.number || p.format == Unix || p.format == UnixMillis
}

// appendText renders any part but data; t is nil where no attempt is at hand.
func (p *plan) appendText(dst []byte, x *part, m *Message, t *Try) []byte {
	switch x.hole {
	case holeNone:
		return append(dst, x.lit...)
	case holeID:
		return p.event(dst, m.ID)
	case holeType:
		return appendMaybeEscaped(dst, m.Type, x.json)
	case holeTime:
		return x.format.append(dst, m.Time)
	case holeEndpoint:
		if m.WireID != "" {
			return append(dst, m.WireID...)
		}
		return p.endpoint(dst, m.Endpoint)
	case holeConsumer:
		return appendMaybeEscaped(dst, m.Consumer, x.json && !x.number)
	case holeDelivery:
		return p.delivery(dst, m.Delivery)
	case holeRequest:
		return p.request(dst, m.Delivery)
	case holeTest:
		return p.testID(dst, m.ID)
	case holeAttempt:
		return strconv.AppendInt(dst, int64(t.Number), 10)
	case holeNow:
		return x.format.append(dst, t.At)
	case holePrevious:
		return x.format.append(dst, t.Previous)
	}
	return dst
}

func appendMaybeEscaped(dst []byte, s string, escape bool) []byte {
	if escape {
		return appendJSONText(dst, s)
	}
	return append(dst, s...)
}

func (f TimeFormat) known() bool {
	return f == RFC3339 || f == RFC3339Millis || f == Unix || f == UnixMillis
}

func (f TimeFormat) append(dst []byte, t time.Time) []byte {
	switch f {
	case RFC3339:
		return t.UTC().AppendFormat(dst, "2006-01-02T15:04:05Z")
	case RFC3339Millis:
		return t.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	case UnixMillis:
		return strconv.AppendInt(dst, t.UnixMilli(), 10)
	default:
		return strconv.AppendInt(dst, t.Unix(), 10)
	}
}

// parse reads a time. Fractions and offsets of RFC 3339 are taken as they
// come; of the Unix formats only what append writes.
func (f TimeFormat) parse(s string) (time.Time, bool) {
	switch f {
	case RFC3339, RFC3339Millis:
		t, err := time.Parse(time.RFC3339, s)
		return t, err == nil
	}
	if len(s) == 0 || len(s) > 15 || strings.Trim(s, "0123456789") != "" {
		return time.Time{}, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	if f == UnixMillis {
		return time.UnixMilli(n).UTC(), true
	}
	return time.Unix(n, 0).UTC(), true
}
