package dashboard

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Streams are pages that go on: server-sent events, for as long as somebody
// looks. Each holds a connection, so there are only so many.
const (
	maxStreams   = 64
	streamFor    = time.Hour        // after which the browser asks anew
	streamAnswer = 10 * time.Second // that one message may take to be taken
)

// streams are those that are open.
type streams struct {
	slots chan struct{}
	ended chan struct{} // closed: no more
	once  sync.Once
}

func newStreams(most int) *streams {
	return &streams{slots: make(chan struct{}, most), ended: make(chan struct{})}
}

// End ends the pages that go on, and lets none begin: a server that stops waits
// for them else.
func (d *Dashboard) End() { d.streams.once.Do(func() { close(d.streams.ended) }) }

// Kinds of messages of a stream.
const (
	messageRows = "rows"
	messageFull = "full" // nothing will come: as many streams as may be are open, or the list is over
	messageOver = "over" // who looks is not signed in any more
)

// errOver ends a stream: who looks may not any more.
var errOver = errors.New("the visit is over")

// streamEnd ends a stream for good: nothing can come, and this says why.
type streamEnd struct{ says any }

func (*streamEnd) Error() string { return "nothing more can come" }

// stream writes what next says, at once and then every so often, until nobody
// listens, or who listens is signed out. full is said where there are too many.
func (v *visit) stream(every time.Duration, full any, next func() (any, error)) error {
	h := v.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // of proxies
	h.Add("Vary", "Accept-Language, Cookie")
	if v.r.Method == http.MethodHead {
		return nil
	}
	c := http.NewResponseController(v.w)
	_ = c.SetReadDeadline(time.Time{}) // a request has one, and nothing more is read
	select {
	case v.d.streams.slots <- struct{}{}:
		defer func() { <-v.d.streams.slots }()
	default:
		return v.message(c, messageFull, full)
	}
	end := time.NewTimer(streamFor)
	defer end.Stop()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if done, err := v.turn(c, next); done {
			return err
		}
		select {
		case <-v.r.Context().Done():
			return nil
		case <-v.d.streams.ended:
			return nil
		case <-end.C:
			return nil
		case <-tick.C:
		}
	}
}

// turn writes one message: nothing to somebody who was signed out meanwhile.
func (v *visit) turn(c *http.ResponseController, next func() (any, error)) (done bool, err error) {
	says, err := next()
	if err == nil {
		err = v.still()
	}
	var end *streamEnd
	switch {
	case v.r.Context().Err() != nil:
		return true, nil //nolint:nilerr // nobody listens any more
	case errors.Is(err, errOver):
		return true, v.message(c, messageOver, struct{}{})
	case errors.As(err, &end):
		return true, v.message(c, messageFull, end.says)
	case err != nil: // the browser tries again
		v.d.log.Warn("a page that goes on was ended", "page", v.page.pattern, "error", err)
		return true, nil
	}
	return v.message(c, messageRows, says) != nil, nil
}

// still finds whether who looks is signed in, and may.
func (v *visit) still() error {
	if err := v.find(); err != nil {
		return err
	}
	if v.visitor == nil || !has(v.visitor.Person.Role, v.page.role) {
		return errOver
	}
	return nil
}

func (v *visit) message(c *http.ResponseController, kind string, says any) error {
	text, err := json.Marshal(says)
	if err != nil {
		return err
	}
	_ = c.SetWriteDeadline(time.Now().Add(streamAnswer)) // each message has its own
	if _, err := fmt.Fprintf(v.w, "event: %s\ndata: %s\n\n", kind, text); err != nil {
		return nil //nolint:nilerr // a reader who is gone is no error of ours
	}
	return c.Flush()
}
