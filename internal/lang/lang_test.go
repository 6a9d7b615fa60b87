package lang_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/lang"
)

// sameInBoth are texts that Portuguese says with the same words.
var sameInBoth = []lang.Format{"null", "%d bytes", "bytes", "E-mail", "Endpoint", "Endpoints", "Endpoint %s", "Menu", "URL"}

type translation struct{ One, Other string }

func (tr *translation) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return json.Unmarshal(b, &tr.Other)
	}
	type plain translation
	return json.Unmarshal(b, (*plain)(tr))
}

// TestCatalogueIsWhole: every text of the source has a translation that takes
// the same arguments, and there is no other.
func TestCatalogueIsWhole(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("pt-BR.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Texts, Kept map[lang.Format]translation }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	source := readSource(t)
	before := len(source.uses)
	source.readTemplates(t)
	if n := len(source.uses) - before; n < 250 {
		t.Fatalf("only %d texts of templates were found", n)
	}
	if len(source.uses) < 250 {
		t.Fatalf("only %d texts were found", len(source.uses))
	}
	for _, b := range source.broken {
		t.Error(b)
	}
	used := map[lang.Format]bool{}
	missing := map[string]bool{}
	for _, u := range source.uses {
		if !worded(u.text) {
			continue
		}
		if got := arguments(u.text); u.args >= 0 && len(got) != u.args {
			t.Errorf("%s: %q has verbs for %d arguments and gets %d", u.at, u.text, len(got), u.args)
		}
		section, name := file.Texts, "texts"
		if u.kept {
			section, name = file.Kept, "kept"
		}
		used[u.text] = true
		tr, ok := section[u.text]
		if !ok {
			tr, ok = file.Kept[u.text] // which is said at once, too
			ok = ok && !u.kept
		}
		if !ok {
			missing[fmt.Sprintf("%s: \n  %s: \"\",", name, quoted(string(u.text)))] = true
			continue
		}
		checkTranslation(t, u, tr)
	}
	for _, line := range slices.Sorted(maps.Keys(missing)) {
		t.Errorf("missing in pt-BR.json, in %s", line)
	}
	for f := range file.Texts {
		if !used[f] {
			t.Errorf("texts: %q is used nowhere", f)
		}
	}
	for f := range file.Kept {
		if !used[f] {
			t.Errorf("kept: %q is used nowhere", f)
		}
		if _, twice := file.Texts[f]; twice {
			t.Errorf("%q stands in both parts; kept is enough", f)
		}
	}
}

func checkTranslation(t *testing.T, u use, tr translation) {
	t.Helper()
	if tr.Other == "" || tr.Other == string(u.text) && !slices.Contains(sameInBoth, u.text) {
		t.Errorf("%q is not translated", u.text)
	}
	want := arguments(u.text)
	if got := arguments(lang.Format(tr.Other)); !maps.Equal(got, want) {
		t.Errorf("%q: the arguments are %v, those of the translation %v", u.text, want, got)
	}
	if (u.one != "") != (tr.One != "") && !u.kept {
		t.Errorf("%q: one and other go together with lang.Count", u.text)
	}
	if tr.One != "" {
		got := arguments(lang.Format(tr.One))
		if got[0] = want[0]; !maps.Equal(got, want) {
			t.Errorf("%q: the arguments are %v, those of the translation of one %v", u.text, want, got)
		}
	}
	for _, s := range []string{tr.One, tr.Other} {
		if strings.TrimSpace(s) != s && strings.TrimSpace(string(u.text)) == string(u.text) {
			t.Errorf("%q: white space around the translation", u.text)
		}
	}
}

// arguments of a format, each with the verb that it stands for.
func arguments(f lang.Format) map[int]byte {
	out := map[int]byte{}
	for _, v := range lang.Verbs(f) {
		switch v.Letter {
		case '%':
		case 's', 'v':
			out[v.Arg] = 's'
		default:
			out[v.Arg] = v.Letter
		}
	}
	return out
}

// worded reports whether a format has words of its own.
func worded(f lang.Format) bool {
	at := 0
	var rest strings.Builder
	for _, v := range lang.Verbs(f) {
		rest.WriteString(string(f[at:v.Start]))
		at = v.End
	}
	rest.WriteString(string(f[at:]))
	return strings.ContainsFunc(rest.String(), func(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' })
}

func quoted(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string
	return strings.TrimSpace(b.String())
}
