package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/malote-dev/malote/webhook"
)

// maxShown bounds what is printed of one body.
const maxShown = 4 << 10

// printArrival shows one webhook as its receiver saw it: the request as it
// was on the wire, whether the signature held, and the answer.
func printArrival(c *console, a *arrival) {
	s := c.style()
	requestLine, headers, _ := bytes.Cut(a.head, []byte("\r\n"))
	fmt.Fprintf(c.out, "\n  %s %s\n", s.cyan("→"), s.bold(oneLine(string(requestLine))))
	for field := range strings.SplitSeq(string(headers), "\r\n") {
		name, value, _ := strings.Cut(field, ":")
		fmt.Fprintf(c.out, "    %s%s\n", s.dim(oneLine(name)+":"), oneLine(value))
	}
	fmt.Fprintf(c.out, "\n    %s\n\n", visible(shown(a.body)))
	if a.event != nil {
		fmt.Fprintf(c.out, "  %s\n", s.green("✓ the signature is right: the secret of the endpoint signed these bytes"))
	} else {
		fmt.Fprintf(c.out, "  %s\n", s.red("✗ refused: "+oneLine(a.verdict.Detail)))
	}
	fmt.Fprintf(c.out, "  %s %s  %s\n", s.cyan("←"), s.bold(statusLine(a.status)), s.dim(oneLine(a.answer)))
}

func shown(body []byte) string {
	if len(body) > maxShown {
		return string(body[:maxShown]) + fmt.Sprintf("… (%d bytes in all)", len(body))
	}
	return string(body)
}

func statusLine(status int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
}

// sample is an event of a dialect to begin with: the shortest example of its
// catalogue, or an invoice.
func sample(d *webhook.Dialect) (eventType string, data []byte) {
	eventType, data = "invoice.paid", []byte(`{"invoice":"inv_42","amount":"99.90","currency":"BRL"}`)
	found := false
	for _, e := range d.Events {
		var b bytes.Buffer
		if len(e.Example) == 0 || json.Compact(&b, e.Example) != nil {
			continue
		}
		if !found || b.Len() < len(data) {
			eventType, data, found = e.Type, b.Bytes(), true
		}
	}
	return eventType, data
}

// curlFor is a command to paste: it sends one event.
func curlFor(url, key, eventType, consumer string, data []byte) string {
	var body bytes.Buffer
	body.WriteString(`{"type":`)
	body.Write(quoteJSON(eventType))
	body.WriteString(`,"consumer":`)
	body.Write(quoteJSON(consumer))
	body.WriteString(`,"data":`)
	body.Write(data)
	body.WriteByte('}')
	return "curl -X POST " + url + "/v1/events \\\n" +
		"    -H 'Authorization: Bearer " + key + "' \\\n" +
		"    -H 'Content-Type: application/json' \\\n" +
		"    -d '" + strings.ReplaceAll(body.String(), "'", `'\''`) + "'"
}

func quoteJSON(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		return []byte(`""`) // a string always encodes
	}
	return b
}

func roundTrip(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }
