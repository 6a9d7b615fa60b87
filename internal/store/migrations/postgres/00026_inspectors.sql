-- +goose Up

-- Throw-away addresses that keep what arrives there.
CREATE TABLE inspectors (
    k        bigint PRIMARY KEY,
    project  bigint NOT NULL,
    hash     bytea NOT NULL UNIQUE, -- of the token in its address
    token    bytea NOT NULL,        -- sealed
    name     text COLLATE "C" NOT NULL,
    answer   text COLLATE "C" NOT NULL, -- JSON
    dialect  text COLLATE "C" NOT NULL, -- that requests are verified by; '': they are not
    secret   bytea,                 -- to verify with, sealed; NULL: none
    keep     bigint NOT NULL,       -- how long requests are kept
    expires  bigint NOT NULL,       -- when it ends; 0: it does not
    last     bigint NOT NULL,       -- key of the newest request there was; 0: there was none
    requests bigint NOT NULL,       -- that are kept
    bytes    bigint NOT NULL        -- that these take
);
CREATE INDEX inspectors_by_project ON inspectors (project, k);
CREATE INDEX inspectors_by_expiry ON inspectors (expires) WHERE expires > 0;

-- What arrived there.
CREATE TABLE inspected (
    k         bigint PRIMARY KEY,   -- those of an inspector rise in the order of their commits
    inspector bigint NOT NULL,
    until     bigint NOT NULL,      -- when it goes
    size      bigint NOT NULL,      -- as its inspector counts it
    answered  bigint NOT NULL,      -- when the answer was out; 0: not yet, or the sender was gone
    facts     text COLLATE "C" NOT NULL, -- JSON
    method    text COLLATE "C" NOT NULL,
    path      bytea NOT NULL,       -- behind the token, as sent
    query     bytea NOT NULL,       -- likewise
    head      bytea NOT NULL,       -- header lines, as sent
    body      bytea NOT NULL
);
CREATE INDEX inspected_by_inspector ON inspected (inspector, k);
CREATE INDEX inspected_by_end ON inspected (until);
