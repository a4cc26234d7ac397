-- What hosts chose about the speech of a room. `languages`: the codes that it may be translated into, separated by spaces; absent where
-- nothing was chosen. `words`: sealed lines. A row goes with its room.
CREATE TABLE room_speech (
    org_id BLOB NOT NULL,
    room_id BLOB NOT NULL,
    languages TEXT,
    spoken TEXT,
    words BLOB NOT NULL,
    set_by BLOB NOT NULL CHECK (length(set_by) = 16),
    revision BIGINT NOT NULL,
    PRIMARY KEY (org_id, room_id),
    FOREIGN KEY (org_id, room_id) REFERENCES rooms (org_id, room_id)
);
