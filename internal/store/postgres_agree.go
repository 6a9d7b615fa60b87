package store

import "context"

// Several processes write to one database, each with the configuration in
// memory. Those that commit hold one lock together, for no longer than the
// commit takes, and compare the generation under it; one that changes the
// configuration holds it alone. So what is committed was made with what was
// in force, whoever changed it: nothing is accepted for an endpoint after its
// deletion was answered. These locks are the last thing that a transaction asks
// for and go out with the commit: a process that hangs holds none.

// Locks of the server, for as long as a transaction; in the order they are taken.
const (
	turnLock          = schemaLock + 1 // held together by those in which somebody asks for something, and alone by one that failed too often
	askedLock         = schemaLock + 2
	configurationLock = schemaLock + 3
)

// Rows of configuration.
const (
	rowConfiguration = 1
	rowAsked         = 2
)

// Statements about the generation. Those that compare fail where it moved.
const (
	lockAlone    = "SELECT pg_advisory_xact_lock($1)"
	lockTogether = "SELECT pg_advisory_xact_lock_shared($1)"
	compare      = "SELECT 1/(generation=$2)::int FROM configuration WHERE id=$1"
	raise        = `WITH raised AS (UPDATE configuration SET generation=generation+1 WHERE id=$1 AND generation=$2 RETURNING generation)
		SELECT 1/count(*)::int FROM raised`
	raiseTelling = `WITH raised AS (UPDATE configuration SET generation=generation+1 WHERE id=$1 AND generation=$2 RETURNING generation),
		told AS (INSERT INTO changes SELECT r.generation, c.kind, c.k FROM raised r, unnest($3::smallint[], $4::bigint[]) AS c(kind, k))
		SELECT 1/count(*)::int FROM raised`
)

func (e *pgEngine) shared() bool { return true }

func (e *pgEngine) bus() *bus {
	if e.guest {
		return nil
	}
	return newBus(e.config, e.place, e.log)
}

// outset is the beginning of a transaction in which somebody asks for
// something: what was asked for elsewhere before is seen by it.
func (e *pgEngine) outset(b *batch) error {
	if err := b.c.exec(context.Background(), "SELECT pg_advisory_xact_lock_shared(?)", int64(turnLock)); err != nil {
		return err
	}
	var known int64
	q := "SELECT c.generation, a.generation FROM configuration c, configuration a WHERE c.id=? AND a.id=?"
	if _, err := b.row(q, []any{rowConfiguration, rowAsked}, &known, &b.asked); err != nil {
		return err
	}
	if known != b.w.generation {
		return errOutdated
	}
	return nil
}

// agree has a transaction fail unless it was made with the configuration that
// is in force when it commits; one in which somebody asks for something also
// where something else was asked for meanwhile.
func (e *pgEngine) agree(b *batch) {
	p := &b.c.link.(*pgConn).pipe
	if b.serial && b.dirty {
		p.add(&waiting{text: lockAlone, args: []any{int64(askedLock)}})
		p.add(&waiting{text: raise, args: []any{rowAsked, b.asked}, refuses: errOutdated})
	}
	kinds, keys := b.told()
	if b.raised = len(kinds) > 0; !b.raised {
		p.add(&waiting{text: lockTogether, args: []any{int64(configurationLock)}})
		e.verify(b)
		return
	}
	p.add(&waiting{text: lockAlone, args: []any{int64(configurationLock)}})
	p.add(&waiting{text: raiseTelling, args: []any{rowConfiguration, b.w.generation, kinds, keys}, refuses: errOutdated})
}

// verify has a transaction fail that was not made with the newest
// configuration, though it writes nothing: what it refuses would be wrong.
func (e *pgEngine) verify(b *batch) {
	b.c.link.(*pgConn).pipe.add(&waiting{text: compare, args: []any{rowConfiguration, b.w.generation}, refuses: errOutdated})
}

// seize lets nobody ask for anything elsewhere, from the beginning of a
// transaction on: it failed too often.
func (e *pgEngine) seize(b *batch) error {
	return b.c.exec(context.Background(), "SELECT pg_advisory_xact_lock(?)", int64(turnLock))
}
