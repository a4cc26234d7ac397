-- identity_index is a keyed hash of issuer and subject: an identity is found, and nothing of it can be read. What its provider
-- last said of someone's rights stands here and counts in sessions that came by it; made_account says that the account has no
-- other way in.
CREATE TABLE identities (
    org_id BLOB NOT NULL,
    identity_id BLOB NOT NULL CHECK (length(identity_id) = 16),
    account_id BLOB NOT NULL,
    identity_index BLOB NOT NULL CHECK (length(identity_index) = 32),
    provider TEXT NOT NULL,
    may_create_rooms BIGINT NOT NULL CHECK (may_create_rooms IN (0, 1)),
    is_admin BIGINT NOT NULL CHECK (is_admin IN (0, 1)),
    made_account BIGINT NOT NULL CHECK (made_account IN (0, 1)),
    linked BIGINT NOT NULL,
    used BIGINT,
    PRIMARY KEY (org_id, identity_id),
    UNIQUE (org_id, identity_index),
    FOREIGN KEY (org_id, account_id) REFERENCES accounts (org_id, account_id)
);

CREATE INDEX identities_by_account ON identities (org_id, account_id);
