package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/rawjson"
	"github.com/malote-dev/malote/internal/store"
)

// maxDepth of the bodies that are decoded into fields.
const maxDepth = 16

// optional is a member that may be absent (Set is false) or null, which an
// update tells apart.
type optional[T any] struct {
	Set   bool // present, null or not
	Null  bool
	Value T
}

// given reports whether there is a value.
func (o optional[T]) given() bool { return o.Set && !o.Null }

// or gives the value, or another where there is none.
func (o optional[T]) or(other T) T {
	if o.given() {
		return o.Value
	}
	return other
}

// headerValue is a member of "headers": a value, or null, which removes it.
type headerValue struct {
	Name  string
	Value string
	Null  bool
}

// reader is what a field of an input type reads itself by. Its error is for
// the field's pointer.
type reader interface {
	readJSON(r *rawjson.Reader, pointer string, errs *ingest.FieldErrors)
}

func (o *optional[T]) readJSON(r *rawjson.Reader, pointer string, errs *ingest.FieldErrors) {
	o.Set = true
	if r.Kind() == rawjson.Null {
		o.Null = true
		return
	}
	readValue(r, &o.Value, pointer, errs)
}

// deep is a body that nests deeper than others, as one that holds JSON of the
// caller's own does.
type deep interface{ depth() int }

// decodeBody reads a JSON object into a struct with json tags. Unknown and
// repeated members and wrong types are errors, each with its pointer. An empty
// body is {} for a struct without fields.
func decodeBody(body []byte, into any) error {
	v := reflect.ValueOf(into).Elem()
	if len(body) == 0 && allOptional(v.Type()) {
		return nil
	}
	if len(body) == 0 {
		return kindJSON.problem("the body is empty").fixed("Send a JSON object.")
	}
	var errs ingest.FieldErrors
	deepest := maxDepth
	if d, ok := into.(deep); ok {
		deepest = d.depth()
	}
	err := rawjson.Read(body, deepest, func(r *rawjson.Reader) {
		readObject(r, v, "", "is not a field of this route%s", &errs)
	})
	if err != nil {
		return err
	}
	if len(errs) > 0 {
		return &ingest.ShapeError{Fields: errs}
	}
	return nil
}

// readObject reads an object into a struct with json tags; unknown says that
// a member is not one of them, and which these are.
func readObject(r *rawjson.Reader, v reflect.Value, pointer string, unknown lang.Format, errs *ingest.FieldErrors) {
	if r.Kind() != rawjson.Object {
		wrongType(errs, pointer, r.Kind(), "an object")
		return
	}
	seen := make([]bool, v.NumField())
	r.Members(func(name []byte) {
		i := fieldNamed(v.Type(), "json", string(name))
		if i < 0 {
			addError(errs, pointer+"/"+rawjson.PointerToken(string(name)), unknown, fieldList(v.Type(), "json"))
			return
		}
		if seen[i] {
			addError(errs, pointer+"/"+string(name), "is given twice; send it once")
			return
		}
		seen[i] = true
		readValue(r, v.Field(i).Addr().Interface(), pointer+"/"+string(name), errs)
	})
}

// allOptional reports whether a struct declares with the tag `body:"optional"`
// on its first field, or by having none, that an empty body will do.
func allOptional(t reflect.Type) bool {
	return t.NumField() == 0 || t.Field(0).Tag.Get("body") == "optional"
}

func readValue(r *rawjson.Reader, into any, pointer string, errs *ingest.FieldErrors) {
	kind := r.Kind()
	switch p := into.(type) {
	case reader:
		p.readJSON(r, pointer, errs)
	case *string:
		s, ok := r.Text()
		if !ok {
			wrongType(errs, pointer, kind, "a string")
		}
		*p = s
	case *json.RawMessage:
		*p = bytes.Clone(r.Raw())
	case *[]json.RawMessage:
		ok := r.Items(func(int) { *p = append(*p, bytes.Clone(r.Raw())) })
		if !ok {
			wrongType(errs, pointer, kind, "an array")
		}
	case *bool:
		if kind != rawjson.Bool {
			wrongType(errs, pointer, kind, "true or false")
			return
		}
		*p = string(r.Raw()) == "true"
	case *int:
		*p = readInt(r, pointer, errs)
	case *time.Time:
		s, ok := r.Text()
		if !ok {
			wrongType(errs, pointer, kind, "a time as a string, as in 2026-01-31T09:30:00Z")
		} else if p.UnmarshalText([]byte(s)) != nil {
			addError(errs, pointer, "is not a time; write it as RFC 3339 says: 2026-01-31T09:30:00Z")
		}
	case *[]string:
		ok := r.Items(func(i int) {
			var s string
			readValue(r, &s, pointer+"/"+strconv.Itoa(i), errs)
			*p = append(*p, s)
		})
		if !ok {
			wrongType(errs, pointer, kind, "an array of strings")
		}
	case *[]int:
		ok := r.Items(func(i int) { *p = append(*p, readInt(r, pointer+"/"+strconv.Itoa(i), errs)) })
		if !ok {
			wrongType(errs, pointer, kind, "an array of whole numbers")
		}
	case *[]headerValue:
		readHeaders(r, p, pointer, errs)
	default:
		readObject(r, reflect.ValueOf(into).Elem(), pointer, "is not known here%s", errs)
	}
}

