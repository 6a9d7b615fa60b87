package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/malote-dev/malote/client"
)

// What one call of an import takes; the API's limits are 1,000 and 8 MiB.
const (
	importEvents = 1000
	importBytes  = 6 << 20
)

type eventImportCmd struct {
	remote
	Events         string `arg:"" name:"file" placeholder:"@FILE" help:"Events, one JSON object a line with the fields of POST /v1/events/batch: @FILE, or - for standard input."`
	IdempotencyKey string `placeholder:"TEXT" help:"Makes a repeat of the same file safe, for events that have no idempotency_key of their own."`
}

// importedEvent is one line.
type importedEvent struct {
	Type      string          `json:"type"`
	Consumer  string          `json:"consumer"`
	Data      json.RawMessage `json:"data"`
	Timestamp time.Time       `json:"timestamp"`
	Channels  []string        `json:"channels"`
	Key       string          `json:"idempotency_key"`
}

// Run sends what stands in the file, a thousand at a time. What is wrong with
// one event does not stop the others.
func (i *eventImportCmd) Run(c *console) error {
	text, err := c.input("<events>", i.Events)
	if err != nil {
		return err
	}
	events, lines, err := readEvents(text)
	if err != nil {
		return err
	}
	var answered []byte
	ctx, api, stop, err := i.connect(func(body []byte) { answered = body })
	if err != nil {
		return err
	}
	defer stop()
	kept, refused := 0, 0
	for from, batch := 0, 1; from < len(events); batch++ {
		to, size := from, 0
		for to < len(events) && to-from < importEvents && (to == from || size+len(events[to].Data) < importBytes) {
			size += len(events[to].Data) + 512
			to++
		}
		key := ""
		if i.IdempotencyKey != "" {
			key = fmt.Sprintf("%s.%d", i.IdempotencyKey, batch)
		}
		r, err := api.SendBatch(ctx, events[from:to], key)
		if err != nil {
			if from > 0 {
				fmt.Fprintf(c.err, "Kept before it: %d events, up to line %d.\n", kept, lines[from-1])
			}
			return err
		}
		for n := range r.Results {
			if e := r.Results[n].Error; e != nil {
				fmt.Fprintf(c.err, "line %d: %s\n", lines[from+n], e.Detail)
			}
		}
		if i.JSON {
			var p struct{ Results []json.RawMessage }
			_ = json.Unmarshal(answered, &p) // the client has read it before
			rest := page{Data: p.Results}
			for len(rest.Data) > 0 {
				if err := rest.line(c.out); err != nil {
					return err
				}
			}
		}
		kept, refused, from = kept+r.Accepted, refused+r.Refused, to
	}
	if !i.JSON {
		fmt.Fprintf(c.out, "Kept: %d.\n", kept)
	}
	if refused > 0 {
		return usage(fmt.Sprintf("%d of %d events were refused", refused, len(events)), "correct the lines named above, and send them alone, or all again with idempotency keys")
	}
	return nil
}

// readEvents reads them, and the line of each; one that is no event stops it
// before anything is sent.
func readEvents(text []byte) (events []client.NewEvent, lines []int, err error) {
	number := 0
	for line := range bytes.Lines(text) {
		if number++; len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var e importedEvent
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		err := dec.Decode(&e)
		if err == nil {
			if _, more := dec.Token(); more != io.EOF {
				err = fmt.Errorf("there is more behind the object")
			}
		}
		if err == nil && e.Data == nil {
			err = fmt.Errorf("data is missing")
		}
		if err != nil {
			return nil, nil, usage(fmt.Sprintf("line %d: %v", number, err), `write one object a line, as in {"type":"invoice.paid","consumer":"acme","data":{"n":1}}; nothing was sent`)
		}
		events = append(events, client.NewEvent{Type: e.Type, Consumer: e.Consumer, Data: e.Data, Timestamp: e.Timestamp, Channels: e.Channels, IdempotencyKey: e.Key})
		lines = append(lines, number)
	}
	if len(events) == 0 {
		return nil, nil, usage("there are no events in it", "write one JSON object a line")
	}
	return events, lines, nil
}
