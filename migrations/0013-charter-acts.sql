-- What an act of kind charter announces: the texts as they were asked for, and whom they touched then. An act shows digests.

CREATE TABLE act_charters (
    act     INTEGER PRIMARY KEY,
    follows INTEGER NOT NULL,                  -- the version that was the newest when it was asked for
    policy  TEXT NOT NULL,                     -- policy.toml
    prose   TEXT NOT NULL,                     -- charter.md
    touched TEXT NOT NULL                      -- JSON, counts only
) STRICT;
