-- Only the hash of the token is kept; the label, by which hosts know the stream, is sealed.
CREATE TABLE stream_tokens (
    org_id BLOB NOT NULL,
    room_id BLOB NOT NULL,
    token_id BLOB NOT NULL CHECK (length(token_id) = 16),
    secret_hash BLOB NOT NULL CHECK (length(secret_hash) = 32),
    kind TEXT NOT NULL CHECK (kind IN ('source', 'viewer')),
    screen BIGINT NOT NULL CHECK (screen IN (0, 1)),
    label BLOB NOT NULL,
    made_by BLOB NOT NULL,
    made BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    used BIGINT,
    revoked BIGINT,
    PRIMARY KEY (org_id, room_id, token_id),
    UNIQUE (org_id, secret_hash),
    FOREIGN KEY (org_id, room_id) REFERENCES rooms (org_id, room_id)
);
