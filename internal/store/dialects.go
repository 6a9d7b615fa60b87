package store

import "context"

// KeptDialect is a dialect revision as the server ran with it.
type KeptDialect struct {
	Ref    string // name/revision, as [Event.Dialect] names it
	Source []byte // the dialect file
}

// Dialects lists the kept dialect revisions by Ref.
func (db *DB) Dialects(ctx context.Context) ([]KeptDialect, error) {
	var out []KeptDialect
	err := db.read(ctx, false, func(c *conn) error {
		return c.rows(ctx, "SELECT ref, source FROM dialects ORDER BY ref", nil, func(scan func(...any) error) (bool, error) {
			var d KeptDialect
			err := scan(&d.Ref, &d.Source)
			out = append(out, d)
			return true, err
		})
	})
	return out, err
}

// KeepDialects keeps revisions, all or none; one that is kept already is
// replaced. Whether that may be is the caller's to know: see [DB.DialectUsed].
func (db *DB) KeepDialects(ctx context.Context, ds ...KeptDialect) error {
	if len(ds) == 0 {
		return nil
	}
	return db.write(ctx, func(b *batch) error {
		for _, d := range ds {
			if err := b.exec("INSERT INTO dialects VALUES (?,?) ON CONFLICT (ref) DO UPDATE SET source=excluded.source", d.Ref, d.Source); err != nil {
				return err
			}
			if err := b.note(0, ActionDialectKeep, d.Ref, ""); err != nil {
				return err
			}
		}
		b.changed(changedDialects, 0, nil)
		return nil
	})
}

// DialectsKept is signalled when a revision was kept, by this process or another.
func (db *DB) DialectsKept() <-chan struct{} { return db.dialects }

func (db *DB) dialectsKept() {
	select {
	case db.dialects <- struct{}{}:
	default:
	}
}

// DialectUsed reports whether an event that is kept was accepted under a
// dialect revision. It may look at every event: ask it at a start, and seldom.
func (db *DB) DialectUsed(ctx context.Context, ref string) (used bool, err error) {
	err = db.read(ctx, false, func(c *conn) error {
		_, err := c.row(ctx, "SELECT EXISTS (SELECT 1 FROM events WHERE dialect=?)", []any{ref}, &used)
		return err
	})
	return used, err
}
