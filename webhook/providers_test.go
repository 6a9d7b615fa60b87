package webhook

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// What other companies' signatures look like in the dialect schema. Each is a
// headers and a signature section, tried on the vector that the company
// publishes. Those of github and stripe are built in.
var providers = map[string]struct{ headers, signature string }{
	"svix": {
		`[{"name":"svix-id","value":"{id}"}]`,
		`{"header":"svix-signature","message":"{header:svix-id}.{timestamp}.{body}","separator":" ","rotation":"all",
		  "schemes":[{"algorithm":"hmac-sha256","encoding":"base64","prefix":"v1,","key":{"decoding":"base64","prefix":"whsec_"}}],
		  "timestamp":{"header":"svix-timestamp","format":"unix","tolerance":"5m"}}`,
	},
	"slack": {
		`[]`,
		`{"header":"X-Slack-Signature","message":"v0:{timestamp}:{body}","rotation":"oldest",
		  "schemes":[{"algorithm":"hmac-sha256","encoding":"hex","prefix":"v0=","key":{"decoding":"verbatim"}}],
		  "timestamp":{"header":"X-Slack-Request-Timestamp","format":"unix","tolerance":"5m"}}`,
	},
	"shopify": {`[]`, plainHMAC("X-Shopify-Hmac-SHA256", "hmac-sha256", "base64", "")},
	"paddle": {
		`[]`,
		`{"header":"Paddle-Signature","message":"{timestamp}:{body}","separator":";","rotation":"all",
		  "schemes":[{"algorithm":"hmac-sha256","encoding":"hex","prefix":"h1=","key":{"decoding":"verbatim"}}],
		  "timestamp":{"item":"ts=","format":"unix","tolerance":"5s"}}`,
	},
	"twitch-eventsub": {
		`[{"name":"Twitch-Eventsub-Message-Id","value":"{id}"}]`,
		`{"header":"Twitch-Eventsub-Message-Signature","message":"{header:Twitch-Eventsub-Message-Id}{timestamp}{body}","rotation":"oldest",
		  "schemes":[{"algorithm":"hmac-sha256","encoding":"hex","prefix":"sha256=","key":{"decoding":"verbatim"}}],
		  "timestamp":{"header":"Twitch-Eventsub-Message-Timestamp","format":"rfc3339_millis","tolerance":"10m"}}`,
	},
	"box": {
		`[{"name":"box-delivery-id","value":"{delivery}"}]`,
		`{"header":"box-signature-primary","message":"{body}{timestamp}","rotation":"oldest",
		  "schemes":[{"algorithm":"hmac-sha256","encoding":"base64","key":{"decoding":"verbatim"}}],
		  "timestamp":{"header":"box-delivery-timestamp","format":"rfc3339","tolerance":"10m"}}`,
	},
	"sanity": {
		`[]`,
		`{"header":"sanity-webhook-signature","message":"{timestamp}.{body}","separator":",","rotation":"all",
		  "schemes":[{"algorithm":"hmac-sha256","encoding":"base64url","prefix":"v1=","key":{"decoding":"verbatim"}}],
		  "timestamp":{"item":"t=","format":"unix_millis","tolerance":"5m"}}`,
	},
	"hubspot-v1": {
		`[{"name":"X-HubSpot-Signature-Version","value":"v1"}]`,
		`{"header":"X-HubSpot-Signature","message":"{secret}{body}","rotation":"oldest",
		  "schemes":[{"algorithm":"sha256","encoding":"hex","key":{"decoding":"verbatim"}}]}`,
	},
	"pagarme-v1-v4":      {`[]`, plainHMAC("X-Hub-Signature", "hmac-sha1", "hex", "")},
	"woovi-openpix-hmac": {`[]`, plainHMAC("X-OpenPix-Signature", "hmac-sha1", "base64", "")},
	"pusher":             {`[]`, plainHMAC("X-Pusher-Signature", "hmac-sha256", "hex", "")},
}

