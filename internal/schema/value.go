package schema

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/malote-dev/malote/internal/rawjson"
)

// value is data as it is checked: members stay in their order, numbers as
// they are written.
type value struct {
	kind  rawjson.Kind
	size  int            // values in it, with itself, and more for long texts and names
	text  string         // of a string, decoded; of the other scalars, as written
	items []value        // of an array, or of an object's members
	names []string       // of an object's members
	index map[string]int // of the names, where there are many
}

const manyMembers = 12

// find a member.
func (v *value) find(name string) int {
	if v.index != nil {
		if i, ok := v.index[name]; ok {
			return i
		}
		return -1
	}
	return slices.Index(v.names, name)
}

// get gives a member; nil: there is none.
func (v *value) get(name string) *value {
	if i := v.find(name); i >= 0 {
		return &v.items[i]
	}
	return nil
}

// reading makes values; the first member that is given twice ends it.
type reading struct {
	r       *rawjson.Reader
	path    []string
	twice   *Problem
	schema  bool     // a schema is read: its numbers are bounded
	wrong   *Problem // with a number
	schemas int      // objects, true and false: what may be a subschema
}

// readValue reads data. A member that is given twice is refused: what was
// checked must be what the receiver sees, whichever of the two it takes.
func readValue(data []byte) (value, error) {
	d := reading{}
	v, err := d.read(data, maxDataDepth)
	switch {
	case err != nil:
		return v, err
	case d.twice != nil:
		return v, problem(d.twice.Pointer, "is given twice; send it once: the schema can judge only one of them")
	}
	return v, nil
}

func (d *reading) read(data []byte, depth int) (v value, _ error) {
	err := rawjson.Read(data, depth, func(r *rawjson.Reader) {
		d.r = r
		v = d.value()
	})
	var syntax *rawjson.SyntaxError
	if errors.As(err, &syntax) {
		return v, problem("", "is not acceptable JSON: %s", syntax)
	}
	return v, nil
}

func (d *reading) value() value {
	v := value{kind: d.r.Kind(), size: 1}
	switch v.kind {
	case rawjson.Object:
		d.schemas++
		d.r.Members(func(raw []byte) {
			name := string(raw)
			if d.twice == nil && v.find(name) >= 0 {
				d.twice = problem(pointerOf(append(d.path, name)), "is given twice; send it once")
			}
			d.path = append(d.path, name)
			v.add(d.value())
			d.path = d.path[:len(d.path)-1]
			v.names = append(v.names, name)
			v.size += 1 + len(name)/32 // they are sorted, and hashed
			v.indexNames()
		})
	case rawjson.Array:
		d.r.Items(func(i int) {
			d.path = append(d.path, "")
			if d.twice == nil && d.wrong == nil { // only then is the path asked for
				d.path[len(d.path)-1] = strconv.Itoa(i)
			}
			v.add(d.value())
			d.path = d.path[:len(d.path)-1]
		})
	case rawjson.String:
		v.text, _ = d.r.Text()
	case rawjson.Bool:
		d.schemas++
		v.text = string(d.r.Raw())
	default:
		v.text = string(d.r.Raw())
		if d.schema && d.wrong == nil && v.kind == rawjson.Number && v.text != "" && !short(v.text) { // it is empty where it is no JSON
			d.wrong = problem(pointerOf(d.path), "is a number with more digits than this server reckons with")
		}
	}
	v.size += len(v.text) / 32
	return v
}

func (v *value) add(item value) {
	v.items = append(v.items, item)
	v.size += item.size
}

// indexNames keeps the index of an object that has become large.
func (v *value) indexNames() {
	n := len(v.names)
	switch {
	case n < manyMembers:
	case v.index == nil:
		v.index = make(map[string]int, 2*n)
		for i, name := range v.names {
			v.index[name] = i
		}
	default:
		v.index[v.names[n-1]] = n - 1
	}
}

// appendKey writes what two equal values have in common, and no others:
// members in the order of their names, numbers by their value.
func (v *value) appendKey(b []byte) []byte {
	switch v.kind {
	case rawjson.Object:
		order := make([]int, len(v.names))
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(i, j int) int { return compareText(v.names[i], v.names[j]) })
		b = strconv.AppendInt(append(b, 'o'), int64(len(order)), 10)
		for _, i := range order {
			b = v.items[i].appendKey(appendText(b, 's', v.names[i]))
		}
		return b
	case rawjson.Array:
		b = strconv.AppendInt(append(b, 'a'), int64(len(v.items)), 10)
		for i := range v.items {
			b = v.items[i].appendKey(b)
		}
		return b
	case rawjson.Number:
		d := parseDecimal(v.text)
		b = strconv.AppendInt(append(b, 'n'), int64(d.sign), 10)
		b = strconv.AppendInt(append(b, ':'), int64(d.exp), 10)
		return appendText(b, ':', d.digits)
	case rawjson.String:
		return appendText(b, 's', v.text)
	}
	return append(b, v.text...) // null, true, false
}

func appendText(b []byte, tag byte, s string) []byte {
	b = strconv.AppendInt(append(b, tag), int64(len(s)), 10)
	return append(append(b, ':'), s...)
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// appendJSON writes a value for people to read, members in their order.
func (v *value) appendJSON(b []byte) []byte {
	sign := byte('[')
	switch v.kind {
	case rawjson.String:
		return appendQuoted(b, v.text)
	case rawjson.Object:
		sign = '{'
	case rawjson.Array:
	default:
		return append(b, v.text...)
	}
	b = append(b, sign)
	for i := range v.items {
		if i > 0 {
			b = append(b, ',')
		}
		if sign == '{' {
			b = append(appendQuoted(b, v.names[i]), ':')
		}
		b = v.items[i].appendJSON(b)
	}
	return append(b, sign+2) // ] and }
}

func appendQuoted(b []byte, s string) []byte {
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string
	return append(b, strings.TrimSuffix(text.String(), "\n")...)
}

// pointerOf writes a JSON pointer (RFC 6901).
func pointerOf(path []string) string {
	var b strings.Builder
	for _, token := range path {
		b.WriteByte('/')
		b.WriteString(rawjson.PointerToken(token))
	}
	return b.String()
}
