package webhook

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// readJSON reads a file of testdata.
func readJSON(t *testing.T, name string, v any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

// providers are what other companies' signatures look like in the dialect
// schema: a headers and a signature section each, tried on the vector that the
// company publishes. Those of github and stripe are built in.
func providers(t *testing.T) map[string]struct{ Headers, Signature json.RawMessage } {
	t.Helper()
	var p map[string]struct{ Headers, Signature json.RawMessage }
	readJSON(t, "providers.json", &p)
	return p
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
	providers := providers(t)
	var vectors []struct {
		Provider, Secret, Body string
		PublicKey              string `json:"public_key"`
		Headers                map[string]string
		Header                 string `json:"expected_header_name"`
		Signature              string `json:"expected_signature"`
	}
	readJSON(t, "provider-vectors.json", &vectors)
	if len(vectors) != len(providers)+4 {
		t.Fatalf("%d vectors for %d providers", len(vectors), len(providers))
	}
	for _, v := range vectors {
		t.Run(v.Provider, func(t *testing.T) {
			t.Parallel()
			d := Standard()
			if p, other := providers[v.Provider]; other {
				d = provider(t, v.Provider, string(p.Headers), string(p.Signature))
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
