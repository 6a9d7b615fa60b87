package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A transaction of the writer is a few round trips, whatever is in it: what
// only writes waits in a pipeline, and rows for one table become one statement.
// They go out with the next question, or with the commit; so an error of one of
// them comes late, and fails the transaction.

// errLikely says that a change that was taken for granted changed nothing. The
// items of the transaction are written one by one then.
var errLikely = errors.New("a row was not as it mostly is")

const divisionByZero = "22012"

// waiting is a statement of the pipeline.
type waiting struct {
	text string
	args []any
	bulk *bulk
	rows int64 // of bulk
	sure bool  // it fails unless it changes so many

	refuses error // what it means where it divides by zero; nil: the fault of nobody
}

// pipeline is what waits on a connection.
type pipeline struct {
	on     bool
	wary   bool // likely asks,
	sure   bool // but not here
	list   []*waiting
	begin  int                 // of the list are the begin of the transaction
	groups map[string]*waiting // that more rows may be added to: nothing came after them that is no row
}

// add lets a statement wait.
func (p *pipeline) add(w *waiting) {
	p.list = append(p.list, w)
	clear(p.groups)
}

// row adds a row to its group.
func (p *pipeline) row(q string, b *bulk, args []any, sure bool) {
	g := p.groups[q]
	if g == nil {
		if b.before != "" && p.groups[b.before] != nil {
			clear(p.groups)
		}
		g = &waiting{text: b.text, args: b.lists(), bulk: b, sure: sure, refuses: errLikely}
		p.list = append(p.list, g)
		p.groups[q] = g
	}
	g.rows++
	b.put(g.args, args)
}

// whole is the statement as it is sent. One that must change so many rows fails
// where it does not, before a commit that follows in the same pipeline: it divides by zero.
func (w *waiting) whole() (string, []any) {
	if !w.sure {
		return w.text, w.args
	}
	return fmt.Sprintf("WITH changed AS (%s RETURNING 1) SELECT 1/(count(*)=$%d)::int FROM changed", w.text, len(w.args)+1), append(w.args, w.rows)
}

func (p *pipeline) reset() {
	clear(p.list)
	p.list, p.begin = p.list[:0], 0
	clear(p.groups)
}

// unsent reports whether the transaction's begin waits, too.
func (p *pipeline) unsent() bool { return p.begin > 0 }

// begins reports whether nothing else does.
func (p *pipeline) begins() bool { return p.begin > 0 && len(p.list) == p.begin }

// queue lets a statement wait that only writes.
func (c *pgConn) queue(q string, args []any) {
	if b := bulks[q]; b != nil {
		c.pipe.row(q, b, args, false)
		return
	}
	args = slices.Clone(args)
	for i, a := range args {
		if v, ok := a.([]byte); ok && v != nil {
			args[i] = append([]byte{}, v...) // the caller uses its memory again
		}
	}
	c.pipe.add(&waiting{text: c.text(q), args: arguments(args)})
}

// send sends what waits, and q behind it; the answer to q is the next.
func (c *pgConn) send(ctx context.Context, text string, args []any) (pgx.BatchResults, error) {
	b := &pgx.Batch{}
	for _, w := range c.pipe.list {
		text, args := w.whole()
		b.Queue(text, args...)
	}
	list := c.pipe.list
	b.Queue(text, args...)
	r := c.c.SendBatch(ctx, b)
	defer c.pipe.reset()
	for _, w := range list {
		if _, err := r.Exec(); err != nil {
			_ = r.Close() // says it again
			var said *pgconn.PgError
			if errors.As(err, &said) && said.Code == divisionByZero {
				err = cmp.Or(w.refuses, err)
			}
			return nil, err
		}
	}
	return r, nil
}

// bulk is an INSERT of one row, or a change by key, for many.
type bulk struct {
	text   string
	before string // another, whose rows must not go out sooner
	kinds  string // of the parameters: i bigint, t text, b bytea, c bytea whose memory the caller uses again, o boolean
}

