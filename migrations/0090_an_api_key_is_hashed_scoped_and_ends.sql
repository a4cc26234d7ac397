-- Only the hash of a key is kept, with its first letters by which people know it again; its name is sealed. It is over when whoever made
-- it has no account any more, or administers no more.
CREATE TABLE api_keys (
    org_id BLOB NOT NULL,
    key_id BLOB NOT NULL CHECK (length(key_id) = 16),
    secret_hash BLOB NOT NULL CHECK (length(secret_hash) = 32),
    prefix TEXT NOT NULL,
    name BLOB NOT NULL,
    scopes TEXT NOT NULL,
    made_by BLOB NOT NULL,
    made BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    used BIGINT,
    revoked BIGINT,
    PRIMARY KEY (org_id, key_id),
    UNIQUE (org_id, secret_hash),
    FOREIGN KEY (org_id, made_by) REFERENCES accounts (org_id, account_id)
);
