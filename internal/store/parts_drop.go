package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// How often a day that cannot go whole yet is looked at again. Meanwhile what is old
// in it goes row by row.
const partAgain = time.Hour

// dropper drops what is old.
type dropper struct {
	*labourer
	db  *DB
	k   *keeping
	cut time.Time
}

// keeping is what a process knows of the parts.
type keeping struct {
	mu    sync.Mutex
	at    time.Time            // when it looked last
	stays map[string]time.Time // parts that cannot go whole, and when that was seen
	limit key                  // nothing from here on is deleted row by row: a part is dropped later
}

// keepEvery is how often it looks: a chore goes on slice by slice.
const keepEvery = 30 * time.Second

// ahead makes the parts of the next days. Where it fails, what is accepted goes
// to the default one.
func (e *pgEngine) ahead(ctx context.Context, l *labourer) (all []part, err error) {
	if all, err = l.parts(ctx); err != nil {
		return nil, err
	}
	today := keyDay(timeKey(time.Now()))
	if err := l.makeParts(ctx, all, today, today+partsAhead); err != nil && !isThere(err) {
		e.log.Warn("a part for the days to come is made later", "error", err)
	}
	return all, nil
}

// keep makes the parts of the next days, and drops those that are older than
// a time and that nothing refers to. It returns up to which key what is
// old has to be deleted row by row: where history is kept for days, only of
// days that could not be dropped.
func (e *pgEngine) keep(ctx context.Context, db *DB, before time.Time) (key, error) {
	now := time.Now()
	if now.Sub(before) >= 2*partDay {
		before = before.UTC().Truncate(partDay)
	}
	k := &e.keeping
	k.mu.Lock()
	defer k.mu.Unlock()
	if now.Sub(k.at) < keepEvery && now.Sub(before) >= keepEvery {
		return min(timeKey(before), k.limit), nil
	}
	l, err := e.labourer(ctx)
	if err != nil {
		return 0, err
	}
	defer l.close()
	all, err := e.ahead(ctx, l)
	if err != nil {
		return 0, err
	}
	d := dropper{l, db, k, before}
	if k.limit, err = d.drop(ctx, all); err != nil {
		return 0, err
	}
	k.at = now
	return min(timeKey(before), k.limit), nil
}

// drop goes through the days from the oldest on, to the first that is busy: its
// key is returned.
func (d *dropper) drop(ctx context.Context, all []part) (key, error) {
	if err := d.finishAll(ctx); err != nil {
		return 0, err
	}
	cut := timeKey(d.cut)
	slices.SortStableFunc(all, func(a, b part) int { return int(min(1, max(-1, a.hi-b.hi))) })
	for _, p := range all {
		if p.hi > cut || p.table == "attempts" || d.k.stays[p.name].After(time.Now().Add(-partAgain)) {
			continue
		}
		gone, err := d.dropPart(ctx, p, all)
		switch {
		case err != nil && ctx.Err() == nil:
			d.db.log.Info("a part of the history is dropped later", "part", p.name, "error", err)
			return p.lo, nil
		case err != nil:
			return 0, err
		case gone:
			d.db.log.Info("old history was dropped", "part", p.name)
		default:
			d.k.stay(p.name)
		}
	}
	return never, nil
}

func (k *keeping) stay(name string) {
	if k.stays == nil {
		k.stays = map[string]time.Time{}
	}
	k.stays[name] = time.Now()
}

func (d *dropper) dropPart(ctx context.Context, p part, all []part) (gone bool, err error) {
	if p.table == "events" {
		return d.dropEvents(ctx, p)
	}
	for _, a := range all {
		if a.name == "attempts"+p.name[len("deliveries"):] {
			return d.dropDeliveries(ctx, p, a)
		}
	}
	return false, nil
}

// Why a part has to stay. A retry makes a final delivery pending again.
const (
	pendingIn = "SELECT EXISTS (SELECT 1 FROM queue WHERE k>=%[1]d AND k<%[2]d)"
	recentIn  = "SELECT EXISTS (SELECT 1 FROM %[3]s WHERE finished>=%[4]d)"
	// Of the last events the deliveries may have keys of the next day.
	neededIn = `SELECT EXISTS (SELECT 1 FROM queue WHERE k>=%[1]d AND k<%[2]d) OR EXISTS (SELECT 1 FROM deliveries WHERE k>=%[1]d AND k<%[2]d)
		OR EXISTS (SELECT 1 FROM fanouts WHERE event>=%[1]d AND event<%[2]d)
		OR EXISTS (SELECT 1 FROM spans s JOIN queue q ON q.k>=s.first AND q.k<s.first+s.count WHERE s.event>=%[1]d AND s.event<%[2]d)
		OR EXISTS (SELECT 1 FROM spans s JOIN deliveries d ON d.k>=s.first AND d.k<s.first+s.count WHERE s.event>=%[1]d AND s.event<%[2]d)
		OR EXISTS (SELECT 1 FROM (SELECT k+length(coalesce(targets,''))/8 AS last FROM %[3]s ORDER BY k DESC LIMIT 1000) AS e WHERE last>=%[2]d
			AND (EXISTS (SELECT 1 FROM queue WHERE k>=%[2]d AND k<=e.last) OR EXISTS (SELECT 1 FROM deliveries WHERE k>=%[2]d AND k<=e.last)))`
)

