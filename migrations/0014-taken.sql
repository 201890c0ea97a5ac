-- From which control key a change by code or by claim took a number: for some time that key may take it back. Not personal: thumbprints
-- stand in the States as well.

ALTER TABLE states ADD COLUMN taken BLOB;      -- control key before, and the time of the epoch of the change; NULL: nothing to take back
