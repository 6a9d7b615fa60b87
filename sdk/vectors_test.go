package sdk

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/malote-dev/malote/webhook"
)

// vector is a line of testdata/vectors.json, as every language reads it.
type vector struct {
	Name    string
	Dialect json.RawMessage
	Headers [][2]string
	Body    []byte
	Secrets []string
	Now     int64
	OK      bool
	Proof   webhook.Proof
	Cause   webhook.Cause
	Event   *struct {
		ID, Type, Endpoint, Consumer string
		Time                         int64
		Data                         json.RawMessage
	}
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vs []vector
	if err := json.Unmarshal(b, &vs); err != nil {
		t.Fatal(err)
	}
	return vs
}

// compact is data without the white space that the vectors do not hold.
func compact(t *testing.T, data []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		t.Error(err)
	}
	return b.String()
}

// The vectors in Go, as a receiver in Go would judge them. The other
// languages run the same file.
func TestVectors(t *testing.T) {
	t.Parallel()
	catalog, err := webhook.NewCatalog()
	if err != nil {
		t.Fatal(err)
	}
	causes, dialects := map[webhook.Cause]int{}, map[string]int{}
	for _, v := range readVectors(t) {
		var name string
		var d *webhook.Dialect
		if json.Unmarshal(v.Dialect, &name) == nil {
			d, _ = catalog.Lookup(name)
		} else if d, err = webhook.ParseDialect(v.Name, v.Dialect); err != nil {
			t.Fatal(err)
		}
		h := http.Header{}
		for _, p := range v.Headers {
			h.Add(p[0], p[1])
		}
		got := d.Verify(h, v.Body, v.Secrets, time.Unix(v.Now, 0))
		if got.OK != v.OK || got.Proof != v.Proof || got.Cause != v.Cause {
			t.Errorf("%s: %+v, want %v %s %s", v.Name, got, v.OK, v.Proof, v.Cause)
		}
		if e, err := d.ParseEvent(h, v.Body); v.Event != nil && (err != nil || e.ID != v.Event.ID || e.Type != v.Event.Type || compact(t, e.Data) != string(v.Event.Data)) {
			t.Errorf("%s: read as %s %s %s, %v", v.Name, e.ID, e.Type, e.Data, err)
		}
		causes[v.Cause]++
		dialects[d.Name]++
	}
	for _, c := range []webhook.Cause{"", webhook.CauseNoSecret, webhook.CauseMissingHeader, webhook.CauseMalformed, webhook.CauseClock,
		webhook.CauseSecret, webhook.CauseBody, webhook.CauseMismatch} {
		if causes[c] < 5 {
			t.Errorf("%d vectors end with %q", causes[c], c)
		}
	}
	for _, d := range webhook.Builtin() {
		if dialects[d.Name] < 20 {
			t.Errorf("%d vectors of %s", dialects[d.Name], d.Name)
		}
	}
}
