package mail

import "github.com/prometheus/client_golang/prometheus"

// metrics of mailing.
type metrics struct {
	sent, failed, deferred prometheus.Counter
	up                     prometheus.Gauge
}

func newMetrics(r prometheus.Registerer, s Store) *metrics {
	results := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "malote_mails_total", Help: "Mails handed to the relay, by what came of it: sent, failed for good, deferred to be tried again.",
	}, []string{"result"})
	m := &metrics{
		sent: results.WithLabelValues("sent"), failed: results.WithLabelValues("failed"), deferred: results.WithLabelValues("deferred"),
		up: prometheus.NewGauge(prometheus.GaugeOpts{Name: "malote_mail_relay_up", Help: "0 after the mail relay failed, until it takes a mail again."}),
	}
	m.up.Set(1)
	if r != nil {
		r.MustRegister(results, m.up, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "malote_mails_queued", Help: "Mails that wait to be sent.",
		}, func() float64 { return float64(s.MailsQueued()) }))
	}
	return m
}
