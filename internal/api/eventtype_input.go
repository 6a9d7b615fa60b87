package api

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/malote-dev/malote/internal/ingest"
	schemas "github.com/malote-dev/malote/internal/schema"
	"github.com/malote-dev/malote/internal/store"
)

// eventTypeInput is a new type, or what to change of one: what is absent
// stays, null clears.
type eventTypeInput struct {
	Name          optional[string]            `json:"name"`
	Description   optional[string]            `json:"description"`
	DescriptionPT optional[string]            `json:"description_pt"`
	Tags          optional[[]string]          `json:"tags"`
	Schema        optional[json.RawMessage]   `json:"schema"`
	Validate      optional[bool]              `json:"validate"`
	Examples      optional[[]json.RawMessage] `json:"examples"`
	Deprecated    optional[bool]              `json:"deprecated"`
	Deprecation   optional[string]            `json:"deprecation"`
	ReplacedBy    optional[string]            `json:"replaced_by"`
}

// depth of the bodies: an example may nest as deep as an event's data.
func (*eventTypeInput) depth() int { return ingest.MaxDepth + 2 }

// apply changes a type and says what is wrong with what would come of it.
func (in *eventTypeInput) apply(t *store.EventType, errs *ingest.FieldErrors) {
	set(in.Description, &t.Description)
	set(in.DescriptionPT, &t.DescriptionPT)
	set(in.Validate, &t.Validate)
	set(in.Tags, &t.Tags)
	set(in.Examples, &t.Examples)
	if in.Schema.Set {
		t.Schema = in.Schema.Value
	}
	if set(in.Deprecated, &t.Deprecated); in.Deprecated.Set && !t.Deprecated {
		t.Deprecation, t.ReplacedBy = "", ""
	}
	set(in.Deprecation, &t.Deprecation)
	set(in.ReplacedBy, &t.ReplacedBy)

	errs.AddText("/description", checkText(t.Description, maxDescription, false))
	errs.AddText("/description_pt", checkText(t.DescriptionPT, maxDescription, false))
	errs.AddText("/deprecation", checkText(t.Deprecation, maxDescription, false))
	checkTags(t.Tags, errs)
	in.checkReplacement(t, errs)
	checkExamples(t, in, errs)
}

// set changes a value that is given; null clears it.
func set[T any](o optional[T], into *T) {
	if o.Set {
		*into = o.Value
	}
}

func checkTags(tags []string, errs *ingest.FieldErrors) {
	if len(tags) > maxTags {
		addError(errs, "/tags", "has %d tags; use at most %d", len(tags), maxTags)
		return
	}
	for i, tag := range tags {
		at := "/tags/" + strconv.Itoa(i)
		errs.AddText(at, checkText(tag, maxTag, true))
		if slices.Contains(tags[:i], tag) {
			addError(errs, at, "is given twice; send it once")
		}
	}
}

func (in *eventTypeInput) checkReplacement(t *store.EventType, errs *ingest.FieldErrors) {
	if t.ReplacedBy != "" {
		errs.AddText("/replaced_by", ingest.CheckType(t.ReplacedBy))
		if t.ReplacedBy == t.Name {
			addError(errs, "/replaced_by", "is the type itself; name the one to use instead")
		}
	}
	if !t.Deprecated && t.Deprecation+t.ReplacedBy != "" {
		at := "/deprecation"
		if t.Deprecation == "" {
			at = "/replaced_by"
		}
		addError(errs, at, "is of a type that is deprecated; send deprecated as true, too")
	}
}

// checkExamples reads the schema and holds the examples to it.
func checkExamples(t *store.EventType, in *eventTypeInput, errs *ingest.FieldErrors) {
	if len(t.Examples) > maxExamples {
		addError(errs, "/examples", "has %d examples; use at most %d", len(t.Examples), maxExamples)
		return
	}
	size := 0
	for _, e := range t.Examples {
		size += len(e)
	}
	if size > maxExampleBytes {
		addError(errs, "/examples", "have %d bytes together; the limit is %d", size, maxExampleBytes)
		return
	}
	if t.Schema == nil {
		if t.Validate {
			addError(errs, "/validate", "needs a schema to validate with; send one, or leave it off")
		}
		return
	}
	s, err := schemas.Compile(t.Schema)
	if err != nil {
		addProblem(errs, "/schema", err)
		return
	}
	for i, e := range t.Examples {
		for _, p := range s.Check(e, ingest.MaxErrors) {
			if in.Examples.Set {
				addProblem(errs, "/examples/"+strconv.Itoa(i), p)
			} else {
				addError(errs, "/schema", "does not fit the type's own example %d: %s %s; send new examples with it", i, place(p.Pointer), p.Detail)
			}
		}
	}
}

// maxExampleBytes is how much all examples of a type may have together.
const maxExampleBytes = 256 << 10

// addProblem notes what package schema found, below a pointer.
func addProblem(errs *ingest.FieldErrors, pointer string, err error) {
	var p *schemas.Problem
	if !errors.As(err, &p) {
		addError(errs, pointer, "is not what JSON Schema allows here")
		return
	}
	errs.AddText(pointer+p.Pointer, p.Detail)
}
