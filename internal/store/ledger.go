package store

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// ledger counts what happens to endpoints, consumers and projects. A row for
// each of them in each commit would write as many pages as there are
// endpoints; so what is new is counted here, and written in rounds: what was
// counted until the round began, a slice of it with each commit, in the order
// of the subjects, which is the order of the rows. It can be counted again from
// sends, so a crash loses nothing but how many events came in the last seconds. Where many processes share the database, each
// counts the rows of its own slot.
type ledger struct {
	slot int

	mu   sync.Mutex
	cur  map[key]*account
	old  map[key]*account // of the round under way, as far as it is not written
	mark ledgerMark

	// Of the writer alone.
	last    key       // the last row of sends that was counted
	from    time.Time // when cur began
	sliced  time.Time // the last slice
	round   []key     // the subjects of old, in order
	parties map[key]*parties
	turn    int        // raised when accounts go elsewhere than before
	met     []*parties // of the entries of the row that is counted next, in order
}

// ledgerMark says which rows of sends the tables have: all up to done, and
// those up to upto for the subjects up to cursor.
type ledgerMark struct{ done, upto, cursor key }

// account is what is not in the tables yet.
type account struct {
	hours   []hourly // in no order; more than one only around the turn of an hour
	minutes []hourly // of a project, likewise
	tally   tally    // of an endpoint
}

// hourly is what happened in an hour, or in a minute.
type hourly struct {
	at int64 // hours, or minutes, since 1970
	rollup
}

// tally is what a few attempts at an endpoint add up to.
type tally struct {
	attempts int64
	lastAt   int64
	status   int
	lastOK   int64
	streak   int64 // attempts that failed,
	broken   bool  // since one that succeeded
}

// parties are whom an endpoint's attempts are counted for: itself, its
// consumer and its project (0: none), with their accounts in cur.
type parties struct {
	keys [3]key
	of   [3]*account
	turn int // the accounts are of
}

const (
	ledgerAfter = 20 * time.Second      // a round begins when the oldest count is so old
	ledgerAt    = 100_000               // or so many subjects have one
	ledgerSlice = 64                    // subjects that a commit writes
	ledgerPace  = 20 * time.Millisecond // between slices
	ledgerHasty = 1024                  // subjects that each commit writes when there are too many
	ledgerKnown = 100_000               // endpoints whose parties are remembered
)

const (
	microsPerHour   = int64(time.Hour / time.Microsecond)
	microsPerMinute = int64(time.Minute / time.Microsecond)
)

func newLedger(slot int) *ledger {
	return &ledger{slot: slot, cur: map[key]*account{}, parties: map[key]*parties{}}
}

// even reports whether the tables have all that was counted. The writer asks.
func (l *ledger) even() bool { return len(l.cur)+len(l.round) == 0 }

func (t *tally) add(s *send) {
	t.attempts++
	if s.at >= t.lastAt {
		t.lastAt, t.status = s.at, s.status
	}
	switch {
	case s.old:
	case s.class == 0:
		t.lastOK, t.streak, t.broken = max(t.lastOK, s.at), 0, true
	case classOf(s.class) != ClassUnknown && classOf(s.class) != ClassCancelled: // those two say nothing of the endpoint
		t.streak++
	}
}

func (a *account) hour(hour int64) *rollup { return rollupOf(&a.hours, hour) }

func (a *account) minute(minute int64) *rollup { return rollupOf(&a.minutes, minute) }

// rollupOf finds the one of an hour or a minute, the newest first.
func rollupOf(in *[]hourly, at int64) *rollup {
	list := *in
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].at == at {
			return &list[i].rollup
		}
	}
	*in = append(list, hourly{at: at})
	return &(*in)[len(list)].rollup
}

func accountOf(in map[key]*account, k key) *account {
	a := in[k]
	if a == nil {
		a = &account{}
		in[k] = a
	}
	return a
}

