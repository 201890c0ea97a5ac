-- What is found by something as good as random (the hash of an event, a used token, a published key) goes to its large index in
-- pieces, sorted: until then it stands here, in the order in which it came. See src/ledger/recent.rs.

CREATE TABLE recent (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,   -- never twice: what goes is told by its place
    kind  INTEGER NOT NULL,                    -- 0 an event, 1 a used token, 2 a published key
    key   BLOB NOT NULL,                       -- event_places.hash, jtis.hash, published_keys.key
    value ANY NOT NULL                         -- event_places.seq, jtis.until_s, published_keys.label
) STRICT;

-- Where an event with this hash stands. It was an index of `events`, into which each new row had to go at once.
CREATE TABLE event_places (
    hash BLOB PRIMARY KEY,
    seq  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO event_places (hash, seq) SELECT hash, seq FROM events ORDER BY hash;

CREATE TABLE events_rows (
    seq         INTEGER PRIMARY KEY,
    hash        BLOB NOT NULL,
    event       BLOB NOT NULL,
    received_ms INTEGER NOT NULL,
    gov_size    INTEGER NOT NULL,              -- leaves of the gov log under which it was judged
    promised    INTEGER NOT NULL,              -- the latest epoch that will hold it
    before_seq  INTEGER                        -- the label's event before this one
) STRICT;
INSERT INTO events_rows (seq, hash, event, received_ms, gov_size, promised, before_seq)
    SELECT seq, hash, event, received_ms, gov_size, promised, before_seq FROM events ORDER BY seq;
DROP TABLE events;
ALTER TABLE events_rows RENAME TO events;
