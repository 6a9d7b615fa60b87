package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// DialectError says what is wrong with a dialect file, and where.
type DialectError struct {
	File   string
	Line   int // from 1
	Reason string
}

func (e *DialectError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason) }

const maxDialectFile = 1 << 20

// ParseDialect reads a dialect file strictly: unknown and repeated fields,
// wrong types and combinations that cannot work are refused. file is the name
// that errors show. Errors: [*DialectError].
func ParseDialect(file string, data []byte) (*Dialect, error) {
	r := &fileReader{file: file, data: bytes.Clone(data), at: map[string]int{}}
	if len(data) > maxDialectFile {
		return nil, r.fail(0, "the file is larger than 1 MiB")
	}
	if i := invalidUTF8(data); i >= 0 {
		return nil, r.fail(i, "not UTF-8")
	}
	d := new(Dialect)
	r.dec = json.NewDecoder(bytes.NewReader(data))
	r.dec.UseNumber()
	if err := r.value(reflect.ValueOf(d).Elem(), ""); err != nil {
		return nil, err
	}
	if _, err := r.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, r.fail(r.next(), "something stands behind the dialect's closing brace")
	}
	if err := compile(d, r); err != nil {
		return nil, err
	}
	r.dec = nil
	return d, nil
}

func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// fileReader decodes JSON into structs and remembers where everything stood.
type fileReader struct {
	file string
	data []byte
	dec  *json.Decoder
	at   map[string]int // JSON pointer → offset of its key, or of an element
}

func (r *fileReader) fail(offset int, format string, args ...any) *DialectError {
	offset = min(max(offset, 0), len(r.data))
	return &DialectError{
		File: r.file, Line: 1 + bytes.Count(r.data[:offset], []byte("\n")), Reason: fmt.Sprintf(format, args...),
	}
}

// failAt points at a field, or at the nearest one around it that is there.
func (r *fileReader) failAt(path, format string, args ...any) *DialectError {
	reason := strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", ".")
	if reason != "" {
		format = strings.ReplaceAll(reason, "%", "%%") + ": " + format
	}
	for {
		if off, ok := r.at[path]; ok {
			return r.fail(off, format, args...)
		}
		i := strings.LastIndexByte(path, '/')
		if i < 0 {
			return r.fail(0, format, args...)
		}
		path = path[:i]
	}
}

// next is where the next token begins.
func (r *fileReader) next() int {
	i := int(r.dec.InputOffset())
	for i < len(r.data) && strings.IndexByte(" \t\r\n,:", r.data[i]) >= 0 {
		i++
	}
	return i
}

func (r *fileReader) token() (json.Token, error) {
	tok, err := r.dec.Token()
	if err == nil {
		return tok, nil
	}
	return nil, r.syntax(err)
}

func (r *fileReader) syntax(err error) *DialectError {
	off := r.next()
	var e *json.SyntaxError
	if errors.As(err, &e) {
		off = int(e.Offset) - 1
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return r.fail(len(r.data), "the file ends in the middle of the JSON")
	}
	return r.fail(off, "not JSON: %s", strings.TrimPrefix(err.Error(), "json: "))
}

var (
	rawType      = reflect.TypeFor[json.RawMessage]()
	durationType = reflect.TypeFor[Duration]()
)

func (r *fileReader) value(v reflect.Value, path string) error {
	start := r.next()
	if _, ok := r.at[path]; !ok {
		r.at[path] = start
	}
	if v.Type() == rawType {
		r.at[path+"/"] = start // of the value: errors in it count from here
		var raw json.RawMessage
		if err := r.dec.Decode(&raw); err != nil {
			return r.syntax(err)
		}
		v.SetBytes(raw)
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return r.value(v.Elem(), path)
	case reflect.Struct:
		return r.object(v, path)
	case reflect.Slice:
		return r.array(v, path)
	}
	tok, err := r.token()
	if err != nil {
		return err
	}
	if want := set(v, tok); want != "" {
		return r.failAt(path, "must be %s", want)
	}
	return nil
}

// set puts a scalar in place, or says what it should have been.
func set(v reflect.Value, tok json.Token) (want string) {
	if v.Type() == durationType {
		s, ok := tok.(string)
		d, err := time.ParseDuration(s)
		if !ok || err != nil {
			return `a duration such as "1m30s"`
		}
		v.SetInt(int64(d))
		return ""
	}
	switch v.Kind() {
	case reflect.String:
		s, ok := tok.(string)
		if !ok {
			return "a string"
		}
		v.SetString(s)
	case reflect.Bool:
		b, ok := tok.(bool)
		if !ok {
			return "true or false"
		}
		v.SetBool(b)
	case reflect.Int:
		n, _ := tok.(json.Number)
		i, err := strconv.ParseInt(n.String(), 10, 32)
		if err != nil {
			return "a whole number"
		}
		v.SetInt(i)
	case reflect.Float64:
		n, _ := tok.(json.Number)
		f, err := n.Float64()
		if err != nil || math.IsInf(f, 0) {
			return "a number"
		}
		v.SetFloat(f)
	}
	return ""
}

func (r *fileReader) object(v reflect.Value, path string) error {
	tok, err := r.token()
	if err != nil {
		return err
	}
	if tok != json.Delim('{') {
		return r.failAt(path, "must be an object")
	}
	for r.dec.More() {
		start := r.next()
		tok, err := r.token()
		if err != nil {
			return err
		}
		name, _ := tok.(string)
		child := path + "/" + name
		if _, twice := r.at[child]; twice {
			return r.fail(start, "%s stands twice", strings.ReplaceAll(child[1:], "/", "."))
		}
		r.at[child] = start
		f, known := fieldByTag(v, name)
		if !known {
			return r.fail(start, "unknown field %q; here may stand %s", name, tags(v.Type()))
		}
		if err := r.value(f, child); err != nil {
			return err
		}
	}
	_, err = r.token()
	return err
}

func (r *fileReader) array(v reflect.Value, path string) error {
	tok, err := r.token()
	if err != nil {
		return err
	}
	if tok != json.Delim('[') {
		return r.failAt(path, "must be an array")
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 0)) // an empty array is not null
	for i := 0; r.dec.More(); i++ {
		e := reflect.New(v.Type().Elem()).Elem()
		if err := r.value(e, path+"/"+strconv.Itoa(i)); err != nil {
			return err
		}
		v.Set(reflect.Append(v, e))
	}
	_, err = r.token()
	return err
}

func tag(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func fieldByTag(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if t := tag(v.Type().Field(i)); t != "" && t == name {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func tags(t reflect.Type) string {
	var names []string
	for i := range t.NumField() {
		if n := tag(t.Field(i)); n != "" {
			names = append(names, n)
		}
	}
	return strings.Join(names, ", ")
}
