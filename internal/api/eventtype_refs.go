package api

import (
	"strings"

	"github.com/malote-dev/malote/internal/rawjson"
)

// follow gives an object, or what its $ref leads to within the document.
func (im *importing) follow(v any) map[string]any {
	for range 8 {
		object, _ := v.(map[string]any)
		ref, ok := object["$ref"].(string)
		if !ok {
			return object
		}
		if v = im.lead(ref); v == nil {
			return nil
		}
	}
	return nil
}

// lead gives what a reference leads to; nil: nothing, or the budget is spent.
func (im *importing) lead(ref string) any {
	path, ok := strings.CutPrefix(ref, "#")
	if !ok || len(path) > maxRef || !im.spend(4+len(path)/16) {
		return nil
	}
	if v, known := im.leads[path]; known {
		return v
	}
	tokens, ok := pointerTokens(path)
	if !ok || !im.spend(2*len(path)) {
		return nil
	}
	var v any = im.doc
	for _, token := range tokens {
		parent, _ := v.(map[string]any)
		if v = parent[token]; v == nil {
			break
		}
	}
	im.leads[path] = v
	return v
}

func pointerTokens(pointer string) ([]string, bool) {
	if !strings.HasPrefix(pointer, "/") {
		return nil, false
	}
	tokens := strings.Split(pointer[1:], "/")
	for i, t := range tokens {
		tokens[i] = rawjson.PointerName(t)
	}
	return tokens, true
}
