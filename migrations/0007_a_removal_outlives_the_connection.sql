-- actor_id is an account or a guest. Without `until` the removal stands until it is forgiven.
CREATE TABLE removals (
    org_id BLOB NOT NULL,
    room_id BLOB NOT NULL,
    session_id BLOB NOT NULL CHECK (length(session_id) = 16),
    actor_id BLOB NOT NULL CHECK (length(actor_id) = 16),
    removed_by BLOB NOT NULL,
    removed BIGINT NOT NULL,
    until BIGINT,
    PRIMARY KEY (org_id, room_id, actor_id),
    FOREIGN KEY (org_id, room_id) REFERENCES rooms (org_id, room_id)
);
