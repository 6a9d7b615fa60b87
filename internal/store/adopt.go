package store

import (
	"context"
	"errors"
	"time"
)

// A slot whose process died is fenced and adopted: its shards are free at once,
// and what it alone knew is read from its rows and written where all look. Who
// adopts has a lease of the slot, too: where he dies, another goes on.

const (
	fenceSlot = "UPDATE nodes SET token=token+1, died=true, until=now()+make_interval(secs=>?) WHERE slot=? AND open AND until<now() RETURNING token, host"
	// holdSlot keeps the lease of a slot that is being adopted.
	holdSlot = "UPDATE nodes SET until=now()+make_interval(secs=>?) WHERE slot=? AND token=?"
)

var errAdopted = errors.New("another process sees to the slot")

const (
	adoptEvents   = 200 // that one transaction puts into the lists
	adoptSubjects = 64  // whose counts it writes
)

// fence keeps a process whose lease is over from writing, and frees its shards.
func (n *nodes) fence(ctx context.Context, slot int) error {
	var token int64
	var shards int
	var host string
	fenced := false
	err := n.db.tend(ctx, func(b *batch) (err error) {
		if fenced, err = b.row(fenceSlot, []any{n.engine.lease.Seconds(), slot}, &token, &host); err != nil || !fenced {
			return err
		}
		b.dirty = true
		shards, err = b.change("UPDATE shards SET slot=NULL, died=true WHERE slot=?", slot)
		return err
	})
	if err != nil || !fenced {
		return err
	}
	n.db.log.Warn("a process gave no sign of life: others take over what was its own", "slot", slot, "host", host, "shards", shards)
	delete(n.others, slot) // it is told of already
	n.adoptions.Go(func() {
		a := &adoption{n: n, slot: slot, token: token}
		if err := a.run(n.ctx); err != nil && !errors.Is(err, errAdopted) && n.ctx.Err() == nil {
			n.db.log.Error("what a process that died had counted could not be taken over; tried again when its lease is over", "slot", slot, "error", err)
		}
	})
	return nil
}

// adoption of a slot.
type adoption struct {
	n     *nodes
	slot  int
	token int64
}

func (a *adoption) run(ctx context.Context) error {
	if err := a.debt(ctx); err != nil {
		return err
	}
	if err := a.counts(ctx); err != nil {
		return err
	}
	return a.write(ctx, func(b *batch) error {
		return b.exec("UPDATE nodes SET open=false WHERE slot=? AND token=?", a.slot, a.token)
	})
}

// write is [DB.tend] for as long as the slot is ours.
func (a *adoption) write(ctx context.Context, f func(b *batch) error) error {
	return a.n.db.tend(ctx, func(b *batch) error {
		n, err := b.change(holdSlot, a.n.engine.lease.Seconds(), a.slot, a.token)
		if err == nil && n == 0 {
			err = errAdopted
		}
		if err != nil {
			return err
		}
		return f(b)
	})
}

// debt puts the events that are in no list into the lists.
func (a *adoption) debt(ctx context.Context) error {
	db := a.n.db
	var s slotState
	var entries []indexEntry
	err := db.read(ctx, true, func(c *conn) error {
		if _, err := c.row(ctx, readSlot, []any{a.slot}, &s.last, &s.pending, &s.indexed); err != nil {
			return err
		}
		var err error
		entries, err = unindexed(ctx, c, s.indexed, s.last, db.ofSlot(a.slot))
		return err
	})
	for err == nil && s.indexed < s.last {
		some := entries[:min(adoptEvents, len(entries))]
		entries = entries[len(some):]
		if s.indexed = s.last; len(entries) > 0 {
			s.indexed = some[len(some)-1].k
		}
		err = a.write(ctx, func(b *batch) error {
			p := postings{}
			for i := range some {
				p.addEvent(&some[i])
			}
			if err := b.indexNow(p); err != nil {
				return err
			}
			return b.exec("UPDATE nodes SET indexed=? WHERE slot=?", s.indexed, a.slot)
		})
	}
	return err
}

// counts writes what was counted nowhere but in the memory of who died.
func (a *adoption) counts(ctx context.Context) error {
	db := a.n.db
	l := newLedger(a.slot)
	err := db.read(ctx, false, func(c *conn) error {
		var s slotState
		if _, err := c.row(ctx, readSlot, []any{a.slot}, &s.last, &s.pending, &s.indexed); err != nil {
			return err
		}
		return l.recover(ctx, c, db.ofSlot(a.slot), s.last)
	})
	for err == nil {
		if len(l.round) == 0 {
			if len(l.cur) == 0 {
				return nil
			}
			l.begin(l.last)
		}
		var slice []key
		var mark ledgerMark
		err = a.write(ctx, func(b *batch) (err error) {
			slice, mark, err = b.writeSlice(l, adoptSubjects)
			return err
		})
		if err == nil {
			l.wrote(slice, mark, time.Now())
		}
	}
	return err
}
