package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// errDeaf says that what is told does not arrive, though it is told: behind a
// pooler that gives a connection to others between transactions.
var errDeaf = errors.New("nothing arrives")

var errMute = errors.New("nothing can be told")

// listen hears others until the bus is closed.
func (b *bus) listen(ctx context.Context) {
	deaf := sync.OnceFunc(func() {
		b.log.Warn("notifications do not arrive through the pooler before the database: processes hear of each other's changes some seconds later")
	})
	for wait := busAgain; ctx.Err() == nil; {
		err := b.listenOn(ctx, func() {
			b.missed() // until then
			wait = busAgain
		})
		if errors.Is(err, errDeaf) {
			deaf()
			for n := busDeaf; n > 0 && pauseFor(ctx, b.echoes); n-- {
				b.missed()
			}
			continue
		}
		if !pauseFor(ctx, wait) {
			return
		}
		wait = min(2*wait, busSlowest)
	}
}

func pauseFor(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// listenOn makes a connection and hears on it until it breaks; works is called
// when something arrived.
func (b *bus) listenOn(ctx context.Context, works func()) error {
	start, cancel := context.WithTimeout(ctx, connectFor)
	defer cancel()
	c, err := pgx.ConnectConfig(start, b.config.Copy())
	if err != nil {
		return err
	}
	defer hangUp(c)
	if err := c.PgConn().Exec(start, "LISTEN "+channelAll+"; LISTEN "+channelOf(b.slot)).Close(); err != nil {
		return err
	}
	echo := time.Now().UnixNano()
	b.tell(b.slot, message{kind: tellEcho, ask: echo})
	for deadline := time.Now().Add(b.echoes); ; {
		left := time.Until(deadline)
		if left <= 0 && !b.mute.Load() {
			return errDeaf
		}
		came, err := b.hearOne(ctx, c, max(left, time.Millisecond), echo)
		switch {
		case err != nil:
			return err
		case came:
			works()
			return b.hearOn(ctx, c)
		case left <= 0:
			return errMute
		}
	}
}

// hearOn hears until the connection breaks.
func (b *bus) hearOn(ctx context.Context, c *pgx.Conn) error {
	for {
		quiet := time.Now().Add(busAlive)
		if _, err := b.hearOne(ctx, c, busAlive, 0); err != nil {
			return err
		}
		if time.Now().Before(quiet) {
			continue
		}
		alive, cancel := context.WithTimeout(ctx, connectFor)
		err := c.Ping(alive)
		cancel()
		if err != nil {
			return err
		}
	}
}

// hearOne waits so long for a notification, and reports whether it was what one
// told oneself.
func (b *bus) hearOne(ctx context.Context, c *pgx.Conn, most time.Duration, echo int64) (came bool, err error) {
	limit, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	n, err := c.WaitForNotification(limit)
	switch {
	case err == nil:
	case ctx.Err() == nil && pgconn.Timeout(err) && !c.IsClosed():
		return false, nil
	default:
		return false, err
	}
	err = eachMessage(n.Payload, func(slot int, m message) {
		switch {
		case m.kind == tellEcho:
			came = came || m.ask == echo
		case slot != b.slot:
			b.heard.Add(1)
			b.receive(slot, m)
		}
	})
	if err != nil {
		b.strange.Do(func() { b.log.Warn("a notification of another process is ignored", "error", err, "channel", n.Channel) })
	}
	return came, nil
}

// receive takes in what another told.
func (b *bus) receive(slot int, m message) {
	switch m.kind {
	case tellAnswer:
		b.asked.answer(m)
	case tellMissed:
		b.missed()
	default:
		b.hear(slot, m)
	}
}

// questions are those that wait for their answers.
type questions struct {
	mu   sync.Mutex
	last int64
	open map[int64]chan message
}

// new numbers a question. Its answer comes on the channel, at most one.
func (q *questions) new() (number int64, answer chan message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.last++
	answer = make(chan message, 1)
	q.open[q.last] = answer
	return q.last, answer
}

func (q *questions) answer(m message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if answer := q.open[m.ask]; answer != nil {
		delete(q.open, m.ask)
		answer <- m
	}
}

// drop forgets a question that nobody waits for any more.
func (q *questions) drop(number int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.open, number)
}
