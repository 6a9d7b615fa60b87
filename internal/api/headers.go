package api

import (
	"strings"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/rawjson"
	"github.com/malote-dev/malote/webhook"
)

const maxHeaderName = 128 // characters

// checkHeaders judges the headers that an endpoint asks for.
func checkHeaders(headers []headerValue, d *webhook.Dialect, create bool, errs *ingest.FieldErrors) {
	if len(headers) > 2*maxHeaders {
		addError(errs, "/headers", "has too many members")
		return
	}
	for _, h := range headers {
		if detail := checkHeader(h, d, create); detail != "" {
			addError(errs, "/headers/"+rawjson.PointerToken(h.Name), detail)
		}
	}
}

func checkHeader(h headerValue, d *webhook.Dialect, create bool) string {
	switch {
	case h.Null && create:
		return "is null, which removes a header; send a value"
	case h.Null:
		return ""
	case !webhook.ValidHeaderName(h.Name) || len(h.Name) > maxHeaderName:
		return "is not the name of a header: use letters, digits and !#$%&'*+-.^_`|~, at most 128 of them"
	case webhook.ForbiddenHeader(h.Name):
		return "is set by the sender itself and cannot be configured"
	case strings.HasPrefix(strings.ToLower(h.Name), "webhook-"), d.ReservedHeader(h.Name):
		return "belongs to the dialect " + d.Name + " and cannot be configured"
	}
	for i := range len(h.Value) {
		if c := h.Value[i]; (c < ' ' && c != '\t') || c > '~' {
			return "has a value with characters that a header cannot carry; use visible ASCII and spaces"
		}
	}
	if strings.TrimSpace(h.Value) != h.Value {
		return "has a value that begins or ends with white space"
	}
	return ""
}