func plainHMAC(header, algorithm, encoding, prefix string) string {
	return `{"header":"` + header + `","message":"{body}","rotation":"oldest","schemes":[{"algorithm":"` + algorithm +
		`","encoding":"` + encoding + `","prefix":"` + prefix + `","key":{"decoding":"verbatim"}}]}`
}

// provider parses the standard dialect with another signature in it.
func provider(t *testing.T, name, headers, signature string) *Dialect {
	t.Helper()
	var file map[string]json.RawMessage
	if err := json.Unmarshal(Standard().Source(), &file); err != nil {
		t.Fatal(err)
	}
	file["name"], _ = json.Marshal(name)
	file["headers"], file["signature"] = json.RawMessage(headers), json.RawMessage(signature)
	file["secret"] = json.RawMessage(`{"generate":{"prefix":"whsec_","bytes":24,"encoding":"base64"},
		"chosen_by_caller":true,"min_length":1,"max_length":100,"visible":"once"}`)
	b, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	d, err := ParseDialect(name+".json", b)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestProviderVectors(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/provider-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Provider, Secret, Body string
		PublicKey              string `json:"public_key"`
		Headers                map[string]string
		Header                 string `json:"expected_header_name"`
		Signature              string `json:"expected_signature"`
	}
	if err := json.Unmarshal(b, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) != len(providers)+4 {
		t.Fatalf("%d vectors for %d providers", len(vectors), len(providers))
	}
	for _, v := range vectors {
		t.Run(v.Provider, func(t *testing.T) {
			t.Parallel()
			d := Standard()
			if p, other := providers[v.Provider]; other {
				d = provider(t, v.Provider, p.headers, p.signature)
			} else if !strings.HasPrefix(v.Provider, "standard") {
				d = builtinNamed(t, v.Provider)
			}
			h := http.Header{}
			for name, value := range v.Headers {
				h.Set(name, value)
			}
			h.Set(v.Header, v.Signature)
			c := &check{dialect: d, header: h, body: []byte(v.Body)}
			if verdict, ok := c.read(); !ok {
				t.Fatal(verdict)
			}
			secrets := []string{v.Secret}
			if v.PublicKey != "" {
				if public, ok := d.PublicKey(v.Secret); !ok || public != v.PublicKey {
					t.Errorf("public key %q, want %q", public, v.PublicKey)
				}
				secrets = append(secrets, v.PublicKey)
			}
			for _, secret := range secrets {
				if got := d.Verify(h, []byte(v.Body), []string{secret}, c.time); !got.OK {
					t.Errorf("%+v", got)
				}
				if got := d.Verify(h, []byte(v.Body+" "), []string{secret}, c.time); got.OK {
					t.Error("another body passes")
				}
			}
			resign(t, d, c, v.Secret, v.Signature)
		})
	}
}

// resign signs what was verified and finds the published signature again.
func resign(t *testing.T, d *Dialect, c *check, secret, want string) {
	t.Helper()
	k, err := d.decodeKey(secret, false)
	if err != nil {
		t.Fatal(err)
	}
	if got := k.scheme.Prefix + k.scheme.Encoding.text(k.sum(nil, d.plan, c.parts)); !strings.Contains(want, got) {
		t.Errorf("signed %s, published %s", got, want)
	}
}

// A static token proves who sent, not what.
func TestToken(t *testing.T) {
	t.Parallel()
	d := provider(t, "asaas", `[]`, `{"header":"asaas-access-token","rotation":"oldest",
		"schemes":[{"algorithm":"token","encoding":"verbatim","key":{"decoding":"verbatim"}}]}`)
	h, body := signed(t, d, time.Now(), "the-token")
	if got := h.Get("asaas-access-token"); got != "the-token" {
		t.Errorf("sent %q", got)
	}
	if v := d.Verify(h, body, []string{"the-token"}, time.Now()); !v.OK || v.Proof != Authenticated {
		t.Errorf("%+v", v)
	}
	for _, other := range []string{"the-toke", "the-tokens", "THE-TOKEN"} {
		if v := d.Verify(h, body, []string{other}, time.Now()); v.OK || v.Cause != CauseMismatch {
			t.Errorf("%s: %+v", other, v)
		}
	}
}

