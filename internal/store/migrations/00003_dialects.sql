-- +goose Up

-- The source of every dialect revision that the server has run with: what was
-- accepted under one is rendered with it for as long as it is kept.
CREATE TABLE dialects (
    ref    TEXT PRIMARY KEY, -- name/revision, as events name it
    source BLOB NOT NULL
) WITHOUT ROWID;
