package api

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/malote-dev/malote/internal/lang"
)

// healthAnswer says that the process lives.
type healthAnswer struct {
	Status  string `json:"status"`
	Version string `json:"version"`
}

func (s *server) healthz(*call) (healthAnswer, error) {
	return healthAnswer{Status: "ok", Version: s.version}, nil
}

// readyz is 503, with the reason, where a 2xx to an event would lie.
func (s *server) readyz(c *call) (healthAnswer, error) {
	err := s.store.Health(c.r.Context()).Err
	if err == nil && s.ready != nil {
		err = s.ready()
	}
	if err != nil {
		return healthAnswer{}, kindUnavailable.problemf("not ready: %s", lang.Recall(err.Error())).
			with("Retry-After", "1").fixed("Send events later, with the same Idempotency-Key; what was acknowledged is kept.")
	}
	return healthAnswer{Status: "ready", Version: s.version}, nil
}

func (s *server) metricsPage(c *call) error {
	promhttp.HandlerFor(s.gather, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, ErrorLog: nil}).
		ServeHTTP(c.w, withoutRange(c.r))
	return nil
}

// withoutRange drops what would make the page a part of itself.
func withoutRange(r *http.Request) *http.Request {
	r.Header.Del("Range")
	return r
}
