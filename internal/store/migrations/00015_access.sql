-- +goose Up

-- Tokens for a consumer's own portal: short-lived, made with a key, in force
-- for as long as that is. A row goes when its session is ended, or is over.
CREATE TABLE portal_sessions (
    k        INTEGER PRIMARY KEY,
    project  INTEGER NOT NULL,
    consumer TEXT NOT NULL,
    access   TEXT NOT NULL,
    made_by  INTEGER NOT NULL, -- the key
    prefix   TEXT NOT NULL,    -- that the token begins with
    hash     BLOB NOT NULL UNIQUE,
    expires  INTEGER NOT NULL,
    used     INTEGER NOT NULL
);
CREATE INDEX portal_sessions_by_consumer ON portal_sessions (project, consumer);
CREATE INDEX portal_sessions_by_expiry ON portal_sessions (expires);

-- Links that show an endpoint's secret once. They hold no secret: what is in
-- force when one is opened is what it shows.
CREATE TABLE secret_links (
    k           INTEGER PRIMARY KEY,
    endpoint    INTEGER NOT NULL,
    hash        BLOB NOT NULL UNIQUE,
    expires     INTEGER NOT NULL,
    revoked     INTEGER NOT NULL, -- 0: it was not
    opened      INTEGER NOT NULL, -- 0: not yet
    opened_from TEXT NOT NULL     -- address of whoever did
);
CREATE INDEX secret_links_by_endpoint ON secret_links (endpoint);
CREATE INDEX secret_links_by_expiry ON secret_links (expires);

-- When endpoints with a rate were probed: like an attempt, a probe counts in
-- the minute that the rate looks back.
CREATE TABLE probes (
    endpoint INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (endpoint, at)
) WITHOUT ROWID;

CREATE INDEX keys_by_consumer ON keys (project, consumer) WHERE consumer <> '';
