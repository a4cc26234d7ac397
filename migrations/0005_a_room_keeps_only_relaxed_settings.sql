-- A setting without a row stands at its strictest value, also one that a later version adds.
CREATE TABLE room_settings (
    org_id BLOB NOT NULL,
    room_id BLOB NOT NULL,
    setting TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (org_id, room_id, setting),
    FOREIGN KEY (org_id, room_id) REFERENCES rooms (org_id, room_id)
);
