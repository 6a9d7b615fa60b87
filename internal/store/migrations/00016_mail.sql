-- +goose Up

-- Who is told by mail of endpoints that fail, and in which language.
ALTER TABLE projects ADD COLUMN emails TEXT NOT NULL DEFAULT '';    -- JSON; '': nobody
ALTER TABLE projects ADD COLUMN language TEXT NOT NULL DEFAULT '';  -- '': the server's
ALTER TABLE consumers ADD COLUMN emails TEXT NOT NULL DEFAULT '';   -- JSON; '': nobody
ALTER TABLE consumers ADD COLUMN language TEXT NOT NULL DEFAULT ''; -- '': the project's

-- When to announce what ends by itself: old secrets of endpoints (1, when they
-- end), keys (2, some time before they do).
CREATE TABLE reminders (
    at      INTEGER NOT NULL,
    kind    INTEGER NOT NULL,
    subject INTEGER NOT NULL, -- key of the endpoint or of the key
    PRIMARY KEY (at, kind, subject)
) WITHOUT ROWID;
INSERT INTO reminders SELECT expires - 604800000000, 2, k FROM keys WHERE expires > 0 AND revoked = 0 AND project <> 0;
