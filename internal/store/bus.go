package store

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// bus carries messages between the processes that share a database, by NOTIFY
// outside of the writer's transactions. It has a connection to tell with and
// one to listen on, which are made anew when they break. What is lost on the
// way is found by sweeps; who may have missed something is told so. SQLite has
// none: nil.
type bus struct {
	config *pgx.ConnConfig
	slot   int
	log    *slog.Logger
	echoes time.Duration             // what one tells oneself has arrived by then
	hear   func(slot int, m message) // another's
	missed func()                    // others may have told what nobody heard
	heed   func(ctx context.Context) // does what takes longer, until ctx ends

	mu   sync.Mutex
	out  map[outgoing]message
	full bool // what there was no room for is not told
	wake chan struct{}

	asked questions
	mute  atomic.Bool // the last telling failed
	work  sync.WaitGroup
	stop  context.CancelFunc
	// deafen ends what hears: that has nothing to bring to its end.
	deafen context.CancelFunc
	over   chan struct{} // closed: what is there is told, and no more

	strange     sync.Once
	told, heard atomic.Uint64
}

// outgoing is what makes two messages one.
type outgoing struct {
	to                 int
	kind               messageKind
	endpoint, delivery key
	ask                int64
}

const (
	toAll = -1 // in place of a slot

	busMost    = 8192                  // messages that wait to be told
	busGather  = 2 * time.Millisecond  // between tellings: they share one,
	busMany    = 8                     // and of so many messages
	busLonger  = 12 * time.Millisecond // it takes longer
	busAgain   = 100 * time.Millisecond
	busSlowest = 5 * time.Second  // longest pause between attempts to connect
	busAlive   = 15 * time.Second // a connection on which nothing came for so long is tried
	busEcho    = 5 * time.Second  // what one tells oneself has arrived by then; else, so often,
	busDeaf    = 12               // and so many times until it is tried again, everything is looked at
	busEnd     = time.Second      // for what is told last

	channelAll  = "malote"
	channelSlot = "malote_node_"
)

// newBus makes one that is silent until start.
func newBus(config *pgx.ConnConfig, slot int, log *slog.Logger) *bus {
	return &bus{
		config: config, slot: slot, log: log, echoes: busEcho, hear: func(int, message) {}, missed: func() {}, heed: func(context.Context) {},
		out: map[outgoing]message{}, wake: make(chan struct{}, 1), over: make(chan struct{}),
		asked: questions{last: time.Now().UnixMicro(), open: map[int64]chan message{}}, stop: func() {}, deafen: func() {},
	}
}

// start begins to tell and to listen; hear and missed are set.
func (b *bus) start() {
	if b == nil {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	b.work.Go(func() { b.talk(ctx) })
	hearing, deafen := context.WithCancel(ctx)
	b.deafen = deafen
	b.work.Go(func() { b.listen(hearing) })
	b.work.Go(func() { b.heed(hearing) })
}

// close tells what is left, and ends.
func (b *bus) close() {
	if b == nil {
		return
	}
	close(b.over)
	b.deafen()
	end := time.AfterFunc(busEnd, b.stop)
	b.work.Wait()
	end.Stop()
	b.stop()
}

// tell has a message be told soon, to a slot or to all. It waits for nothing;
// several that say the same are one.
func (b *bus) tell(to int, m message) {
	if b == nil {
		return
	}
	k := outgoing{to, m.kind, m.endpoint, m.delivery, m.ask}
	b.mu.Lock()
	before, there := b.out[k]
	switch {
	case there:
		m.due = min(m.due, before.due)
		b.out[k] = m
	case len(b.out) < busMost:
		b.out[k] = m
	default:
		b.full = true
	}
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take empties what waits to be told, packed for each channel.
func (b *bus) take() (channels, payloads []string, n int) {
	b.mu.Lock()
	out, full := b.out, b.full
	b.out, b.full = map[outgoing]message{}, false
	b.mu.Unlock()
	to := map[int][]message{}
	for k, m := range out {
		to[k.to] = append(to[k.to], m)
	}
	if full {
		to[toAll] = append(to[toAll], message{kind: tellMissed})
	}
	for _, slot := range slices.Sorted(maps.Keys(to)) {
		n += len(to[slot])
		payloads = appendPayloads(payloads, b.slot, to[slot])
		for len(channels) < len(payloads) {
			channels = append(channels, channelOf(slot))
		}
	}
	return channels, payloads, n
}

func channelOf(slot int) string {
	if slot == toAll {
		return channelAll
	}
	return fmt.Sprint(channelSlot, slot)
}

// A commit that only tells need not wait for the disk.
const notify = `SELECT set_config('synchronous_commit', 'off', true), count(pg_notify(u.c, u.p)) FROM unnest($1::text[], $2::text[]) AS u(c, p)`

// talk tells what there is, a little apart.
func (b *bus) talk(ctx context.Context) {
	var c *pgx.Conn
	defer func() { hangUp(c) }()
	for last := false; !last; {
		select {
		case <-b.wake:
		case <-b.over:
			last = true
		}
		channels, payloads, n := b.take()
		if n == 0 {
			continue
		}
		var err error
		for wait := busAgain; ; wait = min(2*wait, busSlowest) {
			if c, err = b.say(ctx, c, channels, payloads); err == nil {
				break
			}
			b.failed(err)
			if last || !b.rest(ctx, wait) {
				return
			}
		}
		b.mute.Store(false)
		b.told.Add(uint64(n))
		switch {
		case last:
		case n >= busMany:
			b.rest(ctx, busLonger)
		default:
			b.rest(ctx, busGather)
		}
	}
}

func (b *bus) say(ctx context.Context, c *pgx.Conn, channels, payloads []string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, statementFor)
	defer cancel()
	if c == nil || c.IsClosed() {
		var err error
		if c, err = pgx.ConnectConfig(ctx, b.config.Copy()); err != nil {
			return nil, err
		}
	}
	_, err := c.Exec(ctx, notify, channels, payloads)
	if err != nil {
		hangUp(c)
		return nil, err
	}
	return c, nil
}

// rest waits; false: this is over.
func (b *bus) rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-b.over:
		return false
	case <-ctx.Done():
		return false
	}
}

func hangUp(c *pgx.Conn) {
	if c == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), busEnd)
	defer cancel()
	_ = c.Close(ctx)
}

// failed says once in the log that nothing can be told.
func (b *bus) failed(err error) {
	if !b.mute.Swap(true) {
		b.log.Warn("other processes cannot be told of changes: they find them a little later", "error", err)
	}
}
