-- Someone was in from message `first` to message `last`; without `last` they are in, or the server ended before they did.
CREATE TABLE chat_attendances (
    org_id BLOB NOT NULL,
    room_id BLOB NOT NULL,
    participant_id BLOB NOT NULL CHECK (length(participant_id) = 16),
    first BIGINT NOT NULL,
    last BIGINT,
    session_id BLOB NOT NULL,
    actor_id BLOB NOT NULL CHECK (length(actor_id) = 16),
    PRIMARY KEY (org_id, room_id, participant_id, first),
    FOREIGN KEY (org_id, room_id, session_id) REFERENCES chat_sessions (org_id, room_id, session_id)
);

CREATE INDEX chat_attendances_by_actor ON chat_attendances (org_id, room_id, actor_id, first);
CREATE INDEX chat_attendances_by_session ON chat_attendances (org_id, room_id, session_id);
