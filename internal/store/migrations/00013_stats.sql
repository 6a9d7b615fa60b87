-- What happened, summed up: for each hour, and later for each day, a row for
-- every endpoint, consumer and project that had attempts or final deliveries
-- in it (rollup.go has the form of data). Ordered by hour, so that what is
-- written together lies together.

-- +goose Up

CREATE TABLE hours (
    hour    INTEGER NOT NULL, -- since 1970, UTC
    subject INTEGER NOT NULL, -- key of the endpoint, the consumer or the project
    data    BLOB NOT NULL,
    PRIMARY KEY (hour, subject)
) WITHOUT ROWID;

CREATE TABLE days (
    day     INTEGER NOT NULL,
    subject INTEGER NOT NULL,
    data    BLOB NOT NULL,
    PRIMARY KEY (day, subject)
) WITHOUT ROWID;

-- How far sends are in hours and tallies: all up to done; those up to upto
-- for the subjects up to cursor. And how far hours are in days: all up to
-- rolled; the day after it for the subjects up to roll_cursor.
CREATE TABLE counted (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    done        INTEGER NOT NULL,
    upto        INTEGER NOT NULL,
    cursor      INTEGER NOT NULL,
    rolled      INTEGER NOT NULL,
    roll_cursor INTEGER NOT NULL
);
INSERT INTO counted SELECT 1, value, value, 0, 0, 0 FROM meta WHERE name = 'tallied';
DELETE FROM meta WHERE name = 'tallied';

ALTER TABLE tallies ADD COLUMN last_ok INTEGER NOT NULL DEFAULT 0; -- time of the last attempt that succeeded
ALTER TABLE tallies ADD COLUMN streak  INTEGER NOT NULL DEFAULT 0; -- attempts that failed since
