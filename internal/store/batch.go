package store

import (
	"context"
	"errors"
	"slices"
	"time"
)

// batch is one transaction under way and what is to happen after its commit.
type batch struct {
	w   *writer
	db  *DB
	c   *conn
	now time.Time // of the transaction, UTC, to the microsecond
	us  int64     // the same, as kept

	began time.Time // the same, as the clock has it that nobody sets

	filtering filtering
	incidents map[key]*incident    // that its attempts look at, and change
	foreseen  map[ownedKey]usedKey // idempotency keys that were looked up at once; nil: none were
	touched   map[key]int64        // keys and sessions whose last use it writes

	refused bool  // something, for reasons that may be out of date
	serial  bool  // somebody asks for something
	asked   int64 // how often somebody did before, anywhere
	raised  bool  // the generation, by its end

	actor Actor // of the op under way; zero: the server
	args  []any // memory of lend

	effects
}

// effects of a batch; none shows before the commit.
type effects struct {
	dirty      bool
	pending    int64
	index      []indexEntry
	finals     []finalEntry
	sends      []byte
	came       []key      // projects of the events that it keeps, one for each
	sendsRow   key        // where they were written
	slice      []key      // subjects whose counts this batch writes
	mark       ledgerMark // and how far the tables are with them
	hasten     bool       // write the counts without waiting for more
	works      []*Work
	after      []func()
	changes    []changed // of the configuration
	flushed    int       // entries of the writer's debt that this batch writes
	indexed    key
	accepted   int
	finished   int
	mailed     int64             // mails that wait more than before
	suppressed int               // notices
	ended      [len(endings)]int // by the index in endings
	chores     chores
}

func (b *batch) reset(now time.Time) {
	b.now = now.UTC().Truncate(time.Microsecond)
	b.us, b.began = now.UnixMicro(), now
	b.filtering, b.foreseen, b.touched = filtering{}, nil, nil
	clear(b.incidents)
	if n := b.db.nodes; n != nil {
		b.db.keys.after(n.newest(now))
	}
	b.refused, b.serial, b.raised = false, false, false
	b.effects = effects{
		index: b.index[:0], finals: b.finals[:0], sends: b.sends[:0], came: b.came[:0], after: b.after[:0], changes: b.changes[:0],
		indexed: b.w.indexed, chores: b.w.chores,
	}
}

// exec writes; every write of a batch goes through here.
func (b *batch) exec(q string, args ...any) error {
	b.dirty = true
	return b.c.exec(context.Background(), q, b.lend(args)...)
}

// lend copies arguments to memory that is used again, so that those of a caller
// need none: nothing of them is kept.
func (b *batch) lend(args []any) []any {
	b.args = append(b.args[:0], args...)
	return b.args
}

// change is exec that says how many rows changed.
func (b *batch) change(q string, args ...any) (int, error) {
	n, err := b.c.change(context.Background(), q, b.lend(args)...)
	if n > 0 {
		b.dirty = true
	}
	return n, err
}

// likely is a change of one row that nearly always is there; see [conn].
func (b *batch) likely(q string, args ...any) (bool, error) {
	b.dirty = true
	return b.c.likely(context.Background(), q, b.lend(args)...)
}

func (b *batch) row(q string, args []any, dest ...any) (bool, error) {
	return b.c.row(context.Background(), q, args, dest...)
}

func (b *batch) rows(q string, args []any, scan func(func(...any) error) (bool, error)) error {
	return b.c.rows(context.Background(), q, args, scan)
}

// key gives out one key.
func (b *batch) key() key { return b.db.keys.next(b.now, 1) }

// fill does all the work of an inbox.
func (b *batch) fill(in *inbox) error {
	b.serial = slices.ContainsFunc(in.ops, func(o *op) bool { return o.serial })
	if b.serial {
		if err := b.db.engine.outset(b); err != nil {
			return err
		}
	}
	if err := b.db.engine.foresee(b, in); err != nil {
		return err
	}
	for _, a := range in.accepts {
		for i, item := range a.items {
			out, err := b.accept(item)
			if err != nil {
				return err
			}
			a.out[i] = out
		}
	}
	for _, f := range in.finishes {
		if err := b.finish(f.o); err != nil {
			return err
		}
	}
	if err := b.keepIncidents(); err != nil {
		return err
	}
	for _, o := range in.ops {
		if err := b.runOp(o); err != nil {
			return err
		}
	}
	if !b.now.Before(b.w.retryAt) {
		if err := b.chore(); err != nil {
			return err
		}
	}
	if b.w.flushDue(b.now) && b.flushed == 0 {
		if err := b.flush(); err != nil {
			return err
		}
	}
	return b.finishRows()
}

