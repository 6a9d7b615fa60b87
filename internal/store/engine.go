package store

import (
	"context"
	"time"
)

// engine is the database under the store: what SQLite and PostgreSQL do each
// in its own way. The rules, and the statements, are of both.
type engine interface {
	// open makes the database ready: no other process writes to what is this
	// one's, and its schema is this binary's. Errors: [ErrLocked], [ErrNewer].
	open(ctx context.Context) error
	// connect makes connections, to read or to write.
	connect(ctx context.Context, n int, to purpose) (*pool, error)
	// keymaker makes keys that no other process makes.
	keymaker(secret []byte, last key) (*keymaker, error)
	// slot is this process's number among those that share the database, and
	// state what its row says.
	slot() int
	state(ctx context.Context, c *conn) (slotState, error)
	// foresee may look up at once what the items of a transaction will ask for.
	foresee(b *batch, in *inbox) error
	// shared reports whether other processes may write at the same time. Then
	// outset begins a transaction that does what somebody asks for; agree ends
	// one that writes, verify one that only refuses something: see
	// configuration.go. They fail the transaction with errOutdated. seize has
	// those wait that change the configuration.
	shared() bool
	outset(b *batch) error
	agree(b *batch)
	verify(b *batch)
	seize(b *batch) error
	// alone reports whether all that waits to be done is this process's to do.
	alone() bool
	// apart is the least time from one commit to the next under load.
	apart() time.Duration
	// serve is called once, before the first event is taken in. It says whether
	// the process before this one ended without closing the store.
	serve(ctx context.Context) (unclean bool, err error)

	// bus to other processes on the same database; nil: there are none.
	bus() *bus

	// begin, commit and rollback are of the writer's transactions; in one that
	// is wary, likely asks. An error of
	// commit says that nothing of the transaction is there; see [fault] for
	// what else it may say.
	begin(c *conn, wary bool) error
	commit(b *batch) error
	rollback(c *conn) error
	// mark writes the row that each transaction which wrote ends with. renewal
	// is when it is to be written though nothing else is; zero: never.
	mark(b *batch) error
	renewal() time.Time

	// attach makes what the writer needs beside its connection. wrote is
	// called after each transaction, with this much of events; detach at the
	// end, which is not whole where a write failed for good.
	attach(ctx context.Context, w *writer) error
	wrote(w *writer, size int)
	detach(w *writer, whole bool) error

	// room says why no event is taken in now; nil: they are. makeRoom is
	// called when a write found none, and reports whether there is some now.
	room(now time.Time) error
	makeRoom() bool
	// keep does what is to be done about history as a whole, and says up to
	// which key of what is older than a time it is left to delete row by row.
	keep(ctx context.Context, db *DB, before time.Time) (key, error)
	// giveBack returns space that is free inside the database to the disk.
	giveBack(ctx context.Context, db *DB) error
	// size of the database in bytes.
	size(ctx context.Context, db *DB) (int64, error)
	backup(ctx context.Context, to string) error

	// closing and closed are called before and after the writer ends; release
	// last, also after an open that failed.
	closing() error
	closed() error
	release()

	// String names the database for people.
	String() string
}

// slotState is what is kept of a slot.
type slotState struct {
	last    key   // that was given out
	pending int64 // rows in the queue
	indexed key   // events up to it are in the lists
}

func newEngine(o *Options) (engine, error) {
	if o.Database != "" {
		return newPostgres(o)
	}
	return newLite(o)
}

// purpose of a connection.
type purpose int

const (
	toRead purpose = iota
	toWrite
)
