-- How often a session was renewed, and whether what came of the last renewal was taken into use. Gone with the session's end.
CREATE TABLE session_turns (
    org_id BLOB NOT NULL REFERENCES organisations (org_id),
    token_id BLOB NOT NULL CHECK (length(token_id) = 16),
    turn BIGINT NOT NULL CHECK (turn > 0),
    turned BIGINT NOT NULL,
    seen BIGINT NOT NULL CHECK (seen IN (0, 1)),
    ends BIGINT NOT NULL,
    PRIMARY KEY (org_id, token_id)
);

CREATE INDEX session_turns_by_end ON session_turns (org_id, ends);
