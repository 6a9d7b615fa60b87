package dashboard

import (
	"strconv"
	"strings"
	"time"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
)

// chart is what happened over time: deliveries as bars, events as a line above
// them, in the units of its drawing.
type chart struct {
	Name        string // tells charts of a page apart
	Unit        string // of a bar: "minute", "hour" or "day"
	Width, Base int    // the bars stand at its foot
	Max         int    // what the highest bar counts, or point of the line
	Bars        []bar
	Line        string // points of the events' line; empty: they are not counted
	Empty       bool
}

type bar struct {
	X, W             int
	GoodY, GoodH     int // delivered
	BadY, BadH       int // failed, above
	At               time.Time
	Delivered, Fails int
	Events           int
	Tick             string // below it, at some
}

const (
	barWide   = 720 // all bars
	barShare  = 72  // of 100, that a bar has of its step
	chartTall = 132
)

// drawStats makes bars of what was delivered and what failed.
func drawStats(s *client.Stats) *chart {
	n := max(1, len(s.Buckets))
	step := max(2, barWide/n)
	c := &chart{Name: "deliveries", Unit: s.Interval, Width: step * n, Base: chartTall}
	for i := range s.Buckets {
		b := &s.Buckets[i]
		c.Max = max(c.Max, b.Delivered+b.Failed, events(b))
	}
	c.Empty = c.Max == 0
	width := max(1, step*barShare/100)
	var line []string
	for i := range s.Buckets {
		b := &s.Buckets[i]
		good, bad := height(b.Delivered, c.Max), height(b.Failed, c.Max)
		c.Bars = append(c.Bars, bar{
			X: i*step + (step-width)/2, W: width, At: b.At, Delivered: b.Delivered, Fails: b.Failed, Events: events(b), Tick: tick(b.At, s.Interval),
			GoodH: good, GoodY: chartTall - good, BadH: bad, BadY: chartTall - good - bad,
		})
		if b.Events != nil {
			line = append(line, itoa(i*step+step/2)+","+itoa(chartTall-height(*b.Events, c.Max)))
		}
	}
	c.Line = strings.Join(line, " ")
	return c
}

// events that came in; 0 where they are not counted.
func events(b *client.StatsInterval) int {
	if b.Events == nil {
		return 0
	}
	return *b.Events
}

// tick is what is said below a bar: below some of them only.
func tick(at time.Time, unit string) string {
	switch {
	case unit == "minute" && at.Minute()%15 == 0, unit == "hour" && at.Hour()%6 == 0:
		return at.Format("15:04")
	case unit == "day" && at.Weekday() == time.Monday:
		return at.Format("01-02")
	}
	return ""
}

// height of a part of a bar: what is there can be seen.
func height(n, of int) int {
	if n == 0 || of == 0 {
		return 0
	}
	return max(3, n*(chartTall-12)/of)
}

// strip is the last deliveries as squares, the newest last.
type strip struct {
	Width  int
	Height int
	Cells  []cell
}

type cell struct {
	X, Y  int
	State string
}

const (
	cellStep  = 14
	stripWide = 25 // cells of a row
)

func drawStrip(ds []client.Delivery) *strip {
	rows := (len(ds) + stripWide - 1) / stripWide
	s := &strip{Width: stripWide * cellStep, Height: rows * cellStep}
	for i := range ds {
		d := &ds[len(ds)-1-i]
		state := d.State
		if state == "pending" && d.LastError != nil {
			state = "retrying"
		}
		s.Cells = append(s.Cells, cell{i % stripWide * cellStep, i / stripWide * cellStep, state})
	}
	return s
}

// part of a bar that shows how something is made up.
type part struct {
	Name  lang.Message
	Kind  string
	X, W  int
	Value float64
}

const timeWide = 600

// drawTimings shows where an attempt's time went.
func drawTimings(t *client.Timings) []part {
	if t.Total == nil || *t.Total <= 0 {
		return nil
	}
	var parts []part
	used := 0.0
	add := func(name lang.Message, kind string, ms *float64) {
		if ms != nil && *ms > 0 {
			parts = append(parts, part{Name: name, Kind: kind, Value: *ms})
			used += *ms
		}
	}
	add(lang.Text("name lookup"), "dns", t.DNS)
	add(lang.Text("connecting"), "connect", t.Connect)
	add(lang.Text("TLS handshake"), "tls", t.TLS)
	add(lang.Text("waiting for the answer"), "wait", t.FirstByte)
	if rest := *t.Total - used; rest > 0.05 {
		parts = append(parts, part{Name: lang.Text("reading the answer, and the rest"), Kind: "rest", Value: rest})
		used += rest
	}
	x := 0
	for i := range parts {
		parts[i].X, parts[i].W = x, max(2, int(parts[i].Value/used*timeWide))
		x += parts[i].W
	}
	return parts
}

// cause is one of the causes of failures, with its part of all.
type cause struct {
	Class string
	Count int
	W     int // of causeWide
}

const causeWide = 240

func drawCauses(fs []client.FailureCount) []cause {
	var out []cause
	most := 0
	for _, f := range fs {
		most = max(most, f.Count)
	}
	for _, f := range fs {
		out = append(out, cause{f.Class, f.Count, max(2, f.Count*causeWide/max(1, most))})
	}
	return out
}

// itoa is for addresses.
func itoa(n int) string { return strconv.Itoa(n) }