// add takes the row of sends that was met last, for the subjects after a key.
func (l *ledger) add(to map[key]*account, data []byte, after key) {
	n := 0
	eachSend(data, func(s *send) {
		p := l.met[n]
		n++
		if p.turn != l.turn {
			p.turn, p.of = l.turn, [3]*account{}
		}
		for i, a := range p.of {
			if a == nil {
				if p.keys[i] <= after {
					continue
				}
				a = accountOf(to, p.keys[i])
				p.of[i] = a
			}
			if i == 0 && s.attempt {
				a.tally.add(s)
			}
			if s.old {
				continue
			}
			a.hour(s.at / microsPerHour).count(s)
			if i == len(p.of)-1 { // the project
				a.minute(s.at / microsPerMinute).count(s)
			}
		}
	})
}

// introduce finds the parties of the endpoints in many rows of sends at once, so
// that meet knows them.
func (l *ledger) introduce(ctx context.Context, c *conn, rows [][]byte) error {
	unknown := map[key]bool{}
	for _, data := range rows {
		eachSend(data, func(s *send) {
			if l.parties[s.endpoint] == nil {
				unknown[s.endpoint] = true
			}
		})
	}
	if len(unknown) == 0 {
		return nil
	}
	return c.rows(ctx, `SELECT e.k, coalesce(c.k, 0), e.project FROM json_each(?) j CROSS JOIN endpoints e ON e.k=j.value
		LEFT JOIN consumers c ON c.project=e.project AND c.uid=e.consumer`, []any{keyList(slices.Collect(maps.Keys(unknown)))},
		func(scan func(...any) error) (bool, error) {
			p := &parties{}
			err := scan(&p.keys[0], &p.keys[1], &p.keys[2])
			l.parties[p.keys[0]] = p
			return true, err
		})
}

// meet finds the parties of the endpoints in a row of sends.
func (l *ledger) meet(ctx context.Context, c *conn, data []byte) (err error) {
	if len(l.parties) > ledgerKnown {
		clear(l.parties)
	}
	l.met = l.met[:0]
	eachSend(data, func(s *send) {
		p := l.parties[s.endpoint]
		if p == nil && err == nil {
			p = &parties{keys: [3]key{s.endpoint}}
			_, err = c.row(ctx, "SELECT coalesce(c.k, 0), e.project FROM endpoints e LEFT JOIN consumers c ON c.project=e.project AND c.uid=e.consumer WHERE e.k=?",
				[]any{s.endpoint}, &p.keys[1], &p.keys[2])
			l.parties[s.endpoint] = p
		}
		l.met = append(l.met, p)
	})
	return err
}

