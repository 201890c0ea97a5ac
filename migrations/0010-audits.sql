-- Audits of what validation entities promised (clause 7.5), re-validations, and complaints to their outcome. Nothing here names a
-- person but evidence, which is erased; numbers stand as labels.

-- Every accepted token, as long as it may be audited: the facts that a population is made of.
CREATE TABLE audit_tokens (
    event   BLOB NOT NULL,                     -- hash of the event that brought it
    n       INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL,                  -- when that was accepted
    entity  TEXT NOT NULL,
    methods TEXT NOT NULL,                     -- ids, one a line
    kind    TEXT NOT NULL,                     -- new, renew, contest
    weak    INTEGER NOT NULL,                  -- 1: by the charter of that day all its methods are weak
    label   BLOB NOT NULL,
    control BLOB NOT NULL,                     -- thumbprint of the control key that it names
    evd     BLOB NOT NULL,                     -- its commitment to the evidence
    PRIMARY KEY (event, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_tokens_at ON audit_tokens (at_ms);

-- One audit a month; the three leaves of the gov log say what is public of it.
CREATE TABLE audits (
    period       TEXT PRIMARY KEY,             -- 2026-11
    state        TEXT NOT NULL,                -- closed, drawn, published
    closed_ms    INTEGER NOT NULL,             -- the time of its closing leaf
    count        INTEGER NOT NULL,             -- tokens
    population   BLOB NOT NULL,                -- SHA-256
    k_min        INTEGER NOT NULL,             -- smaller strata were told together
    close_leaf   INTEGER NOT NULL,
    from_epoch   INTEGER NOT NULL,             -- the head is not older than this epoch
    draw_leaf    INTEGER,
    drawn_ms     INTEGER,
    checkpoint   TEXT,                         -- the signed head of the draw
    due_ms       INTEGER,                      -- when evidence was due at first
    result_leaf  INTEGER,
    published_ms INTEGER
) STRICT, WITHOUT ROWID;

-- Every step of an audit: who and when.
CREATE TABLE audit_steps (
    period TEXT NOT NULL,
    n      INTEGER NOT NULL,
    step   TEXT NOT NULL,
    who    TEXT,                               -- NULL: the register itself
    at_ms  INTEGER NOT NULL,
    PRIMARY KEY (period, n)
) STRICT, WITHOUT ROWID;

-- What was drawn.
CREATE TABLE audit_items (
    id          TEXT PRIMARY KEY,              -- the first half of the commitment in hexadecimal digits
    period      TEXT NOT NULL,
    entity      TEXT NOT NULL,
    stratum     TEXT NOT NULL,
    methods     TEXT NOT NULL,                 -- as in the token
    kind        TEXT NOT NULL,
    label       BLOB NOT NULL,
    control     BLOB NOT NULL,
    evd         BLOB NOT NULL,
    token_ms    INTEGER NOT NULL,
    state       TEXT NOT NULL,                 -- asked, answered, passed, failed
    due_ms      INTEGER NOT NULL,
    answered_ms INTEGER,
    fault       TEXT,                          -- of a failed one
    clause      TEXT,
    judged_by   TEXT,                          -- NULL: time
    judged_ms   INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_items_of ON audit_items (entity, state, id);
CREATE INDEX audit_items_period ON audit_items (period, state, id);
CREATE INDEX audit_items_due ON audit_items (due_ms) WHERE state = 'asked';
CREATE INDEX audit_items_label ON audit_items (label);

-- Evidence that was handed in: it holds personal data, in this table alone.
CREATE TABLE audit_evidence (
    item     TEXT PRIMARY KEY,
    evidence BLOB NOT NULL,
    came_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_evidence_came ON audit_evidence (came_ms);

-- How many tokens of each stratum there were, and the act that was proposed for the findings of an entity.
CREATE TABLE audit_strata (
    period  TEXT NOT NULL,
    entity  TEXT NOT NULL,
    stratum TEXT NOT NULL,
    size    INTEGER NOT NULL,
    PRIMARY KEY (period, entity, stratum)
) STRICT, WITHOUT ROWID;
CREATE TABLE audit_acts (
    period TEXT NOT NULL,
    entity TEXT NOT NULL,
    act    TEXT NOT NULL,
    PRIMARY KEY (period, entity)
) STRICT, WITHOUT ROWID;

-- Codes that were sent to numbers, to be answered with the control key. Never the code, only its hash.
CREATE TABLE revalidations (
    id         TEXT PRIMARY KEY,
    item       TEXT NOT NULL,                  -- the drawn token that it is about
    label      BLOB NOT NULL,
    code       BLOB NOT NULL,                  -- SHA-256 over id and code
    made_ms    INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    wrong      INTEGER NOT NULL DEFAULT 0,
    state      TEXT NOT NULL,                  -- sending, sent, unsent, confirmed, wrong, expired
    done_ms    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX revalidations_item ON revalidations (item, made_ms);
CREATE INDEX revalidations_open ON revalidations (expires_ms) WHERE state IN ('sending', 'sent');

-- What a complaint led to.
ALTER TABLE complaints ADD COLUMN clause TEXT;       -- on which the outcome rests
ALTER TABLE complaints ADD COLUMN act TEXT;          -- an act of the operator
ALTER TABLE complaints ADD COLUMN item TEXT;         -- a drawn token of an audit
ALTER TABLE complaints ADD COLUMN taken_by TEXT;
ALTER TABLE complaints ADD COLUMN closed_by TEXT;
CREATE INDEX complaints_made ON complaints (made_ms);
