-- +goose Up

-- Who changed what. Append-only; rows go by their age alone. No secret, and
-- no address beyond its host, is in here.
CREATE TABLE audit (
    k        INTEGER PRIMARY KEY,
    project  INTEGER NOT NULL, -- 0: of the server itself
    kind     TEXT NOT NULL,    -- of the actor
    actor    TEXT NOT NULL,    -- its id; without one, its kind
    prefix   TEXT NOT NULL,    -- that its key begins with
    request  BLOB,             -- id of the request; NULL: none
    action   TEXT NOT NULL,
    object   TEXT NOT NULL,    -- id, as the world sees it
    consumer TEXT NOT NULL,    -- uid of the object's consumer; '': none
    changes  TEXT NOT NULL     -- JSON
);
CREATE INDEX audit_by_project ON audit (project);
CREATE INDEX audit_by_actor ON audit (project, actor);
CREATE INDEX audit_by_action ON audit (project, action);
CREATE INDEX audit_by_object ON audit (project, object);