// settle takes over a commit: what it wrote is counted in the tables, its own
// attempts are counted here.
func (l *ledger) settle(b *batch) {
	if len(b.sends) == 0 && len(b.came) == 0 && b.slice == nil && !l.due(b.now) && !b.hasten {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.slice != nil {
		l.wrote(b.slice, b.mark, b.now)
	}
	if len(l.cur) == 0 {
		l.from = b.now
	}
	l.arrived(b.came, b.us)
	if len(b.sends) > 0 {
		l.add(l.cur, b.sends, 0)
		l.last = b.sendsRow
	}
	if len(l.round) == 0 && (l.due(b.now) || b.hasten && len(l.cur) > 0) {
		l.begin(l.last)
	}
}

// arrived counts the events of a commit, by their projects.
func (l *ledger) arrived(projects []key, at int64) {
	for len(projects) > 0 {
		n := 1
		for n < len(projects) && projects[n] == projects[0] {
			n++
		}
		a := accountOf(l.cur, projects[0])
		a.hour(at / microsPerHour).events += uint64(n)
		a.minute(at / microsPerMinute).events += uint64(n)
		projects = projects[n:]
	}
}

// wrote takes off what the tables have now.
func (l *ledger) wrote(slice []key, mark ledgerMark, now time.Time) {
	for _, k := range slice {
		delete(l.old, k)
	}
	l.round = l.round[len(slice):]
	l.mark, l.sliced = mark, now
}

func (l *ledger) due(now time.Time) bool {
	return len(l.cur) >= ledgerAt || len(l.cur) > 0 && passed(l.from, now, ledgerAfter)
}

// passed also says yes where the clock was set back.
func passed(from, now time.Time, d time.Duration) bool {
	return now.Sub(from) >= d || now.Before(from)
}

// begin a round of what was counted up to a row of sends.
func (l *ledger) begin(upto key) {
	l.old, l.cur = l.cur, map[key]*account{}
	l.turn++
	l.round = slices.Sorted(maps.Keys(l.old))
	l.mark.upto = upto
}

// writeLedger writes the next slice of a round. It runs in the writer, which
// alone changes the accounts.
func (b *batch) writeLedger() (err error) {
	l := b.db.ledger
	size := ledgerSlice
	switch {
	case len(l.round) == 0:
		return nil
	case len(l.cur) >= ledgerAt:
		size = ledgerHasty
	case !b.hasten && !passed(l.sliced, b.now, ledgerPace):
		return nil
	}
	b.slice, b.mark, err = b.writeSlice(l, size)
	return err
}

// writeSlice writes the accounts of the next subjects of a round, and says how
// far the tables are then.
func (b *batch) writeSlice(l *ledger, size int) (slice []key, mark ledgerMark, err error) {
	slice = l.round[:min(size, len(l.round))]
	var days *rolled // read where it matters
	for _, k := range slice {
		if err := b.writeAccount(k, l.old[k], &days); err != nil {
			return nil, mark, err
		}
	}
	mark = l.mark
	if len(slice) == len(l.round) {
		mark.done, mark.cursor = mark.upto, 0
	} else {
		mark.cursor = slice[len(slice)-1]
	}
	return slice, mark, b.exec("UPDATE counted SET done=?, upto=?, cursor=? WHERE slot=?", mark.done, mark.upto, mark.cursor, l.slot)
}

func (b *batch) writeAccount(k key, a *account, days **rolled) error {
	for i := range a.hours {
		h := &a.hours[i]
		if err := b.addRollup(hourTable, h.at, k, &h.rollup); err != nil {
			return err
		}
		day := h.at / 24
		if day >= b.now.Unix()/86400 { // it goes on, and is in no sum yet
			continue
		}
		if *days == nil {
			var err error
			if *days, err = b.rolled("/*FOR SHARE*/"); err != nil {
				return err
			}
		}
		if at := *days; day <= at.day || day == at.day+1 && k <= at.cursor {
			if err := b.addRollup(dayTable, day, k, &h.rollup); err != nil {
				return err
			}
		}
	}
	for i := range a.minutes {
		m := &a.minutes[i]
		if m.at < b.now.Unix()/60-MinutesKept { // nobody asks for it any more
			continue
		}
		if err := b.addRollup(minuteTable, m.at, k, &m.rollup); err != nil {
			return err
		}
	}
	if a.tally.attempts == 0 {
		return nil
	}
	return b.addTally(k, &a.tally)
}

// rollupTable is the text of the statements for one of the tables.
type rollupTable struct{ get, add, put string }

var (
	hourTable = rollupTable{
		"SELECT data FROM hours WHERE hour=? AND subject=? /*FOR UPDATE*/", "INSERT INTO hours VALUES (?,?,?) ON CONFLICT DO NOTHING",
		"INSERT INTO hours VALUES (?,?,?) ON CONFLICT (hour, subject) DO UPDATE SET data=excluded.data",
	}
	minuteTable = rollupTable{
		"SELECT data FROM minutes WHERE minute=? AND subject=? /*FOR UPDATE*/", "INSERT INTO minutes VALUES (?,?,?) ON CONFLICT DO NOTHING",
		"INSERT INTO minutes VALUES (?,?,?) ON CONFLICT (minute, subject) DO UPDATE SET data=excluded.data",
	}
	dayTable = rollupTable{
		"SELECT data FROM days WHERE day=? AND subject=? /*FOR UPDATE*/", "INSERT INTO days VALUES (?,?,?) ON CONFLICT DO NOTHING",
		"INSERT INTO days VALUES (?,?,?) ON CONFLICT (day, subject) DO UPDATE SET data=excluded.data",
	}
)

// addRollup adds to a row.
func (b *batch) addRollup(t rollupTable, at int64, subject key, r *rollup) error {
	var data []byte
	found, err := b.row(t.get, []any{at, subject}, &data)
	if err == nil && !found && b.db.engine.shared() { // it may be made by another process right now
		b.w.coded = r.encode(b.w.coded[:0])
		if n, err := b.change(t.add, at, subject, b.w.coded); err != nil || n > 0 {
			return err
		}
		found, err = b.row(t.get, []any{at, subject}, &data)
	}
	if err != nil {
		return err
	}
	if sum := &b.w.sum; found && sum.decode(data) == nil { // what is damaged begins again
		sum.merge(r)
		r = sum
	}
	b.w.coded = r.encode(b.w.coded[:0])
	return b.exec(t.put, at, subject, b.w.coded)
}

const addTally = `INSERT INTO tallies (endpoint, attempts, last_at, status, last_ok, streak) VALUES (?1,?2,?3,?4,?5,?6)
	ON CONFLICT (endpoint) DO UPDATE SET attempts=tallies.attempts+?2, status=CASE WHEN ?3>=tallies.last_at THEN ?4 ELSE tallies.status END,
	last_at=CASE WHEN ?3>tallies.last_at THEN ?3 ELSE tallies.last_at END, last_ok=CASE WHEN ?5>tallies.last_ok THEN ?5 ELSE tallies.last_ok END,
	streak=CASE WHEN ?7 THEN 0 ELSE tallies.streak END+?6`

func (b *batch) addTally(k key, t *tally) error {
	return b.exec(addTally, k, t.attempts, t.lastAt, t.status, t.lastOK, t.streak, t.broken)
}

// untally takes off the attempts of final deliveries that retention is about
// to delete: those with keys over the first to the second of slice that were
// final before the third. Rollups stay: they have their own time.
func (b *batch) untally(slice []any) error {
	gone := map[key]int64{}
	err := b.rows("SELECT endpoint, attempts FROM deliveries WHERE k>? AND k<=? AND finished<?", slice, func(scan func(...any) error) (bool, error) {
		var k key
		var n int64
		err := scan(&k, &n)
		gone[k] += n
		return true, err
	})
	if err != nil {
		return err
	}
	for k, n := range gone {
		if err := b.addTally(k, &tally{attempts: -n}); err != nil {
			return err
		}
	}
	return nil
}

// recover counts again what the tables lack, of the rows of sends up to the last
// of which is said that they are the ledger's, and goes on with the round that was
// under way.
func (l *ledger) recover(ctx context.Context, c *conn, own string, last key) error {
	if err := l.read(ctx, c, own, last); err != nil || len(l.round) > 0 || l.mark.cursor == 0 {
		return err
	}
	// Nothing is left of that round but to say so.
	l.mark.done, l.mark.cursor = l.mark.upto, 0
	return c.exec(ctx, "UPDATE counted SET done=upto, cursor=0 WHERE slot=?", l.slot)
}

// read counts what the tables lack.
func (l *ledger) read(ctx context.Context, c *conn, own string, last key) error {
	_, err := c.row(ctx, "SELECT done, upto, cursor FROM counted WHERE slot=?", []any{l.slot}, &l.mark.done, &l.mark.upto, &l.mark.cursor)
	if err != nil {
		return err
	}
	l.old, l.last, l.from = map[key]*account{}, l.mark.done, time.Now()
	type row struct {
		k    key
		data []byte
	}
	for more := l.last < last; more; {
		var rows []row
		err := c.rows(ctx, "SELECT k, data FROM sends WHERE k>? AND k<=?"+own+" ORDER BY k LIMIT 1000", []any{l.last, last}, func(scan func(...any) error) (bool, error) {
			var r row
			err := scan(&r.k, &r.data)
			rows = append(rows, r)
			return true, err
		})
		if err != nil {
			return err
		}
		chunk := make([][]byte, len(rows))
		for i := range rows {
			chunk[i] = rows[i].data
		}
		if err := l.introduce(ctx, c, chunk); err != nil {
			return err
		}
		for _, r := range rows {
			if err := l.meet(ctx, c, r.data); err != nil {
				return err
			}
			if r.k <= l.mark.upto {
				l.add(l.old, r.data, l.mark.cursor)
			} else {
				l.turn = 1
				l.add(l.cur, r.data, 0)
			}
			l.last = r.k
		}
		more = len(rows) > 0
	}
	l.turn = 1
	l.round = slices.Sorted(maps.Keys(l.old))
	return nil
}
