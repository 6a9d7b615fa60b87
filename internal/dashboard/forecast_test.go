package dashboard

import (
	"testing"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
)

func TestForecastInWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		state   string
		inARow  int
		pending int
		more    bool
		seconds int
		speed   float64
		l       lang.Language
		want    string
	}{
		{"active", 0, 8312, false, 333, 25, lang.English, "8,312 deliveries would drain in about 6 minutes at 25/s."},
		{"active", 0, 8312, false, 333, 25, lang.Portuguese, "8.312 entregas escoariam em cerca de 6 minutos a 25/s."},
		{"active", 0, 1, false, 2, 1.64, lang.English, ""},
		{"active", 0, 1, false, 3, 1.64, lang.English, "One delivery would drain in about 3 seconds at 1.6/s."},
		{"active", 0, 1, false, 3, 1.64, lang.Portuguese, "Uma entrega escoaria em cerca de 3 segundos a 1,6/s."},
		{"active", 0, 10_000, true, 200_000, 0.05, lang.English, "More than 10,000 deliveries would take at least 2 days to drain, at 0.05/s."},
		{"paused", 0, 3, false, 7200, 0.5, lang.English, "Once it is resumed, what waits (3) would drain in about 2 hours at 0.50/s."},
		{"disabled", 0, 10_000, true, 400, 25, lang.English, "Once it is resumed, more than 10,000 deliveries would take at least 7 minutes to drain, at 25/s."},
		{"active", 6, 3, false, 1, 25, lang.English, "Once it succeeds again, what waits (3) would drain in about 1 second at 25/s. What failed before goes at its next attempt, or when it is sent again."},
		{"active", 0, 2, false, 0, 0, lang.English, "2 deliveries wait. How long they would take is not known: it gave no answer in 24 hours."},
		{"active", 0, 10_000, true, 0, 0, lang.English, "More than 10,000 deliveries wait. How long they would take is not known: it gave no answer in 24 hours."},
	} {
		f := &client.Forecast{}
		if c.seconds > 0 {
			f.Seconds, f.PerSecond = &c.seconds, &c.speed
		}
		m := forecast(&client.Endpoint{State: c.state}, &client.Stats{Pending: client.PendingCount{Count: c.pending, More: c.more}, Forecast: f, InARow: c.inARow}, c.l)
		if got := m.In(c.l); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	if m := forecast(&client.Endpoint{}, &client.Stats{}, lang.English); !m.IsZero() {
		t.Errorf("of nothing: %s", m)
	}
}
