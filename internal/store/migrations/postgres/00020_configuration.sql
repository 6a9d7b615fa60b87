-- +goose Up

-- What processes hold in memory of the configuration, all of them the same.
-- 1: the configuration itself, raised by every transaction that changes it; a
-- transaction that was made with an older one fails. 2: what people and their
-- programs ask for, raised by every transaction that does some of it, so that
-- two of them are never made beside each other.
CREATE TABLE configuration (
    id         smallint PRIMARY KEY,
    generation bigint NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
INSERT INTO configuration VALUES (1, 0), (2, 0);

-- What each generation of the configuration changed, for an hour
-- (configuration.go has the kinds).
CREATE TABLE changes (
    generation bigint NOT NULL,
    kind       smallint NOT NULL,
    k          bigint NOT NULL, -- of what it is; 0: of everything
    at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX changes_by_generation ON changes (generation);
