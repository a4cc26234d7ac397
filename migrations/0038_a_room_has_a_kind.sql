-- A room without a row is a meeting. Rows are never deleted; they share their revisions with the settings of the room.
CREATE TABLE room_kinds (
    org_id BLOB NOT NULL,
    room_id BLOB NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('meeting', 'webinar')),
    set_by BLOB NOT NULL CHECK (length(set_by) = 16),
    revision BIGINT NOT NULL CHECK (revision > 0),
    PRIMARY KEY (org_id, room_id),
    FOREIGN KEY (org_id, room_id) REFERENCES rooms (org_id, room_id)
);
