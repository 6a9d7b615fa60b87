//go:build unix

package api

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/malote-dev/malote/internal/store"
)

// discard is the cheapest http.ResponseWriter, so that what is measured is ours.
type discard struct {
	h      http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// cpuTime is what this process has used, in nanoseconds.
func cpuTime(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func kilobyte() []byte {
	body := []byte(`{"type":"task.completed","consumer":"acme","data":{"items":[`)
	for i := 0; len(body) < 960; i++ {
		body = fmt.Appendf(body, `{"id":%d,"name":"item number %d","price":12.50,"tags":["a","b"]},`, i, i)
	}
	return append(body[:len(body)-1], `]}}`...)
}

// BenchmarkAccept is POST /v1/events without net/http's own part: 64 callers,
// 1 KiB, one endpoint, a real store.
func BenchmarkAccept(b *testing.B) {
	for _, name := range []string{"kept", "refused"} {
		b.Run(name, func(b *testing.B) {
			st := setup(b)
			_, key := st.project("standard", store.Development)
			st.endpoint(key, "acme", "task.*")
			body, want := kilobyte(), 202
			if name == "refused" { // everything but the store's commit
				body, want = bytes.Replace(body, []byte("task.completed"), []byte("task!completed"), 1), 422
			}
			b.ReportAllocs()
			b.SetParallelism(32)
			before := cpuTime(b)
			b.RunParallel(func(pb *testing.PB) {
				req, err := http.NewRequest(http.MethodPost, "/v1/events", nil)
				if err != nil {
					b.Error(err)
					return
				}
				req.Header.Set("Authorization", "Bearer "+key)
				req.ContentLength = int64(len(body))
				for pb.Next() {
					w := &discard{h: http.Header{}}
					req.Body = io.NopCloser(bytes.NewReader(body))
					st.server.ServeHTTP(w, req)
					if w.status != want {
						b.Errorf("%d", w.status)
						return
					}
				}
			})
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkList is a page of deliveries.
func BenchmarkList(b *testing.B) {
	st := setup(b)
	_, key := st.project("standard", store.Development)
	st.endpoint(key, "acme")
	events := `{"events":[` + strings.TrimSuffix(strings.Repeat(`{"type":"a","consumer":"acme","data":1},`, 500), ",") + `]}`
	st.do(key, "POST", "/v1/events/batch", events).want(202)
	req, err := http.NewRequest(http.MethodGet, "/v1/deliveries", nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	b.ReportAllocs()
	for b.Loop() {
		w := &discard{h: http.Header{}}
		st.server.ServeHTTP(w, req)
		if w.status != 200 {
			b.Fatal(w.status)
		}
	}
}
