-- Eras that are closed: their logs stay readable for ever, and a number that was given back in one still rests in the next.

CREATE TABLE eras (
    era       INTEGER PRIMARY KEY,
    origin    TEXT NOT NULL,                   -- of its map log
    vkey      TEXT NOT NULL,                   -- of the key that signed it
    size      INTEGER NOT NULL,                -- its leaves
    closed_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE past_epochs (
    era      INTEGER NOT NULL,
    n        INTEGER NOT NULL,
    time_ms  INTEGER NOT NULL,
    leaf     BLOB NOT NULL,
    last_seq INTEGER NOT NULL,                 -- as in epochs
    gov_size INTEGER NOT NULL,
    note     TEXT,
    PRIMARY KEY (era, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX past_epochs_last_seq ON past_epochs (last_seq, era, n);

CREATE TABLE resting (
    label       BLOB PRIMARY KEY,              -- of an era before: whose number it was is known to nobody any more
    released_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- While an era is opened: where each label goes.
CREATE TABLE carried (
    old   BLOB PRIMARY KEY,
    new   BLOB NOT NULL,
    proof BLOB NOT NULL                        -- 80 bytes: VRF proof that the new label is the number's
) STRICT, WITHOUT ROWID;
