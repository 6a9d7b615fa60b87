-- +goose Up

-- Replays: what was sent once, or should have been, put into the queue again
-- in the background. The row says how far it came.
CREATE TABLE replays (
    k        INTEGER PRIMARY KEY, -- also the bound: nothing with a later key is replayed
    project  INTEGER NOT NULL,
    consumer TEXT NOT NULL,    -- whose deliveries; '': of the whole project
    endpoint INTEGER NOT NULL, -- to which; 0: to all of them
    kind     TEXT NOT NULL,
    filter   TEXT NOT NULL,    -- JSON
    made_by  INTEGER NOT NULL, -- the key that asked for it
    state    TEXT NOT NULL,
    reason   TEXT NOT NULL,
    matched  INTEGER NOT NULL, -- when it was made
    more     INTEGER NOT NULL, -- and more: counting ended there
    done     INTEGER NOT NULL,
    skipped  INTEGER NOT NULL,
    failed   INTEGER NOT NULL,
    next     INTEGER NOT NULL, -- endpoints up to this key have their legs
    finished INTEGER NOT NULL
);
CREATE INDEX replays_by_consumer ON replays (project, consumer);
CREATE INDEX replays_by_project ON replays (project);
CREATE INDEX replays_running ON replays (project) WHERE state = 'running';

-- A replay's way through one endpoint: all up to cursor was looked at.
CREATE TABLE replay_legs (
    replay   INTEGER NOT NULL,
    endpoint INTEGER NOT NULL,
    cursor   INTEGER NOT NULL,
    PRIMARY KEY (replay, endpoint)
) WITHOUT ROWID;

-- The endpoints of a span's deliveries, 8 bytes each, as in events: so it is
-- known who got an event also when the deliveries are past their retention.
ALTER TABLE spans ADD COLUMN targets BLOB;
