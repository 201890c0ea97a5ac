-- The versions of the charter that were announced: what the digests in the gov log's leaves stand for.
CREATE TABLE charters (
    version      INTEGER PRIMARY KEY,
    effective_ms INTEGER NOT NULL,
    policy       TEXT NOT NULL,                -- policy.toml
    prose        TEXT NOT NULL                 -- charter.md
) STRICT;
