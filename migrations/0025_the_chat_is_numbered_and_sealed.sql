-- Numbers count up through all sessions of a room and are never given again. What was deleted keeps its number and no text.
-- A session that is over is wiped from `until` on; `keep` says how long its chat outlives it, 0 not at all.
CREATE TABLE chat_numbers (
    org_id BLOB NOT NULL,
    room_id BLOB NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (org_id, room_id),
    FOREIGN KEY (org_id, room_id) REFERENCES rooms (org_id, room_id)
);

CREATE TABLE chat_sessions (
    org_id BLOB NOT NULL,
    room_id BLOB NOT NULL,
    session_id BLOB NOT NULL CHECK (length(session_id) = 16),
    latest BIGINT NOT NULL,
    keep BIGINT NOT NULL,
    until BIGINT,
    PRIMARY KEY (org_id, room_id, session_id),
    FOREIGN KEY (org_id, room_id) REFERENCES rooms (org_id, room_id)
);

CREATE INDEX chat_sessions_by_end ON chat_sessions (until);

CREATE TABLE chat_messages (
    org_id BLOB NOT NULL,
    room_id BLOB NOT NULL,
    number BIGINT NOT NULL,
    session_id BLOB NOT NULL,
    participant_id BLOB NOT NULL CHECK (length(participant_id) = 16),
    actor_id BLOB NOT NULL CHECK (length(actor_id) = 16),
    role TEXT NOT NULL,
    sent BIGINT NOT NULL,
    reference BLOB NOT NULL CHECK (length(reference) = 32),
    name BLOB NOT NULL,
    text BLOB,
    deleted_by BLOB,
    PRIMARY KEY (org_id, room_id, number),
    FOREIGN KEY (org_id, room_id, session_id) REFERENCES chat_sessions (org_id, room_id, session_id)
);

CREATE UNIQUE INDEX chat_messages_by_reference
    ON chat_messages (org_id, room_id, session_id, actor_id, reference);
