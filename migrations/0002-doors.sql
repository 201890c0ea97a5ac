-- What the doors of article 6 rest on: transfer codes, and what became of earlier requests. Nothing here is personal: a label
-- says nothing without the VRF key, and of a code only a hash is kept.

-- The code that is in force for a number: one at most, the newest.
CREATE TABLE transfer_codes (
    label      BLOB PRIMARY KEY,
    hash       BLOB NOT NULL,                 -- SHA-256 over label and code
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX transfer_codes_expire ON transfer_codes (expires_ms);

-- What is remembered of a number's requests, for as long as later ones must wait for it; it goes with the registration.
CREATE TABLE past (
    label    BLOB NOT NULL,
    time_ms  INTEGER NOT NULL,                -- of acceptance
    what     INTEGER NOT NULL,                -- the kind of the event: 5 completed, 6 vetoed, 10 validated again
    provider TEXT,                            -- vetoed: whose request it was
    control  BLOB,                            -- completed: the control key before
    PRIMARY KEY (label, time_ms, what)
) STRICT, WITHOUT ROWID;
CREATE INDEX past_time ON past (time_ms);

-- Wrong transfer codes of a provider on a day.
ALTER TABLE counters ADD COLUMN wrong_codes INTEGER NOT NULL DEFAULT 0;
