-- What the companies' own management APIs need beside the native one.

-- +goose Up

ALTER TABLE projects ADD COLUMN host TEXT NOT NULL DEFAULT ''; -- lower case, without port
CREATE UNIQUE INDEX projects_by_host ON projects (host) WHERE host <> '';

ALTER TABLE endpoints ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE endpoints ADD COLUMN path BLOB;      -- sealed: the secret of its address
ALTER TABLE endpoints ADD COLUMN path_hash BLOB; -- SHA-256 of it; stays when the endpoint is deleted
CREATE UNIQUE INDEX endpoints_by_path ON endpoints (path_hash) WHERE path_hash IS NOT NULL;

-- Attempts of an endpoint that are kept, and the last one. Written every few
-- seconds; what is newer is counted in memory, and a start reads it from
-- sends. meta has under 'tallied' the last row of sends that is in here.
CREATE TABLE tallies (
    endpoint INTEGER PRIMARY KEY,
    attempts INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    status   INTEGER NOT NULL
);
INSERT INTO tallies SELECT endpoint, sum(attempts), max(at), 0 FROM (
    SELECT endpoint, attempts, iif(attempts > 0, finished, 0) AS at FROM deliveries
    UNION ALL SELECT endpoint, attempts, last_at FROM queue) GROUP BY endpoint;
INSERT INTO meta SELECT 'tallied', coalesce(max(k), 0) FROM sends;
