package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/malote-dev/malote/internal/secret"
)

// minPostgres is the oldest version, as server_version_num says it.
const minPostgres = 150000

// Lease of a process: after its last sign of life, others take what is its own.
const (
	leaseFor   = 45 * time.Second
	leaseShare = 10 // of it is over when the next sign is given
)

// Slots of processes. The last is of those who only pass by: they make keys,
// and hold no row.
const (
	guestSlot = 1<<slotBits - 1
	maxNodes  = guestSlot
)

// Statements about the row of a slot.
const (
	// takeSlot takes one whose process died, or else one that is free.
	takeSlot = `UPDATE nodes n SET token=n.token+1, open=true, leaving=false, exclusive=false, until=now()+make_interval(secs=>$1), started=now(), host=$2, sign=$3, version=$4, address=$5, lease=$1, died=false
		FROM (SELECT slot FROM nodes WHERE (NOT open OR until<now()) AND NOT EXISTS (SELECT 1 FROM nodes x WHERE x.exclusive AND x.open AND x.until>=now()) ORDER BY open DESC, slot LIMIT 1 FOR UPDATE SKIP LOCKED) free
		WHERE n.slot=free.slot RETURNING n.slot, n.token, n.commits, EXISTS (SELECT 1 FROM shards WHERE shards.slot=n.slot)`
	// endLease is of a process that is known to be gone.
	endLease = "UPDATE nodes SET until=now()-interval '1 second', sign='' WHERE slot=$1 AND token=$2"
	// takeAll takes the first slot where nobody has one, and keeps others from it.
	takeAll = `WITH locked AS (SELECT open AND until>=now() AS held FROM nodes FOR UPDATE)
		UPDATE nodes n SET token=n.token+1, open=true, leaving=false, exclusive=true, until=now()+make_interval(secs=>$1), started=now(), host=$2, sign=$3, version=$4, address=$5, lease=$1, died=false
		WHERE n.slot=0 AND (SELECT count(*) FROM locked WHERE held)=0
		RETURNING n.slot, n.token, n.commits, EXISTS (SELECT 1 FROM shards WHERE shards.slot IS NOT NULL OR shards.died)`
	readSlot = "SELECT last, pending, indexed FROM nodes WHERE slot=$1"
	// markSlot fails, and with it the transaction, where the row is another's:
	// commits is not null.
	markSlot = `UPDATE nodes SET pending=$1, indexed=$2, last=$3, commits=CASE WHEN token=$6 AND commits=$4-1 THEN $4 END,
		until=now()+make_interval(secs=>$5) WHERE slot=$7`
	// leaveSlot gives back what is left. A slot that others have to see to is
	// at once as one whose process died.
	leaveSlot = `WITH own AS (UPDATE nodes SET open=$3, until=now() WHERE slot=$1 AND token=$2 RETURNING slot)
		UPDATE shards s SET slot=NULL FROM own WHERE s.slot=own.slot`
	// judgeSlot waits for a transaction that is under way, and makes sure that
	// one which is yet to come fails: commits is not what it expects any more.
	judgeSlot = "UPDATE nodes SET commits=commits+2 WHERE slot=$1 AND token=$2 RETURNING commits"
)

// errFenced says that another process took this one's place.
var errFenced = errors.New("another process took the place of this one, since it gave no sign of life")

// pgEngine is PostgreSQL.
type pgEngine struct {
	config *pgx.ConnConfig
	log    *slog.Logger
	first  *pgConn // becomes the writer's
	guest  bool    // writes beside whoever serves, and holds nothing

	exclusive bool // nobody else may serve

	sign    *sign // nil: none
	lease   time.Duration
	version string // of the program, and where it listens: for people
	address string
	place   int // slot
	token   int64
	unclean bool
	commits int64        // of those that are known
	renewed time.Time    // the lease, when that was asked for
	opened  time.Time    // what ends counts from
	ends    atomic.Int64 // of the lease
	sized   sized
	keeping keeping
	pooled  bool // a pooler stands before the server
	softly  bool // the role does not wait for the disk by itself
}

// newPostgres reads the URL of a database.
func newPostgres(o *Options) (*pgEngine, error) {
	config, err := parseURL(o.Database)
	if err != nil {
		return nil, fmt.Errorf("the URL of the database: %w", err)
	}
	if config.ValidateConnect == nil {
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "malote"
	}
	return &pgEngine{config: config, log: o.Logger, guest: o.NoSecrets && !o.exclusive, exclusive: o.exclusive, lease: o.Lease, version: o.Version, address: o.Address, opened: time.Now()}, nil
}

// onceConfig is for what is asked once, also through a pooler.
func (e *pgEngine) onceConfig() *pgx.ConnConfig {
	config := e.config.Copy()
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	return config
}

