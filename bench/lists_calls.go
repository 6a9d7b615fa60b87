package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"
)

// call is one kind of request of somebody who looks.
type call struct {
	name string
	path func() string // another one each time
}

// seen is what a look at the store found, for calls to ask after.
type seen struct {
	from, until time.Time // when the first and the last event were accepted
	events      []string
	deliveries  []string
	endpoints   []string
	consumers   int
	stored      int
}

type listed struct {
	Data []struct {
		ID         string    `json:"id"`
		EventID    string    `json:"event_id"`
		EndpointID string    `json:"endpoint_id"`
		CreatedAt  time.Time `json:"created_at"`
	} `json:"data"`
}

// look finds events and deliveries of all times.
func (b *bed) look(ctx context.Context) (*seen, error) {
	const samples = 100
	f := &seen{consumers: b.s.o.endpoints, stored: b.s.o.lists}
	var project struct {
		Data []struct {
			ID        string    `json:"id"`
			CreatedAt time.Time `json:"created_at"`
		} `json:"data"`
	}
	if err := b.site.API(b.site.RootKey).Do(ctx, http.MethodGet, "/v1/projects", nil, &project); err != nil {
		return nil, err
	}
	f.from = project.Data[0].CreatedAt
	var newest listed
	if err := b.api.Do(ctx, http.MethodGet, "/v1/events?limit=1", nil, &newest); err != nil {
		return nil, err
	}
	f.until = newest.Data[0].CreatedAt
	for range samples {
		var page listed
		if err := b.api.Do(ctx, http.MethodGet, "/v1/deliveries?limit=1&until="+f.moment(), nil, &page); err != nil {
			return nil, err
		}
		for _, d := range page.Data {
			f.events, f.deliveries, f.endpoints = append(f.events, d.EventID), append(f.deliveries, d.ID), append(f.endpoints, d.EndpointID)
		}
	}
	if len(f.events) == 0 {
		return nil, fmt.Errorf("nothing is stored between %s and %s", f.from, f.until)
	}
	return f, nil
}

// moment is a random time between the first event and the last.
func (f *seen) moment() string {
	at := f.from.Add(time.Duration(rand.Int64N(max(1, int64(f.until.Sub(f.from))))))
	return url.QueryEscape(at.UTC().Format(time.RFC3339Nano))
}

func oneOf(all []string) string { return all[rand.IntN(len(all))] }

func (f *seen) consumer() string { return consumerName(rand.IntN(f.consumers)) }

// callsOf is what dashboards, portals and people with a question ask.
func callsOf(f *seen) []call {
	fixed := func(name, path string) call { return call{name, func() string { return path }} }
	return []call{
		fixed("events", "/v1/events"),
		fixed("events, 250", "/v1/events?limit=250"),
		{"events of a consumer", func() string { return "/v1/events?consumer=" + f.consumer() }},
		{"events of a consumer and type", func() string { return "/v1/events?type=bench.other&consumer=" + f.consumer() }},
		fixed("events of a rare type", "/v1/events?type=bench.rare"),
		{"events until a time", func() string { return "/v1/events?until=" + f.moment() }},
		{"event by id", func() string { return "/v1/events?id=" + oneOf(f.events) }},
		{"event by idempotency key", func() string {
			return "/v1/events?idempotency_key=" + keyOf(rand.IntN(max(1, f.stored/everyKeyed))*everyKeyed)
		}},
		fixed("events of a channel (none is)", "/v1/events?channel=nowhere"),
		{"one event", func() string { return "/v1/events/" + oneOf(f.events) }},
		fixed("deliveries", "/v1/deliveries"),
		{"deliveries of an endpoint", func() string { return "/v1/deliveries?endpoint_id=" + oneOf(f.endpoints) }},
		{"deliveries of a consumer, then", func() string { return "/v1/deliveries?consumer=" + f.consumer() + "&until=" + f.moment() }},
		{"deliveries of an event", func() string { return "/v1/deliveries?event_id=" + oneOf(f.events) }},
		fixed("deliveries of a type", "/v1/deliveries?type=bench.other"),
		fixed("failed", "/v1/deliveries?state=failed"),
		fixed("failed or pending, with a 4xx", "/v1/deliveries?state=failed,pending&last_status=4xx"),
		fixed("with a 404, in any state", "/v1/deliveries?last_status=404"),
		{"with a 503 (none is), then", func() string { return "/v1/deliveries?last_status=503&until=" + f.moment() }},
		fixed("no answer (none is)", "/v1/deliveries?last_status=none"),
		fixed("delivered, of a rare type", "/v1/deliveries?state=delivered&type=bench.rare"),
		{"one delivery", func() string { return "/v1/deliveries/" + oneOf(f.deliveries) }},
		{"its attempts", func() string { return "/v1/deliveries/" + oneOf(f.deliveries) + "/attempts" }},
		fixed("replays", "/v1/replays"),
		fixed("statistics of the project", "/v1/stats"),
		fixed("statistics of the project, days", "/v1/stats?interval=day"),
		{"statistics of a consumer", func() string { return "/v1/consumers/" + f.consumer() + "/stats" }},
		{"statistics of an endpoint", func() string { return "/v1/endpoints/" + oneOf(f.endpoints) + "/stats" }},
	}
}

// callTimes is what a kind of call took, in milliseconds.
type callTimes struct {
	Name  string  `json:"name"`
	When  string  `json:"when"`
	Calls int     `json:"calls"`
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
}

// calls prints and keeps how long each kind of call took.
func (s *section) calls(when string, calls []call, took [][]float64) {
	fmt.Printf("\n%-36s %7s %9s %9s\n", when, "calls", "p50 ms", "p99 ms")
	for i := range calls {
		p50, p99 := percentiles(took[i])
		s.Calls = append(s.Calls, callTimes{calls[i].name, when, len(took[i]), p50, p99})
		fmt.Printf("%-36s %7d %9.2f %9.2f\n", calls[i].name, len(took[i]), p50, p99)
	}
	fmt.Println()
}

func pooled(took [][]float64) (all []float64) {
	for _, t := range took {
		all = append(all, t...)
	}
	return all
}

// worst is the p99 of the slowest kind of call.
func worst(took [][]float64) (most float64) {
	for _, t := range took {
		_, p99 := percentiles(t)
		most = max(most, p99)
	}
	return most
}
