-- +goose Up

-- People who sign in to the console.
CREATE TABLE people (
    k        bigint PRIMARY KEY,
    email    text COLLATE "C" NOT NULL UNIQUE, -- in small letters
    password text COLLATE "C" NOT NULL,        -- argon2id, as a PHC string
    role     text COLLATE "C" NOT NULL,
    disabled bigint NOT NULL      -- when; 0: not
);

-- Browsers that they signed in with. A row goes when its session is ended, or
-- is over.
CREATE TABLE console_sessions (
    k       bigint PRIMARY KEY,
    person  bigint NOT NULL,
    hash    bytea NOT NULL UNIQUE, -- of the token in the cookie
    agent   text COLLATE "C" NOT NULL,        -- what the browser says it is
    expires bigint NOT NULL,
    used    bigint NOT NULL
);
CREATE INDEX console_sessions_by_person ON console_sessions (person, k);
CREATE INDEX console_sessions_by_expiry ON console_sessions (expires);

-- One-time links that make a person, or give one a new password. A row goes
-- when its link is used or over.
CREATE TABLE invitations (
    k       bigint PRIMARY KEY,
    hash    bytea NOT NULL UNIQUE, -- of the token in the link
    email   text COLLATE "C" NOT NULL,        -- '': who has the link chooses
    role    text COLLATE "C" NOT NULL,
    made_by bigint NOT NULL,     -- person; 0: the server, for the first owner
    expires bigint NOT NULL
);
CREATE INDEX invitations_by_expiry ON invitations (expires);
