CREATE TABLE rooms (
    org_id BLOB NOT NULL REFERENCES organisations (org_id),
    room_id BLOB NOT NULL CHECK (length(room_id) = 16),
    owner_id BLOB NOT NULL,
    title BLOB NOT NULL,
    password BLOB NOT NULL,
    created BIGINT NOT NULL,
    ended BIGINT,
    PRIMARY KEY (org_id, room_id),
    FOREIGN KEY (org_id, owner_id) REFERENCES accounts (org_id, account_id)
);

CREATE INDEX rooms_by_owner ON rooms (org_id, owner_id, created);
