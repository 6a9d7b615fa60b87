-- +goose Up

-- Answers to creations that came with an idempotency key, for as long as a
-- repeat gets the same one. Sealed: some show a secret.
CREATE TABLE answers (
    project  INTEGER NOT NULL, -- of the caller's key; 0: a root key
    consumer TEXT NOT NULL,    -- that the caller's key is bound to; '': none
    key      TEXT NOT NULL,
    request  BLOB NOT NULL,    -- hash
    made     INTEGER NOT NULL,
    answer   BLOB NOT NULL,
    PRIMARY KEY (project, consumer, key)
) WITHOUT ROWID;
CREATE INDEX answers_by_age ON answers (made);
