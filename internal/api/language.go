package api

import (
	"reflect"

	"github.com/malote-dev/malote/internal/lang"
)

// language is the one that the caller reads.
func (c *call) language() lang.Language { return lang.Accepted(c.r.Header["Accept-Language"]) }

// keptTag marks members whose text was kept in English: `lang:"kept"`.
const keptTag = "lang"

// speaks reports whether an answer has texts for people.
func speaks(t reflect.Type) bool { return t != nil && speaksIn(t, map[reflect.Type]bool{}) }

func speaksIn(t reflect.Type, seen map[reflect.Type]bool) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return speaksIn(t.Elem(), seen)
	case reflect.Struct:
	default:
		return false
	}
	if seen[t] {
		return false
	}
	seen[t] = true
	if t == reflect.TypeFor[problem]() {
		return true
	}
	for f := range t.Fields() {
		if f.Tag.Get(keptTag) != "" || speaksIn(f.Type, seen) {
			return true
		}
	}
	return false
}

// inLanguage is an answer with the texts that are marked said in a language.
func inLanguage(out any, l lang.Language) any {
	v := reflect.New(reflect.TypeOf(out)).Elem()
	v.Set(reflect.ValueOf(out))
	sayIn(v, l)
	return v.Interface()
}

func sayIn(v reflect.Value, l lang.Language) {
	switch v.Kind() {
	case reflect.Pointer:
		switch {
		case v.IsNil():
		case v.Type() == reflect.TypeFor[*problem]():
			v.Interface().(*problem).speak(l)
		default:
			sayIn(v.Elem(), l)
		}
	case reflect.Slice:
		if speaks(v.Type().Elem()) {
			for i := range v.Len() {
				sayIn(v.Index(i), l)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f, field := v.Field(i), v.Type().Field(i)
			switch {
			case field.Tag.Get(keptTag) != "" && f.Kind() == reflect.String:
				f.SetString(lang.Recall(f.String()).In(l))
			case field.Tag.Get(keptTag) != "" && f.Kind() == reflect.Slice:
				for j := range f.Len() {
					f.Index(j).SetString(lang.Recall(f.Index(j).String()).In(l))
				}
			case field.IsExported() || field.Anonymous:
				sayIn(f, l)
			}
		}
	}
}