// parseURL reads a URL. Its errors keep the cause alone: the whole says the
// URL, and with it a password. Where it is no URL, so may the cause.
func parseURL(text secret.Text) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(text.Reveal())
	var p *pgconn.ParseConfigError
	var not *url.Error
	switch {
	case err == nil:
		return config, nil
	case errors.As(err, &not) || !errors.As(err, &p) || errors.Unwrap(p) == nil:
		return nil, errors.New("it does not parse")
	}
	return nil, errors.Unwrap(p)
}

// DatabaseName names the database of a URL for people: without user and
// password. It connects nowhere.
func DatabaseName(text secret.Text) (string, error) {
	config, err := parseURL(text)
	if err != nil {
		return "", err
	}
	return nameOf(config), nil
}

func nameOf(config *pgx.ConnConfig) string {
	name := config.Database
	if name == "" {
		name = config.User // the server's rule
	}
	return fmt.Sprintf("database %s at %s", name, net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))))
}

func (e *pgEngine) String() string { return nameOf(e.config) }

// whyNot says of an error at the start whose fault it is, where that is plain:
// nobody answers, or the user may not.
func whyNot(err error) error {
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		var lost *lostError
		var dial *net.OpError
		switch {
		case errors.As(err, &dial):
			return fmt.Errorf("%w: %w", ErrUnreachable, dial)
		case errors.As(err, &lost):
			return fmt.Errorf("%w: %w", ErrUnreachable, lost.err)
		}
		return err
	}
	switch said.Code {
	case "28000", "28P01", "3D000", "42501":
		return fmt.Errorf("%w: %s", ErrNoAccess, said.Message)
	}
	return err
}

func (e *pgEngine) open(ctx context.Context) error {
	c := newPgConn(e.config)
	if err := c.connect(ctx); err != nil {
		return fmt.Errorf("%s: %w", e, whyNot(err))
	}
	e.first = c
	if err := e.check(ctx, c); err != nil {
		return err
	}
	if err := e.migrate(ctx, c, postgresMigrations()); err != nil {
		return fmt.Errorf("%s: %w", e, whyNot(err))
	}
	if e.guest {
		return nil
	}
	return e.take(ctx, c)
}

// check looks at what the server and the role are like.
func (e *pgEngine) check(ctx context.Context, c *pgConn) error {
	var version, pid int
	var durable string
	_, err := c.row(ctx, "SELECT current_setting('server_version_num')::int, current_setting('synchronous_commit'), pg_backend_pid()",
		[]any{pgx.QueryExecModeExec}, &version, &durable, &pid) // a pooler may give it to others: no name is left there
	if err != nil {
		return fmt.Errorf("%s: %w", e, err)
	}
	if version < minPostgres {
		return fmt.Errorf("%s runs version %d of PostgreSQL; %d or newer is needed", e, version/10000, minPostgres/10000)
	}
	if e.softly = durable == "off"; e.softly {
		e.log.Warn("synchronous_commit is off for this role or database; what is accepted is committed with it on")
	}
	if uint32(pid) != c.c.PgConn().PID() && e.config.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		e.pooled = true
		e.log.Info("a pooler stands before the database: statements are not prepared by name")
		e.config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		c.drop()
		if err := c.connect(ctx); err != nil {
			return fmt.Errorf("%s: %w", e, whyNot(err))
		}
	}
	return nil
}

// take makes a slot this process's. It waits for nobody: the shards of one that
// died are its own until its lease is over.
func (e *pgEngine) take(ctx context.Context, c *pgConn) error {
	if err := e.findEnded(ctx, c); err != nil {
		return fmt.Errorf("%s: %w", e, err)
	}
	e.sign = newSign()
	asked := time.Now()
	q := takeSlot
	if e.exclusive {
		q = takeAll
	}
	found, err := c.row(ctx, q, []any{e.lease.Seconds(), hostName(), e.sign.text, e.version, e.address}, &e.place, &e.token, &e.commits, &e.unclean)
	switch {
	case err != nil || found:
	case e.exclusive:
		err = ErrLocked
	default:
		err = fmt.Errorf("%d processes serve with it, which is all there may be, or it is being copied: %w", maxNodes, ErrLocked)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", e, err)
	}
	e.renew(asked)
	return nil
}

// findEnded ends the leases of processes on this machine that are known to be
// gone.
func (e *pgEngine) findEnded(ctx context.Context, c *pgConn) error {
	type holder struct {
		slot  int
		token int64
	}
	var gone []holder
	err := c.rows(ctx, "SELECT slot, token, sign FROM nodes WHERE open AND sign<>''", nil, func(scan func(...any) error) (bool, error) {
		var h holder
		var text string
		err := scan(&h.slot, &h.token, &text)
		if err == nil && ended(text) {
			gone = append(gone, h)
		}
		return true, err
	})
	for _, h := range gone {
		if err == nil {
			err = c.exec(ctx, endLease, h.slot, h.token)
		}
	}
	return err
}

// renew notes that the lease counts from a time.
func (e *pgEngine) renew(asked time.Time) {
	e.renewed = asked
	e.ends.Store(int64(asked.Add(e.lease).Sub(e.opened)))
}

