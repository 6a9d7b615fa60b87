package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// Errors of a copy.
var (
	ErrNothing  = errors.New("it holds nothing: no server has used it")
	ErrNotEmpty = errors.New("it holds data already, and no unfinished copy of that database")
	ErrMoved    = errors.New("what was copied has changed since the copy was begun")
	ErrUnequal  = errors.New("the copy is not equal to what was copied")
	ErrCopying  = errors.New("it holds a copy that is not finished: run `malote copy` again, or begin with an empty one")
)

// SideError is what went wrong with one of the two databases of a copy.
type SideError struct {
	Source bool // it is the one that is copied
	Err    error
}

func (e *SideError) Error() string { return e.Err.Error() }
func (e *SideError) Unwrap() error { return e.Err }

// metaCopying marks a database that a copy is being made in; its value says of
// which one.
const metaCopying = "copying"

const (
	copyRows  = 500     // that one transaction writes at most
	copyBytes = 4 << 20 // and about so many bytes
	copyAtOne = 50      // rows in one statement
)

// CopiedTable is how much of a table was copied, and that both sides agree on.
type CopiedTable struct {
	Name string `json:"table"`
	Rows int64  `json:"rows"`
	Sum  string `json:"sha256"` // SHA-256 over all rows in order, in hex
}

// CopyStep says how far a copy is in a table.
type CopyStep struct {
	Table     string
	Rows, Of  int64
	Comparing bool // all is copied: the two are compared
}

