package api

import (
	"slices"
	"strings"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/webhook"
)

// ownHeaders are the sender's: with another value of one of them a request
// would mean something else, be sent twice, or not be HTTP any more.
var ownHeaders = []string{
	"accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect", "host",
	"idempotency-key", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
	"transfer-encoding", "upgrade", "x-idempotency-key",
}

// checkHeaders judges the headers that an endpoint asks for.
func checkHeaders(headers []headerValue, d *webhook.Dialect, create bool, errs *ingest.FieldErrors) {
	if len(headers) > 2*maxHeaders {
		addError(errs, "/headers", "has too many members")
		return
	}
	for _, h := range headers {
		if detail := checkHeader(h, d, create); detail != "" {
			addError(errs, "/headers/"+escapePointer(h.Name), detail)
		}
	}
}

func checkHeader(h headerValue, d *webhook.Dialect, create bool) string {
	lower := strings.ToLower(h.Name)
	switch {
	case h.Null && create:
		return "is null, which removes a header; send a value"
	case h.Null:
		return ""
	case !isToken(h.Name):
		return "is not the name of a header: use letters, digits and !#$%&'*+-.^_`|~, at most 128 of them"
	case slices.Contains(ownHeaders, lower):
		return "is set by the sender itself and cannot be configured"
	case strings.HasPrefix(lower, "webhook-"), slices.Contains(dialectHeaders(d), lower):
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

// dialectHeaders are the names, in lower case, that a delivery carries anyhow.
func dialectHeaders(d *webhook.Dialect) []string {
	names := []string{strings.ToLower(d.Signature.Header)}
	if d.Signature.Timestamp != nil {
		names = append(names, strings.ToLower(d.Signature.Timestamp.Header))
	}
	for _, h := range d.Headers {
		names = append(names, strings.ToLower(h.Name))
	}
	return names
}

// isToken says whether s is a token of RFC 9110 (section 5.6.2).
func isToken(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		alnum := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alnum && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return true
}
