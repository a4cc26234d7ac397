-- signature = Ed25519 over the organisation, the number, the time and the hash. A database that was turned back lacks the newest.
CREATE TABLE audit_signed_heads (
    org_id BLOB NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    signature BLOB NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (org_id, seq)
);
