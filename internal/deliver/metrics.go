package deliver

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/malote-dev/malote/internal/store"
)

// metrics of the engine. Labels are closed sets: no endpoint, no host.
type metrics struct {
	attempts map[store.Class]prometheus.Counter
	states   map[store.State]prometheus.Counter
	ours     prometheus.Counter
	wait     prometheus.Histogram
	gained   map[bool]prometheus.Counter // shards, by whether who had them died
	left     prometheus.Counter
}

var classes = []store.Class{
	"", store.ClassStatus, store.ClassRedirect, store.ClassTimeout, store.ClassConnect, store.ClassReset, store.ClassDNS,
	store.ClassTLS, store.ClassProtocol, store.ClassBlocked, store.ClassRender, store.ClassUnknown, store.ClassCancelled,
}

func newMetrics(e *Engine, to prometheus.Registerer) *metrics {
	m := &metrics{
		attempts: map[store.Class]prometheus.Counter{},
		states:   map[store.State]prometheus.Counter{},
		gained:   map[bool]prometheus.Counter{},
		left: prometheus.NewCounter(prometheus.CounterOpts{Name: "malote_shards_left_total",
			Help: "Shards that were handed over to other processes."}),
		ours: prometheus.NewCounter(prometheus.CounterOpts{Name: "malote_delivery_own_faults_total",
			Help: "Attempts that could not be made because of a fault on this side; they used up no try."}),
		wait: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "malote_delivery_accept_to_send_seconds",
			Help:    "Time from the acceptance of an event to the first attempt of its delivery.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60, 600, 3600}}),
	}
	attempts := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "malote_delivery_attempts_total",
		Help: "Attempts made, by the class of failure; \"ok\" is a success."}, []string{"class"})
	for _, c := range classes {
		label := string(c)
		if label == "" {
			label = "ok"
		}
		m.attempts[c] = attempts.WithLabelValues(label)
	}
	states := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "malote_deliveries_finished_total",
		Help: "Deliveries that reached a final state, by the state."}, []string{"state"})
	for _, s := range []store.State{store.Delivered, store.Failed, store.Cancelled} {
		m.states[s] = states.WithLabelValues(string(s))
	}
	gained := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "malote_shards_gained_total",
		Help: "Shards that this process began to send for, by who had them before: nobody or one that handed them over, or one that died."}, []string{"before"})
	m.gained[false], m.gained[true] = gained.WithLabelValues("free"), gained.WithLabelValues("died")
	if to == nil {
		return m
	}
	to.MustRegister(m.ours, m.wait, m.left, attempts, states, gained)
	gauge := func(name, help string, read func() float64) {
		to.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			e.mu.Lock()
			defer e.mu.Unlock()
			return read()
		}))
	}
	gauge("malote_shards_owned", "Shards that this process sends for, of 256.", func() float64 { return float64(e.owned) })
	gauge("malote_delivery_in_flight", "Attempts under way.", func() float64 { return float64(e.inFlight) })
	gauge("malote_delivery_uncommitted", "Finished attempts that wait for the store.", func() float64 { return float64(e.settling) })
	gauge("malote_delivery_memory_bytes", "Bytes of deliveries held in memory.", func() float64 { return float64(e.memory) })
	gauge("malote_delivery_lanes", "Endpoints that the engine holds in memory.", func() float64 { return float64(len(e.lanes)) })
	gauge("malote_delivery_lanes_held", "Endpoints with due work that rate, breaker or Retry-After hold back.", func() float64 { return float64(e.shut) })
	gauge("malote_delivery_lanes_behind", "Endpoints with more pending deliveries than memory holds.", func() float64 { return float64(e.behind) })
	return m
}

// ended counts an attempt, and its delivery if that was the end of it.
func (m *metrics) ended(v *verdict) {
	c, ok := m.attempts[v.Class]
	if !ok {
		c = m.attempts[store.ClassUnknown]
	}
	c.Inc()
	if s, final := m.states[v.State]; final {
		s.Inc()
	}
}
