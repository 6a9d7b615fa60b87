package api

import (
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/malote-dev/malote/internal/ingest"
)

// metrics of the API. Labels come from the route table alone, so that nobody
// outside can make more of them.
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.HistogramVec
	events    *prometheus.CounterVec
	kept      prometheus.Counter
	duplicate prometheus.Counter
	refused   prometheus.Counter
	made      prometheus.Counter
	unreached prometheus.Counter
	unknown   *route // stands for every path and method that no route has
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "malote_http_request_duration_seconds", Help: "Time to answer a request of the API.",
			Buckets: []float64{.001, .005, .025, .1, .5, 2.5, 10},
		}, []string{"method", "route", "code"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "malote_events_total", Help: "Events that callers sent, by what came of them.",
		}, []string{"result"}),
		made: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "malote_deliveries_created_total", Help: "Deliveries made when events were accepted.",
		}),
		unreached: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "malote_events_unreached_total", Help: "Accepted events that no endpoint wanted.",
		}),
	}
	m.kept, m.duplicate, m.refused = m.events.WithLabelValues("accepted"), m.events.WithLabelValues("duplicate"), m.events.WithLabelValues("refused")
	m.registry.MustRegister(m.requests, m.events, m.made, m.unreached)
	m.unknown = &route{method: "any", pattern: "unmatched", scope: public}
	m.prepare(m.unknown)
	return m
}

// series is one series of a vector that appears with its first value: most
// routes never answer most classes.
type series struct{ get func() prometheus.Observer }

func (s *series) Observe(v float64) { s.get().Observe(v) }

// prepare has the route's observers looked up once, at their first use.
func (m *metrics) prepare(rt *route) {
	for class := range rt.observe {
		code := strconv.Itoa(class) + "xx"
		if class == 0 {
			code = "none"
		}
		rt.observe[class] = &series{sync.OnceValue(func() prometheus.Observer {
			return m.requests.WithLabelValues(rt.method, rt.pattern, code)
		})}
	}
}

func (m *metrics) count(r *ingest.Result) {
	switch {
	case r.Err != nil:
		m.refused.Inc()
	case r.Duplicate:
		m.duplicate.Inc()
	default:
		m.kept.Inc()
		m.made.Add(float64(r.Deliveries))
		if r.Deliveries == 0 {
			m.unreached.Inc()
		}
	}
}