func readHeaders(r *rawjson.Reader, into *[]headerValue, pointer string, errs *ingest.FieldErrors) {
	kind := r.Kind()
	ok := r.Members(func(name []byte) {
		h := headerValue{Name: string(name), Null: r.Kind() == rawjson.Null}
		at := pointer + "/" + rawjson.PointerToken(h.Name)
		if !h.Null {
			readValue(r, &h.Value, at, errs)
		}
		if slices.ContainsFunc(*into, func(o headerValue) bool { return strings.EqualFold(o.Name, h.Name) }) {
			addError(errs, at, "is given twice (the case of names does not count); send it once")
			return
		}
		*into = append(*into, h)
	})
	if !ok {
		wrongType(errs, pointer, kind, `an object of strings, as in {"Authorization": "Bearer …"}`)
	}
}

func readInt(r *rawjson.Reader, pointer string, errs *ingest.FieldErrors) int {
	kind := r.Kind()
	if kind != rawjson.Number {
		wrongType(errs, pointer, kind, "a whole number")
		return 0
	}
	n, err := strconv.ParseInt(string(r.Raw()), 10, 64)
	if errors.Is(err, strconv.ErrRange) || err == nil && (n > math.MaxInt32 || n < math.MinInt32) {
		addError(errs, pointer, "is far out of range")
	} else if err != nil {
		addError(errs, pointer, "is not a whole number; write it without fraction and exponent")
	}
	return int(n)
}

func wrongType(errs *ingest.FieldErrors, pointer string, got rawjson.Kind, want lang.Format) {
	if got != rawjson.None { // else the document itself is wrong
		addError(errs, pointer, "is %s; send %s", got, lang.Text(want))
	}
}

func addError(errs *ingest.FieldErrors, pointer string, detail lang.Format, args ...any) {
	errs.Add(pointer, detail, args...)
}

func fieldNamed(t reflect.Type, tag, name string) int {
	for i := range t.NumField() {
		if own, _, _ := strings.Cut(t.Field(i).Tag.Get(tag), ","); own == name && own != "" {
			return i
		}
	}
	return -1
}

func fieldList(t reflect.Type, tag string) lang.Message {
	var names []string
	for i := range t.NumField() {
		if own, _, _ := strings.Cut(t.Field(i).Tag.Get(tag), ","); own != "" {
			names = append(names, own)
		}
	}
	if len(names) == 0 {
		return lang.Text(", which takes none")
	}
	return lang.Text("; it takes %s", strings.Join(names, ", "))
}

// Limits of a page.
const (
	defaultLimit = 50
	maxParameter = 512 // characters
	maxLimit     = 250
)

// decodeQuery reads parameters into a struct with query tags; ids have the
// tag prefix. Unknown and repeated parameters are errors.
func decodeQuery(values url.Values, into any) error {
	v := reflect.ValueOf(into).Elem()
	var wrong []*problem
	for _, name := range slices.Sorted(maps.Keys(values)) {
		i := fieldNamed(v.Type(), "query", name)
		var p *problem
		switch {
		case i < 0:
			p = parameter(shorten(name), "is not known here%s", fieldList(v.Type(), "query"))
		case len(values[name]) > 1:
			p = parameter(name, "is given more than once; send it once")
		case !isText(values[name][0]):
			p = parameter(name, "holds a NUL, or is not UTF-8; send text")
		default:
			p = readParameter(v.Field(i).Addr().Interface(), name, values[name][0], v.Type().Field(i).Tag)
		}
		if p != nil {
			wrong = append(wrong, p)
		}
		if len(wrong) == ingest.MaxErrors {
			break
		}
	}
	return parameters(wrong)
}

// parameters makes one problem of those of several parameters.
func parameters(wrong []*problem) error {
	switch len(wrong) {
	case 0:
		return nil
	case 1:
		return wrong[0]
	}
	names := make([]any, len(wrong))
	for i, w := range wrong {
		names[i] = w.Errors[0].Parameter
	}
	p := kindShape.problemf("%d parameters are wrong: %s", len(wrong), lang.List(names...))
	if len(wrong) == ingest.MaxErrors { // the others were not looked at
		p = kindShape.problemf("at least %d parameters are wrong: %s", len(wrong), lang.List(names...))
	}
	for _, w := range wrong {
		p.Errors = append(p.Errors, w.Errors...)
	}
	return p
}

// readParameter reads one; nil: nothing is wrong with it.
func readParameter(into any, name, text string, tag reflect.StructTag) *problem {
	if text == "" {
		return parameter(name, "is empty; leave it out or give it a value")
	}
	switch p := into.(type) {
	case *string:
		if len(text) > maxParameter {
			return parameter(name, "is longer than %d characters", maxParameter)
		}
		*p = text
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxLimit {
			return parameter(name, "is not a whole number from 1 to %d", maxLimit)
		}
		*p = n
	case *time.Time:
		if p.UnmarshalText([]byte(text)) != nil {
			return parameter(name, "is not a time; write it as RFC 3339 says, with + as %%2B: 2026-01-31T09:30:00Z")
		}
	case *store.ID:
		id, err := parseID(store.IDName(tag.Get("prefix")), text)
		if err != nil {
			return parameter(name, "is not an id of the form %s…, nor a UUID", tag.Get("prefix"))
		}
		*p = id
	}
	return nil
}

func shorten(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}
