package schema

import (
	"errors"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/malote-dev/malote/internal/lang"
)

// misread says in words why the library does not take a schema. The library's
// own words are English, and written for programmers.
func misread(err error) *Problem {
	var (
		load    *jsonschema.LoadURLError
		invalid *jsonschema.SchemaValidationError
		pattern *jsonschema.InvalidRegexError
		pointer *jsonschema.JSONPointerNotFoundError
		anchor  *jsonschema.AnchorNotFoundError
		id      *jsonschema.DuplicateIDError
		anchors *jsonschema.DuplicateAnchorError
	)
	switch {
	case errors.As(err, &pattern):
		return noPattern("", pattern.Regex, pattern.Err)
	case errors.Is(err, errOutside), errors.As(err, &load):
		return problem("", "refers to something outside of itself; put what it refers to under $defs, and write $ref as \"#/$defs/name\"")
	case errors.As(err, &invalid):
		return notASchema(invalid.Err)
	case errors.As(err, &pointer):
		return nothingAt(pointer.URL)
	case errors.As(err, &anchor):
		return nothingAt(anchor.Reference)
	case errors.As(err, &id):
		return problem("", "has the $id %q twice; give each its own", shorten(id.ID))
	case errors.As(err, &anchors):
		return problem("", "has the $anchor %q twice; give each its own", shorten(anchors.Anchor))
	}
	return problem("", "is not a JSON Schema: one of its $id, $anchor and $ref cannot be read")
}

// nothingAt says that a reference leads nowhere.
func nothingAt(url string) *Problem {
	if _, fragment, ok := strings.Cut(url, "#"); ok {
		url = "#" + fragment
	}
	return problem("", "refers to %q, where it has nothing; put what it refers to there", shorten(url))
}

// notASchema finds the deepest thing that the metaschema has against a schema.
func notASchema(err error) *Problem {
	var v *jsonschema.ValidationError
	if !errors.As(err, &v) {
		return problem("", "is not what JSON Schema allows here")
	}
	for len(v.Causes) > 0 {
		deepest := v.Causes[0]
		for _, c := range v.Causes[1:] {
			_, otherKind := c.ErrorKind.(*kind.Type) // of a form that was not meant
			if d := len(c.InstanceLocation) - len(deepest.InstanceLocation); d > 0 || d == 0 && !otherKind {
				deepest = c
			}
		}
		v = deepest
	}
	at := pointerOf(v.InstanceLocation)
	if f, ok := v.ErrorKind.(*kind.Format); ok && f.Want == "regex" {
		text, _ := f.Got.(string)
		return noPattern(at, text, f.Err)
	}
	rule := ruleInWords(v.ErrorKind)
	if rule.IsZero() {
		return problem(at, "is not what JSON Schema allows here")
	}
	return problem(at, "is not what JSON Schema allows here: %s", rule)
}

// ruleInWords says a rule of the metaschema that a schema broke. The zero
// message: one that the metaschema does not have today.
func ruleInWords(broken jsonschema.ErrorKind) lang.Message {
	switch k := broken.(type) {
	case *kind.Type:
		return lang.Text("it must be %s", kindWords(k.Want))
	case *kind.Enum:
		return lang.Text("it must be one of %s", inWords(k.Want))
	case *kind.Minimum:
		return lang.Text("it must be %s or more", k.Want.RatString())
	case *kind.ExclusiveMinimum:
		return lang.Text("it must be more than %s", k.Want.RatString())
	case *kind.MinItems:
		return lang.Text("it must not be empty")
	case *kind.UniqueItems:
		return lang.Text("its items %d and %d, counted from 0, are equal", k.Duplicates[0], k.Duplicates[1])
	case *kind.Pattern:
		return lang.Text("it must match %s", k.Want)
	case *kind.Format:
		return lang.Text("it must be of the format %s", k.Want)
	}
	return lang.Message{}
}

func noPattern(pointer, text string, err error) *Problem {
	if own := new(Problem); errors.As(err, &own) {
		return &Problem{Pointer: pointer, Detail: own.Detail}
	}
	return problem(pointer, "holds the pattern %q, which is no regular expression that this server knows (RE2: without lookaround and back references)", shorten(text))
}
