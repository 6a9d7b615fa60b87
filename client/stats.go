package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Stats is what happened to a project, a consumer or an endpoint.
type Stats struct {
	From       time.Time       `json:"from"`
	Until      time.Time       `json:"until"`
	Interval   string          `json:"interval"` // "minute", "hour" or "day"
	Pending    PendingCount    `json:"pending"`  // now
	Events     *int            `json:"events"`   // of a project: that were accepted; else nil
	Deliveries DeliveryCounts  `json:"deliveries"`
	Attempts   AttemptCounts   `json:"attempts"`
	Times      *ResponseTimes  `json:"response_times"`       // nil: no answer came
	LastOK     *time.Time      `json:"last_success_at"`      // of an endpoint ever, else in the window
	InARow     int             `json:"consecutive_failures"` // of an endpoint: attempts that failed since
	Forecast   *Forecast       `json:"forecast"`             // of an endpoint that something is pending for; else nil
	Buckets    []StatsInterval `json:"buckets"`              // every minute, hour or day, oldest first
}

// PendingCount is how many deliveries are pending; More: and more than that.
type PendingCount struct {
	Count int  `json:"count"`
	More  bool `json:"more"`
}

// Forecast is how long what is pending would take, if the receiver takes it as
// it did.
type Forecast struct {
	Seconds    *int       `json:"seconds"`     // from when it begins; nil: not known
	PerSecond  *float64   `json:"per_second"`  // nil: not known
	LimitedBy  string     `json:"limited_by"`  // "rate_limit" or "response_times"
	WaitsFor   string     `json:"waits_for"`   // why nothing goes at this moment; empty: nothing keeps it
	WaitsUntil *time.Time `json:"waits_until"` // nil: not known
}

// DeliveryCounts are deliveries that ended in the window.
type DeliveryCounts struct {
	Delivered   int      `json:"delivered"`
	Failed      int      `json:"failed"`
	Cancelled   int      `json:"cancelled"`
	SuccessRate *float64 `json:"success_rate"` // from 0 to 1; nil: none was delivered, and none failed
}

// AttemptCounts are attempts that began in the window.
type AttemptCounts struct {
	Total       int            `json:"total"`
	Succeeded   int            `json:"succeeded"`
	Failed      int            `json:"failed"`
	SuccessRate *float64       `json:"success_rate"` // from 0 to 1; nil: there were none
	Failures    []FailureCount `json:"failures"`     // the most frequent first
}

// FailureCount are attempts that failed for one cause, as in [AttemptError].
type FailureCount struct {
	Class string `json:"class"`
	Count int    `json:"count"`
}

// ResponseTimes are in milliseconds; percentiles are off by at most 6.25 %.
type ResponseTimes struct {
	Mean float64 `json:"mean_ms"`
	P50  float64 `json:"p50_ms"`
	P95  float64 `json:"p95_ms"`
	P99  float64 `json:"p99_ms"`
}

// StatsInterval is a minute, an hour or a day in UTC. Times are in milliseconds; nil:
// no answer came.
type StatsInterval struct {
	At             time.Time `json:"at"`
	Events         *int      `json:"events"` // of a project: that were accepted; else nil
	Delivered      int       `json:"delivered"`
	Failed         int       `json:"failed"`
	Cancelled      int       `json:"cancelled"`
	Attempts       int       `json:"attempts"`
	FailedAttempts int       `json:"failed_attempts"`
	Mean           *float64  `json:"mean_ms"`
	P50            *float64  `json:"p50_ms"`
	P95            *float64  `json:"p95_ms"`
}

// StatsFilter says what is counted; zero fields are the server's defaults.
type StatsFilter struct {
	Endpoint    string // id; goes before Consumer
	Consumer    string // uid; with neither: the project
	From, Until time.Time
	Interval    string // "minute" (of a project, within the last 120), "hour" (31 days) or "day" (400)
}

// Stats counts what happened.
func (c *Client) Stats(ctx context.Context, f StatsFilter) (*Stats, error) {
	path := "/v1/stats"
	switch {
	case f.Endpoint != "":
		path = "/v1/endpoints/" + url.PathEscape(f.Endpoint) + "/stats"
	case f.Consumer != "":
		path = "/v1/consumers/" + url.PathEscape(f.Consumer) + "/stats"
	}
	q := url.Values{}
	putTime(q, "from", f.From)
	putTime(q, "until", f.Until)
	put(q, "interval", f.Interval)
	return do[Stats](ctx, c, request{method: http.MethodGet, path: path, query: q})
}
