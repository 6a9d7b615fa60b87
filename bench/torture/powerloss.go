package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/malote-dev/malote/bench/rig"
)

// powerClients is how many of them post at once, so that commits are shared.
const powerClients = 4

// trial is one traced life of the server and what it acknowledged.
type trial struct {
	h     *harness
	site  *rig.Site
	base  string // the data directory as it lay before
	calls []*call
	keys  map[string]string // event id → idempotency key
	api   *rig.API

	chosen map[int]bool // acknowledgements, in order, that get an image
}

// powerLoss traces what the server writes and syncs, and looks, at each
// acknowledgement, at what a power failure at that moment would have left.
func powerLoss(ctx context.Context, h *harness) error {
	t := &trial{h: h, keys: map[string]string{}, chosen: map[int]bool{}}
	if err := t.record(ctx); err != nil {
		return err
	}
	acks := t.survey()
	if acks < h.o.acks {
		return fmt.Errorf("the trace shows %d acknowledgements of %d", acks, h.o.acks)
	}
	honest, err := t.replay(ctx, 0, false)
	if err != nil {
		return err
	}
	fmt.Printf("  unsynced writes dropped:      %d images, acknowledged events missing in %d\n", honest.images, honest.short)
	torn, err := t.replay(ctx, 0, true)
	if err != nil {
		return err
	}
	fmt.Printf("  unsynced writes half there:   %d images, acknowledged events missing in %d\n", torn.images, torn.short)
	lying, err := t.replay(ctx, 1, false)
	if err != nil {
		return err
	}
	fmt.Printf("  a disk that lies about its last sync (must be found out): missing in %d of %d images\n", lying.short, lying.images)
	started, err := t.startOnImages(ctx, honest.last)
	if err != nil {
		return err
	}
	fmt.Printf("  the server itself started on %d of the images and shows every acknowledged event\n", started)
	switch {
	case honest.short+torn.short > 0:
		return fmt.Errorf("acknowledged events are missing: %s%s", honest.detail, torn.detail)
	case lying.short < lying.images/2:
		return errors.New("the replay does not bite: a lying disk went unnoticed")
	}
	return nil
}

// survey counts what the trace shows and chooses the acknowledgements that
// get an image: each while the files are small, then one in ten and those
// that follow a checkpoint, when the database itself is written.
func (t *trial) survey() (acks int) {
	syncs, checkpoints, near := 0, 0, 0
	for _, c := range t.calls {
		if strings.HasSuffix(c.name, "sync") && strings.HasPrefix(c.path, t.site.Data()) {
			syncs++
			if strings.HasSuffix(c.path, ".db") {
				checkpoints, near = checkpoints+1, 5
			}
		}
		if t.ackOf(c) == "" {
			continue
		}
		if acks < t.h.o.acks/2 || near > 0 || acks%10 == 0 {
			t.chosen[acks] = true
		}
		acks, near = acks+1, near-1
	}
	fmt.Printf("  traced: %d acknowledgements, %d syncs in the data directory, %d of them of the database itself (checkpoints, start)\n",
		acks, syncs, checkpoints)
	return acks
}

// record lets a server live under the tracer and posts events to it.
func (t *trial) record(ctx context.Context) error {
	var err error
	if t.site, err = rig.NewSite(ctx, t.h.binary, filepath.Join(t.h.dir, "powerloss")); err != nil {
		return err
	}
	f, err := newFleet(&ledger{}, t.h.o.seed)
	if err != nil {
		return err
	}
	defer f.close()
	f.healed.Store(true)
	c := &crash{h: t.h, site: t.site, fleet: f, ledger: f.ledger}
	server, err := c.setUp(ctx)
	if err != nil {
		return err
	}
	if err := server.Stop(40 * time.Second); err != nil {
		return err
	}
	t.base = filepath.Join(t.h.dir, "powerloss", "base")
	if err := os.CopyFS(t.base, os.DirFS(t.site.Data())); err != nil {
		return err
	}
	log := filepath.Join(t.h.dir, "powerloss", "trace")
	server, err = c.begin(ctx, []string{"strace", "-f", "-y", "-x", "-qq", "-s", "16777216", "-e", "signal=none",
		"-e", "trace=" + tracedCalls, "-o", log})
	if err != nil {
		return err
	}
	t.api = c.api
	err = t.post(ctx)
	c.end(server)
	if err != nil {
		return err
	}
	file, err := os.Open(log)
	if err != nil {
		return err
	}
	defer file.Close()
	t.calls, err = readTrace(file)
	return err
}

