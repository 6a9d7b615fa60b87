package app

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/malote-dev/malote/internal/store"
)

// observe registers what the process and the store say of themselves.
func observe(r prometheus.Registerer, db *store.DB, version string) {
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "malote_build_info", Help: "1; the label says the version.",
			ConstLabels: prometheus.Labels{"version": version},
		}, func() float64 { return 1 }),
		counter("malote_store_commits_total", "Durable commits; many writes share one.", func() uint64 { return db.Counters().Commits }),
		counter("malote_store_accepted_total", "Events kept.", func() uint64 { return db.Counters().Accepted }),
		counter("malote_store_finished_total", "Attempts kept.", func() uint64 { return db.Counters().Finished }),
		counter("malote_filters_judged_total", "Filters of endpoints that were judged for an event.", func() uint64 { return db.Counters().Filters.Judged }),
		counter("malote_filters_false_total", "Filters that kept an event back.", func() uint64 { return db.Counters().Filters.False }),
		counter("malote_mails_suppressed_total", "Notices that were not mailed by themselves: too many, or not wanted.", func() uint64 { return db.Counters().Suppressed }),
		counter("malote_bus_told_total", "Messages told to other processes on the same database.", func() uint64 { told, _ := db.Messages(); return told }),
		counter("malote_bus_heard_total", "Messages heard from other processes on the same database.", func() uint64 { _, heard := db.Messages(); return heard }),
		gauge("malote_lease_seconds", "Until this process's lease on the database ends, below 0 where it did; always 0 with a directory of its own.", func() float64 { return leaseLeft(db) }),
		gauge("malote_nodes_alive", "Processes that serve with the same database, this one among them.", func() float64 { alive, _ := db.NodesSeen(); return float64(alive) }),
		gauge("malote_shards_free", "Shards that no process sends for, of 256.", func() float64 { _, free := db.NodesSeen(); return float64(free) }),
		&storeCollector{db: db, ended: prometheus.NewDesc("malote_store_deliveries_ended_total",
			"Deliveries that were ended without an attempt, by the reason.", []string{"reason"}, nil),
			problems: prometheus.NewDesc("malote_filter_problems_total",
				"Filters that could not be judged, so that the event is delivered, by the problem.", []string{"problem"}, nil),
			pending: desc("malote_queue_pending", "Deliveries that wait for their next attempt."),
			oldest:  desc("malote_queue_oldest_due_seconds", "Age of the oldest delivery that is due; 0 where none is."),
			size:    desc("malote_store_bytes", "Size of the database on disk."),
			healthy: desc("malote_store_healthy", "1 where an accepted event would be kept, else 0."),
		},
	)
}

func leaseLeft(db *store.DB) float64 {
	ends := db.LeaseEnds()
	if ends.IsZero() {
		return 0
	}
	return time.Until(ends).Seconds()
}

func counter(name, help string, read func() uint64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(read()) })
}

func gauge(name, help string, read func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read)
}

func desc(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }

// storeCollector asks the store once for each scrape.
type storeCollector struct {
	db                             *store.DB
	pending, oldest, size, healthy *prometheus.Desc
	ended, problems                *prometheus.Desc
}

func (c *storeCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.pending, c.oldest, c.size, c.healthy, c.ended, c.problems} {
		ch <- d
	}
}

func (c *storeCollector) Collect(ch chan<- prometheus.Metric) {
	h := c.db.Health(context.Background())
	counts := c.db.Counters()
	for reason, n := range counts.Ended {
		ch <- prometheus.MustNewConstMetric(c.ended, prometheus.CounterValue, float64(n), strings.ReplaceAll(reason, " ", "_"))
	}
	for problem, n := range counts.Filters.Problems {
		ch <- prometheus.MustNewConstMetric(c.problems, prometheus.CounterValue, float64(n), problem)
	}
	age, healthy := 0.0, 0.0
	if !h.OldestDue.IsZero() {
		age = max(0, time.Since(h.OldestDue).Seconds())
	}
	if h.Err == nil {
		healthy = 1
	}
	for d, v := range map[*prometheus.Desc]float64{c.pending: float64(h.Pending), c.oldest: age, c.size: float64(h.SizeBytes), c.healthy: healthy} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
}

var _ prometheus.Collector = (*storeCollector)(nil)
