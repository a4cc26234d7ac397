CREATE TABLE room_roles (
    org_id BLOB NOT NULL,
    room_id BLOB NOT NULL,
    account_id BLOB NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('host', 'presenter')),
    given_by BLOB NOT NULL,
    given BIGINT NOT NULL,
    PRIMARY KEY (org_id, room_id, account_id),
    FOREIGN KEY (org_id, room_id) REFERENCES rooms (org_id, room_id),
    FOREIGN KEY (org_id, account_id) REFERENCES accounts (org_id, account_id)
);