func (t *trial) post(ctx context.Context) error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	next := 0
	for i := range powerClients {
		rnd := rand.New(rand.NewPCG(t.h.o.seed, uint64(i)))
		wg.Go(func() {
			for {
				mu.Lock()
				n, stop := next, next >= t.h.o.acks || failed != nil
				next++
				mu.Unlock()
				if stop {
					return
				}
				key := "power-" + strconv.Itoa(n)
				body := fmt.Appendf(nil, `{"type":"torture.event","consumer":"c%d","data":%s}`, rnd.IntN(consumers), t.data(n, rnd))
				ans, err := t.api.Raw(ctx, http.MethodPost, "/v1/events", body, "Idempotency-Key", key)
				if err == nil && ans.Status != http.StatusAccepted {
					err = fmt.Errorf("answer %d %.200s", ans.Status, ans.Body)
				}
				var made struct {
					ID string `json:"id"`
				}
				if err == nil {
					err = json.Unmarshal(ans.Body, &made)
				}
				mu.Lock()
				if err != nil {
					failed = err
				}
				t.keys[made.ID] = key
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return failed
}

// data are small for half of the events, then large, so that the write-ahead
// log grows to its limit and a checkpoint falls into the trace.
func (t *trial) data(n int, rnd *rand.Rand) []byte {
	if n < t.h.o.acks/2 {
		return makeData(n, rnd)
	}
	return fmt.Appendf(nil, `{"n":%d,"f":%q}`, n, strings.Repeat("malote ", 9000))
}

var accepted = []byte("HTTP/1.1 202 ")

// ackOf is the key of the event that a call acknowledges, if it does.
func (t *trial) ackOf(c *call) string {
	if c.name != "write" || !bytes.HasPrefix(c.data, accepted) {
		return ""
	}
	_, body, _ := bytes.Cut(c.data, []byte("\r\n\r\n"))
	var made struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(body, &made) != nil {
		return ""
	}
	return t.keys[made.ID]
}

// outcome of a replay.
type outcome struct {
	images, short int
	detail        string
	last          []string // keys acknowledged at the end
}

// replay builds the image at each acknowledgement and counts those in which
// something acknowledged is missing.
func (t *trial) replay(ctx context.Context, lies int, torn bool) (*outcome, error) {
	d, err := newDisk(t.site.Data(), t.base, lies)
	if err != nil {
		return nil, err
	}
	o := &outcome{}
	synced := map[*call]int{}
	rnd := rand.New(rand.NewPCG(t.h.o.seed, 7))
	for _, s := range steps(t.calls) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		key := ""
		if !s.leave { // from here on the client may know
			key = t.ackOf(s.call)
		}
		if key == "" {
			d.do(s, synced)
			continue
		}
		o.last = append(o.last, key)
		if !t.chosen[len(o.last)-1] {
			continue
		}
		image := filepath.Join(t.h.scratch, "image")
		random := rnd
		if !torn {
			random = nil
		}
		if err := d.image(image, random); err != nil {
			return nil, err
		}
		o.images++
		missing, err := missingIn(ctx, image, o.last)
		if err != nil {
			o.short++
			o.detail = fmt.Sprintf("image %d: %v", o.images, err)
		} else if len(missing) > 0 {
			o.short++
			o.detail = fmt.Sprintf("image %d: %d missing, such as %s", o.images, len(missing), missing[0])
		}
		if err := os.RemoveAll(image); err != nil {
			return nil, err
		}
		if lies > 0 || torn || !t.keepImage(len(o.last)-1) {
			continue
		}
		// For the server to start on; the check has changed the other one.
		if err := d.image(t.imageDir(len(o.last)-1), nil); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// startedImages is on how many of the images the server itself is started.
const startedImages = 4

func (t *trial) imageDir(n int) string {
	return filepath.Join(t.h.dir, "powerloss", fmt.Sprintf("image-%04d", n))
}

// keepImage chooses those on which the server is started.
func (t *trial) keepImage(n int) bool { return n%max(t.h.o.acks/startedImages, 1) == 0 }

// startOnImages starts the server on some of the images and asks for every
// event that was acknowledged by then.
func (t *trial) startOnImages(ctx context.Context, acked []string) (int, error) {
	started := 0
	f, err := newFleet(&ledger{}, t.h.o.seed)
	if err != nil {
		return 0, err
	}
	defer f.close()
	ids := map[string]string{}
	for id, key := range t.keys {
		ids[key] = id
	}
	for n := range acked {
		if !t.keepImage(n) {
			continue
		}
		if err := os.RemoveAll(t.site.Data()); err != nil {
			return started, err
		}
		if err := os.Rename(t.imageDir(n), t.site.Data()); err != nil {
			return started, err
		}
		c := &crash{h: t.h, site: t.site, fleet: f, ledger: f.ledger}
		server, err := c.begin(ctx, nil)
		if err != nil {
			return started, fmt.Errorf("image %d: %w", n, err)
		}
		err = t.showsAll(ctx, acked[:n+1], ids)
		server.Kill()
		if err != nil {
			return started, fmt.Errorf("image %d: %w", n, err)
		}
		started++
	}
	return started, nil
}

func (t *trial) showsAll(ctx context.Context, keys []string, ids map[string]string) error {
	for _, key := range slices.Backward(keys) {
		if err := t.api.Do(ctx, http.MethodGet, "/v1/events/"+ids[key], nil, nil); err != nil {
			return err
		}
	}
	return nil
}
