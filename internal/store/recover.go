package store

import (
	"context"
	"crypto/rand"
	"encoding/binary"
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
	return secret, c.exec(ctx, "INSERT INTO meta VALUES ('ids',?)", secret)
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

func (db *DB) recoverChores(ctx context.Context, c *conn) error {
	db.w.chores.skips, db.w.chores.deletions = len(db.skipping), len(db.deleting)
	_, err := c.row(ctx, "SELECT count(*) FROM fanouts", nil, &db.w.chores.fanouts)
	return err
}

// recoverDebt finds the events that a crash kept out of the lists: those of
// its last second or so.
func (db *DB) recoverDebt(ctx context.Context, c *conn) error {
	var entries []indexEntry
	var lists [][]byte
	err := c.rows(ctx, "SELECT k, project, consumer, type, targets FROM events WHERE k>? ORDER BY k", []any{db.w.indexed},
		func(scan func(...any) error) (bool, error) {
			var e indexEntry
			var list []byte
			err := scan(&e.k, &e.project, &e.consumer, &e.eventType, &list)
			entries, lists = append(entries, e), append(lists, list)
			return true, err
		})
	if err != nil {
		return err
	}
	consumers := map[key]string{}
	for i := range entries {
		if entries[i].targets, err = readTargets(ctx, c, lists[i], consumers); err != nil {
			return err
		}
	}
	db.w.debtFrom, db.w.owed = time.Now(), db.w.debt.settle(0, entries)
	db.indebted.Store(int64(len(entries)))
	return nil
}

func readTargets(ctx context.Context, c *conn, list []byte, consumers map[key]string) ([]target, error) {
	var targets []target
	for ; len(list) >= 8; list = list[8:] {
		k := key(binary.BigEndian.Uint64(list))
		uid, ok := consumers[k]
		if !ok {
			if _, err := c.row(ctx, "SELECT consumer FROM endpoints WHERE k=?", []any{k}, &uid); err != nil {
				return nil, err
			}
			consumers[k] = uid
		}
		targets = append(targets, target{k, uid})
	}
	return targets, nil
}

func (db *DB) recoverSends(ctx context.Context, c *conn) error {
	db.sends = &recentSends{at: map[key][]int64{}}
	now := time.Now()
	return c.rows(ctx, "SELECT data FROM sends WHERE k>=? ORDER BY k", []any{timeKey(now.Add(-sendsFor))},
		func(scan func(...any) error) (bool, error) {
			var data []byte
			err := scan(&data)
			db.sends.add(data, micros(now))
			return true, err
		})
}
