-- Any number of processes serve with one database. Each holds a slot: what one
-- alone wrote before, it writes for its slot, and what there is in all is the
-- sum. A process of an older version knows nothing of that.

-- +goose Up

-- +goose StatementBegin
DO $$ BEGIN
    IF EXISTS (SELECT 1 FROM state WHERE open AND until > now()) THEN
        RAISE EXCEPTION 'a process of an older version serves with this database, or died a moment ago: stop it and try again in some seconds';
    END IF;
END $$;
-- +goose StatementEnd

-- Slots, most of them nobody's. Every commit that changes something rewrites
-- the row of who commits.
CREATE TABLE nodes (
    slot    smallint PRIMARY KEY,
    token   bigint NOT NULL DEFAULT 0, -- raised by whoever takes the slot: who has an older one writes no more
    commits bigint NOT NULL DEFAULT 0, -- raised by every commit: tells what became of one without an answer
    pending bigint NOT NULL DEFAULT 0, -- rows in queue: made less ended with this slot; the sum of all says how many there are
    indexed bigint NOT NULL DEFAULT 0, -- events of this slot up to this key are in postings
    last    bigint NOT NULL DEFAULT 0, -- the last key that was given out in this slot
    open    boolean NOT NULL DEFAULT false, -- somebody has it, and has not left it in order
    leaving boolean NOT NULL DEFAULT false, -- and is about to
    exclusive boolean NOT NULL DEFAULT false, -- and wants no others beside it
    until   timestamptz NOT NULL DEFAULT now(), -- when it may be taken from who has it
    started timestamptz NOT NULL DEFAULT now(),
    host    text NOT NULL DEFAULT '', -- name of the machine, for people
    sign    text NOT NULL DEFAULT ''  -- by which others on that machine see that the process lives
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
INSERT INTO nodes (slot, token, commits, pending, indexed, last, open, until)
    SELECT 0, token, commits, pending, indexed, last, open, until FROM state;
INSERT INTO nodes (slot) SELECT generate_series(1, 62); -- 63 is for who only passes by
DROP TABLE state;

-- Who alone sends for the endpoints of a shard.
CREATE TABLE shards (
    shard smallint PRIMARY KEY,
    slot  smallint,                      -- NULL: nobody
    died  boolean NOT NULL DEFAULT false -- who had it last did not hand it over
);
INSERT INTO shards SELECT n, CASE WHEN s.open THEN 0::smallint END FROM generate_series(0, 255) n, (SELECT open FROM nodes WHERE slot = 0) s;

-- How far hours are in days: all up to day; the day after it for the subjects
-- up to cursor.
CREATE TABLE rolled (
    id     smallint PRIMARY KEY,
    day    bigint NOT NULL,
    cursor bigint NOT NULL
);
INSERT INTO rolled SELECT 1, rolled, roll_cursor FROM counted;

-- How far sends of each slot are in hours and tallies.
ALTER TABLE counted RENAME id TO slot;
ALTER TABLE counted DROP COLUMN rolled, DROP COLUMN roll_cursor;
UPDATE counted SET slot = 0;
INSERT INTO counted SELECT n, 0, 0, 0 FROM generate_series(1, 62) n;
