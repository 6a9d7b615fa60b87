package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/webhook"
)

const verifySecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// onTheWire writes a signed request as it comes in, and its secret.
func onTheWire(t *testing.T, d *webhook.Dialect, lineEnd string, change func(string) string) (request, secret string) {
	t.Helper()
	h, body, err := d.Sign(&webhook.Message{ID: webhook.NewID(), Type: "a.b", Consumer: "7", Time: time.Now(), Data: []byte(`{"name":"João"}`)}, webhook.Try{}, verifySecret)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("POST /webhooks HTTP/1.1" + lineEnd + "Host: localhost" + lineEnd)
	for name, values := range h {
		for _, v := range values {
			b.WriteString(strings.ToLower(name) + ": " + v + lineEnd)
		}
	}
	b.WriteString(lineEnd)
	return writeFile(t, "request.http", b.String()+change(string(body))), writeFile(t, "secret", verifySecret+"\n")
}

func same(s string) string { return s }

func TestVerifyCommand(t *testing.T) {
	t.Parallel()
	for _, d := range webhook.Builtin() {
		for _, lineEnd := range []string{"\r\n", "\n"} {
			request, secret := onTheWire(t, d, lineEnd, same)
			if out := mustOutput(t, "verify", request, "--dialect", d.Name, "--secret-file", secret); !strings.HasPrefix(out, "verified: "+d.Ref()+"\n") || strings.Contains(out, verifySecret) {
				t.Errorf("%s: %s", d.Name, out)
			}
		}
	}
}

// TestVerifyCommandWithoutSecret says what to do.
func TestVerifyCommandWithoutSecret(t *testing.T) {
	t.Parallel()
	request, _ := onTheWire(t, webhook.Standard(), "\r\n", same)
	code, _, errOut := malote("verify", request)
	if code != exitFailure || !strings.Contains(errOut, "no secret was given") || !strings.Contains(errOut, "fix: ") || !strings.Contains(errOut, "--secret-file") || !strings.Contains(errOut, "WEBHOOK_SECRET") {
		t.Errorf("%d %s", code, errOut)
	}
}

func TestVerifyCommandExplains(t *testing.T) {
	t.Parallel()
	request, secret := onTheWire(t, webhook.Standard(), "\r\n", func(s string) string { return s + "\n" })
	code, out, errOut := malote("verify", request, "--secret-file", secret)
	if code != exitFailure || !strings.Contains(errOut, "not genuine: body_changed") {
		t.Errorf("%d %s", code, errOut)
	}
	for _, want := range []string{"a line end was added behind it", "webhook-timestamp", "header webhook-id", "secret 1", "fits"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	code, out, _ = malote("verify", request, "--secret-file", secret, "--json")
	var x client.Explanation
	if err := json.Unmarshal([]byte(out), &x); err != nil || code != exitFailure {
		t.Fatalf("%d %v %s", code, err, out)
	}
	if x.OK || x.Cause != "body_changed" || len(x.Message) != 5 || x.Message[4].Kind != "body" || x.Time == nil || x.Mistakes[0].Kind != "body" || strings.Contains(out, verifySecret) {
		t.Errorf("%+v", x)
	}
	late := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	if code, out, _ := malote("verify", request, "--secret-file", secret, "--body", writeFile(t, "body", "{}"), "--at", late); code != exitFailure || !strings.Contains(out, "wrong_secret_or_body") {
		t.Errorf("%d %s", code, out)
	}
	if code, _, errOut := malote("verify", request, "--secret-file", secret, "--dialect", "trefa"); code != exitNotFound || !strings.Contains(errOut, "did you mean tarefa") {
		t.Errorf("%d %s", code, errOut)
	}
	if code, _, errOut := malote("verify", writeFile(t, "no.http", "no header\n\n{}"), "--secret-file", secret); code != exitUsage || !strings.Contains(errOut, "line 1 of the request is no header") {
		t.Errorf("%d %s", code, errOut)
	}
	if code, _, errOut := malote("verify", "-", "--secret-file", "-"); code != exitUsage || !strings.Contains(errOut, "standard input") {
		t.Errorf("%d %s", code, errOut)
	}
}

func TestParseRequest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		raw, body string
		header    http.Header
	}{
		{"POST / HTTP/1.1\r\nA: b\r\na: c\r\n\r\nx\r\n\r\ny\n", "x\r\n\r\ny\n", http.Header{"A": {"b", "c"}}},
		{"A: b\n\n", "", http.Header{"A": {"b"}}},
		{"A: b", "", http.Header{"A": {"b"}}},
		{"> POST / HTTP/1.1\r\n> A: b\r\n> \r\n{}", "{}", http.Header{"A": {"b"}}},
		{"\n\x00\xff", "\x00\xff", http.Header{}},
		{"", "", http.Header{}},
	} {
		h, body, err := parseRequest([]byte(c.raw))
		if err != nil || string(body) != c.body || len(h) != len(c.header) || strings.Join(h["A"], ",") != strings.Join(c.header["A"], ",") {
			t.Errorf("%q: %v %q %v", c.raw, h, body, err)
		}
	}
}

func TestDialectPreviewCommand(t *testing.T) {
	t.Parallel()
	out := mustOutput(t, "dialect", "preview", "--type", "invoice.paid", "--payload", `{"invoice":"inv_42"}`)
	for _, want := range []string{"standard/1", "webhook-signature: v1,", "X-Webhook-Signature: sha256=", `"invoice":"inv_42"`, "invoice.paid", "signed with whsec_"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if out := mustOutput(t, "dialect", "preview", "gabinete360", "tarefa/1", "--type", "a", "--payload", "[1]", "--consumer", "acme"); strings.Count(out, "cannot carry it: ") != 2 {
		t.Error(out)
	}
	lines := strings.Split(strings.TrimSpace(mustOutput(t, "dialect", "preview", "--json")), "\n")
	for i, d := range webhook.Builtin() {
		var r client.DialectRequest
		if err := json.Unmarshal([]byte(lines[i]), &r); err != nil || r.Dialect != d.Ref() {
			t.Fatalf("%v %s", err, lines[i])
		}
		h := http.Header{}
		for _, f := range r.Headers {
			h.Add(f.Name, f.Value)
		}
		if v := d.Verify(h, []byte(r.Body), []string{r.Secret}, time.Now()); !v.OK {
			t.Errorf("%s: %+v", r.Dialect, v)
		}
	}
	if code, _, errOut := malote("dialect", "preview", "--payload", "1"); code != exitUsage || !strings.Contains(errOut, "--type is missing") {
		t.Errorf("%d %s", code, errOut)
	}
}
