-- +goose Up

-- Consumers that were deleted: what is older than this is not shown to who
-- acts for a later one of the same uid. A row goes with the history it hides.
-- And projects: they left rows.
CREATE TABLE departed (
    project  INTEGER NOT NULL,
    consumer TEXT NOT NULL,    -- uid; '': the project
    k        INTEGER NOT NULL, -- of the deletion
    PRIMARY KEY (project, consumer)
) WITHOUT ROWID;
CREATE INDEX departed_by_key ON departed (k);
