package documented

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/store"
)

const tarefaName = "tarefa"

// tarefa: webhooks of numbered users, each with an address that takes events in.
func tarefa(d *Door) *contract {
	c := newContract(d, tarefaName, detailed, []route{
		{method: "POST", pattern: "/api/webhooks", access: write, status: 201, action: creates(createTarefa)},
		{method: "GET", pattern: "/api/webhooks", access: read, status: 200, own: true, action: gives(listTarefa)},
		{method: "GET", pattern: "/api/webhooks/{id}", access: read, status: 200, own: true, action: gives(getTarefa)},
		{method: "PUT", pattern: "/api/webhooks/{id}", access: write, status: 200, own: true, action: takes(updateTarefa)},
		{method: "DELETE", pattern: "/api/webhooks/{id}", access: write, status: 200, own: true, action: gives(deleteTarefa)},
		{method: "POST", pattern: "/api/webhooks/{id}/test", access: write, status: 200, action: gives(testTarefa)},
		{method: "GET", pattern: "/api/webhooks/{id}/logs", access: read, status: 200, action: asks[tarefaLogQuery](logsTarefa)},
		{method: "GET", pattern: "/api/webhooks/{userId}/{secret}", access: public, status: 200, action: gives(healthTarefa)},
		{method: "POST", pattern: "/api/webhooks/{userId}/{secret}", access: public, status: 200, action: receives[inboundEvent](receiveTarefa)},
	})
	c.missing = notActive().err // its documentation has one 404 for all calls
	return c
}

type tarefaInput struct {
	URL         *string   `json:"url"`
	Events      *[]string `json:"events"`
	Description *string   `json:"description"`
	IsActive    *bool     `json:"isActive"`
}

func (in *tarefaInput) fields() *api.EndpointFields {
	return &api.EndpointFields{URL: in.URL, EventTypes: in.Events, Description: in.Description, Enabled: in.IsActive}
}

// tarefaCreated is the one answer that shows the secret.
type tarefaCreated struct {
	ID        string     `json:"id"`
	UserID    userNumber `json:"userId"`
	URL       string     `json:"url"`
	Secret    string     `json:"secret"`
	Events    []string   `json:"events"`
	IsActive  bool       `json:"isActive"`
	CreatedAt millis     `json:"createdAt"`
}

type tarefaWebhook struct {
	ID          string     `json:"id"`
	UserID      userNumber `json:"userId"`
	URL         string     `json:"url"`
	Description string     `json:"description"`
	Events      []string   `json:"events"`
	IsActive    bool       `json:"isActive"`
	FailedAt    millis     `json:"failedAt"` // since when it is marked failed; null: it is not
	CreatedAt   millis     `json:"createdAt"`
}

type tarefaMade struct {
	Success bool          `json:"success"`
	Webhook tarefaCreated `json:"webhook"`
}

type tarefaOne struct {
	Success bool          `json:"success"`
	Webhook tarefaWebhook `json:"webhook"`
}

type tarefaMany struct {
	Success  bool            `json:"success"`
	Webhooks []tarefaWebhook `json:"webhooks"`
}

type tarefaDone struct {
	Success bool `json:"success"`
}

type tarefaTested struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
}

// userNumber is a consumer as JSON: a number, of as many digits as it has.
type userNumber json.RawMessage

// MarshalJSON writes it as it is.
func (n userNumber) MarshalJSON() ([]byte, error) { return n, nil }

// userID writes a consumer as a number. One that is none, made before the
// project spoke this dialect, stays a string.
func userID(uid string) userNumber {
	for i := range len(uid) {
		if uid[i] < '0' || uid[i] > '9' || i == 0 && uid[0] == '0' && len(uid) > 1 {
			return userNumber(strconv.Quote(uid)) // uids are visible ASCII
		}
	}
	return userNumber(uid)
}

func viewTarefa(c *call, e *store.Endpoint) tarefaWebhook {
	return tarefaWebhook{
		ID: c.id(e), UserID: userID(e.Consumer), URL: e.URL, Description: e.Description, Events: e.EventTypes,
		IsActive: e.State == store.Active, FailedAt: millis(e.FailedAt), CreatedAt: millis(e.CreatedAt),
	}
}

func createTarefa(c *call, in *tarefaInput) (*tarefaMade, error) {
	if err := missing("url", in.URL, "events", in.Events); err != nil {
		return nil, err
	}
	e, err := c.createWebhook(in.fields(), func(e *store.Endpoint) any { return madeTarefa(c, e) })
	if err != nil {
		return nil, err
	}
	return madeTarefa(c, e), nil
}

func madeTarefa(c *call, e *store.Endpoint) *tarefaMade {
	return &tarefaMade{Success: true, Webhook: tarefaCreated{
		ID: c.id(e), UserID: userID(e.Consumer), URL: e.URL, Secret: revealed(e), Events: e.EventTypes,
		IsActive: e.State == store.Active, CreatedAt: millis(e.CreatedAt),
	}}
}

func listTarefa(c *call) (*tarefaMany, error) {
	es, err := c.listWebhooks()
	if err != nil {
		return nil, err
	}
	out := &tarefaMany{Success: true, Webhooks: make([]tarefaWebhook, len(es))}
	for i, e := range es {
		out.Webhooks[i] = viewTarefa(c, e)
	}
	return out, nil
}

