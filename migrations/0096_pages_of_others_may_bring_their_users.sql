-- The origins of pages whose users may come to the door of a room, by a join token that their own server asked for.
CREATE TABLE embedding_origins (
    org_id BLOB NOT NULL,
    origin TEXT NOT NULL,
    set_by BLOB NOT NULL CHECK (length(set_by) = 16),
    PRIMARY KEY (org_id, origin),
    FOREIGN KEY (org_id) REFERENCES organisations (org_id)
);
