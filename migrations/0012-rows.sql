-- Large rows stand in the order in which they came, and small indexes lead to them. When they stood by their labels, which are
-- as good as random, a registration changed another page of each table, and one in a few of these had to be split; with a million
-- numbers hardly two registrations of one commit shared a page.

CREATE TABLE personal_rows (
    id           INTEGER PRIMARY KEY,
    label        BLOB NOT NULL UNIQUE,
    number       INTEGER NOT NULL UNIQUE,      -- the packed digits
    proof        BLOB NOT NULL,                -- 80 bytes: VRF proof that the label is the number's
    opening      BLOB NOT NULL,
    record       BLOB NOT NULL,
    next_opening BLOB,
    next_record  BLOB,
    sponsor      TEXT NOT NULL,
    feed_from    INTEGER NOT NULL,
    validation   INTEGER                       -- what the registration rests on: validations.id
) STRICT;

CREATE TABLE validations_rows (
    id      INTEGER NOT NULL,                  -- of one validation: several tokens may make it
    n       INTEGER NOT NULL,
    label   BLOB NOT NULL,
    entity  TEXT NOT NULL,
    key     BLOB NOT NULL,                     -- thumbprint of the entity's key
    iat_s   INTEGER NOT NULL,
    methods TEXT NOT NULL,                     -- ids, one a line
    PRIMARY KEY (id, n)
) STRICT, WITHOUT ROWID;
INSERT INTO validations_rows (id, n, label, entity, key, iat_s, methods)
    SELECT dense_rank() OVER (ORDER BY label, seq), n, label, entity, key, iat_s, methods FROM validations ORDER BY label, seq, n;

INSERT INTO personal_rows (label, number, proof, opening, record, next_opening, next_record, sponsor, feed_from, validation)
    SELECT p.label, number, proof, opening, record, next_opening, next_record, sponsor, feed_from, newest.id
    FROM personal p LEFT JOIN (SELECT label, max(id) AS id FROM validations_rows GROUP BY label) newest ON newest.label = p.label;
DROP TABLE personal;
ALTER TABLE personal_rows RENAME TO personal;
CREATE INDEX personal_sponsor ON personal (sponsor, number);

DROP TABLE validations;
ALTER TABLE validations_rows RENAME TO validations;
CREATE INDEX validations_key ON validations (key, iat_s);

CREATE TABLE states_rows (
    id        INTEGER PRIMARY KEY,
    label     BLOB NOT NULL,
    hash      BLOB NOT NULL,                   -- of the State: what the map commits to
    state     BLOB NOT NULL,                   -- 212 bytes, with its epochs
    sponsor   TEXT NOT NULL,
    time_ms   INTEGER NOT NULL,                -- of the epoch that set it
    request   BLOB,                            -- the open recovery or notice of release
    event_seq INTEGER NOT NULL,                -- the newest event
    keys_seq  INTEGER NOT NULL,                -- the newest event that fixed control key and commitment
    due_s     INTEGER                          -- not_after, while there is something left to lapse
) STRICT;
INSERT INTO states_rows (label, hash, state, sponsor, time_ms, request, event_seq, keys_seq, due_s)
    SELECT label, sha256(state), state, sponsor, time_ms, request, event_seq, keys_seq, due_s FROM states;
DROP TABLE states;
ALTER TABLE states_rows RENAME TO states;
CREATE INDEX states_label ON states (label, hash); -- a bucket of the map is read from here alone
CREATE INDEX states_due ON states (due_s, label) WHERE due_s IS NOT NULL;

CREATE TABLE audit_tokens_rows (
    at_ms   INTEGER NOT NULL,                  -- when its event was accepted
    event   BLOB NOT NULL,                     -- hash of the event that brought it
    n       INTEGER NOT NULL,
    entity  TEXT NOT NULL,
    methods TEXT NOT NULL,                     -- ids, one a line
    kind    TEXT NOT NULL,                     -- new, renew, contest
    weak    INTEGER NOT NULL,                  -- 1: by the charter of that day all its methods are weak
    label   BLOB NOT NULL,
    control BLOB NOT NULL,                     -- thumbprint of the control key that it names
    evd     BLOB NOT NULL,                     -- its commitment to the evidence
    PRIMARY KEY (at_ms, event, n)
) STRICT, WITHOUT ROWID;
INSERT INTO audit_tokens_rows (at_ms, event, n, entity, methods, kind, weak, label, control, evd)
    SELECT at_ms, event, n, entity, methods, kind, weak, label, control, evd FROM audit_tokens ORDER BY at_ms, event, n;
DROP TABLE audit_tokens;
ALTER TABLE audit_tokens_rows RENAME TO audit_tokens;
