package lang

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"slices"
	"sync"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// The translations, for translators to edit: by the English text, either the
// translation or, where the text counts something (its key is then the
// plural), one for each number: {"one": …, "other": …}. "texts" are said at
// once, "kept" are those that are kept in English and read again.
//
//go:embed pt-BR.json
var portuguese []byte

// entry is a translation.
type entry struct {
	One   Format `json:"one"`
	Other Format `json:"other"`
}

func (e *entry) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return json.Unmarshal(b, &e.Other)
	}
	type plain entry
	return json.Unmarshal(b, (*plain)(e))
}

type texts struct {
	texts    map[Format]entry
	patterns []pattern // of the kept ones
	err      error
}

// catalogue is read at the first answer that is not in English.
var catalogue = sync.OnceValue(func() *texts {
	var file struct {
		Texts map[Format]entry `json:"texts"`
		Kept  map[Format]entry `json:"kept"`
	}
	c := &texts{err: json.Unmarshal(portuguese, &file), texts: file.Texts}
	if c.texts == nil {
		c.texts = map[Format]entry{}
	}
	for f, e := range file.Kept {
		c.texts[f] = e
		c.patterns = append(c.patterns, patternOf(f, e))
	}
	// The one that says most comes first; the map's order must not decide.
	slices.SortFunc(c.patterns, func(a, b pattern) int {
		return cmp.Or(cmp.Compare(b.literal, a.literal), cmp.Compare(a.text.String(), b.text.String()))
	})
	return c
})

// isOne reports whether a number takes the form of the singular (CLDR).
func isOne(l Language, n any) bool {
	tag, i := language.English, 0
	if l == Portuguese {
		tag = language.BrazilianPortuguese
	}
	switch n := n.(type) {
	case int:
		i = n
	case int64:
		i = int(n)
	}
	return plural.Cardinal.MatchPlural(tag, max(i, -i), 0, 0, 0, 0) == plural.One
}
