-- +goose Up

-- The twin of what PostgreSQL needs for many processes: here there is one, and
-- its slot is 0.

-- How far hours are in days: all up to day; the day after it for the subjects
-- up to cursor.
CREATE TABLE rolled (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    day    INTEGER NOT NULL,
    cursor INTEGER NOT NULL
);
INSERT INTO rolled SELECT 1, rolled, roll_cursor FROM counted;

-- How far sends are in hours and tallies: all up to done; those up to upto for
-- the subjects up to cursor.
ALTER TABLE counted RENAME TO counted_before;
CREATE TABLE counted (
    slot   INTEGER PRIMARY KEY,
    done   INTEGER NOT NULL,
    upto   INTEGER NOT NULL,
    cursor INTEGER NOT NULL
);
INSERT INTO counted SELECT 0, done, upto, cursor FROM counted_before;
DROP TABLE counted_before;
