package webhook_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/webhook"
)

// TestProbes: whatever the contract, a probe is a whole request of it that no
// secret verifies.
func TestProbes(t *testing.T) {
	t.Parallel()
	for _, d := range webhook.Builtin() {
		now := time.Now()
		m := &webhook.Message{ID: webhook.NewID(), Time: now, Endpoint: webhook.NewID(), Delivery: webhook.NewID(), Consumer: "7", Test: true}
		fields, body, err := d.NewProbe(m, webhook.Try{Number: 1, At: now})
		if err != nil {
			t.Fatalf("%s: %v", d.Name, err)
		}
		h := http.Header{}
		for _, f := range fields {
			h.Add(f.Name, f.Value)
		}
		if h.Get("Content-Type") != d.ContentType || h.Get(d.Signature.Header) == "" {
			t.Errorf("%s: %v", d.Name, h)
		}
		if v := d.Verify(h, body, []string{d.NewSecret()}, now); v.OK {
			t.Errorf("%s: a probe verifies", d.Name)
		}
		documented := d.Name == "connectvets"
		if (d.Probe != nil) != documented || documented && (h.Get("X-ConnectVets-Signature") != "sha256=test" || string(body) != `{"event":"test","data":{}}`) {
			t.Errorf("%s: %v %s", d.Name, h, body)
		}
	}
}

func TestProbesOfAFile(t *testing.T) {
	t.Parallel()
	with := func(probe string) error {
		_, err := webhook.ParseDialect("acme.json", []byte(strings.Replace(string(webhook.Standard().Source()), `"test": {"type":`, `"probe": `+probe+`, "test": {"type":`, 1)))
		return err
	}
	if err := with(`{"signature": "v1,test", "body": {}}`); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{`{"body": {}}`, `{"signature": "a b", "body": {}}`, `{"signature": "é", "body": {}}`, `{"signature": "x"}`} {
		if err := with(bad); err == nil || !strings.Contains(err.Error(), "probe") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
