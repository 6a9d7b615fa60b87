package store

import (
	"io"
	"log/slog"
	"time"

	"github.com/malote-dev/malote/internal/secret"
)

// Heard is what a bus heard.
type Heard struct {
	Slot   int
	Kind   string
	A, B   int64
	Due, N int64
}

// Bus is a bus, for tests.
type Bus struct{ b *bus }

// ToAll is in place of a slot.
const ToAll = toAll

// NewBus begins one. What it hears, and that it missed something (Kind
// "missed"), comes on the channel.
func NewBus(database secret.Text, slot int, log io.Writer, echoes time.Duration, heard chan<- Heard) (*Bus, error) {
	config, err := parseURL(database)
	if err != nil {
		return nil, err
	}
	b := newBus(config, slot, slog.New(slog.NewTextHandler(log, nil)))
	b.echoes = echoes
	tell := func(h Heard) {
		select {
		case heard <- h:
		default: // nobody reads any more, and what hears must not wait
		}
	}
	b.hear = func(slot int, m message) {
		tell(Heard{slot, string(m.kind), m.endpoint, m.delivery, m.due, m.n})
	}
	b.missed = func() { tell(Heard{Kind: "missed"}) }
	b.start()
	return &Bus{b}, nil
}

// Grew tells of an endpoint's queue.
func (b *Bus) Grew(to int, endpoint, due int64) {
	b.b.tell(to, message{kind: tellGrew, endpoint: endpoint, due: due})
}

// Delivery tells of a delivery.
func (b *Bus) Delivery(to int, endpoint, delivery int64) {
	b.b.tell(to, message{kind: tellDelivery, endpoint: endpoint, delivery: delivery})
}

// Told and heard messages.
func (b *Bus) Told() uint64 { return b.b.told.Load() }

// Close ends it.
func (b *Bus) Close() { b.b.close() }
