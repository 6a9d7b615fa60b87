-- +goose Up

-- People who sign in to the console.
CREATE TABLE people (
    k        INTEGER PRIMARY KEY,
    email    TEXT NOT NULL UNIQUE, -- in small letters
    password TEXT NOT NULL,        -- argon2id, as a PHC string
    role     TEXT NOT NULL,
    disabled INTEGER NOT NULL      -- when; 0: not
);

-- Browsers that they signed in with. A row goes when its session is ended, or
-- is over.
CREATE TABLE console_sessions (
    k       INTEGER PRIMARY KEY,
    person  INTEGER NOT NULL,
    hash    BLOB NOT NULL UNIQUE, -- of the token in the cookie
    agent   TEXT NOT NULL,        -- what the browser says it is
    expires INTEGER NOT NULL,
    used    INTEGER NOT NULL
);
CREATE INDEX console_sessions_by_person ON console_sessions (person);
CREATE INDEX console_sessions_by_expiry ON console_sessions (expires);

-- One-time links that make a person, or give one a new password. A row goes
-- when its link is used or over.
CREATE TABLE invitations (
    k       INTEGER PRIMARY KEY,
    hash    BLOB NOT NULL UNIQUE, -- of the token in the link
    email   TEXT NOT NULL,        -- '': who has the link chooses
    role    TEXT NOT NULL,
    made_by INTEGER NOT NULL,     -- person; 0: the server, for the first owner
    expires INTEGER NOT NULL
);
CREATE INDEX invitations_by_expiry ON invitations (expires);
