package documented

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/match"
	"github.com/malote-dev/malote/internal/store"
)

// A tarefa webhook has an address, /api/webhooks/{userId}/{secret}: who knows
// it may ask whether the webhook is there, and who signs with the webhook's
// own secret may send events in, which go to the user's webhooks like any other.

const (
	inboundRate   = 100       // events a minute for each address
	inboundBudget = 64 << 20  // bytes of bodies that are read at once
	inboundMargin = 16 << 10  // around the data
	inboundKey    = "inbound" // whose idempotency keys they are
)

// addressed is the endpoint of the path's secret.
func (c *call) addressed() (*store.Endpoint, error) {
	if c.address == nil || c.address.Endpoint == nil {
		return nil, notActive()
	}
	e := c.address.Endpoint
	if e.State != store.Active || e.Consumer != c.r.PathValue("userId") {
		return nil, notActive()
	}
	return e, nil
}

type tarefaHealth struct {
	Message        string   `json:"message"`
	UserID         string   `json:"userId"`
	WebhookID      string   `json:"webhookId"`
	AcceptedEvents []string `json:"acceptedEvents"`
	IsActive       bool     `json:"isActive"`
}

type tarefaReceived struct {
	Received    bool   `json:"received"`
	ProcessedAt millis `json:"processedAt"`
}

func healthTarefa(c *call) (*tarefaHealth, error) {
	e, err := c.addressed()
	if err != nil {
		return nil, err
	}
	return &tarefaHealth{"Webhook endpoint is active", e.Consumer, c.id(e), e.EventTypes, true}, nil
}

func receiveTarefa(c *call) (*tarefaReceived, error) {
	e, err := c.addressed()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if wait, ok := c.d.in.admit(e.ID, now); !ok {
		return nil, tooMany(fmt.Sprintf("Maximum %d requests per minute", inboundRate), wait)
	}
	body, err := c.eventBody()
	if err != nil {
		return nil, err
	}
	if e, err = c.addressed(); err != nil { // as it is now that the body is in
		return nil, err
	}
	if !c.dialect.Verify(c.r.Header, body, inForce(e, now), now).OK {
		return nil, &fault{status: http.StatusUnauthorized, err: "Invalid signature"}
	}
	if err := c.takeIn(e, body); err != nil {
		return nil, err
	}
	return &tarefaReceived{true, millis(time.Now())}, nil
}

// takeIn keeps the event of a body that was verified. The same type, timestamp
// and data are the same event: a sender may repeat it, and a webhook whose URL
// is an address of its own user does not go round in circles.
func (c *call) takeIn(e *store.Endpoint, body []byte) error {
	ev, err := readEvent(body)
	if err != nil {
		return err
	}
	if ev.Type != c.dialect.Test.Type && !match.Type(e.EventTypes, ev.Type) {
		return invalid(fmt.Sprintf("This webhook does not accept the event %q; it accepts %s", ev.Type, strings.Join(e.EventTypes, ", ")))
	}
	r := ingest.Request{Project: c.project.ID, Type: ev.Type, Consumer: e.Consumer, Data: ev.Data, Timestamp: ev.Time, KeysOf: inboundKey}
	if !ev.Time.IsZero() {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %s", ev.Type, ev.Time.UnixMilli(), ev.Data))
		r.IdempotencyKey = c.id(e) + "." + hex.EncodeToString(sum[:])
	}
	results, err := c.d.ingest.Accept(c.r.Context(), []ingest.Request{r})
	if err != nil {
		return err
	}
	return results[0].Err
}

// inboundEvent is as much of a delivery's body as makes an event; webhookId
// and userId follow from the address.
type inboundEvent struct {
	Type string          `json:"event"`
	Time time.Time       `json:"timestamp"`
	Data json.RawMessage `json:"data"` // the bytes as they came in
}

func readEvent(body []byte) (*inboundEvent, error) {
	var ev inboundEvent
	if err := json.Unmarshal(body, &ev); err != nil || ev.Type == "" || len(ev.Data) == 0 {
		return nil, invalid("The body must be an event: event, timestamp (as in 2026-01-31T09:30:00.000Z) and data")
	}
	return &ev, nil
}

// inboundLimit is how many bytes a body with an event may have.
func inboundLimit(maxData int) int64 { return int64(maxData) + inboundMargin }

// eventBody reads a body that may be as large as an event.
func (c *call) eventBody() ([]byte, error) {
	limit := inboundLimit(c.d.ingest.MaxData())
	defer c.d.bodies.Add(-limit)
	if c.d.bodies.Add(limit) > inboundBudget {
		return nil, unavailable("1", nil)
	}
	return c.body(limit)
}

// inForce are the secrets that a sender may sign with now.
func inForce(e *store.Endpoint, now time.Time) []string {
	var out []string
	for _, s := range e.Secrets {
		if s.ExpiresAt.IsZero() || s.ExpiresAt.After(now) {
			out = append(out, s.Value.Reveal())
		}
	}
	return out
}
