package dashboard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/malote-dev/malote/internal/rawjson"
)

// encode is a body for the API; nil is none.
func encode(body any) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(body)
	return b.Bytes(), err
}

// decode reads an answer of the API. Its texts come out fit to be looked at,
// all of them, so that no page can forget it: see [visible].
func decode(answer []byte, out any) error {
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("the answer of a route: %w", err)
	}
	makeVisible(reflect.ValueOf(out))
	return nil
}

func makeVisible(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			makeVisible(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				makeVisible(v.Field(i))
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			for i := range v.Len() {
				makeVisible(v.Index(i))
			}
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			if e := v.MapIndex(k); e.Kind() == reflect.String {
				v.SetMapIndex(k, reflect.ValueOf(visible(e.String())).Convert(e.Type()))
			}
		}
	case reflect.String:
		if v.CanSet() {
			v.SetString(visible(v.String()))
		}
	}
}

// visible writes out what a text would do to what stands around it, or hide:
// control characters and those that change the direction of writing.
func visible(s string) string {
	if strings.IndexFunc(s, isUnseen) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if isUnseen(r) {
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func isUnseen(r rune) bool {
	switch {
	case r == '\n' || r == '\t' || r == '\u200d': // of which emoji are made
		return false
	case r == utf8.RuneError:
		return false
	}
	return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
}

// maxShown is how much of a body a page shows, in bytes.
const maxShown = 32 << 10

// maxIndented is how deeply a body may be nested that is shown on lines of its
// own: those take its length times its depth.
const maxIndented = 64

// bodyView is a payload, a request's body or an answer's.
type bodyView struct {
	Text string // indented where it is JSON
	Size int    // bytes of the whole
	Cut  bool   // the text is only its beginning
	JSON bool
}

// viewBody shows a body: JSON on lines of its own, its tokens as they are.
func viewBody(text string) *bodyView {
	v := &bodyView{Text: text, Size: len(text)}
	if len(text) <= maxShown {
		var b bytes.Buffer
		if s := strings.TrimSpace(text); s != "" && (s[0] == '{' || s[0] == '[') && rawjson.Check([]byte(s), maxIndented) == nil && json.Indent(&b, []byte(s), "", "  ") == nil && b.Len() <= 8*maxShown {
			v.Text, v.JSON = b.String(), true
		}
	}
	if len(v.Text) > 8*maxShown || !v.JSON && len(v.Text) > maxShown {
		v.Text, v.Cut = strings.ToValidUTF8(v.Text[:maxShown], ""), true
	}
	v.Text = visible(v.Text)
	return v
}
