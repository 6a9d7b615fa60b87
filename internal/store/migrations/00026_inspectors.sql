-- +goose Up

-- Throw-away addresses that keep what arrives there.
CREATE TABLE inspectors (
    k        INTEGER PRIMARY KEY,
    project  INTEGER NOT NULL,
    hash     BLOB NOT NULL UNIQUE, -- of the token in its address
    token    BLOB NOT NULL,        -- sealed
    name     TEXT NOT NULL,
    answer   TEXT NOT NULL,        -- JSON
    dialect  TEXT NOT NULL,        -- that requests are verified by; '': they are not
    secret   BLOB,                 -- to verify with, sealed; NULL: none
    keep     INTEGER NOT NULL,     -- how long requests are kept
    expires  INTEGER NOT NULL,     -- when it ends; 0: it does not
    last     INTEGER NOT NULL,     -- key of the newest request there was; 0: there was none
    requests INTEGER NOT NULL,     -- that are kept
    bytes    INTEGER NOT NULL      -- that these take
);
CREATE INDEX inspectors_by_project ON inspectors (project);
CREATE INDEX inspectors_by_expiry ON inspectors (expires) WHERE expires > 0;

-- What arrived there.
CREATE TABLE inspected (
    k         INTEGER PRIMARY KEY, -- those of an inspector rise in the order of their commits
    inspector INTEGER NOT NULL,
    until     INTEGER NOT NULL,    -- when it goes
    size      INTEGER NOT NULL,    -- as its inspector counts it
    answered  INTEGER NOT NULL,    -- when the answer was out; 0: not yet, or the sender was gone
    facts     TEXT NOT NULL,       -- JSON
    method    TEXT NOT NULL,
    path      BLOB NOT NULL,       -- behind the token, as sent
    query     BLOB NOT NULL,       -- likewise
    head      BLOB NOT NULL,       -- header lines, as sent
    body      BLOB NOT NULL
);
CREATE INDEX inspected_by_inspector ON inspected (inspector);
CREATE INDEX inspected_by_end ON inspected (until);
