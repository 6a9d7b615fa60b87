package dashboard

import (
	"strings"
	"testing"
)

// TestDeepBodiesAreShownAsTheyAre: indenting must not make hundreds of
// megabytes of a small answer.
func TestDeepBodiesAreShownAsTheyAre(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 8100) + strings.Repeat("0,", 8000) + "0" + strings.Repeat("]", 8100)
	if v := viewBody(deep); v.JSON || v.Text != deep {
		t.Errorf("%v, %d bytes of %d", v.JSON, len(v.Text), len(deep))
	}
	if v := viewBody(`{"a":["[[\"[",{}]}`); !v.JSON {
		t.Error("what is flat is not indented")
	}
}
