-- +goose Up

-- Who is told by mail of endpoints that fail, and in which language.
ALTER TABLE projects ADD COLUMN emails text COLLATE "C" NOT NULL DEFAULT '';    -- JSON; '': nobody
ALTER TABLE projects ADD COLUMN language text COLLATE "C" NOT NULL DEFAULT '';  -- '': the server's
ALTER TABLE consumers ADD COLUMN emails text COLLATE "C" NOT NULL DEFAULT '';   -- JSON; '': nobody
ALTER TABLE consumers ADD COLUMN language text COLLATE "C" NOT NULL DEFAULT ''; -- '': the project's

-- When to announce what ends by itself: old secrets of endpoints (1, when they
-- end), keys (2, some time before they do).
CREATE TABLE reminders (
    at      bigint NOT NULL,
    kind    bigint NOT NULL,
    subject bigint NOT NULL, -- key of the endpoint or of the key
    PRIMARY KEY (at, kind, subject)
);
INSERT INTO reminders SELECT expires - 604800000000, 2, k FROM keys WHERE expires > 0 AND revoked = 0 AND project <> 0;

-- Endpoints that fail, from the first failed attempt until a success, and for
-- an hour or so after it: so their owners are told once of each step.
CREATE TABLE incidents (
    endpoint bigint PRIMARY KEY,
    opened   bigint NOT NULL, -- at the first failed attempt
    closed   bigint NOT NULL, -- by a success; 0: it goes on
    failures bigint NOT NULL, -- attempts in a row that failed, as far as they are counted
    told     bigint NOT NULL, -- which notices were made: bits
    failed   bigint NOT NULL, -- deliveries that failed for good
    reported bigint NOT NULL, -- of them, those that a notice counted
    withheld bigint NOT NULL, -- notices that would have been too many
    remind   bigint NOT NULL, -- when to tell of what is not told; 0: nothing is
    reminded bigint NOT NULL, -- when that was done last
    notices  bytea NOT NULL     -- times of the last hour's notices, 8 bytes each
);
CREATE INDEX incidents_due ON incidents (remind) WHERE remind > 0;
CREATE INDEX incidents_closed ON incidents (closed) WHERE closed > 0;

-- What happened, on its way to those who are to be told.
CREATE TABLE notices (
    k        bigint PRIMARY KEY,
    endpoint bigint NOT NULL,
    facts    text COLLATE "C" NOT NULL -- JSON
);

-- Addresses that were written to.
CREATE TABLE mailboxes (
    k        bigint PRIMARY KEY,
    project  bigint NOT NULL,
    address  text COLLATE "C" NOT NULL,
    last     bigint NOT NULL, -- mail
    sent     bytea NOT NULL,    -- times of the last hour's mails, 8 bytes each
    held     bigint NOT NULL, -- notices held back since the last digest
    digest   bigint NOT NULL, -- when the next is due; 0: nothing is held back
    digested bigint NOT NULL, -- when the last one was
    stopped  bigint NOT NULL, -- when its owner wanted no more; 0: it goes on
    UNIQUE (project, address)
);
CREATE INDEX mailboxes_due ON mailboxes (digest) WHERE digest > 0;
CREATE INDEX mailboxes_idle ON mailboxes (last) WHERE stopped = 0;

-- What a digest will say: the last notice of each endpoint, and how many.
CREATE TABLE held_notices (
    mailbox  bigint NOT NULL,
    endpoint bigint NOT NULL,
    count    bigint NOT NULL,
    last     bigint NOT NULL,
    facts    text COLLATE "C" NOT NULL, -- JSON, of the last one
    PRIMARY KEY (mailbox, endpoint)
);

-- Mails that are to be sent: a row goes when its mail was taken by the relay,
-- or is given up.
CREATE TABLE mails (
    k       bigint PRIMARY KEY,
    mailbox bigint NOT NULL,
    due     bigint NOT NULL,
    tries   bigint NOT NULL,
    facts   text COLLATE "C" NOT NULL -- JSON
);
CREATE INDEX mails_due ON mails (due);
CREATE INDEX mails_by_mailbox ON mails (mailbox);
