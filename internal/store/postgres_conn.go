package store

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	statementFor = 10 * time.Second // a statement, or the server counts as gone
	connectFor   = 5 * time.Second
	restedFor    = time.Second // a connection that was not used for longer is tried before it is
)

// lostError says that there is no connection any more.
type lostError struct {
	sent bool // the statement may have got to the server
	err  error
}

func (e *lostError) Error() string { return "no connection to the database: " + e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

var (
	errClosedBefore = errors.New("it broke before")
	errRolledBack   = errors.New("the database rolled back instead of committing")
)

// pgConn is a connection to PostgreSQL. One that broke is made anew by the
// next statement, but never inside of a transaction.
type pgConn struct {
	config *pgx.ConnConfig
	setup  string    // statements after connecting; empty: none
	c      *pgx.Conn // nil: none yet
	texts  map[string]string
	used   time.Time
	tx     bool
	pipe   pipeline
}

func newPgConn(config *pgx.ConnConfig) *pgConn {
	return &pgConn{config: config, texts: map[string]string{}, pipe: pipeline{groups: map[string]*waiting{}}}
}

func (c *pgConn) connect(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectFor)
	defer cancel()
	if c.c, err = pgx.ConnectConfig(ctx, c.config.Copy()); err != nil {
		c.c = nil
		return &lostError{err: err}
	}
	c.used = time.Now()
	if c.setup == "" {
		return nil
	}
	if err := c.c.PgConn().Exec(ctx, c.setup).Close(); err != nil {
		c.drop()
		return &lostError{err: err}
	}
	return nil
}

// ready makes sure that there is a connection.
func (c *pgConn) ready(ctx context.Context) error {
	if c.tx {
		if c.c.IsClosed() {
			return &lostError{err: errClosedBefore}
		}
		return nil
	}
	if c.c != nil && !c.c.IsClosed() {
		if time.Since(c.used) < restedFor {
			return nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectFor)
		defer cancel()
		if c.c.Ping(ctx) == nil {
			return nil
		}
		c.drop()
	}
	return c.connect(ctx)
}

// drop closes what is left of a connection.
func (c *pgConn) drop() {
	if c.c == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectFor)
	defer cancel()
	_ = c.c.Close(ctx)
	c.c, c.tx = nil, false
}

// text is a statement as PostgreSQL reads it.
func (c *pgConn) text(q string) string {
	text, ok := c.texts[q]
	if !ok {
		text = postgresText(q)
		c.texts[q] = text
	}
	return text
}

// arguments are those of a statement as PostgreSQL takes them.
func arguments(args []any) []any {
	for i, a := range args {
		if l, ok := a.(keyList); ok {
			args[i] = []int64(l)
		}
	}
	return args
}

// prepare makes a statement ready, and bounds it. A caller who goes away breaks
// no connection: a new one costs more than the rest of the statement.
func (c *pgConn) prepare(ctx context.Context, q string, args []any) (_ context.Context, end func(), text string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, "", err
	}
	if err := c.ready(ctx); err != nil {
		return nil, nil, "", err
	}
	arguments(args)
	until := time.Now().Add(statementFor)
	if at, ok := ctx.Deadline(); ok && at.Before(until) {
		until = at
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), until)
	return ctx, func() { cancel(); c.used = time.Now() }, c.text(q), nil
}

