package api

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/malote-dev/malote/internal/lang"
	schemas "github.com/malote-dev/malote/internal/schema"
)

// standalone makes a schema that stands for itself: the components that it
// refers to, and those that they refer to, come along under $defs.
type standalone struct {
	im      *importing
	nodes   int // left
	bytes   int // left of a schema's limit; what is written is longer than what is counted
	defs    map[string]any
	waiting []string
	why     lang.Message
}

const componentsAt = "#/components/schemas/"

// schema of the data that a body's schema has.
func (im *importing) schema(written any) ([]byte, lang.Message) {
	for _, token := range im.dataAt {
		properties, _ := im.follow(written)["properties"].(map[string]any)
		if written = properties[token]; written == nil {
			return nil, lang.Text("its schema does not say what stands at data_at")
		}
	}
	st := &standalone{im: im, nodes: min(typeNodes, im.nodes), bytes: schemas.MaxBytes, defs: map[string]any{}}
	limit := st.nodes
	top := st.copy(written)
	for len(st.waiting) > 0 && st.why.IsZero() {
		name := st.waiting[0]
		st.waiting = st.waiting[1:]
		st.defs[name] = st.copy(im.component(name))
	}
	im.nodes -= limit - max(st.nodes, 0)
	if !st.why.IsZero() {
		return nil, st.why
	}
	if object, ok := top.(map[string]any); ok && len(st.defs) > 0 {
		if _, own := object["$defs"]; own {
			return nil, lang.Text("its schema has $defs of its own beside references to components; move them under components")
		}
		object["$defs"] = st.defs
	}
	source, err := json.Marshal(top)
	switch {
	case err != nil:
		return nil, lang.Text("its schema is too large with all that it refers to") // deeper than is written
	case len(source) > im.bytes:
		return nil, tooLarge()
	}
	im.bytes -= len(source)
	return source, lang.Message{}
}

func (im *importing) component(name string) any {
	components, _ := im.doc["components"].(map[string]any)
	schemas, _ := components["schemas"].(map[string]any)
	return schemas[name]
}

func (st *standalone) copy(v any) any {
	switch v := v.(type) {
	case string:
		st.bytes -= len(v)
	case json.Number:
		st.bytes -= len(v)
	}
	if st.nodes--; st.nodes < 0 || st.bytes < 0 || !st.why.IsZero() {
		if st.why.IsZero() {
			st.why = lang.Text("its schema is too large with all that it refers to")
		}
		return nil
	}
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, member := range v {
			st.bytes -= len(name)
			ref, ok := member.(string)
			if member = st.copy(member); !st.why.IsZero() {
				return nil
			}
			if out[name] = member; ok && name == "$ref" {
				out[name] = st.refer(ref)
			}
		}
		return out
	case []any:
		out := []any{}
		for i := 0; i < len(v) && st.why.IsZero(); i++ {
			out = append(out, st.copy(v[i]))
		}
		return out
	}
	return v
}

// refer turns a reference to a component into one to its copy.
func (st *standalone) refer(ref string) string {
	path, ok := strings.CutPrefix(ref, componentsAt)
	name, rest, deeper := strings.Cut(path, "/")
	if !ok || !componentName.MatchString(name) || st.im.component(name) == nil {
		if st.why.IsZero() {
			st.why = lang.Text("its schema refers to %s, which is not under components/schemas of the document", shorten(ref))
		}
		return ref
	}
	if _, known := st.defs[name]; !known {
		st.defs[name] = nil
		st.waiting = append(st.waiting, name)
	}
	if deeper {
		return "#/$defs/" + name + "/" + rest
	}
	return "#/$defs/" + name
}

var componentName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,128}$`)
