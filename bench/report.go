package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// report gathers what was measured, prints it as it comes, and writes it as JSON.
type report struct {
	Started   time.Time  `json:"started"`
	Machine   machine    `json:"machine"`
	Short     bool       `json:"short"`
	Scenarios []*section `json:"scenarios"`
}

type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
}

type section struct {
	Name         string         `json:"name"`
	Measurements []*measurement `json:"measurements,omitempty"`
	Calls        []callTimes    `json:"calls,omitempty"`
	Facts        []fact         `json:"facts"`
	header       bool
}

// fact is one number that the scenario exists for.
type fact struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit,omitempty"`
	Target string  `json:"target,omitempty"`
	Met    *bool   `json:"met,omitempty"`
}

func newReport(o *options) *report {
	return &report{
		Started: time.Now().UTC(), Short: o.short,
		Machine: machine{CPU: cpuModel(), Cores: runtime.NumCPU(), Kernel: kernel(), Go: runtime.Version()},
	}
}

func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close()
	for scan := bufio.NewScanner(f); scan.Scan(); {
		if name, value, ok := strings.Cut(scan.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS
	}
	return strings.TrimSpace(string(b))
}

func (r *report) section(name string) *section {
	s := &section{Name: name}
	r.Scenarios = append(r.Scenarios, s)
	fmt.Printf("\n%s\n", strings.ToUpper(name))
	return s
}

// add prints and keeps a measurement.
func (s *section) add(label string, m *measurement) {
	if !s.header {
		s.header = true
		fmt.Printf("%-26s %9s %9s %8s | %-15s | %-15s | %-17s | %8s %7s %4s | %s\n", "", "accepted", "accept/s", "deliv/s",
			"accept p50/p99", "202→arrival", "POST→arrival ms", "CPU s/1k", "RSS MB", "fail", "disk sync p50/p99")
	}
	s.Measurements = append(s.Measurements, m)
	fmt.Printf("%-26s %9d %9.0f %8.0f | %6.2f %8.2f | %6.2f %8.2f | %7.2f %9.2f | %8.3f %7.0f %4d | %s\n", label, m.Accepted,
		m.AcceptedPerSec, m.DeliveredPerSec, m.AcceptP50, m.AcceptP99, m.FromAcceptP50, m.FromAcceptP99,
		m.FromSendP50, m.FromSendP99, m.CPUPer1000, m.RSSPeakMB, m.Errors, m.disk())
	if m.FirstError != "" {
		fmt.Printf("%-26s first failure: %s\n", "", m.FirstError)
	}
}

// disk is how long it took to sync just before; the yardstick does not care.
func (m *measurement) disk() string {
	if m.SyncP50 == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f %.2f", m.SyncP50, m.SyncP99)
}

func (s *section) fact(name string, value float64, unit string) {
	s.Facts = append(s.Facts, fact{Name: name, Value: value, Unit: unit})
	fmt.Printf("  %-66s %9.3f %s\n", name, value, unit)
}

// judged keeps a fact that has a target. It is printed, never a failure:
// machines differ.
func (s *section) judged(name string, value float64, unit string, atMost bool, target float64) {
	met := value >= target
	sign := "≥"
	if atMost {
		met, sign = value <= target, "≤"
	}
	text := fmt.Sprintf("%s %g", sign, target)
	s.Facts = append(s.Facts, fact{name, value, unit, text, &met})
	word := "met"
	if !met {
		word = "NOT MET"
	}
	fmt.Printf("  %-66s %9.3f %-12s target %s: %s\n", name, value, unit, text, word)
}

func (s *section) atMost(name string, value float64, unit string, target float64) {
	s.judged(name, value, unit, true, target)
}

func (s *section) atLeast(name string, value float64, unit string, target float64) {
	s.judged(name, value, unit, false, target)
}

func (r *report) write(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
