-- +goose Up

-- The queue is nearly empty most of the time, and plans that are made then are
-- kept. To PostgreSQL reading a whole index of a few rows is cheaper than
-- finding rows one by one: it took these for what is asked for by k, and each
-- deletion read them whole, however long the queue was by then. Under a
-- condition that always holds they are for those statements alone that say it.
DROP INDEX queue_due;
DROP INDEX queue_by_endpoint;
DROP INDEX queue_by_project;
CREATE INDEX queue_due ON queue (endpoint, due, k) WHERE endpoint > 0;
CREATE INDEX queue_by_endpoint ON queue (endpoint, k) WHERE endpoint > 0;
CREATE INDEX queue_by_project ON queue (project, k) WHERE project > 0;
