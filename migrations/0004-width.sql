-- Batches, lists, the change feed with its notices, webhooks, complaints.

-- A list of one provider's numbers costs its page, so the sponsor stands beside the number; it follows `states.sponsor`.
-- `feed_from`: changes up to this one belong to an earlier registration of the number, whose rows stay nameless.
ALTER TABLE personal ADD COLUMN sponsor TEXT NOT NULL DEFAULT '';
ALTER TABLE personal ADD COLUMN feed_from INTEGER NOT NULL DEFAULT 0;
UPDATE personal SET sponsor = coalesce(
    (SELECT sponsor FROM states WHERE states.label = personal.label AND states.due_s IS NOT NULL), '');
CREATE INDEX personal_sponsor ON personal (sponsor, number);

-- Batches that were taken in. Their items are not here: numbers and records stand in `personal` alone.
CREATE TABLE batches (
    id       TEXT PRIMARY KEY,
    owner    TEXT NOT NULL,                    -- the provider
    key      TEXT,                             -- its Idempotency-Key
    request  BLOB NOT NULL,                    -- SHA-256 of the request
    dry_run  INTEGER NOT NULL,
    items    INTEGER NOT NULL,
    made_ms  INTEGER NOT NULL,
    ended_ms INTEGER                           -- every item has its result
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX batches_key ON batches (owner, key) WHERE key IS NOT NULL;
CREATE INDEX batches_made ON batches (made_ms);

-- What became of an item: the event that was accepted, or why not. Written in the transaction of the event itself.
CREATE TABLE batch_results (
    batch   TEXT NOT NULL,
    item    INTEGER NOT NULL,                  -- its place, from 0
    event   BLOB,                              -- hash of the accepted event
    version INTEGER,                           -- the version that it makes (a dry run: would make)
    refusal TEXT,                              -- JSON: why not
    PRIMARY KEY (batch, item)
) STRICT, WITHOUT ROWID;

-- The change feed: one row a sealed event or notice, by label. The number is looked up when somebody reads.
CREATE TABLE changes (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    epoch     INTEGER NOT NULL,                -- visible once this epoch is published
    time_ms   INTEGER NOT NULL,
    label     BLOB NOT NULL,
    kind      INTEGER NOT NULL,                -- of the event; 0: a notice
    door      INTEGER NOT NULL,
    version   INTEGER NOT NULL,
    event     BLOB,                            -- hash of the event as submitted
    before    TEXT,                            -- sponsor before and after
    after     TEXT,
    requester TEXT,                            -- who asked at a door
    notice_d  INTEGER,                         -- which notice
    ends_s    INTEGER                          -- and the not_after that it is about
) STRICT;
CREATE INDEX changes_time ON changes (time_ms);

-- Which provider a change concerns, counted for each provider by itself: nobody sees how much happens at others.
CREATE TABLE change_readers (
    provider TEXT NOT NULL,
    n        INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    PRIMARY KEY (provider, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX change_readers_seq ON change_readers (seq);

-- How far each provider's count goes, and up to where it was forgotten. The operator's row has an empty
-- name; its places are `seq`.
CREATE TABLE change_heads (
    provider TEXT PRIMARY KEY,
    newest   INTEGER NOT NULL,
    purged   INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Up to which end of a registration the notice of so many days was given: everything before (due_s, label) is done.
CREATE TABLE notice_marks (
    notice_d INTEGER PRIMARY KEY,
    due_s    INTEGER NOT NULL,
    label    BLOB NOT NULL
) STRICT;

-- Complaints. A number that one is about is named by its label; text and contact are erased some time after it is closed.
CREATE TABLE complaints (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    made_ms    INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    about      TEXT NOT NULL,
    label      BLOB,
    state      TEXT NOT NULL,                  -- open, in_work, closed
    outcome    TEXT,                           -- of a closed one
    text       TEXT,                           -- NULL once erased
    contact    TEXT
) STRICT;
CREATE INDEX complaints_closed ON complaints (changed_ms) WHERE state = 'closed' AND text IS NOT NULL;
CREATE INDEX complaints_state ON complaints (state, seq);
