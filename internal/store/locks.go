package store

import (
	"context"
	"fmt"
)

// Where many processes write to one database, what a transaction read may be
// changed by another until it writes. What it then relies on it locks first:
// rows that are there, and names where a row may yet be made. SQLite has one
// writer, and no locks.

// lock waits until nobody else changes the rows of a query, and keeps others
// from it until the commit. What is read after it is as the others left it.
func (b *batch) lock(q string, args ...any) error {
	if !b.db.engine.shared() {
		return nil
	}
	return b.rows(q+" FOR UPDATE", args, func(func(...any) error) (bool, error) { return true, nil })
}

// claim does the same with a name.
func (b *batch) claim(format string, args ...any) error {
	if !b.db.engine.shared() {
		return nil
	}
	return b.c.exec(context.Background(), "SELECT pg_advisory_xact_lock(hashtextextended(?,0))", fmt.Sprintf(format, args...))
}

// lockDelivery locks a delivery, whether it is pending or final.
func (b *batch) lockDelivery(k key) error {
	if !b.db.engine.shared() {
		return nil
	}
	for range 2 { // it may go from one to the other and back between two statements
		for _, table := range []string{"queue", "deliveries"} {
			found, err := b.row("SELECT 1 FROM "+table+" WHERE k=? FOR UPDATE", []any{k}, new(int))
			if found || err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *batch) lockEndpoint(k key) error { return b.lock("SELECT 1 FROM endpoints WHERE k=?", k) }
func (b *batch) lockEvent(k key) error    { return b.lock("SELECT 1 FROM events WHERE k=?", k) }
func (b *batch) lockProject(k key) error  { return b.lock("SELECT 1 FROM projects WHERE k=?", k) }

// lead is [DB.tend] for what the chief alone does; f is not called elsewhere.
func (db *DB) lead(ctx context.Context, f func(b *batch) error) error {
	if !db.Chief() {
		return nil
	}
	return db.tend(ctx, func(b *batch) error {
		if !db.Chief() {
			return nil
		}
		return f(b)
	})
}
