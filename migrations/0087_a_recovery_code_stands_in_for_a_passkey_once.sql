-- code_hash is a keyed hash of the code and its account: who reads the table can use none of them.
CREATE TABLE recovery_codes (
    org_id BLOB NOT NULL,
    account_id BLOB NOT NULL,
    code_hash BLOB NOT NULL CHECK (length(code_hash) = 32),
    made BIGINT NOT NULL,
    used BIGINT,
    PRIMARY KEY (org_id, account_id, code_hash),
    FOREIGN KEY (org_id, account_id) REFERENCES accounts (org_id, account_id)
);
