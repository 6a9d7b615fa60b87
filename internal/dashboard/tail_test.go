package dashboard_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/malote-dev/malote/client"
)

// message is one of a stream.
type message struct{ kind, html, says string }

// listen opens a stream, and reads its messages until it ends, or the test does.
func (v *visitor) listen(path string) <-chan message {
	v.s.Helper()
	ctx, cancel := context.WithCancel(v.s.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.s.url+path, nil)
	v.s.no(err)
	r.Header.Set("Accept", "text/event-stream")
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	resp, err := v.http.Do(r)
	v.s.no(err)
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		v.s.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	out, ended := make(chan message, 10_000), make(chan struct{})
	go func() {
		defer close(ended)
		defer close(out)
		defer resp.Body.Close()
		lines, m := bufio.NewScanner(resp.Body), message{}
		lines.Buffer(nil, 4<<20)
		for lines.Scan() {
			name, text, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "event":
				m.kind = text
			case "data":
				var said struct{ HTML, Says string }
				_ = json.Unmarshal([]byte(text), &said)
				m.html, m.says = said.HTML, said.Says
			case "":
				out <- m
				m = message{}
			}
		}
	}()
	v.s.Cleanup(func() {
		cancel()
		<-ended
	})
	return out
}

// until reads messages until one is as it should be.
func until(t *testing.T, from <-chan message, what string, so func(message) bool) {
	t.Helper()
	for m := range from {
		if so(m) {
			return
		}
	}
	t.Fatalf("the stream ended, and never: %s", what)
}

// TestTail: what comes in is shown as it comes in, by the filters of the list,
// and a delivery again when something came of it; a stream ends with its session.
func TestTail(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	p, c := s.project("shop")
	_, err := c.CreateEndpoint(t.Context(), client.NewEndpoint{Consumer: "acme", URL: s.receiver.URL + "/hook", EventTypes: []string{"*"}})
	s.no(err)
	base := "/p/" + p.ID
	owner.get(base+"/events?type=invoice.paid").mentions(t, base+"/events/live?type=invoice.paid")
	owner.get(base+"/events/live?type=invoice.paid").mentions(t, ` source="`+base+`/events/live/stream?type=invoice.paid"`, base+"/events?type=invoice.paid")
	if page := owner.get(base + "/events/live?from=x"); page.status != http.StatusBadRequest || strings.Contains(page.body, ` source="/`) {
		t.Errorf("%d %s", page.status, page.body)
	}
	until(t, owner.listen(base+"/events/live/stream?until=2026-01-31T09:00"), "nothing", func(m message) bool {
		return m.kind == "full" && strings.Contains(m.says, "Nothing more comes in")
	})
	events, deliveries := owner.listen(base+"/events/live/stream?type=invoice.paid"), owner.listen(base+"/deliveries/live/stream")
	live := func(m message) bool { return strings.Contains(m.says, "What comes in shows here") }
	until(t, events, "live", live)
	until(t, deliveries, "live", live)
	other := s.event(c, "acme", "task.made", "{}")
	wanted := s.event(c, "acme", "invoice.paid", `{"note":"<b>"}`)
	until(t, events, "the event", func(m message) bool {
		if strings.Contains(m.html, other) {
			t.Error("the filter does not hold")
		}
		return strings.Contains(m.html, wanted)
	})
	until(t, deliveries, "delivered", func(m message) bool {
		return strings.Contains(m.html, "s-delivered") && strings.Contains(m.html, "task.made")
	})

	owner.post("/signout")
	until(t, events, "over", func(m message) bool { return m.kind == "over" })
	for m := range events {
		t.Errorf("after the end: %+v", m)
	}
	until(t, deliveries, "over", func(m message) bool { return m.kind == "over" })
	until(t, s.visitor().listen(base+"/events/live/stream"), "over", func(m message) bool { return m.kind == "over" })
}

// TestTailSamples: of many, few are shown, and it says so.
func TestTailSamples(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	p, c := s.project("shop")
	events := owner.listen("/p/" + p.ID + "/events/live/stream")
	until(t, events, "live", func(m message) bool { return m.says != "" })
	batch := make([]client.NewEvent, 1000)
	for i := range batch {
		batch[i] = client.NewEvent{Type: "invoice.paid", Consumer: "acme", Data: []byte(fmt.Sprint(i))}
	}
	_, err := c.SendBatch(t.Context(), batch, "")
	s.no(err)
	until(t, events, "a sample", func(m message) bool {
		return strings.HasPrefix(m.says, "showing 20 of ") && strings.Count(m.html, "<tr") == 20
	})
}

// TestTailsAreFew: one more than may be open is told so.
func TestTailsAreFew(t *testing.T) {
	t.Parallel()
	s := open(t)
	owner := s.owner()
	p, _ := s.project("shop")
	for range 64 {
		until(t, owner.listen("/p/"+p.ID+"/events/live/stream"), "live", func(m message) bool { return m.kind == "rows" })
	}
	until(t, owner.listen("/p/"+p.ID+"/events/live/stream"), "full", func(m message) bool {
		return m.kind == "full" && strings.Contains(m.says, "64")
	})
}

// flood sends hundreds of events a second, until it is stopped.
type flood struct {
	count atomic.Int64
	stop  func()
}

func (f *flood) sent() int64 { return f.count.Load() }

func flooding(t *testing.T, c *client.Client) *flood {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f, ended := &flood{}, make(chan struct{})
	f.stop = func() { cancel(); <-ended }
	t.Cleanup(f.stop)
	batch := make([]client.NewEvent, 50)
	for i := range batch {
		batch[i] = client.NewEvent{Type: "invoice.paid", Consumer: "acme", Data: []byte(fmt.Sprint(i))}
	}
	go func() {
		defer close(ended)
		tick := time.NewTicker(100 * time.Millisecond) // 500 a second
		defer tick.Stop()
		for ctx.Err() == nil {
			if _, err := c.SendBatch(ctx, batch, ""); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
			f.count.Add(int64(len(batch)))
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	}()
	return f
}
