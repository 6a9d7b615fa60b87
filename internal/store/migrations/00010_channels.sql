-- +goose Up

-- Names that an event carries, with a space between them; NULL: none.
ALTER TABLE events ADD COLUMN channels TEXT;
