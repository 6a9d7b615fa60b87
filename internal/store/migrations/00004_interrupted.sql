-- +goose Up

-- Of a delivery's attempts: those that a crash may have interrupted. They
-- have a number and a row, and used up no try of the schedule.
ALTER TABLE queue ADD COLUMN interrupted INTEGER NOT NULL DEFAULT 0;
