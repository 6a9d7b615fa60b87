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
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/malote-dev/malote/internal/secret"
)

// minPostgres is the oldest version, as server_version_num says it.
const minPostgres = 150000

const (
	leaseFor   = 10 * time.Second // after the last sign of life of a process another takes the database
	leaseEvery = 3 * time.Second
	leaseAgain = 200 * time.Millisecond // how often one that waits for it looks
)

// Statements about the one row of state.
const (
	takeState = `UPDATE state s SET token=s.token+1, open=true, until=now()+make_interval(secs=>$1)
		FROM (SELECT open FROM state WHERE id=1 FOR UPDATE) was
		WHERE s.id=1 AND (NOT s.open OR s.until<now()) RETURNING s.token, was.open`
	// markState fails, and with it the transaction, where the row is another's:
	// commits is not null.
	markState = `UPDATE state SET pending=$1, indexed=$2, last=$3, commits=CASE WHEN token=$6 AND commits=$4-1 THEN $4 END,
		until=now()+make_interval(secs=>$5) WHERE id=1`
	leaveState = "UPDATE state SET open=false WHERE id=1 AND token=$1"
	// judgeState waits for a transaction that is under way, and makes sure that
	// one which is yet to come fails: commits is not what it expects any more.
	judgeState = "UPDATE state SET commits=commits+2 WHERE id=1 AND token=$1 RETURNING commits"
)

// errFenced says that another process took the database.
var errFenced = errors.New("another process took the database over, since this one gave no sign of life")

// pgEngine is PostgreSQL.
type pgEngine struct {
	config *pgx.ConnConfig
	log    *slog.Logger
	first  *pgConn // becomes the writer's
	guest  bool    // writes beside whoever serves, and holds nothing

	token   int64
	unclean bool
	commits int64     // of those that are known
	renewed time.Time // the lease, about
	sized   sized
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
	return &pgEngine{config: config, log: o.Logger, guest: o.NoSecrets || o.beside}, nil
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
	_, err := c.row(ctx, "SELECT current_setting('server_version_num')::int, current_setting('synchronous_commit'), pg_backend_pid()", nil, &version, &durable, &pid)
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
	}
	return nil
}

// take makes this process the one that serves. One that died holds its place
// for a while; one that lives is noticed by its signs of life: two, since one
// may be of a commit that was under way when it died.
func (e *pgEngine) take(ctx context.Context, c *pgConn) error {
	var seen, until time.Time
	signs := -1 // the first look is none
	told := sync.OnceFunc(func() {
		e.log.Info("waiting for the database: another process serves with it, or died a moment ago", "at_most", leaseFor)
	})
	for end := time.Now().Add(leaseFor + leaseEvery); ; {
		found, err := c.row(ctx, takeState, []any{leaseFor.Seconds()}, &e.token, &e.unclean)
		if err != nil {
			return err
		}
		if found {
			e.renewed = time.Now()
			_, err := c.row(ctx, "SELECT commits FROM state WHERE id=1", nil, &e.commits)
			return err
		}
		if _, err := c.row(ctx, "SELECT until FROM state WHERE id=1", nil, &until); err != nil {
			return err
		}
		if until.After(seen) {
			signs, seen = signs+1, until
		}
		told()
		if signs > 1 || time.Now().After(end) {
			return fmt.Errorf("%s: %w", e, ErrLocked)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(leaseAgain):
		}
	}
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
		c.setup, e.first = e.ofSession(), nil
		p.add(c)
		n--
		if c.setup != "" {
			if _, err := c.c.Exec(ctx, c.setup, pgx.QueryExecModeSimpleProtocol); err != nil {
				return nil, err
			}
		}
	}
	for range n {
		p.add(newPgConn(e.config))
	}
	return p, nil
}

func (e *pgEngine) keymaker(secret []byte, last key) (*keymaker, error) {
	m, err := newKeymaker(secret, last)
	if err == nil && e.guest {
		m.from = guestKey() // whoever serves gives out others
	}
	return m, err
}

func (e *pgEngine) alone() bool { return !e.guest }

func (e *pgEngine) serve(context.Context) (unclean bool, err error) { return e.unclean, nil }

func (e *pgEngine) attach(context.Context, *writer) error { return nil }

func (e *pgEngine) wrote(*writer, int) {}

func (e *pgEngine) detach(w *writer, whole bool) error {
	if e.guest || !whole {
		return nil
	}
	return w.c.exec(context.Background(), leaveState, e.token)
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
}
