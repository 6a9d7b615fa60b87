package store

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// fault is what an error of the database means to the store.
type fault int

const (
	faultOther    fault = iota
	faultFull           // no space: nothing was kept, go on when there is some
	faultBusy           // another process holds the database: the same
	faultReadOnly       // may not write: the same
	faultDisk           // a write or an fsync failed: what is on disk is unknown
	faultCorrupt        // a page does not read as it should
	faultUnique         // a unique constraint
	faultAgain          // met another transaction: the same may work now
	faultFenced         // another process took this one's place: it may write no more
	faultOutdated       // others changed the configuration: the same may work once it is known
)

func faultOf(err error) fault {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return postgresFault(err)
	}
	switch e.Code() {
	case sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMMAP:
		return faultFull
	case sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS, sqlite3.SQLITE_IOERR_DATA:
		return faultCorrupt
	case sqlite3.SQLITE_IOERR_NOMEM, sqlite3.SQLITE_IOERR_LOCK, sqlite3.SQLITE_IOERR_BLOCKED:
		return faultBusy
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return faultUnique
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return faultFull
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return faultBusy
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return faultReadOnly
	case sqlite3.SQLITE_IOERR:
		return faultDisk
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return faultCorrupt
	}
	return faultOther
}

// postgresFault reads the codes of PostgreSQL (its manual's appendix A). What
// the server cannot write it says; its own disk it judges itself.
func postgresFault(err error) fault {
	var e *pgconn.PgError
	var lost *lostError
	switch {
	case err == nil:
		return faultOther
	case errors.Is(err, errFenced):
		return faultFenced
	case errors.Is(err, errOutdated):
		return faultOutdated
	case errors.As(err, &lost):
		return faultBusy
	case !errors.As(err, &e):
		return faultOther
	}
	switch e.Code {
	case "23502":
		if e.TableName == "nodes" { // see markSlot
			return faultFenced
		}
	case "53100":
		return faultFull
	case "25006": // a standby, or a database that was set so
		return faultReadOnly
	case "40001", "40P01":
		return faultAgain
	case "23505":
		return faultUnique
	case "XX001", "XX002":
		return faultCorrupt
	case "58030", "55P03", "25P03": // an I/O error, a lock, a transaction that was too slow
		return faultBusy
	}
	switch e.Code[:2] {
	case "53", "57", "08":
		return faultBusy
	}
	return faultOther
}
