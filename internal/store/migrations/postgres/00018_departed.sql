-- +goose Up

-- Consumers that were deleted: what is older than this is not shown to who
-- acts for a later one of the same uid. A row goes with the history it hides.
CREATE TABLE departed (
    project  bigint NOT NULL,
    consumer text COLLATE "C" NOT NULL,
    k        bigint NOT NULL, -- of the deletion
    PRIMARY KEY (project, consumer)
);
CREATE INDEX departed_by_key ON departed (k);
