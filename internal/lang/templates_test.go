package lang_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"text/template/parse"

	"github.com/malote-dev/malote/internal/lang"
)

// readTemplates finds the texts of the pages: what {{t "…"}} says.
func (r *sourceReader) readTemplates(t *testing.T) {
	t.Helper()
	pages := filepath.Join(top, "internal", "dashboard")
	err := filepath.WalkDir(pages, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".tmpl" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		tree := parse.New(path)
		tree.Mode = parse.SkipFuncCheck
		all := map[string]*parse.Tree{}
		if _, err := tree.Parse(string(text), "", "", all); err != nil {
			return err
		}
		for _, in := range all {
			walkTemplate(reflect.ValueOf(in.Root), func(c *parse.CommandNode) { r.readWords(in, c) })
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// readWords takes a call of t for the text that it says.
func (r *sourceReader) readWords(in *parse.Tree, c *parse.CommandNode) {
	if f, ok := c.Args[0].(*parse.IdentifierNode); !ok || f.Ident != "t" {
		return
	}
	at, _ := in.ErrorContext(c)
	if len(c.Args) == 2 {
		if text, ok := c.Args[1].(*parse.StringNode); ok {
			r.uses = append(r.uses, use{at: at, text: lang.Format(text.Text)})
			return
		}
	}
	r.broken = append(r.broken, at+": t takes a text that is written there, and nothing else")
}

// walkTemplate calls do for each command in the nodes of a template.
func walkTemplate(v reflect.Value, do func(*parse.CommandNode)) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() || v.Type() == reflect.TypeFor[*parse.Tree]() {
			return
		}
		if c, ok := reflect.TypeAssert[*parse.CommandNode](v); ok && v.Kind() == reflect.Pointer {
			do(c)
		}
		walkTemplate(v.Elem(), do)
	case reflect.Slice:
		for i := range v.Len() {
			walkTemplate(v.Index(i), do)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() || v.Type().Field(i).Anonymous {
				walkTemplate(v.Field(i), do)
			}
		}
	}
}

// TestTemplatesAreRead: a text is found wherever it stands in a template, and
// what is no text is refused.
func TestTemplatesAreRead(t *testing.T) {
	t.Parallel()
	tree := parse.New("x")
	tree.Mode = parse.SkipFuncCheck
	all := map[string]*parse.Tree{}
	const page = `{{t "a"}}{{if eq (t "b") .X}}{{range .All}}{{template "y" dict "L" (t "c")}}{{end}}{{else}}{{with $v := t "d"}}{{.}}{{end}}{{end}}{{define "z"}}{{t "e" | print}}{{end}}{{t .X}}{{t "f" .X}}{{tt "g"}}`
	if _, err := tree.Parse(page, "", "", all); err != nil {
		t.Fatal(err)
	}
	var r sourceReader
	for _, in := range all {
		walkTemplate(reflect.ValueOf(in.Root), func(c *parse.CommandNode) { r.readWords(in, c) })
	}
	found := map[lang.Format]int{}
	for _, u := range r.uses {
		found[u.text]++
	}
	for _, text := range []lang.Format{"a", "b", "c", "d", "e"} {
		if found[text] != 1 {
			t.Errorf("%s was found %d times", text, found[text])
		}
	}
	if len(found) != 5 || len(r.broken) != 2 {
		t.Errorf("%v %v", found, r.broken)
	}
}
