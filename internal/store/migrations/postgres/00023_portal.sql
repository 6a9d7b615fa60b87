-- +goose Up

-- A portal session is opened in a browser by a one-time link: until then door
-- is the hash of the link's token, afterwards of the one in the cookie.
ALTER TABLE portal_sessions ADD COLUMN door bytea; -- NULL: it has none
ALTER TABLE portal_sessions ADD COLUMN opened bigint NOT NULL DEFAULT 0; -- 0: not yet
CREATE UNIQUE INDEX portal_sessions_by_door ON portal_sessions (door) WHERE door IS NOT NULL;

-- How the project's portal looks, and who may frame it: JSON; '': as by default.
ALTER TABLE projects ADD COLUMN portal text COLLATE "C" NOT NULL DEFAULT '';
