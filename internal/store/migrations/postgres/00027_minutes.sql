-- What happened to projects by the minute, for a short while (rollup.go has the
-- form of data, as of hours).

-- +goose Up

CREATE TABLE minutes (
    minute  bigint NOT NULL, -- since 1970, UTC
    subject bigint NOT NULL, -- key of the project
    data    bytea NOT NULL,
    PRIMARY KEY (minute, subject)
) WITH (fillfactor = 70);
