package webhook_test

import (
	"strconv"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"pgregory.net/rapid"

	"github.com/malote-dev/malote/webhook"
)

// The specification's own library verifies what we sign, and we verify what
// it signs.
func TestStandardWebhooksLibrary(t *testing.T) {
	t.Parallel()
	d := webhook.Standard()
	rapid.Check(t, func(t *rapid.T) {
		secret, other := d.NewSecret(), d.NewSecret()
		theirs, err := standard.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		m := &webhook.Message{
			ID:   webhook.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")),
			Type: "task.completed", Time: now, Data: []byte(strconv.Quote(rapid.StringMatching(`[ -~é]*`).Draw(t, "text"))),
		}
		h, body, err := d.Sign(m, webhook.Try{At: now}, other, secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := theirs.Verify(body, h); err != nil {
			t.Fatalf("the library refuses ours: %v", err)
		}
		if err := theirs.Verify(append(body, ' '), h); err == nil {
			t.Fatal("the library takes a changed body")
		}

		sig, err := theirs.Sign(h.Get("webhook-id"), now, body)
		if err != nil {
			t.Fatal(err)
		}
		h.Set("webhook-signature", sig)
		if v := d.Verify(h, body, []string{secret}, now); !v.OK {
			t.Fatalf("we refuse the library's: %+v", v)
		}
		if v := d.Verify(h, body, []string{other}, now); v.OK {
			t.Fatal("another secret passes")
		}
	})
}
