-- Only the hash of the invitation's secret is kept. An 'owner' invitation makes the first account.
CREATE TABLE invitations (
    org_id BLOB NOT NULL REFERENCES organisations (org_id),
    token_hash BLOB NOT NULL CHECK (length(token_hash) = 32),
    kind TEXT NOT NULL CHECK (kind IN ('owner', 'member')),
    name BLOB,
    may_create_rooms BIGINT NOT NULL CHECK (may_create_rooms IN (0, 1)),
    invited_by BLOB,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (org_id, token_hash)
);

CREATE INDEX invitations_by_expiry ON invitations (org_id, expires);
