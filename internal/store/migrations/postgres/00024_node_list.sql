-- +goose Up

-- What people see of the processes that serve.
ALTER TABLE nodes
    ADD COLUMN version text NOT NULL DEFAULT '',             -- of the program
    ADD COLUMN address text NOT NULL DEFAULT '',             -- that it listens on
    ADD COLUMN lease double precision NOT NULL DEFAULT 0,    -- seconds; until less this is when it was renewed
    ADD COLUMN died boolean NOT NULL DEFAULT false;          -- another process found the last holder dead, and saw to what it left
