package store

import (
	"context"
	"maps"
	"math"
	"slices"
)

// How long statistics are kept, whatever the retention of history is.
const (
	MinutesKept = 120     // minutes, of projects
	HoursKept   = 31 * 24 // hours
	DaysKept    = 400     // days
)

// The longest windows of [DB.Stats]: what is kept, and the minute, hour or day
// that has begun.
const (
	MaxMinutes = MinutesKept + 1
	MaxHours   = HoursKept + 1
	MaxDays    = DaysKept + 1
)

const (
	spareHours = 24 // that are kept longer, and as many minutes, so that a whole window is there while it is asked for
	rollRows   = 64 // subjects of one hour that a transaction reads
	pruneCount = 500

	littleCounted = 4096 // subjects
)

// rolled says how far hours are summed up in days: all days up to day, and of
// the one after it the subjects up to cursor. What is counted for them later
// is added to both.
type rolled struct {
	day    int64
	cursor key
}

// rolled reads how far that is. Who sums up keeps others from it until its
// commit, and so does who counts for a day that is over.
func (b *batch) rolled(lock string) (*rolled, error) {
	at := &rolled{}
	_, err := b.row("SELECT day, cursor FROM rolled WHERE id=1 "+lock, nil, &at.day, &at.cursor)
	return at, err
}

// RollUp sums up the hours of days that are over, and deletes statistics that
// are past their time, in short transactions: about limit rows. It returns how
// many rows it looked at; call again until fewer than limit.
func (db *DB) RollUp(ctx context.Context, limit int) (int, error) {
	if err := db.writeCounts(ctx); err != nil || !db.Chief() {
		return 0, err
	}
	total := 0
	for total < limit {
		n := 0
		err := db.lead(ctx, func(b *batch) (err error) {
			if n, err = b.rollUp(); err != nil || n > 0 {
				return err
			}
			n, err = b.pruneRollups()
			return err
		})
		if err != nil {
			return total, err
		}
		if n == 0 {
			break
		}
		total += n
	}
	return total, nil
}

// writeCounts writes what was counted until now, where that is little; much is
// written with the commits to come.
func (db *DB) writeCounts(ctx context.Context) error {
	var upto key
	for first := true; ; first = false {
		over := false
		err := db.tend(ctx, func(b *batch) error {
			l := b.db.ledger
			if first {
				upto = l.last
			}
			over = l.mark.done >= upto || len(l.round)+len(l.cur) > littleCounted
			b.hasten = !over
			return nil
		})
		if err != nil || over {
			return err
		}
	}
}

// rollUp takes the next step; 0: there is none.
func (b *batch) rollUp() (n int, err error) {
	read, err := b.rolled("/*FOR UPDATE*/")
	if err != nil {
		return 0, err
	}
	at := *read
	today := b.now.Unix() / 86400
	if at.cursor == 0 {
		var first *int64 // skip days without anything
		if _, err := b.row("SELECT min(hour) FROM hours WHERE hour>=?", []any{(at.day + 1) * 24}, &first); err != nil || first == nil {
			return 0, err
		}
		at.day = *first/24 - 1
	}
	if at.day+1 >= today {
		return 0, nil
	}
	sums, upto, n, err := b.readDay(at.day+1, at.cursor)
	if err != nil {
		return 0, err
	}
	for _, k := range slices.Sorted(maps.Keys(sums)) {
		if k > upto {
			break
		}
		b.w.coded = sums[k].encode(b.w.coded[:0])
		if err := b.exec(dayTable.put, at.day+1, k, b.w.coded); err != nil {
			return 0, err
		}
	}
	if at.cursor = upto; upto == math.MaxInt64 {
		at = rolled{day: at.day + 1}
	}
	return max(n, 1), b.exec("UPDATE rolled SET day=?, cursor=? WHERE id=1", at.day, at.cursor)
}

// readDay sums up the hours of the next subjects after a key. Those up to
// upto are whole.
func (b *batch) readDay(day int64, after key) (sums map[key]*rollup, upto key, n int, err error) {
	sums, upto = map[key]*rollup{}, math.MaxInt64
	for hour := day * 24; hour < (day+1)*24; hour++ {
		rows := 0
		var last key
		err := b.rows("SELECT subject, data FROM hours WHERE hour=? AND subject>? ORDER BY subject LIMIT ?", []any{hour, after, rollRows},
			func(scan func(...any) error) (bool, error) {
				var data []byte
				if err := scan(&last, &data); err != nil {
					return false, err
				}
				rows++
				if sums[last] == nil {
					sums[last] = &rollup{}
				}
				if b.w.sum.decode(data) == nil { // a damaged row is as none
					sums[last].merge(&b.w.sum)
				}
				return true, nil
			})
		if err != nil {
			return nil, 0, 0, err
		}
		if n += rows; rows == rollRows {
			upto = min(upto, last)
		}
	}
	return sums, upto, n, nil
}

// pruneRollups deletes some of what is past its time. Hours are in days by
// then.
func (b *batch) pruneRollups() (int, error) {
	at, err := b.rolled("")
	if err != nil {
		return 0, err
	}
	n, err := b.change(`DELETE FROM hours WHERE (hour, subject) IN (SELECT hour, subject FROM hours WHERE hour<? ORDER BY hour, subject LIMIT ?)`,
		min(b.now.Unix()/3600-HoursKept-spareHours, (at.day+1)*24), pruneCount)
	if err != nil || n > 0 {
		return n, err
	}
	n, err = b.change(`DELETE FROM minutes WHERE (minute, subject) IN (SELECT minute, subject FROM minutes WHERE minute<? ORDER BY minute, subject LIMIT ?)`,
		b.now.Unix()/60-MinutesKept-spareHours, pruneCount)
	if err != nil || n > 0 {
		return n, err
	}
	return b.change(`DELETE FROM days WHERE (day, subject) IN (SELECT day, subject FROM days WHERE day<? ORDER BY day, subject LIMIT ?)`,
		b.now.Unix()/86400-DaysKept-1, pruneCount)
}

// failures are the classes of failed attempts, the most frequent first.
func (r *rollup) failures() []Failures {
	out := make([]Failures, 0, len(r.classes))
	for _, t := range r.classes {
		out = append(out, Failures{Class: classOf(t.n), Count: int64(t.count)})
	}
	slices.SortStableFunc(out, func(x, y Failures) int { return int(min(1, max(-1, y.Count-x.Count))) })
	return out
}
