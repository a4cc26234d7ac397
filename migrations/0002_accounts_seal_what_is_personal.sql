-- email_index is a keyed hash, so that an account is found without its address being readable.
-- An ended account keeps its row for the audit trail and gives its address back.
CREATE TABLE accounts (
    org_id BLOB NOT NULL REFERENCES organisations (org_id),
    account_id BLOB NOT NULL CHECK (length(account_id) = 16),
    email_index BLOB NOT NULL CHECK (length(email_index) = 32),
    email BLOB NOT NULL,
    name BLOB NOT NULL,
    password BLOB NOT NULL,
    may_create_rooms BIGINT NOT NULL CHECK (may_create_rooms IN (0, 1)),
    is_admin BIGINT NOT NULL CHECK (is_admin IN (0, 1)),
    epoch BIGINT NOT NULL,
    created BIGINT NOT NULL,
    ended BIGINT,
    PRIMARY KEY (org_id, account_id)
);

CREATE UNIQUE INDEX accounts_by_email ON accounts (org_id, email_index) WHERE ended IS NULL;