// leaseEnds may be called from anywhere.
func (e *pgEngine) leaseEnds() time.Time { return e.opened.Add(time.Duration(e.ends.Load())) }

func (e *pgEngine) slot() int { return e.place }

// state of the slot; a guest has none.
func (e *pgEngine) state(ctx context.Context, c *conn) (s slotState, err error) {
	if !e.guest {
		_, err = c.row(ctx, readSlot, []any{e.place}, &s.last, &s.pending, &s.indexed)
	}
	return s, err
}

// migrate brings the schema up to this binary's. Each migration is one
// transaction: a kill leaves it to be run again.
func (e *pgEngine) migrate(ctx context.Context, c *pgConn, files fs.FS) error {
	if e.current(ctx, c, files) {
		return nil
	}
	unlock, err := e.lockSchema(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	db := stdlib.OpenDB(*e.config.Copy())
	db.SetMaxOpenConns(2)
	defer func() { _ = db.Close() }()
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	has, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	knows := p.ListSources()[len(p.ListSources())-1].Version
	if has > knows {
		return fmt.Errorf("it has schema %d, this binary knows up to %d: %w", has, knows, ErrNewer)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate from schema %d: %w", has, err)
	}
	return nil
}

// current reports whether there is nothing to migrate: the usual case.
func (e *pgEngine) current(ctx context.Context, c *pgConn, files fs.FS) bool {
	names, err := fs.Glob(files, "*.sql")
	if err != nil || len(names) == 0 {
		return false
	}
	knows, err := goose.NumericComponent(names[len(names)-1])
	if err != nil {
		return false
	}
	has, err := versionIn(ctx, c)
	return err == nil && has == knows
}

const schemaLock = 0x6d616c6f7465 // "malote"

// lockSchema lets one process at a time migrate. The lock is a transaction's,
// so it passes a pooler, and goes with the process.
func (e *pgEngine) lockSchema(ctx context.Context) (unlock func(), err error) {
	c, err := pgx.ConnectConfig(ctx, e.config.Copy())
	if err != nil {
		return nil, err
	}
	unlock = func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectFor)
		defer cancel()
		_ = c.Close(ctx)
	}
	for _, q := range []string{"BEGIN", "SET LOCAL idle_in_transaction_session_timeout=0", fmt.Sprintf("SELECT pg_advisory_xact_lock(%d)", schemaLock)} {
		if _, err := c.Exec(ctx, q); err != nil {
			unlock()
			return nil, fmt.Errorf("wait for others that migrate: %w", err)
		}
	}
	return unlock, nil
}

// connect makes connections that open when they are used first.
func (e *pgEngine) connect(ctx context.Context, n int, to purpose) (*pool, error) {
	p := newPool(n, func() {})
	if to == toWrite {
		c := e.first
		c.setup, e.first = e.ofWriter(), nil
		p.add(c)
		n--
		if c.setup != "" {
			if _, err := c.c.Exec(ctx, c.setup, pgx.QueryExecModeSimpleProtocol); err != nil {
				return nil, err
			}
		}
	}
	for range n {
		c := newPgConn(e.config)
		c.setup = e.ofReader()
		p.add(c)
	}
	return p, nil
}

func (e *pgEngine) keymaker(secret []byte, last key) (*keymaker, error) {
	m, err := newKeymaker(secret, last)
	switch {
	case err != nil:
	case e.guest:
		m.inSlot(guestSlot)
		some := guestKey() // there may be others
		m.from, m.room = m.from+some, m.room-some
	default:
		m.inSlot(e.place)
	}
	return m, err
}

func (e *pgEngine) alone() bool { return !e.guest }

func (e *pgEngine) apart() time.Duration { return 5 * time.Millisecond }

func (e *pgEngine) serve(ctx context.Context) (unclean bool, err error) {
	if e.guest {
		return e.unclean, nil
	}
	l, err := e.labourer(ctx)
	if err != nil {
		return e.unclean, err
	}
	defer l.close()
	_, err = e.ahead(ctx, l)
	return e.unclean, err
}

func (e *pgEngine) attach(context.Context, *writer) error { return nil }

func (e *pgEngine) wrote(*writer, int) {}

func (e *pgEngine) detach(w *writer, whole bool) error {
	if e.guest || !whole {
		return nil
	}
	return w.c.exec(context.Background(), leaveSlot, e.place, e.token, !w.db.ledger.even())
}

func (e *pgEngine) room(time.Time) error { return nil }

func (e *pgEngine) makeRoom() bool { return false }

// giveBack leaves it to autovacuum.
func (e *pgEngine) giveBack(context.Context, *DB) error { return nil }

func (e *pgEngine) backup(context.Context, string) error {
	return errors.New("a database in PostgreSQL is backed up with its own programs: see pg_dump and pg_basebackup")
}

func (e *pgEngine) closing() error { return nil }

func (e *pgEngine) closed() error { return nil }

func (e *pgEngine) release() {
	if e.first != nil {
		e.first.close()
	}
	if e.sign != nil {
		e.sign.end()
	}
}
