-- The ledger's first shape. Times are milliseconds (_ms) or seconds (_s) since 1970, UTC; labels, hashes and keys are raw bytes.
-- Facts are only ever added (events, gov, epochs); what can be derived from them stands in tables that are updated.

-- One row a fact about this installation: apex, host, origin, public keys, the newest frontier of the map log.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Bearer tokens of the HTTP API: never the token, only its SHA-256.
CREATE TABLE tokens (
    id         TEXT PRIMARY KEY,
    hash       BLOB NOT NULL UNIQUE,
    provider   TEXT,                           -- NULL: the operator
    test       INTEGER NOT NULL,               -- 1: reaches only the sandbox range
    scopes     TEXT NOT NULL,                  -- one a line: verb or verb:prefix
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    used_ms    INTEGER,
    revoked_ms INTEGER
) STRICT, WITHOUT ROWID;

-- Personal data: this table and no other. Everything else refers to the label, which says nothing without the VRF key.
-- The row of a released number is deleted. `next_…` waits for the seal of an UPDATE, TRANSFER or RECOVER-COMPLETE.
CREATE TABLE personal (
    label        BLOB PRIMARY KEY,
    number       INTEGER NOT NULL UNIQUE,      -- the packed digits
    proof        BLOB NOT NULL,                -- 80 bytes: VRF proof that the label is the number's
    opening      BLOB NOT NULL,
    record       BLOB NOT NULL,
    next_opening BLOB,
    next_record  BLOB
) STRICT, WITHOUT ROWID;

-- The number map: the State of every label, and what an auditor would remember beside it.
CREATE TABLE states (
    label     BLOB PRIMARY KEY,
    state     BLOB NOT NULL,                   -- 212 bytes, with its epochs
    sponsor   TEXT NOT NULL,
    time_ms   INTEGER NOT NULL,                -- of the epoch that set it
    request   BLOB,                            -- the open recovery or notice of release
    event_seq INTEGER NOT NULL,                -- the newest event
    keys_seq  INTEGER NOT NULL,                -- the newest event that fixed control key and commitment
    due_s     INTEGER                          -- not_after, while there is something left to lapse
) STRICT, WITHOUT ROWID;
CREATE INDEX states_due ON states (due_s) WHERE due_s IS NOT NULL;

-- Every accepted event as it was submitted (both epochs 0), in the order of acceptance. An event's epoch is the first
-- whose last_seq reaches it.
CREATE TABLE events (
    seq         INTEGER PRIMARY KEY,
    hash        BLOB NOT NULL UNIQUE,
    event       BLOB NOT NULL,
    received_ms INTEGER NOT NULL,
    gov_size    INTEGER NOT NULL,              -- leaves of the gov log under which it was judged
    promised    INTEGER NOT NULL,              -- the latest epoch that will hold it
    before_seq  INTEGER                        -- the label's event before this one
) STRICT;

-- Accepted and not yet sealed: at most one event a label.
CREATE TABLE open_events (
    label BLOB PRIMARY KEY,
    seq   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX open_events_seq ON open_events (seq);

-- Validation tokens that were used up: the first 16 bytes of SHA-256 over VE and jti, until nobody could present them again.
CREATE TABLE jtis (
    hash    BLOB PRIMARY KEY,
    until_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX jtis_until ON jtis (until_s);

-- Which label publishes a key: the same key under another control key is refused.
CREATE TABLE published_keys (
    key   BLOB NOT NULL,                       -- SHA-256 of the published key
    label BLOB NOT NULL,
    PRIMARY KEY (key, label)
) STRICT, WITHOUT ROWID;

-- What a provider did on a day (days since 1970, UTC), for its quotas.
CREATE TABLE counters (
    provider TEXT NOT NULL,
    day      INTEGER NOT NULL,
    creates  INTEGER NOT NULL,
    prepares INTEGER NOT NULL,
    PRIMARY KEY (provider, day)
) STRICT, WITHOUT ROWID;

-- How many numbers a provider has.
CREATE TABLE holdings (
    provider TEXT PRIMARY KEY,
    numbers  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- First answers to requests with an Idempotency-Key: which event they led to.
CREATE TABLE idempotency (
    owner   TEXT NOT NULL,
    key     TEXT NOT NULL,
    made_ms INTEGER NOT NULL,
    request BLOB NOT NULL,                     -- SHA-256 of the request
    event   BLOB NOT NULL,                     -- hash of the event
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_made ON idempotency (made_ms);

-- The map log: row n is its leaf n; row 0 is the configuration leaf. Sealed, and with its note signed.
CREATE TABLE epochs (
    n        INTEGER PRIMARY KEY,
    time_ms  INTEGER NOT NULL,
    leaf     BLOB NOT NULL,
    last_seq INTEGER NOT NULL,                 -- the newest event in this epoch or an earlier one
    gov_size INTEGER NOT NULL,                 -- leaves of the gov log that it rests on
    note     TEXT                              -- the signed checkpoint; NULL: sealed only
) STRICT;
CREATE INDEX epochs_last_seq ON epochs (last_seq, n);

-- The gov log's leaves; the register of providers is what they add up to.
CREATE TABLE gov (
    idx  INTEGER PRIMARY KEY,
    leaf BLOB NOT NULL
) STRICT;
