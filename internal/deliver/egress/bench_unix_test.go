//go:build unix

package egress

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/malote-dev/malote/webhook"
)

// startBenchServer runs it in a process of its own.
func startBenchServer(b *testing.B) *url.URL {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchServer+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	u, err := url.Parse(strings.TrimSpace(line))
	if err != nil {
		b.Fatal(err)
	}
	return u
}

func cpuTime() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkSend posts 1 KiB with a signature-like header from 64 goroutines
// to a net/http server in another process, with this client and with a tuned
// net/http one. cpu-µs/op is the CPU of the sending process alone.
//
//	go test -run xxx -bench Send -benchtime 50000x ./internal/deliver/egress
func BenchmarkSend(b *testing.B) {
	u := startBenchServer(b)
	body := bytes.Repeat([]byte("x"), 1<<10)
	fields := []webhook.Field{
		{Name: "Content-Type", Value: "application/json"}, {Name: "User-Agent", Value: "Malote/1"},
		{Name: "webhook-id", Value: "evt_0192f1f0c0de7abc8def0123456789ab"}, {Name: "webhook-timestamp", Value: "1767225600"},
		{Name: "webhook-signature", Value: "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="},
	}
	run := func(b *testing.B, one func(ctx context.Context) error) {
		b.SetParallelism(32)
		b.ReportAllocs()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		before := cpuTime()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := one(ctx); err != nil {
					b.Error(err)
					return
				}
			}
		})
		b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-µs/op")
	}
	b.Run("malote", func(b *testing.B) {
		c := New(Options{Policy: Policy{AllowLoopback: true}})
		defer c.Close()
		run(b, func(ctx context.Context) error {
			resp, err := c.Send(ctx, &Request{URL: u, Fields: fields, Body: body, Connect: time.Second, Total: 30 * time.Second, MaxOK: 1 << 10, MaxBody: 64 << 10})
			if err == nil && resp.Status != 200 {
				err = fmt.Errorf("status %d", resp.Status)
			}
			return err
		})
	})
	b.Run("nethttp", func(b *testing.B) {
		tr := &http.Transport{MaxIdleConns: 1024, MaxIdleConnsPerHost: 64, DisableCompression: true, Proxy: nil}
		defer tr.CloseIdleConnections()
		hc := &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		run(b, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
			if err != nil {
				return err
			}
			for _, f := range fields {
				req.Header.Set(f.Name, f.Value)
			}
			resp, err := hc.Do(req)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			return err
		})
	})
}