func (d *dropper) why(q string, p part) string {
	return fmt.Sprintf(q, p.lo, p.hi, p.name, micros(d.cut))
}

// finds asks one of these questions.
func finds(ctx context.Context, tx interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}, q string) (yes bool, err error) {
	err = tx.QueryRow(ctx, q).Scan(&yes)
	return yes, err
}

var errNeeded = errors.New("something refers to it")

// dropEvents drops a day's events, once its deliveries are gone.
func (d *dropper) dropEvents(ctx context.Context, p part) (bool, error) {
	if needed, err := finds(ctx, d.c, d.why(neededIn, p)); err != nil || needed {
		return false, err
	}
	err := d.transact(ctx, func(tx pgx.Tx) error {
		for _, q := range []string{
			"SET LOCAL statement_timeout='" + partCheckFor + "'",
			"LOCK TABLE ONLY events IN ACCESS EXCLUSIVE MODE", // nobody refers to what he cannot read
		} {
			if _, err := tx.Exec(ctx, q); err != nil {
				return err
			}
		}
		if needed, err := finds(ctx, tx, d.why(neededIn, p)); err != nil || needed {
			return errors.Join(err, errNeeded)
		}
		for _, q := range []string{
			fmt.Sprintf("DELETE FROM spans WHERE event>=%d AND event<%d", p.lo, p.hi),
			"ALTER TABLE events DETACH PARTITION " + p.name,
			"DROP TABLE " + p.name,
		} {
			if _, err := tx.Exec(ctx, q); err != nil {
				return err
			}
		}
		return nil
	})
	return err == nil, err
}

// dropDeliveries takes a day's final deliveries and their attempts out of the
// tables, counts at leisure what that takes off, and drops them.
func (d *dropper) dropDeliveries(ctx context.Context, p, attempts part) (bool, error) {
	for _, q := range []string{pendingIn, recentIn} {
		if stays, err := finds(ctx, d.c, d.why(q, p)); err != nil || stays {
			return false, err
		}
	}
	err := d.transact(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "LOCK TABLE ONLY deliveries, ONLY attempts IN ACCESS EXCLUSIVE MODE"); err != nil {
			return err
		}
		if pending, err := finds(ctx, tx, d.why(pendingIn, p)); err != nil || pending {
			return errors.Join(err, errNeeded)
		}
		for _, a := range []part{p, attempts} {
			if _, err := tx.Exec(ctx, "ALTER TABLE "+a.table+" DETACH PARTITION "+a.name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	return true, d.finish(ctx, p.name)
}

// selectDetached finds deliveries that were taken out, and not dropped.
const selectDetached = `SELECT relname::text FROM pg_class WHERE relnamespace=current_schema()::regnamespace AND relkind='r' AND NOT relispartition
	AND relname ~ '^deliveries_(before|p[0-9]{8})$'`

// finishAll goes on with what a crash left.
func (d *dropper) finishAll(ctx context.Context) error {
	rows, err := d.c.Query(ctx, selectDetached)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range names {
		if err == nil {
			err = d.finish(ctx, name)
		}
	}
	return err
}

// finish puts back what became final while nobody looked, and drops the rest
// in one transaction with what that takes off the tallies.
func (d *dropper) finish(ctx context.Context, name string) error {
	attempts, sums := "attempts"+name[len("deliveries"):], name+"_sums"
	err := pgx.BeginFunc(ctx, d.c, func(tx pgx.Tx) error {
		for _, q := range []string{
			fmt.Sprintf("INSERT INTO attempts SELECT a.* FROM %s a JOIN %s d ON d.k=a.delivery WHERE d.finished>=%d", attempts, name, micros(d.cut)),
			fmt.Sprintf("WITH moved AS (DELETE FROM %s WHERE finished>=%d RETURNING *) INSERT INTO deliveries SELECT * FROM moved", name, micros(d.cut)),
			"DROP TABLE IF EXISTS " + sums,
			fmt.Sprintf("CREATE TABLE %s AS SELECT endpoint, sum(attempts)::bigint AS attempts FROM %s GROUP BY endpoint", sums, name),
		} {
			if _, err := tx.Exec(ctx, q); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return d.db.write(ctx, func(b *batch) error {
		if err := b.exec("UPDATE tallies AS t SET attempts=t.attempts-s.attempts FROM " + sums + " s WHERE s.endpoint=t.endpoint"); err != nil {
			return err
		}
		return b.exec("DROP TABLE " + sums + ", " + attempts + ", " + name)
	})
}