func (c *pgConn) exec(ctx context.Context, q string, args ...any) error {
	switch {
	case q == "BEGIN":
		return c.begin(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	case q == "COMMIT":
		return c.end(ctx, q)
	case c.pipe.on:
		c.queue(q, args)
		return nil
	}
	_, err := c.change(ctx, q, args...)
	return err
}

func (c *pgConn) begin(ctx context.Context, text string) error {
	err := c.again(ctx, func() bool { return true }, func() error { _, err := c.change(ctx, text); return err })
	c.tx = err == nil
	return err
}

// again runs f, and once more where the connection that it found had been ended
// from outside: then a new one is made. What may have got to the server is only
// run twice where that is harmless.
func (c *pgConn) again(ctx context.Context, harmless func() bool, f func() error) error {
	stood := !c.tx && c.c != nil && !c.c.IsClosed()
	err := f()
	lost := (*lostError)(nil)
	switch {
	case !stood || !errors.As(err, &lost) || lost.sent && !harmless():
	case c.c == nil || ctx.Err() != nil || pgconn.Timeout(err): // there is no new one, or no time for it
	default:
		return f()
	}
	return err
}

// onlyReads reports whether a statement of its own may be run twice.
func onlyReads(q string) bool { return reading.MatchString(q) && !writing.MatchString(q) }

var (
	reading = regexp.MustCompile(`^(SELECT|WITH)\b`)
	writing = regexp.MustCompile(`\b(INSERT|UPDATE|DELETE|pg_notify|nextval)\b`)
)

// broke says of an error that it is the connection's, where it is.
func (c *pgConn) broke(err error) error {
	if lost := (*lostError)(nil); err == nil || !c.c.IsClosed() || errors.As(err, &lost) {
		return err
	}
	return &lostError{sent: !pgconn.SafeToRetry(err), err: err}
}

// beginTogether begins a transaction whose statements wait for each other. It
// is not sent before the first that asks something.
func (c *pgConn) beginTogether(wary bool, settings ...string) error {
	if err := c.ready(context.Background()); err != nil {
		return err
	}
	c.tx, c.pipe.on, c.pipe.wary, c.pipe.sure = true, true, wary, false
	c.pipe.reset()
	for _, q := range append([]string{"BEGIN ISOLATION LEVEL READ COMMITTED"}, settings...) {
		c.pipe.add(&waiting{text: q})
	}
	c.pipe.begin = len(c.pipe.list)
	return nil
}

func (c *pgConn) together(yes bool) { c.pipe.on = yes && c.tx }
func (c *pgConn) bulk(yes bool)     { c.pipe.on, c.pipe.sure = yes && c.tx, yes }

// end commits or rolls back. Where the connection is gone, so is the
// transaction, unless it was the commit that it broke in.
func (c *pgConn) end(ctx context.Context, q string) error {
	c.pipe.on = false
	if c.pipe.unsent() && (q != "COMMIT" || c.pipe.begins()) {
		c.pipe.reset()
		c.tx = false
		return nil
	}
	if q != "COMMIT" {
		c.pipe.reset()
	}
	ctx, done, text, err := c.prepare(ctx, q, nil)
	if err != nil {
		c.tx = false
		c.pipe.reset()
		return err
	}
	defer done()
	tag, err := c.run(ctx, text, nil)
	if err == nil || q != "COMMIT" || c.c.IsClosed() {
		c.tx = false
	}
	if err == nil && q == "COMMIT" && tag.String() != q {
		return errRolledBack // something in it had failed
	}
	return c.broke(err)
}

// run sends a statement, behind what waits.
func (c *pgConn) run(ctx context.Context, text string, args []any) (pgconn.CommandTag, error) {
	if len(c.pipe.list) == 0 {
		return c.c.Exec(ctx, text, args...)
	}
	r, err := c.send(ctx, text, args)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := r.Exec()
	if e := r.Close(); err == nil {
		err = e
	}
	return tag, err
}

func (c *pgConn) change(ctx context.Context, q string, args ...any) (int, error) {
	ctx, done, text, err := c.prepare(ctx, q, args)
	if err != nil {
		return 0, err
	}
	defer done()
	tag, err := c.run(ctx, text, args)
	return int(tag.RowsAffected()), c.broke(err)
}

func (c *pgConn) likely(ctx context.Context, q string, args ...any) (bool, error) {
	if b := bulks[q]; b != nil && c.pipe.on && (!c.pipe.wary || c.pipe.sure) {
		c.pipe.row(q, b, args, true)
		return true, nil
	}
	n, err := c.change(ctx, q, args...)
	return n > 0, err
}

func (c *pgConn) row(ctx context.Context, q string, args []any, dest ...any) (found bool, err error) {
	err = c.rows(ctx, q, args, func(scan func(...any) error) (bool, error) {
		found = true
		return false, scan(dest...)
	})
	return found && err == nil, err
}

func (c *pgConn) rows(ctx context.Context, q string, args []any, scan func(scan func(...any) error) (more bool, err error)) error {
	if c.tx {
		return c.rowsOnce(ctx, q, args, scan)
	}
	seen := false // a row of it
	return c.again(ctx, func() bool { return !seen && onlyReads(q) }, func() error {
		return c.rowsOnce(ctx, q, args, func(row func(...any) error) (bool, error) {
			seen = true
			return scan(row)
		})
	})
}

func (c *pgConn) rowsOnce(ctx context.Context, q string, args []any, scan func(scan func(...any) error) (more bool, err error)) error {
	ctx, done, text, err := c.prepare(ctx, q, args)
	if err != nil {
		return err
	}
	defer done()
	if len(c.pipe.list) == 0 {
		rows, err := c.c.Query(ctx, text, args...)
		if err != nil {
			return c.broke(err)
		}
		return c.each(rows, scan)
	}
	r, err := c.send(ctx, text, args)
	if err != nil {
		return c.broke(err)
	}
	rows, err := r.Query()
	if err == nil {
		err = c.each(rows, scan)
	}
	if e := r.Close(); err == nil {
		err = e
	}
	return c.broke(err)
}

func (c *pgConn) each(rows pgx.Rows, scan func(scan func(...any) error) (more bool, err error)) error {
	defer rows.Close()
	for rows.Next() {
		more, err := scan(rows.Scan)
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	rows.Close()
	return c.broke(rows.Err())
}

func (c *pgConn) close() { c.drop() }

// sqliteWords are what statements say in SQLite's words, and PostgreSQL's for it.
var sqliteWords = strings.NewReplacer(
	"json_each(?) j", "unnest(?::bigint[]) j(value)",
	"json_each(?1) j", "unnest(?1::bigint[]) j(value)",
	"json_each(?2) j", "unnest(?2::bigint[]) j(value)",
	" CROSS JOIN", " JOIN", // SQLite takes CROSS as an order
	"validate=1", "validate",
	"/*FOR UPDATE*/", "FOR UPDATE", // SQLite has one writer, who locks nothing
	"/*FOR SHARE*/", "FOR SHARE",
)

// joinByKey is a join that finds one row by its key.
var joinByKey = regexp.MustCompile(`\b(LEFT JOIN|CROSS JOIN|JOIN) (events|deliveries) (e|d) ON (?:e|d)\.k ?= ?(\w\.\w+)`)

// postgresText is a statement as PostgreSQL reads it: parameters are $1. Of
// tables in parts the planner takes a search by key for one in every part, and would
// rather read the whole table: it is given no choice.
func postgresText(q string) string {
	q = joinByKey.ReplaceAllString(q, "$1 LATERAL (SELECT * FROM $2 WHERE k=$4 LIMIT 1) $3 ON true")
	q = sqliteWords.Replace(q)
	var b strings.Builder
	n := 0
	for i := range len(q) {
		if q[i] != '?' {
			b.WriteByte(q[i])
			continue
		}
		b.WriteByte('$')
		if i+1 < len(q) && q[i+1] >= '1' && q[i+1] <= '9' {
			continue // it has a number
		}
		n++
		fmt.Fprint(&b, n)
	}
	return b.String()
}
