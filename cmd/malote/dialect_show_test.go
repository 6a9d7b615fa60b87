package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/malote-dev/malote/webhook"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestDialectShowGolden: each built-in dialect in words, as people read it.
func TestDialectShowGolden(t *testing.T) {
	t.Parallel()
	for _, d := range webhook.Builtin() {
		got := mustOutput(t, "dialect", "show", d.Ref())
		file := filepath.Join("testdata", "dialects", d.Name+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-update writes it anew):\n%s", d.Ref(), diff)
		}
	}
}

// TestDialectShowTellsEveryRule turns each rule of delivery and limits, one
// at a time: what is shown must change.
func TestDialectShowTellsEveryRule(t *testing.T) {
	t.Parallel()
	shown := func(d *webhook.Dialect) string {
		var out, errOut bytes.Buffer
		if err := describeDialect(&console{out: &out, err: &errOut}, d); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	was := shown(webhook.Standard())
	for _, part := range []string{"Delivery", "Limits"} {
		rules := reflect.TypeFor[webhook.Dialect]()
		field, _ := rules.FieldByName(part)
		for i := range field.Type.NumField() {
			d := *webhook.Standard()
			turn(reflect.ValueOf(&d).Elem().FieldByName(part).Field(i))
			if shown(&d) == was {
				t.Errorf("%s.%s is not told", part, field.Type.Field(i).Name)
			}
		}
	}
}

func turn(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Float64:
		v.SetFloat(v.Float() + 0.5)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	default:
		v.SetInt(v.Int() + 1e9)
	}
}
