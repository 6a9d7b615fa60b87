package app

import "github.com/malote-dev/malote/internal/store"

// SQLiteVersion is the version of the SQLite inside, as in "3.53.4".
func SQLiteVersion() string { return store.SQLiteVersion() }
