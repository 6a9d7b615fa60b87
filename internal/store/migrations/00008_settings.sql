-- +goose Up

-- What an endpoint's owner set beside its URL, types and headers: JSON, and
-- what of it is secret, sealed.
ALTER TABLE endpoints ADD COLUMN settings TEXT NOT NULL DEFAULT '';
ALTER TABLE endpoints ADD COLUMN auth BLOB;
