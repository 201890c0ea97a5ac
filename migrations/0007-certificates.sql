-- SHA-256 of the client certificate to which a token is bound (RFC 8705); NULL: to none.
ALTER TABLE tokens ADD COLUMN certificate BLOB;
