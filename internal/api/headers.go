package api

import (
	"strings"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/rawjson"
	"github.com/malote-dev/malote/webhook"
)

const maxHeaderName = 128 // characters

// checkHeaders judges the headers that an endpoint asks for.
func checkHeaders(headers []headerValue, d *webhook.Dialect, create bool, errs *ingest.FieldErrors) {
	most := maxHeaders
	if !create {
		most *= 2 // as many may be removed
	}
	if len(headers) > most {
		addError(errs, "/headers", "has %d members; send at most %d", len(headers), most)
		return
	}
	for _, h := range headers {
		errs.AddText("/headers/"+rawjson.PointerToken(h.Name), checkHeader(h, d, create))
	}
}

func checkHeader(h headerValue, d *webhook.Dialect, create bool) lang.Message {
	read := strings.ReplaceAll(h.Name, "_", "-") // as receivers behind CGI and WSGI do
	switch {
	case h.Null && create:
		return lang.Text("is null, which removes a header; send a value")
	case h.Null:
		return lang.Message{}
	case !webhook.ValidHeaderName(h.Name) || len(h.Name) > maxHeaderName:
		return lang.Text("is not the name of a header: use letters, digits and !#$%%&'*+-.^_`|~, at most 128 of them")
	case webhook.ForbiddenHeader(h.Name), webhook.ForbiddenHeader(read):
		return lang.Text("is set by the sender itself and cannot be configured")
	case strings.HasPrefix(strings.ToLower(read), "webhook-"), d.ReservedHeader(h.Name), d.ReservedHeader(read):
		return lang.Text("belongs to the dialect %s and cannot be configured", d.Name)
	}
	for i := range len(h.Value) {
		if c := h.Value[i]; (c < ' ' && c != '\t') || c > '~' {
			return lang.Text("has a value with characters that a header cannot carry; use visible ASCII and spaces")
		}
	}
	if strings.TrimSpace(h.Value) != h.Value {
		return lang.Text("has a value that begins or ends with white space")
	}
	return lang.Message{}
}
