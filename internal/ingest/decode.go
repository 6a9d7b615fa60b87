package ingest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/rawjson"
)

// MaxDepth is how deep the arrays and objects of an event's data may nest.
const MaxDepth = 128

// slack is how many bytes around the data a kept event may hold on to; beyond
// it the data is copied, so that padding costs no memory while it waits.
const slack = 4 << 10

// ShapeError says that a body is JSON, but not of an event's shape: unknown
// and repeated fields, wrong types.
type ShapeError struct{ Fields FieldErrors }

func (e *ShapeError) Error() string { return e.Fields.Error() }
func (e *ShapeError) Unwrap() error { return e.Fields }

// Decode reads an event as the API takes it: an object of type, consumer, data
// and timestamp. The request's Data is part of body, as it came in.
// Errors: [*rawjson.SyntaxError], [*ShapeError].
func Decode(body []byte) (Request, error) {
	var req Request
	var shape FieldErrors
	err := rawjson.Read(body, MaxDepth+1, func(r *rawjson.Reader) {
		req, shape = decodeEvent(r, false)
	})
	if err != nil {
		return Request{}, err
	}
	if len(shape) > 0 {
		return Request{}, &ShapeError{shape}
	}
	if len(body)-len(req.Data) > slack {
		req.Data = bytes.Clone(req.Data)
	}
	return req, nil
}

// Item of a batch: an event, or why it has not the shape of one.
type Item struct {
	Request
	Err error // [*ShapeError]
}

// DecodeBatch reads {"events":[…]}, at most limit of them (at least one). An
// item may carry an idempotency_key of its own. What is wrong with one item is
// in that item. Errors: as [Decode].
func DecodeBatch(body []byte, limit int) ([]Item, error) {
	var items []Item
	var fields FieldErrors
	seen, count := 0, 0
	err := rawjson.Read(body, MaxDepth+3, func(r *rawjson.Reader) {
		if r.Kind() != rawjson.Object {
			fields.Add("", `is %s; send an object: {"events":[…]}`, r.Kind())
			return
		}
		r.Members(func(name []byte) {
			if string(name) != "events" {
				fields.addUnknown(name, "is not a field of a batch; the only one is events")
				return
			}
			if seen++; seen > 1 {
				fields.Add("/events", "is given twice; send it once")
				return
			}
			if r.Kind() != rawjson.Array {
				fields.Add("/events", "is %s; send an array of events", r.Kind())
				return
			}
			r.Items(func(i int) {
				if count = i + 1; i < limit {
					items = append(items, batchItem(r))
				}
			})
		})
	})
	switch {
	case err != nil:
		return nil, err
	case len(fields) == 0 && seen == 0:
		fields.Add("/events", "is missing; send an array of events")
	case len(fields) == 0 && count == 0:
		fields.Add("/events", "is empty; send at least one event")
	case count > limit:
		fields.Add("/events", "has %d events; send at most %d in one request", count, limit)
	}
	if len(fields) > 0 {
		return nil, &ShapeError{fields}
	}
	return items, nil
}

func batchItem(r *rawjson.Reader) Item {
	req, shape := decodeEvent(r, true)
	if len(shape) > 0 {
		return Item{Err: &ShapeError{shape}}
	}
	// A copy: one event that waits must not hold the whole batch in memory.
	req.Data = bytes.Clone(req.Data)
	return Item{Request: req}
}

var eventFields = []string{"type", "consumer", "data", "timestamp", "channels"}

func decodeEvent(r *rawjson.Reader, inBatch bool) (req Request, errs FieldErrors) {
	if r.Kind() != rawjson.Object {
		errs.Add("", "is %s; send an event as an object", r.Kind())
		return req, errs
	}
	var seen [len("tcdshi")]bool
	r.Members(func(name []byte) {
		at := slices.Index(eventFields, string(name))
		if at < 0 && inBatch && string(name) == "idempotency_key" {
			at = len(eventFields)
		}
		if at < 0 {
			errs.addUnknown(name, unknownField)
			return
		}
		if seen[at] {
			errs.Add("/"+string(name), "is given twice; send it once")
			return
		}
		seen[at] = true
		decodeField(r, at, &req, &errs)
	})
	req.checked = req.Data != nil
	return req, errs
}

func decodeField(r *rawjson.Reader, at int, req *Request, errs *FieldErrors) {
	switch at {
	case 0:
		req.Type, _ = text(r, "/type", errs)
	case 1:
		req.Consumer, _ = text(r, "/consumer", errs)
	case 2:
		req.Data = r.Raw()
	case 3:
		req.Timestamp = timestamp(r, errs)
	case 4:
		req.Channels = channels(r, errs)
	case 5:
		key, ok := text(r, "/idempotency_key", errs)
		if ok && key == "" {
			errs.Add("/idempotency_key", "is empty; leave it out or send 1 to 256 characters")
		}
		req.IdempotencyKey = key
	}
}

// channels reads their names; null is as if absent. One past the limit is kept
// for the check to see.
func channels(r *rawjson.Reader, errs *FieldErrors) (names []string) {
	kind := r.Kind()
	if kind == rawjson.Null {
		return nil
	}
	ok := r.Items(func(i int) {
		if i > MaxChannels {
			return
		}
		kind := r.Kind()
		name, ok := r.Text()
		if !ok && kind != rawjson.None {
			errs.Add(fmt.Sprintf("/channels/%d", i), "is %s; send a string", kind)
		}
		names = append(names, name)
	})
	if !ok && kind != rawjson.Array && kind != rawjson.None {
		errs.Add("/channels", "is %s; send an array of names", kind)
	}
	return names
}

// timestamp reads the event's time; null is as if absent.
func timestamp(r *rawjson.Reader, errs *FieldErrors) (t time.Time) {
	if r.Kind() == rawjson.Null {
		return t
	}
	s, ok := text(r, "/timestamp", errs)
	if !ok {
		return t
	}
	if t.UnmarshalText([]byte(s)) != nil || strings.Contains(s, ",") {
		errs.Add("/timestamp", "is not a time; write it as RFC 3339 says: 2026-01-31T09:30:00Z")
	}
	if t.IsZero() {
		return time.Unix(0, 0) // year 1 is not "absent": validation refuses it
	}
	return t
}

func text(r *rawjson.Reader, pointer string, errs *FieldErrors) (s string, ok bool) {
	kind := r.Kind()
	s, ok = r.Text()
	if !ok && kind != rawjson.None {
		errs.Add(pointer, "is %s; send a string", kind)
	}
	return s, ok
}

// addUnknown names a member that is not known. A body of nothing else must not
// cost more than one that is right.
func (es *FieldErrors) addUnknown(name []byte, detail lang.Format) {
	if len(*es) >= MaxErrors {
		return
	}
	if detail == unknownField {
		switch strings.ToLower(string(name)) {
		case "idempotency_key", "idempotencykey":
			detail = "is not a field of a single event; send the key in the header Idempotency-Key"
		case "id":
			detail = "cannot be chosen; the answer holds the event's id (an Idempotency-Key header makes a repeat safe)"
		}
	}
	es.Add("/"+rawjson.PointerToken(string(name)), detail)
}

const unknownField = "is not a field of an event; the fields are type, consumer, data, timestamp, channels"
