-- The console: passkeys of the staff, their sessions, and the book of what they looked at. Of links and sessions only hashes
-- are kept.

CREATE TABLE passkeys (
    credential BLOB PRIMARY KEY,               -- the id that the authenticator gave it
    person     TEXT NOT NULL,
    key        BLOB NOT NULL,                  -- SubjectPublicKeyInfo
    counter    INTEGER NOT NULL,               -- the highest that was shown; 0: the authenticator does not count
    name       TEXT NOT NULL,
    added_ms   INTEGER NOT NULL,
    used_ms    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX passkeys_person ON passkeys (person);

-- Links by which a person registers a passkey: each once, for minutes.
CREATE TABLE sign_in_links (
    hash       BLOB PRIMARY KEY,               -- SHA-256 of the secret in the link
    person     TEXT NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    hash     BLOB PRIMARY KEY,                 -- SHA-256 of what the cookie holds
    id       TEXT NOT NULL UNIQUE,
    person   TEXT NOT NULL,
    made_ms  INTEGER NOT NULL,
    used_ms  INTEGER NOT NULL,                 -- to the minute
    ends_ms  INTEGER NOT NULL                  -- at the latest
) STRICT, WITHOUT ROWID;

-- What people of the staff did that is no act: who looked at which number and why, who signed in. Others of the staff read it.
-- The label says nothing without the VRF key, and the number is found only while it is registered.
CREATE TABLE desk (
    seq    INTEGER PRIMARY KEY,
    at_ms  INTEGER NOT NULL,
    person TEXT NOT NULL,
    what   TEXT NOT NULL,                      -- looked-up, signed-in, passkey-added, passkey-removed, link-made, keys-asked
    label  BLOB,
    reason TEXT NOT NULL
) STRICT;
