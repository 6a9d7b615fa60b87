-- +goose Up

-- Who is told by mail of endpoints that fail, and in which language.
ALTER TABLE projects ADD COLUMN emails TEXT NOT NULL DEFAULT '';    -- JSON; '': nobody
ALTER TABLE projects ADD COLUMN language TEXT NOT NULL DEFAULT '';  -- '': the server's
ALTER TABLE consumers ADD COLUMN emails TEXT NOT NULL DEFAULT '';   -- JSON; '': nobody
ALTER TABLE consumers ADD COLUMN language TEXT NOT NULL DEFAULT ''; -- '': the project's
