-- What happened to projects by the minute, for a short while (rollup.go has the
-- form of data, as of hours).

-- +goose Up

CREATE TABLE minutes (
    minute  INTEGER NOT NULL, -- since 1970, UTC
    subject INTEGER NOT NULL, -- key of the project
    data    BLOB NOT NULL,
    PRIMARY KEY (minute, subject)
) WITHOUT ROWID;
