-- Final cues of a session, in each language in which someone read them. A transcript is wiped from `until` on; `keep` says how long it
-- outlives its session, 0 not at all.
CREATE TABLE transcripts (
    org_id BLOB NOT NULL,
    room_id BLOB NOT NULL,
    session_id BLOB NOT NULL CHECK (length(session_id) = 16),
    started BIGINT NOT NULL,
    latest BIGINT NOT NULL,
    keep BIGINT NOT NULL,
    until BIGINT,
    PRIMARY KEY (org_id, room_id, session_id),
    FOREIGN KEY (org_id, room_id) REFERENCES rooms (org_id, room_id)
);

CREATE INDEX transcripts_by_end ON transcripts (until);

CREATE TABLE transcript_cues (
    org_id BLOB NOT NULL,
    room_id BLOB NOT NULL,
    session_id BLOB NOT NULL,
    number BIGINT NOT NULL,
    language TEXT NOT NULL,
    original BIGINT NOT NULL CHECK (original IN (0, 1)),
    participant_id BLOB NOT NULL CHECK (length(participant_id) = 16),
    began BIGINT NOT NULL,
    ended BIGINT NOT NULL,
    name BLOB NOT NULL,
    text BLOB NOT NULL,
    PRIMARY KEY (org_id, room_id, session_id, number, language),
    FOREIGN KEY (org_id, room_id, session_id) REFERENCES transcripts (org_id, room_id, session_id)
);
