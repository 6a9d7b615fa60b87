-- +goose Up

-- What a project says about its event types. Those that its dialect brings
-- have no rows, until the project says something else about them.
CREATE TABLE event_types (
    k          INTEGER PRIMARY KEY,
    project    INTEGER NOT NULL,
    name       TEXT NOT NULL,
    revision   INTEGER NOT NULL, -- of this row; raised by every write
    updated_at INTEGER NOT NULL,
    validate   INTEGER NOT NULL,
    deprecated INTEGER NOT NULL,
    about      TEXT NOT NULL, -- JSON: what is said to people
    schema     BLOB,          -- JSON Schema as it came
    examples   BLOB,          -- JSON array of data
    UNIQUE (project, name)
);
CREATE INDEX event_types_validated ON event_types (project) WHERE validate = 1;

ALTER TABLE projects ADD COLUMN known_types_only INTEGER NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN types_version INTEGER NOT NULL DEFAULT 0; -- of its event types; every change raises it
