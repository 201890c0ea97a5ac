-- The roots of complete tiles of both logs (C2SP tlog-tiles): the hashes of which tiles of level 1 and above consist. All
-- else of a tile is made from the leaves. What follows from older leaves is filled in when the ledger is opened.

CREATE TABLE tiles (
    log   INTEGER NOT NULL,                    -- 0 gov, 1 map
    level INTEGER NOT NULL,
    n     INTEGER NOT NULL,
    root  BLOB NOT NULL,
    PRIMARY KEY (log, level, n)
) STRICT, WITHOUT ROWID;