// A list with its timestamp inside is written as it is read.
func TestTimestampItem(t *testing.T) {
	t.Parallel()
	d := builtinNamed(t, "stripe")
	now := time.Unix(1_800_000_000, 0)
	h, body := signed(t, d, now, "new-secret", "old-secret")
	got := h.Get("Stripe-Signature")
	if !strings.HasPrefix(got, "t=1800000000,v1=") || strings.Count(got, "v1=") != 2 {
		t.Errorf("header %s", got)
	}
	for _, s := range []string{"new-secret", "old-secret"} {
		if v := d.Verify(h, body, []string{s}, now); !v.OK {
			t.Errorf("%+v", v)
		}
	}
	h.Set("Stripe-Signature", got+",t=1800000001")
	if v := d.Verify(h, body, []string{"new-secret"}, now); v.OK || v.Cause != CauseMalformed {
		t.Errorf("two timestamps: %+v", v)
	}
}

// What the documentation of GitHub and Stripe says of a delivery beside its
// signature: where type, id and time stand, and when it is tried again.
func TestProvidersAsDocumented(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_800_000_000, 0)
	m := &Message{ID: ID{1}, Endpoint: ID{2}, Type: "pull_request", Time: at, Data: []byte(`{"action": "opened"}`)}

	github := builtinNamed(t, "github")
	h, body, err := github.Sign(m, Try{Number: 1, At: at}, "It's a Secret to Everybody")
	if err != nil {
		t.Fatal(err)
	}
	if string(body) != `{"action": "opened"}` || h.Get("X-GitHub-Event") != "pull_request" || h.Get("Content-Type") != "application/json" ||
		h.Get("X-GitHub-Delivery") != "01000000-0000-0000-0000-000000000000" || !strings.HasPrefix(h.Get("User-Agent"), "GitHub-Hookshot/") {
		t.Errorf("github sends %v %s", h, body)
	}
	if e, err := github.ParseEvent(h, body); err != nil || e.ID != h.Get("X-GitHub-Delivery") || e.Type != m.Type || string(e.Data) != string(body) {
		t.Errorf("github: %+v, %v", e, err)
	}
	if github.Attempts() != 1 || time.Duration(github.Delivery.Total) != 10*time.Second {
		t.Errorf("github: %d attempts of %v", github.Attempts(), time.Duration(github.Delivery.Total))
	}

	stripe := builtinNamed(t, "stripe")
	m.Type = "customer.created"
	h, body, err = stripe.Sign(m, Try{Number: 1, At: at}, "whsec_new", "whsec_old")
	if err != nil {
		t.Fatal(err)
	}
	var event struct {
		ID, Object, Type string
		Created          int64
		Data             struct{ Object struct{ Action string } }
		Livemode         bool
	}
	if err := json.Unmarshal(body, &event); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(event.ID, "evt_") || event.Object != "event" || event.Type != m.Type || event.Created != at.Unix() ||
		event.Data.Object.Action != "opened" || !event.Livemode {
		t.Errorf("stripe sends %s", body)
	}
	if e, err := stripe.ParseEvent(h, body); err != nil || e.ID != event.ID || e.Type != m.Type || !e.Time.Equal(at) || string(e.Data) != string(m.Data) {
		t.Errorf("stripe: %+v, %v", e, err)
	}
	var all time.Duration
	for i, w := range stripe.Delivery.Schedule {
		all += time.Duration(w)
		if i > 0 && w != 2*stripe.Delivery.Schedule[i-1] {
			t.Errorf("stripe waits %v after %v", time.Duration(w), time.Duration(stripe.Delivery.Schedule[i-1]))
		}
	}
	if longest := time.Duration(float64(all) * (1 + stripe.Delivery.Jitter)); longest > 72*time.Hour || all < 66*time.Hour {
		t.Errorf("stripe is tried over %v to %v, not up to three days", all, longest)
	}
}
