package store

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"maps"
	"slices"
	"time"
)

// idSecret is what ids are computed with; the first open makes it.
func (db *DB) idSecret(ctx context.Context, c *conn) ([]byte, error) {
	var secret []byte
	found, err := c.row(ctx, "SELECT value FROM meta WHERE name='ids'", nil, &secret)
	if err != nil || found {
		return secret, err
	}
	secret = make([]byte, 16)
	_, _ = rand.Read(secret) // never fails (Go 1.24)
	if err := c.exec(ctx, "INSERT INTO meta VALUES ('ids',?) ON CONFLICT DO NOTHING", secret); err != nil {
		return nil, err
	}
	_, err = c.row(ctx, "SELECT value FROM meta WHERE name='ids'", nil, &secret) // another process may have been faster
	return secret, err
}

// recoverConfiguration reads what is held in memory of the configuration: its
// generation first, so that what changes meanwhile is learned by and by.
func (db *DB) recoverConfiguration(ctx context.Context, c *conn) error {
	n := &news{whole: true}
	if db.engine.shared() {
		if err := db.generationInto(ctx, c, &n.generation); err != nil {
			return err
		}
	}
	if err := db.facts(ctx, c, n); err != nil {
		return err
	}
	db.apply(n)
	return nil
}

// countChores counts what waits to be done.
func (db *DB) countChores(ctx context.Context, c *conn, to *chores) error {
	_, err := c.row(ctx, "SELECT (SELECT count(*) FROM fanouts), (SELECT count(*) FROM deletions), (SELECT count(*) FROM skips)", nil,
		&to.fanouts, &to.deletions, &to.skips)
	return err
}

// recoverDebt finds the events that a crash kept out of the lists: those of
// its last second or so.
func (db *DB) recoverDebt(ctx context.Context, c *conn, last key) error {
	entries, err := unindexed(ctx, c, db.w.indexed, last, db.ofSlot(db.engine.slot()))
	if err != nil {
		return err
	}
	db.w.debtFrom, db.w.owed = time.Now(), db.w.debt.settle(0, entries)
	db.indebted.Store(int64(len(entries)))
	return nil
}

// unindexed reads the events after a key, up to another, of which more is said.
func unindexed(ctx context.Context, c *conn, after, last key, more string) ([]indexEntry, error) {
	if last <= after {
		return nil, nil
	}
	var entries []indexEntry
	var lists [][]byte
	err := c.rows(ctx, "SELECT k, project, consumer, type, targets FROM events WHERE k>? AND k<=?"+more+" ORDER BY k", []any{after, last},
		func(scan func(...any) error) (bool, error) {
			var e indexEntry
			var list []byte
			err := scan(&e.k, &e.project, &e.consumer, &e.eventType, &list)
			entries, lists = append(entries, e), append(lists, list)
			return true, err
		})
	if err != nil {
		return nil, err
	}
	return entries, readTargets(ctx, c, entries, lists)
}

// readTargets reads whom events went to, by the lists of their endpoints.
func readTargets(ctx context.Context, c *conn, entries []indexEntry, lists [][]byte) error {
	consumers := map[key]string{}
	for i, list := range lists {
		for ; len(list) >= 8; list = list[8:] {
			k := key(binary.BigEndian.Uint64(list))
			consumers[k] = ""
			entries[i].targets = append(entries[i].targets, target{endpoint: k})
		}
	}
	err := c.rows(ctx, "SELECT e.k, e.consumer FROM json_each(?) j CROSS JOIN endpoints e ON e.k=j.value", []any{keyList(slices.Collect(maps.Keys(consumers)))},
		func(scan func(...any) error) (bool, error) {
			var k key
			var uid string
			err := scan(&k, &uid)
			consumers[k] = uid
			return true, err
		})
	for i := range entries {
		for j := range entries[i].targets {
			t := &entries[i].targets[j]
			t.consumer = consumers[t.endpoint]
		}
	}
	return err
}

// recoverSends brings back what the rates still have to count, whoever sent it.
func (db *DB) recoverSends(ctx context.Context, c *conn) error {
	r, err := readSends(ctx, c)
	db.sends.at = r.at
	return err
}

func readSends(ctx context.Context, c *conn) (*recentSends, error) {
	r, now := newRecentSends(), time.Now()
	err := c.rows(ctx, "SELECT data FROM sends WHERE k>=? ORDER BY k", []any{timeKey(now.Add(-sendsFor))},
		func(scan func(...any) error) (bool, error) {
			var data []byte
			err := scan(&data)
			r.add(data, micros(now))
			return true, err
		})
	if err != nil {
		return r, err
	}
	return r, r.readProbes(ctx, c, now)
}
