package mail

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

var update = flag.Bool("update", false, "write testdata/letters.txt anew")

// notices of every kind, as they may be.
func notices() []*store.Notice {
	day := time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)
	of := func(kind store.NoticeKind, change func(*store.Notice)) *store.Notice {
		n := &store.Notice{
			Kind: kind, At: day.Add(time.Hour), Project: "Loja", EndpointID: "ep_01m814a1b5e0080c3d4e5f6g7h", Name: "Livros", Host: "acme.example", Consumer: "acme",
			State: store.Active, Since: day, Failures: 1, EventType: "invoice.paid", DeliveryID: "dlv_01m814a1b6e0080c3d4e5f6g7j", Attempt: 1,
			Status: 503, Class: store.ClassStatus, Detail: lang.Keep("answered %s", "503 Service Unavailable"), Because: store.BecauseEndpoint,
		}
		change(n)
		return n
	}
	none := func(*store.Notice) {}
	fifth := of(store.NoticeFifth, func(n *store.Notice) { n.Failures, n.Attempt, n.NextAt = 5, 5, day.Add(2*time.Hour) })
	out := []*store.Notice{
		of(store.NoticeFirst, func(n *store.Notice) { n.NextAt = day.Add(65 * time.Minute) }),
		of(store.NoticeFirst, none),
		fifth,
		of(store.NoticeFailed, func(n *store.Notice) {
			n.Attempt, n.Failed, n.Reason, n.Because = 10, 1, "exhausted", store.BecauseConsumer
		}),
		of(store.NoticeFailed, func(n *store.Notice) { n.Class, n.Status, n.Detail = store.ClassRender, 0, "" }),
		of(store.NoticeDisabled, func(n *store.Notice) {
			n.Status, n.Detail, n.Because = 410, lang.Keep("answered %s", "410 Gone"), store.BecauseProject
		}),
		of(store.NoticeDisabled, func(n *store.Notice) { n.Class, n.Detail = "", "" }),
		of(store.NoticeStill, func(n *store.Notice) { n.More, n.Failed = 312, 313 }),
		of(store.NoticeStill, func(n *store.Notice) { n.More, n.Withheld = 1, 1 }),
		of(store.NoticeRecovered, func(n *store.Notice) { n.Failed, n.Class, n.Status, n.Detail = 313, "", 200, "" }),
		of(store.NoticeRecovered, func(n *store.Notice) { n.Withheld = 7 }),
		of(store.NoticeExpiring, func(n *store.Notice) {
			n.State, n.Reason, n.ExpiresAt, n.EventType, n.DeliveryID = store.Paused, lang.Keep("paused through the API"), day.Add(72*time.Hour), "", ""
		}),
		of(store.NoticeExpiring, func(n *store.Notice) {
			n.State, n.Reason, n.ExpiresAt = store.Disabled, lang.Keep("the receiver answered 410 Gone"), day.Add(72*time.Hour)
		}),
	}
	digest := &store.Notice{Kind: store.NoticeDigest, At: day, Project: "Loja", Withheld: 312, Because: store.BecauseProject}
	for _, n := range []*store.Notice{out[0], fifth, out[3], out[5], out[7], out[9], out[11]} {
		digest.Held = append(digest.Held, store.HeldNotice{Notice: *n, Count: 3})
	}
	one := *digest
	one.Withheld, one.Held = 1, digest.Held[:1]
	return append(out, digest, &one)
}

// TestLetters holds every mail to testdata/letters.txt, in both languages.
func TestLetters(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	for _, n := range notices() {
		for _, in := range []lang.Language{lang.English, lang.Portuguese} {
			l := letterOf(n)
			l.footer = because(n, "ti@acme.example", "https://webhooks.example.com/m/T")
			p := l.in(in, "https://webhooks.example.com/m/T")
			fmt.Fprintf(&b, "==== %s, %s\n%s\n\n%s\n", n.Kind, in.Tag(), p.Subject, p.text())
			var html bytes.Buffer
			if err := letterPage.Execute(&html, p); err != nil {
				t.Fatal(err)
			}
			for _, s := range append(append([]string{p.Subject}, p.Paragraphs...), p.Footer...) {
				if !strings.Contains(html.String(), escaped(s)) {
					t.Errorf("the page of %s lacks %q", n.Kind, s)
				}
			}
		}
	}
	const path = "testdata/letters.txt"
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, b.Bytes()) {
		t.Errorf("letters are not those of %s; look at them, and run go test -run TestLetters -update ./internal/mail", path)
	}
}

