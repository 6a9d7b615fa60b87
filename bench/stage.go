package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/malote-dev/malote/bench/postgres"
	"github.com/malote-dev/malote/bench/rig"
)

// stage is what every scenario plays on: the built binary, one receiver and
// one yardstick process, and a directory.
type stage struct {
	o         *options
	binary    string
	dir       string
	receiver  *child
	yardstick *child
	cluster   *postgres.Cluster // nil: data directories
	rx        *rig.API
	next      int // number of the next event
	sites     int
	report    *report
}

func newStage(ctx context.Context, o *options) (*stage, error) {
	s := &stage{o: o, dir: o.dir, binary: o.binary, next: 1, report: newReport(o)}
	var err error
	if s.dir == "" {
		s.dir, err = os.MkdirTemp("", "malote-bench-")
	} else {
		err = os.MkdirAll(s.dir, 0o700)
	}
	if err != nil {
		return nil, err
	}
	if s.binary == "" {
		if s.binary, err = rig.Build(ctx, s.dir); err != nil {
			return nil, err
		}
	}
	if o.postgres {
		if s.cluster, err = postgres.Start(ctx, postgres.Options{Fsync: true, Settings: []string{"shared_buffers=1GB", "max_wal_size=4GB"}}); err != nil {
			return nil, err
		}
	}
	if s.receiver, err = startChild("receiver"); err != nil {
		s.close()
		return nil, err
	}
	s.rx = &rig.API{URL: "http://" + s.receiver.Addr, Client: &http.Client{Timeout: time.Minute}}
	if s.yardstick, err = startChild("yardstick", s.rx.URL, fmt.Sprint(o.endpoints)); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) close() {
	for _, c := range []*child{s.yardstick, s.receiver} {
		if c != nil {
			c.stop()
		}
	}
	if s.cluster != nil {
		if err := s.cluster.Close(); err != nil {
			fmt.Fprintf(os.Stderr, "bench: stopping PostgreSQL: %v\n", err)
		}
	}
	if s.o.dir == "" {
		_ = os.RemoveAll(s.dir)
	}
}

// newSite is fresh data in a directory, or in a database.
func (s *stage) newSite(ctx context.Context, dir string) (*rig.Site, error) {
	if s.cluster == nil {
		return rig.NewSite(ctx, s.binary, dir)
	}
	name := filepath.Base(dir)
	if err := s.cluster.Create(ctx, name, ""); err != nil {
		return nil, err
	}
	return rig.NewSiteOn(ctx, s.binary, dir, s.cluster.URL(name))
}

// cpu is what processes used; of Malote's it is their database's, too.
func (s *stage) cpu(pids []int) (total time.Duration, err error) {
	for _, pid := range pids {
		used, err := rig.CPU(pid)
		if err != nil {
			return 0, err
		}
		total += used
	}
	if s.cluster == nil || pids[0] == s.yardstick.Pid {
		return total, nil
	}
	more, err := s.cluster.CPU()
	return total + more, err
}

// bed is one server with a project, on fresh data, and others beside it.
type bed struct {
	s       *stage
	site    *rig.Site
	server  *rig.Server
	others  []*rig.Server
	api     *rig.API
	project string
}

func (s *stage) newBed(ctx context.Context) (*bed, error) {
	s.sites++
	return s.bedIn(ctx, filepath.Join(s.dir, fmt.Sprintf("site-%d", s.sites)))
}

