package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/malote-dev/malote/bench/rig"
)

// fault is a system call that begins to fail while the server runs.
type fault struct {
	name   string
	inject string
	stops  bool // the process must end by itself: what a failed fsync kept is unknown
	full   bool // a full disk: 503 or 507
}

var faultList = []fault{
	{"EIO from fsync, once", "fsync,fdatasync:error=EIO:when=1", true, false},
	{"EIO from fsync, later", "fsync,fdatasync:error=EIO:when=3", true, false},
	{"ENOSPC from pwrite64", "pwrite64:error=ENOSPC:when=1+", false, true},
	{"ENOSPC from pwrite64, later", "pwrite64:error=ENOSPC:when=9+", false, true},
	{"EIO from pwrite64", "pwrite64:error=EIO:when=1+", false, false},
	{"EROFS from pwrite64", "pwrite64:error=EROFS:when=1+", false, false},
}

// faults lets the disk fail under a running server. Nothing that was
// acknowledged may be missing afterwards, and nothing may be acknowledged
// that the disk did not take.
func faults(ctx context.Context, h *harness) error {
	for i, f := range faultList {
		if err := oneFault(ctx, h, f, filepath.Join(h.dir, fmt.Sprintf("fault-%d", i))); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

func oneFault(ctx context.Context, h *harness, f fault, dir string) error {
	site, err := rig.NewSite(ctx, h.binary, dir)
	if err != nil {
		return err
	}
	l := &ledger{}
	fl, err := newFleet(l, h.o.seed)
	if err != nil {
		return err
	}
	defer fl.close()
	fl.healed.Store(true)
	c := &crash{h: h, site: site, fleet: fl, ledger: l}
	server, err := c.setUp(ctx)
	if err != nil {
		return err
	}
	acked := map[string]bool{}
	if err := postSome(ctx, c.api, "before", 20, acked); err != nil {
		c.end(server)
		return err
	}
	tracer := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-e", "signal=none",
		"-e", "trace="+traceOf(f.inject), "-e", "inject="+f.inject, "-p", strconv.Itoa(server.Pid))
	if err := tracer.Start(); err != nil {
		c.end(server)
		return err
	}
	defer func() { _ = tracer.Process.Kill(); _ = tracer.Wait() }()
	if err := awaitTracer(ctx, server); err != nil {
		c.end(server)
		return err
	}
	taken := len(acked)
	refusal := postSome(ctx, c.api, "during", 40, acked)
	during := len(acked) - taken
	if err := c.afterFault(f, server, refusal); err != nil {
		c.end(server)
		return err
	}
	c.end(server)
	again, err := c.begin(ctx, nil)
	if err != nil {
		return err
	}
	defer again.Kill()
	for id := range acked {
		if err := c.api.Do(ctx, http.MethodGet, "/v1/events/"+id, nil, nil); err != nil {
			return fmt.Errorf("acknowledged and lost: %w", err)
		}
	}
	if err := postSome(ctx, c.api, "after", 5, acked); err != nil {
		return fmt.Errorf("after the restart: %w", err)
	}
	fmt.Printf("  %-30s acknowledged under it %d, then: %s; lost 0\n", f.name, during, inWords(refusal))
	return nil
}

// inWords is a refusal on one line.
func inWords(refusal error) string {
	var status *rig.StatusError
	if !errors.As(refusal, &status) {
		return "the server ended"
	}
	var problem struct{ Detail string }
	_ = json.Unmarshal(status.Body, &problem)
	return fmt.Sprintf("%d %s", status.Status, problem.Detail)
}

// afterFault says whether the server did what it must once the disk failed.
func (c *crash) afterFault(f fault, server *rig.Server, refusal error) error {
	if refusal == nil {
		return errors.New("forty events were acknowledged while the disk failed")
	}
	if f.stops {
		select {
		case <-server.Done():
		case <-time.After(5 * time.Second):
			return errors.New("still running 5 s after a failed fsync")
		}
		if server.ExitError() == nil {
			return errors.New("ended with exit code 0 after a failed fsync")
		}
		return nil
	}
	var status *rig.StatusError
	if errors.As(refusal, &status) {
		if full := status.Status == http.StatusServiceUnavailable || status.Status == http.StatusInsufficientStorage; f.full && !full || status.Status < 500 {
			return fmt.Errorf("refused with %d", status.Status)
		}
		return nil
	}
	select {
	case <-server.Done(): // ending is honest too
		return nil
	case <-time.After(5 * time.Second):
		return fmt.Errorf("neither refused nor ended: %w", refusal)
	}
}

// postSome posts events one by one, notes the acknowledged ones, and returns
// the first refusal.
func postSome(ctx context.Context, api *rig.API, name string, n int, acked map[string]bool) error {
	for i := range n {
		var made struct {
			ID string `json:"id"`
		}
		in := map[string]any{"type": "torture.event", "consumer": "c1", "data": map[string]any{"n": i, "part": name}}
		if err := api.Do(ctx, http.MethodPost, "/v1/events", in, &made); err != nil {
			return err
		}
		acked[made.ID] = true
	}
	return nil
}

// traceOf is the system call of an injection.
func traceOf(inject string) string {
	for i := range inject {
		if inject[i] == ':' {
			return inject[:i]
		}
	}
	return inject
}

// awaitTracer waits until every thread of a process is traced.
func awaitTracer(ctx context.Context, server *rig.Server) error {
	for range 500 {
		if rig.Traced(server.Pid) {
			return nil
		}
		select {
		case <-server.Done(): // the fault struck already
			return nil
		default:
		}
		if !pause(ctx, 10*time.Millisecond) {
			return ctx.Err()
		}
	}
	return errors.New("strace did not attach (as root, or with kernel.yama.ptrace_scope=0)")
}