// runOp runs one call of [DB.write], unless who asks for it has ended since.
// What it did is undone where it fails; only a fault of the database fails the
// batch.
func (b *batch) runOp(o *op) error {
	before := b.effects
	b.actor = o.actor
	defer func() { b.actor = Actor{} }()
	b.c.together(false)
	defer b.c.together(true)
	if err := b.c.exec(context.Background(), "SAVEPOINT op"); err != nil {
		return err
	}
	if o.err = b.inForce(o.actor); o.err == nil {
		o.err = o.run(b)
	}
	if o.err != nil {
		// A row that another process wrote at the same time is there the next time.
		if f := faultOf(o.err); f != faultOther && (f != faultUnique || b.db.engine.shared()) {
			return o.err
		}
		b.effects, b.refused = before, true
		if err := b.c.exec(context.Background(), "ROLLBACK TO op"); err != nil {
			return err
		}
	}
	return b.c.exec(context.Background(), "RELEASE op")
}

// inBulk runs f, a part of an op with many changes that hardly ever miss their
// row. Where one does, f runs again, and looks at each: it must begin anew then.
func (b *batch) inBulk(f func() error) error {
	before := b.effects
	if err := b.c.exec(context.Background(), "SAVEPOINT bulk"); err != nil {
		return err
	}
	b.c.bulk(true)
	err := f()
	b.c.bulk(false)
	if err == nil {
		err = b.c.exec(context.Background(), "RELEASE bulk")
	}
	if !errors.Is(err, errLikely) {
		return err
	}
	b.effects = before
	if err := b.c.exec(context.Background(), "ROLLBACK TO bulk"); err != nil {
		return err
	}
	return f()
}

const insertSend = "INSERT INTO sends VALUES (?,?)"

// finishRows writes what every commit ends with: the times of the attempts in
// it, the lists of what failed, and the state row.
func (b *batch) finishRows() error {
	if len(b.sends) > 0 {
		b.sendsRow = b.key()
		if err := b.exec(insertSend, b.sendsRow, b.sends); err != nil {
			return err
		}
		if err := b.db.ledger.meet(context.Background(), b.c, b.sends); err != nil {
			return err
		}
	}
	if err := b.writeLedger(); err != nil {
		return err
	}
	if err := b.writeFinals(); err != nil {
		return err
	}
	if !b.dirty && !b.w.ailing() && !b.w.renewDue(b.now) {
		if b.refused {
			b.db.engine.verify(b)
		}
		return nil
	}
	b.db.engine.agree(b)
	return b.db.engine.mark(b)
}

// settle makes a commit known: memory first, then who waits, then the owner.
func (b *batch) settle(in *inbox) {
	w := b.w
	if b.dirty {
		w.commits.Add(1)
	}
	w.accepted.Add(uint64(b.accepted))
	w.finished.Add(uint64(b.finished))
	w.suppressed.Add(uint64(b.suppressed))
	b.db.mails.Add(b.mailed)
	for i, n := range b.ended {
		w.endedBy[i].Add(uint64(n))
	}
	b.db.pending.Add(b.pending)
	b.db.sends.add(b.sends, b.us)
	b.db.ledger.settle(b)
	b.settleIncidents()
	w.indexed = b.indexed
	w.chores = b.chores
	if b.flushed > 0 || w.owed == 0 && len(b.index) > 0 {
		w.debtFrom = b.now
	}
	w.owed = w.debt.settle(b.flushed, b.index)
	b.db.indebted.Store(int64(w.owed))

	b.settleChanges()
	for _, a := range in.accepts {
		close(a.done)
	}
	for _, f := range b.after {
		f()
	}
	if len(b.works) > 0 {
		b.db.tellWorks(b.works)
	}
	for _, f := range in.finishes {
		f.done(nil)
	}
	for _, o := range in.ops {
		close(o.done)
	}
	clear(b.after)
	b.works = nil
}
