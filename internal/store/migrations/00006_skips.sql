-- +goose Up

-- Endpoints that were resumed without what they held: what is pending with a
-- key before bound is still to be cancelled.
CREATE TABLE skips (
    endpoint INTEGER PRIMARY KEY,
    bound    INTEGER NOT NULL
);
