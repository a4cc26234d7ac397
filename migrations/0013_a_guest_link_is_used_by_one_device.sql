-- Only the hash of the link's secret is kept; the label, by which hosts know the guest, is sealed.
CREATE TABLE guest_links (
    org_id BLOB NOT NULL,
    room_id BLOB NOT NULL,
    link_id BLOB NOT NULL CHECK (length(link_id) = 16),
    secret_hash BLOB NOT NULL CHECK (length(secret_hash) = 32),
    label BLOB NOT NULL,
    made_by BLOB NOT NULL,
    made BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    device_id BLOB,
    used BIGINT,
    revoked BIGINT,
    PRIMARY KEY (org_id, room_id, link_id),
    UNIQUE (org_id, secret_hash),
    FOREIGN KEY (org_id, room_id) REFERENCES rooms (org_id, room_id)
);
