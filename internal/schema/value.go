package schema

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/malote-dev/malote/internal/rawjson"
)

// value is data as it is checked: members stay in their order, numbers as
// they are written.
type value struct {
	kind  rawjson.Kind
	size  int            // values in it, with itself, and more for long texts
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

// reading makes values; the first member that is given twice ends it.
type reading struct {
	r     *rawjson.Reader
	path  []string
	twice *Problem
}

// readValue reads data. A member that is given twice is refused: what was
// checked must be what the receiver sees, whichever of the two it takes.
func readValue(data []byte) (value, error) {
	var (
		d reading
		v value
	)
	err := rawjson.Read(data, maxDataDepth, func(r *rawjson.Reader) {
		d.r = r
		v = d.value()
	})
	var syntax *rawjson.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return v, problem("", "is not acceptable JSON: %s", syntax)
	case d.twice != nil:
		return v, d.twice
	}
	return v, nil
}

func (d *reading) value() value {
	v := value{kind: d.r.Kind(), size: 1}
	switch v.kind {
	case rawjson.Object:
		d.r.Members(func(raw []byte) {
			name := string(raw)
			if d.twice == nil && v.find(name) >= 0 {
				d.twice = problem(pointerOf(append(d.path, name)), "is given twice; send it once: the schema can judge only one of them")
			}
			d.path = append(d.path, name)
			v.add(d.value())
			d.path = d.path[:len(d.path)-1]
			v.names = append(v.names, name)
			v.indexNames()
		})
	case rawjson.Array:
		d.r.Items(func(i int) {
			d.path = append(d.path, "")
			if d.twice == nil { // only then is the path asked for
				d.path[len(d.path)-1] = strconv.Itoa(i)
			}
			v.add(d.value())
			d.path = d.path[:len(d.path)-1]
		})
	case rawjson.String:
		v.text, _ = d.r.Text()
	default:
		v.text = string(d.r.Raw())
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

// valueOf reads a value out of a schema.
func valueOf(v any) value {
	text, err := json.Marshal(v)
	if err != nil {
		panic("schema: " + err.Error()) // it was read from JSON
	}
	out, _ := readValue(text)
	return out
}
