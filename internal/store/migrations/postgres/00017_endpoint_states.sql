-- +goose Up

-- A project's paused or disabled endpoints are found at once, however many
-- are active.
CREATE INDEX endpoints_by_state ON endpoints (project, state, k) WHERE deleted_at = 0 AND state <> 'active';
