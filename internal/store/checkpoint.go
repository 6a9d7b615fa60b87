package store

import "context"

const (
	checkpointAt = 4000    // pages in the write-ahead log that are worth moving
	walTooLong   = 16000   // pages from which on readers are waited for (64 MiB)
	checkEvery   = 32      // commits after which its length is asked for
	checkBytes   = 8 << 20 // or this much of events
)

// checkpointer moves the write-ahead log into the database. Most of the work
// is done on a connection of its own, beside the writer; the writer does the
// rest, which lets the log start again from its beginning. SQLite's own
// checkpoints are off: they swallow a failed fsync and try it again, and what
// a failed fsync lost is not there the second time.
type checkpointer struct {
	pool    *pool
	want    chan struct{}
	done    chan error
	ended   chan struct{}
	running bool
	commits int
	bytes   int
}

func newCheckpointer(ctx context.Context, path string) (*checkpointer, error) {
	p, err := openPool(ctx, path, 1)
	if err != nil {
		return nil, err
	}
	return &checkpointer{pool: p, want: make(chan struct{}, 1), done: make(chan error, 1), ended: make(chan struct{})}, nil
}

func (p *checkpointer) start() {
	go func() {
		defer close(p.ended)
		for range p.want {
			c, err := p.pool.take(context.Background())
			if err == nil {
				_, _, err = checkpoint(c, "PASSIVE")
				p.pool.give(c)
			}
			p.done <- err
		}
	}()
}

// abandon is for one that may never have been started.
func (p *checkpointer) abandon() { p.pool.close() }

func (p *checkpointer) stop() {
	close(p.want)
	<-p.ended
	p.pool.close()
}

// step is called by the writer after a transaction with this much of events.
func (p *checkpointer) step(w *writer, size int) {
	if w.failed != nil {
		return
	}
	if p.running {
		select {
		case err := <-p.done:
			p.running = false
			if err == nil {
				_, _, err = checkpoint(w.c, "PASSIVE")
			}
			w.fail(err, "checkpoint")
		default:
		}
		return
	}
	p.commits++
	p.bytes += size
	if p.commits < checkEvery && p.bytes < checkBytes {
		return
	}
	p.commits, p.bytes = 0, 0
	length, moved, err := checkpoint(w.c, "NOOP")
	switch {
	case err != nil:
		w.fail(err, "length of the write-ahead log")
	case length > walTooLong:
		w.fail(p.restart(w.c), "checkpoint")
	case length-moved >= checkpointAt:
		p.running = true
		p.want <- struct{}{}
	}
}

// restart waits a little for readers that keep the log from starting again.
func (p *checkpointer) restart(c *conn) error {
	ctx := context.Background()
	if err := c.exec(ctx, "PRAGMA busy_timeout=50"); err != nil {
		return err
	}
	_, _, err := checkpoint(c, "RESTART")
	if e := c.exec(ctx, busyPragma); err == nil {
		err = e
	}
	if faultOf(err) == faultBusy {
		return nil
	}
	return err
}

// all moves everything and empties the log.
func (p *checkpointer) all(c *conn) error {
	_, _, err := checkpoint(c, "TRUNCATE")
	return err
}

// checkpoint returns the pages in the log and how many of them are in the
// database. A busy answer is no error: what could be moved was.
func checkpoint(c *conn, mode string) (length, moved int, err error) {
	var busy int
	_, err = c.row(context.Background(), "PRAGMA wal_checkpoint("+mode+")", nil, &busy, &length, &moved)
	return length, moved, err
}
