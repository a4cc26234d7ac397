-- hash = SHA-256(prev_hash, the row as stored). The head carries a keyed hash, so that a shortened chain shows.
CREATE TABLE audit (
    org_id BLOB NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    action TEXT NOT NULL,
    decision TEXT NOT NULL CHECK (decision IN ('permitted', 'denied', 'noted')),
    rule BIGINT,
    policy_version BIGINT NOT NULL,
    actor BLOB,
    subject BLOB,
    room BLOB,
    detail TEXT,
    count BIGINT NOT NULL,
    prev_hash BLOB NOT NULL CHECK (length(prev_hash) = 32),
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (org_id, seq)
);

CREATE TABLE audit_heads (
    org_id BLOB NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    mac BLOB NOT NULL CHECK (length(mac) = 32)
);