func (s *stage) bedIn(ctx context.Context, dir string) (*bed, error) {
	site, err := s.newSite(ctx, dir)
	if err != nil {
		return nil, err
	}
	b := &bed{s: s, site: site}
	if _, err = b.start(ctx); err != nil {
		return nil, err
	}
	b.api, b.project, err = site.NewProject(ctx, "bench", "development", "standard")
	if err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// start runs the server and returns how long it took to be ready.
func (b *bed) start(ctx context.Context) (time.Duration, error) {
	server, err := b.site.Start()
	if err != nil {
		return 0, err
	}
	b.server = server
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	ready, err := server.WaitReady(ctx)
	if err != nil {
		server.Kill()
	}
	return ready, err
}

// join starts more servers on the same database.
func (b *bed) join(ctx context.Context, n int) error {
	for i := range n {
		site, err := b.site.Beside(filepath.Join(b.site.Dir, fmt.Sprintf("beside-%d", i+1)))
		if err != nil {
			return err
		}
		server, err := site.Start()
		if err != nil {
			return err
		}
		b.others = append(b.others, server)
		if _, err := server.WaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// servers are their addresses and processes.
func (b *bed) servers() (addrs []string, pids []int) {
	for _, v := range append([]*rig.Server{b.server}, b.others...) {
		addrs, pids = append(addrs, v.Site.Addr), append(pids, v.Pid)
	}
	return addrs, pids
}

// close stops the servers and removes their data.
func (b *bed) close() {
	for _, v := range b.others {
		if err := v.Stop(45 * time.Second); err != nil {
			fmt.Fprintf(os.Stderr, "bench: stopping a server: %v\n", err)
		}
	}
	if err := b.server.Stop(45 * time.Second); err != nil {
		fmt.Fprintf(os.Stderr, "bench: stopping the server: %v\n", err)
	}
	if b.s.o.dir == "" {
		_ = os.RemoveAll(b.site.Dir)
	}
}

// endpoint makes one for a consumer.
func (b *bed) endpoint(ctx context.Context, consumer, url string) error {
	return b.api.Do(ctx, http.MethodPost, "/v1/endpoints", map[string]any{
		"consumer": consumer, "url": url, "event_types": []string{"*"},
	}, nil)
}

// share makes the endpoints that share the load.
func (b *bed) share(ctx context.Context) error {
	for i := range b.s.o.endpoints {
		if err := b.endpoint(ctx, consumerName(i), fmt.Sprintf("%s/hook/%d", b.s.rx.URL, i)); err != nil {
			return err
		}
	}
	return nil
}

// settle waits until nothing is pending that was accepted, so that attempt
// and delivery rows are kept and paid for.
func (b *bed) settle(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		id, err := b.pending(ctx)
		if err != nil {
			return fmt.Errorf("deliveries still pending: %w", err)
		}
		if id == "" {
			return nil
		}
		if !pause(ctx, 20*time.Millisecond) {
			return fmt.Errorf("delivery %s is still pending after %v", id, limit)
		}
	}
}

// pending is the id of a delivery that is; empty: none is. A page may be
// empty and have another behind it.
func (b *bed) pending(ctx context.Context) (string, error) {
	for cursor := ""; ; {
		var page struct {
			Data []struct {
				ID string `json:"id"`
			} `json:"data"`
			Next string `json:"next_cursor"`
		}
		if err := b.api.Do(ctx, http.MethodGet, "/v1/deliveries?state=pending&limit=1"+cursor, nil, &page); err != nil {
			return "", err
		}
		switch {
		case len(page.Data) > 0:
			return page.Data[0].ID, nil
		case page.Next == "":
			return "", nil
		}
		cursor = "&cursor=" + page.Next
	}
}

// fill posts n unnumbered events for consumers in turn through the batch
// route and returns the rate of acceptance.
func (b *bed) fill(ctx context.Context, n int, consumer func(i int) string) (float64, error) {
	tmpl := newEventTemplate("bench.event")
	data := string(tmpl.body[tmpl.at-len(seqMark)-1 : len(tmpl.body)-1])
	start := time.Now()
	for done := 0; done < n; {
		size := min(batchSize, n-done)
		body := []byte(`{"events":[`)
		for i := range size {
			if i > 0 {
				body = append(body, ',')
			}
			body = fmt.Appendf(body, `{"type":"bench.event","consumer":%q,"data":%s}`, consumer(done+i), data)
		}
		body = append(body, `]}`...)
		ans, err := b.api.Raw(ctx, http.MethodPost, "/v1/events/batch", body)
		if err != nil {
			return 0, err
		}
		if ans.Status/100 != 2 {
			return 0, fmt.Errorf("batch: %d %.300s", ans.Status, ans.Body)
		}
		done += size
	}
	return float64(n) / time.Since(start).Seconds(), nil
}

const batchSize = 1000

// pause waits; false: ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
