-- The operator's staff, its acts, and what registrations rest on. Times are milliseconds (_ms) or seconds (_s) since 1970, UTC.

-- People of the operator: the only place where their ids stand. Nobody is ever deleted: acts name them.
CREATE TABLE staff (
    id         TEXT PRIMARY KEY,
    role       TEXT NOT NULL,
    key        BLOB,                           -- algorithm byte and public key; NULL until the first admin has set one
    added_ms   INTEGER NOT NULL,
    ended_ms   INTEGER,
    proof_s    INTEGER NOT NULL DEFAULT 0      -- the time in the newest request that the key signed: each is used once
) STRICT, WITHOUT ROWID;

-- An operator's token names its person. Tokens from before there were people belong to the first admin.
ALTER TABLE tokens ADD COLUMN staff TEXT;
INSERT INTO staff (id, role, added_ms)
    SELECT 'admin', 'admin', min(created_ms) FROM tokens WHERE provider IS NULL HAVING count(*) > 0;
UPDATE tokens SET staff = 'admin' WHERE provider IS NULL;

-- What the operator did or is asked to do. Numbers stand in act_labels as labels, never in parameters.
CREATE TABLE acts (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    kind       TEXT NOT NULL,
    parameters TEXT NOT NULL,                  -- JSON
    clause     TEXT NOT NULL,
    reason     TEXT NOT NULL,
    state      TEXT NOT NULL,                  -- open, done, withdrawn, expired
    hands      INTEGER NOT NULL,               -- how many people it needs
    asked_ms   INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    gov        INTEGER,                        -- the index of the leaf that it led to
    until_s    INTEGER,                        -- of a suspension of numbers: its end
    followed   INTEGER,                        -- the act that was prepared to end it
    request    TEXT UNIQUE,                    -- person and Idempotency-Key
    digest     BLOB NOT NULL                   -- SHA-256 of what was asked for
) STRICT;
CREATE INDEX acts_open ON acts (expires_ms) WHERE state = 'open';
CREATE INDEX acts_until ON acts (until_s) WHERE until_s IS NOT NULL;

-- Every step of an act: who and when.
CREATE TABLE act_steps (
    act   INTEGER NOT NULL,
    n     INTEGER NOT NULL,
    step  TEXT NOT NULL,                       -- asked, approved, withdrawn, expired, done
    who   TEXT,                                -- NULL: the register itself
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (act, n)
) STRICT, WITHOUT ROWID;

-- The numbers that an act is about, by label.
CREATE TABLE act_labels (
    act      INTEGER NOT NULL,
    label    BLOB NOT NULL,
    event    INTEGER,                          -- the accepted event
    over     INTEGER NOT NULL DEFAULT 0,       -- of a suspension: 1 once it was resumed or released
    PRIMARY KEY (act, label)
) STRICT, WITHOUT ROWID;
CREATE INDEX act_labels_held ON act_labels (label) WHERE event IS NOT NULL AND over = 0;

-- The newest sanction of a provider: who had a hand in it does not decide the appeal.
CREATE TABLE sanctions (
    provider    TEXT PRIMARY KEY,
    act         INTEGER,                       -- NULL: time did it
    at_ms       INTEGER NOT NULL,
    appealed_ms INTEGER,
    decided_ms  INTEGER                        -- when the appeal was lost
) STRICT, WITHOUT ROWID;

-- What each registration rests on: the tokens of its newest validation.
CREATE TABLE validations (
    label   BLOB NOT NULL,
    seq     INTEGER NOT NULL,                  -- the event that brought it
    n       INTEGER NOT NULL,
    entity  TEXT NOT NULL,
    key     BLOB NOT NULL,                     -- thumbprint of the entity's key
    iat_s   INTEGER NOT NULL,
    methods TEXT NOT NULL,                     -- ids, one a line
    PRIMARY KEY (label, seq, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX validations_key ON validations (key, iat_s);

-- Keys of validation entities that were reported as lost.
CREATE TABLE compromised (
    key      BLOB PRIMARY KEY,
    entity   TEXT NOT NULL,
    since_s  INTEGER NOT NULL,
    found_ms INTEGER NOT NULL,
    due_ms   INTEGER,                          -- when what still rests on it is withheld; NULL once that was asked for
    act      INTEGER                           -- the act that asks for it
) STRICT, WITHOUT ROWID;
CREATE INDEX compromised_due ON compromised (due_ms) WHERE due_ms IS NOT NULL;
