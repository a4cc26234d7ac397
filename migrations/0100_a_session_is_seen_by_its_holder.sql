-- A session of an account as its holder sees it. What it runs on and where it was used last are sealed; used is written when it is
-- renewed, not with each request. passkey_id is the passkey that opened it: with that one it is over. Gone with the session's end.
CREATE TABLE account_sessions (
    org_id BLOB NOT NULL,
    account_id BLOB NOT NULL,
    token_id BLOB NOT NULL CHECK (length(token_id) = 16),
    epoch BIGINT NOT NULL,
    device BLOB NOT NULL,
    place BLOB NOT NULL,
    passkey_id BLOB,
    began BIGINT NOT NULL,
    used BIGINT NOT NULL,
    ends BIGINT NOT NULL,
    PRIMARY KEY (org_id, account_id, token_id),
    FOREIGN KEY (org_id, account_id) REFERENCES accounts (org_id, account_id)
);

CREATE INDEX account_sessions_by_end ON account_sessions (org_id, ends);
