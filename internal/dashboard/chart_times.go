package dashboard

import (
	"fmt"
	"strings"
	"time"

	"github.com/malote-dev/malote/client"
)

// timesChart is how long answers took over time, as two lines with gaps where
// none came, in the units of its drawing.
type timesChart struct {
	Unit        string // of a point: "hour" or "day"
	Width, Base int
	Max         float64 // milliseconds
	P50, P95    string  // paths
	Points      []timesPoint
	Empty       bool
}

type timesPoint struct {
	At       time.Time
	P50, P95 *float64 // milliseconds; nil: no answer came
	Tick     string
}

func drawTimes(s *client.Stats) *timesChart {
	n := max(1, len(s.Buckets))
	step := max(2, barWide/n)
	c := &timesChart{Unit: s.Interval, Width: step * n, Base: chartTall, Empty: true}
	for i := range s.Buckets {
		b := &s.Buckets[i]
		c.Points = append(c.Points, timesPoint{At: b.At, P50: b.P50, P95: b.P95, Tick: tick(b.At, s.Interval)})
		if b.P95 != nil {
			c.Max, c.Empty = max(c.Max, *b.P95), false
		}
	}
	c.P50 = c.path(step, func(p *timesPoint) *float64 { return p.P50 })
	c.P95 = c.path(step, func(p *timesPoint) *float64 { return p.P95 })
	return c
}

// path goes through the points that there are; one that stands alone is a dash.
func (c *timesChart) path(step int, of func(*timesPoint) *float64) string {
	var d strings.Builder
	drawn := false
	for i := range c.Points {
		v := of(&c.Points[i])
		if v == nil {
			drawn = false
			continue
		}
		x, y := i*step+step/2, chartTall-*v/max(c.Max, 0.001)*(chartTall-12)
		if drawn {
			fmt.Fprintf(&d, "L%d %.1f", x, y)
		} else {
			fmt.Fprintf(&d, "M%d %.1fh2", x-1, y)
		}
		drawn = true
	}
	return d.String()
}

// figure is one for a script; empty: there is none.
func figure(ms *float64) string {
	if ms == nil {
		return ""
	}
	return fmt.Sprint(*ms)
}
