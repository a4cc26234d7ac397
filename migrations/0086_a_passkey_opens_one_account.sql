-- credential_index is a keyed hash of what the authenticator calls its credential; the credential itself (its public key and
-- counter) and the name that its owner gave it are sealed. uses counts its uses, so that two at the same moment are told apart;
-- regressed is when its counter went backwards, after which it opens nothing.
CREATE TABLE passkeys (
    org_id BLOB NOT NULL,
    account_id BLOB NOT NULL,
    passkey_id BLOB NOT NULL CHECK (length(passkey_id) = 16),
    credential_index BLOB NOT NULL CHECK (length(credential_index) = 32),
    name BLOB NOT NULL,
    credential BLOB NOT NULL,
    uses BIGINT NOT NULL,
    made BIGINT NOT NULL,
    used BIGINT,
    regressed BIGINT,
    PRIMARY KEY (org_id, account_id, passkey_id),
    UNIQUE (org_id, credential_index),
    FOREIGN KEY (org_id, account_id) REFERENCES accounts (org_id, account_id)
);
