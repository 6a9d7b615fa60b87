-- +goose Up

-- Tokens for a consumer's own portal: short-lived, made with a key, in force
-- for as long as that is. A row goes when its session is ended, or is over.
CREATE TABLE portal_sessions (
    k        bigint PRIMARY KEY,
    project  bigint NOT NULL,
    consumer text COLLATE "C" NOT NULL,
    access   text COLLATE "C" NOT NULL,
    made_by  bigint NOT NULL, -- the key
    prefix   text COLLATE "C" NOT NULL,   -- that the token begins with
    hash     bytea NOT NULL UNIQUE,
    expires  bigint NOT NULL,
    used     bigint NOT NULL
);
CREATE INDEX portal_sessions_by_consumer ON portal_sessions (project, consumer, k);
CREATE INDEX portal_sessions_by_expiry ON portal_sessions (expires);

-- Links that show an endpoint's secret once. They hold no secret: what is in
-- force when one is opened is what it shows.
CREATE TABLE secret_links (
    k           bigint PRIMARY KEY,
    endpoint    bigint NOT NULL,
    hash        bytea NOT NULL UNIQUE,
    expires     bigint NOT NULL,
    revoked     bigint NOT NULL, -- 0: it was not
    opened      bigint NOT NULL, -- 0: not yet
    opened_from text COLLATE "C" NOT NULL    -- address of whoever did
);
CREATE INDEX secret_links_by_endpoint ON secret_links (endpoint, k);
CREATE INDEX secret_links_by_expiry ON secret_links (expires);

-- When endpoints with a rate were probed: like an attempt, a probe counts in
-- the minute that the rate looks back.
CREATE TABLE probes (
    endpoint bigint NOT NULL,
    at       bigint NOT NULL,
    PRIMARY KEY (endpoint, at)
);

CREATE INDEX keys_by_consumer ON keys (project, consumer, k) WHERE consumer <> '';
