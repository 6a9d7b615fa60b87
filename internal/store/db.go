package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/malote-dev/malote/internal/match"
	"github.com/malote-dev/malote/internal/secret"
)

// Errors that callers tell apart. Whatever else comes back is a fault of the
// store itself.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("conflict")
	ErrHost     = errors.New("the host name is another project's")
	ErrAddress  = errors.New("the secret of an address is another endpoint's")
	ErrWireID   = errors.New("the id on the wire is another endpoint's")
	ErrLimit    = errors.New("limit reached")
	ErrLastKey  = errors.New("it is the last root key that is in force")
	ErrStale    = errors.New("configuration changed meanwhile")
	ErrFull     = errors.New("no space left for new events")
	ErrUnknown  = errors.New("the database does not say whether it was kept") // and has not for seconds
	ErrBusy     = errors.New("store cannot write now")                        // another process holds the database, it is read-only, or too much waits
	ErrLocked   = errors.New("it is in use by another process")
	ErrNewer    = errors.New("database was written by a newer version of malote")
	ErrClosed   = errors.New("store is closed")

	// Of PostgreSQL.
	ErrUnreachable = errors.New("the database cannot be reached")
	ErrNoAccess    = errors.New("the database does not let this user in, or does not let it make tables")
)

// Options to open a store. Zero fields mean the defaults.
type Options struct {
	Dir string // data directory, created if missing (0700)
	// Database is the URL of a database in PostgreSQL, which then is used
	// instead of SQLite in Dir. It may hold a password.
	Database secret.Text
	Keyring  *secret.Keyring
	Logger   *slog.Logger

	// NoSecrets opens without a Keyring, for work that neither reads nor
	// writes an endpoint, such as making a root key.
	NoSecrets bool
	// MinFree is the space, in bytes, that is left to the disk: below it
	// events are refused with [ErrFull] while deliveries and retention go on
	// (default 64 MiB; negative: no limit).
	MinFree int64
	// IdempotencyFor is how long an idempotency key is remembered at least
	// (default 48 h).
	IdempotencyFor time.Duration
	// AuditFor is how long the audit log is kept (default 400 days).
	AuditFor time.Duration
	// Mail says that mails are sent: then what happens to endpoints is told to
	// the addresses of projects, consumers and endpoints. Without it nothing
	// is, and nothing is kept for it.
	Mail bool
	// Fatal is called when a write or an fsync failed in a way that leaves
	// unknown what is on disk. It must end the process: nothing is tried
	// again, the next start recovers what was acknowledged. The default logs
	// and exits with status 70. Where it returns, the store refuses everything.
	Fatal func(error)
	// Lease is how long what is a process's own stays so after its last sign of
	// life, where several share a database in PostgreSQL (default 45 s).
	Lease time.Duration

	// Version of the program, and Address that it listens on, for people who
	// look at the processes that serve.
	Version, Address string

	// FilterTime is how long all filters for one event may take (default
	// [match.MaxTime]).
	FilterTime time.Duration

	exclusive  bool // nobody else may serve with the database
	maxCounted int  // what a count of a replay says exactly; for tests
}

// DB is the store.
type DB struct {
	o       Options
	log     *slog.Logger
	engine  engine
	keys    *keymaker
	readers *pool
	w       *writer
	bus     *bus // nil: no other process is told anything
	owner   atomic.Pointer[Owner]
	nodes   *nodes // nil: no other process shares the database, or this one is a guest
	cache   *caches
	filters *match.Engine
	sends   *recentSends
	ledger  *ledger
	replays *replayer
	claims  claimGate
	unclean bool
	started time.Time

	generation atomic.Int64 // of the configuration in memory

	pending  atomic.Int64 // rows in the queue
	indebted atomic.Int64 // events whose postings are still in memory
	trouble  atomic.Pointer[error]
	oldest   oldestDue

	mu       sync.RWMutex
	projects map[ID]*projectState
	hosts    map[string]ID  // those that are bound to projects
	deleting map[key]string // endpoints whose pending deliveries are being cancelled, and why
	skipping map[key]key    // endpoints whose pending deliveries before a key are being cancelled

	mails      atomic.Int64  // that wait to be sent
	mailsReady chan struct{} // signalled when there are more

	dialects chan struct{} // signalled when a revision was kept

	arrivals arrivals // at inspectors

	closing sync.Once
}

