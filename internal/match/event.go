package match

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/malote-dev/malote/internal/rawjson"
)

// maxDepth that data may nest: more than any event that is accepted.
const maxDepth = 1000

// Event is what endpoints are matched with. It is for one goroutine: the data
// is read at the first filter that asks for it, and kept.
type Event struct {
	Type     string
	Consumer string // uid, or "*"
	Time     time.Time
	Channels []string
	Data     []byte // JSON

	read bool
	data any
	cost uint64 // of the filters that were judged
	most time.Duration
	ctx  context.Context
	end  context.CancelFunc
}

// Done ends a round of judging: it lets go of the clock, and another round has
// a new budget. It may be called more than once, and on an event that was
// never judged.
func (e *Event) Done() {
	if e.end != nil {
		e.end()
		e.end = nil
	}
	e.ctx, e.cost = nil, 0
}

// deadline is one for all filters of the event.
func (e *Event) deadline(ctx context.Context) context.Context {
	if e.ctx == nil {
		e.ctx, e.end = context.WithTimeout(ctx, e.maxTime())
	}
	return e.ctx
}

func (e *Event) maxTime() time.Duration { return cmp.Or(e.most, MaxTime) }

// value of the data; it is read once.
func (e *Event) value() any {
	if !e.read {
		e.read = true
		if err := rawjson.Read(e.Data, maxDepth, func(r *rawjson.Reader) { e.data = value(r) }); err != nil {
			e.data = types.WrapErr(errUnreadable)
		}
	}
	return e.data
}

// ResolveName gives filters their variables.
func (e *Event) ResolveName(name string) (any, bool) {
	switch name {
	case "data":
		return e.value(), true
	case "event.type":
		return types.String(e.Type), true
	case "event.consumer":
		return types.String(e.Consumer), true
	case "event.time":
		return types.Timestamp{Time: e.Time}, true
	case "event.channels":
		return types.NewStringList(types.DefaultTypeAdapter, e.Channels), true
	}
	return nil, false
}

// Parent says that there are no other variables.
func (e *Event) Parent() cel.Activation { return nil }

// value reads the JSON value at hand. Of a repeated member the last counts.
func value(r *rawjson.Reader) any {
	switch r.Kind() {
	case rawjson.Object:
		m := map[string]any{}
		r.Members(func(name []byte) {
			n := string(name)
			m[n] = value(r)
		})
		return m
	case rawjson.Array:
		list := []any{}
		r.Items(func(int) { list = append(list, value(r)) })
		return list
	case rawjson.String:
		return text(r.Raw())
	case rawjson.Number:
		return number(r.Raw())
	case rawjson.Bool:
		return types.Bool(string(r.Raw()) == "true")
	}
	r.Raw()
	return types.NullValue
}

// text decodes a string. Half of a surrogate pair, which has no UTF-8 form,
// is U+FFFD.
func text(raw []byte) ref.Val {
	if slices.Contains(raw, '\\') {
		var s string
		_ = json.Unmarshal(raw, &s) // it was read as a string
		return types.String(s)
	}
	if len(raw) < 2 {
		return types.String("")
	}
	return types.String(raw[1 : len(raw)-1])
}

// number is an int where it is written as one and fits 64 bits, else a double.
func number(raw []byte) ref.Val {
	s := string(raw)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && s != "-0" {
		return types.Int(n)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return types.NullValue
	}
	return types.Double(f)
}

var _ cel.Activation = (*Event)(nil)
