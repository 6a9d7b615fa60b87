-- What the migrations of SQLite make, in PostgreSQL's words; from here on both
-- have the same numbers. Rows are known by a key: 63 bits, time-ordered, from
-- which the UUIDv7 that the world sees is computed (id.go). Times are
-- microseconds since 1970. Texts that are compared or ordered are so by bytes.

-- +goose Up

CREATE TABLE meta (
    name  text COLLATE "C" PRIMARY KEY,
    value bytea NOT NULL
);

-- The process that writes: every commit that changes something rewrites its row.
CREATE TABLE state (
    id      smallint PRIMARY KEY,
    pending bigint NOT NULL, -- rows in queue
    indexed bigint NOT NULL, -- events up to this key are in postings
    last    bigint NOT NULL, -- the last key that was given out
    token   bigint NOT NULL, -- raised by whoever takes the row: who has an older one writes no more
    commits bigint NOT NULL, -- raised by every commit: tells what became of one without an answer
    open    boolean NOT NULL, -- the process that has the token has not closed the store
    until   timestamptz NOT NULL -- and may do without renewing it
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
INSERT INTO state VALUES (1, 0, 0, 0, 0, 0, false, now());

CREATE TABLE projects (
    k                bigint PRIMARY KEY,
    name             text COLLATE "C" NOT NULL,
    environment      text COLLATE "C" NOT NULL,
    dialect          text COLLATE "C" NOT NULL,
    body_id          boolean NOT NULL,
    version          bigint NOT NULL, -- of the configuration; every change raises it
    host             text COLLATE "C" NOT NULL DEFAULT '', -- lower case, without port
    known_types_only boolean NOT NULL DEFAULT false,
    types_version    bigint NOT NULL DEFAULT 0, -- of its event types; every change raises it
    UNIQUE (name, environment)
);
CREATE UNIQUE INDEX projects_by_host ON projects (host) WHERE host <> '';

CREATE TABLE keys (
    k        bigint PRIMARY KEY,
    project  bigint NOT NULL, -- 0: a root key
    consumer text COLLATE "C" NOT NULL,
    name     text COLLATE "C" NOT NULL,
    prefix   text COLLATE "C" NOT NULL,
    hash     bytea NOT NULL UNIQUE,
    scopes   text COLLATE "C" NOT NULL, -- JSON
    expires  bigint NOT NULL,
    revoked  bigint NOT NULL,
    used     bigint NOT NULL
);
CREATE INDEX keys_by_project ON keys (project, k);

CREATE TABLE consumers (
    k       bigint PRIMARY KEY,
    project bigint NOT NULL,
    uid     text COLLATE "C" NOT NULL,
    name    text COLLATE "C" NOT NULL,
    UNIQUE (project, uid)
);

-- A deleted endpoint stays as a row without secrets: history names it.
CREATE TABLE endpoints (
    k             bigint PRIMARY KEY,
    project       bigint NOT NULL,
    consumer      text COLLATE "C" NOT NULL,
    url           text COLLATE "C" NOT NULL,
    description   text COLLATE "C" NOT NULL,
    event_types   text COLLATE "C" NOT NULL, -- JSON
    headers       bytea,         -- sealed JSON
    secrets       bytea,         -- sealed JSON
    rate_limit    bigint NOT NULL,
    state         text COLLATE "C" NOT NULL,
    state_reason  text COLLATE "C" NOT NULL,
    state_since   bigint NOT NULL,
    failure_count bigint NOT NULL,
    failed_at     bigint NOT NULL,
    updated_at    bigint NOT NULL,
    revision      bigint NOT NULL, -- of this row; raised by every write
    deleted_at    bigint NOT NULL,
    name          text COLLATE "C" NOT NULL DEFAULT '',
    path          bytea, -- sealed: the secret of its address
    path_hash     bytea, -- SHA-256 of it; stays when the endpoint is deleted
    settings      text COLLATE "C" NOT NULL DEFAULT '', -- JSON: what its owner set beside its URL, types and headers
    auth          bytea  -- what of that is secret, sealed
);
CREATE INDEX endpoints_by_project ON endpoints (project, k) WHERE deleted_at = 0;
CREATE INDEX endpoints_by_consumer ON endpoints (project, consumer, k) WHERE deleted_at = 0;
CREATE INDEX endpoints_held ON endpoints (state) WHERE deleted_at = 0 AND state <> 'active';
CREATE UNIQUE INDEX endpoints_by_path ON endpoints (path_hash) WHERE path_hash IS NOT NULL;

-- Endpoints whose pending deliveries are still to be cancelled.
CREATE TABLE deletions (
    endpoint bigint PRIMARY KEY,
    reason   text COLLATE "C" NOT NULL
);

-- Append-only. The deliveries that were made with an event have the keys
-- that follow its own; targets lists their endpoints, 8 bytes each.
CREATE TABLE events (
    k           bigint PRIMARY KEY,
    project     bigint NOT NULL,
    consumer    text COLLATE "C" NOT NULL,
    type        text COLLATE "C" NOT NULL,
    time        bigint NOT NULL,
    dialect     text COLLATE "C" NOT NULL,
    flags       bigint NOT NULL, -- 1: test, 2: broadcast, 4: bodies have an id
    idempotency text COLLATE "C" NOT NULL,
    unreached   text COLLATE "C" NOT NULL,
    targets     bytea,
    crc         bigint NOT NULL, -- CRC-32C of data
    data        bytea NOT NULL,
    channels    text COLLATE "C" -- names that the event carries, with a space between them; NULL: none
);

-- Broadcasts that go on, over the endpoints up to bound.
CREATE TABLE fanouts (
    event  bigint PRIMARY KEY,
    cursor bigint NOT NULL,
    bound  bigint NOT NULL
);

-- Deliveries made for an event after it was accepted: count keys from first.
CREATE TABLE spans (
    event   bigint NOT NULL,
    first   bigint NOT NULL,
    count   bigint NOT NULL,
    targets bytea, -- their endpoints, 8 bytes each, as in events
    PRIMARY KEY (event, first)
);

-- Only what is pending: a row goes when its delivery is final.
CREATE TABLE queue (
    k           bigint PRIMARY KEY,
    event       bigint NOT NULL,
    endpoint    bigint NOT NULL,
    project     bigint NOT NULL,
    due         bigint NOT NULL,
    attempts    bigint NOT NULL,
    last_at     bigint NOT NULL,
    status      bigint NOT NULL,
    interrupted bigint NOT NULL DEFAULT 0 -- of the attempts: those that a crash may have interrupted; they used up no try
) WITH (autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX queue_due ON queue (endpoint, due, k);
CREATE INDEX queue_by_endpoint ON queue (endpoint, k);
CREATE INDEX queue_by_project ON queue (project, k);

-- Only what is final. attempt is the only one, where the first was final.
CREATE TABLE deliveries (
    k        bigint PRIMARY KEY,
    event    bigint NOT NULL,
    endpoint bigint NOT NULL,
    state    bigint NOT NULL, -- 1 delivered, 2 failed, 3 cancelled
    reason   text COLLATE "C" NOT NULL,
    attempts bigint NOT NULL,
    finished bigint NOT NULL,
    status   bigint NOT NULL,
    attempt  bytea
);

CREATE TABLE attempts (
    delivery bigint NOT NULL,
    number   bigint NOT NULL,
    data     bytea NOT NULL,
    PRIMARY KEY (delivery, number)
);

-- Sliced by day, so that old keys go without a search.
CREATE TABLE idempotency (
    day        bigint NOT NULL,
    project    bigint NOT NULL,
    key        text COLLATE "C" NOT NULL,
    event      bigint NOT NULL,
    hash       bytea NOT NULL,
    deliveries bigint NOT NULL,
    unreached  text COLLATE "C" NOT NULL,
    more       boolean NOT NULL,
    PRIMARY KEY (day, project, key)
);

-- What lists walk: for each term (postings.go) the keys that match, in
-- blocks, newest first in each.
CREATE TABLE postings (
    term bytea NOT NULL,
    last bigint NOT NULL, -- the newest key of the block
    n    bigint NOT NULL, -- tells blocks with the same newest key apart
    data bytea NOT NULL,
    PRIMARY KEY (term, last, n)
);

-- Times of attempts, one row a commit (sending.go).
CREATE TABLE sends (
    k    bigint PRIMARY KEY,
    data bytea NOT NULL
);

-- Attempts of an endpoint that are kept, and the last one. Written every few
-- seconds; what is newer is counted in memory, and a start reads it from sends.
CREATE TABLE tallies (
    endpoint bigint PRIMARY KEY,
    attempts bigint NOT NULL,
    last_at  bigint NOT NULL,
    status   bigint NOT NULL,
    last_ok  bigint NOT NULL DEFAULT 0, -- time of the last attempt that succeeded
    streak   bigint NOT NULL DEFAULT 0  -- attempts that failed since
) WITH (fillfactor = 70);

-- The source of every dialect revision that the server has run with: what was
-- accepted under one is rendered with it for as long as it is kept.
CREATE TABLE dialects (
    ref    text COLLATE "C" PRIMARY KEY, -- name/revision, as events name it
    source bytea NOT NULL
);

-- Answers to creations that came with an idempotency key, for as long as a
-- repeat gets the same one. Sealed: some show a secret.
CREATE TABLE answers (
    project  bigint NOT NULL, -- of the caller's key; 0: a root key
    consumer text COLLATE "C" NOT NULL, -- that the caller's key is bound to; '': none
    key      text COLLATE "C" NOT NULL,
    request  bytea NOT NULL,  -- hash
    made     bigint NOT NULL,
    answer   bytea NOT NULL,
    PRIMARY KEY (project, consumer, key)
);
CREATE INDEX answers_by_age ON answers (made);

-- Endpoints that were resumed without what they held: what is pending with a
-- key before bound is still to be cancelled.
CREATE TABLE skips (
    endpoint bigint PRIMARY KEY,
    bound    bigint NOT NULL
);

-- Paused and disabled endpoints whose deliveries were announced to expire:
-- once for each time that they are held, which began at since.
CREATE TABLE expiring (
    endpoint bigint PRIMARY KEY,
    since    bigint NOT NULL
);

-- What a project says about its event types. Those that its dialect brings
-- have no rows, until the project says something else about them.
CREATE TABLE event_types (
    k          bigint PRIMARY KEY,
    project    bigint NOT NULL,
    name       text COLLATE "C" NOT NULL,
    revision   bigint NOT NULL, -- of this row; raised by every write
    updated_at bigint NOT NULL,
    validate   boolean NOT NULL,
    deprecated boolean NOT NULL,
    about      text COLLATE "C" NOT NULL, -- JSON: what is said to people
    schema     bytea,         -- JSON Schema as it came
    examples   bytea,         -- JSON array of data
    UNIQUE (project, name)
);
CREATE INDEX event_types_validated ON event_types (project) WHERE validate;

-- Replays: what was sent once, or should have been, put into the queue again
-- in the background. The row says how far it came.
CREATE TABLE replays (
    k        bigint PRIMARY KEY, -- also the bound: nothing with a later key is replayed
    project  bigint NOT NULL,
    consumer text COLLATE "C" NOT NULL, -- whose deliveries; '': of the whole project
    endpoint bigint NOT NULL, -- to which; 0: to all of them
    kind     text COLLATE "C" NOT NULL,
    filter   text COLLATE "C" NOT NULL,   -- JSON
    made_by  bigint NOT NULL, -- the key that asked for it
    state    text COLLATE "C" NOT NULL,
    reason   text COLLATE "C" NOT NULL,
    matched  bigint NOT NULL, -- when it was made
    more     boolean NOT NULL, -- and more: counting ended there
    done     bigint NOT NULL,
    skipped  bigint NOT NULL,
    failed   bigint NOT NULL,
    next     bigint NOT NULL, -- endpoints up to this key have their legs
    finished bigint NOT NULL
);
CREATE INDEX replays_by_consumer ON replays (project, consumer, k);
CREATE INDEX replays_by_project ON replays (project, k);
CREATE INDEX replays_running ON replays (project) WHERE state = 'running';

-- A replay's way through one endpoint: all up to cursor was looked at.
CREATE TABLE replay_legs (
    replay   bigint NOT NULL,
    endpoint bigint NOT NULL,
    cursor   bigint NOT NULL,
    PRIMARY KEY (replay, endpoint)
);

-- What happened, summed up: for each hour, and later for each day, a row for
-- every endpoint, consumer and project that had attempts or final deliveries
-- in it (rollup.go has the form of data).
CREATE TABLE hours (
    hour    bigint NOT NULL, -- since 1970, UTC
    subject bigint NOT NULL, -- key of the endpoint, the consumer or the project
    data    bytea NOT NULL,
    PRIMARY KEY (hour, subject)
) WITH (fillfactor = 70);

CREATE TABLE days (
    day     bigint NOT NULL,
    subject bigint NOT NULL,
    data    bytea NOT NULL,
    PRIMARY KEY (day, subject)
) WITH (fillfactor = 70);

-- How far sends are in hours and tallies: all up to done; those up to upto
-- for the subjects up to cursor. And how far hours are in days: all up to
-- rolled; the day after it for the subjects up to roll_cursor.
CREATE TABLE counted (
    id          smallint PRIMARY KEY,
    done        bigint NOT NULL,
    upto        bigint NOT NULL,
    cursor      bigint NOT NULL,
    rolled      bigint NOT NULL,
    roll_cursor bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO counted VALUES (1, 0, 0, 0, 0, 0);

-- Who changed what. Append-only; rows go by their age alone. No secret, and
-- no address beyond its host, is in here.
CREATE TABLE audit (
    k        bigint PRIMARY KEY,
    project  bigint NOT NULL, -- 0: of the server itself
    kind     text COLLATE "C" NOT NULL,   -- of the actor
    actor    text COLLATE "C" NOT NULL, -- its id; without one, its kind
    prefix   text COLLATE "C" NOT NULL,   -- that its key begins with
    request  bytea,           -- id of the request; NULL: none
    action   text COLLATE "C" NOT NULL,
    object   text COLLATE "C" NOT NULL, -- id, as the world sees it
    consumer text COLLATE "C" NOT NULL,   -- uid of the object's consumer; '': none
    changes  text COLLATE "C" NOT NULL    -- JSON
);
CREATE INDEX audit_by_project ON audit (project, k);
CREATE INDEX audit_by_actor ON audit (project, actor, k);
CREATE INDEX audit_by_action ON audit (project, action, k);
CREATE INDEX audit_by_object ON audit (project, object, k);