// bulks are the statements of which a transaction has many.
var bulks = map[string]*bulk{
	insertEvent:         inBulk(insertEvent, "iittitittbib"),
	insertEventChannels: inBulk(insertEventChannels, "iittitittbibt"),
	insertQueued:        inBulk(insertQueued, "iiiii"),
	insertDelivery:      inBulk(insertDelivery, "iiiitiiib"),
	insertAttempt:       inBulk(insertAttempt, "iib"),
	insertSend:          inBulk(insertSend, "ib"),
	insertPosting:       inBulk(insertPosting, "biic"),
	insertKeyed:         inBulk(insertKeyed, "iitibito"),
	deleteQueued:        {text: "DELETE FROM queue WHERE k=ANY($1::bigint[])", kinds: "i"},
	keepInline:          {text: "INSERT INTO attempts SELECT k, 1, attempt FROM deliveries WHERE " + finalsAsRead + " AND attempt IS NOT NULL ON CONFLICT DO NOTHING", kinds: "iii", before: takeFinal},
	takeFinal:           {text: "DELETE FROM deliveries WHERE " + finalsAsRead, kinds: "iii"},
	insertAgain:         inBulk(insertAgain, "iiiiiiiii"),
	makeDue: {text: `UPDATE queue SET due=($1::bigint[])[1], interrupted=attempts
		WHERE k=ANY($2::bigint[]) AND (k,attempts) IN (SELECT * FROM unnest($2::bigint[],$3::bigint[])) AND due>($4::bigint[])[1]`, kinds: "iiii"},
}

// The keys stand alone, too: by them the index, and the part, are found.
const finalsAsRead = "k=ANY($1::bigint[]) AND (k,finished,attempts) IN (SELECT * FROM unnest($1::bigint[],$2::bigint[],$3::bigint[]))"

// inBulk makes of "INSERT INTO t (…) VALUES (?,?,0)" a statement that takes a
// list for each parameter.
func inBulk(q, kinds string) *bulk {
	head, rest, _ := strings.Cut(q, " VALUES (")
	values, tail, _ := strings.Cut(rest, ")")
	names := map[rune]string{'i': "bigint", 't': "text", 'b': "bytea", 'c': "bytea", 'o': "boolean"}
	var lists, columns []string
	for i, kind := range kinds {
		lists = append(lists, fmt.Sprintf("$%d::%s[]", i+1, names[kind]))
		columns = append(columns, fmt.Sprintf("a%d", i+1))
	}
	n := 0
	var selected []string
	for v := range strings.SplitSeq(values, ",") {
		if v == "?" {
			v = columns[n]
			n++
		}
		selected = append(selected, v)
	}
	return &bulk{
		text: head + " SELECT " + strings.Join(selected, ",") + " FROM unnest(" + strings.Join(lists, ",") + ") AS u(" +
			strings.Join(columns, ",") + ")" + tail,
		kinds: kinds,
	}
}

// lists makes an empty list for each parameter.
func (b *bulk) lists() []any {
	out := make([]any, len(b.kinds))
	for i, kind := range b.kinds {
		switch kind {
		case 'i':
			out[i] = &[]int64{}
		case 't':
			out[i] = &[]string{}
		case 'b', 'c':
			out[i] = &[][]byte{}
		case 'o':
			out[i] = &[]bool{}
		}
	}
	return out
}

// put adds a row.
func (b *bulk) put(lists, args []any) {
	for i, a := range args {
		switch l := lists[i].(type) {
		case *[]int64:
			n, ok := a.(int64)
			if !ok {
				n = int64(a.(int))
			}
			*l = append(*l, n)
		case *[]string:
			*l = append(*l, a.(string))
		case *[][]byte:
			v, _ := a.([]byte)
			if v != nil && b.kinds[i] == 'c' {
				v = append([]byte{}, v...)
			}
			*l = append(*l, v)
		case *[]bool:
			*l = append(*l, a.(bool))
		}
	}
}