func oneTarefa(c *call, e *store.Endpoint, err error) (*tarefaOne, error) {
	if err != nil {
		return nil, err
	}
	return &tarefaOne{Success: true, Webhook: viewTarefa(c, e)}, nil
}

func getTarefa(c *call) (*tarefaOne, error) {
	e, err := c.webhook()
	return oneTarefa(c, e, err)
}

func updateTarefa(c *call, in *tarefaInput) (*tarefaOne, error) {
	e, err := c.updateWebhook(in.fields())
	return oneTarefa(c, e, err)
}

func deleteTarefa(c *call) (*tarefaDone, error) {
	return &tarefaDone{true}, c.deleteWebhook()
}

// testTarefa sends the contract's test event; the log says what came of it.
func testTarefa(c *call) (*tarefaTested, error) {
	e, err := c.webhook()
	if err != nil {
		return nil, err
	}
	if e.State != store.Active {
		return nil, notActive()
	}
	if wait, ok := c.d.tests.admit(e.ID, time.Now()); !ok {
		return nil, tooMany("Maximum 1 test per second", wait)
	}
	r, err := c.d.ingest.Test(c.r.Context(), c.project.ID, e.ID)
	if err == nil {
		err = r.Err
	}
	if err != nil {
		return nil, err
	}
	return &tarefaTested{true, "Test webhook sent"}, nil
}

// tarefaLog is one attempt.
type tarefaLog struct {
	ID           string `json:"id"`
	WebhookID    string `json:"webhookId"`
	Event        string `json:"event"`
	URL          string `json:"url"`
	StatusCode   *int   `json:"statusCode"` // null: no answer came
	ResponseTime int64  `json:"responseTime"`
	Attempt      int    `json:"attempt"`
	Success      bool   `json:"success"`
	Timestamp    millis `json:"timestamp"`
}

type tarefaPage struct {
	Total  int64 `json:"total"`
	Limit  int   `json:"limit"`
	Offset int   `json:"offset"`
}

type tarefaLogs struct {
	Success    bool        `json:"success"`
	Logs       []tarefaLog `json:"logs"`
	Pagination tarefaPage  `json:"pagination"`
}

// Limits of a page of logs; more is cut down to the most.
const (
	defaultLogs = 50
	maxLogs     = 100
)

// tarefaLogQuery are the parameters of the logs.
type tarefaLogQuery struct {
	Limit  int `query:"limit"`
	Offset int `query:"offset"`
}

func logsTarefa(c *call) (*tarefaLogs, error) {
	limit, err := c.limit()
	if err != nil {
		return nil, err
	}
	offset, err := c.number("offset", 0, 0, store.MaxLogOffset)
	if err != nil {
		return nil, err
	}
	e, err := c.webhook()
	if err != nil {
		return nil, err
	}
	out := &tarefaLogs{Success: true, Logs: []tarefaLog{}, Pagination: tarefaPage{Limit: limit, Offset: offset}}
	logs, err := c.d.store.AttemptLog(c.r.Context(), e.ID, offset, out.Pagination.Limit)
	if err != nil {
		return nil, err
	}
	t, err := c.traffic(e)
	if err != nil {
		return nil, err
	}
	out.Pagination.Total = max(t[0].Attempts, int64(len(logs)))
	for i := range logs {
		out.Logs = append(out.Logs, c.logOf(e, &logs[i]))
	}
	return out, nil
}

func (c *call) logOf(e *store.Endpoint, l *store.Logged) tarefaLog {
	a := l.Attempt
	v := tarefaLog{
		ID: c.dialect.IDs.Delivery.Format(l.Delivery), WebhookID: c.id(e), Event: l.EventType, URL: e.URL,
		ResponseTime: a.Timings.Total.Milliseconds(), Attempt: a.Number, Timestamp: millis(a.At),
		Success: a.Class == "" && c.dialect.Acknowledged(a.Status),
	}
	if a.Number > 1 { // each record has an id of its own
		v.ID += "_" + strconv.Itoa(a.Number)
	}
	if a.Status > 0 {
		v.StatusCode = &a.Status
	}
	return v
}

// limit of a page of logs; who asks for more than the most gets the most.
func (c *call) limit() (int, error) {
	text := c.r.URL.Query().Get("limit")
	if text == "" {
		return defaultLogs, nil
	}
	n, err := strconv.Atoi(text)
	if errors.Is(err, strconv.ErrRange) && text[0] != '-' {
		return maxLogs, nil
	}
	if err != nil || n < 1 {
		return 0, invalid(fmt.Sprintf("limit must be a number from 1 to %d; more is taken as %d", maxLogs, maxLogs))
	}
	return min(n, maxLogs), nil
}

// number reads a parameter; one that was not sent has a default.
func (c *call) number(name string, without, low, high int) (int, error) {
	text := c.r.URL.Query().Get(name)
	if text == "" {
		return without, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, invalid(fmt.Sprintf("%s must be a number from %d to %d", name, low, high))
	}
	return n, nil
}

func notActive() *fault {
	return &fault{status: http.StatusNotFound, err: "Webhook not found or inactive"}
}

func tooMany(message string, wait time.Duration) *fault {
	seconds := int(math.Ceil(wait.Seconds()))
	return (&fault{status: http.StatusTooManyRequests, err: "Rate limit exceeded", message: message}).with("Retry-After", strconv.Itoa(max(1, seconds)))
}
