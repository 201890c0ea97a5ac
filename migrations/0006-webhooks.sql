-- Webhooks: where the change feed is sent, how far each endpoint has come, and what its latest attempts met.

CREATE TABLE webhooks (
    seq              INTEGER PRIMARY KEY AUTOINCREMENT,
    id               TEXT NOT NULL UNIQUE,
    owner            TEXT NOT NULL,            -- the provider; the operator's have an empty name
    url              TEXT NOT NULL,
    kinds            TEXT NOT NULL,            -- which kinds of changes are sent, one a line; empty: all
    description      TEXT NOT NULL,
    made_ms          INTEGER NOT NULL,
    state            TEXT NOT NULL,            -- active, paused, gone, failed, behind
    edition          INTEGER NOT NULL,         -- counts what the owner sets: an attempt from before it does not write over it
    place            INTEGER NOT NULL,         -- everything up to this place of the owner's count was taken
    next_ms          INTEGER NOT NULL,         -- no attempt before
    failures         INTEGER NOT NULL,         -- in a row
    failing_ms       INTEGER,                  -- when the first of them was
    succeeded_ms     INTEGER,                  -- the newest attempt that was taken
    succeeded_status INTEGER,
    failed_ms        INTEGER,                  -- the newest that was not
    failed_status    INTEGER,
    failed_why       TEXT
) STRICT;
CREATE INDEX webhooks_owner ON webhooks (owner, seq);
CREATE INDEX webhooks_due ON webhooks (next_ms) WHERE state = 'active';

-- The latest attempts of each endpoint, a bounded number of them. Nothing of what was sent is here but its place.
CREATE TABLE webhook_attempts (
    webhook INTEGER NOT NULL,
    n       INTEGER NOT NULL,
    place   INTEGER,                           -- NULL: a test
    at_ms   INTEGER NOT NULL,
    took_ms INTEGER NOT NULL,
    status  INTEGER,                           -- NULL: no answer came
    why     TEXT,                              -- why it does not count as taken
    PRIMARY KEY (webhook, n)
) STRICT, WITHOUT ROWID;
