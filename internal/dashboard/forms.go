package dashboard

import (
	"strconv"
	"strings"

	"github.com/malote-dev/malote/internal/lang"
)

// What the fields of forms mean to the API.

// numeric is a number as the API takes it; empty: null. What is none goes as it
// is, so that the API says what is wrong with it.
func numeric(text string) any {
	if text == "" {
		return nil
	}
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return text
}

// textOrNull is null where nothing was written.
func textOrNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// parts of a list that somebody wrote with commas, spaces or lines between.
func parts(text string) []string {
	out := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' || r == '\t' })
	if out == nil {
		out = []string{}
	}
	return out
}

// numbers are the parts of a list, each as [numeric].
func numbers(text string) []any {
	out := []any{}
	for _, p := range parts(text) {
		out = append(out, numeric(p))
	}
	return out
}

// shownNumber is a setting in its field; empty: it is the default.
func shownNumber(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

// tongues are the languages that mails may be in.
func tongues(chosen string) []choice {
	var out []choice
	for _, l := range languages() {
		out = append(out, choice{l.Tag(), map[lang.Language]string{lang.English: "English", lang.Portuguese: "Português"}[l], l.Tag() == chosen})
	}
	return out
}