func escaped(s string) string {
	return strings.NewReplacer("&", "&amp;", "'", "&#39;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "+", "&#43;").Replace(s)
}

// TestAdvice: every cause has some, but those that are nobody's fault.
func TestAdvice(t *testing.T) {
	t.Parallel()
	for _, c := range []store.Class{
		store.ClassStatus, store.ClassRedirect, store.ClassTimeout, store.ClassConnect, store.ClassReset, store.ClassDNS, store.ClassTLS,
		store.ClassProtocol, store.ClassBlocked, store.ClassRender,
	} {
		if advice(&store.Notice{Class: c}).IsZero() {
			t.Errorf("none for %s", c)
		}
	}
	seen := map[string]int{}
	for status := 300; status < 600; status++ {
		seen[store.Advice(store.ClassStatus, status).String()]++
	}
	if len(seen) != 7 {
		t.Errorf("%d kinds of advice: %v", len(seen), seen)
	}
	if !advice(&store.Notice{Class: store.ClassUnknown}).IsZero() {
		t.Error("there is some for what is not known")
	}
}

// TestNothingBeginsAHeader: whatever stands in a name, there are the headers
// that we set, the two bodies, and nobody else gets the mail.
func TestNothingBeginsAHeader(t *testing.T) {
	t.Parallel()
	for _, evil := range []string{
		"x\r\nBcc: victim@evil.example", "x\nBcc: victim@evil.example\n\nbody", "x\rBcc: victim@evil.example", "\r\n\r\n<script>alert(1)</script>", "=?utf-8?q?=0D=0ABcc=3A?=",
		strings.Repeat("long ", 500), "\u2028Bcc: victim@evil.example", "x\x00y", `"><img src=x onerror=alert(1)>`, "ação ✓", ".\r\n.\r\nQUIT\r\n",
	} {
		n := notices()[2]
		n.Project, n.Name, n.Host, n.Consumer, n.EventType, n.Detail, n.Reason = evil, evil, evil, evil, evil, evil, evil
		m := New(Options{
			Server: &Server{Host: "127.0.0.1", Port: 25}, From: Sender{Name: evil, Address: "webhooks@shop.example"}, PublicURL: "https://webhooks.shop.example", Store: &store.DB{},
		})
		var raw bytes.Buffer
		if _, err := m.message(&store.Mail{Address: "ti@acme.example", Notice: n, Token: "T"}).WriteTo(&raw); err != nil {
			t.Fatal(err)
		}
		got := &received{raw: raw.String()}
		got.read(t)
		if len(got.header) != 11 || got.header.Get("Bcc") != "" || len(got.header["Subject"]) != 1 || got.text == "" || got.html == "" {
			t.Errorf("%q: %v", evil, got.header)
		}
		if list, err := got.header.AddressList("From"); err != nil || len(list) != 1 || list[0].Address != "webhooks@shop.example" {
			t.Errorf("%q: from %v, %v", evil, list, err)
		}
		if list, err := got.header.AddressList("To"); err != nil || len(list) != 1 || list[0].Address != "ti@acme.example" {
			t.Errorf("%q: to %v, %v", evil, list, err)
		}
		if strings.Contains(got.html, "<script>") || strings.Contains(got.html, "<img") {
			t.Errorf("%q: %s", evil, got.html)
		}
		for line := range strings.SplitSeq(raw.String(), "\r\n") {
			if len(line) > 998 || strings.ContainsAny(line, "\r\n\x00") {
				t.Errorf("%q: a line that SMTP forbids: %q", evil, line)
			}
		}
	}
}
