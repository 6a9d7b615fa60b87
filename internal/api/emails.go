package api

import (
	"fmt"
	"slices"
	"strings"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// checkEmails judges addresses, and returns each once, as they are kept: the
// host name in lower case.
func checkEmails(emails []string, errs *ingest.FieldErrors) []string {
	if len(emails) > store.MaxEmails {
		addError(errs, "/emails", "has more than %d addresses; name a list of your own that passes them on", store.MaxEmails)
		return nil
	}
	out := make([]string, 0, len(emails))
	for i, e := range emails {
		errs.AddText(fmt.Sprintf("/emails/%d", i), store.CheckEmail(e))
		if at := strings.LastIndexByte(e, '@'); at >= 0 {
			e = e[:at] + strings.ToLower(e[at:])
		}
		if !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	return out
}

// checkLanguage judges a language of mails.
func checkLanguage(l optional[string], errs *ingest.FieldErrors) {
	if _, ok := lang.Tagged(l.Value); !ok && l.given() {
		addError(errs, "/language", `must be "en" or "pt-BR"`)
	}
}
