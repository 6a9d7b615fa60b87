package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// shape is an envelope (or test data) compiled to what AppendBody appends.
type shape struct {
	parts  []part
	fields []field  // where the holes stand, to read a body back
	keys   []string // of the top level
	flat   bool
}

// field is a hole that is a whole value of the body.
type field struct {
	path []string
	part part
}

// shapeError says where in the shape's bytes the problem stands.
type shapeError struct {
	offset int
	reason string
}

func (e *shapeError) Error() string { return e.reason }

const maxShapeDepth = 16

// compileShape reads a JSON shape. withID adds a top-level id.
func compileShape(raw []byte, holes []hole, withID bool) (*shape, error) {
	c := &shapeCompiler{raw: raw, dec: json.NewDecoder(bytes.NewReader(raw)), holes: holes, withID: withID}
	c.dec.UseNumber()
	if err := c.value(nil); err != nil {
		return nil, &shapeError{offset: int(c.dec.InputOffset()), reason: err.Error()}
	}
	c.flush()
	return &c.out, nil
}

type shapeCompiler struct {
	raw    []byte
	dec    *json.Decoder
	holes  []hole
	withID bool
	lit    []byte
	out    shape
	data   int // how often {data} stood
}

func (c *shapeCompiler) flush() {
	if len(c.lit) > 0 {
		c.out.parts = append(c.out.parts, part{lit: string(c.lit)})
		c.lit = c.lit[:0]
	}
}

func (c *shapeCompiler) value(path []string) error {
	if len(path) > maxShapeDepth {
		return fmt.Errorf("the shape is nested deeper than %d", maxShapeDepth)
	}
	tok, err := c.dec.Token()
	if err != nil {
		return err
	}
	switch v := tok.(type) {
	case json.Delim:
		if v == '{' {
			return c.object(path)
		}
		return c.array(path)
	case string:
		return c.text(v, path)
	default: // a number, true, false, null: as it is
		b, err := json.Marshal(v)
		c.lit = append(c.lit, b...)
		return err
	}
}

func (c *shapeCompiler) object(path []string) error {
	c.lit = append(c.lit, '{')
	first := true
	if len(path) == 0 && c.withID {
		c.lit = append(c.lit, `"id":"`...)
		c.hole(part{hole: holeID}, []string{"id"})
		c.lit = append(c.lit, '"')
		first = false
	}
	var keys []string
	for c.dec.More() {
		tok, err := c.dec.Token()
		if err != nil {
			return err
		}
		key := tok.(string)
		if slices.Contains(keys, key) {
			return fmt.Errorf("the key %q stands twice", key)
		}
		keys = append(keys, key)
		if c.out.flat && len(path) == 0 {
			return fmt.Errorf("the key %q stands behind \"...\", which must be the last", key)
		}
		if key == "..." {
			if err := c.splice(path, !first); err != nil {
				return err
			}
			continue
		}
		if !first {
			c.lit = append(c.lit, ',')
		}
		first = false
		c.lit = append(appendJSONText(append(c.lit, '"'), key), `":`...)
		if err := c.value(append(slices.Clip(path), key)); err != nil {
			return err
		}
	}
	if len(path) == 0 {
		c.out.keys = keys
	}
	c.lit = append(c.lit, '}')
	_, err := c.dec.Token()
	return err
}

// splice is the member "...": "{data}".
func (c *shapeCompiler) splice(path []string, comma bool) error {
	tok, err := c.dec.Token()
	if err != nil {
		return err
	}
	if tok != "{data}" || len(path) > 0 || !slices.Contains(c.holes, holeData) {
		return fmt.Errorf("the key \"...\" stands at the top level of the envelope and has the value \"{data}\"")
	}
	c.data++
	c.out.flat = true
	c.hole(part{hole: holeSplice, comma: comma}, nil)
	return nil
}

func (c *shapeCompiler) array(path []string) error {
	c.lit = append(c.lit, '[')
	for i := 0; c.dec.More(); i++ {
		if i > 0 {
			c.lit = append(c.lit, ',')
		}
		// "[]" is no key: holes in arrays are rendered, and not read back.
		if err := c.value(append(slices.Clip(path), "[]")); err != nil {
			return err
		}
	}
	c.lit = append(c.lit, ']')
	_, err := c.dec.Token()
	return err
}

