package main

import (
	"strings"
	"testing"
)

// TestTooLittleIsAFailure: a run that asked nothing, or next to nothing, does
// not pass for one that found nothing.
func TestTooLittleIsAFailure(t *testing.T) {
	t.Parallel()
	for report, want := range map[string]string{
		"":                                     "nothing was asked",
		"Test cases:\n  99 generated, 3":       "only 99 requests",
		"Test cases:\n  none":                  "nothing was asked",
		"x\nTest cases:\n  1,300 generated\n":  "",
		"x\nTest cases:\n  100 generated, 1 f": "",
	} {
		if _, err := generated(report); (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %q", report, err, want)
		}
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	if o, err := parse(nil); err != nil || len(o.parts) != 6 || o.cases != 8 {
		t.Errorf("%+v %v", o, err)
	}
	for _, wrong := range [][]string{{"-parts", "none"}, {"-cases", "0"}, {"more"}} {
		if _, err := parse(wrong); err == nil {
			t.Errorf("%v is taken", wrong)
		}
	}
}

// TestWithoutSchemathesis: what is missing is named, with how to get it.
func TestWithoutSchemathesis(t *testing.T) {
	t.Parallel()
	if _, err := interpreter(t.Context(), "./no-such-python"); err == nil || !strings.HasPrefix(err.Error(), "MISSING PROGRAM: schemathesis") {
		t.Error(err)
	}
}