// Open opens or creates the database in a directory and migrates it.
// Errors: [ErrLocked], [ErrNewer], [ErrUnreachable], [ErrNoAccess], and others in words.
func Open(ctx context.Context, o Options) (_ *DB, err error) {
	if o.Keyring == nil && !o.NoSecrets {
		return nil, errors.New("no master key: secrets are kept encrypted only")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MinFree == 0 {
		o.MinFree = 64 << 20
	}
	if o.IdempotencyFor <= 0 {
		o.IdempotencyFor = 48 * time.Hour
	}
	if o.AuditFor <= 0 {
		o.AuditFor = 400 * 24 * time.Hour
	}
	db := &DB{
		o: o, log: o.Logger, started: time.Now(), cache: newCaches(), filters: match.NewEngine(o.Logger),
		projects: map[ID]*projectState{}, hosts: map[string]ID{}, deleting: map[key]string{}, skipping: map[key]key{}, mailsReady: make(chan struct{}, 1), dialects: make(chan struct{}, 1),
	}
	db.filters.Name, db.filters.MaxTime = endpointName, o.FilterTime
	if o.Fatal == nil {
		db.o.Fatal = db.exit
	}
	if db.o.maxCounted == 0 {
		db.o.maxCounted = maxCounted
	}
	if db.o.Lease <= 0 {
		db.o.Lease = leaseFor
	}
	db.replays = newReplayer(db)
	if db.engine, err = newEngine(&db.o); err != nil {
		return nil, err
	}
	if e, ok := db.engine.(*pgEngine); ok && !e.guest {
		db.nodes = newNodes(db, e)
	}
	if err := db.open(ctx); err != nil {
		db.abandon()
		return nil, err
	}
	return db, nil
}

func (db *DB) open(ctx context.Context) error {
	if err := db.engine.open(ctx); err != nil {
		return err
	}
	var err error
	if db.w, err = newWriter(ctx, db); err != nil {
		return err
	}
	if err := db.recover(ctx); err != nil {
		return err
	}
	if db.readers, err = db.engine.connect(ctx, readerCount, toRead); err != nil {
		return err
	}
	if db.unclean, err = db.engine.serve(ctx); err != nil {
		return err
	}
	if db.bus = db.engine.bus(); db.bus != nil {
		h := &heeding{db: db, asked: make(chan heeded, heedMost)}
		db.bus.hear, db.bus.missed, db.bus.heed = h.hear, h.missed, h.heed
	}
	db.w.start()
	db.bus.start()
	if db.nodes != nil {
		db.nodes.begin(ctx)
	}
	if !db.o.NoSecrets {
		db.replays.wake()
	}
	return nil
}

// abandon lets go of what a failed open had.
func (db *DB) abandon() {
	if db.w != nil {
		db.w.abandon()
	}
	if db.readers != nil {
		db.readers.close()
	}
	db.engine.release()
}

// Unclean reports whether the process before this one ended without closing
// the store: attempts may have been under way.
func (db *DB) Unclean() bool { return db.unclean }

// Close stops the writer after what it was given, and closes the database.
func (db *DB) Close() error {
	err := ErrClosed
	db.closing.Do(func() {
		db.replays.stop()
		if db.nodes != nil {
			db.nodes.stop()
		}
		err = errors.Join(db.engine.closing(), db.w.close())
		db.bus.close()
		db.readers.close()
		if err == nil {
			err = db.engine.closed()
		}
		db.engine.release()
	})
	if errors.Is(err, ErrClosed) {
		return nil
	}
	return err
}

// exit is the default of [Options.Fatal].
func (db *DB) exit(err error) {
	db.log.Error("the store cannot go on: ending the process, the next start recovers what was acknowledged", "error", err)
	os.Exit(70)
}

// tell calls the owner, if there is one.
func (db *DB) tell(f func(Owner)) {
	if o := db.owner.Load(); o != nil {
		f(*o)
	}
}

// read runs f with a connection. With snapshot, everything that f reads is
// of one moment.
func (db *DB) read(ctx context.Context, snapshot bool, f func(c *conn) error) error {
	c, err := db.readers.take(ctx)
	if err != nil {
		return err
	}
	defer db.readers.give(c)
	if !snapshot {
		return unreachable(f(c))
	}
	if err := c.exec(ctx, "BEGIN"); err != nil {
		return unreachable(err)
	}
	err = f(c)
	if e := c.exec(context.WithoutCancel(ctx), "COMMIT"); err == nil {
		err = e
	}
	return unreachable(err)
}

// unreachable says of a lost connection what it means to who asked.
func unreachable(err error) error {
	if lost := (*lostError)(nil); errors.As(err, &lost) {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return err
}

// write runs f in the writer's next transaction and waits for the commit. An
// error of f undoes what f did and nothing else. Where the key or the session
// of the context's actor has ended by then, it is [ErrEnded] instead. Where ctx ends first, the
// outcome is unknown, and what f writes to must not be read any more.
func (db *DB) write(ctx context.Context, f func(b *batch) error) error {
	return db.wait(ctx, &op{run: f, actor: actorOf(ctx), serial: true, done: make(chan struct{})})
}

// tend is write for what nobody asks for and one process alone does: it may be
// beside what others write.
func (db *DB) tend(ctx context.Context, f func(b *batch) error) error {
	return db.wait(ctx, &op{run: f, done: make(chan struct{})})
}

func (db *DB) wait(ctx context.Context, o *op) error {
	if err := db.w.addOp(o); err != nil {
		return err
	}
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// endpointName is how log lines call an endpoint.
func endpointName(id fmt.Stringer) string {
	if id, ok := id.(ID); ok {
		return EndpointName.Format(id)
	}
	return id.String()
}
