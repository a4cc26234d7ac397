-- A key makes sessions until `makes_until` and opens them until `opens_until`, one session lifetime later.
CREATE TABLE session_keys (
    org_id BLOB NOT NULL REFERENCES organisations (org_id),
    key_id BLOB NOT NULL CHECK (length(key_id) = 16),
    secret BLOB NOT NULL,
    created BIGINT NOT NULL,
    makes_until BIGINT NOT NULL,
    opens_until BIGINT NOT NULL,
    PRIMARY KEY (org_id, key_id)
);
