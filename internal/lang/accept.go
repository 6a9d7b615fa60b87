package lang

import (
	"strings"

	"golang.org/x/text/language"
)

// maxAccept is how much of Accept-Language is read, in bytes.
const maxAccept = 512

// Accepted chooses the language of an answer by the lines of the request's
// Accept-Language: the one of ours that is wanted most (any Portuguese gets
// Brazil's), English where none is.
func Accepted(lines []string) Language {
	if len(lines) == 0 {
		return English
	}
	header := strings.Join(lines, ",")
	if len(header) > maxAccept {
		header = header[:strings.LastIndexByte(header[:maxAccept], ',')+1]
	}
	if !strings.Contains(strings.ToLower(header), "pt") {
		return English // as nearly all programs ask
	}
	tags, _, err := language.ParseAcceptLanguage(header) // by weight; those of weight 0 are gone
	if err != nil {
		return English
	}
	for _, t := range tags {
		switch base, _ := t.Base(); base.String() {
		case "pt":
			return Portuguese
		case "en", "mul": // mul is *
			return English
		}
	}
	return English
}

// Tags are what [Tagged] knows, English first.
func Tags() []string { return []string{English.Tag(), Portuguese.Tag()} }

// Tagged is the language of a tag of [Tags].
func Tagged(tag string) (l Language, ok bool) {
	for _, l := range []Language{English, Portuguese} {
		if l.Tag() == tag {
			return l, true
		}
	}
	return English, false
}
