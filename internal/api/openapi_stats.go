package api

import "github.com/malote-dev/malote/internal/store"

// Words of the routes that count.

var statsTypes = map[string]typeWords{
	"statsView":        {name: "Stats", text: "What happened, from counters: exact, but for percentiles, which are off by at most 6.25 %, and for events: a crash loses how many came in its last seconds, and those of other servers are counted up to half a minute later."},
	"pendingView":      {name: "StatsPending", text: "Deliveries that are pending now."},
	"deliveryCounts":   {name: "StatsDeliveries", text: "Deliveries that ended in the window. One that is retried after its end counts again when it ends again."},
	"attemptCounts":    {name: "StatsAttempts", text: "Attempts that began in the window."},
	"failureView":      {name: "StatsFailures", text: "Attempts that failed for one cause."},
	"responseTimeView": {name: "StatsResponseTimes", text: "From the start of an attempt to the end of its answer, in milliseconds; of attempts that got an answer."},
	"forecastView":     {name: "StatsForecast", text: "How long what is pending would take, if the receiver takes it as it did in the window. What failed before goes when its next attempt is due, and not before."},
	"bucketView":       {name: "StatsBucket", text: "A minute, an hour or a day. Times are null where no answer came."},
}

var statsFields = map[string]fieldWords{
	"statsView.from":                 {text: "When the first interval begins, in UTC.", always: true},
	"statsView.until":                {text: "When the last interval ends.", always: true},
	"statsView.interval":             {text: "How long each of the buckets is.", enum: []string{byMinute, byHour, byDay}},
	"statsView.events":               {text: "Of a project: events that were accepted in the window, whomever they reached.", min: new(0)},
	"statsView.pending":              {text: "Deliveries that are pending now."},
	"statsView.deliveries":           {text: "Deliveries that ended in the window."},
	"statsView.attempts":             {text: "Attempts in the window."},
	"statsView.response_times":       {text: "How long answers took; null: none came."},
	"statsView.last_success_at":      {text: "The last attempt that succeeded: of an endpoint ever, else in the window; null: none did."},
	"statsView.consecutive_failures": {text: "Of an endpoint: attempts that failed since the last one that succeeded. What this server broke off itself is not counted.", min: new(0)},
	"statsView.buckets":              {text: "Each interval of the window, oldest first.", maxItems: new(store.MaxHours)},
	"statsView.forecast":             {text: "Of an endpoint that something is pending for."},
	"forecastView.seconds":           {text: "From when it begins; of those that are counted. null: not known.", min: new(1)},
	"forecastView.per_second":        {text: "How many leave a second at most; null: not known, no answer came in the window and there is no rate."},
	"forecastView.limited_by":        {text: "What says so: the rate a minute, or how long answers take with as many requests under way as may be; null: not known.", enum: []string{byRate, byResponse}},
	"forecastView.waits_for":         {text: "Why nothing goes at this moment; empty: nothing keeps it."},
	"forecastView.waits_until":       {text: "Until when at least; null: not known, or nothing keeps it."},
	"pendingView.count":              {text: "How many; at most 10,000 are counted.", min: new(0), max: new(10_000)},
	"pendingView.more":               {text: "There are more than were counted."},
	"failureView.class":              {text: "The cause, as in error.class of an attempt."},
	"failureView.count":              {text: "How many.", min: new(1)},
	"attemptCounts.total":            {text: "All of them.", min: new(0)},
	"attemptCounts.failures":         {text: "Those that failed, by cause, the most frequent first."},
	"attemptCounts.failed":           {text: "Attempts that did not succeed.", min: new(0)},
	"bucketView.at":                  {text: "When it begins.", always: true},
	"bucketView.events":              {text: "Of a project: events that were accepted in it.", min: new(0)},
	"bucketView.attempts":            {text: "Attempts that began in it.", min: new(0)},
	"bucketView.failed_attempts":     {text: "Of those, the ones that did not succeed.", min: new(0)},
	".delivered":                     {text: "Deliveries that were delivered.", min: new(0)},
	".failed":                        {text: "Deliveries that failed.", min: new(0)},
	".cancelled":                     {text: "Deliveries that were cancelled.", min: new(0)},
	".succeeded":                     {text: "Attempts that succeeded.", min: new(0)},
	".success_rate":                  {text: "The share that succeeded, from 0 to 1, of those that succeeded or failed; null: there were none."},
	".mean_ms":                       {text: "The mean."},
	".p50_ms":                        {text: "The median."},
	".p95_ms":                        {text: "95 of 100 were not slower."},
	".p99_ms":                        {text: "99 of 100 were not slower."},
}

var statsParameters = map[string]fieldWords{
	"interval": {text: "How long each of the buckets is: minute, for a window in the last 120 minutes, of a project alone; hour, for one in the last 31 days; or day, for the last 400. Days are those of UTC.", enum: []string{byMinute, byHour, byDay}, standard: byHour},
}

var statsRoutes = map[string]routeWords{
	"GET /v1/stats":                 {id: "getStats", tag: "Stats", text: "The last 24 hours, or with interval=minute 60 minutes, with interval=day 30 days, where the query does not say else. A key of one consumer gets that consumer's."},
	"GET /v1/consumers/{uid}/stats": {id: "getConsumerStats", tag: "Stats", text: "The last 24 hours, or with interval=day 30 days, where the query does not say else."},
	"GET /v1/endpoints/{id}/stats":  {id: "getEndpointStats", tag: "Stats", text: "The last 24 hours, or with interval=day 30 days, where the query does not say else."},
}
