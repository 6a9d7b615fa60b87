-- Rows are known by a key: 63 bits, time-ordered, from which the UUIDv7 that
-- the world sees is computed (id.go). Times are microseconds since 1970.

-- +goose Up

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- One row, rewritten by every commit that changes it.
CREATE TABLE state (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    pending INTEGER NOT NULL, -- rows in queue
    indexed INTEGER NOT NULL, -- events up to this key are in postings
    last    INTEGER NOT NULL  -- the last key that was given out
);
INSERT INTO state VALUES (1, 0, 0, 0);

CREATE TABLE projects (
    k           INTEGER PRIMARY KEY,
    name        TEXT NOT NULL,
    environment TEXT NOT NULL,
    dialect     TEXT NOT NULL,
    body_id     INTEGER NOT NULL,
    version     INTEGER NOT NULL, -- of the configuration; every change raises it
    UNIQUE (name, environment)
);

CREATE TABLE keys (
    k        INTEGER PRIMARY KEY,
    project  INTEGER NOT NULL, -- 0: a root key
    consumer TEXT NOT NULL,
    name     TEXT NOT NULL,
    prefix   TEXT NOT NULL,
    hash     BLOB NOT NULL UNIQUE,
    scopes   TEXT NOT NULL, -- JSON
    expires  INTEGER NOT NULL,
    revoked  INTEGER NOT NULL,
    used     INTEGER NOT NULL
);
CREATE INDEX keys_by_project ON keys (project);

CREATE TABLE consumers (
    k       INTEGER PRIMARY KEY,
    project INTEGER NOT NULL,
    uid     TEXT NOT NULL,
    name    TEXT NOT NULL,
    UNIQUE (project, uid)
);

-- A deleted endpoint stays as a row without secrets: history names it.
CREATE TABLE endpoints (
    k             INTEGER PRIMARY KEY,
    project       INTEGER NOT NULL,
    consumer      TEXT NOT NULL,
    url           TEXT NOT NULL,
    description   TEXT NOT NULL,
    event_types   TEXT NOT NULL, -- JSON
    headers       BLOB,          -- sealed JSON
    secrets       BLOB,          -- sealed JSON
    rate_limit    INTEGER NOT NULL,
    state         TEXT NOT NULL,
    state_reason  TEXT NOT NULL,
    state_since   INTEGER NOT NULL,
    failure_count INTEGER NOT NULL,
    failed_at     INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    revision      INTEGER NOT NULL, -- of this row; raised by every write
    deleted_at    INTEGER NOT NULL
);
CREATE INDEX endpoints_by_project ON endpoints (project) WHERE deleted_at = 0;
CREATE INDEX endpoints_by_consumer ON endpoints (project, consumer) WHERE deleted_at = 0;
CREATE INDEX endpoints_held ON endpoints (state) WHERE deleted_at = 0 AND state <> 'active';

-- Endpoints whose pending deliveries are still to be cancelled.
CREATE TABLE deletions (
    endpoint INTEGER PRIMARY KEY,
    reason   TEXT NOT NULL
);

-- Append-only. The deliveries that were made with an event have the keys
-- that follow its own; targets lists their endpoints, 8 bytes each.
CREATE TABLE events (
    k           INTEGER PRIMARY KEY,
    project     INTEGER NOT NULL,
    consumer    TEXT NOT NULL,
    type        TEXT NOT NULL,
    time        INTEGER NOT NULL,
    dialect     TEXT NOT NULL,
    flags       INTEGER NOT NULL, -- 1: test, 2: broadcast, 4: bodies have an id
    idempotency TEXT NOT NULL,
    unreached   TEXT NOT NULL,
    targets     BLOB,
    crc         INTEGER NOT NULL, -- CRC-32C of data
    data        BLOB NOT NULL
);

-- Broadcasts that go on, over the endpoints up to bound.
CREATE TABLE fanouts (
    event  INTEGER PRIMARY KEY,
    cursor INTEGER NOT NULL,
    bound  INTEGER NOT NULL
);

-- Deliveries made for an event after it was accepted: count keys from first.
CREATE TABLE spans (
    event INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (event, first)
) WITHOUT ROWID;

-- Only what is pending: a row goes when its delivery is final.
CREATE TABLE queue (
    k        INTEGER PRIMARY KEY,
    event    INTEGER NOT NULL,
    endpoint INTEGER NOT NULL,
    project  INTEGER NOT NULL,
    due      INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    status   INTEGER NOT NULL
);
CREATE INDEX queue_due ON queue (endpoint, due);
CREATE INDEX queue_by_endpoint ON queue (endpoint);
CREATE INDEX queue_by_project ON queue (project);

-- Only what is final. attempt is the only one, where the first was final.
CREATE TABLE deliveries (
    k        INTEGER PRIMARY KEY,
    event    INTEGER NOT NULL,
    endpoint INTEGER NOT NULL,
    state    INTEGER NOT NULL, -- 1 delivered, 2 failed, 3 cancelled
    reason   TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    finished INTEGER NOT NULL,
    status   INTEGER NOT NULL,
    attempt  BLOB
);

CREATE TABLE attempts (
    delivery INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    data     BLOB NOT NULL,
    PRIMARY KEY (delivery, number)
) WITHOUT ROWID;

-- Sliced by day, so that old keys go without a search.
CREATE TABLE idempotency (
    day        INTEGER NOT NULL,
    project    INTEGER NOT NULL,
    key        TEXT NOT NULL,
    event      INTEGER NOT NULL,
    hash       BLOB NOT NULL,
    deliveries INTEGER NOT NULL,
    unreached  TEXT NOT NULL,
    more       INTEGER NOT NULL,
    PRIMARY KEY (day, project, key)
) WITHOUT ROWID;

-- What lists walk: for each term (postings.go) the keys that match, in
-- blocks, newest first in each.
CREATE TABLE postings (
    term BLOB NOT NULL,
    last INTEGER NOT NULL, -- the newest key of the block
    n    INTEGER NOT NULL, -- tells blocks with the same newest key apart
    data BLOB NOT NULL,
    PRIMARY KEY (term, last, n)
) WITHOUT ROWID;

-- Times of attempts, one row a commit: 8 bytes endpoint, 8 bytes time each.
CREATE TABLE sends (
    k    INTEGER PRIMARY KEY,
    data BLOB NOT NULL
);