// Copy copies a database into an empty one of the other kind (each is a
// directory, or a URL of PostgreSQL), and compares the two, row by row. What
// was interrupted goes on where it stopped; until it is whole nobody serves
// with the copy. No process may serve with either meanwhile. progress is
// called after each transaction, and about as often when it compares.
// Errors: [ErrUnequal], and as [*SideError] [ErrLocked], [ErrNewer],
// [ErrUnreachable], [ErrNoAccess], [ErrNothing], [ErrCopying], [ErrNotEmpty],
// [ErrMoved].
func Copy(ctx context.Context, from, to Options, progress func(CopyStep)) ([]CopiedTable, error) {
	src, err := openSide(ctx, &from, true)
	if err != nil {
		return nil, &SideError{true, err}
	}
	defer src.close()
	dst, err := openSide(ctx, &to, false)
	if err != nil {
		return nil, &SideError{false, err}
	}
	defer dst.close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for _, s := range []*side{src, dst} {
		stop := s.hold(ctx, cancel)
		defer stop()
	}
	c := copier{src: src, dst: dst, progress: progress}
	if progress == nil {
		c.progress = func(CopyStep) {}
	}
	out, err := c.run(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err != nil {
		return nil, err
	}
	return out, dst.finish(ctx, src.unclean())
}

type copier struct {
	src, dst *side
	tables   []table
	progress func(CopyStep)
}

// table is one with what both sides have of it.
type table struct {
	name    string
	columns []column
	key     []int // of columns: the primary key
	rows    int64 // of the source
}

// column is one with the kind of its values.
type column struct {
	name string
	kind kind
}

// kind of a column, as PostgreSQL declares it: SQLite keeps what it is given.
type kind int

const (
	ofNumber kind = iota
	ofTruth
	ofText
	ofBytes
)

func (c *copier) run(ctx context.Context) ([]CopiedTable, error) {
	if err := c.describe(ctx); err != nil {
		return nil, err
	}
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	if err := c.makeParts(ctx); err != nil {
		return nil, err
	}
	for i := range c.tables {
		if err := c.copy(ctx, &c.tables[i]); err != nil {
			return nil, fmt.Errorf("copy %s: %w", c.tables[i].name, err)
		}
	}
	var out []CopiedTable
	for i := range c.tables {
		t, err := c.compare(ctx, &c.tables[i])
		if err != nil {
			return nil, fmt.Errorf("compare %s: %w", c.tables[i].name, err)
		}
		out = append(out, t)
	}
	return out, c.end(ctx)
}

// describe finds the tables that are copied row by row: their keys are as
// SQLite has them, their kinds as PostgreSQL does.
func (c *copier) describe(ctx context.Context) error {
	lite, pg := c.src, c.dst
	if lite.pg != nil {
		lite, pg = pg, lite
	}
	if lite.pg != nil || pg.pg == nil {
		return errors.New("a copy goes from SQLite to PostgreSQL or back: two databases of one kind are copied with their own programs")
	}
	kinds := map[string]kind{}
	err := pg.each(ctx, "SELECT table_name||'.'||column_name, data_type FROM information_schema.columns WHERE table_schema=current_schema()", nil, func(scan func(...any) error) error {
		var name, of string
		err := scan(&name, &of)
		kinds[name] = map[string]kind{"boolean": ofTruth, "text": ofText, "bytea": ofBytes}[of]
		return err
	})
	if err != nil {
		return err
	}
	at := map[string]int{}
	err = lite.each(ctx, `SELECT t.name, c.name, c.pk FROM sqlite_schema t JOIN pragma_table_info(t.name) c
		WHERE t.type='table' AND t.name NOT LIKE 'sqlite_%' AND t.name NOT IN ('`+strings.Join(notCopied, "', '")+`') ORDER BY t.name, c.cid`, nil, func(scan func(...any) error) error {
		var name, col string
		var pk int
		if err := scan(&name, &col, &pk); err != nil {
			return err
		}
		k, known := kinds[name+"."+col]
		if !known {
			return fmt.Errorf("%s.%s is not in both databases", name, col)
		}
		if _, seen := at[name]; !seen {
			at[name] = len(c.tables)
			c.tables = append(c.tables, table{name: name})
		}
		t := &c.tables[at[name]]
		if pk > 0 {
			t.key = append(t.key, slices.Repeat([]int{0}, max(0, pk-len(t.key)))...)
			t.key[pk-1] = len(t.columns)
		}
		t.columns = append(t.columns, column{col, k})
		return nil
	})
	for _, t := range c.tables {
		if err == nil && len(t.key) == 0 {
			err = fmt.Errorf("%s has no primary key", t.name)
		}
	}
	return err
}

// begin marks an empty target, or goes on with a copy of the same source.
func (c *copier) begin(ctx context.Context) error {
	own, err := c.src.identity(ctx)
	if err != nil {
		return &SideError{true, err}
	}
	var is []byte
	err = c.dst.db.QueryRowContext(ctx, "SELECT value FROM meta WHERE name='"+metaCopying+"'").Scan(&is)
	switch {
	case err == nil && bytes.Equal(is, own):
		return nil
	case err == nil && len(is) == len(own) && bytes.Equal(is[:sha256.Size], own[:sha256.Size]):
		return &SideError{true, ErrMoved}
	case err == nil:
		return &SideError{false, ErrNotEmpty}
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	for _, name := range []string{"projects", "keys", "events"} { // what a server has made by itself does not count
		var n int
		if err := c.dst.db.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM "+name+" LIMIT 1) AS found").Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return &SideError{false, ErrNotEmpty}
		}
	}
	return c.dst.transact(ctx, func(tx *sql.Tx) error {
		for _, t := range c.tables {
			if _, err := tx.ExecContext(ctx, "DELETE FROM "+t.name); err != nil { //nolint:gosec // a name of our own schema
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO meta (name, value) VALUES ('"+metaCopying+"', "+c.dst.mark(1)+")", own) //nolint:gosec // a constant
		return err
	})
}

// copy writes the rows of a table that the target does not have yet: those
// behind its last one, in the order of the key.
func (c *copier) copy(ctx context.Context, t *table) error {
	last, err := c.last(ctx, t)
	if err != nil {
		return err
	}
	if t.rows, err = c.src.count(ctx, t); err != nil {
		return err
	}
	done, err := c.dst.count(ctx, t)
	if err != nil {
		return err
	}
	for {
		rows, err := c.page(ctx, t, last)
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := c.dst.transact(ctx, func(tx *sql.Tx) error { return c.insert(ctx, tx, t, rows) }); err != nil {
			return err
		}
		last = t.keyOf(rows[len(rows)-1])
		done += int64(len(rows))
		c.progress(CopyStep{Table: t.name, Rows: done, Of: t.rows})
	}
}

// last is the key of the target's last row; nil: it has none.
func (c *copier) last(ctx context.Context, t *table) ([]any, error) {
	var order []string
	for _, i := range t.key {
		order = append(order, t.columns[i].name+" DESC")
	}
	var key []any
	err := c.dst.rows(ctx, t, t.own()+" ORDER BY "+strings.Join(order, ", ")+" LIMIT 1", nil, func(row []any) bool {
		key = t.keyOf(row)
		return false
	})
	return key, err
}

// own leaves the mark of a copy out: it is none of the source's rows.
func (t *table) own() string {
	if t.name == "meta" {
		return " WHERE name<>'" + metaCopying + "'"
	}
	return ""
}

func (t *table) keyOf(row []any) (key []any) {
	for _, i := range t.key {
		key = append(key, row[i])
	}
	return key
}

func (t *table) keyNames() string {
	var names []string
	for _, i := range t.key {
		names = append(names, t.columns[i].name)
	}
	return strings.Join(names, ", ")
}

// page reads the source's rows behind a key, as many as one transaction writes.
func (c *copier) page(ctx context.Context, t *table, after []any) (rows [][]any, err error) {
	where := ""
	if after != nil {
		where = " WHERE (" + t.keyNames() + ") > (" + c.src.marks(1, len(after)) + ")"
	}
	size := 0
	err = c.src.rows(ctx, t, where+" ORDER BY "+t.keyNames()+fmt.Sprintf(" LIMIT %d", copyRows), after, func(row []any) bool {
		rows = append(rows, row)
		for _, v := range row {
			switch v := v.(type) {
			case string:
				size += len(v)
			case []byte:
				size += len(v)
			}
		}
		return size < copyBytes
	})
	return rows, err
}

func (c *copier) insert(ctx context.Context, tx *sql.Tx, t *table, rows [][]any) error {
	var names []string
	for _, col := range t.columns {
		names = append(names, col.name)
	}
	head := "INSERT INTO " + t.name + " (" + strings.Join(names, ", ") + ") VALUES "
	for part := range slices.Chunk(rows, copyAtOne) {
		var values []string
		var args []any
		for _, row := range part {
			values = append(values, "("+c.dst.marks(len(args)+1, len(row))+")")
			args = append(args, row...)
		}
		if _, err := tx.ExecContext(ctx, head+strings.Join(values, ", "), args...); err != nil {
			return err
		}
	}
	return nil
}

// compare reads a table on both sides, all of it.
func (c *copier) compare(ctx context.Context, t *table) (CopiedTable, error) {
	var of [2]CopiedTable
	for i, s := range []*side{c.src, c.dst} {
		sum := sha256.New()
		of[i].Name = t.name
		err := s.rows(ctx, t, t.own()+" ORDER BY "+t.keyNames(), nil, func(row []any) bool {
			for _, v := range row {
				writeValue(sum, v)
			}
			if of[i].Rows++; of[i].Rows%copyRows == 0 {
				c.progress(CopyStep{Table: t.name, Rows: (int64(i)*t.rows + of[i].Rows) / 2, Of: t.rows, Comparing: true})
			}
			return true
		})
		if err != nil {
			return of[0], err
		}
		of[i].Sum = fmt.Sprintf("%x", sum.Sum(nil))
	}
	if of[0] != of[1] {
		return of[0], fmt.Errorf("%d rows with the sum %s, in the copy %d with %s: %w", of[0].Rows, of[0].Sum, of[1].Rows, of[1].Sum, ErrUnequal)
	}
	return of[0], nil
}

// writeValue writes a value so that no two are written alike.
func writeValue(to hash.Hash, v any) {
	var head [9]byte
	switch v := v.(type) {
	case int64:
		head[0] = 'i'
		binary.BigEndian.PutUint64(head[1:], uint64(v))
		_, _ = to.Write(head[:])
	case bool:
		head[0] = 'f'
		if v {
			head[0] = 't'
		}
		_, _ = to.Write(head[:1])
	case string:
		head[0] = 's'
		binary.BigEndian.PutUint64(head[1:], uint64(len(v)))
		_, _ = to.Write(append(head[:], v...))
	case []byte:
		head[0] = 'b'
		binary.BigEndian.PutUint64(head[1:], uint64(len(v)))
		_, _ = to.Write(append(head[:], v...))
	default:
		_, _ = to.Write([]byte{'0'})
	}
}
