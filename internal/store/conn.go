package store

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// conn is one connection to the database, used by one goroutine at a time.
type conn struct{ link }

// link is what a connection does, in SQLite's way or in PostgreSQL's.
// Statements are written with ? and ?1, as SQLite reads them.
type link interface {
	exec(ctx context.Context, q string, args ...any) error
	// change is exec that says how many rows changed.
	change(ctx context.Context, q string, args ...any) (int, error)
	// likely is change of one row which nearly always says that there was one.
	// It may say so before it is known, and fail the transaction if it was not.
	likely(ctx context.Context, q string, args ...any) (there bool, err error)
	// together lets statements of the writer's transaction wait for each other;
	// without, each is over when it returns, and so are those before it.
	together(yes bool)
	// bulk lets changes wait in a pipeline that likely does not ask.
	bulk(yes bool)
	// row reads one row; found is false where there is none.
	row(ctx context.Context, q string, args []any, dest ...any) (found bool, err error)
	// rows reads all rows; scan is called with each until it returns false. It
	// must not use the connection.
	rows(ctx context.Context, q string, args []any, scan func(scan func(...any) error) (more bool, err error)) error
	close()
}

// keyList is an argument of many keys: json_each(?) gives them as rows.
type keyList []key

// Value is the list as SQLite takes it.
func (l keyList) Value() (driver.Value, error) {
	out := make([]byte, 0, 22*len(l)+2)
	out = append(out, '[')
	for i, k := range l {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, k, 10)
	}
	return string(append(out, ']')), nil
}

// pool is a few connections to one database.
type pool struct {
	conns chan *conn
	open  int
	once  sync.Once
	end   func() // what is to be closed after them
}

func newPool(n int, end func()) *pool { return &pool{conns: make(chan *conn, n), end: end} }

// add is for who makes the pool.
func (p *pool) add(l link) {
	p.open++
	p.conns <- &conn{l}
}

// takeFor is how long a caller waits for a connection: longer than others use
// one, unless the database does not answer.
const takeFor = 15 * time.Second

// take waits for a connection. Errors: [ErrClosed], [ErrBusy].
func (p *pool) take(ctx context.Context) (*conn, error) {
	select {
	case c, ok := <-p.conns:
		return taken(c, ok)
	default:
	}
	late := time.NewTimer(takeFor)
	defer late.Stop()
	select {
	case c, ok := <-p.conns:
		return taken(c, ok)
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-late.C:
		return nil, fmt.Errorf("others have used every connection to the database for %s: %w", takeFor, ErrBusy)
	}
}

func taken(c *conn, ok bool) (*conn, error) {
	if !ok {
		return nil, ErrClosed
	}
	return c, nil
}

func (p *pool) give(c *conn) { p.conns <- c }

// close waits until all connections are back.
func (p *pool) close() {
	p.once.Do(func() {
		for range p.open {
			c := <-p.conns
			c.close()
		}
		close(p.conns)
		p.end()
	})
}
