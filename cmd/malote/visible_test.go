package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode"

	"github.com/malote-dev/malote/client"
)

func TestVisible(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                         "",
		"olá, 世界 🎉\n\tx":           "olá, 世界 🎉\n\tx",
		"\x1b[2J\x1b]0;title\x07":  `\x1b[2J\x1b]0;title\x07`,
		"a\rb\x00\x7f":             `a\x0db\x00\x7f`,
		"\x9b31m \xff":             `\x9b31m \xff`,
		"\u009b31m":                `\u009b31m`,
		"invoice\u202efdp.exe":     `invoice\u202efdp.exe`,
		"\u2066\u200b\ufeff\u2028": `\u2066\u200b\ufeff\u2028`,
		"\U000e0041":               `\U000e0041`,
		"\ufffd":                   `\ufffd`,
	} {
		if got := visible(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := oneLine("a\nb\tc"); got != `a\nb\tc` {
		t.Errorf("%q", got)
	}
}

// A request that never left is not printed as one that did.
func TestNotSentIsSaid(t *testing.T) {
	t.Parallel()
	head := client.Message{Line: "POST /hooks HTTP/1.1", Headers: []client.Header{{Name: "Host", Value: "x.example"}}, Body: "{}"}
	for want, request := range map[string]client.Request{
		"→ not sent: POST /hooks HTTP/1.1\n\n  ✗": {Message: head},
		"→ not sent\n\n  ✗":                       {Message: client.Message{BodyEncoding: "none"}},
		"→ POST /hooks HTTP/1.1\n    Host:":       {Sent: true, Message: head},
	} {
		var out bytes.Buffer
		(&console{out: &out, err: &out}).attempt(&client.Attempt{Number: 1, Request: request, Error: &client.AttemptError{Class: "dns", Detail: "no such host"}})
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q, want %q", out.String(), want)
		}
	}
}

// TestHostileTextIsPrintedInert: whatever a receiver, a customer or a server
// says, the terminal is not spoken to.
func TestHostileTextIsPrintedInert(t *testing.T) {
	t.Parallel()
	const evil = "x\x1b[2J\x1b]0;t\x07\u202e\u009b1m\xff\r"
	header := client.Header{Name: evil, Value: evil}
	message := client.Message{Line: evil, Headers: []client.Header{header}, Body: evil, BodyEncoding: "text"}
	for name, print := range map[string]func(*console){
		"an attempt": func(c *console) {
			c.attempt(&client.Attempt{
				Request: client.Request{Sent: true, Message: message}, Response: &client.Response{Message: message},
				Error: &client.AttemptError{Class: evil, Detail: evil},
			})
		},
		"an attempt that was not sent": func(c *console) {
			c.attempt(&client.Attempt{Request: client.Request{Message: message}, Error: &client.AttemptError{Class: evil, Detail: evil}})
		},
		"a webhook": func(c *console) {
			printArrival(c, &arrival{head: []byte("POST /" + evil + " HTTP/1.1\r\nA" + evil + ": " + evil), body: []byte(evil), answer: evil})
		},
		"facts": func(c *console) { c.facts("description", evil) },
		"a table": func(c *console) {
			table := newTable(c, "A")
			table.row(evil)
			_ = table.flush()
		},
		"an error": func(c *console) { c.fail(&failure{what: evil, fix: evil}) },
	} {
		var out bytes.Buffer
		print(&console{out: &out, err: &out})
		text := out.String()
		if at := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }); at >= 0 || !strings.Contains(text, `\x1b[2J`) {
			t.Errorf("%s: %q", name, text)
		}
	}
}
