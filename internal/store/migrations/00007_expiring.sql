-- +goose Up

-- Paused and disabled endpoints whose deliveries were announced to expire:
-- once for each time that they are held, which began at since.
CREATE TABLE expiring (
    endpoint INTEGER PRIMARY KEY,
    since    INTEGER NOT NULL
);
