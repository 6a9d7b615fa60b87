package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/malote-dev/malote/bench/rig"
)

// The child processes of a stage are this program under another name: here
// that is the test binary.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "role" {
		if err := runRole(os.Args[2], os.Args[3:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestEventTemplateIsValidAndOfTheStatedSize(t *testing.T) {
	t.Parallel()
	tmpl := newEventTemplate("bench.event")
	body := bytes.Clone(tmpl.body)
	tmpl.put(body, 17, 4711)
	var event struct {
		Type, Consumer string
		Data           json.RawMessage
	}
	if err := json.Unmarshal(body, &event); err != nil {
		t.Fatal(err)
	}
	if event.Consumer != consumerName(17) || event.Type != "bench.event" {
		t.Errorf("consumer %q, type %q", event.Consumer, event.Type)
	}
	if len(event.Data) != dataSize {
		t.Errorf("data is %d bytes, want %d", len(event.Data), dataSize)
	}
	if got := seqOf(body); got != 4711 {
		t.Errorf("number read back as %d", got)
	}
	if got := seqOf([]byte(`{"seq":"12`)); got != -1 {
		t.Errorf("a body cut short has number %d", got)
	}
}

func TestPercentiles(t *testing.T) {
	t.Parallel()
	var v []float64
	for i := 100; i > 0; i-- {
		v = append(v, float64(i))
	}
	if p50, p99 := percentiles(v); p50 != 50 || p99 != 99 {
		t.Errorf("p50 %v, p99 %v", p50, p99)
	}
	if p50, p99 := percentiles(nil); p50 != 0 || p99 != 0 {
		t.Errorf("of nothing: %v, %v", p50, p99)
	}
}

func TestMeasurementNoticesLossAndDuplicates(t *testing.T) {
	t.Parallel()
	samples := []sample{{5, 100, 200}, {6, 100, 300}}
	var m measurement
	m.Accepted = 2
	m.fold(samples, []int64{400, 0}, 5)
	if err := m.check(); err == nil || m.Arrived != 1 {
		t.Errorf("one of two arrived: %d, %v", m.Arrived, err)
	}
	m = measurement{Accepted: 2}
	m.fold(samples, []int64{400, 500}, 5)
	if err := m.check(); err != nil {
		t.Errorf("both arrived: %v", err)
	}
	m.Duplicates = 1
	if m.check() == nil {
		t.Error("a duplicate passed")
	}
}

func TestYardstickDeliversEverything(t *testing.T) {
	o, err := parse([]string{"-endpoints", "10", "-clients", "4"})
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{o: o, dir: t.TempDir(), next: 1}
	defer s.close()
	o.dir = s.dir
	if s.receiver, err = startChild("receiver"); err != nil {
		t.Fatal(err)
	}
	s.rx = &rig.API{URL: "http://" + s.receiver.Addr, Client: http.DefaultClient}
	if s.yardstick, err = startChild("yardstick", s.rx.URL, "10"); err != nil {
		t.Fatal(err)
	}
	for _, rate := range []float64{0, 200} {
		m, err := s.onYardstick(t.Context(), load{clients: 4, consumers: 10, duration: 300 * time.Millisecond, rate: rate})
		if err != nil {
			t.Fatal(err)
		}
		if m.Accepted < 10 || m.Errors > 0 || m.DeliveredPerSec <= 0 {
			t.Errorf("rate %v: %+v", rate, m)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-scenario", "sing"}, {"-growth", "5,3"}, {"-growth", "x"}, {"-dead", "zombie"}, {"-clients", "0"}, {"-lists", "5"}, {"stray"},
	} {
		if _, err := parse(args); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}