// text is a string: a whole hole, or text with holes in it.
func (c *shapeCompiler) text(s string, path []string) error {
	parts, err := parseTemplate(s, c.holes)
	if err != nil {
		return err
	}
	if len(parts) == 1 && (parts[0].hole == holeData || parts[0].bare()) {
		if parts[0].hole == holeData {
			if c.data++; c.data > 1 {
				return fmt.Errorf("{data} stands twice")
			}
		}
		c.hole(parts[0], path)
		return nil
	}
	c.lit = append(c.lit, '"')
	for _, p := range parts {
		switch {
		case p.hole == holeNone:
			c.lit = appendJSONText(c.lit, p.lit)
		case p.hole == holeData:
			return fmt.Errorf("{data} is a whole value: nothing stands beside it in its string")
		case len(parts) == 1:
			p.json = true
			c.hole(p, path)
		default:
			p.json = true
			c.flush()
			c.out.parts = append(c.out.parts, p)
		}
	}
	c.lit = append(c.lit, '"')
	return nil
}

func (c *shapeCompiler) hole(p part, path []string) {
	c.flush()
	c.out.parts = append(c.out.parts, p)
	c.out.fields = append(c.out.fields, field{path: slices.Clone(path), part: p})
}

// AppendBody appends the body to dst. m.Data is valid JSON and goes in as it
// is, byte for byte. Errors: [*DataError].
func (d *Dialect) AppendBody(dst []byte, m *Message) ([]byte, error) {
	if d.plan == nil {
		return dst, errNotParsed
	}
	if d.plan.numeric {
		if err := checkNumber(m.Consumer); err != nil {
			return dst, err
		}
	}
	parts := d.plan.body.parts
	if m.BodyID {
		parts = d.plan.bodyWithID.parts
	}
	for i := range parts {
		switch p := &parts[i]; p.hole {
		case holeData:
			if len(m.Data) == 0 {
				return dst, &DataError{Field: "/data", Reason: "is empty; any JSON value will do"}
			}
			dst = append(dst, m.Data...)
		case holeSplice:
			inner, ok := objectInner(m.Data)
			if !ok {
				return dst, errFlat()
			}
			if skipSpace(inner, 0) == len(inner) {
				continue
			}
			if p.comma {
				dst = append(dst, ',')
			}
			dst = append(dst, inner...)
		default:
			dst = d.plan.appendText(dst, p, m, nil)
		}
	}
	return dst, nil
}

// CheckEvent says whether an event can be rendered: a flat envelope needs an
// object without the reserved names, a numeric consumer digits ("*", all
// consumers, passes). data is valid JSON. Errors: [*DataError].
func (d *Dialect) CheckEvent(consumer string, data []byte) error {
	if d.plan == nil {
		return errNotParsed
	}
	if consumer != "*" {
		if err := d.CheckConsumer(consumer); err != nil {
			return err
		}
	}
	if !d.plan.body.flat {
		return nil
	}
	var taken string
	found := false
	err := eachMember(data, func(m *member) bool {
		taken = m.name()
		found = slices.Contains(d.plan.reserved, taken)
		return !found
	})
	if err != nil {
		return errFlat()
	}
	if found {
		return &DataError{
			Field:  "/data/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(taken),
			Reason: fmt.Sprintf("the envelope of %s has a field %q of its own beside the event's fields; give this one another name", d.Name, taken),
		}
	}
	return nil
}

// CheckConsumer says whether a consumer's uid can stand in the dialect's
// envelope. Errors: [*DataError].
func (d *Dialect) CheckConsumer(uid string) error {
	if d.Limits.NumericConsumer {
		return checkNumber(uid)
	}
	return nil
}

// checkNumber: digits, as JSON writes a number, and no larger than JavaScript
// and its like read exactly (2^53-1).
func checkNumber(uid string) error {
	const largest = "9007199254740991"
	ok := uid != "" && strings.Trim(uid, "0123456789") == "" && (uid[0] != '0' || uid == "0")
	if ok && (len(uid) < len(largest) || len(uid) == len(largest) && uid <= largest) {
		return nil
	}
	return &DataError{Field: "/consumer", Reason: "this dialect sends the consumer as a number: use digits, no leading zero, at most " + largest}
}

func errFlat() *DataError {
	return &DataError{Field: "/data", Reason: "the envelope is flat, so the data must be a JSON object"}
}
